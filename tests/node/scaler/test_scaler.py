"""The scaler's own order of things: decided, written down, done, told; and troubles that are told, once."""

import asyncio
from pathlib import Path

import pytest

from onsale.node.scaler.decision import Hold, Memory, Reading, Step
from onsale.node.scaler.dry_run import DryRun, NobodyInFront
from onsale.node.scaler.fleet import Fleet
from onsale.node.scaler.ports import CannotDo, Replica
from onsale.node.scaler.reminders import Reminders
from onsale.node.scaler.rules import DryDriver, NoBalancer, Rules
from onsale.node.scaler.scaler import Scaler
from onsale.node.scaler.state_file import STEPS_KEPT, State
from onsale.tests.node.scaler.plans import plan


class World:
    """A clock, a reading, and a driver that knows what was written down when it was asked."""

    def __init__(self, replicas: int = 1) -> None:
        self.now = 1000.0
        self.reading = Reading(5.0, 1000.0)
        self.state = State(Memory(replicas))
        self.saved: list[int] = []
        self.wanted_on_disk: list[int] = []
        self.unknown = ""
        world = self

        class Driver(DryRun):
            async def listed(self) -> list[Replica]:
                if world.unknown:
                    raise CannotDo(world.unknown)
                return await super().listed()

            async def up(self, count: int, wanted: int, reason: str) -> None:
                world.wanted_on_disk.append(world.saved[-1])
                await super().up(count, wanted, reason)

        the_plan = plan(after_up_seconds=10.0, after_down_seconds=10.0)
        rules = Rules(
            Path("rules.toml"), 0.02, Path("state"), the_plan, DryDriver(), NoBalancer(), 5.0, 100.0, 60.0
        )  # fmt: skip
        reminders = Reminders(60.0, self.clock)
        driver = Driver([Replica(f"r{number}", "") for number in range(replicas)])
        fleet = Fleet(
            self.state, self.save, driver, NobodyInFront(), self.probe, reminders, self.clock, join_seconds=100.0
        )
        self.scaler = Scaler(rules, self.state, self.save, self, fleet, reminders, self.clock)  # type: ignore[arg-type]

    def clock(self) -> float:
        return self.now

    def save(self) -> None:
        self.saved.append(self.state.memory.wanted)

    async def probe(self, _address: str) -> str:
        return ""

    async def read(self) -> dict[str, Reading]:
        return {"load": self.reading}

    async def tick(self, value: float | None, passed: float = 1.0) -> Step | Hold | None:
        self.now += passed
        self.reading = Reading(value, self.now, "" if value is not None else "Prometheus is away")
        return await self.scaler.tick()


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> World:
    caplog.set_level("INFO")
    return World()


async def test_a_step_is_written_down_before_anything_is_done_about_it(world: World) -> None:
    assert isinstance(await world.tick(50.0), Step)
    assert world.wanted_on_disk == [2]
    (step,) = world.state.steps
    assert (step.at, step.wanted_before, step.wanted, step.sentence) == (1001.0, 1, 2, "1 → 2: load is 50, above 10.")
    assert world.state.decided == step.sentence
    assert world.state.decided_at == 1001.0


async def test_what_keeps_a_wish_from_being_followed_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for value in (50.0, 50.0, 50.0, 50.0):
        await world.tick(value)
    assert caplog.text.count("step: ") == 1
    assert caplog.text.count("hold: ") == 1, "however much of the cool-down is left"
    assert "though 3 are wanted: the cool-down after the last step up has 9 s left" in caplog.text


async def test_what_is_not_known_is_told_at_intervals_until_it_is(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for passed in (1, 1, 1, 60, 1):
        assert isinstance(await world.tick(None, passed), Hold)
    sentence = "holding still, for what is not known is no reason to scale: load is not known: Prometheus is away"
    assert caplog.text.count(sentence) == 2
    assert "hold: " not in caplog.text, "that says it all"
    await world.tick(5.0)
    await world.tick(5.0)
    assert caplog.text.count("load is known again") == 1
    assert not world.state.steps


async def test_nothing_is_decided_while_nobody_knows_who_is_there(world: World) -> None:
    world.unknown = "kubectl: no route to host."
    assert await world.tick(50.0) is None
    assert world.state.memory.wanted == 1
    world.unknown = ""
    assert isinstance(await world.tick(50.0), Step)


async def test_the_last_steps_alone_are_kept(world: World) -> None:
    for number in range(STEPS_KEPT + 10):
        await world.tick(50.0 if number % 2 else 1.0, passed=20.0)
    assert len(world.state.steps) == STEPS_KEPT
    assert world.state.steps[-1].at == world.state.decided_at


async def test_it_decides_again_and_again_until_it_is_stopped(world: World) -> None:
    running = asyncio.create_task(world.scaler.run())
    async with asyncio.timeout(10):
        while len(world.saved) < 5:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_settling_ends_when_all_serve_or_when_it_takes_too_long(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.tick(50.0)
    assert await world.scaler.settle(5.0)
    world.state.memory = Memory(5)
    world.unknown = "kubectl: no route to host."
    assert not await world.scaler.settle(0.05)
    assert "after 0.05 s the number of replicas is 2, not 5" in caplog.text
