"""What a simulated onsale came to, in figures, and two of them side by side.

Owns what is counted and how it is shown: a table for a terminal, Markdown for documents, JSON for programs.
"""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from .onsale_crowd import Visitor
from .onsale_people import Turn
from .onsale_run import Onsale


class Spread(msgspec.Struct, frozen=True):
    """Seconds."""

    people: int
    median: float
    longest: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds; those of the sale count from the opening."""

    room: str
    faults: list[str]
    people: int
    tickets: int
    sold: int
    unsold_because: str
    sold_95_percent: float | None
    sold_out: float | None
    admitted: int
    in_vain: int  # admitted, and nothing was left for them
    inside_most: int
    until_told: Spread  # of those for whom there was nothing: from coming (or the opening) until they were told so
    until_over: Spread  # and until they saw it themselves
    told_wrongly: int  # told that tickets will not reach them, and given some in the end
    left_wrongly: int  # left upon that, and somebody behind them was given some
    estimate_ratio: float | None  # median of the real wait, by what was estimated at the opening
    became: dict[str, int]  # of the people
    rules: dict[str, int]  # whoever was not served in the order of coming, by rule
    refusals: dict[str, int]
    tricks: dict[str, int]
    interruptions: list[str]
    facts: int
    run_seconds: float


def outcome_of(onsale: Onsale, run_seconds: float) -> Outcome:
    """Of an onsale that has run."""
    opening_ms, tickets = onsale.opening_ms, onsale.plan.tickets
    visitors, ledger, ticks = onsale.crowd.visitors, onsale.ledger, onsale.ticks
    vain = [each for each in visitors if _in_vain(each)]
    unlucky = vain + [each for each in visitors if _not_reached(each)]
    through = max((each.number for each in visitors if each.given and not each.second_try), default=0)
    return Outcome(
        room="stock-aware" if onsale.plan.by_stock else "stock-blind",
        faults=[*ledger.faults],
        people=len(visitors),
        tickets=tickets,
        sold=ledger.sold,
        unsold_because=onsale.unsold_because,
        sold_95_percent=_first(onsale, lambda sold: sold * 100 >= tickets * 95),
        sold_out=_first(onsale, lambda sold: sold == tickets),
        admitted=sum(each.turns > 0 for each in visitors),
        in_vain=len(vain),
        inside_most=max((each.inside for each in ticks), default=0),
        until_told=_spread(_told_ms(each) - _from_ms(each, opening_ms) for each in unlucky if _told_ms(each)),
        until_over=_spread(_over_ms(each, onsale) - _from_ms(each, opening_ms) for each in unlucky if not each.left),
        told_wrongly=sum(each.given and each.told > 0 for each in visitors),
        left_wrongly=sum(each.left and each.told_ms is not None and 0 < each.number < through for each in visitors),
        estimate_ratio=_estimate_ratio(onsale),
        became=_became(visitors),
        rules={} if onsale.fairness is None else onsale.fairness.by_rule,
        refusals=dict(onsale.crowd.refusals.most_common()),
        tricks=dict(onsale.crowd.tricks.most_common()),
        interruptions=[
            f"{each.what} at {(each.at_ms - opening_ms) / 1000:+.0f} s: {each.sold} sold, {each.waiting} waiting, "
            f"{each.inside} inside"
            for each in onsale.interruptions
        ],
        facts=onsale.node.facts,
        run_seconds=round(run_seconds, 1),
    )


def _in_vain(visitor: Visitor) -> bool:
    """Let in, wanted tickets, and was never given any."""
    wanted = visitor.first_tried_ms or (visitor.over_ms is not None and visitor.person.turn is Turn.BOOKS)
    return visitor.turns > 0 and not visitor.given and bool(wanted)


def _not_reached(visitor: Visitor) -> bool:
    """Waited for a turn to the end, or left because of what they were told."""
    gave_up = visitor.left and visitor.told_ms is None
    return not visitor.turns and visitor.joined_ms > 0 and not gave_up


def _from_ms(visitor: Visitor, opening_ms: int) -> int:
    return max(visitor.joined_ms, opening_ms)


def _told_ms(visitor: Visitor) -> int:
    """0: never. Who was admitted is told by the first refusal, if not before."""
    return visitor.told_ms or visitor.first_tried_ms


def _over_ms(visitor: Visitor, onsale: Onsale) -> int:
    return visitor.over_ms or onsale.now_ms


def _spread(lasted_ms: Iterable[int]) -> Spread:
    seconds = [max(each, 0) / 1000 for each in lasted_ms]
    if not seconds:
        return Spread(0, 0, 0)
    return Spread(len(seconds), round(statistics.median(seconds), 1), round(max(seconds), 1))


def _first(onsale: Onsale, reached: Any) -> float | None:
    return next(((each.at_ms - onsale.opening_ms) / 1000 for each in onsale.ticks if reached(each.sold)), None)


def _estimate_ratio(onsale: Onsale) -> float | None:
    """Those who were estimated a minute and more; less is within what it takes to look."""
    ratios = []
    for arrival, seconds in onsale.estimates.items():
        admitted_ms = onsale.admitted_ms.get(arrival)
        if admitted_ms is not None and seconds >= 10:
            ratios.append((admitted_ms - onsale.opening_ms) / 1000 / seconds)
    return round(statistics.median(ratios), 2) if ratios else None


def _became(visitors: Sequence[Visitor]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in visitors:
        if each.bought:
            counts["bought"] += 1
        elif each.given:
            counts["held, and did not pay"] += 1
        elif _in_vain(each):
            counts["in vain"] += 1
        elif each.turns:
            counts["let the turn pass, or gave it up"] += 1
        elif each.left:
            counts["left while waiting"] += 1
        else:
            counts["not reached"] += 1
    return dict(counts.most_common())


# --- shown


def rows_of(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The comparison: a name, and a cell for each room."""
    rows: list[tuple[str, ...]] = []

    def row(name: str, cell: Any) -> None:
        rows.append((name, *(cell(each) for each in outcomes)))

    row("promises broken", lambda each: f"{len(each.faults)}")
    row("tickets sold", lambda each: f"{each.sold:,} of {each.tickets:,}")
    row("left unsold", lambda each: f"{each.tickets - each.sold:,}" + _because(each.unsold_because))
    row("95 % sold after", lambda each: _seconds(each.sold_95_percent))
    row("sold out after", lambda each: _seconds(each.sold_out))
    row("people admitted", lambda each: f"{each.admitted:,} of {each.people:,}")
    row("admitted in vain", lambda each: f"{each.in_vain:,}" + _share(each.in_vain, each.admitted))
    row("inside at once, at most", lambda each: f"{each.inside_most:,}")
    row("nothing left for them: told after, longest", lambda each: _seconds(each.until_told.longest))
    row("… median", lambda each: _seconds(each.until_told.median))
    row("… it was over after, longest", lambda each: _seconds(each.until_over.longest))
    row("… median", lambda each: _seconds(each.until_over.median))
    row("told so, and given tickets in the end", lambda each: f"{each.told_wrongly:,}")
    row("told so, left, and somebody behind them was given some", lambda each: f"{each.left_wrongly:,}")
    row(
        "real wait by estimate at the opening",
        lambda each: "–" if each.estimate_ratio is None else f"× {each.estimate_ratio:g}",
    )
    row("facts · run time", lambda each: f"{each.facts:,} · {each.run_seconds:g} s")
    return rows


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.0f} s" if seconds < 120 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def markdown(outcomes: Sequence[Outcome]) -> str:
    heading = ("", *(f"{each.room} room" for each in outcomes))
    lines = [heading, ("---", *("---:" for _ in outcomes)), *rows_of(outcomes)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps([msgspec.to_builtins(each) for each in outcomes], indent=2, ensure_ascii=False)


def print_table(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    first = outcomes[0]
    table = Table(title=f"An onsale: {first.people:,} people, {first.tickets:,} tickets")
    table.add_column("")
    for outcome in outcomes:
        table.add_column(f"{outcome.room} room", justify="right")
    for row in rows_of(outcomes):
        table.add_row(*row)
    console.print(table)
    for outcome in outcomes:
        details = Table(title=f"{outcome.room} room", show_header=False)
        details.add_column(no_wrap=True)
        details.add_column()
        for name, counts in _details(outcome):
            details.add_row(name, ", ".join(f"{key}: {count:,}" for key, count in counts.items()) or "–")
        for each in outcome.interruptions:
            details.add_row("on the way", each)
        console.print(details)


def _details(outcome: Outcome) -> list[tuple[str, dict[str, int]]]:
    return [
        ("people", outcome.became),
        ("out of order, by rule", outcome.rules),
        ("tricks", outcome.tricks),
        ("refusals", outcome.refusals),
    ]
