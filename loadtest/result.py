"""What a load run measured, and how it is shown.

Owns `Result`, whichever program sent the requests.
"""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run measured, latencies in milliseconds. What requests that `failed` (had no answer) did is unknown."""

    requests: int  # answered
    seconds: float
    per_second: float
    latency_ms: dict[str, float]  # mean, p50, p90, p99, p99.9, max
    statuses: dict[int, int]
    errors: dict[str, int]
    failed: int
    sent_again: int = 0
    received_bytes: int
    cpu_share: float | None = None  # of one core, used by the generator itself, where it is known

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"statuses": {str(status): count for status, count in self.statuses.items()}}


def print_table(result: Result, title: str) -> None:
    table = Table(title=title, show_header=False)
    table.add_row("requests", f"{result.requests:,} in {result.seconds:g} s")
    table.add_row("per second", f"{result.per_second:,.0f}")
    for name, value in result.latency_ms.items():
        table.add_row(f"latency {name}", f"{value:,.2f} ms")
    for status, count in result.statuses.items():
        table.add_row(f"status {status}", f"{count:,}")
    for reason, count in result.errors.items():
        table.add_row(f"[red]{escape(reason)}", f"{count:,}")
    table.add_row("received", f"{result.received_bytes / 1e6:,.1f} MB")
    if result.cpu_share is not None:
        table.add_row("generator used", f"{result.cpu_share:.0%} of a core")
    Console().print(table)
