"""What an answer of Stripe's that is not a plain yes means, and whether asking again is of use.

Owns the difference between three kinds: it said no (`Declined`, `Refused`), it gave an old answer that settles
nothing under a key of which nothing better will come (`KeySpent`), or nothing is known (`ProviderUnavailable`).

Stripe keeps whatever it answered under an idempotency key for a day, its own errors too, and says
`Idempotent-Replayed: true` when it gives such an answer again.
"""

import logging

import stripe

from ..provider import ProviderUnavailable

log = logging.getLogger("onsale.stripe")

RATE_LIMIT_SECONDS = 2.0
LOCKED_SECONDS = 1.0
MESSAGE_CHARACTERS_MAX = 200

# faults of the account or of how this node is configured; no card and no person can do anything about them
_CONFIGURATION = frozenset(
    {
        "account_closed",
        "account_invalid",
        "api_key_expired",
        "livemode_mismatch",
        "platform_account_required",
        "platform_api_key_expired",
        "secret_key_required",
        "testmode_charges_only",
        "tls_version_unsupported",
    }
)


class Declined(Exception):
    """The card was declined. `decline_code`: what its bank said."""

    def __init__(self, code: str | None, decline_code: str | None) -> None:
        super().__init__(decline_code or code or "card_declined")
        self.code = code
        self.decline_code = decline_code


class Refused(Exception):
    """Stripe did not do what was asked, and will not."""

    def __init__(self, code: str | None, param: str | None, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.message = message
        self.status = status


class KeySpent(Exception):
    """What was asked first under this key ended in an error that Stripe keeps, or was something else: whether it was
    done has to be found out in another way.
    """


def nonsense(what: str) -> ProviderUnavailable:
    """Stripe said something that can't be; it is about this one alone, and a person should know."""
    log.error("Stripe's answer is not used: %s", what)
    return ProviderUnavailable(f"Stripe's answer makes no sense: {what}", down=False)


def translate(error: Exception) -> Exception:
    """What to raise in place of what the stripe library raised."""
    if isinstance(error, stripe.APIConnectionError):
        return ProviderUnavailable(f"Stripe: {error.user_message}")
    if not isinstance(error, stripe.StripeError) or error.http_status is None or 200 <= error.http_status < 300:
        log.error("an answer that is not Stripe's: %s", _shortened(str(error)))
        return ProviderUnavailable("What answers at STRIPE_API_BASE does not answer as Stripe does.")
    status, code, message = error.http_status, _code(error), _message(error)
    replayed = error.headers is not None and error.headers.get("Idempotent-Replayed") == "true"
    if isinstance(error, stripe.CardError):
        return Declined(code, _detail(error, "decline_code"))
    if isinstance(error, stripe.IdempotencyError):
        return KeySpent(message)
    if status in {401, 403} or code in _CONFIGURATION or message.startswith("Unrecognized request URL"):
        return KeySpent(message) if replayed else _configuration(status, code, error)
    if isinstance(error, stripe.InvalidRequestError):
        return Refused(code, error.param if isinstance(error.param, str) else None, message, status)
    if replayed:
        return KeySpent(message)
    return _later(status, code, error)


def _configuration(status: int, code: str | None, error: stripe.StripeError) -> ProviderUnavailable:
    if status == 401 or code in {"api_key_expired", "platform_api_key_expired"}:
        do = "Stripe does not accept the API key; check STRIPE_API_KEY (and STRIPE_API_BASE)."
    elif status == 403:
        do = (
            "The API key may not do this; give it write access to PaymentIntents and Refunds, and read access to "
            "Charges, in Stripe's Dashboard."
        )
    else:
        do = "Check STRIPE_API_KEY, STRIPE_API_BASE and the state of the account in Stripe's Dashboard."
    said = f" (Stripe says {code or status}, request {error.request_id or 'unknown'})"
    log.error("payments are not possible: %s%s", do, said)
    return ProviderUnavailable(do + said)


def _later(status: int, code: str | None, error: stripe.StripeError) -> ProviderUnavailable:
    if code == "lock_timeout" or status == 409:  # another request is at it, perhaps our own that we gave up
        reason = f"Stripe is still busy with the same object ({code or status})."
        return ProviderUnavailable(reason, retry_after_seconds=_asked_for(error) or LOCKED_SECONDS, down=False)
    if isinstance(error, stripe.RateLimitError):
        reason = "Stripe takes no more requests for the moment."
        return ProviderUnavailable(reason, retry_after_seconds=_asked_for(error) or RATE_LIMIT_SECONDS)
    if status < 500:
        log.error("Stripe answered %d: %s", status, _shortened(str(error)))
    return ProviderUnavailable(f"Stripe has a fault of its own ({status}).", retry_after_seconds=_asked_for(error))


def _asked_for(error: stripe.StripeError) -> float | None:
    text = (error.headers or {}).get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _code(error: stripe.StripeError) -> str | None:
    return _detail(error, "code")


def _message(error: stripe.StripeError) -> str:
    return _shortened(_detail(error, "message") or "")


def _detail(error: stripe.StripeError, name: str) -> str | None:
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    value = said.get(name) if isinstance(said, dict) else None
    return value if isinstance(value, str) else None


def _shortened(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else text[:MESSAGE_CHARACTERS_MAX] + "…"
