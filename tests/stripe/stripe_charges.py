"""What comes of an attempt to charge a PaymentIntent: at once, after 3-D Secure, or days later.

Owns the charges and the money they move. A decline leads back to requires_payment_method, and another try is allowed:
https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/declines.
"""

from stripe_account import Account, snapshot
from stripe_disputes import dispute
from stripe_errors import Json, Refusal, refused, unexpected_state
from stripe_methods import METHODS, Behaviour, Decline


def behaviour_of(account: Account, method_id: str) -> Behaviour:
    return METHODS[account.aliases[method_id]]


def attempt(account: Account, row: Json, behaviour: Behaviour) -> Json:
    if behaviour.delayed:
        charge = _charge(account, row, "pending")
        row.update(status="processing", latest_charge=charge["id"], next_action=None)
        account.emit("charge.pending", charge)
        account.emit("payment_intent.processing", row)
        return row
    if behaviour.decline:
        raise declined(account, row, behaviour.decline)
    charge = _charge(account, row, "succeeded")
    return _succeeded(account, row, charge)


def _charge(account: Account, row: Json, status: str) -> Json:
    method = account.tables["payment_method"][row["payment_method"]]
    return account.add(
        {
            "id": account.world.new_id("ch"),
            "object": "charge",
            "amount": row["amount"],
            "amount_captured": row["amount"] if status == "succeeded" else 0,
            "amount_refunded": 0,
            "captured": status == "succeeded",
            "created": account.now_seconds,
            "currency": row["currency"],
            "customer": row["customer"],
            "description": row["description"],
            "disputed": False,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": dict(row["metadata"]),
            "outcome": None,
            "paid": status == "succeeded",
            "payment_intent": row["id"],
            "payment_method": row["payment_method"],
            "payment_method_details": {"type": method["type"], method["type"]: method[method["type"]]},
            "receipt_email": row["receipt_email"],
            "refunded": False,
            "status": status,
        }
    )


def _succeeded(account: Account, row: Json, charge: Json) -> Json:
    charge.update(status="succeeded", paid=True, captured=True, amount_captured=row["amount"])
    row.update(
        status="succeeded",
        amount_received=row["amount"],
        latest_charge=charge["id"],
        next_action=None,
        last_payment_error=None,
    )
    account.move("charge", charge["id"], row["id"], row["amount"], row["currency"], row["metadata"])
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", row)
    if behaviour_of(account, row["payment_method"]).disputed:
        dispute(account, row, row["amount"], "fraudulent")
    return row


def declined(account: Account, row: Json, decline: Decline, charge: Json | None = None) -> Refusal:
    """The card error to raise; the intent waits for another method."""
    charge = charge or _charge(account, row, "failed")
    charge.update(status="failed", failure_code=decline.code, failure_message=decline.message, paid=False)
    error = {
        "type": "card_error",
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "charge": charge["id"],
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "param": "number" if decline.code == "expired_card" else None,
        "payment_method": snapshot(account.tables["payment_method"][row["payment_method"]]),
    }
    error = {name: value for name, value in error.items() if value is not None}
    _failed(account, row, charge, error)
    account.emit("charge.failed", charge)
    account.emit("payment_intent.payment_failed", row)
    return Refusal(402, error | {"payment_intent": snapshot(row)}, stored=True)


def _failed(account: Account, row: Json, charge: Json | None, error: Json) -> None:
    row.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=error,
        latest_charge=charge["id"] if charge else row["latest_charge"],
    )


def authenticate(account: Account, row: Json, *, succeed: bool) -> Json:
    """What the person made of 3-D Secure; a bank may still decline after it."""
    if row["status"] != "requires_action":
        raise unexpected_state(f"This PaymentIntent has a status of {row['status']}: no action is due.", snapshot(row))
    if not succeed:
        error = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": "We are unable to authenticate your payment method. Please choose a different payment method "
            "and try again.",
            "payment_method": snapshot(account.tables["payment_method"][row["payment_method"]]),
        }
        _failed(account, row, None, error)
        account.emit("payment_intent.payment_failed", row)
        return row
    return attempt(account, row, behaviour_of(account, row["payment_method"]))


def settle(account: Account, row: Json, *, succeed: bool) -> Json:
    """What came of one that is processing."""
    if row["status"] != "processing":
        raise refused(f"This PaymentIntent has a status of {row['status']}: nothing is processing.")
    charge = account.tables["charge"][row["latest_charge"]]
    if succeed:
        return _succeeded(account, row, charge)
    behaviour = behaviour_of(account, row["payment_method"])
    decline = behaviour.decline or Decline("payment_method_provider_decline", None, "The payment failed.")
    declined(account, row, decline, charge)
    return row
