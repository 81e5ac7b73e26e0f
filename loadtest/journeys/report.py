"""What a run came to, for people and for programs.

Owns the table, the JSON and their words.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .books import Books
from .counts import Counted, Statistics, together
from .ledger import Record
from .plan import JOURNEYS, Plan
from .shapes import DAY_REQUESTS, DAY_SECONDS

FAULTS_SHOWN: Final = 20


class JourneyOutcome(msgspec.Struct, rename="camel"):
    """Tickets, not bookings. `held`: at some time; the others: what became of them by the end."""

    journey: str
    people: int
    requests: int
    failures: int
    p50_ms: float
    p99_ms: float
    held: int = 0
    paid: int = 0
    lapsed: int = 0
    given_up: int = 0
    calls: list[Counted] = []


class Outcome(msgspec.Struct, rename="camel"):
    ok: bool
    plan: Plan
    seconds: float
    requests: int
    requests_per_second: float
    processes: int
    journeys: list[JourneyOutcome]
    counts: dict[str, int]  # lost connections, answers asked for again, …
    verified: bool  # whether there was a journal to look at
    facts: int
    node_cpu_seconds: float
    node_memory_bytes: int
    faults: list[str]

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return document


def journeys_of(statistics: Statistics, records: Sequence[Record], books: Books | None) -> list[JourneyOutcome]:
    """`books`: they know better what became of what somebody did not see the end of."""
    outcomes = []
    for name in JOURNEYS:
        whole, mine = together(name, statistics.calls), [each for each in records if each.journey == name]
        tickets = Counter[str]()
        for told in (booking for record in mine for booking in record.bookings.values()):
            has = None if books is None else books.bookings.get(told.booking_id)
            tickets[told.status if has is None else has.status] += told.quantity
            tickets["ever held"] += told.quantity if told.was_held else 0
        calls = [each for each in statistics.calls if each.journey == name]
        outcomes.append(
            JourneyOutcome(
                name,
                len(mine),
                whole.requests,
                whole.failures,
                whole.percentile_ms(50),
                whole.percentile_ms(99),
                tickets["ever held"],
                tickets["paid"],
                tickets["lapsed"],
                tickets["given_up"],
                calls,
            )
        )
    return outcomes


def _time(outcome: JourneyOutcome, time_ms: float) -> str:
    """Locust counts whole milliseconds."""
    if not outcome.requests:
        return "–"
    return f"{time_ms:,.0f}" if time_ms else "<1"


def print_outcome(outcome: Outcome) -> None:
    title = f"{outcome.plan.shape}: up to {outcome.plan.users} people at once, {outcome.seconds:.0f} s"
    table = Table(title=title, box=SIMPLE, padding=0, collapse_padding=True)
    table.add_column("journey", no_wrap=True)
    for name in ("people", "requests", "failed", "p50 ms", "p99 ms", "held", "paid", "lapsed", "given up"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in outcome.journeys:
        counts = (f"{cell:,}" for cell in (each.people, each.requests, each.failures))
        times = (_time(each, time_ms) for time_ms in (each.p50_ms, each.p99_ms))
        tickets = (f"{cell:,}" for cell in (each.held, each.paid, each.lapsed, each.given_up))
        table.add_row(each.journey, *counts, *times, *tickets)
    console = Console()
    console.print(table)
    console.print(
        f"{outcome.requests:,} requests, {outcome.requests_per_second:,.0f} a second, by {outcome.processes} locust "
        f"process{'es' if outcome.processes > 1 else ''}; "
        + ", ".join(f"{n:,} {what}" for what, n in outcome.counts.items())
    )
    if outcome.plan.shape == "day":
        pace = outcome.requests_per_second / (DAY_REQUESTS / DAY_SECONDS)
        console.print(
            f"{outcome.requests / DAY_REQUESTS:.2%} of the day's {DAY_REQUESTS:,} requests, at {pace:.1f} × its pace."
        )
    if outcome.verified:
        console.print(
            f"{outcome.facts:,} facts in the journal; the node took {outcome.node_cpu_seconds:.1f} s of CPU and "
            f"{outcome.node_memory_bytes / 1e6:.0f} MB."
        )
    else:
        console.print(
            "The node is not ours: its journal was not verified. Do it where its data is: onsale verify --data DIR"
        )
    for fault in outcome.faults[:FAULTS_SHOWN]:
        console.print(f"[red]{escape(fault)}")
    if not outcome.faults:
        kept = "every promise was kept" if outcome.verified else "every answer was as the contract says"
        console.print(f"[green]{kept[0].upper()}{kept[1:]}.")
