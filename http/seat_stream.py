"""`GET /events/{eventId}/seats/stream`: changes of a seat map, live, as Server-Sent Events that can be resumed.

Owns who watches which seat map on this node. What has changed is looked for a few times a second, rendered once and
sent to all who watch, with the position it reflects as `id`; so a crowd that watches costs little more than one.
Whoever comes back with Last-Event-ID (or comes with the `seq` of a seat map as `last_event_id`) is sent the seats that
may have changed since; where that is not known any more, an event `reload` says that the map is to be fetched again.
Never waits for a client: one that does not read is cut off, and comes back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import Final

from aiohttp import web

from ..engine.codes import Code
from ..engine.seats import Seating
from .api import Api
from .application import as_call, as_response
from .calls.seats import seated_sale
from .connection.framework import FrameworkConnection
from .gateway import UnavailableError
from .problems import RefusedError, problem, refused
from .render.replies import encode
from .render.seats import STATUS_NAMES, ChangedSeatDocument, ChangedSeatsDocument
from .stream import BEAT_SECONDS, RETRY_MS, last_id_of, stream_response, to_other_methods
from .wire.query import path_segments

WATCHERS_MAX: Final = 20_000
UNSENT_MAX: Final = 64  # events, besides what the connection's own buffer holds
TICK_SECONDS: Final = 0.2
TOLD_PER_TURN: Final = 64  # who watch, before others have their turn

_ROUTE: Final = "/events/{eventId}/seats/stream"  # in metrics


def seat_stream_routes(api: Api) -> list[web.RouteDef]:
    return [web.route("*", r"/events/{eventId:[^/]+}/seats/stream", SeatStreams(api).answer)]


class _Watcher:
    """One client's unsent events."""

    def __init__(self, request: web.Request) -> None:
        self.unsent: deque[bytes] = deque()
        self.something = asyncio.Event()
        self.is_over = False
        self._request = request

    def tell(self, event: bytes) -> None:
        if len(self.unsent) >= UNSENT_MAX:
            self.unsent.clear()
            self.is_over = True
            if self._request.transport is not None:
                self._request.transport.abort()
        else:
            self.unsent.append(event)
        self.something.set()

    def end(self) -> None:
        self.is_over = True
        self.something.set()


class _Watched:
    """One event's seat map, and who watches it."""

    def __init__(self, seating: Seating) -> None:
        self.seating = seating
        self.version = seating.version
        self.statuses = [seating.statuses(row) for row in range(len(seating.rows))]
        self.watchers: dict[_Watcher, None] = {}
        self.task: asyncio.Task[None] | None = None
        self._untold: dict[int, None] = {}  # seats

    def look(self) -> None:
        """Note what is another way than when this was called before: whoever comes now knows how it is now, so that a
        seat which is soon as it was before must be told of all the same.
        """
        since, self.version = self.version, self.seating.version
        if since == self.version:
            return
        for row, version in enumerate(self.seating.row_versions):
            if version > since:
                before, now = self.statuses[row], self.seating.statuses(row)
                self.statuses[row] = now
                first = self.seating.firsts[row]
                changed = (first + place for place in range(len(now)) if before[place] != now[place])
                self._untold.update(dict.fromkeys(changed))

    def take_untold(self) -> list[ChangedSeatDocument]:
        """What those who watch have not been told, as it is now."""
        self.look()
        untold, self._untold = sorted(self._untold), {}
        seating = self.seating
        return [ChangedSeatDocument(seating.name(seat), STATUS_NAMES[seating.status(seat)]) for seat in untold]


class SeatStreams:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._watched: dict[int, _Watched] = {}
        self._count = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        api, began = self._api, perf_counter()
        call = await as_call(request)
        limited = api.gate.limited(call)
        if limited is not None:
            return as_response(limited)
        try:
            if call.method not in ("GET", "HEAD"):
                answer = to_other_methods(call.method)
            else:
                if api.draining or not api.gateway.ready:
                    raise refused(Code.REPLICA_BEHIND, "This node is starting or stopping; ask another.")
                event_id = path_segments(call.path)[1]
                await api.catch_up(call)
                sale = seated_sale(api, event_id)
                last_id = last_id_of(call)
                api.count(call.method, _ROUTE, 200, perf_counter() - began)
                if call.method == "HEAD":
                    return stream_response(api.gateway.durable_seq)
                assert sale.seating is not None
                return await self._stream(request, sale.event.id, sale.seating, last_id)
        except RefusedError as refusal:
            answer = refusal.answer
        except UnavailableError as fault:
            answer = problem(Code.OVERLOADED, str(fault))
        answer = api.finish(answer)
        api.count(call.method, _ROUTE, answer.status, perf_counter() - began)
        return as_response(answer)

    async def _stream(
        self, request: web.Request, event_id: int, seating: Seating, last_id: int | None
    ) -> web.StreamResponse:
        if self._count >= WATCHERS_MAX:
            raise refused(Code.OVERLOADED, "Too many streams are open on this node; ask another one.")
        watcher = _Watcher(request)
        watched = self._watch(event_id, seating, watcher)
        self._count += 1
        try:
            first = self._since(event_id, seating, last_id)
            response = stream_response(await self._api.shown())
            response.force_close()
            if isinstance(request.protocol, FrameworkConnection):
                request.protocol.begin_stream()
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write(b": connected\nretry: %d\n\n%b" % (RETRY_MS, first))
                await _serve(watcher, response.write, request.writer.drain)
            return response
        finally:
            self._count -= 1
            watched.watchers.pop(watcher, None)

    def _watch(self, event_id: int, seating: Seating, watcher: _Watcher) -> _Watched:
        watched = self._watched.get(event_id)
        if watched is None or watched.seating is not seating:
            watched = self._watched[event_id] = _Watched(seating)
            watched.task = asyncio.create_task(self._tell(event_id, watched))
        watched.look()
        watched.watchers[watcher] = None
        return watched

    def _since(self, event_id: int, seating: Seating, last_id: int | None) -> bytes:
        """What may have changed since a position, up to now."""
        seat_map, seq = self._api.seat_maps.of(event_id, seating), self._api.gateway.state.seq
        if last_id is None:
            seat_map.mark(seq)
            return b"id: %d\n\n" % seq
        rows = seat_map.rows_changed_since(last_id) if last_id <= seq else None
        seat_map.mark(seq)
        if rows is None:
            return b'id: %d\nevent: reload\ndata: {"seq":%d}\n\n' % (seq, seq)
        return _event(event_id, seq, [seat for row in rows for seat in seat_map.seats_of(row)])

    @property
    def _is_ending(self) -> bool:
        return self._api.draining or not self._api.gateway.ready

    async def _tell(self, event_id: int, watched: _Watched) -> None:
        """Tell those who watch what has changed, until nobody does."""
        while watched.watchers:
            await asyncio.sleep(TICK_SECONDS)
            sale = self._api.gateway.state.sales.get(event_id)
            if sale is None or sale.seating is not watched.seating or self._is_ending:
                break
            seq, changed = self._api.gateway.state.seq, watched.take_untold()
            if not changed:
                continue
            watchers = list(watched.watchers)  # whoever comes from now on is sent what is newer
            self._api.seat_maps.of(event_id, watched.seating).mark(seq)
            try:
                await self._api.shown()
            except RefusedError:  # what was seen may be lost: those who come back are told what is so
                break
            event = _event(event_id, seq, changed)
            for number, watcher in enumerate(watchers):
                watcher.tell(event)
                if number % TOLD_PER_TURN == TOLD_PER_TURN - 1:
                    await asyncio.sleep(0)
        if self._watched.get(event_id) is watched:
            del self._watched[event_id]
        for watcher in watched.watchers:
            watcher.end()


async def _serve(
    watcher: _Watcher, write: Callable[[bytes], Awaitable[None]], drain: Callable[[], Awaitable[None]]
) -> None:
    while not watcher.is_over or watcher.unsent:
        if not watcher.unsent:
            watcher.something.clear()
            try:
                await asyncio.wait_for(watcher.something.wait(), BEAT_SECONDS)
            except TimeoutError:
                await write(b":\n\n")
            continue
        events = b"".join(watcher.unsent)
        watcher.unsent.clear()
        await write(events)
        await drain()


def _event(event_id: int, seq: int, seats: list[ChangedSeatDocument]) -> bytes:
    return b"id: %d\nevent: seats\ndata: %b\n\n" % (seq, encode(ChangedSeatsDocument(event_id, seq, seats)))
