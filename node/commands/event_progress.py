"""What is still owed to those who booked an event, until nothing is: a bar, or a line now and then.

Owns how that is counted and told. The work is the node's, and goes on whether anybody watches or not.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import click

from ..exit_codes import ExitCode
from .outbox_report import plural
from .output import Bars, CommandFailed, note

Document = dict[str, Any]
WATCHED_SECONDS: Final = 1.0
TOLD_SECONDS: Final = 10.0  # where there is no terminal to draw on
BARS: Final = {"bookings": "bookings ended", "refunds": "refunds made", "messages": "messages sent"}


def owed(document: Document) -> dict[str, int]:
    """By what it is, how many are still to be done."""
    return {
        "bookings": document["bookingsLeft"],
        "refunds": document["refundsOwed"],
        "messages": document["messagesOwed"],
    }


def is_over(document: Document) -> bool:
    return not document["tellingOfChange"] and not any(owed(document).values())


def sentence(document: Document) -> str:
    left, event = owed(document), f"Event {document['eventId']}"
    if is_over(document):
        return f"{event}: nothing is owed any more."
    still = " More people are still to be told of a change." if document["tellingOfChange"] else ""
    return (
        f"{event}: {plural(left['bookings'], 'booking')} to end, {plural(left['refunds'], 'refund')} to make, "
        f"{plural(left['messages'], 'message')} to send.{still}"
    )


def failures(document: Document) -> list[str]:
    """What waits for a person, in sentences."""
    said = []
    if document["refundsFailed"]:
        said.append(f"! {plural(document['refundsFailed'], 'refund')} refused by the provider: see `onsale outbox`.")
    if document["messagesDead"]:
        said.append(f"! {plural(document['messagesDead'], 'message')} could not be sent: see `onsale outbox`.")
    return said


def watch(read: Callable[[], Document], event_id: int) -> Document | None:
    """Until nothing is owed; None when it was interrupted before."""
    totals: dict[str, int] = dict.fromkeys(BARS, 0)
    told_at = -TOLD_SECONDS
    try:
        with Bars() as bars:
            while True:
                try:
                    document = read()
                except CommandFailed as fault:
                    if fault.exit_code != ExitCode.UNREACHABLE:
                        raise
                    note(f"{fault.message} Asking again.")
                else:
                    left = owed(document)
                    for name, what in BARS.items():
                        totals[name] = max(totals[name], left[name])
                        if totals[name]:
                            bars(what, totals[name] - left[name], totals[name])
                    if is_over(document):
                        return document
                    if not sys.stderr.isatty() and time.monotonic() - told_at >= TOLD_SECONDS:
                        told_at = time.monotonic()
                        note(sentence(document))
                time.sleep(WATCHED_SECONDS)
    except KeyboardInterrupt:
        note(f"the node goes on by itself; `onsale events progress {event_id} --watch` shows it again.")
        return None


def tell(document: Document) -> bool:
    """Print how it stands; whether something waits for a person."""
    click.echo(sentence(document))
    for line in failures(document):
        click.echo(line)
    return bool(failures(document))
