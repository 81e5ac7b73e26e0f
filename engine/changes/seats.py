"""Who has which seat.

Owns the facts about seat maps, and how a seat follows from the booking that has it.
"""

from .. import facts as f
from ..records import Booking, SeatMap
from ..sale import Sale
from ..seats import FREE, HELD, SOLD, Seating, unpacked
from ..state import State
from ..status import COUNTS_AS_HELD, COUNTS_AS_SOLD


def seat_map_set(state: State, fact: f.SeatMapSet) -> None:
    sale = state.sales[fact.event_id]
    known = state.seat_maps.rows.get(fact.event_id)
    if not fact.layout:
        if known is not None:
            state.seat_maps.drop(fact.event_id, archive=False)
        sale.seating = None
        return
    sale.seating = Seating(fact.layout)
    if known is None:
        state.seat_maps.add(fact.event_id, SeatMap(fact.event_id, fact.layout))
    else:
        state.seat_maps.touch(fact.event_id, known)
        known.layout = fact.layout


def follow(sale: Sale, booking: Booking, before: int, status: int) -> None:
    """A booking with seats has a new status; `before` status.NEW: it has just been made."""
    if sale.seating is None or not booking.seats:
        return
    was, now = _status_of_seats(before), _status_of_seats(status)
    if was != now:
        seats = unpacked(booking.seats)
        assert was != FREE or all(sale.seating.status(seat) == FREE for seat in seats), "a seat sold twice"
        sale.seating.mark(seats, now)


def _status_of_seats(status: int) -> int:
    return HELD if status in COUNTS_AS_HELD else SOLD if status in COUNTS_AS_SOLD else FREE


def restore_seats(state: State) -> None:
    """What follows from the rows of maps and bookings."""
    for seat_map in state.seat_maps.rows.values():
        state.sales[seat_map.event_id].seating = Seating(seat_map.layout)
    if not state.seat_maps.rows:
        return
    for booking in state.bookings.rows.values():
        if not booking.seats:
            continue
        status, seating = _status_of_seats(booking.status), state.sales[booking.event_id].seating
        assert seating is not None
        if status != FREE:
            seats = unpacked(booking.seats)
            assert all(seating.status(seat) == FREE for seat in seats), "a seat sold twice"
            seating.mark(seats, status)
