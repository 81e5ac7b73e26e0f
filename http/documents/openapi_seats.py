"""The calls about numbered seats, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import Kind, Operation, Reply, of_event, parameter
from .openapi_schemas import ref

_SEATS: Final[list[dict[str, Any]]] = [
    {"id": "Stalls/A/1", "number": 1, "kind": "accessible", "status": "available"},
    {"id": "Stalls/A/2", "number": 2, "kind": "companion", "status": "held"},
    {"id": "Stalls/A/3", "number": 3, "kind": "standard", "status": "sold"},
]
_SEAT_MAP: Final[dict[str, Any]] = {
    "eventId": 7,
    "seq": 57,
    "available": 1,
    "sections": [
        {
            "name": "Stalls",
            "ticketTypeId": 1,
            "ticketType": "Stalls",
            "price": "42.00",
            "currency": "EUR",
            "rows": [{"name": "A", "seats": _SEATS}],
        }
    ],
}
_CHANGED: Final = (
    "id: 58\nevent: seats\n"
    'data: {"eventId":7,"seq":58,"seats":[{"id":"Stalls/A/1","status":"held"},{"id":"Stalls/A/2","status":"held"}]}\n\n'
)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/events/{eventId}/seats",
        "getSeats",
        "Events",
        Kind.READ,
        "The seat map: every seat and its status",
        {200: Reply("All seats as they were at `seq`.", ref("SeatMap"), _SEAT_MAP)},
        "Sections and rows come best first. What changes from `seq` on is told by the stream of the seat map, when "
        "it is opened with `last_event_id` set to that `seq`. An event without numbered seats has no seat map: "
        "`not_found`.",
        parameters=(of_event(7),),
        codes=(Code.NO_SUCH_EVENT,),
    ),
    Operation(
        "GET",
        "/events/{eventId}/seats/stream",
        "streamSeats",
        "Events",
        Kind.WATCH,
        "Changes of the seat map, as they are made",
        {
            200: Reply(
                "Server-Sent Events, each with the position it reflects as its `id`: `seats`, whose data is a "
                "ChangedSeats as JSON, and `reload`, upon which the seat map is to be fetched again.",
                {"type": "string", "contentMediaType": "text/event-stream", "contentSchema": ref("ChangedSeats")},
                _CHANGED,
                content_type="text/event-stream",
            )
        },
        "Changes of one moment are put together; a seat may be told of though it is as it was. After a cut it goes on "
        "where it was, without a gap, or with `reload`. It ends when the seat map itself is changed: then, too, "
        "whoever comes back is told to reload.",
        parameters=(
            of_event(7),
            parameter(
                "Last-Event-ID",
                "header",
                {"type": "string"},
                "The `id` of the last event that came. A browser sends it by itself.",
            ),
            parameter(
                "last_event_id",
                "query",
                {"type": "string"},
                "The same, or the `seq` of a seat map, for those who can't set headers. The header counts where both "
                "are there.",
            ),
        ),
        codes=(Code.NO_SUCH_EVENT, Code.INVALID_FIELD, Code.UNKNOWN_FIELD, Code.OVERLOADED),
    ),
)
