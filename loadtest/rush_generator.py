"""One process that plays many people: who is due when, the connections they share, and what was measured.

Owns `generate`, which runs in a process of its own and talks with rush.py through a pipe: an address list and "go" in,
one `Progress` a second and a `Told` at the end out. People who are due are sent in the order in which they became due,
each over whichever connection is free; at most `pipeline` of them are under way on one connection. A person whose
connection is lost, or who is told to wait, asks again: the same bytes, at whichever node then answers.
"""

import asyncio
import time
from array import array
from collections import Counter, deque
from multiprocessing.connection import Connection as Pipe
from typing import Final, cast

import msgspec
import uvloop

from .latency import Latencies
from .responses import ResponseReader
from .rush_people import CALL_OF, WRITES, Call, People, ToldBooking
from .rush_plan import Plan

SLOT_SECONDS: Final = 0.02  # people who are due within it become due together
RECONNECT_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 30.0
PAUSE_SECONDS_MIN: Final = 0.1  # without any answer of a kind, to be noted
Address = tuple[str, int]


class Pause(msgspec.Struct, frozen=True):
    """No write (or read) was answered between two moments (time.monotonic)."""

    kind: str  # write or read
    began: float
    ended: float


class Progress(msgspec.Struct, frozen=True):
    at: float  # time.monotonic
    steps: dict[str, int]
    answered: int  # so far
    tickets_paid: int
    ready: int  # people who are due and wait for a connection
    cpu_seconds: float


class Told(msgspec.Struct):
    """What the people of one generator were told, and how long it took."""

    generator: int
    steps: bytes
    numbers: "array[int]"
    bookings: dict[int, ToldBooking]
    admitted_number_max: int
    faults: list[str]
    latencies: dict[int, Latencies]  # by Call, from when it was sent
    late: Latencies  # from when somebody was due until they were sent
    retried: Latencies  # of calls that were sent more than once: from the first time until answered
    statuses: dict[int, int]
    errors: dict[str, int]
    pauses: list[Pause]
    lost: int  # requests under way on connections that were lost


class SharedConnection(asyncio.Protocol):
    """A connection that many people share, one after the other and a few at a time."""

    __slots__ = ("_generator", "_reader", "_transport", "under_way")

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._reader = ResponseReader()
        self._transport: asyncio.Transport | None = None
        self.under_way: deque[tuple[int, int, float]] = deque()  # person (-1: the cache), call, when it was sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._generator.open.add(self)

    def send(self) -> None:
        """Let those ask who are due, as many as may be under way."""
        generator, under_way = self._generator, self.under_way
        packet = []
        now = time.monotonic()
        while len(under_way) < generator.pipeline and generator.ready:
            person = generator.ready.popleft()
            call, request = generator.request_of(person, now)
            under_way.append((person, call, now))
            packet.append(request)
        if packet and self._transport is not None:
            self._transport.write(b"".join(packet))
        elif not under_way:
            generator.idle.append(self)

    def data_received(self, data: bytes) -> None:
        reader, under_way, generator = self._reader, self.under_way, self._generator
        reader.feed(data)
        now = time.monotonic()
        try:
            while under_way and (response := reader.next()) is not None:
                person, call, sent_at = under_way.popleft()
                generator.answered(person, call, response, reader.head, sent_at, now)
                if not reader.keep_alive:
                    self.drop("closed by the server")
                    return
        except ValueError as error:
            self.drop(f"malformed: {error}")
            return
        self.send()

    def drop(self, reason: str) -> None:
        self._generator.lost(self, reason)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.lost(self, type(exc).__name__ if exc else "closed by the server")


class Generator:
    def __init__(self, plan: Plan, number: int, event_id: int, addresses: list[Address]) -> None:
        self._loop = asyncio.get_running_loop()
        self._addresses, self._tried = addresses, 0
        self.plan, self.number, self.pipeline = plan, number, plan.pipeline
        self.people = People(plan, number, event_id, self.later)
        self.open: set[SharedConnection] = set()
        self.idle: deque[SharedConnection] = deque()  # with nothing under way; some may be lost
        self.ready: deque[int] = deque()  # who is due, -1 for the cache
        self._slots: dict[int, list[int]] = {}
        self._slot = 0  # all up to this one have become ready
        self._began = 0.0
        self._due = array("d", bytes(8 * plan.people_of(number)))  # when each is due; afterwards, when they were
        self._first_tried: dict[int, float] = {}  # of those who have to ask again
        self._room_request = b"GET /events/%d/queue HTTP/1.1\r\nHost: onsale\r\n\r\n" % event_id
        self.latencies = {int(call): Latencies() for call in Call}
        self.late, self.retried = Latencies(), Latencies()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.pauses: list[Pause] = []
        self._last_at = {True: 0.0, False: 0.0}  # by whether it was a write
        self.requests_lost = 0
        self.requests_answered = 0
        self._stopping = False
        self._connecting: set[asyncio.Task[None]] = set()

    # --- connections

    async def connect(self, count: int) -> None:
        await asyncio.gather(*(self._connect() for _ in range(count)))

    async def _connect(self) -> None:
        """At one address after the other, until one of them is there."""
        while not self._stopping:
            tried = self._tried
            host, port = self._addresses[tried % len(self._addresses)]
            try:
                _, connection = await self._loop.create_connection(lambda: SharedConnection(self), host, port)
            except OSError as error:
                self._tried = tried + 1  # hundreds at once find that nobody is there: that counts as once
                self.errors[f"connect: {error.strerror or error}"] += 1
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                connection.send()
                return

    def lost(self, connection: SharedConnection, reason: str) -> None:
        if connection not in self.open:
            return
        self.open.discard(connection)
        for person, _, sent_at in connection.under_way:
            if person >= 0:
                self._first_tried.setdefault(person, sent_at)
                self.later(person, RECONNECT_SECONDS)
        self.requests_lost += len(connection.under_way)
        if connection.under_way:
            self.errors[reason] += len(connection.under_way)
        connection.under_way.clear()
        if not self._stopping:
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def watch(self) -> None:
        overdue = time.monotonic() - TIMEOUT_SECONDS
        for connection in list(self.open):
            if connection.under_way and connection.under_way[0][2] < overdue:
                connection.drop("no answer in time")

    # --- who is due

    def begin(self) -> None:
        self._began = time.monotonic()
        self._last_at = {True: self._began, False: self._began}
        count = len(self._due)
        for person in range(count):
            self._be_due(person, self.plan.arrive_seconds * person / count)

    def later(self, person: int, seconds: float) -> None:
        self._be_due(person, time.monotonic() - self._began + seconds)

    def _be_due(self, person: int, at: float) -> None:
        slot = int(at / SLOT_SECONDS) + 1
        self._due[person] = at
        if slot <= self._slot:
            self.ready.append(person)
        elif slot in self._slots:
            self._slots[slot].append(person)
        else:
            self._slots[slot] = [person]

    def tick(self) -> None:
        now_slot = int((time.monotonic() - self._began) / SLOT_SECONDS)
        while self._slot < now_slot:
            self._slot += 1
            if due := self._slots.pop(self._slot, None):
                self.ready.extend(due)
        while self.ready and self.idle:
            connection = self.idle.popleft()
            if connection in self.open and not connection.under_way:
                connection.send()

    # --- requests and answers

    def request_of(self, person: int, now: float) -> tuple[int, bytes]:
        if person < 0:
            return Call.ROOM, self._room_request
        self.late.record(max(now - self._began - self._due[person], 0.0))
        return CALL_OF[self.people.steps[person]], self.people.request_of(person)

    def answered(
        self, person: int, call: int, response: tuple[int, bytes], head: bytes, sent_at: float, now: float
    ) -> None:
        status, body = response
        self.requests_answered += 1
        self.statuses[status] += 1
        self.latencies[call].record(now - sent_at)
        if person < 0:
            self._room_said(status, body)
        elif not self.people.answered(person, status, head, body):
            self._first_tried.setdefault(person, sent_at)
            return
        elif self._first_tried and (first_at := self._first_tried.pop(person, None)) is not None:
            self.retried.record(now - first_at)
        kind = call in WRITES
        if now - self._last_at[kind] > PAUSE_SECONDS_MIN:
            self.pauses.append(Pause("write" if kind else "read", self._last_at[kind], now))
        self._last_at[kind] = now

    def ask_for_room(self) -> None:
        self.ready.appendleft(-1)

    def _room_said(self, status: int, body: bytes) -> None:
        if status == 200:
            self.people.refresh_seconds = float(msgspec.json.decode(body)["refreshIntervalSeconds"])

    # --- what is reported

    @property
    def ended(self) -> bool:
        return self.people.ended == len(self._due)

    def progress(self) -> Progress:
        steps = {step.name.lower(): count for step, count in self.people.counts.items() if count}
        paid = sum(booking.quantity for booking in self.people.bookings.values() if booking.status == "paid")
        now, used = time.monotonic(), time.process_time()
        return Progress(now, steps, self.requests_answered, paid, len(self.ready), used)

    def told(self) -> Told:
        people = self.people
        return Told(
            self.number, bytes(people.steps), people.numbers, people.bookings, people.admitted_number_max,
            people.faults, self.latencies, self.late, self.retried, dict(self.statuses), dict(self.errors), self.pauses,
            self.requests_lost,
        )  # fmt: skip

    def close(self) -> None:
        self._stopping = True
        for task in self._connecting:
            task.cancel()
        for connection in list(self.open):
            connection.drop("done")


def generate(plan: Plan, number: int, event_id: int, addresses: list[Address], cpus: set[int], pipe: Pipe) -> None:
    """The life of a generator process: connect, say so, wait for "go", play everybody to their end, and tell."""
    import gc
    import os

    os.sched_setaffinity(0, cpus)
    gc.freeze()
    gc.disable()  # nothing here is cyclic, and half a million people take long to look through
    uvloop.run(_generate(plan, number, event_id, addresses, pipe))


async def _generate(plan: Plan, number: int, event_id: int, addresses: list[Address], pipe: Pipe) -> None:
    generator = Generator(plan, number, event_id, addresses)
    await generator.connect(max(plan.connections // plan.generators, 1))
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    generator.begin()
    began = time.monotonic()
    told_at = 0.0
    while not generator.ended and time.monotonic() - began < plan.seconds_max:
        generator.tick()
        if time.monotonic() - told_at >= 1:
            told_at = time.monotonic()
            generator.ask_for_room()
            generator.watch()
            pipe.send(generator.progress())
        await asyncio.sleep(SLOT_SECONDS / 2)
    pipe.send(generator.progress())
    generator.close()
    pipe.send(generator.told())
