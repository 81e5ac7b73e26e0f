"""Tickets as those at the door see them, as JSON documents.

Owns their field names.
"""

import msgspec

from ...engine.records import Booking
from ...engine.state import State, entry_id
from ...engine.status import BOOKING_NAMES, COUNTS_AS_SOLD
from ..gateway import TicketCode
from ..wire.times import format_ms, format_ms_or_none


class TicketViewDocument(msgspec.Struct, rename="camel"):
    admits: bool  # whether whoever shows it may come in now
    event_id: int
    event_name: str
    starts_at: str
    booking_id: int
    booking_status: str
    number: int
    ticket_type: str
    user_id: str
    checked_in_at: str | None
    place: str | None  # where it was checked in, as whoever did it called it
    checked_in_by: str | None  # whose access token it was


class TicketKeyDocument(msgspec.Struct, rename="camel"):
    algorithm: str
    public_key: str


def ticket_view(ticket: TicketCode, booking: Booking, state: State, now_ms: int) -> TicketViewDocument:
    sale = state.sales[booking.event_id]
    entry = state.entries.rows.get(entry_id(booking.id, ticket.number))
    return TicketViewDocument(
        admits=entry is None
        and booking.status in COUNTS_AS_SOLD
        and not sale.event.cancelled
        and not sale.is_over(now_ms),
        event_id=booking.event_id,
        event_name=sale.event.name,
        starts_at=format_ms(sale.event.starts_ms),
        booking_id=booking.id,
        booking_status=BOOKING_NAMES[booking.status],
        number=ticket.number,
        ticket_type=sale.types[booking.ticket_type_id].name,
        user_id=booking.user_id,
        checked_in_at=format_ms_or_none(None if entry is None else entry.at_ms),
        place=None if entry is None else entry.place,
        checked_in_by=None if entry is None else entry.by or None,
    )
