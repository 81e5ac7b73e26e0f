"""What must be remembered of earlier facts, so that a later one can be told in words.

Owns names, prices, who has which booking, who waits, and what has just freed tickets. Follows the facts and decides
nothing; hand it every one, in order. What came before the first fact it was handed is told with less.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ...engine import facts as f
from ...engine.money import format_minor


class KnownEvent(msgspec.Struct):
    id: int
    details: f.EventDetails
    types: dict[int, f.TypeDetails]

    def __str__(self) -> str:
        return f'event {self.id} "{self.details.name}"'

    def money(self, amount_minor: int) -> str:
        return f"{format_minor(amount_minor, self.details.currency)} {self.details.currency}"


class KnownBooking(msgspec.Struct):
    id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    status: str
    expires_ms: int = 0
    refunded_minor: int = 0


class Cause(msgspec.Struct, frozen=True):
    """What freed tickets, and where."""

    seq: int
    words: str


class Story:
    def __init__(self) -> None:
        self.events: dict[int, KnownEvent] = {}
        self.bookings: dict[int, KnownBooking] = {}
        self.payments: dict[int, tuple[int, int]] = {}  # id: (booking, amount)
        self.refunds: dict[int, tuple[int, int]] = {}
        self.waiting: dict[int, int] = {}  # by ticket type, how many
        self.members: dict[str, f.MemberSaved] = {}
        self.leader = ""  # a member's name
        self.seq = 0
        self.at_ms = 0
        self._freed: dict[int, Cause] = {}  # by ticket type, in this batch

    def begin_batch(self, first_seq: int, at_ms: int) -> None:
        self.seq = first_seq  # of the fact that comes next
        self.at_ms = at_ms
        self._freed.clear()

    def follow(self, fact: f.Fact) -> None:
        """Remember what the fact says."""
        remember = _MEMORIES.get(type(fact))
        if remember is not None:
            remember(self, fact)
        self.seq += 1

    # --- words for what is known

    def event(self, event_id: int) -> str:
        event = self.events.get(event_id)
        return str(event) if event is not None else f"event {event_id}"

    def money(self, event_id: int, amount_minor: int) -> str:
        event = self.events.get(event_id)
        return event.money(amount_minor) if event is not None else f"{amount_minor} minor units"

    def money_of(self, booking_id: int, amount_minor: int) -> str:
        booking = self.bookings.get(booking_id)
        return self.money(booking.event_id if booking else 0, amount_minor)

    def tickets(self, event_id: int, ticket_type_id: int, quantity: int) -> str:
        event = self.events.get(event_id)
        known = event.types.get(ticket_type_id) if event is not None else None
        return f"{quantity} x {known.name if known is not None else f'ticket type {ticket_type_id}'}"

    def tickets_of(self, booking_id: int) -> str:
        booking = self.bookings.get(booking_id)
        if booking is None:
            return "its tickets"
        return self.tickets(booking.event_id, booking.ticket_type_id, booking.quantity)

    def booking_paid_by(self, payment_id: int) -> int:
        """0 when it is not known."""
        return self.payments.get(payment_id, (0, 0))[0]

    def user_of(self, booking_id: int) -> str:
        booking = self.bookings.get(booking_id)
        return booking.user_id if booking is not None else "its user"

    def cause_of_promotion(self, booking_id: int) -> str:
        booking = self.bookings.get(booking_id)
        cause = self._freed.get(booking.ticket_type_id) if booking is not None else None
        if cause is None:
            return "as the line was served further"
        return f"because {cause.words} in the same step (seq {cause.seq})"

    # --- what changes

    def set_status(self, booking_id: int, status: str, expires_ms: int = 0) -> None:
        booking = self.bookings.get(booking_id)
        if booking is None:
            return
        if booking.status == "waiting" and status != "waiting":
            self.waiting[booking.ticket_type_id] = self.waiting.get(booking.ticket_type_id, 1) - 1
        booking.status = status
        booking.expires_ms = expires_ms or booking.expires_ms

    def free(self, booking_id: int, words: str) -> None:
        booking = self.bookings.get(booking_id)
        if booking is not None:
            self._freed[booking.ticket_type_id] = Cause(self.seq, words)

    def free_by_change(self, event: KnownEvent) -> None:
        for ticket_type_id in event.types:
            self._freed[ticket_type_id] = Cause(self.seq, f"event {event.id} was changed")


# --- what each fact leaves to be remembered


def _event_created(story: Story, fact: f.EventCreated) -> None:
    types = {each.ticket_type_id: each for each in fact.types}
    story.events[fact.event_id] = KnownEvent(fact.event_id, fact.details, types)


def _event_changed(story: Story, fact: f.EventChanged) -> None:
    event = story.events.setdefault(fact.event_id, KnownEvent(fact.event_id, fact.details, {}))
    event.details = fact.details
    event.types |= {each.ticket_type_id: each for each in fact.types}
    story.free_by_change(event)


def _held(story: Story, fact: f.Held) -> None:
    story.bookings[fact.booking_id] = KnownBooking(
        fact.booking_id, fact.user_id, fact.event_id, fact.ticket_type_id, fact.quantity, fact.amount_minor, "held",
        fact.expires_ms,
    )  # fmt: skip


def _waited(story: Story, fact: f.Waited) -> None:
    story.bookings[fact.booking_id] = KnownBooking(
        fact.booking_id, fact.user_id, fact.event_id, fact.ticket_type_id, fact.quantity, fact.amount_minor, "waiting"
    )
    story.waiting[fact.ticket_type_id] = story.waiting.get(fact.ticket_type_id, 0) + 1


def _promoted(story: Story, fact: f.Promoted) -> None:
    story.set_status(fact.booking_id, "held", fact.expires_ms)


def _lapsed(story: Story, fact: f.Lapsed) -> None:
    story.free(fact.booking_id, f"booking {fact.booking_id} lapsed")
    story.set_status(fact.booking_id, "expired")


def _booking_cancelled(story: Story, fact: f.BookingCancelled) -> None:
    how = "was given up" if fact.reason == "given_up" else "was cancelled"
    story.free(fact.booking_id, f"booking {fact.booking_id} {how}")
    story.set_status(fact.booking_id, "cancelled")


def _payment_started(story: Story, fact: f.PaymentStarted) -> None:
    story.payments[fact.payment_id] = (fact.booking_id, fact.amount_minor)
    story.set_status(fact.booking_id, "paying")


def _payment_succeeded(story: Story, fact: f.PaymentSucceeded) -> None:
    if not fact.surplus:
        story.set_status(story.booking_paid_by(fact.payment_id), "confirmed")


def _payment_ended(story: Story, fact: f.PaymentFailed | f.PaymentAbandoned) -> None:
    booking = story.bookings.get(story.booking_paid_by(fact.payment_id))
    if booking is not None and booking.status == "paying":
        booking.status = "held"


def _refund_started(story: Story, fact: f.RefundStarted) -> None:
    story.refunds[fact.refund_id] = (fact.booking_id, fact.amount_minor)
    if fact.full:
        story.free(fact.booking_id, f"booking {fact.booking_id} was refunded")
    if not fact.surplus_payment_id:
        story.set_status(fact.booking_id, "refund_pending")


def _refund_succeeded(story: Story, fact: f.RefundSucceeded) -> None:
    booking_id, amount_minor = story.refunds.get(fact.refund_id, (0, 0))
    booking = story.bookings.get(booking_id)
    if booking is not None and booking.status == "refund_pending":
        booking.refunded_minor += amount_minor
        booking.status = "refunded" if booking.refunded_minor >= booking.amount_minor else "partially_refunded"


def _epoch_begun(story: Story, fact: f.EpochBegun) -> None:
    story.leader = fact.leader


def _member_saved(story: Story, fact: f.MemberSaved) -> None:
    story.members[fact.name] = fact


def _member_removed(story: Story, fact: f.MemberRemoved) -> None:
    story.members.pop(fact.name, None)


_MEMORIES: dict[type, Callable[[Story, Any], None]] = {
    f.EventCreated: _event_created,
    f.EventChanged: _event_changed,
    f.Held: _held,
    f.Waited: _waited,
    f.Promoted: _promoted,
    f.Lapsed: _lapsed,
    f.BookingCancelled: _booking_cancelled,
    f.PaymentStarted: _payment_started,
    f.PaymentSucceeded: _payment_succeeded,
    f.PaymentFailed: _payment_ended,
    f.PaymentAbandoned: _payment_ended,
    f.RefundStarted: _refund_started,
    f.RefundSucceeded: _refund_succeeded,
    f.EpochBegun: _epoch_begun,
    f.MemberSaved: _member_saved,
    f.MemberRemoved: _member_removed,
}
