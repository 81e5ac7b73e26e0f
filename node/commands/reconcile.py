"""`onsale reconcile`: have a node compare its payments with the provider's.

Owns its flags and how a time is written. The node compares and mends; what is said of it is in reconcile_report.py.
"""

import re
import sys
import time
from typing import Any

import click

from ..exit_codes import ExitCode
from .flags import SETTINGS, examples, flag, format_flag
from .operator_client import client_of, node_flag, operator_flag
from .output import CommandFailed

SINCE_DEFAULT = "7d"
ANSWER_SECONDS_MAX = 4 * 3600.0  # a hundred payments take the provider half a second
_SPAN = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_SPAN_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_since(text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of a time, a day, or how long ago; not before 1970. Raises ValueError with a sentence."""
    from ...http.wire.times import parse_day, parse_instant

    span = _SPAN.fullmatch(text)
    if span is not None:
        return max(now_ms - int(span[1]) * _SPAN_SECONDS[span[2]] * 1000, 0)
    at_ms = parse_day(text)
    if at_ms is None:
        at_ms = parse_instant(text)
    if at_ms is None or at_ms < 0:
        raise ValueError(
            f"{text!r} is no time: write how long ago, such as 7d or 24h, a day such as 2026-11-22, or a time such as "
            "2026-11-22T10:00:00Z."
        )
    if at_ms > now_ms:
        raise ValueError(f"{text!r} is in the future.")
    return at_ms


def _since(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    try:
        return parse_since(value, round(time.time() * 1000))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    context_settings=SETTINGS,
    epilog=examples(
        "onsale reconcile",
        "onsale reconcile --since 24h",
        "onsale reconcile --since 2026-11-01 --format json | jq '.findings[] | select(.mended | not)'",
    ),
)
@flag(
    "--since",
    "since_ms",
    default=SINCE_DEFAULT,
    callback=_since,
    metavar="T",
    help="What was begun since then: how long ago (7d, 24h), a day (2026-11-22) or a time (2026-11-22T10:00:00Z).",
)
@node_flag
@operator_flag
@format_flag
def reconcile(*, since_ms: int, node: str, token: str | None, file_format: str) -> None:
    """Compare payments and refunds with the payment provider's, both ways.

    What is plainly so at the provider is so here afterwards; the rest is listed for a person to decide, and stays with
    `onsale outbox` until it is closed. Safe to repeat. The primary does the same by itself every six hours, for the
    last seven days. Exit code 5 while something waits for a person.
    """
    from ...http.wire.times import format_ms
    from .reconcile_report import print_outcome

    client = client_of(node, token)
    with _waiting("comparing payments with the provider's"):
        found = client.post("/reconcile", {"since": format_ms(since_ms)}, ANSWER_SECONDS_MAX)
    outbox = client.get("/outbox?limit=100")
    if print_outcome(found, outbox, as_json=file_format == "json"):
        sys.exit(ExitCode.UNHEALTHY)


class _waiting:  # noqa: N801 - reads as a function
    """Show on a terminal that it goes on, and for how long; say how it ends when it is interrupted."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task(self._what, total=None)
            self._bar.start()

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if isinstance(error, KeyboardInterrupt):
            raise CommandFailed("Interrupted; the node may go on comparing. What it finds, `onsale outbox` tells.")
