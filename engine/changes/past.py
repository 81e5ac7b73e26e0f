"""What leaves memory for the checkpoint's past tables, and comes back from there.

Owns the facts about it: bookings that have ended, and paid ones of events that are long over. What an event has sold
stays counted with its ticket types, whether its bookings are in memory or not.
"""

from .. import facts as f
from ..records import Booking
from ..state import State, deadline_of, entry_id, is_settled
from ..status import CANCELLED, CONFIRMED, ENDED
from . import seats
from .shared import track_archiving


def retired(state: State, fact: f.Retired) -> None:
    for booking_id in fact.booking_ids:
        booking = state.bookings.rows[booking_id]
        assert booking.status in ENDED
        state.retirings.remove(deadline_of(booking), booking_id)
        lapsed = state.sales[booking.event_id].lapsed
        if lapsed.get(booking.user_id) == booking_id:
            del lapsed[booking.user_id]
        _leave(state, booking)


def archived(state: State, fact: f.Archived) -> None:
    for booking_id in fact.booking_ids:
        booking = state.bookings.rows[booking_id]
        sale = state.sales[booking.event_id]
        assert is_settled(booking)
        assert sale.event.closed
        sale.settled -= 1
        sale.archived += booking.quantity
        sale.unclaim(booking)
        seats.follow(sale, booking, CONFIRMED, CANCELLED)  # nobody can have them any more: the sale is over
        _leave(state, booking)
        track_archiving(state, sale)


def recalled(state: State, fact: f.Recalled) -> None:
    sale = state.sales[fact.event_id]
    booking = Booking(
        fact.booking_id, fact.user_id, sale.event.id, fact.ticket_type_id, fact.quantity, fact.amount_minor,
        CONFIRMED, fact.seq, fact.created_ms, fact.held_ms,
        warned=fact.warned, payment_id=fact.payment_id, provider_reference=fact.provider_reference, seats=fact.seats,
        offered=fact.offered, arrival=fact.arrival,
    )  # fmt: skip
    assert booking.id not in state.bookings.rows
    state.bookings.recall(booking.id, booking)
    state.status_counts[CONFIRMED] += 1
    sale.settled += 1
    sale.archived -= booking.quantity
    assert sale.archived >= 0, "more tickets came back than had left"
    sale.claim(booking)
    seats.follow(sale, booking, CANCELLED, CONFIRMED)
    track_archiving(state, sale)


def _leave(state: State, booking: Booking) -> None:
    state.status_counts[booking.status] -= 1
    state.bookings.drop(booking.id, archive=True)
    if state.entries.rows:
        _forget_entries(state, booking)


def _forget_entries(state: State, booking: Booking) -> None:
    """The journal has them; a booking that has left memory admits nobody."""
    for number in range(1, booking.quantity + 1):
        if entry_id(booking.id, number) in state.entries.rows:
            state.entries.drop(entry_id(booking.id, number), archive=False)
