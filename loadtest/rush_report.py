"""What came of a rush: the figures, as a table for people and JSON for programs.

Owns their form, and how what several generators measured becomes one figure.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from .figures import machine
from .latency import Latencies
from .rush_books import Books, unsold_because
from .rush_generator import Pause, Told
from .rush_people import CALL_NAMES, FIRST_END, Call, Step
from .rush_plan import Plan

END_WORDS = {
    Step.PAID: "paid",
    Step.GAVE_UP: "gave a hold up",
    Step.HOLD_LAPSED: "let a hold lapse",
    Step.TURN_PASSED: "let the turn pass",
    Step.TURN_MISSED: "looked when the turn was over",
    Step.NOTHING_LEFT: "had a turn, and nothing was left",
    Step.TOLD_OVER: "waited, and were told that it is over",
    Step.FAULTY: "got an answer nobody should get",
}


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """How things stood `after` so many seconds. Counts and seconds are sums so far."""

    after: float
    steps: dict[str, int]
    answered: int
    tickets_paid: int
    ready: int  # people who were due and had to wait for a connection
    generator_cpu_seconds: float
    node_cpu_seconds: float
    memory_bytes: int

    def line(self) -> str:
        ended = sum(self.steps.get(step.name.lower(), 0) for step in Step if step >= FIRST_END)
        waits = self.steps.get("waits", 0)
        return (
            f"{self.after:4.0f} s  {self.answered:>9,} answers  {waits:>7,} wait  {self.tickets_paid:>6,} tickets paid"
            f"  {ended:>7,} people ended  {self.ready:>6,} due  {self.memory_bytes / 1e6:,.0f} MB"
        )


class Outage(msgspec.Struct, frozen=True):
    killed_at: float  # time.monotonic
    failover_seconds: float  # from the kill until `onsale failover` had ended
    mended_seconds: float  # until the old primary was back, and waited for
    tickets_paid: int  # by then


class CallFigures(msgspec.Struct, frozen=True, rename="camel"):
    call: str
    answered: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Outcome(msgspec.Struct, rename="camel", kw_only=True):
    machine: dict[str, Any]
    plan: dict[str, Any]
    seconds: float
    joined_before_opening: int
    ends: dict[str, int]
    tickets_sold: int
    unsold_because: str
    requests: int
    requests_per_second: float
    per_second: list[dict[str, float]]
    calls: list[CallFigures]
    late_ms: dict[str, float]  # from when somebody was due until they could be sent
    statuses: dict[str, int]
    errors: dict[str, int]
    memory_bytes: dict[str, int]
    cpu: dict[str, float]  # shares of a core
    failover: dict[str, float] | None
    journal: dict[str, Any]
    faults: list[str]

    def as_dict(self) -> dict[str, Any]:
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built


def outcome_of(
    plan: Plan,
    told: Sequence[Told],
    books: Books,
    moments: Sequence[Moment],
    outage: Outage | None,
    *,
    seconds: float,
    memory: tuple[int, int, int],
    reports: Sequence[dict[str, Any]],
    faults: list[str],
) -> Outcome:
    calls = {call: _sum([each.latencies[call] for each in told]) for call in Call}
    requests = sum(each.count for each in calls.values())
    before, joined, most = memory
    statuses = _counted([each.statuses for each in told])
    return Outcome(
        machine=machine(),
        plan=msgspec.to_builtins(plan),
        seconds=round(seconds, 1),
        joined_before_opening=_joined_by(moments, plan),
        ends=_ends(told),
        tickets_sold=books.sold,
        unsold_because=unsold_because(plan, books),
        requests=requests,
        requests_per_second=round(requests / max(seconds, 1e-9)),
        per_second=_over_time(moments),
        calls=[_figures(call, calls[call]) for call in Call if calls[call].count],
        late_ms=_percentiles(_sum([each.late for each in told])),
        statuses={str(status): count for status, count in sorted(statuses.items())},
        errors={str(reason): count for reason, count in _counted([each.errors for each in told]).items()},
        memory_bytes={
            "before": before,
            "allJoined": joined,
            "most": most,
            "perPerson": (joined - before) // plan.people,
        }
        if joined
        else {"before": before, "most": most},
        cpu=_cpu(moments),
        failover=None if outage is None else _failover(told, outage),
        journal=_journal(reports, books),
        faults=faults,
    )


def _joined_by(moments: Sequence[Moment], plan: Plan) -> int:
    """How many by the opening, to the second."""
    before = [moment for moment in moments if moment.after <= plan.opens_after_seconds]
    return plan.people - before[-1].steps.get("comes", 0) if before else 0


def _ends(told: Sequence[Told]) -> dict[str, int]:
    ends: Counter[str] = Counter()
    for each in told:
        for step, count in Counter(each.steps).items():
            ends[END_WORDS.get(Step(step), f"still {Step(step).name.lower()}")] += count
    return dict(ends.most_common())


def _over_time(moments: Sequence[Moment]) -> list[dict[str, float]]:
    """Between one moment and the next: requests a second, and how busy the processes were."""
    found = []
    for one, next_one in pairwise(moments):
        lasted = next_one.after - one.after
        busy = next_one.node_cpu_seconds - one.node_cpu_seconds
        found.append(
            {
                "after": round(next_one.after, 1),
                "requests": round((next_one.answered - one.answered) / lasted),
                "node": round(max(busy, 0.0) / lasted, 2),
                "generators": round((next_one.generator_cpu_seconds - one.generator_cpu_seconds) / lasted, 2),
                "waiting": next_one.steps.get("waits", 0),
                "ticketsPaid": next_one.tickets_paid,
                "due": next_one.ready,
                "memoryMB": round(next_one.memory_bytes / 1e6),
            }
        )
    return found


def _cpu(moments: Sequence[Moment]) -> dict[str, float]:
    over_time = _over_time(moments)
    lasted = [one["after"] for one in over_time]
    if not lasted:
        return {}
    return {name: round(sum(each[name] for each in over_time) / len(over_time), 2) for name in ("node", "generators")}


def _failover(told: Sequence[Told], outage: Outage) -> dict[str, float]:
    """The pause as people saw it."""
    retried = _sum([each.retried for each in told])
    return {
        "afterTicketsPaid": outage.tickets_paid,
        "commandSeconds": round(outage.failover_seconds, 2),
        "withoutWritesSeconds": _without(told, "write", outage),
        "withoutReadsSeconds": _without(told, "read", outage),
        "requestsLost": sum(each.lost for each in told),
        "askedAgain": retried.count,
        "askedAgainP50Seconds": round(retried.percentile_ms(50) / 1000, 2),
        "askedAgainMaxSeconds": round(retried.max_seconds, 2),
        "oldPrimaryBackSeconds": round(outage.mended_seconds, 1),
    }


def _without(told: Sequence[Told], kind: str, outage: Outage) -> float:
    """How long nobody got an answer of this kind: the longest such time until shortly after all was mended."""
    began, ended = outage.killed_at - 0.5, outage.killed_at + outage.failover_seconds + outage.mended_seconds + 5
    found = [_longest([pause for pause in each.pauses if pause.kind == kind], began, ended) for each in told]
    common_began = max((pause.began for pause in found if pause), default=0.0)
    common_ended = min((pause.ended if pause else 0.0 for pause in found), default=0.0)
    return round(max(common_ended - common_began, 0.0), 2)


def _longest(pauses: Sequence[Pause], began: float, ended: float) -> Pause | None:
    within = [pause for pause in pauses if began <= pause.began <= ended]
    return max(within, key=lambda pause: pause.ended - pause.began, default=None)


def _journal(reports: Sequence[dict[str, Any]], books: Books) -> dict[str, Any]:
    report = reports[-1]
    fairness = report.get("fairness") or {}
    return {
        "facts": books.facts,
        "bytes": report.get("sizeBytes"),
        "verifySeconds": report.get("seconds"),
        "nodesVerified": len(reports),
        "fair": fairness.get("fair"),
        "joined": len(books.joined),
        "admitted": books.admitted_through,
        "rules": {name: rule["count"] for name, rule in (fairness.get("rules") or {}).items()},
    }


def _figures(call: Call, latencies: Latencies) -> CallFigures:
    percentiles = _percentiles(latencies)
    return CallFigures(CALL_NAMES[call], latencies.count, percentiles["p50"], percentiles["p99"], percentiles["max"])


def _percentiles(latencies: Latencies) -> dict[str, float]:
    found = {f"p{percent}": round(latencies.percentile_ms(percent), 2) for percent in (50, 99)}
    return found | {"max": round(latencies.max_seconds * 1000, 2)}


def _sum(parts: Sequence[Latencies]) -> Latencies:
    whole = Latencies()
    for part in parts:
        whole.add(part)
    return whole


def _counted(parts: Sequence[dict[Any, int]]) -> Counter[Any]:
    whole: Counter[Any] = Counter()
    for part in parts:
        whole.update(part)
    return whole


def print_outcome(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=110)
    title = f"{outcome.plan['people']:,} people, {outcome.plan['tickets']:,} tickets: {outcome.seconds:,.0f} seconds"
    table = Table(title=f"{title}, on {outcome.machine['cores']} cores", show_header=False)
    for name, text in _rows(outcome):
        table.add_row(name, escape(text))
    console.print(table)
    calls = Table(title="Calls")
    for heading in ("call", "answered", "p50 ms", "p99 ms", "longest ms"):
        calls.add_column(heading, justify="left" if heading == "call" else "right")
    for each in outcome.calls:
        times = (f"{value:,.1f}" for value in (each.p50_ms, each.p99_ms, each.max_ms))
        calls.add_row(each.call, f"{each.answered:,}", *times)
    console.print(calls)
    over_time = Table(title="Over time")
    headings = ("after", "requests", "node", "generators", "waiting", "ticketsPaid", "due", "memoryMB")
    for heading in ("after s", "requests/s", "node", "generators", "waiting", "tickets paid", "due", "memory MB"):
        over_time.add_column(heading, justify="right")
    every = max(len(outcome.per_second) // 20, 1)
    for row in outcome.per_second[::every]:
        over_time.add_row(
            *(f"{row[name]:,.0%}" if name in ("node", "generators") else f"{row[name]:,.0f}" for name in headings)
        )
    console.print(over_time)
    verdict = "[red]broken[/]" if outcome.faults else "[green]every promise was kept[/]"
    console.print(verdict)


def _rows(outcome: Outcome) -> list[tuple[str, str]]:
    rows = [(f"people who {name}", f"{count:,}") for name, count in outcome.ends.items()]
    sold = f"{outcome.tickets_sold:,} of {outcome.plan['tickets']:,}"
    rows.append(
        ("tickets sold", f"{sold}; {outcome.unsold_because}" if outcome.unsold_because else f"{sold}: sold out")
    )
    rows.append(("joined before the opening", f"{outcome.joined_before_opening:,}"))
    rows.append(("requests answered", f"{outcome.requests:,}, {outcome.requests_per_second:,.0f} a second"))
    late = outcome.late_ms
    rows.append(
        ("sent later than due", f"p50 {late['p50']:,.1f} ms, p99 {late['p99']:,.1f} ms, most {late['max']:,.0f} ms")
    )
    rows.append(("answers by status", ", ".join(f"{status}: {count:,}" for status, count in outcome.statuses.items())))
    if outcome.errors:
        rows.append(("errors", ", ".join(f"{reason}: {count:,}" for reason, count in outcome.errors.items())))
    memory = outcome.memory_bytes
    rows.append(
        ("memory of the node, most", f"{memory['most'] / 1e6:,.0f} MB ({memory['before'] / 1e6:,.0f} MB at first)")
    )
    if "perPerson" in memory:
        rows.append(("memory per person waiting", f"{memory['perPerson']:,} bytes"))
    rows.append(("cores used", ", ".join(f"{name} {share:.2f}" for name, share in outcome.cpu.items())))
    if outcome.failover is not None:
        rows += [(f"failover: {name}", f"{value:g}") for name, value in outcome.failover.items()]
    rows += [
        (f"journal: {name}", f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in outcome.journal.items()
    ]
    return rows
