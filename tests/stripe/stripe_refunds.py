"""Refunds: https://docs.stripe.com/api/refunds, https://docs.stripe.com/refunds.

Promises that never more is given back than was charged. One may stay pending; one that succeeded may still fail.
"""

import stripe_currencies as currencies
from stripe_account import Account
from stripe_charges import behaviour_of
from stripe_errors import Json, invalid, refused
from stripe_forms import integer, metadata, only, text
from stripe_intents import AMOUNT_MAX

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(account: Account, params: Json) -> Json:
    only(params, {"amount", "charge", "expand", "metadata", "payment_intent", "reason", "instructions_email"})
    reason = text(params, "reason")
    if reason is not None and reason not in REASONS:
        raise invalid(f"Invalid reason: must be one of {', '.join(REASONS)}", "reason")
    wanted = integer(params, "amount", 0, minimum=1, maximum=AMOUNT_MAX)
    kept = metadata(params)
    intent, charge = _charge(account, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise refused(message, code="charge_disputed")
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = wanted or left
    if amount > left:
        currency = charge["currency"]
        raise refused(
            f"Refund amount ({currencies.written(amount, currency)}) is greater than unrefunded amount on charge "
            f"({currencies.written(left, currency)})",
            "amount",
        )
    pending = account.refunds_stay_pending or behaviour_of(account, charge["payment_method"]).refund_pending
    row = account.add(
        {
            "id": account.world.new_id("re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": account.world.new_id("txn"),
            "charge": charge["id"],
            "created": account.now_seconds,
            "currency": charge["currency"],
            "destination_details": {"type": "card", "card": {"type": "refund"}},
            "metadata": kept,
            "payment_intent": intent["id"],
            "reason": reason,
            "receipt_number": None,
            "status": "pending" if pending else "succeeded",
        }
    )
    _count(charge, amount)
    account.move("refund", row["id"], intent["id"], amount, row["currency"], kept)
    account.emit("refund.created", row)
    account.emit("charge.refunded", charge)
    return row


def _charge(account: Account, params: Json) -> tuple[Json, Json]:
    intent_id, charge_id = text(params, "payment_intent"), text(params, "charge")
    if (intent_id is None) == (charge_id is None):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    if charge_id is None:
        assert intent_id is not None
        intent = account.find("payment_intent", intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent_id}) does not have a successful charge to refund."
            raise refused(message, "payment_intent")
        charge_id = intent["latest_charge"]
    charge = account.find("charge", charge_id, "charge")
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge_id} is not refundable: it has a status of {charge['status']}.", "charge")
    return account.find("payment_intent", charge["payment_intent"]), charge


def _count(charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    assert 0 <= charge["amount_refunded"] <= charge["amount_captured"]


def settle(account: Account, row: Json, *, succeed: bool, reason: str = "expired_or_canceled_card") -> Json:
    """What came of a pending one; or: one that had succeeded failed after all."""
    allowed = ("pending",) if succeed else ("pending", "succeeded")
    if row["status"] not in allowed:
        raise refused(f"This refund has a status of {row['status']}.")
    row["status"] = "succeeded" if succeed else "failed"
    charge = account.tables["charge"][row["charge"]]
    if not succeed:
        row.update(failure_reason=reason, failure_balance_transaction=account.world.new_id("txn"))
        _count(charge, -row["amount"])
        args = row["id"], row["payment_intent"], row["amount"], row["currency"], row["metadata"]
        account.move("refund_failed", *args)
        account.emit("refund.failed", row)
    account.emit("refund.updated", row)
    account.emit("charge.refund.updated", row)
    return row
