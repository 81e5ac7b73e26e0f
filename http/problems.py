"""Errors as RFC 9457 problem+json.

Owns which HTTP status and title each error code has. Every error a client sees is made here.
"""

from typing import Any

import orjson

from ..engine.codes import Code
from .call import PROBLEM, Answer

STATUS: dict[Code, tuple[int, str]] = {
    Code.INVALID_JSON: (400, "The body is not valid JSON"),
    Code.INVALID_FIELD: (400, "A value is missing or not valid"),
    Code.UNKNOWN_FIELD: (400, "A field is not known"),
    Code.UNAUTHENTICATED: (401, "Authentication is needed"),
    Code.FORBIDDEN: (403, "Not allowed"),
    Code.QUEUE_REQUIRED: (403, "Join the waiting room first"),
    Code.CHALLENGE_REQUIRED: (403, "Solve a challenge first"),
    Code.NO_SUCH_EVENT: (404, "No such event"),
    Code.NO_SUCH_BOOKING: (404, "No such booking"),
    Code.NO_SUCH_USER: (404, "No such user"),
    Code.NO_SUCH_TICKET: (404, "No such ticket"),
    Code.INVALID_SIGNATURE: (400, "The signature is not valid"),
    Code.NOT_FOUND: (404, "No such path"),
    Code.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    Code.SOLD_OUT: (409, "Sold out"),
    Code.NOT_ON_SALE: (409, "Not on sale"),
    Code.EVENT_CANCELLED: (409, "The event is cancelled"),
    Code.ALREADY_PAID: (409, "Already paid"),
    Code.AMBIGUOUS_BOOKING: (409, "Several bookings could be meant"),
    Code.WRONG_STATUS: (409, "Not possible in this status"),
    Code.ALREADY_REDEEMED: (409, "The ticket was used before"),
    Code.UNSAFE: (409, "Refused as unsafe"),
    Code.HOLD_EXPIRED: (410, "The hold has lapsed"),
    Code.TOO_LARGE: (413, "Too large"),
    Code.LIMIT_PER_USER: (422, "The limit per user is reached"),
    Code.AMOUNT_MISMATCH: (422, "Not the right amount"),
    Code.IDEMPOTENCY_MISMATCH: (422, "The key was used for another request"),
    Code.INVALID_SEATS: (422, "These seats cannot be booked"),
    Code.TOO_EARLY: (425, "Too early"),
    Code.PAYMENT_DECLINED: (402, "The payment was declined"),
    Code.RATE_LIMITED: (429, "Too many requests"),
    Code.NO_PRIMARY: (503, "No primary"),
    Code.NOT_DURABLE: (503, "Cannot be made durable now"),
    Code.REPLICA_BEHIND: (503, "This node is behind"),
    Code.OVERLOADED: (503, "Overloaded"),
    Code.INTERNAL: (500, "Something is wrong on our side"),
}
assert set(STATUS) == set(Code)

_RETRY_AFTER_SECONDS = 1


class RefusedError(Exception):
    """A call that is refused before anything is decided; `answer` says why, and has no `seq` yet."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


def refused(code: Code, detail: str, **extra: Any) -> RefusedError:
    """To be raised; `extra` are fields that help the caller act, by their public names."""
    return RefusedError(problem(code, detail, extra=extra))


def not_durable() -> RefusedError:
    """A read would show what may not last, and it can't be waited for."""
    return refused(Code.NOT_DURABLE, "What this shows is not on enough nodes yet; ask again in a moment.")


def problem(code: Code, detail: str, *, seq: int | None = None, extra: dict[str, Any] | None = None) -> Answer:
    """The answer for an error; 425, 429 and 503 carry Retry-After."""
    status, title = STATUS[code]
    body: dict[str, Any] = {
        "type": f"/docs/errors#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code.value,
    }
    if extra:
        body |= extra
    if seq is not None:
        body["seq"] = seq
    headers: list[tuple[str, str]] = [("Cache-Control", "private, no-store")]
    if status in (425, 429, 503):
        body.setdefault("retryAfterSeconds", _RETRY_AFTER_SECONDS)
        headers.append(("Retry-After", str(body["retryAfterSeconds"])))
    if status == 401:
        headers.append(("WWW-Authenticate", 'Bearer realm="onsale"'))
    if seq is not None:
        headers.append(("Onsale-Seq", str(seq)))
    return Answer(status, orjson.dumps(body), tuple(headers), PROBLEM)


def with_seq(answer: Answer, seq: int) -> Answer:
    """The same problem, saying at which position in the journal it was found."""
    body = orjson.dumps(orjson.loads(answer.body) | {"seq": seq})
    return Answer(answer.status, body, (*answer.headers, ("Onsale-Seq", str(seq))), answer.content_type)
