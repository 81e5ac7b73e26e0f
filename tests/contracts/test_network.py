"""The contract of the `Network`, `Wire` and `Receiver` ports, held against the real network and the simulated one."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from random import Random
from typing import ClassVar, Protocol

import pytest
import uvloop

from onsale.replicas.network import AsyncNetwork, listen, tls_contexts
from onsale.replicas.ports import (
    CLOSE_SECONDS_MAX,
    DIAL_SECONDS_MAX,
    UNSENT_BYTES_HIGH,
    UNSENT_BYTES_LOW,
    Receiver,
    Scheduler,
    Wire,
    parse_address,
)
from onsale.replicas.refusals import RefusalLog
from onsale.tests.replicas.certificates import Authority
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

REAL_SECONDS_MAX = 10.0


class World(Protocol):
    """Somebody who listens and somebody who dials, and time that passes while something is waited for."""

    scheduler: Scheduler

    def listen(self, accept: Callable[[], Receiver]) -> tuple[str, int]: ...

    def free_address(self) -> tuple[str, int]:
        """Where nobody listens."""

    def dial(self, address: tuple[str, int], receiver: Receiver) -> None: ...

    def until(self, condition: Callable[[], bool]) -> None: ...

    def settle(self) -> None:
        """Let happen what is under way."""


class RealWorld:
    def __init__(self, loop: asyncio.AbstractEventLoop, tls: Authority | None) -> None:
        self.scheduler = self.loop = loop
        self.server, client = tls_contexts(*tls.files("a")) if tls else (None, None)
        self.network = AsyncNetwork(loop, client)
        self.listeners = []

    def listen(self, accept):
        refusals = RefusalLog(self.loop.time)
        listener = self.loop.run_until_complete(listen("127.0.0.1", 0, accept, refusals, self.server))
        self.listeners.append(listener)
        return parse_address(listener.address)

    def free_address(self):
        address = self.listen(Ear)
        self.listeners.pop().close()
        return address

    def dial(self, address, receiver):
        self.network.dial(*address, receiver)

    def until(self, condition):
        async def wait() -> None:
            async with asyncio.timeout(REAL_SECONDS_MAX):
                while not condition():  # noqa: ASYNC110 - some of what is waited for tells nobody
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())

    def settle(self):
        self.loop.run_until_complete(asyncio.sleep(0.05))

    def end(self):
        for listener in self.listeners:
            listener.close()
        self.network.close()
        for wire in Ear.wires:
            wire.close()
        self.until(lambda: all(listener.connections == 0 for listener in self.listeners))
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class SimulatedWorld:
    def __init__(self, seed: int) -> None:
        self.time = SimulatedTime()
        self.errors: list[Exception] = []
        self.network = SimulatedNetwork(
            self.time, Random(seed), hiccup_probability=0.1, on_error=lambda _host, error: self.errors.append(error)
        )
        self.scheduler, self.far = NodeScheduler(self.time), NodeScheduler(self.time)
        self.ports = itertools.count(7400)

    def listen(self, accept):
        address = ("far", next(self.ports))
        self.network.listen(*address, self.far, accept)
        return address

    def free_address(self):
        return ("far", next(self.ports))

    def dial(self, address, receiver):
        self.network.of("near", self.scheduler).dial(*address, receiver)

    def until(self, condition):
        limit_us = self.time.now_us + 60_000_000
        while not condition():
            assert self.time.step(limit_us) is not None, "it does not come about"

    def settle(self):
        self.time.run(self.time.now_us + 3_000_000)

    def end(self):
        self.settle()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["asyncio", "uvloop", "asyncio with TLS", "uvloop with TLS", "simulated 1", "simulated 2"])
def world(request: pytest.FixtureRequest, authority: Authority) -> Iterator[World]:
    Ear.wires = []
    kind, *rest = request.param.split()
    if kind == "simulated":
        world = SimulatedWorld(int(rest[0]))
    else:
        loop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()
        world = RealWorld(loop, authority if rest else None)
    yield world
    world.end()


class Ear:
    """A `Receiver` that checks the order of what it is told, and writes it down."""

    wires: ClassVar[list[Wire]] = []

    def __init__(
        self,
        *,
        on_opened: Callable[[Wire], None] = lambda wire: None,
        on_received: Callable[["Ear"], None] = lambda ear: None,
    ) -> None:
        self.wire: Wire | None = None
        self.data = bytearray()
        self.drains = 0
        self.unsent_at_drain = -1
        self.reasons: list[str] = []
        self._on_opened = on_opened
        self._on_received = on_received

    @property
    def is_open(self) -> bool:
        return self.wire is not None and not self.reasons

    def opened(self, wire: Wire) -> None:
        assert self.wire is None
        assert not self.reasons
        self.wire = wire
        self.wires.append(wire)
        self._on_opened(wire)

    def received(self, data: bytes) -> None:
        assert self.is_open
        assert data
        self.data += data
        self._on_received(self)

    def drained(self) -> None:
        assert self.is_open
        self.drains += 1
        self.unsent_at_drain = self.wire.unsent_bytes

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)


def connected(world: World, near: Ear | None = None, far: Ear | None = None) -> tuple[Ear, Ear]:
    near, far = near or Ear(), far or Ear()
    world.dial(world.listen(lambda: far), near)
    world.until(lambda: near.wire is not None and far.wire is not None)
    return near, far


def test_both_ends_are_opened_and_know_their_addresses(world: World):
    far, near = Ear(), Ear()
    host, port = world.listen(lambda: far)
    world.dial((host, port), near)
    world.until(lambda: near.wire is not None and far.wire is not None)
    assert near.wire.peer == f"{host}:{port}"
    assert far.wire.local_host == host
    assert parse_address(far.wire.peer)[0] == near.wire.local_host
    assert near.wire.unsent_bytes == far.wire.unsent_bytes == 0


def test_bytes_arrive_whole_and_in_order_both_ways(world: World):
    near, far = connected(world)
    pieces = [b"%d," % number * (number % 90 + 1) for number in range(400)]
    for piece in pieces:
        near.wire.send(piece)
        far.wire.send(piece)
    whole = b"".join(pieces)
    world.until(lambda: len(near.data) >= len(whole) and len(far.data) >= len(whole))
    world.settle()
    assert near.data == far.data == whole
    assert not near.reasons
    assert not far.reasons


def test_each_connection_has_a_receiver_and_bytes_of_its_own(world: World):
    far: list[Ear] = []

    def accept() -> Ear:
        far.append(Ear())
        return far[-1]

    address = world.listen(accept)
    near = [Ear(on_opened=lambda wire, number=number: wire.send(b"%d" % number)) for number in range(5)]
    for ear in near:
        world.dial(address, ear)
    world.until(lambda: sum(len(ear.data) for ear in far) == 5)
    assert sorted(bytes(ear.data) for ear in far) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_dial_where_nobody_listens_is_closed_with_the_reason_in_time(world: World):
    near = Ear()
    started = world.scheduler.time()
    world.dial(world.free_address(), near)
    assert not near.reasons, "no callback comes from inside dial"
    world.until(lambda: bool(near.reasons))
    assert world.scheduler.time() - started <= DIAL_SECONDS_MAX + 0.5
    world.settle()
    assert near.wire is None
    assert len(near.reasons) == 1
    assert near.reasons[0]


def test_dial_returns_before_anything_happens(world: World):
    near = Ear()
    world.dial(world.listen(Ear), near)
    assert near.wire is None
    world.until(lambda: near.is_open)


def test_what_was_sent_before_close_arrives_before_the_end(world: World):
    near, far = connected(world)
    whole = bytes(range(256)) * 4096 * 8
    near.wire.send(whole[:1000])
    near.wire.send(whole[1000:])
    near.wire.close()
    assert not near.reasons, "no callback comes from inside close"
    near.wire.close()
    world.until(lambda: bool(near.reasons and far.reasons))
    world.settle()
    assert far.data == whole
    assert near.reasons == [""]
    assert len(far.reasons) == 1
    assert far.reasons[0]


def test_a_last_word_arrives_even_where_bytes_wait_unread(world: World):
    def refuse(ear: Ear) -> None:
        ear.wire.send(b"refused")
        ear.wire.close()

    near, _ = connected(world, far=Ear(on_received=refuse))
    for _ in range(30):
        near.wire.send(b"x" * 100_000)
    world.until(lambda: bool(near.reasons))
    assert near.data == b"refused"
    assert near.reasons[0]


def test_nothing_is_received_or_sent_after_close(world: World):
    near, far = connected(world, far=Ear(on_received=lambda ear: ear.wire.close()))
    for _ in range(30):
        near.wire.send(b"x" * 100_000)
    world.until(lambda: bool(far.reasons))
    received = len(far.data)
    assert 0 < received < 3_000_000
    far.wire.send(b"too late")
    assert far.wire.unsent_bytes == 0
    world.until(lambda: bool(near.reasons))
    near.wire.send(b"too late")
    near.wire.close()
    assert near.wire.unsent_bytes == 0
    world.settle()
    assert len(far.data) == received
    assert near.data == b""
    assert far.reasons == [""]
    assert len(near.reasons) == 1


def test_it_may_be_closed_from_inside_opened(world: World):
    near, far = Ear(), Ear(on_opened=lambda wire: wire.close())
    world.dial(world.listen(lambda: far), near)
    world.until(lambda: bool(near.reasons and far.reasons))
    assert far.reasons == [""]
    assert len(near.reasons) == 1


def test_both_may_close_at_once(world: World):
    near, far = connected(world)
    near.wire.close()
    far.wire.close()
    world.until(lambda: bool(near.reasons and far.reasons))
    world.settle()
    assert len(near.reasons) == len(far.reasons) == 1


def test_a_full_wire_says_when_it_has_room_again(world: World):
    near, far = connected(world)
    near.wire.send(b"x" * 30_000_000)
    assert near.wire.unsent_bytes > UNSENT_BYTES_HIGH
    assert near.drains == 0, "no callback comes from inside send"
    world.until(lambda: near.drains == 1)
    assert near.unsent_at_drain <= UNSENT_BYTES_LOW
    world.until(lambda: len(far.data) == 30_000_000)
    near.wire.send(b"y" * 30_000_000)
    world.until(lambda: len(far.data) == 60_000_000 and near.drains == 2)
    world.until(lambda: near.wire.unsent_bytes == 0)


def test_a_wire_that_was_never_full_is_not_drained(world: World):
    near, far = connected(world)
    for _ in range(20):
        near.wire.send(b"x" * 10_000)
        world.until(lambda: near.wire.unsent_bytes == 0)
    world.until(lambda: len(far.data) == 200_000)
    world.settle()
    assert near.drains == 0


@pytest.mark.parametrize("where", ["opened", "received"])
def test_what_a_receiver_raises_ends_its_connection_alone(world: World, where: str):
    def fail(_what: object) -> None:
        raise LookupError("a mistake")

    near, far = connected(world)
    bad_near, bad_far = connected(world, far=Ear(on_opened=fail) if where == "opened" else Ear(on_received=fail))
    bad_near.wire.send(b"x")
    world.until(lambda: bool(bad_near.reasons and bad_far.reasons))
    near.wire.send(b"still here")
    world.until(lambda: far.data == b"still here")
    assert len(bad_far.reasons) == 1
    assert not near.reasons


def test_an_end_is_told_of_its_own_close_however_much_is_still_under_way(world: World):
    near, _far = connected(world)
    started = world.scheduler.time()
    near.wire.send(b"x" * 30_000_000)
    near.wire.close()
    world.until(lambda: bool(near.reasons))
    assert world.scheduler.time() - started <= CLOSE_SECONDS_MAX
