"""Holding tickets, standing in line, giving up.

Order of refusals when a booking is asked for: no_such_event, invalid_field (ticketType), event_cancelled, not_on_sale,
too_early, limit_per_user, sold_out, overloaded.
"""

from ..codes import Code
from ..commands import Book, GiveUp
from ..facts import BookingCancelled, Held, PaymentAbandoned, Waited
from ..limits import BOOKINGS_MAX, WAITING_MAX
from ..records import TicketType
from ..replies import Booked, InLine
from ..state import Sale, State
from ..status import (
    BOOKING_NAMES,
    CANCELLED,
    COUNTS_AS_HELD,
    HELD,
    PAYING,
    PAYMENT_REQUIRES_ACTION,
    WAITING,
    WAITLIST_OFF,
)
from .shared import Decision, booking_reply, is_free, no_such_booking, no_such_event, overloaded, pass_on, refuse


def book(state: State, now_ms: int, command: Book) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    ticket_type = sale.find_type(command.ticket_type)
    if ticket_type is None:
        return _which_type(state, sale, command)
    event, quantity = sale.event, command.quantity
    if event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {event.id} is cancelled.")
    if event.closed or now_ms >= sale.closes_ms:
        return refuse(state, Code.NOT_ON_SALE, f"The sale for event {event.id} is over.")
    if event.on_sale_ms is not None and now_ms < event.on_sale_ms:
        wait_seconds = -(-(event.on_sale_ms - now_ms) // 1000)
        return refuse(state, Code.TOO_EARLY, "The sale has not begun; see onSaleAt.", retryAfterSeconds=wait_seconds)
    has = sale.tickets_of(command.user_id)
    if has + quantity > event.max_per_user:
        return refuse(
            state,
            Code.LIMIT_PER_USER,
            f"At most {event.max_per_user} tickets per user; this user has {has} of them held, bought or waited for.",
            available=max(event.max_per_user - has, 0),
        )
    if event.max_holds_per_user is not None and has:
        holds = sum(booking.status in COUNTS_AS_HELD for booking in sale.bookings_of(command.user_id))
        if holds >= event.max_holds_per_user:
            return refuse(
                state, Code.LIMIT_PER_USER, f"At most {event.max_holds_per_user} holds at a time; pay or give up one."
            )
    if not is_free(state, sale, ticket_type, quantity):
        return _wait_in_line(state, now_ms, command, sale, ticket_type)
    if len(state.bookings.rows) >= BOOKINGS_MAX:
        return overloaded(state, "bookings")
    amount_minor, expires_ms = ticket_type.price_minor * quantity, now_ms + command.hold_ms
    booking_id, seq = state.next_booking_id, state.seq + 1
    held = Held(booking_id, command.user_id, event.id, ticket_type.id, quantity, amount_minor, expires_ms)
    return [held], Booked(
        seq, booking_id, command.user_id, event.id, ticket_type.name, quantity, amount_minor, event.currency,
        now_ms, expires_ms,
    )  # fmt: skip


def _which_type(state: State, sale: Sale, command: Book) -> Decision:
    names = ", ".join(sale.types_by_name)
    if command.ticket_type is None:
        detail = f"The event has several ticket types; name one of: {names}."
    else:
        detail = f"The event has no such ticket type; it has: {names}."
    return refuse(state, Code.INVALID_FIELD, detail, field="ticketType")


def _wait_in_line(state: State, now_ms: int, command: Book, sale: Sale, ticket_type: TicketType) -> Decision:
    event, quantity = sale.event, command.quantity
    if event.waitlist == WAITLIST_OFF or not command.waitlist or quantity > ticket_type.capacity:
        return refuse(
            state,
            Code.SOLD_OUT,
            _why_sold_out(ticket_type, quantity),
            available=ticket_type.available,
            waiting=ticket_type.waiting,
        )
    if ticket_type.waiting >= WAITING_MAX:
        return overloaded(state, "people in line")
    if len(state.bookings.rows) >= BOOKINGS_MAX:
        return overloaded(state, "bookings")
    booking_id, amount_minor = state.next_booking_id, ticket_type.price_minor * quantity
    waited = Waited(booking_id, command.user_id, event.id, ticket_type.id, quantity, amount_minor)
    return [waited], InLine(
        state.seq + 1, booking_id, command.user_id, event.id, ticket_type.name, quantity, amount_minor, event.currency,
        now_ms, ticket_type.waiting + 1,
    )  # fmt: skip


def _why_sold_out(ticket_type: TicketType, quantity: int) -> str:
    if quantity > ticket_type.capacity:
        return f"{quantity} tickets are more than the {ticket_type.capacity} there are in all."
    if ticket_type.waiting and quantity <= ticket_type.available:
        return f"What is free goes to the {ticket_type.waiting} who wait in line."
    return f"{ticket_type.available} tickets are free, {quantity} were asked for."


def give_up(state: State, now_ms: int, command: GiveUp) -> Decision:
    booking = state.bookings.rows.get(command.booking_id)
    if booking is None:
        return no_such_booking(state, command.booking_id)
    if command.user_id is not None and booking.user_id != command.user_id:
        return refuse(state, Code.FORBIDDEN, "This booking is someone else's.")
    sale = state.sales[booking.event_id]
    payment = state.payments.rows.get(booking.payment_id)
    gives_up_step = booking.status == PAYING and payment is not None and payment.status == PAYMENT_REQUIRES_ACTION
    if booking.status not in (WAITING, HELD) and not gives_up_step:
        name = BOOKING_NAMES[booking.status]
        detail = f"A booking that is {name} cannot be given up."
        if booking.status == PAYING:
            detail += " Its payment is under way; wait for its outcome."
        elif name in ("confirmed", "partially_refunded"):
            detail += f" Ask for its money back: POST /booking/{booking.id}/refund."
        return refuse(state, Code.WRONG_STATUS, detail, bookingStatus=name)
    cancelled = BookingCancelled(booking.id, "given_up")
    ticket_type = sale.types[booking.ticket_type_id]
    reply = booking_reply(sale, booking, state.seq + 1, CANCELLED)
    if booking.status == WAITING:
        return [cancelled, *pass_on(sale, ticket_type, now_ms, command.hold_ms, leaving=booking)], reply
    passed_on = pass_on(sale, ticket_type, now_ms, command.hold_ms, freed=booking.quantity)
    if gives_up_step:
        return [PaymentAbandoned(booking.payment_id, "given_up"), cancelled, *passed_on], reply
    return [cancelled, *passed_on], reply
