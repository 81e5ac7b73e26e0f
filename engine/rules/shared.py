"""What several rules need: refusing, replying with a booking, passing freed tickets on."""

from typing import Any, NamedTuple

from ..codes import Code
from ..facts import BookingCancelled, Fact, Promoted
from ..limits import PROMOTIONS_PER_STEP_MAX
from ..records import Booking, TicketType
from ..replies import BookingReply, Refusal, Reply
from ..state import Sale, State
from ..status import WAITLIST_STRICT

Decision = tuple[list[Fact], Reply]


class Changed(NamedTuple):
    """A ticket type as it is from this step on, and how many of those who wait one step may serve."""

    capacity: int
    strict: bool
    limit: int


def refuse(state: State, code: Code, detail: str, **extra: Any) -> Decision:
    """No fact; `extra` are fields that help the caller act, by their public names."""
    return [], Refusal(state.seq, code, detail, extra or None)


def no_such_event(state: State, event_id: int) -> Decision:
    return refuse(state, Code.NO_SUCH_EVENT, f"There is no event {event_id}; GET /events lists them.")


def no_such_booking(state: State, booking_id: int) -> Decision:
    return refuse(state, Code.NO_SUCH_BOOKING, f"There is no booking {booking_id}.")


def overloaded(state: State, what: str) -> Decision:
    return refuse(state, Code.OVERLOADED, f"No room for more {what} now; try again later.", retryAfterSeconds=30)


def booking_reply(sale: Sale, booking: Booking, seq: int, status: int) -> BookingReply:
    return BookingReply(
        seq,
        booking.id,
        booking.user_id,
        booking.event_id,
        sale.types[booking.ticket_type_id].name,
        booking.quantity,
        booking.amount_minor,
        sale.event.currency,
        status,
    )


def is_free(state: State, sale: Sale, ticket_type: TicketType, quantity: int) -> bool:
    """Whether so many tickets may be taken by someone who does not wait: nobody passes those who do; where groups may
    be passed, only if none of them could be served by what is free.
    """
    if ticket_type.waiting and (sale.event.waitlist == WAITLIST_STRICT or ticket_type.id in state.promotable):
        return False
    return quantity <= ticket_type.capacity - ticket_type.held - ticket_type.sold


def pass_on(
    sale: Sale,
    ticket_type: TicketType,
    now_ms: int,
    hold_ms: int,
    *,
    freed: int = 0,
    leaving: Booking | None = None,
    changed: Changed | None = None,
) -> list[Promoted | BookingCancelled]:
    """Who gets the free tickets, `freed` among them, in the step that frees them. `leaving`: someone who leaves the
    line in this very step. `changed`: what this step changes of the stock and the line. Groups larger than the whole
    capacity can never be served: they are told so, and hold nobody up.
    """
    if not ticket_type.waiting or sale.event.cancelled or sale.event.closed:
        return []
    if changed is None:
        changed = Changed(ticket_type.capacity, sale.strict, PROMOTIONS_PER_STEP_MAX)
    line = sale.lines[ticket_type.id]
    facts: list[Promoted | BookingCancelled] = [
        BookingCancelled(booking_id, "capacity")
        for booking_id in line.larger_than(changed.capacity, changed.limit)
        if leaving is None or booking_id != leaving.id
    ]
    takers = line.takers(
        changed.capacity - ticket_type.held - ticket_type.sold + freed,
        changed.capacity,
        changed.limit - len(facts),
        strict=changed.strict,
        without=0 if leaving is None else leaving.line_number,
    )
    facts += [Promoted(booking_id, now_ms + hold_ms) for booking_id in takers]
    return facts
