"""The calls about what is owed to the outside, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import CURSOR, LIMIT, Kind, Operation, Reply, shared
from .openapi_schemas import ref

_FAILED: Final[dict[str, Any]] = {
    "refundId": 4,
    "bookingId": 17,
    "userId": "u-1",
    "amount": "49.90",
    "currency": "EUR",
    "reason": "event_cancelled",
    "failure": "charge_already_refunded",
    "tries": 1,
    "createdAt": "2026-06-01T08:00:00.000Z",
    "paymentReference": "pi_3PxQ",
}
_DEAD: Final[dict[str, Any]] = {
    "deliveryId": 241,
    "channel": "mail",
    "kind": "confirmed",
    "notificationId": 60,
    "eventId": 1,
    "bookingId": 17,
    "userId": "u-1",
    "at": "2026-06-01T08:00:00.000Z",
    "attempts": 1,
    "failure": "550 no such mailbox",
}
_CONCERN: Final[dict[str, Any]] = {
    "id": "dispute:dp_1PxQ",
    "kind": "dispute",
    "reference": "dp_1PxQ",
    "bookingId": 17,
    "paymentId": 12,
    "refundId": None,
    "amount": "49.90",
    "currency": "EUR",
    "detail": "The card's owner says that it was not them (fraudulent).",
    "at": "2026-06-03T08:00:00.000Z",
}
_LANE: Final[dict[str, Any]] = {
    "name": "mail",
    "waiting": 12,
    "inFlight": 4,
    "failingSince": None,
    "lastFailure": None,
    "resumesAt": None,
}
_OUTBOX: Final[dict[str, Any]] = {
    "leads": True,
    "totals": {"payments": 3, "refunds": 0, "refundsFailed": 1, "messages": 16, "messagesDead": 1, "concerns": 1},
    "lanes": [_LANE],
    "refundsFailed": [_FAILED],
    "messagesDead": [_DEAD],
    "concerns": [_CONCERN],
}
_RETRIED: Final[dict[str, Any]] = {
    "refundsRetried": 1,
    "messagesRetried": 0,
    "notRetried": [
        {
            "refundId": None,
            "deliveryId": 241,
            "code": "wrong_status",
            "detail": "Message 241 is tried again by itself.",
        }
    ],
    "refundsFailed": 0,
    "messagesDead": 0,
    "seq": 66,
}
_FINDING: Final[dict[str, Any]] = {
    "kind": "unknown_payment",
    "reference": "pi_3PxR",
    "paymentId": None,
    "bookingId": None,
    "refundId": None,
    "amount": "49.90",
    "currency": "EUR",
    "detail": "Nothing here knows of this payment.",
    "mended": False,
}
_RECONCILIATION: Final[dict[str, Any]] = {
    "provider": "stripe",
    "since": "2026-06-01T00:00:00.000Z",
    "until": "2026-06-03T08:00:00.000Z",
    "paymentsTheirs": 1201,
    "paymentsOurs": 1200,
    "refundsTheirs": 7,
    "refundsOurs": 7,
    "findings": [_FINDING],
    "seq": 66,
}

OPERATIONS: Final = (
    Operation(
        "GET",
        "/outbox",
        "getOutbox",
        "Outbox",
        Kind.PERSONAL,
        "What is owed to the payment provider and in messages, and what of it a person must look at",
        {200: Reply("The totals, and one page of each list.", ref("Outbox"), _OUTBOX, ["Link"])},
        "Refunds that the provider refused, messages that were given up, and concerns about money that nobody closed; "
        "`limit` and `cursor` are for each of the three lists. `lanes` tell how it goes, on the node that leads.",
        "operator",
        parameters=(shared(LIMIT), shared(CURSOR)),
        codes=(Code.UNKNOWN_FIELD,),
    ),
    Operation(
        "POST",
        "/outbox/retry",
        "retryOutbox",
        "Outbox",
        Kind.UNKEYED,
        "Try again what was given up",
        {200: Reply("What is tried again, and what is not and why.", ref("Retried"), _RETRIED)},
        "With `all`, at most 10,000 at a time: ask again while some are left. Asked twice, it finds the second time "
        "that they are being tried already.",
        "operator",
        body="Retry",
        body_example={"refundIds": [4], "deliveryIds": [241]},
    ),
    Operation(
        "POST",
        "/outbox/concerns/close",
        "closeConcern",
        "Outbox",
        Kind.WRITE,
        "Say that a concern has been dealt with",
        {200: Reply("It is closed.", ref("Done"), {"done": True, "seq": 66})},
        "",
        "operator",
        body="ConcernToClose",
        body_example={"id": "dispute:dp_1PxQ"},
        codes=(Code.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/reconcile",
        "reconcile",
        "Outbox",
        Kind.UNKEYED,
        "Compare our payments and refunds with the provider's",
        {200: Reply("What was found.", ref("Reconciliation"), _RECONCILIATION)},
        "Where the truth is plain our books are mended; the rest is listed, and stays in the outbox as concerns. It "
        "takes as long as the provider takes to list its payments. Asked of the primary; another node says where that "
        "is.",
        "operator",
        body="NewReconciliation",
        body_required=False,
        body_example={"since": "2026-06-01"},
    ),
)
