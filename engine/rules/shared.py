"""What several rules need: refusing, replying with a booking, passing freed tickets on."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..codes import Code
from ..facts import BookingCancelled, Fact, LeftLine, Promoted
from ..limits import PROMOTIONS_PER_STEP_MAX
from ..records import Booking, TicketType
from ..replies import BookingReply, Refusal, Reply
from ..sale import Sale
from ..seats import unpacked
from ..state import State
from ..status import WAITLIST_STRICT

Decision = tuple[list[Fact], Reply]


class InvalidFieldError(Exception):
    """A field of a command that makes no sense; `detail` ends the sentence that begins with `field`."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


class Changed(NamedTuple):
    """A ticket type as it is from this step on, and how many of those who wait one step may serve."""

    capacity: int
    strict: bool
    limit: int
    offer_ms: int | None  # how long those who are served have; None: as everybody


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
        sale.seat_names(unpacked(booking.seats)) if booking.seats else (),
    )


def is_free(state: State, sale: Sale, ticket_type: TicketType, quantity: int) -> bool:
    """Whether so many tickets may be taken by someone who does not wait: nobody passes those who do; where groups may
    be passed, only if none of them could be served by what is free.
    """
    if ticket_type.waiting and (sale.event.waitlist == WAITLIST_STRICT or ticket_type.id in state.promotable):
        return False
    return quantity <= ticket_type.capacity - ticket_type.held - ticket_type.sold


def pass_on(
    state: State,
    sale: Sale,
    ticket_type: TicketType,
    now_ms: int,
    hold_ms: int,
    *,
    freed: Booking | None = None,
    leaving: Booking | None = None,
    changed: Changed | None = None,
    earlier: Sequence[Promoted | BookingCancelled | LeftLine] = (),
) -> list[Promoted | BookingCancelled | LeftLine]:
    """Who gets the free tickets, those of `freed` among them, in the step that frees them. `leaving`: someone who
    leaves the line in this very step; `earlier`: what has become in it of those in other lines. `changed`: what
    this step changes of the stock and the line. Groups larger than the whole capacity can never be served: they
    are told so, and hold nobody up.
    """
    if not ticket_type.waiting or sale.event.cancelled or sale.event.closed:
        return []
    if changed is None:
        changed = Changed(ticket_type.capacity, sale.strict, PROMOTIONS_PER_STEP_MAX, sale.event.offer_ms)
    line, rows = sale.lines[ticket_type.id], state.bookings.rows
    gone = {fact.booking_id for fact in earlier if not isinstance(fact, LeftLine)}
    if leaving is not None:
        gone.add(leaving.id)
    left = Counter(fact.booking_id for fact in earlier if isinstance(fact, LeftLine))
    facts: list[Promoted | BookingCancelled | LeftLine] = []
    for booking_id in line.larger_than(changed.capacity, changed.limit):
        if booking_id in gone:
            continue
        if len(sale.lines_of(rows[booking_id])) - left[booking_id] > 1:
            facts.append(LeftLine(booking_id, ticket_type.id))
        else:
            facts.append(BookingCancelled(booking_id, "capacity"))
    takers = line.takers(
        changed.capacity - ticket_type.held - ticket_type.sold + (0 if freed is None else freed.quantity),
        changed.capacity,
        changed.limit - len(facts),
        strict=changed.strict,
        without=gone,
    )
    expires_ms = now_ms + (hold_ms if changed.offer_ms is None else changed.offer_ms)
    gaps = None
    if takers and sale.seating is not None and sale.seating.count(ticket_type.id):
        gaps = sale.seating.gaps_with(ticket_type.id, () if freed is None else unpacked(freed.seats))
    for booking_id in takers:
        booking, seats = rows[booking_id], tuple[int, ...]()
        if gaps is not None:
            best = gaps.best(booking.quantity)
            assert best is not None, "as many seats as tickets"
            seats = best
            gaps.take_all(seats)
        if booking.ticket_type_id == ticket_type.id:
            facts.append(Promoted(booking_id, expires_ms, seats=seats))
        else:
            amount_minor = ticket_type.price_minor * booking.quantity
            facts.append(Promoted(booking_id, expires_ms, ticket_type.id, amount_minor, seats))
    return facts
