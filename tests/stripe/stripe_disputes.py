"""Disputes: https://docs.stripe.com/api/disputes. They come from banks; here, by command."""

from stripe_account import Account
from stripe_errors import Json, refused


def dispute(account: Account, intent: Json, amount: int, reason: str) -> Json:
    if intent["status"] != "succeeded":
        raise refused(f"This PaymentIntent has a status of {intent['status']}: there is nothing to dispute.")
    charge = account.tables["charge"][intent["latest_charge"]]
    charge["disputed"] = True
    row = account.add(
        {
            "id": account.world.new_id("du"),
            "object": "dispute",
            "amount": amount,
            "charge": charge["id"],
            "created": account.now_seconds,
            "currency": intent["currency"],
            "evidence_details": {"due_by": account.now_seconds + 7 * 86400, "has_evidence": False},
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": intent["id"],
            "reason": reason,
            "status": "needs_response",
        }
    )
    account.move("dispute", row["id"], intent["id"], amount, row["currency"], intent["metadata"])
    account.emit("charge.dispute.created", row)
    account.emit("charge.dispute.funds_withdrawn", row)
    return row


def close(account: Account, row: Json, *, won: bool) -> Json:
    if row["status"] in {"won", "lost"}:
        raise refused(f"This dispute was {row['status']}.")
    row["status"] = "won" if won else "lost"
    account.emit("charge.dispute.closed", row)
    if won:
        account.tables["charge"][row["charge"]]["disputed"] = False
        account.move("dispute_won", row["id"], row["payment_intent"], row["amount"], row["currency"], {})
        account.emit("charge.dispute.funds_reinstated", row)
    return row
