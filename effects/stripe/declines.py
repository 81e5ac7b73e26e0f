"""What a person is told when a payment came to nothing: a code and a sentence they can act on.

Owns the sentences. Why a bank suspects fraud, or that a card was reported lost or stolen, is never told to whoever
holds it: such declines read like any other, in the code as in the sentence.
"""

from typing import Final, NamedTuple

_ANOTHER = "The card was declined; try another card, or ask the bank that issued it."
_AUTHENTICATE = "The bank wants the payment confirmed by its holder; try again and complete that step."
_METHOD = "This payment method can't be used here; try another one."


class Decline(NamedTuple):
    code: str
    sentence: str


GENERIC: Final = Decline("generic_decline", _ANOTHER)

# reasons that stay between the bank and us
_KEPT_TO_OURSELVES = (
    "fraudulent highest_risk_level lost_card merchant_blacklist pickup_card restricted_card rule security_violation "
    "stolen_card suspected_fraud"
)

_SENTENCES: Final[dict[str, str]] = {
    "amount_too_large": "The amount is too large to be paid this way; ask the organiser how to pay.",
    "amount_too_small": "The amount is too small to be paid this way; ask the organiser how to pay.",
    "approve_with_id": "The bank could not approve the payment; try again, or ask the bank that issued the card.",
    "authentication_not_handled": _AUTHENTICATE,
    "authentication_required": _AUTHENTICATE,
    "canceled": "The attempt was withdrawn.",
    "card_not_supported": "The card does not support this kind of purchase; try another card.",
    "card_velocity_exceeded": "The card has reached a limit of its bank; try another card, or later.",
    "currency_not_supported": "The card can't pay in this currency; try another card.",
    "debit_authorization_not_match": _METHOD,
    "debit_not_authorized": "The bank did not authorise the debit; try another payment method.",
    "duplicate_transaction": "The bank saw the same payment a moment ago; look at the booking before trying again.",
    "expired_card": "The card has expired; try another card.",
    "incorrect_address": "The address does not match the card; check it and try again.",
    "incorrect_cvc": "The security code does not match the card; check it and try again.",
    "incorrect_number": "The card number is not right; check it and try again.",
    "incorrect_pin": "The PIN does not match the card; check it and try again.",
    "incorrect_zip": "The postal code does not match the card; check it and try again.",
    "insufficient_funds": "There are not enough funds on the card; try another card.",
    "invalid_account": "The account of this card can't be charged; try another card, or ask the bank that issued it.",
    "invalid_amount": "The bank did not accept the amount; ask it for the card's limits, or try another card.",
    "invalid_characters": "A detail has characters that can't be used; check what was entered and try again.",
    "invalid_cvc": "The security code does not match the card; check it and try again.",
    "invalid_expiry_month": "The expiry month is not right; check it and try again.",
    "invalid_expiry_year": "The expiry year is not right; check it and try again.",
    "invalid_number": "The card number is not right; check it and try again.",
    "invalid_pin": "The PIN does not match the card; check it and try again.",
    "issuer_not_available": "The bank that issued the card could not be reached; try again, or another card.",
    "mobile_device_authentication_required": _AUTHENTICATE,
    "new_account_information_available": "The card's details have changed; check them, or try another card.",
    "no_such_payment_method": "There is no such payment method; enter the card again.",
    "offline_pin_required": "The card needs a PIN, which can't be entered here; try another card.",
    "online_or_offline_pin_required": "The card needs a PIN, which can't be entered here; try another card.",
    "payment_intent_authentication_failure": _AUTHENTICATE,
    "payment_intent_incompatible_payment_method": _METHOD,
    "payment_intent_invalid_parameter": _METHOD,
    "payment_intent_payment_attempt_expired": "The payment was not completed in time; try again.",
    "payment_intent_payment_attempt_failed": "The payment did not go through; try again, or another payment method.",
    "payment_method_billing_details_address_missing": "The billing address is missing; enter it and try again.",
    "payment_method_currency_mismatch": "This payment method can't pay in this currency; try another one.",
    "payment_method_customer_decline": "The payment was not approved; try again, or another payment method.",
    "payment_method_invalid_parameter": _METHOD,
    "payment_method_not_available": "This payment method is out of service just now; try again, or another one.",
    "payment_method_provider_decline": "The payment was declined; try another payment method.",
    "payment_method_provider_timeout": "The payment took too long to be approved; try again.",
    "payment_method_unactivated": _METHOD,
    "payment_method_unexpected_state": "This payment method can't be used again; enter the card again.",
    "payment_method_unsupported_type": _METHOD,
    "pin_try_exceeded": "The PIN can't be tried again; try another card.",
    "processing_error": "The card could not be processed; try again, or another card.",
    "reenter_transaction": "The bank could not process the payment; try again.",
    "testmode_decline": "A test card can't pay for real; try another card.",
    "try_again_later": "The bank could not approve the payment just now; try again in a while.",
    "withdrawal_count_limit_exceeded": "The card has reached a limit of its bank; try another card.",
}

NOT_BEGUN: Final = Decline("not_begun", "The payment could not be begun, and nothing was charged; try again later.")

_METHOD_CODES = (
    "payment_method_",
    "payment_intent_incompatible_payment_method",
    "invalid_",
    "incorrect_",
    "card_",
    "expired_card",
    "amount_too_",
)


def explain(code: str | None, decline_code: str | None = None) -> Decline:
    """Of Stripe's error `code` and the bank's `decline_code`, which says more."""
    kept = _KEPT_TO_OURSELVES.split()
    if code in kept or decline_code in kept:
        return GENERIC
    for each in (decline_code, code):
        if each is not None and each in _SENTENCES:
            return Decline(each, _SENTENCES[each])
    return GENERIC


def of_a_refusal(code: str | None, param: str | None, status: int) -> Decline | None:
    """Of a request that Stripe refused as such; None when the fault is not the person's, nor their card's."""
    about_method = (param or "").startswith(("payment_method", "source"))
    if status == 404 or (code == "resource_missing" and about_method):
        return explain("no_such_payment_method")
    if code in _SENTENCES and code.startswith(_METHOD_CODES):
        return explain(code)
    return Decline(code or "invalid_payment_method", _METHOD) if about_method else None
