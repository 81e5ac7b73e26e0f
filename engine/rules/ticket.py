"""Letting people in: each ticket once.

Order of refusals: no_such_ticket, event_cancelled, wrong_status, already_redeemed.
"""

from ..codes import Code
from ..commands import CheckIn
from ..facts import CheckedIn
from ..replies import Admitted
from ..state import State, entry_id
from ..status import BOOKING_NAMES, COUNTS_AS_SOLD
from .shared import Decision, refuse


def check_in(state: State, now_ms: int, command: CheckIn) -> Decision:
    booking = state.bookings.rows.get(command.booking_id)
    if booking is None and 0 < command.booking_id < state.next_booking_id:
        return refuse(
            state,
            Code.WRONG_STATUS,
            "The booking of this ticket has ended, or its event is long over; it admits nobody.",
        )
    if booking is None or not 1 <= command.number <= booking.quantity or command.event_id not in (0, booking.event_id):
        return refuse(state, Code.NO_SUCH_TICKET, "There is no such ticket.")
    sale = state.sales[booking.event_id]
    if sale.event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {sale.event.id} is cancelled.")
    if sale.is_over(now_ms):
        return refuse(state, Code.WRONG_STATUS, f"Event {sale.event.id} is long over; nobody is let in any more.")
    if booking.status not in COUNTS_AS_SOLD:
        name = BOOKING_NAMES[booking.status]
        detail = f"The booking of this ticket is {name}; it admits nobody."
        return refuse(state, Code.WRONG_STATUS, detail, bookingId=booking.id, bookingStatus=name)
    entry = state.entries.rows.get(entry_id(booking.id, command.number))
    if entry is not None:
        where = f" at {entry.place}" if entry.place else ""
        return refuse(
            state,
            Code.ALREADY_REDEEMED,
            f"This ticket was shown before{where}.",
            redeemedAt=entry.at_ms,
            place=entry.place,
            bookingId=booking.id,
        )
    ticket_type = sale.types[booking.ticket_type_id]
    return [CheckedIn(booking.id, command.number, command.place, command.by)], Admitted(
        state.seq + 1, booking.event_id, booking.id, command.number, ticket_type.name, booking.user_id, now_ms,
        command.place,
    )  # fmt: skip
