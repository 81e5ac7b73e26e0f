"""Refusals, in the form Stripe gives them: a status and `{"error": {type, code, message, param, …}}`.

Owns the wording. Never decides when one is due. See https://docs.stripe.com/api/errors and
https://docs.stripe.com/error-codes.
"""

from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """`stored`: execution had begun, so the answer stays under its idempotency key.

    Stripe: "We save results only after the execution of an endpoint begins. If incoming parameters fail validation,
    or the request conflicts with another request that's executing concurrently, we don't save the idempotent result"
    (https://docs.stripe.com/api/idempotent_requests).
    """

    def __init__(
        self, status: int, error: Json, *, stored: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.error = {name: value for name, value in error.items() if value is not None}
        self.stored = stored
        self.headers = headers or {}

    @property
    def body(self) -> Json:
        return {"error": self.error}


def invalid(message: str, param: str | None = None, code: str | None = None, *, status: int = 400) -> Refusal:
    """Parameters that no execution can begin with: not stored."""
    return Refusal(status, {"type": "invalid_request_error", "code": code, "message": message, "param": param})


def missing_resource(kind: str, resource_id: str, param: str, *, status: int = 400) -> Refusal:
    return invalid(f"No such {kind}: '{resource_id}'", param, "resource_missing", status=status)


def unexpected_state(message: str, intent: Json) -> Refusal:
    error = {"type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": message}
    return Refusal(400, error | {"payment_intent": intent}, stored=True)


def refused(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """The state of things does not allow it: execution had begun."""
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
    return Refusal(400, error, stored=True)


def server_error(status: int = 500) -> Refusal:
    """Below 500 (a key without permissions, say): before execution, so not stored."""
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return Refusal(status, {"type": kind, "message": "An unknown error occurred"}, stored=status >= 500)


def rate_limited(retry_after_seconds: float | None, code: str) -> Refusal:
    """https://docs.stripe.com/rate-limits: 429, code `rate_limit`, or `lock_timeout` when an object is locked."""
    message = (
        "This object cannot be accessed right now because another API request or Stripe process is currently "
        "accessing it."
        if code == "lock_timeout"
        else "Request rate limit exceeded."
    )
    headers = {} if retry_after_seconds is None else {"Retry-After": f"{retry_after_seconds:g}"}
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return Refusal(429, error, headers=headers | {"Stripe-Should-Retry": "true"})
