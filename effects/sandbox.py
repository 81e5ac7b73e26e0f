"""The built-in test provider: no money moves, and the answers are those of Stripe's test cards.

Owns the table of test cards. It keeps nothing: what comes of an attempt follows from its payment method alone, so
asking again after a crash gives the same answer, and there is nothing it could list. Nobody confirms anything on their
side: an attempt without a method pays.
"""

from hashlib import blake2b

from ..engine.commands import PaymentFailedOutcome, PaymentOutcome, PaymentPendingOutcome, PaymentSucceededOutcome
from .provider import CANCELED, Charge, PaymentPage, RefundOrder, RefundPage, RefundResult

DEFAULT_METHOD = "pm_card_visa"

_PAYS = frozenset(
    f"pm_card_{brand}"
    for brand in (
        "visa",
        "visa_debit",
        "mastercard",
        "mastercard_debit",
        "mastercard_prepaid",
        "amex",
        "discover",
        "diners",
        "jcb",
        "unionpay",
        "threeDSecureOptional",
        "bypassPending",
    )
)
_DECLINES = {
    "pm_card_chargeDeclined": ("generic_decline", "The card was declined; try another card."),
    "pm_card_visa_chargeDeclined": ("generic_decline", "The card was declined; try another card."),
    "pm_card_chargeCustomerFail": ("generic_decline", "The card was declined; try another card."),
    "pm_card_chargeDeclinedInsufficientFunds": (
        "insufficient_funds",
        "The card has not enough funds; try another card.",
    ),
    "pm_card_visa_chargeDeclinedInsufficientFunds": (
        "insufficient_funds",
        "The card has not enough funds; try another card.",
    ),
    "pm_card_visa_chargeDeclinedLostCard": ("generic_decline", "The card was declined; try another card."),
    "pm_card_visa_chargeDeclinedStolenCard": ("generic_decline", "The card was declined; try another card."),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "The card has expired; try another card."),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", "The security code is wrong; check it and try again."),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", "The card could not be processed; try again."),
    "pm_card_chargeDeclinedFraudulent": ("generic_decline", "The card was declined; try another card."),
}
_ASKS_FOR_A_STEP = frozenset(
    {"pm_card_authenticationRequired", "pm_card_threeDSecureRequired", "pm_card_threeDSecure2Required"}
)


class SandboxProvider:
    name = "test"

    async def begin(self, charge: Charge) -> PaymentOutcome:
        method = charge.method or DEFAULT_METHOD
        reference = f"pi_test_{charge.payment_id}"
        if method in _PAYS:
            return PaymentSucceededOutcome(reference)
        if method in _ASKS_FOR_A_STEP:
            secret = blake2b(charge.reference.encode(), digest_size=12).hexdigest()
            return PaymentPendingOutcome(
                requires_action=True, client_secret=f"{reference}_secret_{secret}", provider_reference=reference
            )
        if method in _DECLINES:
            return PaymentFailedOutcome(*_DECLINES[method])
        return PaymentFailedOutcome("resource_missing", f"The test provider knows no payment method {method!r}.")

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        return await self.begin(charge)

    async def look(self, charge: Charge) -> PaymentOutcome:
        return await self.begin(charge)

    async def cancel(self, charge: Charge) -> PaymentOutcome:  # noqa: ARG002 - the port's signature
        return CANCELED

    async def refund(self, order: RefundOrder) -> RefundResult:
        return RefundResult(f"re_test_{order.refund_id}")

    async def look_at_refund(self, order: RefundOrder) -> RefundResult:
        return await self.refund(order)

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:  # noqa: ARG002
        return PaymentPage((), None)

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage:  # noqa: ARG002
        return RefundPage((), None)
