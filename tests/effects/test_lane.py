"""A lane does each item at its time, so many at once, pauses for whoever is down, and waiting in it costs little."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Hashable
from itertools import pairwise

import pytest

from onsale.effects.lane import LOOKED_AT_PER_TURN_MAX, RETRY_SECONDS_MAX, Lane
from onsale.effects.provider import ProviderUnavailable
from onsale.tests.effects.clock import Clock


class Outside:
    """Whoever is asked: says no with what `fault` gives, and lets nobody go while the gate is shut."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: list[int] = []
        self.tried: list[tuple[float, int]] = []
        self.at_once = self.most_at_once = 0
        self.fault: Callable[[int], Exception | None] = lambda _item: None
        self.gate = asyncio.Event()
        self.gate.set()

    async def work(self, item: int) -> None:
        self.tried.append((self.clock.now, item))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self.at_once -= 1
        fault = self.fault(item)
        if fault is not None:
            raise fault
        self.done.append(item)


class Bench:
    def __init__(
        self,
        *,
        at_once: int = 4,
        work: Callable[[int], Awaitable[None]] | None = None,
        group: Callable[[int], Hashable] | None = None,
        at_once_per_group: int = 0,
    ) -> None:
        self.clock = Clock()
        self.outside = Outside(self.clock)
        self.lane = Lane(
            "test",
            work or self.outside.work,
            at_once=at_once,
            call_later=self.clock.call_later,
            chance=lambda: 1.0,
            seconds=self.clock.seconds,
            group=group,
            at_once_per_group=at_once_per_group,
        )

    async def turns(self, number: int = 5) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    async def pass_seconds(self, seconds: float) -> None:
        await self.clock.pass_seconds(seconds, self.lane)


async def test_items_are_done_in_the_order_they_came_so_many_at_once() -> None:
    bench = Bench()
    for item in range(20):
        bench.lane.add(item)
    assert (bench.lane.in_flight, bench.lane.waiting) == (4, 16)
    await bench.lane.idle()
    assert bench.outside.done == list(range(20))
    assert bench.outside.most_at_once == 4
    assert (bench.lane.in_flight, bench.lane.waiting) == (0, 0)


async def test_each_waits_for_its_time() -> None:
    bench = Bench()
    bench.lane.add(1, 30.0)
    bench.lane.add(2, 5.0)
    bench.lane.add(3, 200.0)
    await bench.pass_seconds(4.9)
    assert not bench.outside.tried
    await bench.pass_seconds(300)
    assert bench.outside.tried == [(1005.0, 2), (1030.0, 1), (1200.0, 3)]


async def test_the_earlier_of_two_times_counts() -> None:
    bench = Bench()
    bench.lane.add(1, 30.0)
    bench.lane.add(1, 50.0)
    bench.lane.add(2, 30.0)
    bench.lane.add(2, 10.0)
    bench.lane.add(3, 30.0)
    bench.lane.hurry(3)
    assert bench.lane.waiting == 2
    await bench.pass_seconds(100)
    assert bench.outside.tried == [(1000.0, 3), (1010.0, 2), (1030.0, 1)]


async def test_what_is_added_while_it_is_done_is_done_again_afterwards() -> None:
    bench = Bench()
    bench.outside.gate.clear()
    bench.lane.add(1)
    await bench.turns()
    bench.lane.add(1)
    bench.lane.add(1)
    await bench.turns()
    assert len(bench.outside.tried) == 1, "never twice at once"
    bench.outside.gate.set()
    await bench.lane.idle()
    assert bench.outside.done == [1, 1]


async def test_work_may_ask_for_its_own_next_time() -> None:
    times: list[float] = []

    async def look(item: int) -> None:
        times.append(bench.clock.now)
        bench.lane.add(item, 10.0)

    bench = Bench(work=look)
    bench.lane.add(1, 5.0)
    await bench.pass_seconds(30)
    assert times == [1005.0, 1015.0, 1025.0]


async def test_who_is_down_is_tried_by_one_with_growing_gaps_and_all_follow_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.outside.fault = lambda _item: ProviderUnavailable("no route to host")
    for item in range(10):
        bench.lane.add(item)
    await bench.pass_seconds(600)
    tried = [at - 1000 for at, _ in bench.outside.tried]
    assert tried[:4] == [0.0] * 4
    gaps = [later - earlier for earlier, later in pairwise(tried[3:])]
    assert gaps[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert set(gaps[7:]) == {RETRY_SECONDS_MAX}
    assert len({item for _, item in bench.outside.tried[4:]}) > 5, "one that is to blame itself must not block the rest"
    assert bench.lane.failing_since_seconds == 1000.0
    assert bench.lane.last_failure == "no route to host"
    assert 0 < bench.lane.resumes_in_seconds <= RETRY_SECONDS_MAX
    assert "all wait for 60.0 s" in caplog.text

    bench.outside.fault = lambda _item: None
    before = len(bench.outside.tried)
    await bench.pass_seconds(121)
    assert sorted(bench.outside.done) == list(range(10))
    assert len(bench.outside.tried) == before + 10
    assert bench.lane.failing_since_seconds is None
    assert bench.lane.resumes_in_seconds == 0


async def test_what_was_begun_before_a_pause_makes_it_no_longer() -> None:
    bench = Bench()
    bench.outside.fault = lambda _item: ProviderUnavailable("down")
    for item in range(4):
        bench.lane.add(item)
    await bench.lane.idle()
    assert bench.lane.resumes_in_seconds == 0.5


async def test_after_a_pause_the_lane_opens_step_by_step() -> None:
    bench = Bench(at_once=8)
    bench.outside.fault = lambda _item: ProviderUnavailable("down")
    bench.lane.add(0)
    await bench.lane.idle()
    bench.outside.fault = lambda _item: None
    for item in range(1, 40):
        bench.lane.add(item)
    bench.outside.most_at_once = 0
    widths = []
    bench.clock.ring()
    while bench.lane.in_flight:
        widths.append(bench.lane.in_flight)
        await asyncio.sleep(0)
    assert widths[0] == 1
    assert bench.outside.most_at_once == 8
    assert len(bench.outside.done) == 40


async def test_a_new_item_tries_in_the_midst_of_a_pause_and_the_others_follow_it() -> None:
    """Whoever pays the moment the provider is back need not wait for the pause to end."""
    bench = Bench()
    bench.outside.fault = lambda _item: ProviderUnavailable("down")
    bench.lane.add(1)
    await bench.pass_seconds(100)
    pause_seconds = bench.lane.resumes_in_seconds
    assert pause_seconds > 10
    bench.lane.add(2)
    bench.lane.add(3)
    await bench.turns()
    assert [item for _, item in bench.outside.tried[-2:]] == [1, 2], "one at a time"
    assert bench.lane.resumes_in_seconds >= pause_seconds, "it is still down"
    bench.outside.fault = lambda _item: None
    bench.lane.add(4)
    await bench.pass_seconds(0)
    assert bench.outside.done[0] == 4
    assert bench.lane.resumes_in_seconds == 0
    await bench.pass_seconds(RETRY_SECONDS_MAX)
    assert sorted(bench.outside.done) == [1, 2, 3, 4]


async def test_who_asked_to_be_left_alone_is_left_alone_by_new_items_too() -> None:
    bench = Bench()
    bench.outside.fault = lambda _item: ProviderUnavailable("too many", retry_after_seconds=30.0)
    bench.lane.add(1)
    await bench.pass_seconds(1)
    bench.lane.add(2)
    await bench.pass_seconds(20)
    assert [item for _, item in bench.outside.tried] == [1]


async def test_what_the_other_side_asked_for_is_honoured() -> None:
    bench = Bench()
    bench.outside.fault = lambda _item: ProviderUnavailable("too many requests", retry_after_seconds=17.0)
    bench.lane.add(1)
    await bench.lane.idle()
    bench.outside.fault = lambda _item: None
    bench.lane.add(2)
    bench.lane.hurry(3)
    await bench.pass_seconds(60)
    assert bench.outside.tried[1:] == [(1017.0, 2), (1017.0, 3), (1017.0, 1)]
    bench.outside.fault = lambda item: (
        ProviderUnavailable("busy", retry_after_seconds=9.0, down=False)
        if item == 4 and bench.clock.now < 1065
        else None
    )
    bench.lane.add(4)
    await bench.pass_seconds(30)
    assert bench.outside.tried[-1] == (1069.0, 4)


@pytest.mark.parametrize("fault", [ProviderUnavailable("locked", down=False), RuntimeError("a bug")])
async def test_one_that_fails_for_itself_waits_alone(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.outside.fault = lambda item: fault if item == 3 else None
    for item in range(20):
        bench.lane.add(item)
    await bench.lane.idle()
    assert bench.outside.done == [item for item in range(20) if item != 3]
    assert bench.lane.resumes_in_seconds == 0
    await bench.pass_seconds(8)
    assert [at - 1000 for at, item in bench.outside.tried if item == 3] == [0.0, 0.5, 1.5, 3.5, 7.5]
    assert str(fault) in caplog.text
    bench.outside.fault = lambda _item: None
    bench.lane.hurry(3)
    await bench.lane.idle()
    assert bench.outside.done[-1] == 3


async def test_work_that_is_interrupted_is_done_again() -> None:
    bench = Bench()
    bench.outside.fault = lambda _item: asyncio.CancelledError() if bench.clock.now == 1000 else None  # type: ignore[return-value]
    bench.lane.add(1)
    await bench.pass_seconds(1)
    assert bench.outside.done == [1]


async def test_full_jitter() -> None:
    bench = Bench()
    chances = iter([0.25, 0.5])
    bench.lane._chance = lambda: next(chances)
    bench.outside.fault = lambda _item: ProviderUnavailable("x", down=False) if len(bench.outside.tried) < 3 else None
    bench.lane.add(1)
    await bench.pass_seconds(5)
    assert [at - 1000 for at, _ in bench.outside.tried] == [0.0, 0.125, 0.625]


async def test_one_group_can_not_hold_up_the_others() -> None:
    slow = asyncio.Event()
    done: list[int] = []

    async def work(item: int) -> None:
        if item < 1000:
            await slow.wait()
        done.append(item)

    bench = Bench(at_once=8, work=work, group=lambda item: "slow" if item < 1000 else None, at_once_per_group=3)
    for item in (*range(500), *range(1000, 1020)):
        bench.lane.add(item)
    while len(done) < 20:
        if bench.clock.timers:
            bench.clock.ring()
        await asyncio.sleep(0)
    assert sorted(done) == list(range(1000, 1020))
    assert (bench.lane.in_flight, bench.lane.waiting) == (3, 497)
    slow.set()
    await bench.lane.idle()
    assert done[20:] == list(range(500))


async def test_fifty_thousand_items_are_begun_a_few_at_a_time_and_cost_little() -> None:
    bench = Bench(at_once=32)
    bench.outside.gate.clear()
    items = list(range(10**9, 10**9 + 50_000))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for item in items:
        bench.lane.add(item)
    for item in items:
        bench.lane.add(item)
    each = (tracemalloc.get_traced_memory()[0] - before) / len(items)
    tracemalloc.stop()
    assert each < 200, f"{each:.0f} bytes each"
    tasks = len(asyncio.all_tasks())
    assert tasks < 40
    assert len(bench.clock.timers) == 0, "what lands makes room"
    bench.outside.gate.set()
    most, begun = 0, len(bench.outside.tried)
    while bench.lane.in_flight:
        await asyncio.sleep(0)
        most, begun = max(most, len(bench.outside.tried) - begun), len(bench.outside.tried)
    assert most <= 32
    assert len(bench.outside.done) == 50_064 - 32, "those added again while in flight are done again"


async def test_a_turn_ends_although_much_is_due_and_nothing_can_be_begun() -> None:
    looked_at: list[int] = []

    def group(item: int) -> str:
        looked_at.append(item)
        return "one"

    async def work(_item: int) -> None:
        await asyncio.Event().wait()

    bench = Bench(at_once=8, work=work, group=group, at_once_per_group=1)
    for item in range(1000):
        bench.lane.add(item, 1.0)
    while bench.clock.timers:
        before = len(looked_at)
        bench.clock.ring()
        assert len(looked_at) - before <= LOOKED_AT_PER_TURN_MAX
    assert len(looked_at) == 1000
    await bench.lane.close()


async def test_closing_cancels_what_is_in_flight_and_begins_nothing_more() -> None:
    bench = Bench()
    bench.outside.gate.clear()
    for item in range(10):
        bench.lane.add(item)
    bench.lane.add(11, 5.0)
    await bench.turns()
    await bench.lane.close()
    bench.lane.add(12)
    bench.outside.gate.set()
    while bench.clock.timers:
        bench.clock.ring()
    await bench.turns()
    assert not bench.outside.done
    assert len(bench.outside.tried) == 4
    assert (bench.lane.in_flight, bench.lane.waiting) == (0, 0)
    await bench.lane.idle()


async def test_it_works_on_the_real_clock() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        done.append(item)
        if len(done) == 1:
            raise ProviderUnavailable("down", retry_after_seconds=0.02)
        if len(done) == 3:
            finished.set()

    finished = asyncio.Event()
    lane = Lane("test", work, at_once=2, call_later=asyncio.get_running_loop().call_later)
    lane.add(1)
    lane.add(2, 0.01)
    async with asyncio.timeout(5):
        await finished.wait()
    assert sorted(done) == [1, 1, 2]
    await lane.close()
