"""The calls for what a node tells from its journal, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from .openapi_parts import BOOKING_ID, EVENT_ID, Kind, Operation, Reply, parameter, shared
from .openapi_schemas import ref

_ID: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
_READING: Final[dict[str, Any]] = {"report": None, "progress": {"done": 40_000, "total": 910_000}, "seq": 910_000}
_STORY: Final[dict[str, Any]] = {
    "report": {
        "headline": 'Booking 7: 2 x Standing of event 3 "Night Owls" for u-1 at 98.00 EUR; it is held now.',
        "told": [
            {
                "seq": 57,
                "at": "2026-06-01T08:00:00.000Z",
                "epoch": 1,
                "type": "held",
                "words": 'Booking 7: 2 x Standing of event 3 "Night Owls" held for u-1 at 98.00 EUR, until '
                "2026-06-01T08:05:00.000Z (300 s).",
                "wanted": True,
            }
        ],
        "notes": [],
        "throughSeq": 61,
    },
    "progress": None,
    "seq": 61,
}
_FAIRNESS: Final[dict[str, Any]] = {
    "report": {
        "eventId": 3,
        "name": "Night Owls",
        "fair": True,
        "verdict": "Fair: the order of service is the order of arrival, but for 1 exceptions, each by a rule.",
        "summary": [{"what": "event", "words": '3 "Night Owls", waitlist strict'}],
        "rules": [{"rule": "given_up", "count": 1, "words": "gave up the place in line", "allowed": True}],
        "exceptions": [
            {
                "rule": "given_up",
                "allowed": True,
                "userId": "u-2",
                "place": "Standing",
                "joinedSeq": 58,
                "seq": 60,
                "at": "2026-06-01T08:00:02.000Z",
                "bookingId": 8,
                "words": "gave up the place in line",
            }
        ],
        "exceptionsInAll": 1,
        "faults": 0,
        "firstFault": None,
        "throughSeq": 61,
        "at": "2026-06-01T08:00:03.000Z",
    },
    "progress": None,
    "seq": 61,
}
_LATER: Final = "It is being made: `progress` says how far it is. Ask again after `Retry-After`."
_BESIDE: Final = "Made from the asked node's journal by a process beside it; best asked of a standby or a read replica."


def _report(
    path: str, name: str, tag: str, summary: str, schema: str, example: Any, *codes: Code, **more: Any
) -> Operation:
    replies = {
        200: Reply("The report.", ref(schema), example),
        202: Reply(_LATER, ref(schema), _READING, ["Retry-After"]),
    }
    return Operation(
        "GET",
        path,
        name,
        tag,
        Kind.REPORT,
        summary,
        replies,
        _BESIDE,
        "operator",
        codes=codes,
        **more,
    )


OPERATIONS: Final = (
    _report(
        "/booking/{bookingId}/story",
        "tellStoryOfBooking",
        "Bookings",
        "Why a booking is as it is, in words",
        "StoryReport",
        _STORY,
        Code.NO_SUCH_BOOKING,
        parameters=(shared(BOOKING_ID),),
    ),
    _report(
        "/journal/{seq}/story",
        "tellStoryOfSeq",
        "Node",
        "What stands at a position of the journal, with its neighbours, in words",
        "StoryReport",
        _STORY,
        parameters=(parameter("seq", "path", _ID, "The position that is told.", 57),),
    ),
    _report(
        "/events/{eventId}/fairness",
        "reportFairness",
        "Events",
        "The order of arrival against the order of service",
        "FairnessReport",
        _FAIRNESS,
        Code.NO_SUCH_EVENT,
        parameters=(shared(EVENT_ID),),
    ),
)
