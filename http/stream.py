"""`GET /users/{userId}/stream`: what a user is told, live, as Server-Sent Events that can be resumed without a gap.

Owns the streams of one node: how many there may be, what each has still to send, and when one ends. Promises every
notice behind the one a client names (or behind the position its answer begins with), each once, in order, and none that
could still be lost. A stream is never waited for: whoever does not read is cut off and comes back with Last-Event-ID,
as do all when the node stops.

However many streams one batch concerns, no turn of the loop writes to more than a few of them. Their backlogs are read
a few at a time, for after a restart all clients come back in the same second.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Final

from aiohttp import hdrs, web

from ..engine.codes import Code
from ..engine.records import Notice
from ..engine.state import State
from .access import guard as access
from .api import Api
from .application import as_call, as_response
from .caching import PRIVATE
from .call import Answer, Call
from .connection.framework import FrameworkConnection
from .connection.limits import Deadline
from .gateway import Gateway, UnavailableError
from .problems import RefusedError, problem, refused
from .render.bookings import notice_document
from .render.replies import encode
from .wire.query import parse_query, path_segments, path_user_id, to_whole, whole_of

STREAMS_MAX: Final = 20_000
STREAMS_PER_USER_MAX: Final = 16
UNSENT_MAX: Final = 256  # notices, besides what the connection's own buffer holds (ConnectionLimits)
BEAT_SECONDS: Final = 15.0  # between comments: who has gone is noticed, and proxies see that it is alive
RETRY_MS: Final = 1_000  # after which a client that was cut comes back
NOTICES_PER_WRITE: Final = 50
BACKLOGS_AT_ONCE: Final = 32  # well below what the archive takes
WOKEN_PER_TURN: Final = 32  # each takes some 50 microseconds

_ROUTE: Final = "/users/{userId}/stream"  # in metrics
_ALLOW: Final = ("Allow", "GET, HEAD, OPTIONS")
_LAST_EVENT_ID: Final = "Last-Event-ID"
_PARAMETER: Final = "last_event_id"  # for those who cannot set headers
_CONTENT_TYPE: Final = "text/event-stream"
_BEAT: Final = b":\n\n"


def stream_routes(api: Api) -> list[web.RouteDef]:
    """The routes to be served besides `routes.ROUTES`: see `make_application`."""
    return [web.route("*", r"/users/{userId:[^/]+}/stream", _Streams(api).answer)]


class _Streams:
    """Those of one node."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.backlogs = asyncio.Semaphore(BACKLOGS_AT_ONCE)
        self._of_user: dict[str, int] = {}
        self._count = 0
        self._to_wake: deque[_Stream] = deque()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        began = perf_counter()
        call = await as_call(request)
        limited = self.api.gate.limited(call)
        if limited is not None:
            return as_response(limited)
        try:
            if call.method in ("GET", "HEAD"):
                return await self._stream(request, call, began)
            answer = to_other_methods(call.method)
        except RefusedError as refusal:
            answer = refusal.answer
        except UnavailableError as fault:
            answer = problem(Code.OVERLOADED, str(fault))
        answer = self.api.finish(answer)
        self.api.count(call.method, _ROUTE, answer.status, perf_counter() - began)
        return as_response(answer)

    async def _stream(self, request: web.Request, call: Call, began: float) -> web.StreamResponse:
        api = self.api
        if api.draining or not api.gateway.ready:
            detail = "This node is starting or stopping; ask another, or again in a moment."
            raise refused(Code.REPLICA_BEHIND, detail)
        user_id = path_user_id(path_segments(call.path)[1])
        _check_may_read(api, call, user_id)
        last_id = last_id_of(call)
        await api.catch_up(call)
        if last_id is not None and api.gateway.leads and last_id >= api.gateway.state.next_notice_id:
            raise refused(Code.INVALID_FIELD, f"No event has the id {last_id} yet.", field=_LAST_EVENT_ID)
        if call.method == "HEAD":
            api.count("HEAD", _ROUTE, 200, perf_counter() - began)
            return stream_response(api.gateway.durable_seq)  # as it would begin
        with self._place(user_id):
            gateway = api.gateway
            stream = _Stream(self, gateway, request, call, user_id)
            end = gateway.subscribe(user_id, stream.take)  # before the backlog is read: nothing falls between the two
            try:
                seq, page = await stream.begin(last_id)
                api.count("GET", _ROUTE, 200, perf_counter() - began)
                return await stream.serve(seq, page)
            finally:
                end()
                stream.beat.cancel()

    @contextmanager
    def _place(self, user_id: str) -> Iterator[None]:
        """One among all, and among the user's."""
        if self._count >= STREAMS_MAX:
            raise refused(Code.OVERLOADED, "Too many streams are open on this node; ask another one.")
        theirs = self._of_user.get(user_id, 0)
        if theirs >= STREAMS_PER_USER_MAX:
            raise refused(Code.RATE_LIMITED, f"This user has {theirs} streams open; close one of them first.")
        self._of_user[user_id] = theirs + 1
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._of_user[user_id] -= 1
            if not self._of_user[user_id]:
                del self._of_user[user_id]

    def wake(self, stream: "_Stream") -> None:
        """Let it look what there is to do: in this turn of the loop or, where many are woken, a later one."""
        self._to_wake.append(stream)
        if len(self._to_wake) == 1:
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _wake_some(self) -> None:
        for _ in range(min(WOKEN_PER_TURN, len(self._to_wake))):
            self._to_wake.popleft().woken()
        if self._to_wake:
            asyncio.get_running_loop().call_soon(self._wake_some)


class _Stream:
    """One client's. It is written by the task that answers the request, and by nobody else."""

    __slots__ = (
        "_beat_due", "_call", "_gateway", "_is_awake", "_is_cut", "_is_over", "_last_id", "_request", "_streams",
        "_unsent", "_user_id", "_waiter", "beat",
    )  # fmt: skip

    def __init__(self, streams: _Streams, gateway: Gateway, request: web.Request, call: Call, user_id: str) -> None:
        self.beat = Deadline(asyncio.get_running_loop(), self._on_beat)
        self._streams = streams
        self._gateway = gateway
        self._request = request
        self._call = call
        self._user_id = user_id
        self._last_id = 0  # of the last notice sent, or not to be sent
        self._unsent: deque[Notice] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_awake = False
        self._is_over = False  # nothing more will come
        self._is_cut = False
        self._beat_due = False

    # --- what wakes it

    def take(self, notice: Notice | None) -> None:
        """The gateway's word."""
        if notice is None:
            self._is_over = True
        elif self._is_cut or notice.id <= self._last_id:
            return
        elif len(self._unsent) >= UNSENT_MAX:
            self._cut()
            return
        else:
            self._unsent.append(notice)
        self._wake()

    def _on_beat(self) -> None:
        self._beat_due = True
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._streams.wake(self)

    def woken(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _cut(self) -> None:
        """The client does not read. What it lacks it gets when it comes back."""
        self._is_cut = True
        self._unsent.clear()
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- what it does

    async def begin(self, last_id: int | None) -> tuple[int, list[Notice]]:
        """The position it begins with, and what is to be sent at once. Raises RefusedError, UnavailableError."""
        if last_id is not None:
            self._last_id = last_id
            return self._gateway.durable_seq, await self._page()
        # what the state shows is the past, once it is durable: until then this waits, and is not told of it
        self._last_id = self._gateway.state.next_notice_id - 1
        return await self._streams.api.shown(), []

    async def serve(self, seq: int, page: list[Notice]) -> web.StreamResponse:
        """Goes on until this node has no more to say; cancelled when the client leaves or is cut off."""
        response = stream_response(seq)
        response.force_close()
        protocol = self._request.protocol
        if isinstance(protocol, FrameworkConnection):
            protocol.begin_stream()
        self.beat.move(BEAT_SECONDS)
        with suppress(ConnectionError, RefusedError, UnavailableError):  # in each case it ends, and may be resumed
            await response.prepare(self._request)
            # an id without data is no event, but a client that is cut before the first one resumes from here
            await response.write(b": connected\nretry: %d\nid: %d\n\n" % (RETRY_MS, self._last_id))
            while page:
                await self._send(response, page)
                page = await self._page() if len(page) == NOTICES_PER_WRITE else []
            while not self._is_over or self._unsent:
                await self._go_on(response)
        return response

    async def _go_on(self, response: web.StreamResponse) -> None:
        """Do what there is to do, or wait for something."""
        self._is_awake = False
        if self._unsent:
            count = min(len(self._unsent), NOTICES_PER_WRITE)
            await self._send(response, [self._unsent.popleft() for _ in range(count)])
        elif self._beat_due:
            self._beat_due = False
            self.beat.move(BEAT_SECONDS)
            _check_may_read(self._streams.api, self._call, self._user_id)  # a token ends while a stream goes on
            await response.write(_BEAT)
        else:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def _send(self, response: web.StreamResponse, notices: list[Notice]) -> None:
        """Those that were not sent before. Waits until the client has taken most of what it was sent."""
        fresh = [notice for notice in notices if notice.id > self._last_id]
        if fresh:
            self._last_id = fresh[-1].id
            events = b"".join([_event(notice, self._gateway.state) for notice in fresh])
            await self._streams.api.shown()  # they tell of a notice and its event, which may just have changed
            await response.write(events)
            await self._request.writer.drain()

    async def _page(self) -> list[Notice]:
        async with self._streams.backlogs:
            return await self._gateway.notices_after(self._user_id, self._last_id, NOTICES_PER_WRITE)


def _event(notice: Notice, state: State) -> bytes:
    # JSON as it is rendered has no line breaks, and kinds are words
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        notice.id,
        notice.kind.encode(),
        encode(notice_document(notice, state)),
    )


def stream_response(seq: int) -> web.StreamResponse:
    headers = {
        hdrs.CONTENT_TYPE: _CONTENT_TYPE,
        hdrs.CACHE_CONTROL: PRIVATE,
        "X-Accel-Buffering": "no",
        "Onsale-Seq": str(seq),
    }
    return web.StreamResponse(headers=headers)


def _check_may_read(api: Api, call: Call, user_id: str) -> None:
    access.check_acts_for(access.caller(api.authenticator, call), user_id)


def last_id_of(call: Call) -> int | None:
    """Of the last event the client has; the header, which browsers send when they come back, is the newer one."""
    parameters = parse_query(call.query, (_PARAMETER,))
    text = call.headers.get(_LAST_EVENT_ID)
    if text:
        return to_whole(text, _LAST_EVENT_ID)
    return whole_of(parameters, _PARAMETER, 0) if _PARAMETER in parameters else None


def to_other_methods(method: str) -> Answer:
    if method == "OPTIONS":
        return Answer(204, b"", (_ALLOW, ("Cache-Control", PRIVATE)))
    answer = problem(Code.METHOD_NOT_ALLOWED, f"This path takes {_ALLOW[1]}.")
    return answer.with_headers((*answer.headers, _ALLOW))
