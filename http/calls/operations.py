"""Calls of load balancers and tools: health, the journal, metrics, the API's own description.

All but the journal are open to everyone who reaches the node, as probes and scrapers carry no token. Health waits for
nothing.
"""

import asyncio
from typing import Any, Final

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE, PUBLISHED, read_answer
from ..call import Answer, Call
from ..gateway import GoneError
from ..problems import refused
from ..render.replies import encode
from ..wire.body import invalid_field
from ..wire.query import lag_ms_of, limit_of, next_link, parse_query, whole_of

JOURNAL_PARAMETERS: Final = ("after_seq", "limit")
METRICS_PARAMETERS: Final = ("names",)
REPLICA_PARAMETERS: Final = ("max_lag",)
METRICS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS_BYTES_PER_TURN: Final = 4_096  # some hundred microseconds
PRIMARY: Final = "primary"


def get_liveness(api: Api, call: Call) -> Answer:
    return _health(api, call, status="ok")


def get_readiness(api: Api, call: Call) -> Answer:
    _refuse_newcomers(api, Code.OVERLOADED)
    if not api.gateway.ready:
        detail = "This node is starting, stopping, or far from what it shows being fresh; ask another, or again soon."
        raise refused(Code.OVERLOADED, detail)
    return _health(api, call, status="ready")


def get_primary(api: Api, call: Call) -> Answer:
    gateway = api.gateway
    _refuse_newcomers(api, Code.NO_PRIMARY)
    if not gateway.leads or not gateway.ready:
        address = gateway.primary_address
        where = {"primaryAddress": address} if address and not gateway.leads else {}
        raise refused(Code.NO_PRIMARY, f"This node is not the serving primary: its role is {gateway.role}.", **where)
    return _health(api, call, status="ok")


def get_replica(api: Api, call: Call) -> Answer:
    lag_ms_max = lag_ms_of(parse_query(call.query, REPLICA_PARAMETERS), "max_lag")
    _refuse_newcomers(api, Code.REPLICA_BEHIND)
    gateway = api.gateway
    lag_ms = 0 if gateway.role == PRIMARY else gateway.lag_ms
    if not gateway.ready or (lag_ms_max is not None and lag_ms > lag_ms_max):
        raise refused(Code.REPLICA_BEHIND, f"This node is {lag_ms} ms behind the primary.", lagMs=lag_ms)
    return _health(api, call, status="ok", lagMs=lag_ms)


async def get_journal(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    parameters = parse_query(call.query, JOURNAL_PARAMETERS)
    after_seq, limit = whole_of(parameters, "after_seq", 0), limit_of(parameters)
    await api.catch_up(call)
    seq = api.gateway.durable_seq
    try:
        facts = await api.gateway.facts(after_seq, limit + 1)
    except GoneError as gone:
        fault = f"is before the oldest position kept; the journal begins with {gone.first_seq} here"
        raise invalid_field("after_seq", fault) from None
    page = facts[:limit]
    links = [next_link(call.path, parameters, after_seq=page[-1]["seq"])] if len(facts) > limit else []
    return read_answer(call, encode(page), seq, PRIVATE, *links)


async def get_metrics(api: Api, call: Call) -> Answer:
    """A few families in a turn of the event loop: whoever books does not wait for a scrape."""
    seq, wanted = api.gateway.durable_seq, parse_query(call.query, METRICS_PARAMETERS).get("names", "")
    names = frozenset(wanted.split(",")) if wanted else frozenset()
    body = bytearray()
    turn_ends = METRICS_BYTES_PER_TURN
    for part in api.metrics.render(names):
        body += part
        if len(body) >= turn_ends:
            turn_ends = len(body) + METRICS_BYTES_PER_TURN
            await asyncio.sleep(0)
    # none of these names: what has no body would have no type
    return read_answer(call, bytes(body) or b"\n", seq, PRIVATE, content_type=METRICS_TEXT)


def get_openapi(api: Api, call: Call) -> Answer:
    return read_answer(call, api.openapi(), api.gateway.durable_seq, PUBLISHED)


def _refuse_newcomers(api: Api, code: Code) -> None:
    """A node that is about to stop answers what it is asked, and sends balancers elsewhere."""
    if api.draining:
        raise refused(code, "This node is about to stop: it is answering those who are here; go to another.")


def _health(api: Api, call: Call, **said: Any) -> Answer:
    seq = api.gateway.durable_seq
    return read_answer(call, encode(said | {"role": api.gateway.role, "seq": seq}), seq, PRIVATE)
