"""Whether to step: a table of situations, and what holds for all of them."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.node.scaler.decision import Hold, Memory, Reading, Side, Step, decide, seconds
from onsale.node.scaler.rules import Plan
from onsale.tests.node.scaler.plans import plan, read, rule

NAN, INFINITE = math.nan, math.inf


def outcome(the_plan: Plan, memory: Memory, readings: dict[str, Reading], now: float = 1000.0, **more: Any) -> Any:
    return decide(the_plan, readings, now, memory, **more)[0]


@pytest.mark.parametrize(
    ("wanted", "value", "goal", "words"),
    [
        (2, 12.0, 3, ("2 → 3", "load is 12", "above 10")),
        (2, 5.0, 2, ("load is 5", "between 2 and 10")),
        (2, 10.0, 2, ("between",)),  # at a threshold is not beyond it
        (2, 1.0, 1, ("2 → 1", "load is 1", "below 2")),
        (1, 1.0, 1, ("least is 1", "load is 1")),
        (5, 12.0, 5, ("most is 5", "load is 12")),
        (2, None, 2, ("nothing is known", "load is away")),
        (2, NAN, 2, ("NaN", "nan_means")),
        (2, INFINITE, 2, ("infinite",)),
        (2, -INFINITE, 2, ("infinite",)),
        (0, None, 1, ("0 → 1", "least is 1")),  # bounds are the operator's word, and need no reading
        (9, 12.0, 5, ("9 → 5", "most is 5")),
    ],
)
def test_one_rule(wanted: int, value: float | None, goal: int, words: tuple[str, ...]) -> None:
    decision = outcome(plan(), Memory(wanted), read(1000, load=value))
    assert decision.wanted == goal
    assert isinstance(decision, Step) == (goal != wanted)
    for word in words:
        assert word in decision.sentence


@pytest.mark.parametrize(
    ("first", "second", "goal", "words"),
    [
        (12.0, 12.0, 5, ("other is 12", "2 → 5")),  # the largest wish wins
        (12.0, 1.0, 3, ("load is 12",)),  # whatever the other says
        (12.0, None, 3, ("load is 12",)),  # what one knows is enough for more
        (1.0, 1.0, 1, ("load is 1", "other is 1")),  # all agree
        (1.0, 5.0, 2, ("not all rules want fewer", "other is 5")),
        (1.0, None, 2, ("not all rules want fewer", "other is away")),
        (None, None, 2, ("load is away", "other is away")),
    ],
)
def test_two_rules(first: float | None, second: float | None, goal: int, words: tuple[str, ...]) -> None:
    two = plan(rule(), rule("other", step_up=3))
    decision = outcome(two, Memory(2), read(1000, load=first, other=second))
    assert decision.wanted == goal
    for word in words:
        assert word in decision.sentence


def test_a_cool_down_blocks_steps_of_both_kinds_and_says_how_long() -> None:
    for value in (12.0, 1.0):
        decision = outcome(plan(), Memory(2, "up", 960.0), read(1000, load=value))
        assert isinstance(decision, Hold)
        assert "cool-down after the last step up has 20 s left" in decision.blocked
        assert outcome(plan(), Memory(2, "up", 940.0), read(1000, load=value)).wanted != 2
    assert "4 min 20 s left" in outcome(plan(), Memory(2, "down", 960.0), read(1000, load=12)).sentence


def test_a_clock_that_was_set_back_makes_no_endless_cool_down() -> None:
    decision, memory = decide(plan(), read(1000, load=12.0), 1000.0, Memory(2, "up", 90_000.0))
    assert "60 s left" in decision.sentence
    assert decide(plan(), read(1060, load=12.0), 1060.0, memory)[0].wanted == 3


def test_it_must_hold_for_a_while_without_a_gap() -> None:
    held = plan(rule(for_up_seconds=30.0))
    memory = Memory(2)
    seen: list[tuple[float, int]] = []
    for now, value in [(0, 12.0), (20, 12.0), (29, 5.0), (30, 12.0), (50, 12.0), (55, None), (58, 12.0), (88, 12.0)]:
        decision, memory = decide(held, read(now, load=value), now, memory)
        seen.append((now, decision.wanted))
    assert seen == [(0, 2), (20, 2), (29, 2), (30, 2), (50, 2), (55, 2), (58, 2), (88, 3)]
    before = Memory(2, sides={"load": Side("up", 0.0, 10.0)})
    waits = outcome(held, before, read(100, load=12.0), 100.0)  # nobody looked in between
    assert waits.wanted == 2
    assert "must hold for 30 s more" in waits.sentence


def test_what_held_before_a_step_says_nothing_about_the_time_after() -> None:
    held = plan(rule(for_up_seconds=30.0), after_up_seconds=10.0)
    step, memory = decide(held, read(100, load=12.0), 100.0, Memory(2, sides={"load": Side("up", 60.0, 90.0)}))
    assert step.wanted == 3
    assert "for 40 s" in step.sentence
    assert decide(held, read(115, load=12.0), 115.0, memory)[0].wanted == 3


def test_the_next_step_waits_for_replicas_that_are_still_joining() -> None:
    decision = outcome(plan(), Memory(2), read(1000, load=12.0), joining=1)
    assert isinstance(decision, Hold)
    assert decision.blocked == "1 replica of the last step still to join"


def test_a_stale_reading_is_none_and_so_is_one_of_another_clock() -> None:
    for at, word in ((960.0, "40 s old"), (1040.0, "ahead of this machine's clock")):
        decision = outcome(plan(), Memory(2), read(at, load=12.0))
        assert isinstance(decision, Hold)
        assert word in decision.sentence
        assert [(each.rule.name, each.way) for each in decision.verdicts] == [("load", "unknown")]


def test_a_reading_without_some_nodes_can_show_much_but_not_little() -> None:
    partly = {"load": Reading(1.0, 1000.0, partial="1 of 3 nodes did not answer")}
    decision = outcome(plan(), Memory(2), partly)
    assert decision.wanted == 2
    assert "1 of 3 nodes did not answer" in decision.sentence
    assert outcome(plan(), Memory(2), {"load": Reading(12.0, 1000.0, partial="1 of 3")}).wanted == 3


def test_nan_is_what_the_rules_say_it_is_and_absence_never() -> None:
    quiet = plan(rule(nan_means=0.0))
    assert outcome(quiet, Memory(2), read(1000, load=NAN)).wanted == 1
    assert outcome(quiet, Memory(2), read(1000, load=None)).wanted == 2
    assert outcome(quiet, Memory(2), {}).wanted == 2


def test_durations_are_written_for_people() -> None:
    assert [seconds(each) for each in (0, 0.2, 119, 120, 125.0, 7300)] == [
        "0 s", "1 s", "119 s", "2 min", "2 min 5 s", "2 h 1 min",
    ]  # fmt: skip


# --- whatever is read, and whenever

values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, 5.0, 12.0]))
plans = st.builds(
    lambda least, more, up, down, for_up, for_down, step_up, step_down, nan: plan(
        rule(for_up_seconds=for_up, for_down_seconds=for_down, step_up=step_up, step_down=step_down, nan_means=nan),
        rule("other", for_up_seconds=for_down, step_up=step_down),
        least=least, most=least + more, after_up_seconds=up, after_down_seconds=down,
    ),
    st.integers(0, 3), st.integers(1, 6), st.floats(0, 100), st.floats(0, 100), st.floats(0, 60), st.floats(0, 60),
    st.integers(1, 4), st.integers(1, 4), st.none() | st.just(0.0),
)  # fmt: skip
ticks = st.lists(st.tuples(st.floats(0.1, 40), values, values, st.floats(-5, 60), st.integers(0, 1)), max_size=40)


def steps_of(the_plan: Plan, wanted: int, happened: list[Any]) -> list[tuple[float, Step, bool]]:
    """(when, the step, whether anything was known)."""
    now, memory, steps = 1000.0, Memory(wanted), []
    for passed, load, other, age, joining in happened:
        now += passed
        readings = {"load": Reading(load, now - age), "other": Reading(other, now - age)}
        decision, memory = decide(the_plan, readings, now, memory, joining=joining)
        assert memory.wanted == decision.wanted
        assert decision.sentence.endswith(".")
        if isinstance(decision, Step):
            steps.append((now, decision, any(each.way != "unknown" for each in decision.verdicts)))
    return steps


@given(plans, st.integers(0, 12), ticks)
def test_never_beyond_the_bounds_and_never_twice_within_a_cool_down(
    the_plan: Plan, wanted: int, happened: list[Any]
) -> None:
    steps = steps_of(the_plan, wanted, happened)
    for _, step, _ in steps:
        assert the_plan.least <= step.wanted <= the_plan.most
        assert step.wanted != step.wanted_before
    for (at, step, _), (next_at, _, _) in pairwise(steps):
        up = step.wanted > step.wanted_before
        assert next_at - at >= (the_plan.after_up_seconds if up else the_plan.after_down_seconds) - 1e-6


@given(plans, ticks)
def test_never_a_step_without_a_reading(the_plan: Plan, happened: list[Any]) -> None:
    assert all(known for _, _, known in steps_of(the_plan, the_plan.least, happened))
    silent = [(passed, None, None, age, joining) for passed, _, _, age, joining in happened]
    assert not steps_of(the_plan, the_plan.least, silent)


@given(plans, ticks)
def test_one_rule_that_is_silent_keeps_all_replicas(the_plan: Plan, happened: list[Any]) -> None:
    half = [(passed, load, None, age, joining) for passed, load, _, age, joining in happened]
    assert all(step.wanted > step.wanted_before for _, step, _ in steps_of(the_plan, the_plan.most - 1, half))


@given(st.lists(st.floats(0.5, 20), min_size=2, max_size=200), st.floats(1, 60), st.floats(1, 60))
def test_flapping_readings_take_few_steps(passed: list[float], up: float, down: float) -> None:
    """From far above to far below with every look: no step at all where it must hold, else one in a cool-down."""
    flapping = [(each, 99.0 if index % 2 else 0.0, None, 0.0, 0) for index, each in enumerate(passed)]
    both = [(each, load, load, age, joining) for each, load, _, age, joining in flapping]
    calm = plan(rule(for_up_seconds=1.0, for_down_seconds=1.0), rule("other", for_up_seconds=1.0, for_down_seconds=1.0))
    assert not steps_of(calm, 3, both)
    hasty = plan(rule(), rule("other"), after_up_seconds=up, after_down_seconds=down)
    assert len(steps_of(hasty, 3, both)) <= sum(passed) / min(up, down) + 1
