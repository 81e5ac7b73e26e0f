"""The calls about waiting rooms, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from .openapi_parts import Kind, Operation, Reply, of_event, parameter
from .openapi_schemas import ref

_PLACE_SHOWN: Final = "AQAAAAAAAQAAMAT0a7E8Qk1rEo2f0m9cX1bW"
_QUEUED: Final[dict[str, Any]] = {
    "eventId": 6,
    "userId": "u-1",
    "number": 12_290,
    "token": _PLACE_SHOWN,
    "position": 4_098,
    "nowServing": 8_192,
    "estimatedWaitSeconds": 820,
    "servable": True,
    "admitted": False,
    "expiresAt": None,
    "status": "waiting",
    "seq": 42,
}
_PLACE: Final[dict[str, Any]] = {
    "eventId": 6,
    "number": 12_290,
    "position": 4_098,
    "admitted": False,
    "expiresAt": None,
    "status": "waiting",
    "servable": True,
    "estimatedWaitSeconds": 820,
    "nowServing": 8_192,
    "state": "open",
    "refreshIntervalSeconds": 2,
}
_QUEUE: Final[dict[str, Any]] = {
    "eventId": 6,
    "state": "open",
    "nowServing": 8_192,
    "lastNumber": 12_290,
    "servableThrough": 14_000,
    "admitPerMinute": 300,
    "available": 3_400,
    "refreshIntervalSeconds": 2,
    "waiting": 4_098,
    "inside": 211,
    "opensAt": None,
    "commitment": None,
    "seed": None,
    "draw": None,
}
_HOW: Final = (
    "Numbers are given in the order of arrival. Where the room shuffles (`shuffleAtOpening`), those who come before it "
    "opens are put in an order drawn by lot at the opening; until then their number is null. People are let in by "
    "number, as many as the rate, `maxInside` and the tickets that are left allow."
)
_TOKEN_PARAMETER: Final = parameter(
    "token", "path", {"type": "string", "minLength": 1, "maxLength": 200}, "What joining gave.", _PLACE_SHOWN
)

OPERATIONS: Final = (
    Operation(
        "POST",
        "/events/{eventId}/queue",
        "joinQueue",
        "Bookings",
        Kind.WRITE,
        "Join an event's waiting room",
        {
            201: Reply("A place of their own.", ref("Queued"), _QUEUED, headers=("Location",)),
            200: Reply("They had this place already.", ref("Queued"), _QUEUED, headers=("Location",)),
        },
        f"{_HOW} The token is worth nothing to anybody else; it goes into `queueToken` of `POST /booking` once it is "
        "their turn. `estimatedWaitSeconds` is an estimate by what is known now, null where nothing can be said; "
        "`servable` says whether tickets are likely to reach this number.",
        parameters=(of_event(6),),
        body="NewPlaceInQueue",
        body_example={"userId": "u-1"},
        codes=(
            Code.NO_SUCH_EVENT,
            Code.EVENT_CANCELLED,
            Code.NOT_ON_SALE,
            Code.WRONG_STATUS,
            Code.CHALLENGE_REQUIRED,
            Code.LIMIT_PER_USER,
        ),
    ),
    Operation(
        "GET",
        "/events/{eventId}/queue",
        "getQueue",
        "Bookings",
        Kind.READ,
        "How an event's waiting room stands",
        {200: Reply("The same for everybody; a cache may keep it for a second.", ref("Queue"), _QUEUE)},
        "What everybody polls: whose number is up to `nowServing` is let in, and tickets are likely to reach numbers "
        "up to `servableThrough`. Ask again after `refreshIntervalSeconds`. `commitment` is the SHA-256 of the `seed` "
        "of the lot, which is told at the opening: with it anybody can check the order that was drawn.",
        parameters=(of_event(6),),
        codes=(Code.NO_SUCH_EVENT,),
    ),
    Operation(
        "GET",
        "/events/{eventId}/queue/{token}",
        "getPlaceInQueue",
        "Bookings",
        Kind.READ,
        "One person's place in the waiting room",
        {200: Reply("The place as it is now.", ref("PlaceInQueue"), _PLACE)},
        "For whoever has the token. `position` is 1 for whoever is next, 0 for somebody who does not wait any more, "
        "null before a draw; `admitted`: it is their turn, until `expiresAt`.",
        parameters=(of_event(6), _TOKEN_PARAMETER),
        codes=(Code.NO_SUCH_EVENT,),
    ),
    Operation(
        "DELETE",
        "/events/{eventId}/queue/{token}",
        "leaveQueue",
        "Bookings",
        Kind.WRITE,
        "Leave the waiting room",
        {
            200: Reply(
                "The place, or the turn, is given up; what is held stays held.",
                ref("QueueLeft"),
                {"eventId": 6, "userId": "u-1", "status": "left", "seq": 43},
            )
        },
        "Leaving once more changes nothing. Whoever joins again is the last.",
        parameters=(of_event(6), _TOKEN_PARAMETER),
        codes=(Code.NO_SUCH_EVENT, Code.WRONG_STATUS),
    ),
)
