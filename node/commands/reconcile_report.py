"""What people and programs see of a comparison with the payment provider.

Owns how that is set.
"""

from typing import Any

import click

from .outbox_report import CONCERN_COLUMNS, concern_row, plural
from .output import note, print_json, print_table

Document = dict[str, Any]
MENDED = {"settled": "payment settled", "refund_settled": "refund settled"}
COLUMNS = ("what", "payment", "booking", "refund", "amount", "reference", "in words")
NUMBERS = (1, 2, 3, 4)


def print_outcome(found: Document, outbox: Document, *, as_json: bool) -> bool:
    """Whether something waits for a person."""
    undecided = [each for each in found["findings"] if not each["mended"]]
    waits = bool(undecided) or outbox["totals"]["concerns"] > 0
    if as_json:
        print_json(found | {"concerns": outbox["concerns"], "concernsOpen": outbox["totals"]["concerns"]})
        return waits
    if found["provider"] == "test":
        note(
            "this node's payments go to the built-in test provider, which keeps no books: there is nothing to compare. "
            "With STRIPE_API_KEY they go to Stripe."
        )
    if found["findings"]:
        print_table(COLUMNS, [_row(each) for each in found["findings"]], numbers=NUMBERS)
        click.echo()
    listed = {f"{each['kind']}:{each['reference']}" for each in undecided}
    others = [each for each in outbox["concerns"] if each["id"] not in listed]
    if others:
        click.echo("Open since before:")
        print_table(CONCERN_COLUMNS, [concern_row(each) for each in others], numbers=(2,))
        click.echo()
    click.echo(_line(found, len(undecided), outbox["totals"]["concerns"]))
    return waits


def _line(found: Document, undecided: int, concerns: int) -> str:
    line = (
        f"{found['since']} to {found['until']}: {plural(found['paymentsOurs'], 'payment')} here, "
        f"{found['paymentsTheirs']} at the provider; {plural(found['refundsOurs'], 'refund')} here, "
        f"{found['refundsTheirs']} there; {len(found['findings']) - undecided} mended"
    )
    if not undecided and not concerns:
        return f"{line}: all is even." if found["provider"] != "test" else f"{line}."
    return f"{line}; {max(undecided, concerns)} for a person to decide: then `onsale outbox close CONCERN`."


def _row(finding: Document) -> tuple[str, ...]:
    kind = finding["kind"]
    what = f"mended: {MENDED.get(kind, kind)}" if finding["mended"] else kind.replace("_", " ")
    amount = f"{finding['amount']} {finding['currency']}" if finding["amount"] else ""
    return (
        what, _number(finding["paymentId"]), _number(finding["bookingId"]), _number(finding["refundId"]), amount,
        finding["reference"], finding["detail"],
    )  # fmt: skip


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
