"""An independent audit of the facts: whether each of them kept the promises, and the sums at the end.

Owns the way through the facts. Capacity, first come first served, limits, deadlines, lifecycles, money and idempotency
keys are held against books of its own, never against what `apply` makes of them. Facts go in, faults come out.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from .. import facts as f
from ..audit import bookings, bots, cluster, messages, money, outside, room, seats
from ..state import State
from .books import STATUS_NAMES, Books, Fault
from .line import check_passed_on
from .opening import open_books

FAULTS_MAX = 100
Watch = Callable[[Books, f.Fact], None]


class Money(msgspec.Struct, gc=False):
    """Of one currency, in minor units: what was paid, what went back, what is on its way back."""

    paid_minor: int = 0
    refunded_minor: int = 0
    refunding_minor: int = 0


class Summary(msgspec.Struct, frozen=True):
    """What was found. `faults` are the first of `faults_in_all`; `bookings` and `money` cover all that was audited."""

    seq: int
    events: int
    bookings: dict[str, int]  # by status
    money: dict[str, Money]  # by currency
    faults: list[Fault]
    faults_in_all: int


class Auditor:
    """Hand it every batch in order; `finish` closes the books. A fault never stops it."""

    def __init__(self, faults_max: int = FAULTS_MAX, watch: Watch | None = None) -> None:
        """`watch` is called with the books and each fact before it is entered in them."""
        self._books = Books(faults_max)
        self._watch = watch

    @classmethod
    def opened_at(cls, state: State, faults_max: int = FAULTS_MAX, watch: Watch | None = None) -> Self:
        """Audit what comes behind `state`, for a journal that no longer holds what came before."""
        auditor = cls(faults_max, watch)
        open_books(auditor._books, state)
        return auditor

    @property
    def faults(self) -> list[Fault]:
        return self._books.faults

    def audit(self, first_seq: int, at_ms: int, facts: Sequence[f.Fact], *, epoch: int | None = None) -> None:
        """One batch: the facts from `first_seq` on, decided at `at_ms`, in the `epoch` that its header says, if that is
        known.
        """
        books, handlers = self._books, _HANDLERS
        seq, books.seq = books.seq, first_seq
        if first_seq != seq + 1:
            books.fault(f"seq {seq + 1} should come next, and here is seq {first_seq}")
        if at_ms < books.at_ms:
            books.fault(f"time runs back from {books.at_ms} to {at_ms} ms")
        books.at_ms = at_ms
        cluster.begin_batch(books, first_seq, epoch, begins_epoch=bool(facts) and type(facts[0]) is f.EpochBegun)
        books.seq = first_seq - 1
        for fact in facts:
            books.seq += 1
            kind = type(fact)
            if (
                kind is f.Promoted
                or kind is f.LeftLine
                or (isinstance(fact, f.BookingCancelled) and fact.reason == "capacity")
            ):
                books.served += 1
            elif (books.served or books.due) and kind is not f.RefundSucceeded:
                check_passed_on(books)
            if books.due_refund is not None and kind is not f.RefundStarted:
                self._check_given_back()
            try:
                if self._watch is not None:
                    self._watch(books, fact)
                handlers[kind](books, fact)
            except KeyError as missing:
                books.fault(f"{kind.__name__} names {missing}, which is not known at this point")
        check_passed_on(books)
        self._check_given_back()
        bots.check_challenges(books)

    def _check_given_back(self) -> None:
        due, self._books.due_refund = self._books.due_refund, None
        if due is not None:
            self._books.fault(f"payment {due.id} paid for nothing, and its money did not go back in the same step")

    def finish(self) -> Summary:
        """Close the books: the sums must add up."""
        books = self._books
        money.closing_faults(books)
        claims = (*books.claims.values(), *books.away.values())
        statuses = Counter(claim.status for claim in claims) + books.retired
        by_status: Counter[str] = Counter()
        for status, count in sorted(statuses.items()):
            by_status[STATUS_NAMES[status]] += count
        sums: dict[str, Money] = {}
        for show in books.shows.values():
            currency = sums.setdefault(show.currency, Money())
            currency.paid_minor += show.paid_minor + show.surplus_minor
            currency.refunded_minor += show.refunded_minor + show.surplus_refunded_minor
            currency.refunding_minor += show.refunding_minor + show.surplus_refunding_minor
        sums = {currency: sums[currency] for currency in sorted(sums)}
        return Summary(books.seq, len(books.shows), dict(by_status), sums, books.faults, books.faults_in_all)

    def differences(self, state: State) -> list[str]:
        """Where the engine's state says otherwise than these books, which followed the same facts."""
        books, found = self._books, []
        if state.seq != books.seq:
            return [f"the engine stands at seq {state.seq}, the audit at {books.seq}"]
        for stock in books.stocks.values():
            row = state.ticket_types.rows[stock.id]
            counts = (stock.capacity, stock.held, stock.sold, stock.waiting)
            counted = (row.capacity, row.held, row.sold, row.waiting)
            if counts != counted:
                found.append(f"{stock} has (capacity, held, sold, waiting) {counts}, and the engine says {counted}")
        rows = state.bookings.rows
        if rows.keys() != books.claims.keys():
            found.append(f"the engine knows {len(rows)} bookings and the audit {len(books.claims)}")
        for claim in books.claims.values():
            booking = rows.get(claim.id)
            if booking is not None and booking.status != claim.status:
                here, there = STATUS_NAMES[claim.status], STATUS_NAMES[booking.status]
                found.append(f"booking {claim.id} is {here}, and the engine says {there}")
        for part in (cluster, outside, messages, seats, room, bots):
            found += part.differences(books, state)
        return found


_HANDLERS: dict[type, Callable[[Books, Any], None]] = {
    f.EventCreated: bookings.event_created,
    f.EventChanged: bookings.event_changed,
    f.EventCancelled: bookings.event_cancelled,
    f.SaleClosed: bookings.sale_closed,
    f.ChangeTold: messages.change_told,
    f.EventWebhookDisabled: messages.event_webhook_disabled,
    f.Held: bookings.held,
    f.Waited: bookings.waited,
    f.Promoted: bookings.promoted,
    f.LapseWarned: bookings.lapse_warned,
    f.Lapsed: bookings.lapsed,
    f.BookingCancelled: bookings.booking_cancelled,
    f.Retired: bookings.retired,
    f.Archived: bookings.archived,
    f.Recalled: bookings.recalled,
    f.CheckedIn: outside.checked_in,
    f.PaymentStarted: money.payment_started,
    f.PaymentPending: money.payment_pending,
    f.PaymentSucceeded: money.payment_succeeded,
    f.PaymentFailed: money.payment_failed,
    f.PaymentAbandoned: money.payment_abandoned,
    f.PaymentPrepared: outside.payment_prepared,
    f.PaymentDeclined: outside.payment_declined,
    f.PaymentAnswered: outside.payment_answered,
    f.RefundStarted: money.refund_started,
    f.RefundSucceeded: money.refund_succeeded,
    f.RefundFailed: money.refund_failed,
    f.RefundPending: outside.refund_pending,
    f.RefundAnswered: outside.refund_answered,
    f.RefundRetried: outside.refund_retried,
    f.ProviderEventTaken: outside.provider_event_taken,
    f.ConcernRaised: outside.concern_raised,
    f.ConcernClosed: outside.concern_closed,
    f.UserSaved: messages.user_saved,
    f.UserWebhookDisabled: messages.user_webhook_disabled,
    f.Keyed: money.keyed,
    f.EpochBegun: cluster.epoch_begun,
    f.MemberSaved: cluster.member_saved,
    f.MemberRemoved: cluster.member_removed,
    f.SyncStandbysSet: cluster.sync_standbys_set,
    f.TicketKeySaved: cluster.ticket_key_saved,
    f.MailSet: messages.mail_set,
    f.Delivered: messages.delivered,
    f.DeliveryFailed: messages.delivery_failed,
    f.DeliveryRetried: messages.delivery_retried,
    f.DeliveryDropped: messages.delivery_dropped,
    f.RoomSet: room.room_set,
    f.RoomRemoved: room.room_removed,
    f.RoomStateSet: room.room_state_set,
    f.QueueJoined: room.queue_joined,
    f.RoomOpened: room.room_opened,
    f.QueueAdmitted: room.queue_admitted,
    f.QueueLeft: room.queue_left,
    f.TurnsLapsed: room.turns_lapsed,
    f.PlacesForgotten: room.places_forgotten,
    f.SeatMapSet: seats.seat_map_set,
    f.ChallengeUsed: bots.challenge_used,
    f.Suspected: bots.suspected,
    f.LeftLine: bookings.left_line,
}
assert set(_HANDLERS) == set(f.Fact.__args__), "every fact is audited"
