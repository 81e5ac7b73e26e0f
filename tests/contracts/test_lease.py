"""The contract of the `LeaseStore` port, held against a real etcd, where there is one, and the simulated store."""

import asyncio
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from socket import create_server
from typing import Any, Protocol

import pytest

from onsale.node.lease.client import EtcdClient
from onsale.node.lease.etcd import EtcdLease
from onsale.replicas.lease import Claim, Holder, LeaseStore, Lost, OutOfReach, Refused, Seen, Taken
from onsale.tests.simulation.lease import SimulatedLeases
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

ETCD = shutil.which("etcd")
TTL_SECONDS = 2
START_SECONDS_MAX = 20.0
ADA = Claim("ada", b"a" * 16, "ada:7400", b"j" * 16)
BOB = Claim("bob", b"b" * 16, "bob:7400", b"j" * 16)

Ask = Callable[[Callable[[Any], None]], None]


class World(Protocol):
    ada: LeaseStore
    bob: LeaseStore
    apart: LeaseStore  # can't reach the store

    def ask(self, question: Ask) -> Any:
        """What `done` is called with."""

    def release(self, store: LeaseStore) -> None:
        """And wait until that is done."""

    def wait(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class SimulatedWorld:
    def __init__(self) -> None:
        self._time = SimulatedTime()
        leases = SimulatedLeases(self._time, Random(3), TTL_SECONDS)
        leases.cut_off.add("apart")
        stores = [leases.of(name, NodeScheduler(self._time)) for name in ("ada", "bob", "apart")]
        self.ada, self.bob, self.apart = stores

    def ask(self, question: Ask) -> Any:
        answers: list[Any] = []
        question(answers.append)
        while not answers:
            assert self._time.step(self._time.now_us + 10_000_000) is not None
        return answers[0]

    def release(self, store: LeaseStore) -> None:
        store.release()
        self.wait(0.1)

    def wait(self, seconds: float) -> None:
        self._time.run(self._time.now_us + int(seconds * 1_000_000))

    def close(self) -> None: ...


class EtcdWorld:
    """One member; keys of its own for each test."""

    def __init__(self, url: str, prefix: str) -> None:
        self._runner = asyncio.Runner()
        self._runner.get_loop()
        stores = [self._store(member, prefix) for member in (url, url, "http://127.0.0.1:1")]
        self.ada, self.bob, self.apart = stores
        self._stores = stores

    def _store(self, url: str, prefix: str) -> EtcdLease:
        return EtcdLease(EtcdClient((url,)), prefix, TTL_SECONDS)

    def ask(self, question: Ask) -> Any:
        async def ask() -> Any:
            answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            question(answered.set_result)
            return await answered

        return self._runner.run(ask())

    def release(self, store: LeaseStore) -> None:
        async def release() -> None:
            store.release()
            await asyncio.sleep(0.2)

        self._runner.run(release())

    def wait(self, seconds: float) -> None:
        self._runner.run(asyncio.sleep(seconds))

    def close(self) -> None:
        async def close() -> None:
            for store in self._stores:
                await store.close()

        self._runner.run(close())
        self._runner.close()


@pytest.fixture(scope="module")
def etcd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if ETCD is None:
        pytest.skip("etcd is not installed")
    folder: Path = tmp_path_factory.mktemp("etcd")
    ports = []
    for _ in range(2):
        with create_server(("127.0.0.1", 0)) as probe:
            ports.append(probe.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    flags = {
        "data-dir": str(folder), "listen-client-urls": client, "advertise-client-urls": client,
        "listen-peer-urls": peer, "initial-advertise-peer-urls": peer, "initial-cluster": f"default={peer}",
        "log-level": "error",
    }  # fmt: skip
    with subprocess.Popen([ETCD, *(part for name, value in flags.items() for part in (f"--{name}", value))]) as process:
        given_up_at = time.monotonic() + START_SECONDS_MAX
        while True:
            assert time.monotonic() < given_up_at, "etcd is not well"
            try:
                with urllib.request.urlopen(f"{client}/health", timeout=1) as answer:
                    if b'"true"' in answer.read():
                        break
            except OSError:
                time.sleep(0.05)
        yield client
        process.kill()


@pytest.fixture(params=["simulated", "etcd"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World
    if request.param == "simulated":
        made = SimulatedWorld()
    else:
        made = EtcdWorld(request.getfixturevalue("etcd_url"), f"/test/{request.node.name.encode().hex()}")
    yield made
    made.close()


def take(world: World, store: LeaseStore, claim: Claim, *, by_order: bool = False) -> Any:
    return world.ask(lambda done: store.take(claim, by_order=by_order, done=done))


def test_one_at_a_time_has_it(world: World) -> None:
    assert world.ask(world.ada.look) == Seen(None, paused=False)
    taken = take(world, world.ada, ADA)
    assert isinstance(taken, Taken)
    refused = take(world, world.bob, BOB)
    assert refused == Refused("ada has the lease.", Holder("ada", ADA.node_id, "ada:7400", taken.revision))
    assert world.ask(world.bob.look) == Seen(refused.holder, paused=False)


def test_whoever_has_it_may_take_it_again(world: World) -> None:
    """A process that was started anew does not know that it has it."""
    first, second = take(world, world.ada, ADA), take(world, world.ada, ADA)
    assert second.revision > first.revision


def test_it_runs_out_unless_it_is_renewed(world: World) -> None:
    take(world, world.ada, ADA)
    for _ in range(3):
        world.wait(TTL_SECONDS * 0.5)
        assert isinstance(world.ask(world.ada.renew), Taken)
    assert isinstance(take(world, world.bob, BOB), Refused)
    world.wait(TTL_SECONDS * 2)  # etcd looks for what has run out now and then
    assert world.ask(world.bob.look).holder is None
    assert world.ask(world.ada.renew) == Lost()
    assert isinstance(take(world, world.bob, BOB), Taken)


def test_what_is_given_up_is_free_at_once(world: World) -> None:
    first = take(world, world.ada, ADA)
    world.release(world.ada)
    second = take(world, world.bob, BOB)
    assert second.revision > first.revision
    world.release(world.ada)
    assert world.ask(world.ada.look).holder.name == "bob", "nobody gives up what another one has"


def test_an_order_stands_above_it(world: World) -> None:
    first = take(world, world.ada, ADA)
    second = take(world, world.bob, BOB, by_order=True)
    assert second.revision > first.revision
    assert world.ask(world.ada.renew) == Lost()
    assert isinstance(world.ask(world.bob.renew), Taken)


def test_another_journal_is_refused_even_by_order(world: World) -> None:
    take(world, world.ada, ADA)
    stranger = Claim("bob", b"b" * 16, "bob:7400", b"another journal.")
    assert "another journal" in take(world, world.bob, stranger, by_order=True).sentence


def test_a_pause_is_known_to_all(world: World) -> None:
    take(world, world.ada, ADA)
    assert world.ask(lambda done: world.bob.set_paused(done, paused=True)) is None
    assert world.ask(world.bob.look).paused
    assert world.ask(world.ada.renew).paused
    assert world.ask(lambda done: world.ada.set_paused(done, paused=False)) is None
    assert not world.ask(world.bob.look).paused


def test_out_of_reach_is_said(world: World) -> None:
    apart = world.apart
    for question in (apart.look, lambda done: apart.take(ADA, by_order=True, done=done)):
        answer = world.ask(question)
        assert isinstance(answer, OutOfReach)
        assert "no member of etcd can answer" in answer.sentence
    assert isinstance(world.ask(lambda done: apart.set_paused(done, paused=True)), OutOfReach)
