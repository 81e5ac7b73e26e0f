"""Giving money back, wholly or in part; tickets wholly refunded go to the head of the line at once.

Order of refusals: no_such_booking, forbidden, wrong_status, invalid_field (amount), amount_mismatch.
"""

from ..codes import Code
from ..commands import Idempotency, RaiseConcern, RetryRefund, SettleRefund, StartRefund
from ..facts import Fact, RefundFailed, RefundPending, RefundRetried, RefundStarted, RefundSucceeded
from ..limits import TEXT_CHARACTERS_MAX
from ..money import format_minor, parse_minor
from ..records import Booking, Refund
from ..replies import Done, RefundReply
from ..state import State, entry_id
from ..status import (
    BOOKING_NAMES,
    COUNTS_AS_SOLD,
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    REFUND_FAILED,
    REFUND_PENDING,
    REFUND_PENDING_AT_PROVIDER,
    REFUND_SUCCEEDED,
    REFUNDED,
)
from .past import recall, recalled
from .provider import raise_concern
from .shared import Decision, no_such_booking, pass_on, refuse


def start_refund(state: State, now_ms: int, command: StartRefund, key: Idempotency | None = None) -> Decision:
    past = recall(state, now_ms, command.past, command.past_read_ms)
    booking = past or state.bookings.rows.get(command.booking_id)
    if booking is None:
        return no_such_booking(state, command.booking_id)
    if command.user_id is not None and booking.user_id != command.user_id:
        return refuse(state, Code.FORBIDDEN, "This booking is someone else's.")
    if command.user_id is not None and now_ms >= state.sales[booking.event_id].event.starts_ms:
        return refuse(state, Code.FORBIDDEN, "The event has begun; ask its organiser for the money.")
    if command.user_id is not None and _was_shown(state, booking):
        return refuse(state, Code.FORBIDDEN, "A ticket of it was shown at the door; ask the event's organiser.")
    name = BOOKING_NAMES[booking.status]
    if booking.status not in COUNTS_AS_SOLD:
        detail = f"A booking that is {name} has nothing to refund."
        return refuse(state, Code.WRONG_STATUS, detail, bookingStatus=name)
    currency = state.sales[booking.event_id].event.currency
    left_minor = booking.amount_minor - booking.refunded_minor - booking.refunding_minor
    amount_minor: int | None = left_minor
    if command.amount is not None:
        amount_minor = parse_minor(command.amount, currency)
        if amount_minor is None or (not amount_minor and booking.amount_minor):
            detail = f"amount must be a decimal string in {currency} above zero."
            return refuse(state, Code.INVALID_FIELD, detail, field="amount")
        if amount_minor > left_minor:
            left = format_minor(left_minor, currency)
            detail = f"At most {left} {currency} of this booking can still be refunded."
            return refuse(state, Code.AMOUNT_MISMATCH, detail, available=left)
    assert amount_minor is not None
    full = amount_minor == left_minor
    facts, reply = _start(state, now_ms, booking, amount_minor, command.hold_ms, key, full=full, reason="requested")
    return facts if past is None else [recalled(past), *facts], reply


def _was_shown(state: State, booking: Booking) -> bool:
    shown = state.entries.rows
    return bool(shown) and any(entry_id(booking.id, number) in shown for number in range(1, booking.quantity + 1))


def _start(
    state: State,
    now_ms: int,
    booking: Booking,
    amount_minor: int,
    hold_ms: int,
    key: Idempotency | None,
    *,
    full: bool,
    reason: str,
) -> Decision:
    sale = state.sales[booking.event_id]
    refund_id, free = state.next_refund_id, not amount_minor
    facts: list[Fact] = [
        RefundStarted(
            refund_id,
            booking.id,
            amount_minor,
            full,
            reason,
            key.digest if key and not free else None,
            key.fingerprint if key and not free else None,
        )
    ]
    if free:  # nobody needs to be asked
        facts.append(RefundSucceeded(refund_id, None))
    if full:
        facts += pass_on(state, sale, sale.types[booking.ticket_type_id], now_ms, hold_ms, freed=booking)
    return facts, RefundReply(
        state.seq + 1,
        refund_id,
        booking.id,
        amount_minor,
        sale.event.currency,
        REFUND_SUCCEEDED if free else REFUND_PENDING_AT_PROVIDER,
        REFUNDED if free else REFUND_PENDING if full else PARTIAL_REFUND_PENDING,
        booking.refunded_minor + booking.refunding_minor + amount_minor,
    )


def refund_all(state: State, now_ms: int, booking: Booking, reason: str) -> list[Fact]:
    """The facts that give back all that is left of a booking whose event is cancelled."""
    left_minor = booking.amount_minor - booking.refunded_minor - booking.refunding_minor
    return _start(state, now_ms, booking, left_minor, 0, None, full=True, reason=reason)[0]


def settle_refund(state: State, _now_ms: int, command: SettleRefund) -> Decision:
    refund = state.refunds.rows.get(command.refund_id)
    if refund is None:
        return _told_before(state, command)
    if refund.status == REFUND_FAILED and (command.failure is not None or command.pending):
        return [], Done(state.seq)
    known, told = refund.provider_reference, command.provider_reference
    if known is not None and told not in (None, known) and (command.failure is not None or command.pending):
        return [], Done(state.seq)  # of an earlier try; that one succeeded after all would be good news
    if command.pending:
        # whoever asked was told so at the start already; this makes it the provider's first word
        if refund.provider_reference == command.provider_reference and refund.key is None:
            return [], Done(state.seq)
        return [RefundPending(refund.id, command.provider_reference)], Done(state.seq + 1)
    booking = state.bookings.rows[refund.booking_id]
    if command.failure is not None:
        failed = RefundFailed(refund.id, command.failure[:TEXT_CHARACTERS_MAX])
        return [failed], _settled(state, booking, refund, REFUND_FAILED, booking.status, failed.failure)
    status = booking.status
    if not refund.surplus and booking.refunding_minor == refund.amount_minor:
        status = REFUNDED if booking.status == REFUND_PENDING else PARTIALLY_REFUNDED
    succeeded = RefundSucceeded(refund.id, command.provider_reference)
    return [succeeded], _settled(state, booking, refund, REFUND_SUCCEEDED, status, None)


def _told_before(state: State, command: SettleRefund) -> Decision:
    """Of a refund that had succeeded. That it failed after all is for a person: the money is with us again."""
    if command.failure is None or command.provider_reference is None:
        return [], Done(state.seq)
    detail = (
        f"Refund {command.refund_id} had succeeded, and {command.provider_reference} of it failed: "
        f"{command.failure[:100]}. See at the provider whether the money is back before it is given again."
    )
    return raise_concern(
        state, 0, RaiseConcern("refund_failed", command.provider_reference, detail, refund_id=command.refund_id)
    )


def retry_refund(state: State, _now_ms: int, command: RetryRefund) -> Decision:
    refund = state.refunds.rows.get(command.refund_id)
    if refund is None:
        return refuse(state, Code.NOT_FOUND, f"There is no refund {command.refund_id} that could be asked for again.")
    if refund.status != REFUND_FAILED:
        return refuse(state, Code.WRONG_STATUS, f"Refund {refund.id} is under way; its outcome comes by itself.")
    return [RefundRetried(refund.id)], Done(state.seq + 1)


def _settled(
    state: State, booking: Booking, refund: Refund, status: int, booking_status: int, failure: str | None
) -> RefundReply:
    back_minor = booking.refunded_minor + (0 if refund.surplus or failure else refund.amount_minor)
    return RefundReply(
        state.seq + 1,
        refund.id,
        booking.id,
        refund.amount_minor,
        refund.currency,
        status,
        booking_status,
        back_minor,
        failure,
    )
