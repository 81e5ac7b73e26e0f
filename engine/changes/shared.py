"""What changes have in common: a booking's new status moves its tickets, claim, place in line and deadline along.

Owns how the indexes follow a row. Every change of a booking is begun by `begin` and ended by `become`.
"""

from ..limits import DELIVERIES_MAX
from ..notices import KINDS, MAIL, ORGANISER_WEBHOOK, USER_WEBHOOK, delivery_id
from ..records import Booking, Delivery, Notice, TicketType
from ..sale import Sale
from ..state import State, deadline_of, deadlines_of, is_settled
from ..status import BOOKING_FOLLOWERS, COUNTS_AS_HELD, COUNTS_AS_SOLD, COUNTS_FOR_USER, ENDED, EXPIRED, WAITING
from . import room, seats


def begin(state: State, booking_id: int) -> Booking:
    """Get hold of a booking to change it: `become` must follow."""
    booking = state.bookings.rows[booking_id]
    state.bookings.touch(booking_id, booking)
    due_ms = deadline_of(booking)
    if due_ms:
        deadlines_of(state, booking).remove(due_ms, booking_id)
    elif is_settled(booking):
        state.sales[booking.event_id].settled -= 1
    return booking


def become(state: State, booking: Booking, status: int) -> None:
    """Give a booking its new status, and move its tickets, claim, place in line and deadline along."""
    before = booking.status
    assert status == before or status in BOOKING_FOLLOWERS[before], f"booking {booking.id}: {before} to {status}"
    booking.status = status
    if status != before:
        state.status_counts[before] -= 1
        state.status_counts[status] += 1
        sale = state.sales[booking.event_id]
        ticket_type = sale.types[booking.ticket_type_id]
        state.ticket_types.touch(ticket_type.id, ticket_type)
        if before == WAITING:
            for each, number in sale.lines_of(booking):
                leave(state, sale, each, number, booking.quantity)
            booking.line_number, booking.also = 0, ""
        if status in COUNTS_AS_HELD:
            ticket_type.held += booking.quantity
        elif status in COUNTS_AS_SOLD:
            ticket_type.sold += booking.quantity
        if before in COUNTS_AS_HELD:
            ticket_type.held -= booking.quantity
        elif before in COUNTS_AS_SOLD:
            ticket_type.sold -= booking.quantity
        assert ticket_type.held + ticket_type.sold <= ticket_type.capacity, "sold twice"
        if before in COUNTS_FOR_USER and status not in COUNTS_FOR_USER:
            sale.unclaim(booking)
            booking.expires_ms = 0
        elif before not in COUNTS_FOR_USER and status in COUNTS_FOR_USER:
            sale.claim(booking)
        if sale.seating is not None:
            seats.follow(sale, booking, before, status)
        if status in ENDED:
            booking.ended_ms = state.at_ms
        elif before == EXPIRED and sale.lapsed.get(booking.user_id) == booking.id:
            del sale.lapsed[booking.user_id]
        if ticket_type.waiting or ticket_type.id in state.promotable:
            track_promotable(state, sale, ticket_type)
        if sale.event.cancelled or sale.event.closed:
            track_sweep(state, sale)
        if sale.queue is not None:
            room.booking_changed(state, sale, booking, before, status)
    due_ms = deadline_of(booking)
    if due_ms:
        deadlines_of(state, booking).add(due_ms, booking.id)
        return
    sale = state.sales[booking.event_id]
    if is_settled(booking):
        sale.settled += 1
    if sale.event.closed:
        track_archiving(state, sale)


def leave(state: State, sale: Sale, ticket_type: TicketType, number: int, quantity: int) -> None:
    """A place in a line is given up, or has led to a hold."""
    state.ticket_types.touch(ticket_type.id, ticket_type)
    sale.lines[ticket_type.id].leave(number, quantity)
    ticket_type.waiting -= 1
    track_promotable(state, sale, ticket_type)


def track_promotable(state: State, sale: Sale, ticket_type: TicketType) -> None:
    """Keep `promotable` exact: someone in this line could be served, or told that they never can be."""
    line = sale.lines[ticket_type.id]
    open_for_more = line.count and not sale.event.cancelled and not sale.event.closed
    if open_for_more and (
        line.next_number(ticket_type.available, strict=sale.strict) is not None
        or line.has_larger_than(ticket_type.capacity)
    ):
        state.promotable[ticket_type.id] = None
    else:
        state.promotable.pop(ticket_type.id, None)


def track_telling(state: State, sale: Sale) -> None:
    """Keep `telling` exact: this event has changed, and not everybody who has tickets has been told."""
    event = sale.event
    if event.told + 1 < event.tell_below and not event.cancelled:
        state.telling[event.id] = None
    else:
        state.telling.pop(event.id, None)


def track_sweep(state: State, sale: Sale) -> None:
    """Keep `sweeping` exact: this event has bookings that must be ended."""
    event = sale.event
    if (event.cancelled and sale.claims) or (event.closed and any(line.count for line in sale.lines.values())):
        state.sweeping[event.id] = None
    else:
        state.sweeping.pop(event.id, None)


def track_archiving(state: State, sale: Sale) -> None:
    """Keep `archivings` exact: this event is over one day, and has bookings that can leave memory then."""
    event = sale.event
    due_ms = sale.over_ms if event.closed and not event.cancelled and sale.settled else 0
    if due_ms != sale.archive_ms:
        if sale.archive_ms:
            state.archivings.remove(sale.archive_ms, event.id)
        sale.archive_ms = due_ms
        if due_ms:
            state.archivings.add(due_ms, event.id)


def notice(state: State, booking: Booking, kind: str, amount_minor: int = 0, detail: str = "") -> None:
    """Tell a booking's user something, and the event's organiser where it is of interest to them."""
    number = state.next_notice_id
    state.next_notice_id = number + 1
    state.notices.append(
        Notice(
            number, state.seq, state.at_ms, booking.user_id, kind, booking.event_id, booking.id, amount_minor, detail
        )
    )
    users = state.users.rows
    user = users.get(booking.user_id) if users else None
    if user is not None:
        if user.email is not None and state.mail and KINDS[kind].mailed:
            _owe(state, booking, MAIL, number, kind, amount_minor, detail)
        if user.webhook_url is not None and not user.webhook_disabled:
            _owe(state, booking, USER_WEBHOOK, number, kind, amount_minor, detail)
    event = state.sales[booking.event_id].event
    if event.webhook_url is not None and not event.webhook_disabled and KINDS[kind].for_organiser:
        _owe(state, booking, ORGANISER_WEBHOOK, number, kind, amount_minor, detail)


def tell_organiser(state: State, booking: Booking, kind: str, amount_minor: int, detail: str) -> None:
    """What is not for the user's ears."""
    number = state.next_notice_id
    state.next_notice_id = number + 1
    event = state.sales[booking.event_id].event
    if event.webhook_url is not None and not event.webhook_disabled:
        _owe(state, booking, ORGANISER_WEBHOOK, number, kind, amount_minor, detail)


def _owe(
    state: State, booking: Booking, channel: int, notice_id: int, kind: str, amount_minor: int, detail: str
) -> None:
    if len(state.deliveries.rows) >= DELIVERIES_MAX:
        return
    delivery = Delivery(
        delivery_id(notice_id, channel), channel, notice_id, kind, state.at_ms, booking.user_id, booking.event_id,
        booking.id, booking.ticket_type_id, booking.quantity, amount_minor, detail,
    )  # fmt: skip
    state.deliveries.add(delivery.id, delivery)
    state.sales[booking.event_id].owed.deliveries += 1
