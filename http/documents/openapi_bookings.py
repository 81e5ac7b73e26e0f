"""The calls about bookings, payments and users, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import BOOKING_ID, CURSOR, LIMIT, USER_ID, Kind, Operation, Reply, parameter, shared
from .openapi_schemas import array_of, ref
from .openapi_tickets import CODE

_CLAIM: Final[dict[str, Any]] = {
    "bookingId": 1,
    "userId": "u-1",
    "eventId": 3,
    "ticketType": "Seat",
    "quantity": 2,
    "seats": [],
    "amount": "136.00",
    "currency": "EUR",
}
_HELD: Final[dict[str, Any]] = _CLAIM | {
    "status": "held",
    "expiresAt": "2026-06-01T08:05:00.000Z",
    "expiresInSeconds": 300,
    "seq": 57,
}
_TICKETS: Final = [{"code": CODE, "number": 1, "ticketType": "Seat", "seat": None}]
_PAYMENT: Final[dict[str, Any]] = {"paymentId": 1, "amount": "136.00", "currency": "EUR", "provider": "test"}
_PAID: Final[dict[str, Any]] = _PAYMENT | {
    "status": "succeeded",
    "bookingId": 1,
    "bookingStatus": "confirmed",
    "eventId": 3,
    "tickets": _TICKETS,
    "seq": 59,
}
_UNDERWAY: Final[dict[str, Any]] = _PAYMENT | {
    "status": "requires_action",
    "bookingId": 1,
    "bookingStatus": "paying",
    "clientSecret": "pi_1_secret_5Yt0",
    "expiresAt": "2026-06-01T08:15:00.000Z",
    "seq": 59,
}
_BOOKING: Final[dict[str, Any]] = _CLAIM | {
    "status": "confirmed",
    "eventName": "The Long Table",
    "createdAt": "2026-06-01T08:00:00.000Z",
    "expiresAt": None,
    "expiresInSeconds": None,
    "position": None,
    "payment": _PAYMENT | {"status": "succeeded", "clientSecret": None, "failure": None, "detail": None},
    "tickets": _TICKETS,
    "refundedAmount": "0.00",
    "seq": 57,
}
_REFUND: Final[dict[str, Any]] = {
    "refundId": 1,
    "status": "succeeded",
    "bookingId": 1,
    "bookingStatus": "refunded",
    "amount": "136.00",
    "refundedAmount": "136.00",
    "currency": "EUR",
    "failure": None,
    "seq": 61,
}
_USER: Final[dict[str, Any]] = {
    "userId": "u-1",
    "name": "Ada",
    "email": "ada@example.org",
    "webhookUrl": "https://example.org/hook",
}
_USER_SHOWN: Final[dict[str, Any]] = _USER | {
    "webhookSecret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "webhookDisabled": False,
}
_NOTIFICATION: Final[dict[str, Any]] = {
    "id": 1,
    "kind": "held",
    "eventId": 3,
    "bookingId": 1,
    "at": "2026-06-01T08:00:00.000Z",
    "seq": 57,
    "text": 'Your tickets for "The Long Table" are held for you. Pay before the hold lapses to keep them.',
    "amount": None,
    "currency": None,
    "detail": None,
}


def _links(*operations: str) -> dict[str, Any]:
    return {
        name: {"operationId": name, "parameters": {"bookingId": "$response.body#/bookingId"}} for name in operations
    }


_LAST_EVENT_ID: Final = parameter(
    "Last-Event-ID",
    "header",
    {"type": "string"},
    "The `id` of the last one that came; what was told since comes first. A browser sends it by itself.",
)

_LAST_EVENT_ID_IN_QUERY: Final = parameter(
    "last_event_id",
    "query",
    {"type": "string"},
    "The same, for those who can't set headers. The header counts where both are there.",
)

OPERATIONS: Final = (
    Operation(
        "POST",
        "/booking",
        "book",
        "Bookings",
        Kind.WRITE,
        "Hold tickets, or stand in line for them",
        {
            201: Reply(
                "Held for this user until `expiresAt`.",
                ref("Held"),
                _HELD,
                ["Location"],
                links=_links("getBooking", "giveUpBooking"),
            ),
            202: Reply(
                "Nothing is free now; the user stands in line at `position`, and nobody who comes later passes.",
                ref("Waiting"),
                _CLAIM | {"status": "waiting", "position": 12, "seq": 58},
                ["Location"],
                links=_links("getBooking", "giveUpBooking"),
            ),
        },
        "First come, first served, in the order of `seq`. There is no checking before: this call is the check.",
        body="NewBooking",
        body_example={"userId": "u-1", "eventId": 3, "quantity": 2},
        codes=(
            Code.NO_SUCH_EVENT,
            Code.EVENT_CANCELLED,
            Code.NOT_ON_SALE,
            Code.TOO_EARLY,
            Code.CHALLENGE_REQUIRED,
            Code.QUEUE_REQUIRED,
            Code.LIMIT_PER_USER,
            Code.SOLD_OUT,
            Code.INVALID_SEATS,
        ),
    ),
    Operation(
        "GET",
        "/booking/{bookingId}",
        "getBooking",
        "Bookings",
        Kind.PERSONAL,
        "One booking, its payment, tickets and place in line",
        {200: Reply("The booking.", ref("BookingInFull"), _BOOKING | {"refunds": []})},
        parameters=(shared(BOOKING_ID),),
        codes=(Code.NO_SUCH_BOOKING,),
    ),
    Operation(
        "DELETE",
        "/booking/{bookingId}",
        "giveUpBooking",
        "Bookings",
        Kind.WRITE,
        "Give up a hold or a place in line",
        {200: Reply("Given up.", ref("GivenUp"), _CLAIM | {"status": "cancelled", "seq": 60})},
        "What it held goes to the head of the line in the same step.",
        parameters=(shared(BOOKING_ID),),
        codes=(Code.NO_SUCH_BOOKING, Code.WRONG_STATUS),
    ),
    Operation(
        "POST",
        "/booking/{bookingId}/refund",
        "refundBooking",
        "Bookings",
        Kind.WRITE,
        "Give money back",
        {
            200: Reply("The money is back.", ref("RefundStarted"), _REFUND),
            202: Reply(
                "On its way back; the tickets are on sale again already, unless only a part is given back.",
                ref("RefundStarted"),
                _REFUND | {"status": "pending", "bookingStatus": "refund_pending"},
            ),
        },
        "All that is left, or a part, after which the tickets stay valid. Users may have their own money back until "
        "the event begins; from then on it takes the organiser.",
        "user or organiser or service",
        parameters=(shared(BOOKING_ID),),
        body="NewRefund",
        body_required=False,
        body_example={"amount": "136.00"},
        codes=(Code.NO_SUCH_BOOKING, Code.WRONG_STATUS, Code.AMOUNT_MISMATCH),
    ),
    Operation(
        "POST",
        "/pay",
        "pay",
        "Payments",
        Kind.WRITE,
        "Pay for a hold",
        {
            200: Reply("Paid and confirmed.", ref("Paid"), _PAID, links=_links("getBooking", "refundBooking")),
            202: Reply(
                "Not settled yet. While it is under way the hold cannot lapse, for 15 minutes in all.",
                ref("PaymentUnderway"),
                _UNDERWAY,
                links=_links("getBooking"),
            ),
        },
        "Where a step is asked for, the client completes it with `clientSecret`. The built-in test provider takes "
        "`pm_card_visa` (pays; so does leaving it out), `pm_card_chargeDeclined` (declines) and "
        "`pm_card_authenticationRequired` (asks for a step).",
        body="NewPayment",
        body_example={"userId": "u-1", "eventId": 3, "amount": "136.00", "paymentMethod": "pm_card_visa"},
        codes=(
            Code.PAYMENT_DECLINED,
            Code.NO_SUCH_EVENT,
            Code.NO_SUCH_BOOKING,
            Code.AMBIGUOUS_BOOKING,
            Code.ALREADY_PAID,
            Code.EVENT_CANCELLED,
            Code.HOLD_EXPIRED,
            Code.WRONG_STATUS,
            Code.AMOUNT_MISMATCH,
        ),
    ),
    Operation(
        "GET",
        "/users/{userId}",
        "getUser",
        "Users",
        Kind.PERSONAL,
        "What is stored of a user",
        {200: Reply("The user.", ref("User"), _USER_SHOWN)},
        parameters=(shared(USER_ID),),
        codes=(Code.NO_SUCH_USER,),
    ),
    Operation(
        "PUT",
        "/users/{userId}",
        "saveUser",
        "Users",
        Kind.WRITE,
        "Store a user's name, e-mail address and webhook",
        {200: Reply("The user.", ref("User"), _USER_SHOWN | {"seq": 56})},
        "Takes the place of what was stored before. Nobody needs to be stored to book. What the user is told is sent "
        "to the webhook, too, signed with `webhookSecret` as Standard Webhooks has it.",
        parameters=(shared(USER_ID),),
        body="UserDetails",
        body_example={"name": "Ada", "email": "ada@example.org"},
    ),
    Operation(
        "GET",
        "/users/{userId}/bookings",
        "listUserBookings",
        "Users",
        Kind.PERSONAL,
        "A user's bookings, newest first",
        {200: Reply("The bookings.", array_of("Booking"), [_BOOKING], ["Link"])},
        parameters=(shared(USER_ID), shared(LIMIT), shared(CURSOR)),
        codes=(Code.UNKNOWN_FIELD,),
    ),
    Operation(
        "GET",
        "/users/{userId}/notifications",
        "listUserNotifications",
        "Users",
        Kind.PERSONAL,
        "What a user was told, newest first",
        {200: Reply("The notifications.", array_of("Notification"), [_NOTIFICATION], ["Link"])},
        parameters=(shared(USER_ID), shared(LIMIT), shared(CURSOR)),
        codes=(Code.UNKNOWN_FIELD,),
    ),
    Operation(
        "GET",
        "/users/{userId}/stream",
        "streamUserNotifications",
        "Users",
        Kind.STREAM,
        "What a user is told, as it is told",
        {
            200: Reply(
                "Server-Sent Events, each a notification as JSON, with its `id`.",
                {"type": "string"},
                content_type="text/event-stream",
            )
        },
        "It goes on until either side hangs up. After a cut it goes on where it was, without a gap. A browser's "
        "EventSource gives up after an answer that is no stream: make a new one when its `readyState` is CLOSED.",
        parameters=(shared(USER_ID), _LAST_EVENT_ID, _LAST_EVENT_ID_IN_QUERY),
        codes=(Code.INVALID_FIELD, Code.UNKNOWN_FIELD, Code.RATE_LIMITED, Code.OVERLOADED, Code.REPLICA_BEHIND),
    ),
)
