"""The calls about events, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import CURSOR, EVENT_ID, LIMIT, Kind, Operation, Reply, of_event, parameter, shared
from .openapi_schemas import array_of, ref

_ITEM: Final[dict[str, Any]] = {
    "id": 3,
    "name": "The Long Table",
    "startsAt": "2026-07-04T17:00:00.000Z",
    "endsAt": "2026-07-04T22:00:00.000Z",
    "venue": "La Grande Verrière",
    "city": "Paris",
    "country": "France",
    "category": "festival",
    "status": "on_sale",
    "currency": "EUR",
    "priceFrom": "68.00",
    "available": 180,
}
_TYPE: Final[dict[str, Any]] = {
    "id": 1,
    "name": "Seat",
    "price": "68.00",
    "capacity": 200,
    "available": 180,
    "held": 5,
    "sold": 15,
    "waiting": 0,
}
_EVENT: Final[dict[str, Any]] = _ITEM | {
    "description": "Dinner for two hundred at one table.",
    "onSaleAt": "2026-06-01T08:00:00.000Z",
    "maxPerUser": 6,
    "maxHoldsPerUser": None,
    "waitlist": "first_fit",
    "offerSeconds": None,
    "challenge": "none",
    "ticketTypes": [_TYPE],
    "seats": 0,
    "waitingRoom": None,
}
_NEW: Final[dict[str, Any]] = {
    "name": "Night of the Proms",
    "startsAt": "2032-11-20T19:00:00.000Z",
    "venue": "Sportpaleis",
    "city": "Antwerp",
    "country": "BE",
    "category": "concert",
    "currency": "EUR",
    "maxPerUser": 6,
    "ticketTypes": [{"name": "Standing", "price": "49.90", "capacity": 1500}],
}
_NEW_TYPE: Final[dict[str, Any]] = _TYPE | {"available": 200, "held": 0, "sold": 0}
_CREATED: Final[dict[str, Any]] = _EVENT | {
    "endsAt": None, "description": "", "onSaleAt": None, "available": 200, "ticketTypes": [_NEW_TYPE],
    "webhookUrl": None, "webhookSecret": None, "seq": 42,
}  # fmt: skip
_PROGRESS: Final[dict[str, Any]] = {
    "eventId": 3,
    "status": "cancelled",
    "bookingsLeft": 31250,
    "refundsOwed": 4096,
    "refundsFailed": 2,
    "messagesOwed": 8210,
    "messagesDead": 1,
    "tellingOfChange": False,
    "toldThrough": 0,
    "tellThrough": 0,
    "webhookDisabled": False,
}
_DAY_OR_TIME: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_LINKS: Final[dict[str, Any]] = {
    "event": {"operationId": "getEvent", "parameters": {"eventId": "$response.body#/id"}},
    "availability": {"operationId": "getAvailability", "parameters": {"eventId": "$response.body#/id"}},
    "change": {"operationId": "changeEvent", "parameters": {"eventId": "$response.body#/id"}},
}

OPERATIONS: Final = (
    Operation(
        "GET",
        "/events",
        "listEvents",
        "Events",
        Kind.READ,
        "Search and list events",
        {
            200: Reply(
                "The events, best match first; without a search, soonest first.",
                array_of("EventInList"),
                [_ITEM],
                ["Link"],
            )
        },
        "All filters that are given must match.",
        parameters=(
            parameter(
                "search",
                "query",
                _TEXT,
                "Words and word beginnings, in name, venue, city, country, category and "
                "description; small typing errors are forgiven.",
                "table",
            ),
            parameter("name", "query", _TEXT, "Words and word beginnings in the name only."),
            parameter("start_date", "query", _DAY_OR_TIME, "Starts at this time, on this day, or later.", "2026-11-01"),
            parameter("end_date", "query", _DAY_OR_TIME, "Starts at this time, on this day, or before.", "2026-11-30"),
            parameter("city", "query", _TEXT, "The city, whole; capitals and accents do not count.", "Paris"),
            parameter(
                "category", "query", _TEXT, "The category, whole; capitals and accents do not count.", "festival"
            ),
            shared(LIMIT),
            shared(CURSOR),
        ),
        codes=(Code.UNKNOWN_FIELD,),
    ),
    Operation(
        "POST",
        "/events",
        "createEvent",
        "Events",
        Kind.WRITE,
        "Create an event",
        {201: Reply("The event.", ref("Event"), _CREATED, ["Location"], links=_LINKS)},
        "It is on sale at once, unless `onSaleAt` says otherwise. News of its bookings are sent to `webhookUrl`, "
        "signed with `webhookSecret` as Standard Webhooks has it.",
        "organiser",
        body="NewEvent",
        body_example=_NEW,
    ),
    Operation(
        "GET",
        "/events/{eventId}",
        "getEvent",
        "Events",
        Kind.READ,
        "One event in full",
        {200: Reply("The event.", ref("Event"), _EVENT)},
        parameters=(shared(EVENT_ID),),
        codes=(Code.NO_SUCH_EVENT,),
    ),
    Operation(
        "PATCH",
        "/events/{eventId}",
        "changeEvent",
        "Events",
        Kind.WRITE,
        "Change an event",
        {200: Reply("The event as it is now.", ref("Event"), _CREATED)},
        "What is left out stays. A ticket type is named by id or name; a new name adds one. Capacity cannot fall below "
        "what is held or sold; what is added goes to the line first.",
        "organiser",
        parameters=(shared(EVENT_ID),),
        body="EventChanges",
        body_example={"ticketTypes": [{"name": "Seat", "capacity": 220}]},
        codes=(Code.NO_SUCH_EVENT, Code.EVENT_CANCELLED),
    ),
    Operation(
        "GET",
        "/events/{eventId}/availability",
        "getAvailability",
        "Events",
        Kind.READ,
        "The live counts alone",
        {
            200: Reply(
                "What is free, held, sold and waited for.",
                ref("Availability"),
                {
                    "eventId": 3,
                    "status": "on_sale",
                    "available": 180,
                    "ticketTypes": [{key: value for key, value in _TYPE.items() if key not in ("price", "capacity")}],
                },
            )
        },
        "Small, cheap, and good for one second in a shared cache.",
        parameters=(shared(EVENT_ID),),
        codes=(Code.NO_SUCH_EVENT,),
    ),
    Operation(
        "POST",
        "/events/{eventId}/cancel",
        "cancelEvent",
        "Events",
        Kind.WRITE,
        "Cancel an event",
        {200: Reply("The event, cancelled.", ref("Event"), _CREATED | {"status": "cancelled"})},
        "Gives back the money of every paid booking, and tells every holder. It cannot be undone. From 30 days after "
        "the sale has closed it is refused: refund bookings one by one.",
        "organiser",
        parameters=(of_event(2),),
        codes=(Code.NO_SUCH_EVENT, Code.EVENT_CANCELLED, Code.WRONG_STATUS),
    ),
    Operation(
        "GET",
        "/events/{eventId}/progress",
        "getProgress",
        "Events",
        Kind.PERSONAL,
        "What is still to be done for those who booked",
        {200: Reply("The counts.", ref("Progress"), _PROGRESS)},
        "After an event was cancelled or changed: bookings to be ended, money to go back, messages to be sent.",
        "organiser",
        parameters=(shared(EVENT_ID),),
        codes=(Code.NO_SUCH_EVENT,),
    ),
)
