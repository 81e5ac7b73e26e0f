"""The connections of a run and the requests under way on them.

Owns what is due, what is under way and what came back. One callback and one write per packet; nothing here knows where
the figures go. generator.py starts it and reads them.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, cast

from .latency import Latencies
from .responses import ResponseReader

MakeRequest = Callable[[int], bytes]
OnResponse = Callable[[int, int, bytes], None]  # the request's number, the status, the body

TICK_SECONDS: Final = 0.001  # how often an open run looks for requests that are due
RECONNECT_SECONDS: Final = 0.05


class LoadConnection(asyncio.Protocol):
    """One connection and the requests under way on it."""

    __slots__ = ("_load", "_reader", "_transport", "is_between", "under_way")

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._reader = ResponseReader()
        self._transport: asyncio.Transport | None = None
        self.is_between = False  # it has answered, and nothing of another answer has come
        self.under_way: deque[tuple[int, float, bool]] = deque()  # number, when it was sent or due, whether a HEAD

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.open.add(self)

    def send(self, now: float) -> None:
        """Send what is to be sent next, as much as may be under way."""
        load = self._load
        packet = []
        while len(self.under_way) < load.pipeline and (due := load.next_due(now)) is not None:
            number, due_at = due
            request = load.make_request(number)
            self.under_way.append((number, due_at, request.startswith(b"HEAD ")))
            packet.append(request)
        if packet and self._transport is not None:
            self._transport.write(packet[0] if len(packet) == 1 else b"".join(packet))
        elif not self.under_way:
            load.idle.append(self)

    def data_received(self, data: bytes) -> None:
        load = self._load
        reader = self._reader
        under_way = self.under_way
        reader.feed(data)
        now = time.perf_counter()
        load.received_bytes += len(data)
        try:
            while under_way and (response := reader.next(head_only=under_way[0][2])) is not None:
                number, sent_at, _ = under_way.popleft()
                load.answered(number, response, now - sent_at, now)
                self.is_between = reader.is_between
                if not reader.keep_alive:
                    self.drop("closed by the server", unread=self.is_between)
                    return
            self.is_between = reader.is_between
        except ValueError as error:
            self.drop(f"malformed: {error}")
            return
        self.send(now)

    def drop(self, reason: str, *, unread: bool = False) -> None:
        """Give the connection up, and with it what is under way."""
        self._load.lost(self, reason, unread=unread)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and self.under_way and (response := self._reader.last()) is not None:
            number, sent_at, _ = self.under_way.popleft()
            now = time.perf_counter()
            self._load.answered(number, response, now - sent_at, now)
        self._load.lost(self, type(exc).__name__ if exc else "closed by the server", unread=self.is_between)


class Load:
    """The run: what is due, what came back."""

    def __init__(
        self,
        host: str,
        port: int,
        make_request: MakeRequest,
        *,
        requests_max: int | None,
        pipeline: int,
        rate: float | None,
        on_response: OnResponse | None,
        read_again: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._port = port
        self.make_request = make_request
        self.pipeline = pipeline
        self._rate = rate
        self._on_response = on_response
        self._read_again = read_again
        self._again: deque[tuple[int, float]] = deque()
        self._requests_max = requests_max
        self.open: set[LoadConnection] = set()
        self.idle: deque[LoadConnection] = deque()  # with nothing under way; some may be lost
        self._backlog: deque[float] = deque()  # when the requests were due that no connection is free for
        self._started = 0  # requests given out
        self._ended = 0  # of those, answered or failed
        self._stopping = False
        self._reconnects: set[asyncio.Task[None]] = set()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.clear()

    def clear(self) -> None:
        """Count from here."""
        self.latencies = Latencies()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.failed = self.sent_again = 0
        self.received_bytes = 0
        self.began_at = self.last_at = time.perf_counter()
        self.cpu_began = time.process_time()

    async def connect(self, connections: int) -> None:
        await asyncio.gather(*(self._connect() for _ in range(connections)))

    async def _connect(self) -> LoadConnection:
        _, connection = await self._loop.create_connection(lambda: LoadConnection(self), self._host, self._port)
        return connection

    def begin(self) -> None:
        self.clear()
        for connection in list(self.open):
            connection.send(self.began_at)

    def next_due(self, now: float) -> tuple[int, float] | None:
        """Return the next request's number and when it is due, or None when none is due now."""
        if self._again:
            return self._again.popleft()
        if self._stopping or self._started == self._requests_max:
            return None
        if self._rate is not None:
            if not self._backlog:
                return None
            now = self._backlog.popleft()
        number = self._started
        self._started += 1
        return number, now

    async def keep_rate(self) -> None:
        """Note what falls due, and send it where a connection is free."""
        assert self._rate is not None
        began = time.perf_counter()
        due = 0
        while not self._stopping:
            now = time.perf_counter()
            due_now = int((now - began) * self._rate) + 1
            self._backlog.extend(began + number / self._rate for number in range(due, due_now))
            due = max(due, due_now)
            while self._backlog and self.idle:
                connection = self.idle.popleft()
                if connection in self.open:
                    connection.send(now)
            await asyncio.sleep(TICK_SECONDS)

    def answered(self, number: int, response: tuple[int, bytes], seconds: float, now: float) -> None:
        status, body = response
        self.latencies.record(seconds)
        self.statuses[status] += 1
        self.last_at = now
        if self._on_response is not None:
            self._on_response(number, status, body)
        self._count_ended(1)

    def lost(self, connection: LoadConnection, reason: str, *, unread: bool) -> None:
        """`unread`: it has answered before, and nothing of the next answer has come."""
        if connection not in self.open:
            return
        self.open.discard(connection)
        if self._read_again and unread:
            again = [(number, due) for number, due, _ in connection.under_way if _is_read(self.make_request(number))]
            if len(again) == len(connection.under_way):
                self._again.extend(again)
                self.sent_again += len(again)
                connection.under_way.clear()
        failed = len(connection.under_way)
        connection.under_way.clear()
        if failed:
            self.failed += failed
            self.errors[reason] += failed
            self._count_ended(failed)
        if not self._is_over():
            task = self._loop.create_task(self._reconnect())
            self._reconnects.add(task)
            task.add_done_callback(self._reconnects.discard)

    async def _reconnect(self) -> None:
        while not self._is_over():
            try:
                connection = await self._connect()
            except OSError as error:
                self.errors[f"connect: {error.strerror or error}"] += 1
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                connection.send(time.perf_counter())
                return

    async def watch(self, timeout_seconds: float) -> None:
        """Give up connections whose oldest request is overdue, and the run when the server is gone for as long."""
        reached_at = time.perf_counter()
        while True:
            await asyncio.sleep(min(1.0, timeout_seconds / 4))
            now = time.perf_counter()
            reached_at = now if self.open else reached_at
            overdue = now - timeout_seconds
            if reached_at < overdue:
                self.stop()
            for connection in list(self.open):
                if connection.under_way and connection.under_way[0][1] < overdue:
                    connection.drop("timeout")

    def stop(self) -> None:
        """Send nothing more; the run ends when what is under way has."""
        self._stopping = True
        self._count_ended(0)

    def _is_over(self) -> bool:
        """Whether nothing more will be sent."""
        return (self._stopping or self._started == self._requests_max) and not self._again

    def _count_ended(self, count: int) -> None:
        self._ended += count
        if self._ended == self._started and self._is_over() and not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        self._stopping = True
        for task in self._reconnects:
            task.cancel()
        for connection in list(self.open):
            connection.drop("stopped")


def _is_read(request: bytes) -> bool:
    return request.startswith((b"GET ", b"HEAD "))
