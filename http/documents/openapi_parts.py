"""What calls in the OpenAPI document are put together from: parameters, headers, answers and errors.

Owns `Operation`, how a call is written down here, and its rendering as an OpenAPI operation. What all calls of one
kind have in common (the headers of a read, the errors of a write, what a connection may be refused for) is said once.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...engine.codes import Code
from ...engine.limits import ID_MAX, USER_ID_CHARACTERS_MAX
from ..call import JSON, PROBLEM
from ..problems import STATUS
from .error_guide import REQUEST_TIMEOUT
from .openapi_schemas import ref

Node = dict[str, Any]


class Kind(enum.Enum):
    PROBE = "probe"  # of the node itself; waits for nothing
    READ = "read"  # public
    PERSONAL = "personal"  # a read that takes a token
    REPORT = "report"  # a read that takes a token, and time; not kept by others
    STREAM = "stream"  # a read that takes a token, and goes on
    WATCH = "watch"  # a public read that goes on
    WRITE = "write"
    ORDER = "order"  # an operator's, to the node that is asked; not kept with an Idempotency-Key
    UNKEYED = "unkeyed"  # another write that is not kept with one
    NEWS = "news"  # a write that takes no token: its signature is the proof


class Reply(NamedTuple):
    """One good answer to a call."""

    description: str
    schema: Node
    example: Any = None
    headers: Sequence[str] = ()
    content_type: str = JSON
    links: Mapping[str, Node] = {}


class Operation(NamedTuple):
    method: str
    path: str
    name: str
    tag: str
    kind: Kind
    summary: str
    replies: Mapping[int, Reply]
    text: str = ""
    role: str = ""  # what a token's role must be; empty for none in particular
    parameters: Sequence[Node] = ()
    body: str = ""  # the schema's name
    body_required: bool = True
    body_example: Any = None
    codes: Sequence[Code] = ()  # beyond those of its kind
    waits_for_seq: bool = True  # whether a read takes Onsale-Min-Seq


_SEQ: Final[Node] = {"type": "integer", "minimum": 0, "maximum": ID_MAX}

_HEADERS_TAKEN: Final[dict[str, Node]] = {
    "Onsale-Min-Seq": {
        "description": "Answer from a state at least this new: wait for it up to 1 s, else say `replica_behind`.",
        "schema": _SEQ,
    },
    "Idempotency-Key": {
        "description": "Names this request, for 24 hours: the same key and body give the first answer again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "If-None-Match": {"description": "ETags of what is known already.", "schema": {"type": "string"}},
}
HEADERS: Final[dict[str, Node]] = {
    "Onsale-Seq": {"description": "The position in the journal that the answer reflects.", "schema": _SEQ},
    "Idempotency-Replayed": {
        "description": "This is the first answer to the Idempotency-Key, given again.",
        "schema": {"const": "true"},
    },
    "ETag": {"description": "Names this very answer.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "Who may keep it, and how long.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Link": {
        "description": 'The next page: <path and query>; rel="next". Missing on the last one.',
        "schema": {"type": "string"},
    },
    "Content-Security-Policy": {"description": "What the page may load.", "schema": {"type": "string"}},
    "X-Content-Type-Options": {"description": "It is what it says.", "schema": {"const": "nosniff"}},
    "Referrer-Policy": {"description": "What others are told of it.", "schema": {"const": "no-referrer"}},
    "Location": {"description": "Where it is.", "schema": {"type": "string", "format": "uri-reference"}},
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "What the request is called in the logs: as it was sent, or made here. Others have it if sent.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
}

PAGE_HEADERS: Final = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")

EVENT_ID: Final = "EventId"
BOOKING_ID: Final = "BookingId"
USER_ID: Final = "UserId"
LIMIT: Final = "Limit"
CURSOR: Final = "Cursor"


def parameter(name: str, place: str, schema: Node, description: str, example: Any = None) -> Node:
    found: Node = {"name": name, "in": place, "required": place == "path", "schema": schema, "description": description}
    if place == "query":
        found["allowEmptyValue"] = True  # counts as left out
    return found if example is None else found | {"example": example}


_ID: Final[Node] = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
PARAMETERS: Final[dict[str, Node]] = {
    EVENT_ID: parameter("eventId", "path", _ID, "The event's id.", 3),
    BOOKING_ID: parameter("bookingId", "path", _ID, "The booking's id.", 1),
    USER_ID: parameter(
        "userId",
        "path",
        {
            "type": "string",
            "minLength": 1,
            "maxLength": USER_ID_CHARACTERS_MAX,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        },
        "The caller's own name for the user.",
        "u-1",
    ),
    LIMIT: parameter(
        "limit", "query", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "How many at most."
    ),
    CURSOR: parameter("cursor", "query", {"type": "string"}, "Where the page begins; taken from the Link header."),
    **{
        name: parameter(name, "header", header["schema"], header["description"])
        for name, header in _HEADERS_TAKEN.items()
    },
}


def shared(name: str) -> Node:
    """A parameter that several calls take."""
    assert name in PARAMETERS, name
    return {"$ref": f"#/components/parameters/{name}"}


def of_event(event_id: int) -> Node:
    """EVENT_ID, where another event of the sample is a better example."""
    return PARAMETERS[EVENT_ID] | {"example": event_id}


_READ_HEADERS: Final = ("Onsale-Seq", "ETag", "Cache-Control")
_WRITE_HEADERS: Final = ("Onsale-Seq", "Cache-Control", "Idempotency-Replayed")
_OTHER_HEADERS: Final = ("Onsale-Seq", "Cache-Control")
_TOKEN_CODES: Final = (Code.UNAUTHENTICATED, Code.FORBIDDEN)
_BODY_CODES: Final = (Code.INVALID_JSON, Code.UNKNOWN_FIELD)
_WRITE_CODES: Final = (
    *_TOKEN_CODES,
    *_BODY_CODES,
    Code.IDEMPOTENCY_MISMATCH,
    Code.NO_PRIMARY,
    Code.NOT_DURABLE,
)
_ORDER_CODES: Final = (*_TOKEN_CODES, *_BODY_CODES, Code.UNSAFE)
_UNKEYED_CODES: Final = (*_TOKEN_CODES, *_BODY_CODES, Code.NO_PRIMARY, Code.NOT_DURABLE)
_NEWS_CODES: Final = (Code.INVALID_SIGNATURE, Code.FORBIDDEN, Code.NO_PRIMARY, Code.NOT_DURABLE)
_CODES: Final = {
    Kind.PROBE: (),
    Kind.READ: (Code.NOT_DURABLE, Code.REPLICA_BEHIND),
    Kind.PERSONAL: (*_TOKEN_CODES, Code.NOT_DURABLE, Code.REPLICA_BEHIND),
    Kind.REPORT: _TOKEN_CODES,
    Kind.STREAM: _TOKEN_CODES,
    Kind.WATCH: (Code.NOT_DURABLE, Code.REPLICA_BEHIND),
    Kind.WRITE: _WRITE_CODES,
    Kind.ORDER: _ORDER_CODES,
    Kind.UNKEYED: _UNKEYED_CODES,
    Kind.NEWS: _NEWS_CODES,
}
_HEADERS_GIVEN: Final = {
    Kind.PROBE: _READ_HEADERS,
    Kind.READ: _READ_HEADERS,
    Kind.PERSONAL: _READ_HEADERS,
    Kind.REPORT: _OTHER_HEADERS,
    Kind.STREAM: _OTHER_HEADERS,
    Kind.WATCH: _OTHER_HEADERS,
    Kind.WRITE: _WRITE_HEADERS,
    Kind.ORDER: _OTHER_HEADERS,
    Kind.UNKEYED: _OTHER_HEADERS,
    Kind.NEWS: _OTHER_HEADERS,
}
_TAKE_NO_TOKEN: Final = (Kind.PROBE, Kind.READ, Kind.WATCH, Kind.NEWS)
# What any connection may be refused for, whatever is called; by status.
CONNECTION_ERRORS: Final[dict[int, tuple[str, str]]] = {
    400: (Code.INVALID_FIELD.value, "Not a well-formed HTTP request"),
    408: (REQUEST_TIMEOUT, "The request did not arrive in time"),
    413: (Code.TOO_LARGE.value, "The body is larger than 64 KiB"),
    415: (Code.INVALID_FIELD.value, "The body has a Content-Encoding"),
    431: (Code.TOO_LARGE.value, "The request line and headers are larger than 16 KiB"),
    503: (Code.OVERLOADED.value, "A bound of this node is reached"),
}
_ONLY_CONNECTION: Final = (408, 413, 415, 431)


def rendered(operation: Operation) -> Node:
    """The OpenAPI operation object."""
    parameters = [*operation.parameters, *(shared(name) for name in _headers_taken(operation))]
    found: Node = {"operationId": operation.name, "tags": [operation.tag], "summary": operation.summary}
    text = " ".join(filter(None, (operation.text, operation.role and f"Takes the role {operation.role}.")))
    if text:
        found["description"] = text
    if parameters:
        found["parameters"] = parameters
    if operation.body:
        content: Node = {"schema": ref(operation.body)}
        if operation.body_example is not None:
            content["example"] = operation.body_example
        found["requestBody"] = {"required": operation.body_required, "content": {JSON: content}}
    found["responses"] = {str(status): each for status, each in sorted(_responses(operation).items())}
    if operation.kind not in _TAKE_NO_TOKEN:
        found["security"] = [{"token": []}, {}]
    return found


def connection_responses() -> dict[str, Node]:
    """The errors that every call refers to, by their names as components."""
    found: dict[str, Node] = {}
    for status in _ONLY_CONNECTION:
        code, text = CONNECTION_ERRORS[status]
        found[f"Error{status}"] = _error(status, [code], text, ())
    return found


def _headers_taken(operation: Operation) -> list[str]:
    if operation.kind is Kind.WRITE:
        return ["Idempotency-Key"]
    if not _is_kept_by_others(operation):
        return []
    return ["Onsale-Min-Seq", "If-None-Match"] if operation.waits_for_seq else ["If-None-Match"]


def _is_kept_by_others(operation: Operation) -> bool:
    return "ETag" in _HEADERS_GIVEN[operation.kind]


def _responses(operation: Operation) -> dict[int, Node]:
    own_headers = _HEADERS_GIVEN[operation.kind]
    found: dict[int, Node] = {status: {"$ref": f"#/components/responses/Error{status}"} for status in _ONLY_CONNECTION}
    for status, reply in operation.replies.items():
        content: Node = {"schema": reply.schema}
        if reply.example is not None:
            content["example"] = reply.example
        found[status] = {
            "description": reply.description,
            "headers": _header_refs([*own_headers, *reply.headers]),
            "content": {reply.content_type: content},
        }
        if reply.links:
            found[status]["links"] = dict(reply.links)
    if _is_kept_by_others(operation):
        of_answers = [name for reply in operation.replies.values() for name in reply.headers]
        headers = _header_refs([*own_headers, *of_answers])
        found[304] = {"description": "As it was: If-None-Match names it.", "headers": headers}
    codes = {*operation.codes, *_CODES[operation.kind]}
    if "{" in operation.path:
        codes.add(Code.NOT_FOUND)
    if operation.kind is not Kind.PROBE:
        codes.add(Code.RATE_LIMITED)
    return found | _errors(codes, is_kept=operation.kind is Kind.WRITE)


def _errors(codes: Iterable[Code], *, is_kept: bool) -> dict[int, Node]:
    by_status: dict[int, list[str]] = {status: [CONNECTION_ERRORS[status][0]] for status in (400, 503)}
    for code in Code:  # in their order, so that the document is always the same
        if code in codes:
            listed = by_status.setdefault(STATUS[code][0], [])
            listed += [code.value] * (code.value not in listed)
    headers = ("Onsale-Seq", "X-Request-Id", *(["Idempotency-Replayed"] if is_kept else []))
    return {status: _error(status, listed, _titles(listed), headers) for status, listed in by_status.items()}


def _titles(codes: Iterable[str]) -> str:
    return "; ".join(f"{STATUS[Code(code)][1]} (`{code}`)" for code in codes)


def _error(status: int, codes: list[str], description: str, headers: Sequence[str]) -> Node:
    more = {401: ["WWW-Authenticate"], 425: ["Retry-After"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    said: Node = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    found: Node = {"description": description, "content": {PROBLEM: {"schema": {"allOf": [ref("Problem"), said]}}}}
    if headers or more:
        found["headers"] = _header_refs([*headers, *more])
    return found


def _header_refs(names: Iterable[str]) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
