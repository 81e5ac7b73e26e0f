"""What Stripe says has become of a refund, by its status.

Owns the words for why one failed: they are for the operator, who decides how the money goes back instead.
"""

from ..provider import RefundResult
from .objects import Refund

_FAILURES = {
    "charge_for_pending_refund_disputed": "the payment is disputed",
    "declined": "the bank declined it",
    "expired_or_canceled_card": "the card has expired or was cancelled",
    "insufficient_funds": "the balance at Stripe does not cover it; top it up and retry",
    "lost_or_stolen_card": "the card can't be credited any more",
    "merchant_request": "it was cancelled in Stripe's Dashboard",
}


def told(refund: Refund) -> RefundResult | None:
    """What its status says; None when it is none that is known."""
    match refund.status:
        case "succeeded":
            return RefundResult(refund.id)
        case "pending" | "requires_action":
            return RefundResult(refund.id, pending=True)
        case "failed" | "canceled":
            reason = refund.failure_reason or ("merchant_request" if refund.status == "canceled" else "unknown")
            why = _FAILURES.get(reason, "the bank gave no reason")
            return RefundResult(refund.id, failure=f"The refund failed: {why}.")
    return None
