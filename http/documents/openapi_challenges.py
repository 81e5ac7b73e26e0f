"""The call for a challenge, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from .openapi_parts import Kind, Operation, Reply, parameter

_HASH: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_CHALLENGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["algorithm", "challenge", "maxnumber", "salt", "signature"],
    "additionalProperties": False,
    "properties": {
        "algorithm": {"const": "SHA-256"},
        "challenge": _HASH | {"description": "The hash, in hexadecimal, of the salt followed by the number."},
        "maxnumber": {"type": "integer", "minimum": 1, "description": "The number is 0 at least, and this at most."},
        "salt": {"type": "string", "description": "It says until when the challenge counts (`expires`, in seconds)."},
        "signature": _HASH,
    },
}
_EXAMPLE: Final[dict[str, Any]] = {
    "algorithm": "SHA-256",
    "challenge": "5076010b1169b2554e124eed989cb68b937a17a8407be473c4403efdfeb47593",
    "maxnumber": 50_000,
    "salt": "ac9d9cff65aff983977d80a4?expires=1795408413&at=1795408113000&event=6&",
    "signature": "41d9065bf75ddb53a4cbcde7bada8d70c91e956bf1c6cf1f1aec88fedbf287e8",
}

OPERATIONS: Final = (
    Operation(
        "GET",
        "/challenge",
        "getChallenge",
        "Bookings",
        Kind.READ,
        "A challenge to be solved before booking",
        {200: Reply("A challenge, in ALTCHA's form.", _CHALLENGE, _EXAMPLE)},
        "For events whose `challenge` is `proof_of_work`. ALTCHA's widget solves it, and so does whoever tries numbers "
        "from 0 to `maxnumber` until the SHA-256 of `salt` followed by the number, in decimal digits, is `challenge`. "
        "The solution is the base64 of the JSON object {algorithm, challenge, number, salt, signature}; it goes into "
        "the field `challenge` of `POST /booking`, or of `POST /events/{eventId}/queue` where the event has a waiting "
        "room. It counts for five minutes, and once: for one try that is decided, whatever the answer. The more is "
        "asked of this node, the longer the search.",
        parameters=(
            parameter(
                "event_id",
                "query",
                {"type": "integer", "minimum": 0, "maximum": ID_MAX, "default": 0},
                "The event that it is for; left out: any.",
                6,
            ),
        ),
        codes=(Code.UNKNOWN_FIELD, Code.NO_SUCH_EVENT, Code.WRONG_STATUS, Code.OVERLOADED),
    ),
)
