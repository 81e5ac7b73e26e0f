"""Holding tickets, standing in line, giving up.

Order of refusals when a booking is asked for: no_such_event, invalid_field (ticketType), event_cancelled, not_on_sale,
too_early, queue_required, challenge_required, limit_per_user, invalid_seats, sold_out, overloaded.
"""

from collections.abc import Sequence

from ..codes import Code
from ..commands import Book, GiveUp
from ..facts import BookingCancelled, Held, PaymentAbandoned, Waited
from ..limits import BOOKINGS_MAX, WAITING_MAX
from ..records import Event, TicketType
from ..replies import Booked, InLine
from ..sale import Sale
from ..state import State
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
from . import bots, room
from .choice import TakenSeatsError, WrongSeatsError, seats_for, taken_among, wanted_types
from .shared import (
    Decision,
    InvalidFieldError,
    booking_reply,
    is_free,
    no_such_booking,
    no_such_event,
    overloaded,
    pass_on,
    refuse,
)


def book(state: State, now_ms: int, command: Book) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    choosy = command.seats or command.ticket_types or command.accessible
    ticket_type = None if choosy else sale.find_type(command.ticket_type)
    types: Sequence[TicketType]
    if ticket_type is not None:  # by far the most
        types = (ticket_type,)
    else:
        found = _wanted_types(state, sale, command)
        if not isinstance(found, list):
            return found
        types = found
    event = sale.event
    if event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {event.id} is cancelled.")
    if event.closed or now_ms >= (event.starts_ms if event.ends_ms is None else event.ends_ms):  # sale.closes_ms
        return refuse(state, Code.NOT_ON_SALE, f"The sale for event {event.id} is over.")
    if event.on_sale_ms is not None and now_ms < event.on_sale_ms:
        wait_seconds = -(-(event.on_sale_ms - now_ms) // 1000)
        return refuse(state, Code.TOO_EARLY, "The sale has not begun; see onSaleAt.", retryAfterSeconds=wait_seconds)
    if sale.queue is not None or event.challenge or command.evidence is not None:
        return _book_guarded(state, now_ms, command, sale, types)
    return _book(state, now_ms, command, sale, types)


def _wanted_types(state: State, sale: Sale, command: Book) -> list[TicketType] | Decision:
    try:
        return wanted_types(sale, command)
    except InvalidFieldError as fault:
        return refuse(state, Code.INVALID_FIELD, fault.detail, field=fault.field)
    except WrongSeatsError as fault:
        return refuse(state, Code.INVALID_SEATS, str(fault), field="seats", seats=fault.seats)


def _book_guarded(state: State, now_ms: int, command: Book, sale: Sale, types: Sequence[TicketType]) -> Decision:
    """Where people queue, or prove that they are people. Whoever joined a queue has solved the event's challenge."""
    refusal = None
    if sale.queue is not None:
        refusal = room.may_book(state, now_ms, sale, command)
    elif sale.event.challenge:
        refusal = bots.refused(state, now_ms, sale.event, command.proof)
    if refusal is not None:
        return refusal
    return bots.settled(state, sale.event, command, _book(state, now_ms, command, sale, types))


def _book(state: State, now_ms: int, command: Book, sale: Sale, types: Sequence[TicketType]) -> Decision:
    event, quantity = sale.event, command.quantity
    user_id = command.user_id
    has = sale.tickets_of(user_id)
    if has + quantity > event.max_per_user:
        return refuse(
            state,
            Code.LIMIT_PER_USER,
            f"At most {event.max_per_user} tickets per user; this user has {has} of them held, bought or waited for.",
            available=max(event.max_per_user - has, 0),
        )
    if has and (holds_max := _holds_max(sale)) is not None:
        holds = sum(booking.status in COUNTS_AS_HELD for booking in sale.bookings_of(user_id))
        if holds >= holds_max:
            return refuse(
                state, Code.LIMIT_PER_USER, f"At most {holds_max} holds at a time; pay or give up one.", available=0
            )
    seats, taken = tuple[int, ...](), None
    for ticket_type in types:
        if not is_free(state, sale, ticket_type, quantity):
            continue
        if sale.seating is None:
            break
        try:
            seats = seats_for(sale.seating, ticket_type, command)
            break
        except TakenSeatsError as fault:  # another type may have such seats
            taken = taken or refuse(
                state, Code.SOLD_OUT, str(fault), seats=fault.seats, available=ticket_type.available
            )
    else:
        return taken or _wait_in_line(state, now_ms, command, sale, types)
    if len(state.bookings.rows) >= BOOKINGS_MAX:
        return overloaded(state, "bookings")
    amount_minor, expires_ms = ticket_type.price_minor * quantity, now_ms + command.hold_ms
    booking_id, seq = state.next_booking_id, state.seq + 1
    held = Held(booking_id, user_id, event.id, ticket_type.id, quantity, amount_minor, expires_ms, seats)
    return [held], Booked(
        seq, booking_id, user_id, event.id, ticket_type.name, quantity, amount_minor, event.currency,
        now_ms, expires_ms, sale.seat_names(seats) if seats else (),
    )  # fmt: skip


def _holds_max(sale: Sale) -> int | None:
    """How many holds a user may have: one where people queue or prove that they are people, unless it says else."""
    event: Event = sale.event
    if event.max_holds_per_user is None and (sale.queue is not None or event.challenge):
        return 1
    return event.max_holds_per_user


def _wait_in_line(state: State, now_ms: int, command: Book, sale: Sale, types: Sequence[TicketType]) -> Decision:
    event, quantity = sale.event, command.quantity
    enough = [each for each in types if quantity <= each.capacity]
    # seats that somebody has picked may never come back
    picky = command.seats or command.accessible
    if event.waitlist == WAITLIST_OFF or not command.waitlist or not enough or picky:
        named = {"seats": taken_among(sale.seating, command)} if command.seats and sale.seating is not None else {}
        return refuse(
            state,
            Code.SOLD_OUT,
            _why_sold_out(types, quantity),
            available=max(each.available for each in types),
            waiting=sum(each.waiting for each in types),
            **named,
        )
    if any(each.waiting >= WAITING_MAX for each in enough):
        return overloaded(state, "people in line")
    if len(state.bookings.rows) >= BOOKINGS_MAX:
        return overloaded(state, "bookings")
    first = enough[0]
    booking_id, amount_minor = state.next_booking_id, first.price_minor * quantity
    also = tuple(each.id for each in enough[1:])
    waited = Waited(booking_id, command.user_id, event.id, first.id, quantity, amount_minor, also)
    return [waited], InLine(
        state.seq + 1, booking_id, command.user_id, event.id, first.name, quantity, amount_minor, event.currency,
        now_ms, min(each.waiting for each in enough) + 1,
    )  # fmt: skip


def _why_sold_out(types: Sequence[TicketType], quantity: int) -> str:
    if len(types) > 1:
        return f"None of these ticket types has {quantity} tickets free for someone who does not wait in line."
    (ticket_type,) = types
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
    cancelled = BookingCancelled(booking.id, "declined" if booking.offered else "given_up")
    ticket_type = sale.types[booking.ticket_type_id]
    reply = booking_reply(sale, booking, state.seq + 1, CANCELLED)
    if booking.status == WAITING:
        return [cancelled, *pass_on(state, sale, ticket_type, now_ms, command.hold_ms, leaving=booking)], reply
    passed_on = pass_on(state, sale, ticket_type, now_ms, command.hold_ms, freed=booking)
    if gives_up_step:
        return [PaymentAbandoned(booking.payment_id, "given_up"), cancelled, *passed_on], reply
    return [cancelled, *passed_on], reply
