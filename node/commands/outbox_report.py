"""What people and programs see of what is owed to the outside.

Owns how that is set: the lanes, the totals, and what waits for a person.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import click

from .output import CommandFailed, note, print_json, print_table

WATCHED_SECONDS = 1.0
LANE_COLUMNS = ("asked of", "waiting", "under way", "failing since", "asks again", "because")
REFUND_COLUMNS = ("refund given up", "booking", "amount", "tries", "user", "because")
MESSAGE_COLUMNS = ("message given up", "booking", "what", "by", "attempts", "user", "because")
CONCERN_COLUMNS = ("concern", "since", "amount", "in words")
LANES = {
    "payments": "provider: payments", "looks": "provider: news of payments", "refunds": "provider: refunds",
    "bulk_refunds": "provider: refunds of cancelled events",
    "mail": "mail", "mail_urgent": "mail, urgent", "webhooks": "webhooks", "webhooks_urgent": "webhooks, urgent",
}  # fmt: skip

Document = dict[str, Any]


def print_outbox(document: Document, *, as_json: bool) -> bool:
    """Whether something waits for a person."""
    totals = document["totals"]
    waits = bool(totals["refundsFailed"] or totals["messagesDead"] or totals["concerns"])
    if as_json:
        print_json(document)
        return waits
    if document["lanes"]:
        print_table(LANE_COLUMNS, [_lane(each) for each in document["lanes"]], numbers=(1, 2))
        click.echo()
    _print_some(
        REFUND_COLUMNS, [_refund(each) for each in document["refundsFailed"]], totals["refundsFailed"], (1, 2, 3)
    )
    _print_some(MESSAGE_COLUMNS, [_message(each) for each in document["messagesDead"]], totals["messagesDead"], (1, 4))
    _print_some(CONCERN_COLUMNS, [concern_row(each) for each in document["concerns"]], totals["concerns"], (2,))
    for line in lines_of(document):
        click.echo(line)
    return waits


def lines_of(document: Document) -> list[str]:
    totals = document["totals"]
    counts = (plural(totals[each], each.removesuffix("s")) for each in ("payments", "refunds", "messages"))
    lines = [f"owed: {', '.join(counts)}"]
    if not document["leads"]:
        lines.append("This node does not lead: how it goes, the primary knows.")
    given_up = totals["refundsFailed"] + totals["messagesDead"]
    if given_up:
        lines.append(f"! {given_up} given up: `onsale outbox retry ID` tries again, --all everything.")
    if totals["concerns"]:
        concerns = plural(totals["concerns"], "concern")
        lines.append(f"! {concerns} for a person to decide: `onsale outbox close CONCERN` when done.")
    if not given_up and not totals["concerns"]:
        lines.append("Nothing waits for a person.")
    return lines


def watch(read: Callable[[], Document], *, as_json: bool) -> bool:
    """Show it until Ctrl-C; a node that is away is waited for. Whether something waited when last seen."""
    waits = False
    try:
        while True:
            try:
                document = read()
                if not as_json and sys.stdout.isatty():
                    click.clear()
                waits = print_outbox(document, as_json=as_json)
            except CommandFailed as fault:
                waits = True
                note(fault.message)
            time.sleep(WATCHED_SECONDS)
    except KeyboardInterrupt:
        return waits


def print_retried(answer: Document) -> None:
    for each in answer["notRetried"]:
        name = f"refund-{each['refundId']}" if each["refundId"] is not None else f"message-{each['deliveryId']}"
        click.echo(f"{name}: {each['detail']}")
    left = answer["refundsFailed"] + answer["messagesDead"]
    click.echo(
        f"{plural(answer['refundsRetried'], 'refund')} and {plural(answer['messagesRetried'], 'message')} are tried "
        f"again; {left or 'nothing'} left given up."
    )


def concern_row(concern: Document) -> tuple[str, ...]:
    return concern["id"], concern["at"], _money(concern), concern["detail"]


def plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _print_some(columns: tuple[str, ...], rows: list[tuple[str, ...]], total: int, numbers: tuple[int, ...]) -> None:
    if rows:
        print_table(columns, rows, numbers=numbers)
        if total > len(rows):
            click.echo(f"… and {total - len(rows)} more.")
        click.echo()


def _lane(lane: Document) -> tuple[str, ...]:
    name = str(lane["name"])
    return (
        LANES.get(name, name), str(lane["waiting"]), str(lane["inFlight"]), lane["failingSince"] or "",
        lane["resumesAt"] or "", (lane["lastFailure"] or "") if lane["failingSince"] else "",
    )  # fmt: skip


def _refund(refund: Document) -> tuple[str, ...]:
    return (
        f"refund-{refund['refundId']}", str(refund["bookingId"]), _money(refund), str(refund["tries"]),
        refund["userId"], refund["failure"] or "",
    )  # fmt: skip


def _message(message: Document) -> tuple[str, ...]:
    return (
        f"message-{message['deliveryId']}", str(message["bookingId"]), message["kind"].replace("_", " "),
        message["channel"].replace("_", " "), str(message["attempts"]), message["userId"], message["failure"] or "",
    )  # fmt: skip


def _money(row: Document) -> str:
    return f"{row['amount']} {row['currency']}" if row["amount"] else ""
