"""Which call answers which method and path; and the plain way in, for whoever has a `Call` and wants an `Answer`.

Owns the table of routes and `handle`. Promises an answer for every call whatever is in it: what the API refuses comes
out as its problem, what nobody thought of as `internal`; and that a write which this node is not to decide is answered
by the one that is, as that one answers it. Knows no aiohttp, sockets or streams.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final, NamedTuple

from multidict import CIMultiDict, istr

from ..engine.codes import Code
from .access import guard as access
from .access_log import FORWARDED_HEADER, WRITES
from .api import Api
from .caching import PRIVATE
from .call import Answer, Call
from .calls import (
    bookings,
    challenge,
    cluster,
    events,
    operations,
    outbox,
    pages,
    queue,
    receipts,
    rehearsal,
    reports,
    seats,
    tickets,
    users,
    webhooks,
)
from .gateway import UnavailableError
from .kept_refusals import kept_refusal
from .problems import RefusedError, problem, refused
from .request_ids import REQUEST_ID, request_id_of, with_request_id
from .wire.query import path_segments

Handler = Callable[..., Answer | Awaitable[Answer]]  # (api, call, *ids in the path)


class Route(NamedTuple):
    method: str
    path: str  # with {names} for what varies; RFC 6570, as in OpenAPI
    handler: Handler


def _plain(hot: Callable[..., None]) -> Handler:
    """A call in callback style, `(api, call, reply, …)`, to be awaited."""

    async def handler(api: Api, call: Call, *ids: str) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def reply(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        hot(api, call, reply, *ids)
        return await future

    return handler


async def _get_availability(api: Api, call: Call, event_id: str) -> Answer:
    await api.catch_up(call)
    answer: Answer = await _availability(api, call, event_id)  # type: ignore[misc]
    return answer


async def _get_challenge(api: Api, call: Call) -> Answer:
    await api.catch_up(call)
    answer: Answer = await _challenge(api, call)  # type: ignore[misc]
    return answer


def _caught_up(hot: Callable[..., None]) -> Handler:
    """A read in callback style, to be awaited, that waits for the position it was sent with."""
    plain = _plain(hot)

    async def handler(api: Api, call: Call, *ids: str) -> Answer:
        await api.catch_up(call)
        answer: Answer = await plain(api, call, *ids)  # type: ignore[misc]
        return answer

    return handler


_availability = _plain(events.get_availability)
_challenge = _plain(challenge.get_challenge)

ROUTES: Final = (
    Route("GET", "/events", events.list_events),
    Route("POST", "/events", events.create_event),
    Route("GET", "/events/{eventId}", events.get_event),
    Route("PATCH", "/events/{eventId}", events.change_event),
    Route("GET", "/events/{eventId}/availability", _get_availability),
    Route("POST", "/events/{eventId}/cancel", events.cancel_event),
    Route("GET", "/events/{eventId}/progress", events.get_progress),
    Route("GET", "/events/{eventId}/fairness", reports.get_fairness),
    Route("GET", "/events/{eventId}/seats", seats.get_seats),
    Route("POST", "/events/{eventId}/queue", _plain(queue.post_queue)),
    Route("GET", "/events/{eventId}/queue", _caught_up(queue.get_queue)),
    Route("GET", "/events/{eventId}/queue/{token}", _caught_up(queue.get_place)),
    Route("DELETE", "/events/{eventId}/queue/{token}", queue.leave_queue),
    Route("GET", "/challenge", _get_challenge),
    Route("POST", "/booking", _plain(bookings.post_booking)),
    Route("GET", "/booking/{bookingId}", bookings.get_booking),
    Route("GET", "/booking/{bookingId}/receipt", receipts.get_receipt),
    Route("GET", "/booking/{bookingId}/story", reports.get_story_of_booking),
    Route("DELETE", "/booking/{bookingId}", bookings.give_up),
    Route("POST", "/booking/{bookingId}/refund", bookings.post_refund),
    Route("POST", "/pay", _plain(bookings.post_payment)),
    Route("POST", "/webhooks/stripe", webhooks.post_stripe),
    Route("GET", "/tickets/key", tickets.get_key),  # before the next: it is no code
    Route("GET", "/tickets/{code}", tickets.get_ticket),
    Route("GET", "/tickets/{code}/qr.svg", tickets.get_svg),
    Route("GET", "/tickets/{code}/qr.png", tickets.get_png),
    Route("POST", "/tickets/{code}/check-in", tickets.check_in),
    Route("GET", "/users/{userId}", users.get_user),
    Route("PUT", "/users/{userId}", users.save_user),
    Route("GET", "/users/{userId}/bookings", users.list_bookings),
    Route("GET", "/users/{userId}/notifications", users.list_notifications),
    Route("GET", "/outbox", outbox.get_outbox),
    Route("POST", "/outbox/retry", outbox.post_retry),
    Route("POST", "/outbox/concerns/close", outbox.close_concern),
    Route("POST", "/reconcile", outbox.post_reconcile),
    Route("GET", "/journal", operations.get_journal),
    Route("GET", "/journal/head", receipts.get_head),
    Route("GET", "/journal/{seq}/story", reports.get_story_of_seq),
    Route("GET", "/receipt_check.py", receipts.get_script),
    Route("GET", "/healthz", operations.get_liveness),
    Route("GET", "/readyz", operations.get_readiness),
    Route("GET", "/primary", operations.get_primary),
    Route("GET", "/replica", operations.get_replica),
    Route("GET", "/cluster", cluster.get_cluster),
    Route("POST", "/cluster/failover", cluster.post_failover),
    Route("POST", "/cluster/switchover", cluster.post_switchover),
    Route("POST", "/cluster/sync-standbys", cluster.post_sync_standbys),
    Route("POST", "/cluster/pause", cluster.post_pause),
    Route("POST", "/cluster/resume", cluster.post_resume),
    Route("DELETE", "/cluster/members/{name}", cluster.delete_member),
    Route("GET", "/metrics", operations.get_metrics),
    Route("GET", "/openapi.json", operations.get_openapi),
    Route("GET", "/docs", pages.get_docs),
    Route("GET", "/docs/errors", pages.get_error_docs),
)


class _Resource(NamedTuple):
    """A path and all that can be done there."""

    path: str
    handlers: dict[str, Handler]  # by method


PAGES: Final = (  # for browsers, and what only the sample has: no part of the API, and not in its description
    Route("GET", "/", pages.get_storefront),
    Route("GET", "/console", pages.get_console),
    Route("GET", "/rehearsal", rehearsal.get_rehearsal),
    Route("POST", "/rehearsal", rehearsal.post_rehearsal),
    Route("DELETE", "/rehearsal", rehearsal.delete_rehearsal),
    Route("GET", "/static/{version}/{folder}/{name}", pages.get_static),
)


def _by_segments() -> dict[int, dict[tuple[str | None, ...], _Resource]]:
    """By number of segments, then by pattern (None: whatever stands there)."""
    table: dict[int, dict[tuple[str | None, ...], _Resource]] = {}
    for method, path, handler in (*ROUTES, *PAGES):
        pattern = tuple(None if part.startswith("{") else part for part in path.split("/")[1:])
        table.setdefault(len(pattern), {}).setdefault(pattern, _Resource(path, {})).handlers[method] = handler
    return table


_TABLE: Final = _by_segments()
_METHODS: Final = frozenset(route.method for route in ROUTES) | {"HEAD", "OPTIONS"}
_OTHER: Final = "other"  # in metrics, what has no route
_WITHOUT_COPY: Final = frozenset(  # answered by a node that has no state yet
    {
        "/healthz", "/readyz", "/primary", "/replica", "/cluster", "/metrics", "/openapi.json", "/docs", "/docs/errors",
        "/receipt_check.py", "/", "/console", "/static/{version}/{folder}/{name}",
    }
)  # fmt: skip
_OF_THE_NODE: Final = ("/cluster/", "/reconcile", "/rehearsal")  # orders to the node that is asked
ASK_HEADER: Final = istr("Onsale-Ask")
ASK_PRIMARY: Final = "primary"  # an operator's call is for the node that leads, though another one is asked
_ECHO_CHARACTERS_MAX: Final = 100


async def handle(api: Api, call: Call) -> Answer:
    """The answer to a call; nothing is raised. `call.path` is as the client sent it, still percent-encoded."""
    began = perf_counter()
    if api.access_log.is_on or REQUEST_ID in call.headers:
        request_id_of(call)
    path, answer = await _answer(api, call)
    method = call.method if call.method in _METHODS else _OTHER
    seconds = perf_counter() - began
    api.count(method, path, answer.status, seconds)
    if call.request_id:
        answer = with_request_id(answer, call.request_id)
        api.access_log.note(api.authenticator, call, method, path, answer, seconds)
    return answer


async def _answer(api: Api, call: Call) -> tuple[str, Answer]:
    """The path of its route, and the answer."""
    path = _OTHER
    try:
        resource, ids = _find(call.path)
        path = resource.path
        handler = resource.handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            answer = _without_handler(call.method, resource)
        elif path not in _WITHOUT_COPY and (limited := api.gate.limited(call)) is not None:
            answer = limited
        elif (forwarded := await _forwarded(api, call)) is not None:
            return path, forwarded
        elif not api.gateway.ready and path not in _WITHOUT_COPY and not path.startswith(_OF_THE_NODE):
            code = Code.NO_PRIMARY if call.method in WRITES else Code.REPLICA_BEHIND
            answer = problem(code, "This node is starting or stopping; ask another, or again in a moment.")
        else:
            made = handler(api, call, *ids)
            answer = await made if inspect.isawaitable(made) else made
    except RefusedError as refusal:
        kept = kept_refusal(api.authenticator, call, refusal) if _is_decided_here(api, call) else None
        answer = refusal.answer if kept is None else await api.write(*kept)
    except UnavailableError as fault:
        answer = problem(Code.OVERLOADED, str(fault))
    except Exception:  # noqa: BLE001 - the last resort is here
        answer = api.internal(call)
    return path, api.finish(answer)


async def _forwarded(api: Api, call: Call) -> Answer | None:
    """The primary's own answer, byte for byte, to a write or to what an operator asks of the primary through this node;
    None where this node is to answer. Raises RefusedError.
    """
    asks = call.headers.get(ASK_HEADER) == ASK_PRIMARY
    is_write = call.method in WRITES and not call.path.startswith(_OF_THE_NODE)
    if api.gateway.leads or not (is_write or asks):
        return None
    if asks:
        access.operator(api.authenticator, call)
    if FORWARDED_HEADER in call.headers:  # whoever forwarded it looks for the primary; two nodes must not play ball
        sender = call.headers[FORWARDED_HEADER][:_ECHO_CHARACTERS_MAX]
        raise refused(Code.NO_PRIMARY, f"This node is not the primary, though {sender} took it for that.")
    passed_on = api.gate.passed_on(call)
    if call.request_id:  # under which it is found in the logs of both nodes
        headers = CIMultiDict(passed_on.headers)
        headers[REQUEST_ID] = call.request_id
        passed_on.headers = headers
    return await api.gateway.forward(passed_on)


def _is_decided_here(api: Api, call: Call) -> bool:
    return api.gateway.leads and not call.path.startswith(_OF_THE_NODE)


def _find(path: str) -> tuple[_Resource, list[str]]:
    """The resource at a path, and the ids in it. Raises RefusedError."""
    segments = path_segments(path)
    for pattern, resource in _TABLE.get(len(segments), {}).items():
        ids = [segment for part, segment in zip(pattern, segments, strict=True) if part is None]
        if all(ids) and all(part in (None, segment) for part, segment in zip(pattern, segments, strict=True)):
            return resource, ids
    raise refused(Code.NOT_FOUND, "There is nothing at this path; /docs lists what there is.")


def _without_handler(method: str, resource: _Resource) -> Answer:
    methods = {*resource.handlers, "OPTIONS"} | ({"HEAD"} if "GET" in resource.handlers else set())
    allow = ("Allow", ", ".join(sorted(methods)))
    if method == "OPTIONS":
        return Answer(204, b"", (allow, ("Cache-Control", PRIVATE)))
    answer = problem(Code.METHOD_NOT_ALLOWED, f"This path takes {allow[1]}.")
    return answer.with_headers((*answer.headers, allow))
