"""The calls about the node itself, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from ..wire.query import LAG_SECONDS_MAX
from .openapi_parts import LIMIT, Kind, Operation, Reply, parameter, shared
from .openapi_schemas import array_of, ref

_FACT: Final[dict[str, Any]] = {
    "seq": 57,
    "at": "2026-06-01T08:00:00.000Z",
    "epoch": 1,
    "type": "held",
    "bookingId": 1,
    "userId": "u-1",
}
_MEMBER: Final[dict[str, Any]] = {
    "name": "node-1",
    "role": "primary",
    "state": "serving",
    "epoch": 1,
    "receivedSeq": 61,
    "appliedSeq": 61,
    "durableSeq": 61,
    "lagMs": 0,
    "address": "127.0.0.1:8080",
}
_HEALTH: Final[dict[str, Any]] = {"status": "ok", "role": "primary", "seq": 61}


def _probe(path: str, name: str, summary: str, reply: Reply, *codes: Code, **more: Any) -> Operation:
    return Operation(
        "GET", path, name, "Node", Kind.PROBE, summary, {200: reply}, codes=codes, waits_for_seq=False, **more
    )


OPERATIONS: Final = (
    Operation(
        "GET",
        "/journal",
        "readJournal",
        "Node",
        Kind.PERSONAL,
        "The committed facts, in order",
        {200: Reply("Facts behind `after_seq`.", array_of("Fact"), [_FACT], ["Link"])},
        "Resumable: ask again with the last `seq` as `after_seq`, or follow the Link header.",
        "operator",
        parameters=(
            parameter(
                "after_seq",
                "query",
                {"type": "integer", "minimum": 0, "maximum": ID_MAX, "default": 0},
                "The position of the last fact that is known already.",
                56,
            ),
            shared(LIMIT),
        ),
        codes=(Code.UNKNOWN_FIELD,),
    ),
    _probe("/healthz", "getLiveness", "Whether the process lives", Reply("It does.", ref("Health"), _HEALTH)),
    _probe(
        "/readyz",
        "getReadiness",
        "Whether the node takes calls",
        Reply("It does.", ref("Health"), _HEALTH | {"status": "ready"}),
    ),
    _probe(
        "/primary",
        "isPrimary",
        "Whether this node takes writes itself",
        Reply("It does.", ref("Health"), _HEALTH),
        Code.NO_PRIMARY,
    ),
    _probe(
        "/replica",
        "isFresh",
        "Whether this node is fresh enough to read from",
        Reply("It is.", ref("Health"), _HEALTH | {"lagMs": 0}),
        Code.UNKNOWN_FIELD,
        Code.REPLICA_BEHIND,
        parameters=(
            parameter(
                "max_lag",
                "query",
                {"type": "number", "minimum": 0, "maximum": LAG_SECONDS_MAX},
                "How many seconds it may be behind the primary.",
                5,
            ),
        ),
    ),
    _probe(
        "/cluster",
        "getCluster",
        "The members, their roles, epochs, positions and lag",
        Reply(
            "The cluster as this node knows it.", ref("Cluster"), {"members": [_MEMBER], "role": "primary", "seq": 61}
        ),
    ),
    _probe(
        "/metrics",
        "getMetrics",
        "Metrics for Prometheus",
        Reply("Prometheus' text format.", {"type": "string"}, content_type="text/plain"),
    ),
    _probe(
        "/openapi.json",
        "getOpenApi",
        "This description",
        Reply("OpenAPI 3.1.", {"type": "object", "required": ["openapi", "info", "paths"]}),
    ),
    _probe(
        "/docs",
        "getDocs",
        "This description as a page",
        Reply("HTML.", {"type": "string"}, content_type="text/html"),
    ),
    _probe(
        "/docs/errors",
        "getErrorDocs",
        "What each error code means",
        Reply(
            "The same page; an error's `type` leads to its place on it.", {"type": "string"}, content_type="text/html"
        ),
    ),
)
