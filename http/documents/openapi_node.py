"""The calls about the node itself, for the OpenAPI document."""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.limits import ID_MAX
from ..wire.cluster import MEMBER_NAME_CHARACTERS_MAX
from ..wire.query import LAG_SECONDS_MAX
from .openapi_parts import LIMIT, PAGE_HEADERS, Kind, Operation, Reply, parameter, shared
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
    "name": "alfa",
    "role": "primary",
    "state": "serving",
    "epoch": 1,
    "receivedSeq": 61,
    "appliedSeq": 61,
    "durableSeq": 61,
    "lagMs": 0,
    "address": "http://10.0.0.1:8080",
    "replication": "10.0.0.1:7400",
    "sync": False,
    "ageMs": 0,
}
_CLUSTER: Final[dict[str, Any]] = {
    "members": [_MEMBER],
    "node": "alfa",
    "role": "primary",
    "seq": 61,
    "epoch": 1,
    "syncStandbys": 0,
    "syncStandbysMet": 0,
    "primary": "alfa",
    "primaryAddress": "http://10.0.0.1:8080",
    "health": "ok",
    "takeover": "by_operator",
    "problems": [],
}
_CHANGE: Final[dict[str, Any]] = {
    "done": True,
    "epoch": 4,
    "primary": "bravo",
    "sentences": ["bravo leads in epoch 4 and answers, from seq 62 on."],
    "seq": 62,
}
_DONE: Final = {200: Reply("It was done; with `dryRun`, it can be.", ref("ClusterChange"), _CHANGE)}
_PRIMARYS: Final = "Asked of the primary; another node says where that is."
_NAME: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MEMBER_NAME_CHARACTERS_MAX,
    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
}
_HEALTH: Final[dict[str, Any]] = {"status": "ok", "role": "primary", "seq": 61}


def _probe(path: str, name: str, summary: str, reply: Reply, *codes: Code, **more: Any) -> Operation:
    return Operation(
        "GET", path, name, "Node", Kind.PROBE, summary, {200: reply}, codes=codes, waits_for_seq=False, **more
    )


def _order(method: str, path: str, name: str, summary: str, text: str, *codes: Code, **more: Any) -> Operation:
    return Operation(method, path, name, "Cluster", Kind.ORDER, summary, _DONE, text, "operator", codes=codes, **more)


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
        Reply("The cluster as this node knows it.", ref("Cluster"), _CLUSTER),
    )._replace(tag="Cluster"),
    _order(
        "POST",
        "/cluster/failover",
        "failOver",
        "Let a standby take over from a primary that is gone",
        "Asked of any node that answers. Refused with `unsafe` when it cannot be proven that no answer is lost.",
        body="Failover",
        body_required=False,
        body_example={"to": "bravo"},
    ),
    _order(
        "POST",
        "/cluster/switchover",
        "switchOver",
        "Have the primary hand over to a standby",
        f"Nothing is lost; if the standby does not take over in time, the primary goes on. {_PRIMARYS}",
        Code.NO_PRIMARY,
        body="Switchover",
        body_required=False,
        body_example={"to": "bravo"},
    ),
    _order(
        "POST",
        "/cluster/sync-standbys",
        "setSyncStandbys",
        "Say how many standbys answers to writes wait for",
        _PRIMARYS,
        Code.NO_PRIMARY,
        body="SyncStandbys",
        body_example={"syncStandbys": 1},
    ),
    _order(
        "POST",
        "/cluster/pause",
        "pauseTakeover",
        "Keep standbys from taking over by themselves",
        "For maintenance, where nodes were started with --etcd. Any voter can be asked; the primary goes on.",
    ),
    _order(
        "POST",
        "/cluster/resume",
        "resumeTakeover",
        "Let standbys take over by themselves again",
        "Any voter can be asked.",
    ),
    _order(
        "DELETE",
        "/cluster/members/{name}",
        "removeMember",
        "Forget a member",
        f"For one that does not come back. {_PRIMARYS}",
        Code.NO_PRIMARY,
        parameters=(parameter("name", "path", _NAME, "The member's name.", "delta"),),
    ),
    _probe(
        "/metrics",
        "getMetrics",
        "Metrics for Prometheus",
        Reply("Prometheus' text format.", {"type": "string"}, content_type="text/plain"),
        Code.UNKNOWN_FIELD,
        parameters=(
            parameter(
                "names",
                "query",
                {"type": "string"},
                "Of these families alone, with commas and without `_total`; not of those of HTTP and the process.",
                "onsale_held,onsale_commands",
            ),
        ),
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
        Reply("HTML.", {"type": "string"}, headers=PAGE_HEADERS, content_type="text/html"),
    ),
    _probe(
        "/docs/errors",
        "getErrorDocs",
        "What each error code means",
        Reply(
            "A page; an error's `type` leads to its place on it.",
            {"type": "string"},
            headers=PAGE_HEADERS,
            content_type="text/html",
        ),
    ),
)
