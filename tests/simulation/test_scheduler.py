"""Simulated time is only worth something if its order is certain and its processes can really be stopped."""

import pytest

from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

SECOND = 1_000_000


def test_what_is_due_first_happens_first_and_equals_in_order():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    node.call_later(0.5, seen.append, "late")
    for name in "abc":
        node.call_later(0.25, seen.append, name)
    node.call_soon(seen.append, "soon")
    time.run(SECOND)
    assert seen == ["soon", "a", "b", "c", "late"]
    assert time.now_us == SECOND


def test_a_call_made_soon_waits_for_those_before_it():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    node.call_soon(lambda: node.call_soon(seen.append, "inner"))
    node.call_soon(seen.append, "outer")
    time.run(0)
    assert seen == ["outer", "inner"]


def test_a_cancelled_timer_never_comes():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    node.call_later(0.1, seen.append, "never").cancel()
    time.run(SECOND)
    assert not seen


def test_a_paused_process_does_nothing_and_then_all_of_it_in_order():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    for tenth in (3, 1, 2):
        node.call_later(tenth / 10, seen.append, tenth)
    cancelled = node.call_later(0.25, seen.append, "cancelled meanwhile")
    node.pause()
    time.run(SECOND)
    assert not seen
    assert node.time() == pytest.approx(1.0), "its clock goes on"
    cancelled.cancel()
    node.resume()
    node.call_soon(seen.append, "new")
    time.run(SECOND)
    assert seen == [1, 2, 3, "new"]


def test_a_process_paused_again_at_once_does_nothing():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    node.call_soon(seen.append, 1)
    node.pause()
    time.run(1)
    node.resume()
    node.pause()
    time.run(2)
    assert not seen
    node.resume()
    time.run(3)
    assert seen == [1]


def test_a_killed_process_never_runs_again():
    time, seen = SimulatedTime(), []
    node, other = NodeScheduler(time), NodeScheduler(time)
    node.call_later(0.1, seen.append, "dead")
    other.call_later(0.1, seen.append, "alive")
    node.pause()
    node.kill()
    node.call_soon(seen.append, "dead")
    time.run(SECOND)
    assert seen == ["alive"]


def test_clocks_run_at_their_own_rate():
    time, seen = SimulatedTime(), []
    fast = NodeScheduler(time, rate=1.25, starts_at_seconds=100.0)
    fast.call_later(1.0, lambda: seen.append(time.now_us))
    time.run(2 * SECOND)
    assert seen == [800_000]
    assert fast.time() == pytest.approx(102.5)


def test_what_a_step_raises_is_raised_and_the_rest_goes_on():
    time, seen = SimulatedTime(), []
    node = NodeScheduler(time)
    node.call_soon(lambda: 1 // 0)
    node.call_soon(seen.append, "next")
    with pytest.raises(ZeroDivisionError):
        time.run(1)
    time.run(1)
    assert seen == ["next"]
    assert time.steps == 2
