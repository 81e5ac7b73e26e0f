"""Who serves, who is sent requests, who is stopped: in which order, and what is done where others fail."""

from collections.abc import Sequence

import pytest

from onsale.node.scaler.decision import Memory
from onsale.node.scaler.fleet import AGAIN_SECONDS, Fleet
from onsale.node.scaler.ports import CannotDo, Place, Replica
from onsale.node.scaler.reminders import Reminders
from onsale.node.scaler.state_file import State


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A driver and a balancer that note what they are asked, in one list; and what replicas say of themselves."""

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self.troubles: dict[str, str] = {}  # by address; empty: it is fresh
        self.broken: dict[str, str] = {}  # what is asked → why it can't be done
        self.comes = True
        self.did: list[str] = []
        self.kept: list[str] = []

    def _do(self, what: str, *about: object) -> None:
        if what in self.broken:
            raise CannotDo(self.broken[what])
        self.did.append(" ".join([what, *map(str, about)]))

    # a driver

    async def listed(self) -> Sequence[Replica]:
        if "listed" in self.broken:
            raise CannotDo(self.broken["listed"])
        return list(self.replicas)

    async def up(self, count: int, wanted: int, reason: str) -> None:
        self._do("up", count)
        for _ in range(count if self.comes else 0):
            number = len(self.replicas) + 1
            self.replicas.append(Replica(f"r{number}", f"h:{number}"))

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:
        names = [each.name for each in replicas]
        self._do("down", *names)
        if self.comes:
            self.replicas = [each for each in self.replicas if each.name not in names]

    def news(self) -> Sequence[str]:
        return ()

    async def close(self) -> None: ...

    # a balancer

    async def keep(self, places: Sequence[Place]) -> None:
        kept = [f"{each.replica.name}@{each.number}" for each in places]
        if kept != self.kept or "keep" in self.broken:
            self._do("keep", *kept)
            self.kept = kept

    async def leave(self, place: Place) -> None:
        self._do("leave", place.replica.name)

    async def release(self, place: Place) -> None:
        self._do("release", place.replica.name)

    async def probe(self, address: str) -> str:
        return self.troubles.get(address, "")

    def done(self) -> list[str]:
        did, self.did = self.did, []
        return did


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state() -> State:
    return State(Memory(0))


@pytest.fixture
def fleet(world: World, clock: Clock, state: State, caplog: pytest.LogCaptureFixture) -> Fleet:
    caplog.set_level("INFO")
    reminders = Reminders(60.0, clock)
    return Fleet(state, lambda: None, world, world, world.probe, reminders, clock, join_seconds=100.0)


async def follow(fleet: Fleet, state: State, wanted: int | None = None) -> None:
    if wanted is not None:
        state.memory = Memory(wanted)
    if await fleet.look():
        await fleet.reach("why")


async def test_a_new_one_is_sent_requests_once_it_is_fresh(fleet: Fleet, world: World, state: State) -> None:
    world.troubles = {"h:1": "it is 9 s behind", "h:2": "it is starting"}
    await follow(fleet, state, 2)
    assert world.done() == ["up 2"]
    await follow(fleet, state)
    assert world.done() == []
    assert fleet.joining == 2
    assert fleet.unsettled == "r1 does not serve: it is 9 s behind; r2 does not serve: it is starting"
    world.troubles["h:2"] = ""
    await follow(fleet, state)
    assert world.done() == ["keep r2@2"]
    world.troubles["h:1"] = ""
    await follow(fleet, state)
    assert world.done() == ["keep r1@1 r2@2"]
    assert (fleet.joining, fleet.unsettled) == (0, "")


async def test_the_newest_goes_first_and_nothing_is_sent_there_before_it_is_stopped(
    fleet: Fleet, world: World, state: State
) -> None:
    for _ in range(2):
        await follow(fleet, state, 3)
    world.done()
    await follow(fleet, state, 1)
    did = world.done()
    assert did[0] == "keep r1@1"
    assert sorted(did[1:3]) == ["leave r2", "leave r3"]
    assert did[3].startswith("down r3 r2")
    assert sorted(did[4:]) == ["release r2", "release r3"]
    assert not fleet.unsettled


async def test_one_that_never_served_goes_before_those_that_do(fleet: Fleet, world: World, state: State) -> None:
    world.troubles = {"h:1": "it is starting"}
    for _ in range(2):
        await follow(fleet, state, 2)
    await follow(fleet, state, 1)
    assert "down r1" in world.done()
    assert [each.name for each in state.replicas] == ["r2"]


async def test_nothing_is_stopped_while_the_balancer_cannot_be_told(
    fleet: Fleet, world: World, state: State, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await follow(fleet, state, 1)
    world.done()
    world.broken = {"keep": "nginx: configuration file is broken."}
    await follow(fleet, state, 0)
    assert world.done() == []
    assert fleet.unsettled == "the number of replicas is 1, not 0; r1 does not serve: it is about to go"
    assert "1 can't be stopped, which is tried again: Requests would still be sent there." in caplog.text
    assert "the balancer can't be told whom to send requests to: nginx: configuration" in caplog.text
    world.broken = {}
    await follow(fleet, state)
    assert not [each for each in world.done() if each.startswith("down")], "not at once"
    clock.now += AGAIN_SECONDS
    await follow(fleet, state)
    assert "down r1" in world.done()
    assert "the balancer could be told again" in caplog.text


async def test_what_could_not_be_stopped_is_tried_again_and_gets_no_requests(
    fleet: Fleet, world: World, state: State, clock: Clock
) -> None:
    for _ in range(2):
        await follow(fleet, state, 2)
    world.done()
    world.broken = {"down": "kubectl: no route to host."}
    await follow(fleet, state, 1)
    assert world.done() == ["keep r1@1", "leave r2"]
    world.broken = {}
    clock.now += AGAIN_SECONDS
    await follow(fleet, state, 2)  # wanted again meanwhile: who was told to go goes nevertheless
    assert world.done() == ["leave r2", "down r2", "release r2", "up 1"]


async def test_a_start_that_fails_or_brings_nobody_is_tried_again_later(
    fleet: Fleet, world: World, state: State, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    world.broken = {"up": "quota exceeded."}
    await follow(fleet, state, 2)
    assert "2 more can't be started, which is tried again: quota exceeded." in caplog.text
    world.broken, world.comes = {}, False
    clock.now += AGAIN_SECONDS - 1
    await follow(fleet, state)
    assert world.done() == []
    assert fleet.joining == 2
    clock.now += 1
    await follow(fleet, state)
    assert world.done() == ["up 2"]
    assert "could be started or stopped again" in caplog.text
    clock.now += 101
    assert fleet.joining == 0, "nobody waits for ever for who does not come"


async def test_while_nobody_knows_who_is_there_nothing_is_done(
    fleet: Fleet, world: World, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    await follow(fleet, state, 1)
    world.broken = {"listed": "kubectl ended with exit code 1."}
    world.done()
    assert not await fleet.look()
    assert world.done() == []
    assert "nobody knows how many replicas there are, so nothing is done: kubectl" in caplog.text
    world.broken = {}
    assert await fleet.look()
    assert "it is known again how many replicas there are" in caplog.text


async def test_one_that_falls_behind_is_sent_nothing_until_it_is_back(
    fleet: Fleet, world: World, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await follow(fleet, state, 2)
    world.done()
    world.troubles = {"h:2": "it is 60 s behind"}
    await follow(fleet, state)
    assert world.done() == [], "once is no reason"
    await follow(fleet, state)
    assert world.done() == ["keep r1@1"]
    assert "r2 is sent nothing more until it serves again: it is 60 s behind" in caplog.text
    world.troubles = {}
    await follow(fleet, state)
    assert world.done() == ["keep r1@1 r2@2"]


async def test_where_all_fall_behind_at_once_they_stay(
    fleet: Fleet, world: World, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await follow(fleet, state, 2)
    world.done()
    world.troubles = {"h:1": "it has no source", "h:2": "it has no source"}
    for _ in range(4):
        await follow(fleet, state)
    assert world.done() == []
    assert caplog.text.count("none of the replicas is fresh (r1, r2), so it is not them: they stay") == 1


async def test_one_that_ended_is_sent_nothing_at_once(fleet: Fleet, world: World, state: State) -> None:
    for _ in range(2):
        await follow(fleet, state, 2)
    world.done()
    world.replicas[1] = Replica("r2", "h:2", runs=False)
    await follow(fleet, state)
    assert world.done() == ["keep r1@1"]


async def test_one_that_does_not_serve_in_time_is_told_once(
    fleet: Fleet, world: World, state: State, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    world.troubles = {"h:1": "it is catching up"}
    await follow(fleet, state, 1)
    for _ in range(3):
        clock.now += 60
        await follow(fleet, state)
    assert caplog.text.count("r1 does not serve after 100 s, and is not waited for any more: it is catching up") == 1
    assert fleet.joining == 0


async def test_who_was_stopped_is_not_taken_in_again_while_an_orchestrator_lists_it(
    fleet: Fleet, world: World, state: State, clock: Clock
) -> None:
    for _ in range(2):
        await follow(fleet, state, 1)
    world.comes = False
    await follow(fleet, state, 0)
    for _ in range(2):
        await follow(fleet, state)
    assert state.replicas == []
    assert world.kept == []
    world.done()
    clock.now += 101  # it did not go
    await follow(fleet, state)
    assert "down r1" in world.done()


async def test_numbers_are_those_of_the_names_where_they_are_free(fleet: Fleet, world: World, state: State) -> None:
    world.replicas = [Replica(name, f"h:{name}") for name in ("pod-x", "pod-2", "other-2", "pod-0", "pod-7")]
    await follow(fleet, state, 5)
    assert {each.name: each.number for each in state.replicas} == {
        "pod-x": 1, "pod-2": 2, "other-2": 3, "pod-0": 4, "pod-7": 7,
    }  # fmt: skip
    world.replicas = world.replicas[1:]
    await follow(fleet, state)
    assert [each.number for each in state.replicas] == [2, 3, 4, 7], "a place stays one's own"
