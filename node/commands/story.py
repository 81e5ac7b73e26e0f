"""What must be remembered of earlier facts, so that a later one can be told in words.

Owns names, prices, seats, who has which booking, who waits, who came to a waiting room, and what has just freed
tickets. Follows the facts and decides nothing; hand it every one, in order. What came before the first fact it was
handed is told with less.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from ...engine import facts as f
from ...engine.money import format_minor
from ...engine.seats import Seating


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


class KnownRoom(msgspec.Struct):
    """A waiting room. `whole`: it was followed from its beginning."""

    whole: bool
    commitment: str = ""
    arrivals: int = 0
    through: int = 0  # numbers up to here were admitted
    visitors: dict[int, str] = {}  # by arrival


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
        self.also_waits_for: dict[int, tuple[int, ...]] = {}  # by booking, further ticket types
        self.rooms: dict[int, KnownRoom] = {}  # by event
        self.queued: set[int] = set()  # events to whose waiting room somebody came
        self.seat_maps: dict[int, Seating] = {}  # by event
        self.members: dict[str, f.MemberSaved] = {}
        self.leader = ""  # a member's name
        self.seq = 0
        self.at_ms = 0
        self.whole = False  # the first fact it was handed was the very first
        self._freed: dict[int, Cause] = {}  # by ticket type, in this batch

    def begin_batch(self, first_seq: int, at_ms: int) -> None:
        self.whole = self.whole or first_seq == 1
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
        return f"{quantity} x {self.ticket_type(event_id, ticket_type_id)}"

    def ticket_type(self, event_id: int, ticket_type_id: int) -> str:
        event = self.events.get(event_id)
        known = event.types.get(ticket_type_id) if event is not None else None
        return known.name if known is not None else f"ticket type {ticket_type_id}"

    def seats(self, event_id: int, seats: tuple[int, ...]) -> str:
        """As the end of what is said of tickets; nothing where they have no seats."""
        if not seats:
            return ""
        seating = self.seat_maps.get(event_id)
        known = seating is not None and max(seats) < seating.seats
        names = [seating.name(seat) if known and seating is not None else f"{seat}" for seat in seats]
        return f", seat {names[0]}" if len(names) == 1 else f", seats {', '.join(names[:-1])} and {names[-1]}"

    def visitor(self, event_id: int, arrival: int) -> str:
        """Who has this place in the event's waiting room."""
        room = self.rooms.get(event_id)
        user_id = room.visitors.get(arrival) if room is not None else None
        return f"{user_id} (arrival {arrival})" if user_id is not None else f"arrival {arrival}"

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

    def cause_of_promotion(self, fact: f.Promoted) -> str:
        booking = self.bookings.get(fact.booking_id)
        ticket_type_id = fact.ticket_type_id or (booking.ticket_type_id if booking is not None else 0)
        cause = self._freed.get(ticket_type_id)
        if cause is None:
            return "as the line was served further"
        return f"because {cause.words} in the same step (seq {cause.seq})"

    # --- what changes

    def set_status(self, booking_id: int, status: str, expires_ms: int = 0) -> None:
        booking = self.bookings.get(booking_id)
        if booking is None:
            return
        if booking.status == "waiting" and status != "waiting":
            for each in (booking.ticket_type_id, *self.also_waits_for.pop(booking_id, ())):
                self.waiting[each] = self.waiting.get(each, 1) - 1
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
    for each in (fact.ticket_type_id, *fact.also):
        story.waiting[each] = story.waiting.get(each, 0) + 1
    if fact.also:
        story.also_waits_for[fact.booking_id] = fact.also


def _promoted(story: Story, fact: f.Promoted) -> None:
    story.set_status(fact.booking_id, "held", fact.expires_ms)
    booking = story.bookings.get(fact.booking_id)
    if booking is not None and fact.ticket_type_id:
        booking.ticket_type_id, booking.amount_minor = fact.ticket_type_id, fact.amount_minor


def _left_line(story: Story, fact: f.LeftLine) -> None:
    booking = story.bookings.get(fact.booking_id)
    if booking is None:
        return
    story.waiting[fact.ticket_type_id] = story.waiting.get(fact.ticket_type_id, 1) - 1
    lines = [booking.ticket_type_id, *story.also_waits_for.get(booking.id, ())]
    lines.remove(fact.ticket_type_id)
    booking.ticket_type_id, story.also_waits_for[booking.id] = lines[0], tuple(lines[1:])


def _lapsed(story: Story, fact: f.Lapsed) -> None:
    story.free(fact.booking_id, f"booking {fact.booking_id} lapsed")
    story.set_status(fact.booking_id, "expired")


def _booking_cancelled(story: Story, fact: f.BookingCancelled) -> None:
    how = {"given_up": "was given up", "declined": "was declined"}.get(fact.reason, "was cancelled")
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


def _room_set(story: Story, fact: f.RoomSet) -> None:
    room = story.rooms.setdefault(fact.event_id, KnownRoom(story.whole))
    if fact.seed:
        room.commitment = sha256(fact.seed).hexdigest()


def _room_removed(story: Story, fact: f.RoomRemoved) -> None:
    story.rooms.pop(fact.event_id, None)


def _queue_joined(story: Story, fact: f.QueueJoined) -> None:
    story.queued.add(fact.event_id)
    room = story.rooms.get(fact.event_id)
    if room is not None:
        room.arrivals += 1
        if room.whole:
            room.visitors[room.arrivals] = fact.user_id


def _queue_admitted(story: Story, fact: f.QueueAdmitted) -> None:
    room = story.rooms.get(fact.event_id)
    if room is not None:
        room.through = fact.through


def _seat_map_set(story: Story, fact: f.SeatMapSet) -> None:
    if fact.layout:
        story.seat_maps[fact.event_id] = Seating(fact.layout)
    else:
        story.seat_maps.pop(fact.event_id, None)


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
    f.LeftLine: _left_line,
    f.RoomSet: _room_set,
    f.RoomRemoved: _room_removed,
    f.QueueJoined: _queue_joined,
    f.QueueAdmitted: _queue_admitted,
    f.SeatMapSet: _seat_map_set,
    f.EpochBegun: _epoch_begun,
    f.MemberSaved: _member_saved,
    f.MemberRemoved: _member_removed,
}
