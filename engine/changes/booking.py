"""What becomes of a booking until it is paid, and once it has ended.

Owns the facts about holds and places in line.
"""

from .. import facts as f
from ..records import Booking, Entry, Event
from ..state import State, deadline_of, entry_id
from ..status import CANCELLED, ENDED, EXPIRED, HELD, WAITING
from .shared import become, begin, notice, track_promotable


def held(state: State, fact: f.Held) -> None:
    sale = state.sales[fact.event_id]
    ticket_type = sale.types[fact.ticket_type_id]
    quantity, at_ms, booking_id = fact.quantity, state.at_ms, fact.booking_id
    # positional, and sharing the numbers that exist already: a booking costs time and memory
    booking = Booking(
        booking_id, fact.user_id, sale.event.id, ticket_type.id, quantity, fact.amount_minor,
        HELD, state.seq, at_ms, at_ms, fact.expires_ms,
    )  # fmt: skip
    state.next_booking_id = booking_id + 1
    state.bookings.add(booking_id, booking)
    state.status_counts[HELD] += 1
    state.ticket_types.touch(ticket_type.id, ticket_type)
    ticket_type.held += quantity
    assert ticket_type.held + ticket_type.sold <= ticket_type.capacity, "sold twice"
    if not sale.event.booked:
        _mark_booked(state, sale.event)
    sale.claim(booking)
    state.deadlines.add(deadline_of(booking), booking_id)
    notice(state, booking, "held")


def waited(state: State, fact: f.Waited) -> None:
    sale = state.sales[fact.event_id]
    ticket_type = sale.types[fact.ticket_type_id]
    booking = Booking(
        fact.booking_id, fact.user_id, sale.event.id, ticket_type.id, fact.quantity, fact.amount_minor,
        WAITING, state.seq, state.at_ms,
    )  # fmt: skip
    state.next_booking_id = booking.id + 1
    state.bookings.add(booking.id, booking)
    state.status_counts[WAITING] += 1
    state.ticket_types.touch(ticket_type.id, ticket_type)
    booking.line_number = ticket_type.line_next
    ticket_type.line_next += 1
    ticket_type.waiting += 1
    sale.lines[ticket_type.id].join(booking.line_number, booking.id, booking.quantity)
    if not sale.event.booked:
        _mark_booked(state, sale.event)
    sale.claim(booking)
    track_promotable(state, sale, ticket_type)


def _mark_booked(state: State, event: Event) -> None:
    state.events.touch(event.id, event)
    event.booked = True


def promoted(state: State, fact: f.Promoted) -> None:
    booking = begin(state, fact.booking_id)
    booking.held_ms = state.at_ms
    booking.expires_ms = fact.expires_ms
    become(state, booking, HELD)
    notice(state, booking, "your_turn")


def lapse_warned(state: State, fact: f.LapseWarned) -> None:
    booking = begin(state, fact.booking_id)
    booking.warned = True
    become(state, booking, HELD)
    notice(state, booking, "about_to_lapse")


def lapsed(state: State, fact: f.Lapsed) -> None:
    booking = begin(state, fact.booking_id)
    become(state, booking, EXPIRED)
    state.sales[booking.event_id].lapsed[booking.user_id] = booking.id
    notice(state, booking, "lapsed")


def booking_cancelled(state: State, fact: f.BookingCancelled) -> None:
    booking = begin(state, fact.booking_id)
    become(state, booking, CANCELLED)
    notice(state, booking, "cancelled")


def retired(state: State, fact: f.Retired) -> None:
    for booking_id in fact.booking_ids:
        booking = state.bookings.rows[booking_id]
        assert booking.status in ENDED
        state.deadlines.remove(deadline_of(booking), booking_id)
        lapsed = state.sales[booking.event_id].lapsed
        if lapsed.get(booking.user_id) == booking_id:
            del lapsed[booking.user_id]
        state.status_counts[booking.status] -= 1
        state.bookings.drop(booking_id, archive=True)
        if state.entries.rows:
            _forget_entries(state, booking)


def _forget_entries(state: State, booking: Booking) -> None:
    """The journal has them; a booking that has ended admits nobody."""
    for number in range(1, booking.quantity + 1):
        if entry_id(booking.id, number) in state.entries.rows:
            state.entries.drop(entry_id(booking.id, number), archive=False)


def checked_in(state: State, fact: f.CheckedIn) -> None:
    entry = Entry(
        entry_id(fact.booking_id, fact.number), fact.booking_id, fact.number, state.at_ms, fact.place, fact.by
    )
    assert entry.id not in state.entries.rows, "shown twice"
    state.entries.add(entry.id, entry)
