"""PaymentIntents: made, confirmed, canceled; which parameters and which states allow it.

The states: https://docs.stripe.com/payments/paymentintents/lifecycle. What comes of a confirmation: stripe_charges.py.
"""

import re

import stripe_currencies as currencies
from stripe_account import Account, nested, snapshot
from stripe_charges import attempt, behaviour_of, declined
from stripe_errors import Json, invalid, missing_resource, unexpected_state
from stripe_forms import boolean, integer, metadata, only, required, text, texts
from stripe_methods import AUTHENTICATION_REQUIRED, METHODS

AMOUNT_MAX = 99_999_999
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELLATION_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
SETTINGS = {
    "automatic_payment_methods", "capture_method", "confirmation_method", "customer", "description", "expand",
    "metadata", "payment_method_options", "payment_method_types", "receipt_email", "setup_future_usage", "shipping",
    "statement_descriptor", "statement_descriptor_suffix", "transfer_group",
}  # fmt: skip
CONFIRMING = {
    "error_on_requires_action",
    "mandate_data",
    "off_session",
    "payment_method",
    "return_url",
    "use_stripe_sdk",
}


def create(account: Account, params: Json) -> Json:
    only(params, {"amount", "currency", "confirm", *SETTINGS, *CONFIRMING})
    required(params, "amount")
    amount = integer(params, "amount", 0, minimum=1, maximum=AMOUNT_MAX)
    currency = required(params, "currency").lower()
    currencies.check(amount, currency)
    automatic = nested(params, "automatic_payment_methods", {"enabled", "allow_redirects"})
    types = texts(params, "payment_method_types")
    if types and boolean(automatic, "enabled"):
        raise invalid("You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
    if params.get("capture_method", "automatic") not in {"automatic", "automatic_async"}:
        raise invalid("This server captures automatically alone.", "capture_method")
    confirming = boolean(params, "confirm")
    for name in ("error_on_requires_action", "off_session", "return_url"):
        if name in params and not confirming:
            raise invalid(f"The parameter {name} can only be passed in when 'confirm' is set to true.", name)
    _check_texts(params)
    kept = metadata(params)
    method = text(params, "payment_method")
    row = _intent(account, amount, currency, types, None if types else automatic, params) | {"metadata": kept}
    if method is not None:
        row["payment_method"] = _method(account, method, row)["id"]
        row["status"] = "requires_confirmation"
    elif confirming:
        raise invalid("You must provide a payment method to confirm this PaymentIntent.", "payment_method")
    if confirming:
        _check_return_url(row, params)
    account.add(row)
    account.emit("payment_intent.created", row)
    if not confirming:
        return row
    return confirm(account, row, {name: params[name] for name in CONFIRMING - {"payment_method"} if name in params})


def _check_texts(params: Json) -> None:
    email = text(params, "receipt_email")
    if email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise invalid(f"Invalid email address: {email}", "receipt_email", "email_invalid")
    suffix = text(params, "statement_descriptor_suffix")
    if suffix is not None and (len(suffix) > 22 or re.search(r"[<>\\'\"*]", suffix)):
        raise invalid("The statement descriptor suffix is too long or has characters like <>\\'\"*.",
                      "statement_descriptor_suffix")  # fmt: skip
    description = text(params, "description")
    if description is not None and len(description) > 1000:
        raise invalid("Invalid string: must be at most 1000 characters", "description")


def _intent(
    account: Account, amount: int, currency: str, types: list[str], automatic: Json | None, params: Json
) -> Json:
    intent_id = account.world.new_id("pi")
    if automatic is not None:
        automatic = {"enabled": True, "allow_redirects": automatic.get("allow_redirects", "always")}
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{account.world.new_id('x')[2:]}",
        "confirmation_method": "automatic",
        "created": account.now_seconds,
        "currency": currency,
        "customer": params.get("customer"),
        "description": params.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": types or ["card", "us_bank_account"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }


def _method(account: Account, name: str, intent: Json) -> Json:
    """A test payment method becomes one of the account's own, with an id of its own."""
    found = account.tables["payment_method"].get(name)
    if found is None:
        behaviour = METHODS.get(name)
        if behaviour is None:
            raise missing_resource("PaymentMethod", name, "payment_method")
        details = {"brand": behaviour.brand, "last4": "4242"} if behaviour.kind == "card" else {"last4": "6789"}
        found = {
            "id": account.world.new_id("pm"),
            "object": "payment_method",
            "created": account.now_seconds,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": behaviour.kind,
            behaviour.kind: details,
        }
    if found["type"] not in intent["payment_method_types"]:
        raise invalid(
            f"The PaymentMethod provided ({found['type']}) is not allowed for this PaymentIntent. Please attach a "
            f"PaymentMethod of one of the following types: {', '.join(intent['payment_method_types'])}.",
            "payment_method",
            "payment_intent_incompatible_payment_method",
        )
    account.aliases.setdefault(found["id"], name)
    return account.add(found)


def _check_return_url(row: Json, params: Json) -> None:
    automatic = row["automatic_payment_methods"]
    if automatic is not None and automatic["allow_redirects"] != "never" and "return_url" not in params:
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
            "Payment Intents.",
            "return_url",
        )


def confirm(account: Account, row: Json, params: Json, *, by_browser: bool = False) -> Json:
    """https://docs.stripe.com/api/payment_intents/confirm. `by_browser`: as Stripe.js does it."""
    only(params, {*CONFIRMING, "expand", "receipt_email", "setup_future_usage", "shipping", "payment_method_options"})
    errors_on_action = boolean(params, "error_on_requires_action") or boolean(params, "off_session")
    if row["status"] == "succeeded":
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
            snapshot(row),
        )
    if row["status"] not in CONFIRMABLE:
        raise unexpected_state(
            f"You cannot confirm this PaymentIntent because it has a status of {row['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be confirmed: {', '.join(CONFIRMABLE)}.",
            snapshot(row),
        )
    if not by_browser:
        _check_return_url(row, params)
    name = text(params, "payment_method") or row["payment_method"]
    if name is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            snapshot(row),
        )
    method = _method(account, name, row)
    row.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    behaviour = behaviour_of(account, method["id"])
    if behaviour.needs_authentication:
        if errors_on_action:
            raise declined(account, row, AUTHENTICATION_REQUIRED)
        url = text(params, "return_url")
        row["next_action"] = (
            {"type": "redirect_to_url", "redirect_to_url": {"return_url": url, "url": "https://hooks.stripe.com/3ds"}}
            if url
            else {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        )
        row["status"] = "requires_action"
        account.emit("payment_intent.requires_action", row)
        return row
    return attempt(account, row, behaviour)


def cancel(account: Account, row: Json, params: Json) -> Json:
    """https://docs.stripe.com/api/payment_intents/cancel; one that is processing can't be, save in rare cases."""
    only(params, {"cancellation_reason", "expand"})
    reason = text(params, "cancellation_reason")
    if reason is not None and reason not in CANCELLATION_REASONS:
        raise invalid(f"Invalid cancellation_reason: must be one of {', '.join(CANCELLATION_REASONS)}",
                      "cancellation_reason")  # fmt: skip
    if row["status"] not in CANCELABLE or row["status"] == "processing":
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {row['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            snapshot(row),
        )
    row.update(status="canceled", canceled_at=account.now_seconds, cancellation_reason=reason, next_action=None)
    account.emit("payment_intent.canceled", row)
    return row
