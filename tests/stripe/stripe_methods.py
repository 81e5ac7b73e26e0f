"""The test payment methods, and what comes of each: https://docs.stripe.com/testing.

Owns the table alone. `pm_card_visa_chargeDeclined` and `pm_card_chargeDeclined` are the same here.
"""

from typing import Literal, NamedTuple


class Decline(NamedTuple):
    code: str
    decline_code: str | None
    message: str


class Behaviour(NamedTuple):
    """`decline`: what the bank says; with `delayed` it says so later, on command."""

    kind: Literal["card", "us_bank_account"] = "card"
    brand: str = "visa"
    decline: Decline | None = None
    needs_authentication: bool = False
    delayed: bool = False
    refund_pending: bool = False
    disputed: bool = False


def _declined(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", decline_code, message)


GENERIC = _declined("generic_decline")
INSUFFICIENT_FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

_DECLINES = {
    "chargeDeclined": GENERIC,
    "chargeDeclinedInsufficientFunds": INSUFFICIENT_FUNDS,
    "chargeDeclinedLostCard": _declined("lost_card"),
    "chargeDeclinedStolenCard": _declined("stolen_card"),
    "chargeDeclinedFraudulent": _declined("fraudulent"),
    "chargeDeclinedVelocityLimitExceeded": _declined(
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its limit.",
    ),
    "chargeDeclinedExpiredCard": Decline("expired_card", None, "Your card has expired."),
    "chargeDeclinedIncorrectCvc": Decline("incorrect_cvc", None, "Your card's security code is incorrect."),
    "chargeDeclinedProcessingError": Decline(
        "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
    ),
    "chargeCustomerFail": GENERIC,
}

METHODS: dict[str, Behaviour] = {
    **{
        f"pm_card_{brand}": Behaviour(brand=brand)
        for brand in ("visa", "mastercard", "amex", "discover", "jcb", "unionpay")
    },
    "pm_card_visa_debit": Behaviour(),
    "pm_card_us": Behaviour(),
    "pm_card_de": Behaviour(),
    "pm_card_bypassPending": Behaviour(),
    **{f"pm_card_{name}": Behaviour(decline=decline) for name, decline in _DECLINES.items()},
    **{f"pm_card_visa_{name}": Behaviour(decline=decline) for name, decline in _DECLINES.items()},
    "pm_card_authenticationRequired": Behaviour(needs_authentication=True),
    "pm_card_threeDSecureRequired": Behaviour(needs_authentication=True),
    "pm_card_threeDSecure2Required": Behaviour(needs_authentication=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Behaviour(
        needs_authentication=True, decline=INSUFFICIENT_FUNDS
    ),
    "pm_card_threeDSecureRequiredChargeDeclined": Behaviour(needs_authentication=True, decline=GENERIC),
    "pm_card_threeDSecureOptional": Behaviour(),
    "pm_card_pendingRefund": Behaviour(refund_pending=True),
    "pm_card_refundFail": Behaviour(),  # a refund succeeds at first, and fails on command
    "pm_card_createDispute": Behaviour(disputed=True),
    "pm_usBankAccount_success": Behaviour(kind="us_bank_account", brand="", delayed=True),
    "pm_usBankAccount_processing": Behaviour(kind="us_bank_account", brand="", delayed=True),
    "pm_usBankAccount_insufficientFunds": Behaviour(
        kind="us_bank_account",
        brand="",
        delayed=True,
        decline=Decline(
            "payment_method_provider_decline",
            "insufficient_funds",
            "The customer's account has insufficient funds to cover this payment.",
        ),
    ),
}
