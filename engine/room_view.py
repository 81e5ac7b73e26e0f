"""A waiting room, and one person's place in it, as they are now: for replies and whoever shows them.

Owns what is said to people, and how honest it is: an estimate is one by what is known now, and is None where nothing
can be said; `servable` is whether tickets are likely to reach somebody. Reads the state, changes nothing.
"""

from typing import Final, NamedTuple

from .admission import Stock, opens_at_ms, reached, stock_of, wait_ms
from .queue import Queue
from .records import Event, Place, Room
from .sale import Sale
from .status import PLACE_LAPSED, PLACE_LEFT, PLACE_WAITING, ROOM_BEFORE, ROOM_CLOSED, ROOM_NAMES, ROOM_OPEN

REFRESH_SECONDS_MIN: Final = 2
REFRESH_SECONDS_MAX: Final = 60
_PEOPLE_PER_REFRESH_SECOND: Final = 5_000  # so many ask each second: less than half of what one core answers


class PlaceView(NamedTuple):
    number: int  # 0: not drawn yet
    now_serving: int  # everybody up to this number was let in, or had left
    position: int  # among those who wait, from 1; 0: not known yet, or they do not wait
    wait_seconds: int | None  # an estimate; None: nothing can be said
    servable: bool  # tickets are likely to reach them, or at least may
    status: int  # status.PLACE_…
    expires_ms: int  # when the turn ends; 0: it has not begun


class RoomGlance(NamedTuple):
    """What whoever asks for their place is told of the room."""

    state: str  # as in RoomNow
    refresh_seconds: int  # how often it is worth asking again, from this place


class RoomNow(NamedTuple):
    state: str  # pre_queue, open, paused, closed or sold_out
    now_serving: int
    last_number: int  # given out so far; 0 before a draw
    servable_through: int | None  # numbers up to here are likely to be reached by tickets; None before a draw
    available: int  # tickets that are free now
    waiting: int
    inside: int
    opens_ms: int | None  # None: it has opened
    refresh_seconds: int  # how often it is worth asking again


def place_view(sale: Sale, place: Place, now_ms: int) -> PlaceView:
    queue = _queue_of(sale)
    number = queue.number_of(place.arrival)
    if place.status != PLACE_WAITING:
        servable = place.status not in (PLACE_LAPSED, PLACE_LEFT)
        return PlaceView(number, queue.room.served_through, 0, None, servable, place.status, place.expires_ms)
    return _waiting_view(sale, queue, number, queue.position(number) if number else 0, now_ms)


def newcomer_view(sale: Sale, now_ms: int) -> PlaceView:
    """Of whoever joins in this very step."""
    queue = _queue_of(sale)
    number = queue.room.arrivals + 1 if queue.drawn else 0
    return _waiting_view(sale, queue, number, queue.room.waiting + 1 if number else 0, now_ms)


def _waiting_view(sale: Sale, queue: Queue, number: int, position: int, now_ms: int) -> PlaceView:
    room, event = queue.room, sale.event
    stock = stock_of(sale.types.values(), room, strict=sale.strict)
    servable = reached(stock, room, event.max_per_user) >= max(position, 1)
    seconds = None
    if servable and position and room.state in (ROOM_BEFORE, ROOM_OPEN):
        lasts_ms = wait_ms(room, stock, event.max_per_user, position - 1)
        begins_ms = max(opens_at_ms(room, event) - now_ms, 0)
        seconds = -(-(begins_ms + lasts_ms) // 1000)
    return PlaceView(number, room.served_through, position, seconds, servable, PLACE_WAITING, 0)


def room_glance(sale: Sale, view: PlaceView, now_ms: int) -> RoomGlance:
    """Cheap, for it is asked for most of all. Whoever may be let in soon is to ask sooner than the others: else a turn
    is half over before they know.
    """
    room, event = _queue_of(sale).room, sale.event
    over = _is_over(sale, now_ms)
    opens_ms = opens_at_ms(room, event) if not room.opened else None
    seconds = _refresh_seconds(room, opens_ms, now_ms, over=over)
    left = any(each.capacity > each.sold for each in sale.types.values())
    if view.position and left and not over and room.state in (ROOM_BEFORE, ROOM_OPEN):
        soonest_ms = max((opens_ms or 0) - now_ms, 0) + view.position * 60_000 // room.admit_per_minute
        seconds = min(seconds, max(soonest_ms // 1000, REFRESH_SECONDS_MIN))
    return RoomGlance(_state_name(room, left=left, over=over), seconds)


def room_now(sale: Sale, now_ms: int) -> RoomNow:
    queue = _queue_of(sale)
    room, event = queue.room, sale.event
    stock = stock_of(sale.types.values(), room, strict=sale.strict)
    over = _is_over(sale, now_ms)
    opens_ms = opens_at_ms(room, event) if not room.opened else None
    last_number = room.arrivals if queue.drawn else 0
    return RoomNow(
        state=_state_name(room, left=stock.left > 0, over=over),
        now_serving=room.served_through,
        last_number=last_number,
        servable_through=_servable_through(queue, stock, event) if queue.drawn else None,
        available=sum(each.available for each in sale.types.values()),
        waiting=room.waiting,
        inside=room.inside,
        opens_ms=opens_ms or None,
        refresh_seconds=_refresh_seconds(room, opens_ms, now_ms, over=over),
    )


def _is_over(sale: Sale, now_ms: int) -> bool:
    return sale.event.cancelled or sale.event.closed or sale.closes_ms <= now_ms


def _state_name(room: Room, *, left: bool, over: bool) -> str:
    """`left`: some tickets are not sold."""
    if over:
        return ROOM_NAMES[ROOM_CLOSED]
    if room.state != ROOM_CLOSED and not left:
        return "sold_out"
    return ROOM_NAMES[room.state]


def _servable_through(queue: Queue, stock: Stock, event: Event) -> int:
    room = queue.room
    people = reached(stock, room, event.max_per_user)
    if people >= room.waiting:
        return room.arrivals + people - room.waiting
    return queue.number_at(people)


def _refresh_seconds(room: Room, opens_ms: int | None, now_ms: int, *, over: bool) -> int:
    """The more people ask, and the longer nothing happens, the less often."""
    if over or room.state == ROOM_CLOSED:
        return REFRESH_SECONDS_MAX
    seconds = room.waiting // _PEOPLE_PER_REFRESH_SECOND
    if opens_ms is not None:
        seconds = max(seconds, (opens_ms - now_ms) // 10_000)
    return min(max(seconds, REFRESH_SECONDS_MIN), REFRESH_SECONDS_MAX)


def _queue_of(sale: Sale) -> Queue:
    assert sale.queue is not None, "this event has a waiting room"
    return sale.queue
