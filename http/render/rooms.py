"""Waiting rooms and places in them, as JSON documents.

Owns their field names. What everybody may see of a room names nobody, and is the same for all who ask, so that caches
can answer it.
"""

import msgspec

from ...engine.lot import commitment_of
from ...engine.records import Place, Room
from ...engine.replies import Queued, RoomView
from ...engine.room_view import PlaceView, RoomGlance, room_now
from ...engine.sale import Sale
from ...engine.status import PLACE_INSIDE, PLACE_NAMES, ROOM_NAMES
from ..wire.times import format_ms, format_ms_or_none


class RoomDocument(msgspec.Struct, rename="camel", gc=False):
    """`waitingRoom` of an event."""

    admit_per_minute: int
    max_inside: int | None
    opens_at: str | None
    shuffle_at_opening: bool
    admit_by_stock: bool
    turn_seconds: int
    state: str


class DrawDocument(msgspec.Struct, rename="camel", gc=False):
    """What the order follows from, beside the seed, so that anybody can check it: see engine/lot.py."""

    arrivals_digest: str | None  # hex, over all who had come by the opening
    lot: str | None  # hex; what the order follows from
    shuffled: int  # how many took part


class QueueDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    state: str
    now_serving: int
    last_number: int
    servable_through: int | None
    admit_per_minute: int
    available: int
    refresh_interval_seconds: int
    waiting: int
    inside: int
    opens_at: str | None
    commitment: str | None  # SHA-256 of the seed, hex; public before anybody comes; null where there is no draw
    seed: str | None  # hex; null before the opening
    draw: DrawDocument | None


class PlaceDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    number: int | None  # null before a draw
    position: int | None  # 1: the next; 0: does not wait any more; null before a draw
    admitted: bool  # it is their turn
    expires_at: str | None  # when the turn ends
    status: str
    servable: bool
    estimated_wait_seconds: int | None
    now_serving: int
    state: str  # of the room
    refresh_interval_seconds: int  # shorter for whoever may be let in soon


class QueuedDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    user_id: str
    number: int | None
    token: str
    position: int | None
    now_serving: int
    estimated_wait_seconds: int | None
    servable: bool
    admitted: bool
    expires_at: str | None
    status: str
    seq: int


class LeftDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    user_id: str
    status: str
    seq: int


def room_document(view: RoomView) -> RoomDocument:
    return RoomDocument(
        view.admit_per_minute,
        view.max_inside,
        format_ms_or_none(view.opens_ms),
        view.shuffle,
        view.by_stock,
        view.turn_ms // 1000,
        ROOM_NAMES[view.state],
    )


def queue_document(sale: Sale, now_ms: int) -> QueueDocument:
    assert sale.queue is not None
    room, now = sale.queue.room, room_now(sale, now_ms)
    return QueueDocument(
        room.event_id,
        now.state,
        now.now_serving,
        now.last_number,
        now.servable_through,
        room.admit_per_minute,
        now.available,
        now.refresh_seconds,
        now.waiting,
        now.inside,
        format_ms_or_none(now.opens_ms),
        commitment_of(room.seed) if room.shuffle else None,
        room.seed.hex() if room.shuffle and room.opened else None,
        _draw_document(room) if room.shuffle else None,
    )


def place_document(place: Place, view: PlaceView, room: RoomGlance, now_ms: int) -> PlaceDocument:
    admitted = view.status in PLACE_INSIDE and view.expires_ms > now_ms
    return PlaceDocument(
        place.event_id,
        view.number or None,
        view.position if view.number else None,
        admitted,
        format_ms(view.expires_ms) if view.expires_ms else None,
        PLACE_NAMES[view.status],
        view.servable,
        view.wait_seconds,
        view.now_serving,
        room.state,
        room.refresh_seconds,
    )


def queued_document(reply: Queued, token: str) -> QueuedDocument:
    return QueuedDocument(
        reply.event_id,
        reply.user_id,
        reply.number or None,
        token,
        reply.position if reply.number else None,
        reply.now_serving,
        reply.wait_seconds,
        reply.servable,
        reply.status in PLACE_INSIDE,
        format_ms(reply.expires_ms) if reply.expires_ms else None,
        PLACE_NAMES[reply.status],
        reply.seq,
    )


def _draw_document(room: Room) -> DrawDocument:
    return DrawDocument(
        room.arrivals_digest.hex() if room.opened else None,
        room.lot.hex() if room.opened else None,
        room.shuffled,
    )
