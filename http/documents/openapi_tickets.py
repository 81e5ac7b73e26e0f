"""The calls about tickets, and the payment provider's news, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import Kind, Operation, Reply, parameter
from .openapi_schemas import ref

CODE: Final = (
    "AEAAAAAAAEAAAAAAAAAQAAMLQVKZILUPJJNU5XIK5HCG4GVPV5PQFAPJXK5XLSOIRSFVCP3KSILQ25K5DRRV5R4DDEJJSUNBWHXVHVJP6IY4ABLFNXYI4A2M"
    "UWAA6"
)
_CODE_PARAMETER: Final = parameter(
    "code", "path", {"type": "string", "minLength": 1}, "A ticket's code; capitals do not count.", CODE
)
_TICKET: Final[dict[str, Any]] = {
    "admits": True,
    "eventId": 3,
    "eventName": "The Long Table",
    "startsAt": "2026-11-22T19:00:00.000Z",
    "bookingId": 1,
    "bookingStatus": "confirmed",
    "number": 1,
    "ticketType": "Seat",
    "userId": "u-1",
    "checkedInAt": None,
    "place": None,
    "checkedInBy": None,
}
_ADMITTED: Final[dict[str, Any]] = {
    "eventId": 3,
    "bookingId": 1,
    "number": 1,
    "ticketType": "Seat",
    "userId": "u-1",
    "checkedInAt": "2026-11-22T18:30:00.000Z",
    "place": "Gate 3",
    "seq": 64,
}


def _picture(form: str, content_type: str) -> Operation:
    return Operation(
        "GET",
        f"/tickets/{{code}}/qr.{form}",
        f"drawTicketAs{form.capitalize()}",
        "Tickets",
        Kind.READ,
        f"The QR picture of a ticket's code, as {form.upper()}",
        {200: Reply("The picture.", {"type": "string"}, content_type=content_type)},
        "For whoever knows the code; it takes no token, so that it can stand in a page or a mail.",
        parameters=(_CODE_PARAMETER,),
        codes=(Code.NO_SUCH_TICKET,),
    )


OPERATIONS: Final = (
    Operation(
        "GET",
        "/tickets/key",
        "getTicketKey",
        "Tickets",
        Kind.READ,
        "What ticket codes can be checked with offline",
        {
            200: Reply(
                "The key.",
                ref("TicketKey"),
                {"algorithm": "Ed25519", "publicKey": "HfUKplLIk3LvrABZuGddrdKV2UnxkUMCQITEi9jcJPM"},
            )
        },
        "A code is base32 without padding, 78 bytes: version 1 in one byte, the event's id in five, the booking's in "
        "six, the ticket's number in two, and the Ed25519 signature of these 14 bytes in 64. `onsale tickets check` "
        "does it. Whether a ticket was refunded or used before, only the cluster knows.",
    ),
    Operation(
        "POST",
        "/tickets/{code}/check-in",
        "checkIn",
        "Tickets",
        Kind.WRITE,
        "Let somebody in, once",
        {200: Reply("Whoever showed it may come in.", ref("Admitted"), _ADMITTED)},
        "The second time it is refused, and `redeemedAt` and `place` say when and where the first was. A scanner that "
        "may send twice names its request with an `Idempotency-Key`; one that says its `eventId` never uses up a "
        "ticket for another event.",
        "organiser",
        parameters=(_CODE_PARAMETER,),
        body="NewCheckIn",
        body_required=False,
        body_example={"place": "Gate 3", "eventId": 3},
        codes=(Code.NO_SUCH_TICKET, Code.EVENT_CANCELLED, Code.WRONG_STATUS, Code.ALREADY_REDEEMED),
    ),
    Operation(
        "GET",
        "/tickets/{code}",
        "getTicket",
        "Tickets",
        Kind.PERSONAL,
        "What a ticket is, and whether it was checked in",
        {200: Reply("The ticket.", ref("TicketAtTheDoor"), _TICKET)},
        "",
        "organiser",
        parameters=(_CODE_PARAMETER,),
        codes=(Code.NO_SUCH_TICKET,),
    ),
    _picture("svg", "image/svg+xml"),
    _picture("png", "image/png"),
    Operation(
        "POST",
        "/webhooks/stripe",
        "takeStripeNews",
        "Payments",
        Kind.NEWS,
        "Stripe's events",
        {200: Reply("Taken, and what follows from it is durable.", ref("Received"), {"received": True, "seq": 60})},
        "For Stripe alone: its signature, in `Stripe-Signature`, is checked with `STRIPE_WEBHOOK_SECRET`, and it takes "
        "no token. Each event is applied once, however often and in whatever order it comes; `403` where no secret is "
        "configured.",
        parameters=(
            parameter("Stripe-Signature", "header", {"type": "string"}, "When it was signed, and the signature."),
        ),
        body="StripeEvent",
        body_example={"id": "evt_1PxQ", "type": "payment_intent.succeeded"},
    ),
)
