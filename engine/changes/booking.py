"""What becomes of a booking until it is paid or ends, and at the door.

Owns the facts about holds and places in line.
"""

from .. import facts as f
from ..records import Booking, Entry, Event, TicketType
from ..sale import Sale
from ..seats import packed
from ..state import State, entry_id, warning_of
from ..status import CANCELLED, EXPIRED, HELD, NEW, WAITING
from . import room, seats
from .shared import become, begin, leave, notice, track_promotable


def held(state: State, fact: f.Held) -> None:
    sale = state.sales[fact.event_id]
    event, ticket_type = sale.event, sale.types[fact.ticket_type_id]
    quantity, at_ms, booking_id = fact.quantity, state.at_ms, fact.booking_id
    # positional, and sharing the numbers that exist already: a booking costs time and memory
    booking = Booking(
        booking_id, fact.user_id, event.id, ticket_type.id, quantity, fact.amount_minor,
        HELD, state.seq, at_ms, at_ms, fact.expires_ms,
    )  # fmt: skip
    if fact.seats:
        booking.seats = packed(fact.seats)
    state.next_booking_id = booking_id + 1
    state.bookings.add(booking_id, booking)
    state.status_counts[HELD] += 1
    if ticket_type.id not in state.ticket_types.changed:
        state.ticket_types.touch(ticket_type.id, ticket_type)
    ticket_type.held += quantity
    assert ticket_type.held + ticket_type.sold <= ticket_type.capacity, "sold twice"
    if not event.booked:
        _mark_booked(state, event)
    sale.claim(booking)
    state.deadlines.add(warning_of(at_ms, fact.expires_ms), booking_id)
    if sale.seating is not None:
        seats.follow(sale, booking, NEW, HELD)
    if sale.queue is not None:
        room.booked(state, sale, booking)
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
    booking.line_number = _join(state, sale, ticket_type, booking)
    if fact.also:
        others = [sale.types[type_id] for type_id in fact.also]
        booking.also = ",".join(f"{other.id}:{_join(state, sale, other, booking)}" for other in others)
    if not sale.event.booked:
        _mark_booked(state, sale.event)
    sale.claim(booking)
    if sale.queue is not None:
        room.booked(state, sale, booking)


def _join(state: State, sale: Sale, ticket_type: TicketType, booking: Booking) -> int:
    """The number in this line."""
    state.ticket_types.touch(ticket_type.id, ticket_type)
    number = ticket_type.line_next
    ticket_type.line_next += 1
    ticket_type.waiting += 1
    sale.lines[ticket_type.id].join(number, booking.id, booking.quantity)
    track_promotable(state, sale, ticket_type)
    return number


def _mark_booked(state: State, event: Event) -> None:
    state.events.touch(event.id, event)
    event.booked = True


def promoted(state: State, fact: f.Promoted) -> None:
    booking = begin(state, fact.booking_id)
    if fact.ticket_type_id:
        _prefer(state.sales[booking.event_id], booking, fact.ticket_type_id)
        booking.amount_minor = fact.amount_minor
    if fact.seats:
        booking.seats = packed(fact.seats)
    booking.held_ms = state.at_ms
    booking.expires_ms = fact.expires_ms
    booking.offered = True
    become(state, booking, HELD)
    notice(state, booking, "your_turn")


def _prefer(sale: Sale, booking: Booking, ticket_type_id: int) -> None:
    """Make one of the several types that would do the first."""
    lines = sale.lines_of(booking)
    lines.sort(key=lambda line: line[0].id != ticket_type_id)
    _stand_in(booking, lines)


def _stand_in(booking: Booking, lines: list[tuple[TicketType, int]]) -> None:
    (first, number), *others = lines
    booking.ticket_type_id, booking.line_number = first.id, number
    booking.also = ",".join(f"{other.id}:{number}" for other, number in others)


def left_line(state: State, fact: f.LeftLine) -> None:
    booking = begin(state, fact.booking_id)
    sale, first = state.sales[booking.event_id], booking.ticket_type_id
    for ticket_type, number in sale.lines_of(booking):
        if ticket_type.id == fact.ticket_type_id:
            leave(state, sale, ticket_type, number, booking.quantity)
    _stand_in(booking, [line for line in sale.lines_of(booking) if line[0].id != fact.ticket_type_id])
    if first != booking.ticket_type_id:
        booking.amount_minor = sale.types[booking.ticket_type_id].price_minor * booking.quantity
    become(state, booking, WAITING)
    if sale.queue is not None:
        room.track_room(state, sale)


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


def checked_in(state: State, fact: f.CheckedIn) -> None:
    entry = Entry(
        entry_id(fact.booking_id, fact.number), fact.booking_id, fact.number, state.at_ms, fact.place, fact.by
    )
    assert entry.id not in state.entries.rows, "shown twice"
    state.entries.add(entry.id, entry)
