"""What holds of waiting rooms, seats and challenges."""

from collections import Counter, defaultdict

from ..records import Booking, Place, Room
from ..seats import FREE, HELD, SOLD, decode_layout
from ..state import State, place_id
from ..status import (
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    PLACE_ENDED,
    PLACE_HOLDING,
    PLACE_INSIDE,
    PLACE_NAMES,
    PLACE_WAITING,
    ROOM_BEFORE,
    ROOM_NAMES,
)


def check_seats(state: State) -> None:
    """Every seat has one owner at most, of its own ticket type, and the seating knows who is there."""
    expected = {number for number, sale in state.sales.items() if sale.seating is not None}
    assert state.seat_maps.rows.keys() == expected, f"seat maps and seatings differ in {state.seat_maps.rows.keys()}"
    owned: dict[int, dict[int, Booking]] = defaultdict(dict)  # by event and seat
    types = {number: _types_of(row.layout) for number, row in state.seat_maps.rows.items()}
    for booking in state.bookings.rows.values():
        who, seats = f"booking {booking.id}", [int(each) for each in booking.seats.split(",") if each]
        takes = booking.status in COUNTS_AS_HELD | COUNTS_AS_SOLD
        assert seats == sorted(set(seats)), f"{who} has the seats {booking.seats}"
        if not takes:
            continue
        of_type = types.get(booking.event_id, [])
        wanted = booking.quantity if booking.ticket_type_id in of_type else 0
        assert len(seats) == wanted, f"{who} has the seats {booking.seats} for {wanted} tickets"
        for seat in seats:
            assert of_type[seat] == booking.ticket_type_id, f"{who}: seat {seat} is of another ticket type"
            other = owned[booking.event_id].setdefault(seat, booking)
            assert other is booking, f"{who} and booking {other.id} both have seat {seat}"
    for event_id, of_type in types.items():
        seating = state.sales[event_id].seating
        assert seating is not None
        assert seating.seats == len(of_type), f"event {event_id}: the seating has {seating.seats} of {len(of_type)}"
        for seat in range(len(of_type)):
            owner = owned[event_id].get(seat)
            status = FREE if owner is None else HELD if owner.status in COUNTS_AS_HELD else SOLD
            found = seating.status(seat)
            assert found == status, f"event {event_id}: seat {seat} is {found}, its bookings make it {status}"
        for type_id, count in Counter(of_type).items():
            row = state.ticket_types.rows[type_id]
            assert row.event_id == event_id, f"event {event_id}: it has seats of another event's ticket type {type_id}"
            assert row.capacity <= count, f"ticket type {type_id} has {row.capacity} tickets and {count} seats"
            assert seating.count(type_id) == count, f"event {event_id}: {count} seats of ticket type {type_id} differ"


def _types_of(layout: bytes) -> list[int]:
    return [each.ticket_type_id for each in decode_layout(layout) for row in each.rows for _ in range(row.seats)]


def check_rooms(state: State) -> None:
    places: dict[int, dict[int, Place]] = defaultdict(dict)  # by event and arrival
    for key, place in state.places.rows.items():
        who = f"arrival {place.arrival} at event {place.event_id}"
        assert place.id == key == place_id(place.event_id, place.arrival), f"{who} stands under another's number"
        assert place.status in PLACE_NAMES, f"{who} has the unknown status {place.status}"
        assert 0 < place.seq <= state.seq, f"{who} came at seq {place.seq}, now is {state.seq}"
        assert place.joined_ms <= state.at_ms, f"{who} is to come yet"
        if place.status == PLACE_WAITING:
            assert not place.expires_ms, f"{who} waits, and its turn ends at {place.expires_ms}"
        if place.status in PLACE_INSIDE:
            assert place.expires_ms >= place.admitted_ms > 0, f"{who} is inside, from {place.admitted_ms}"
        places[place.event_id][place.arrival] = place
    assert places.keys() <= state.rooms.rows.keys(), (
        f"places stand in no room: {places.keys() - state.rooms.rows.keys()}"
    )
    for event_id, room in state.rooms.rows.items():
        assert room.event_id == event_id in state.sales, f"the waiting room of event {event_id} is another's"
        _check_room(room, places[event_id])
        has_queue = state.sales[event_id].queue is not None
        assert has_queue != room.removed, f"event {event_id}: its waiting room is there {not room.removed}"
        if not room.removed:
            _check_holding(state, room, places[event_id])
    with_queue = {number for number, sale in state.sales.items() if sale.queue is not None}
    assert with_queue <= state.rooms.rows.keys(), "somebody queues where there is no waiting room"
    _check_turns(state)


def _check_room(room: Room, places: dict[int, Place]) -> None:
    who = f"the waiting room of event {room.event_id}"
    assert room.state in ROOM_NAMES, f"{who} has the unknown state {room.state}"
    expected = set(range(room.forgotten + 1, room.arrivals + 1))
    assert places.keys() == expected, f"{who} misses places, or has others: {sorted(places.keys() ^ expected)[:5]}"
    assert 0 <= room.served_through <= room.arrivals, f"{who} served {room.served_through} of {room.arrivals}"
    assert room.shuffled <= room.arrivals, f"{who} drew {room.shuffled} of {room.arrivals} by lot"
    assert room.opened or not (room.served_through or room.shuffled), f"{who} is not open, and served people"
    assert not (room.opened and room.state == ROOM_BEFORE), f"{who} is open, and is to open yet"
    counts = Counter(place.status for place in places.values())
    inside = sum(counts[status] for status in PLACE_INSIDE)
    found = (room.waiting, room.inside, room.holding)
    counted = (counts[PLACE_WAITING], inside, counts[PLACE_HOLDING])
    assert found == counted, f"{who} counts (waiting, inside, holding) {found}, its places make {counted}"
    live = Counter(place.user_id for place in places.values() if place.status not in PLACE_ENDED)
    twice = [user_id for user_id, count in live.items() if count > 1]
    assert not twice, f"{who} has several places for {twice}"


def _check_holding(state: State, room: Room, places: dict[int, Place]) -> None:
    """Whoever is holding has a hold, and whoever has one from this turn is holding."""
    holds = set()
    for booking in state.bookings.rows.values():
        if booking.event_id == room.event_id and booking.status in COUNTS_AS_HELD and booking.arrival in places:
            place = places[booking.arrival]
            if place.user_id == booking.user_id and place.seq < booking.seq:  # else it is from an earlier room
                holds.add(place.arrival)
    for place in places.values():
        if place.status in PLACE_INSIDE:
            who, holding = f"arrival {place.arrival} at event {room.event_id}", place.status == PLACE_HOLDING
            assert holding == (place.arrival in holds), f"{who} is {PLACE_NAMES[place.status]}, and its bookings differ"


def _check_turns(state: State) -> None:
    turns = {(place.expires_ms, place.id) for place in state.places.rows.values() if place.status in PLACE_INSIDE}
    found = set(state.room_turns.pairs())
    assert found == turns, f"the turns that end differ in (time, place) {list(found ^ turns)[:5]}"
    emptying = {
        number
        for number, room in state.rooms.rows.items()
        if (room.removed or state.events.rows[number].cancelled or state.events.rows[number].closed)
        and room.forgotten < room.arrivals
    }
    assert set(state.rooms_emptying) == emptying, f"emptying differs in {set(state.rooms_emptying) ^ emptying}"


def check_challenges(state: State) -> None:
    """Those that were used stand in the order of their use, each once."""
    rows, order = state.challenges.rows, list(state.challenge_order)
    assert len(rows) == len(order), f"{len(order)} challenges are in order, {len(rows)} are there"
    assert all(row.digest == key for key, row in rows.items()), "a challenge stands under another's"
    assert len({one.digest for one in order}) == len(order), "challenges stand twice in the order"
    assert all(rows.get(one.digest) is one for one in order), "challenges stand in the order that are not there"
