"""What becomes of a waiting room and of the places in it.

Owns the facts about them, and how a place follows the bookings of its user. Keeps `rooms_due` exact: a room stands in
it only while opening it, or letting somebody in, would lead to a fact; whatever such a moment depends on (stock, rate,
the room's state, who waits and who is inside) ends in `track_room`.
"""

from .. import facts as f
from ..admission import allowed, due_us, opens_at_ms, stock_of
from ..lot import digest_with, lot_of
from ..queue import Queue
from ..records import Booking, Event, Notice, Place, Room
from ..sale import Sale
from ..state import State, place_id
from ..status import (
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    ENDED,
    EXPIRED,
    PLACE_ADMITTED,
    PLACE_HOLDING,
    PLACE_INSIDE,
    PLACE_LAPSED,
    PLACE_LEFT,
    PLACE_SERVED,
    PLACE_WAITING,
    ROOM_BEFORE,
    ROOM_OPEN,
    WAITING,
)

# --- rooms


def room_set(state: State, fact: f.RoomSet) -> None:
    sale = state.sales[fact.event_id]
    if sale.queue is None:
        room = Room(
            sale.event.id, fact.admit_per_minute, fact.max_inside, fact.opens_ms, fact.shuffle, fact.by_stock,
            fact.turn_ms, ROOM_BEFORE, fact.seed,
        )  # fmt: skip
        assert room.event_id not in state.rooms.rows, "a room that was removed is forgotten before there is another"
        state.rooms.add(room.event_id, room)
        sale.queue = Queue(room)
    else:
        room = sale.queue.room
        state.rooms.touch(room.event_id, room)
        room.admit_per_minute, room.max_inside, room.opens_ms = fact.admit_per_minute, fact.max_inside, fact.opens_ms
        room.shuffle, room.by_stock, room.turn_ms = fact.shuffle, fact.by_stock, fact.turn_ms
        room.seed = fact.seed
    track_room(state, sale)


def room_removed(state: State, fact: f.RoomRemoved) -> None:
    sale = state.sales[fact.event_id]
    queue = sale.queue
    assert queue is not None
    room = queue.room
    state.rooms.touch(room.event_id, room)
    room.removed = True
    _set_due(state, queue, None)
    sale.queue = None
    _track_emptying(state, room, sale.event)


def room_state_set(state: State, fact: f.RoomStateSet) -> None:
    sale, room = _room_of(state, fact.event_id)
    state.rooms.touch(room.event_id, room)
    room.state = fact.state
    track_room(state, sale)


def room_opened(state: State, fact: f.RoomOpened) -> None:
    sale, room = _room_of(state, fact.event_id)
    assert not room.opened
    assert fact.seed == room.seed
    state.rooms.touch(room.event_id, room)
    room.opened, room.state = True, ROOM_OPEN
    if room.shuffle:
        room.shuffled = room.arrivals
        room.lot = lot_of(room.seed, room.arrivals_digest)
    assert sale.queue is not None
    sale.queue.settle()
    track_room(state, sale)


# --- places


def queue_joined(state: State, fact: f.QueueJoined) -> None:
    sale, room = _room_of(state, fact.event_id)
    queue = sale.queue
    assert queue is not None
    state.rooms.touch(room.event_id, room)
    room.arrivals = arrival = room.arrivals + 1
    room.waiting += 1
    if room.shuffle and not room.opened:
        room.arrivals_digest = digest_with(room.arrivals_digest, fact.user_id)
    place = Place(
        place_id(room.event_id, arrival), room.event_id, arrival, fact.user_id, PLACE_WAITING, state.at_ms, state.seq
    )
    state.places.add(place.id, place)
    queue.by_user[fact.user_id] = place
    queue.settle()
    if room.waiting == 1:  # else it is known whether the next may come in
        track_room(state, sale)


def queue_admitted(state: State, fact: f.QueueAdmitted) -> None:
    sale, room = _room_of(state, fact.event_id)
    queue = sale.queue
    assert queue is not None
    assert queue.base <= fact.through <= room.arrivals
    state.rooms.touch(room.event_id, room)
    people = queue.people_through(state.places.rows, fact.through)
    room.served_through, room.paced_us = fact.through, fact.paced_us
    room.waiting -= len(people)
    room.inside += len(people)
    for place in people:
        state.places.touch(place.id, place)
        place.status, place.admitted_ms, place.expires_ms = PLACE_ADMITTED, state.at_ms, fact.expires_ms
        state.room_turns.add(fact.expires_ms, place.id)
        number = state.next_notice_id
        state.next_notice_id = number + 1
        state.notices.append(Notice(number, state.seq, state.at_ms, place.user_id, "admitted", room.event_id, 0))
    queue.settle()
    track_room(state, sale)


def queue_left(state: State, fact: f.QueueLeft) -> None:
    sale, room = _room_of(state, fact.event_id)
    queue = sale.queue
    assert queue is not None
    place = state.places.rows[place_id(fact.event_id, fact.arrival)]
    state.rooms.touch(room.event_id, room)
    if place.status == PLACE_WAITING:
        state.places.touch(place.id, place)
        place.status = PLACE_LEFT
        room.waiting -= 1
        queue.leave(place.arrival)
    else:
        _end_turn(state, room, place, PLACE_LEFT)
    queue.settle()
    track_room(state, sale)


def turns_lapsed(state: State, fact: f.TurnsLapsed) -> None:
    room = state.rooms.rows[fact.event_id]
    state.rooms.touch(room.event_id, room)
    for arrival in fact.arrivals:
        _end_turn(state, room, state.places.rows[place_id(fact.event_id, arrival)], PLACE_LAPSED)
    sale = state.sales[fact.event_id]
    if sale.queue is not None:
        sale.queue.settle()
        track_room(state, sale)


def places_forgotten(state: State, fact: f.PlacesForgotten) -> None:
    sale, room = state.sales[fact.event_id], state.rooms.rows[fact.event_id]
    state.rooms.touch(room.event_id, room)
    for arrival in range(room.forgotten + 1, fact.through_arrival + 1):
        place = state.places.rows[place_id(fact.event_id, arrival)]
        if place.status == PLACE_WAITING:
            room.waiting -= 1
        elif place.status in PLACE_INSIDE:
            state.room_turns.remove(place.expires_ms, place.id)
            room.inside -= 1
            room.holding -= place.status == PLACE_HOLDING
        if sale.queue is not None and sale.queue.by_user.get(place.user_id) is place:
            del sale.queue.by_user[place.user_id]
        state.places.drop(place.id, archive=False)
    room.forgotten = fact.through_arrival
    if sale.queue is not None:
        track_room(state, sale)
    else:
        _track_emptying(state, room, sale.event)


def _end_turn(state: State, room: Room, place: Place, status: int) -> None:
    """`room` has been touched."""
    assert place.status in PLACE_INSIDE, f"place {place.id} has no turn to end"
    state.places.touch(place.id, place)
    state.room_turns.remove(place.expires_ms, place.id)
    room.inside -= 1
    if place.status == PLACE_HOLDING:
        room.holding -= 1
    elif status != PLACE_SERVED:
        room.turns_missed += 1
    place.status = status


# --- bookings of people inside


def booked(state: State, sale: Sale, booking: Booking) -> None:
    """Someone holds tickets or stands in line since this step; to be called at its end. Whoever stands in line needs
    no turn any more, but for what else they hold.
    """
    assert sale.queue is not None
    place = sale.queue.by_user.get(booking.user_id)
    if place is not None and place.status in PLACE_INSIDE:
        booking.arrival = place.arrival
        room = sale.queue.room
        state.rooms.touch(room.event_id, room)
        if booking.status == WAITING:
            if place.status == PLACE_ADMITTED:
                _end_turn(state, room, place, PLACE_SERVED)
        else:
            room.tickets_taken += booking.quantity
            if place.status == PLACE_ADMITTED:
                _hold(state, room, place)
    track_room(state, sale)


def booking_changed(state: State, sale: Sale, booking: Booking, before: int, status: int) -> None:
    """A booking at this event has a new status, and its tickets, claim and places in line have moved along."""
    if booking.arrival:
        place = place_of(state, booking)
        if place is not None:
            _follow(state, sale, place, booking, before, status)
    track_room(state, sale)


def place_of(state: State, booking: Booking) -> Place | None:
    """The place whose turn led to a booking; None once it is forgotten. Another room may number people anew."""
    place = state.places.rows.get(place_id(booking.event_id, booking.arrival))
    return place if place is not None and _is_of(place, booking) else None


def _is_of(place: Place, booking: Booking) -> bool:
    return booking.arrival == place.arrival and booking.user_id == place.user_id and booking.seq > place.seq


def _follow(state: State, sale: Sale, place: Place, booking: Booking, before: int, status: int) -> None:
    assert sale.queue is not None
    room, inside = sale.queue.room, place.status in PLACE_INSIDE
    state.rooms.touch(room.event_id, room)
    held, holds = before in COUNTS_AS_HELD, status in COUNTS_AS_HELD
    if held and status in COUNTS_AS_SOLD:
        room.holds_paid += 1
    elif held and status in ENDED:
        room.holds_lost += 1
        room.tickets_taken -= booking.quantity if inside else 0
    elif before == EXPIRED:  # after all
        room.holds_lost -= 1
        room.holds_paid += status in COUNTS_AS_SOLD
        room.tickets_taken += booking.quantity if inside else 0
    elif holds and not held:  # from the line, by someone who held others
        room.tickets_taken += booking.quantity if inside else 0
    if inside:
        _settle_turn(state, sale, room, place)
    elif place.status == PLACE_LAPSED and status in COUNTS_AS_SOLD:
        state.places.touch(place.id, place)
        place.status = PLACE_SERVED


def _settle_turn(state: State, sale: Sale, room: Room, place: Place) -> None:
    """What somebody inside has by now says whether their turn goes on."""
    has = [each for each in sale.bookings_of(place.user_id) if _is_of(place, each)]
    holds = any(each.status in COUNTS_AS_HELD for each in has)
    if holds and place.status == PLACE_ADMITTED:
        _hold(state, room, place)
    elif has and not holds:
        room.turns_taken += place.status == PLACE_ADMITTED
        _end_turn(state, room, place, PLACE_SERVED)
    elif not has and place.status == PLACE_HOLDING:
        state.places.touch(place.id, place)
        place.status = PLACE_ADMITTED
        room.holding -= 1
        room.turns_taken -= 1  # it may still, or be missed


def _hold(state: State, room: Room, place: Place) -> None:
    state.places.touch(place.id, place)
    place.status = PLACE_HOLDING
    room.holding += 1
    room.turns_taken += 1


# --- what is due


def track_room(state: State, sale: Sale) -> None:
    """Keep `rooms_due` and `rooms_emptying` exact for an event that has a room."""
    queue, event = sale.queue, sale.event
    assert queue is not None
    room, due_ms = queue.room, None
    if not event.cancelled and not event.closed:
        if room.state == ROOM_BEFORE:
            due_ms = opens_at_ms(room, event)
        elif (
            room.state == ROOM_OPEN
            and room.waiting
            and allowed(stock_of(sale.types.values(), room, strict=sale.strict), room, event.max_per_user)
        ):
            due_ms = max(-(-due_us(room) // 1000), event.on_sale_ms or 0)
    if due_ms != queue.due_ms:
        _set_due(state, queue, due_ms)
    if event.cancelled or event.closed or room.event_id in state.rooms_emptying:
        _track_emptying(state, room, event)


def _may_come_in(sale: Sale, room: Room) -> bool:
    return allowed(stock_of(sale.types.values(), room, strict=sale.strict), room, sale.event.max_per_user) > 0


def _set_due(state: State, queue: Queue, due_ms: int | None) -> None:
    if queue.due_ms is not None:
        state.rooms_due.remove(queue.due_ms, queue.room.event_id)
    queue.due_ms = due_ms
    if due_ms is not None:
        state.rooms_due.add(due_ms, queue.room.event_id)


def _track_emptying(state: State, room: Room, event: Event) -> None:
    if (room.removed or event.cancelled or event.closed) and room.forgotten < room.arrivals:
        state.rooms_emptying[room.event_id] = None
        return
    state.rooms_emptying.pop(room.event_id, None)
    if room.removed:
        state.rooms.drop(room.event_id, archive=False)


def _room_of(state: State, event_id: int) -> tuple[Sale, Room]:
    sale = state.sales[event_id]
    assert sale.queue is not None, "this event has a waiting room"
    return sale, sale.queue.room


# --- restore


def restore_rooms(state: State) -> None:
    """What follows from the rows of rooms and places, once those of events, ticket types and bookings are there."""
    for room in state.rooms.rows.values():
        if not room.removed:
            state.sales[room.event_id].queue = Queue(room)
    for place in state.places.rows.values():  # by event, as they came
        room = state.rooms.rows[place.event_id]
        place.event_id = room.event_id  # one number shared by all
        assert room.forgotten < place.arrival <= room.arrivals
        if place.status in PLACE_INSIDE:
            state.room_turns.add(place.expires_ms, place.id)
        queue = state.sales[room.event_id].queue
        if queue is not None:
            queue.by_user[place.user_id] = place
            if place.status == PLACE_LEFT and not place.expires_ms:
                queue.leave(place.arrival)
    for room in [*state.rooms.rows.values()]:
        sale = state.sales[room.event_id]
        if sale.queue is not None:
            sale.queue.settle_all()
            track_room(state, sale)
        else:
            _track_emptying(state, room, sale.event)
