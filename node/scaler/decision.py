"""Whether there should be more replicas, or fewer: one pure function, which says why.

Owns the decision and what it remembers from one time to the next. Promises: never beyond the bounds, never two steps
within a cool-down, never a step because something is not known; the largest wish wins, and fewer are wanted only where
all rules agree. Reads no clock, asks nobody, changes nothing: the caller brings readings and the time, and keeps the
memory.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from .rules import Plan, Rule

Way = Literal["up", "down", "stay", "unknown"]


@dataclass(frozen=True)
class Reading:
    """What was read for a rule. `value` None: nothing was, and `trouble` says why.

    `at`: when it was so, in seconds of the clock of `decide`. `partial`: who is missing in it; it can show that there
    is much to do, and not that there is little.
    """

    value: float | None
    at: float = 0.0
    trouble: str = ""
    partial: str = ""


class Side(msgspec.Struct, frozen=True):
    """A rule's reading is beyond one of its thresholds since then, and was so when last looked at."""

    way: str  # up, down
    since: float
    seen: float


class Memory(msgspec.Struct, frozen=True):
    """What is carried from one decision to the next. `stepped`: up, down or nothing yet, at `stepped_at`."""

    wanted: int
    stepped: str = ""
    stepped_at: float = 0.0
    sides: dict[str, Side] = {}  # by rule


@dataclass(frozen=True)
class Verdict:
    """What one rule says. `wish`: how many it wants; `waits_seconds`: how long it must hold yet."""

    rule: Rule
    reading: Reading
    way: Way
    wish: int
    sentence: str
    waits_seconds: float = 0.0


@dataclass(frozen=True)
class Step:
    wanted_before: int
    wanted: int
    sentence: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Hold:
    """`blocked`: what keeps a wish from being followed; empty: nothing does."""

    wanted: int
    sentence: str
    verdicts: tuple[Verdict, ...]
    blocked: str = ""


def decide(
    plan: Plan, readings: Mapping[str, Reading], now: float, memory: Memory, *, joining: int = 0
) -> tuple[Step | Hold, Memory]:
    """The decision, and what to remember of it.

    `readings`: by rule; one that is missing is unknown. `joining`: replicas of earlier steps that do not serve yet and
    are worth waiting for.
    """
    if memory.stepped_at > now:  # a clock that was set back must not make a cool-down last for ever
        memory = msgspec.structs.replace(memory, stepped_at=now)
    sides: dict[str, Side] = {}
    verdicts = []
    for rule in plan.rules:
        reading = readings.get(rule.name, Reading(None, trouble="nothing was read"))
        verdict, side = _judge(plan, rule, reading, now, memory)
        verdicts.append(verdict)
        if side is not None:
            sides[rule.name] = side
    held = msgspec.structs.replace(memory, sides=sides)
    bounded = min(max(memory.wanted, plan.least), plan.most)
    if bounded != memory.wanted:
        word = f"least is {plan.least}" if bounded > memory.wanted else f"most is {plan.most}"
        return _step(held, bounded, f"the rules say that {word}", verdicts, now)
    wish = max((each.wish for each in verdicts), default=memory.wanted)
    goal = min(max(wish, plan.least), plan.most)
    if goal == memory.wanted:
        return _stay(plan, memory.wanted, wish, verdicts), held
    way = "up" if goal > memory.wanted else "down"
    moving = [each for each in verdicts if each.wish != memory.wanted and (way == "down" or each.wish == wish)]
    why = "; ".join(each.sentence for each in moving)
    blocked = blocked_by(plan, memory, now, joining)
    if blocked:
        sentence = f"Stays at {memory.wanted} though {goal} are wanted: {blocked} ({why})."
        return Hold(memory.wanted, sentence, tuple(verdicts), blocked), held
    return _step(held, goal, why, verdicts, now)


def blocked_by(plan: Plan, memory: Memory, now: float, joining: int) -> str:
    """What keeps any step from being taken now; empty: nothing does."""
    if memory.stepped:
        cool_down = plan.after_up_seconds if memory.stepped == "up" else plan.after_down_seconds
        left = cool_down - (now - memory.stepped_at)
        if left > 0:
            return f"the cool-down after the last step {memory.stepped} has {seconds(left)} left"
    if joining:
        return f"{joining} {'replica' if joining == 1 else 'replicas'} of the last step still to join"
    return ""


def _step(memory: Memory, goal: int, why: str, verdicts: list[Verdict], now: float) -> tuple[Step, Memory]:
    """What held before a step says nothing about the time after it."""
    way = "up" if goal > memory.wanted else "down"
    step = Step(memory.wanted, goal, f"{memory.wanted} → {goal}: {why}.", tuple(verdicts))
    return step, Memory(goal, way, now)


def _stay(plan: Plan, wanted: int, wish: int, verdicts: list[Verdict]) -> Hold:
    told = tuple(verdicts)
    unknown = [each for each in verdicts if each.way == "unknown"]
    if len(unknown) == len(verdicts):
        why = "; ".join(each.sentence for each in unknown) or "there are no rules"
        return Hold(wanted, f"Stays at {wanted}, as nothing is known: {why}.", told, "nothing is known")
    if wish != wanted:
        bound = f"most is {plan.most}" if wish > wanted else f"least is {plan.least}"
        why = "; ".join(each.sentence for each in verdicts if each.wish == wish)
        return Hold(wanted, f"Stays at {wanted}: {bound} ({why}).", told, bound)
    downs = [each for each in verdicts if each.wish < wanted]
    if downs:
        others = "; ".join(each.sentence for each in verdicts if each.wish >= wanted)
        return Hold(
            wanted, f"Stays at {wanted}: not all rules want fewer ({others}).", told, "not all rules want fewer"
        )
    return Hold(wanted, f"Stays at {wanted}: {'; '.join(each.sentence for each in verdicts)}.", told)


def _judge(plan: Plan, rule: Rule, reading: Reading, now: float, memory: Memory) -> tuple[Verdict, Side | None]:
    wanted = memory.wanted
    value, unknown = _value(plan, rule, reading, now)
    if value is None:
        return Verdict(rule, reading, "unknown", wanted, f"{rule.name} is not known: {unknown}"), None
    name = f"{rule.name} is {number(value)}"
    if value > rule.up_above:
        way, word, needed, wish = "up", f"above {number(rule.up_above)}", rule.for_up_seconds, wanted + rule.step_up
    elif value < rule.down_below:
        way, word, needed = "down", f"below {number(rule.down_below)}", rule.for_down_seconds
        wish = wanted - rule.step_down
    else:
        between = f"between {number(rule.down_below)} and {number(rule.up_above)}"
        return Verdict(rule, reading, "stay", wanted, f"{name}, {between}"), None
    if way == "down" and reading.partial:
        return Verdict(rule, reading, "stay", wanted, f"{name}, {word}, but {reading.partial}"), None
    side = memory.sides.get(rule.name)
    lasts = side is not None and side.way == way and 0 <= now - side.seen <= plan.gap_seconds and side.since <= now
    since = side.since if lasts and side is not None else now
    waits = needed - (now - since)
    for_so_long = f" for {seconds(now - since)}" if since < now else ""
    sentence = f"{name}, {word}{for_so_long}"
    next_side = Side(way, since, now)
    if waits > 0:
        sentence = f"{sentence}, which must hold for {seconds(waits)} more"
        return Verdict(rule, reading, "up" if way == "up" else "down", wanted, sentence, waits), next_side
    return Verdict(rule, reading, "up" if way == "up" else "down", wish, sentence), next_side


def _value(plan: Plan, rule: Rule, reading: Reading, now: float) -> tuple[float | None, str]:
    """The number to go by, or what is wrong with it."""
    if reading.value is None:
        return None, reading.trouble or "nothing was read"
    age = now - reading.at
    if age > plan.stale_seconds:
        return None, f"the reading is {seconds(age)} old, and {seconds(plan.stale_seconds)} is the most"
    if -age > plan.stale_seconds:
        return None, f"the reading is {seconds(-age)} ahead of this machine's clock; set both clocks"
    if math.isnan(reading.value):
        if rule.nan_means is None:
            return None, "the reading is NaN, as of a quantile of no requests (`nan_means` says what to take it for)"
        return rule.nan_means, ""
    if math.isinf(reading.value):
        return None, "the reading is infinite, as of a division by zero"
    return reading.value, ""


def number(value: float) -> str:
    return f"{value:.4g}"


def seconds(value: float) -> str:
    """A duration for a person: 4 s, 2 min 5 s, 1 h 2 min."""
    whole = math.ceil(value)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
