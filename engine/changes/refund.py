"""What becomes of money on its way back, and of the tickets it was paid for.

Owns the facts about refunds.
"""

from .. import facts as f
from ..records import Refund
from ..state import State
from ..status import (
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    REFUND_FAILED,
    REFUND_PENDING,
    REFUND_PENDING_AT_PROVIDER,
    REFUND_SUCCEEDED,
    REFUNDED,
)
from .shared import become, begin, notice


def refund_started(state: State, fact: f.RefundStarted) -> None:
    booking = state.bookings.rows[fact.booking_id]
    refund = Refund(
        fact.refund_id,
        booking.id,
        booking.user_id,
        fact.amount_minor,
        state.sales[booking.event_id].event.currency,
        REFUND_PENDING_AT_PROVIDER,
        fact.reason,
        state.at_ms,
        payment_reference=fact.surplus_reference if fact.surplus_payment_id else booking.provider_reference,
        key=fact.key,
        fingerprint=fact.fingerprint,
        payment_id=fact.surplus_payment_id or booking.payment_id,
        surplus=bool(fact.surplus_payment_id),
    )
    state.next_refund_id = refund.id + 1
    state.refunds.add(refund.id, refund)
    begin(state, booking.id)
    booking.unsettled += 1
    state.sales[booking.event_id].owed.refunds += 1
    if refund.surplus:
        become(state, booking, booking.status)
        notice(state, booking, "paid_too_late", refund.amount_minor)
        return
    booking.refunding_minor += fact.amount_minor
    assert booking.refunding_minor + booking.refunded_minor <= booking.amount_minor, "refunded more than was paid"
    become(state, booking, REFUND_PENDING if fact.full else PARTIAL_REFUND_PENDING)
    if fact.reason == "event_cancelled":
        notice(state, booking, "event_cancelled", fact.amount_minor)


def refund_succeeded(state: State, fact: f.RefundSucceeded) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    owed = state.sales[state.bookings.rows[refund.booking_id].event_id].owed
    if refund.status == REFUND_FAILED:
        del state.refunds_failed[refund.id]
        owed.refunds_failed -= 1
    else:
        owed.refunds -= 1
    refund.status = REFUND_SUCCEEDED
    refund.provider_reference = fact.provider_reference or refund.provider_reference
    state.refunds.drop(refund.id, archive=True)
    booking = begin(state, refund.booking_id)
    booking.unsettled -= 1
    status = booking.status
    if not refund.surplus:
        booking.refunding_minor -= refund.amount_minor
        booking.refunded_minor += refund.amount_minor
        if not booking.refunding_minor:
            status = REFUNDED if status == REFUND_PENDING else PARTIALLY_REFUNDED
    become(state, booking, status)
    notice(state, booking, "refunded", refund.amount_minor)


def refund_failed(state: State, fact: f.RefundFailed) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    owed = state.sales[state.bookings.rows[refund.booking_id].event_id].owed
    if refund.status != REFUND_FAILED:
        state.refunds_failed[refund.id] = None
        owed.refunds -= 1
        owed.refunds_failed += 1
    refund.status = REFUND_FAILED
    refund.failure = fact.failure
    refund.key = refund.fingerprint = None  # this was the first word


def refund_pending(state: State, fact: f.RefundPending) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.provider_reference = fact.provider_reference
    refund.key = refund.fingerprint = None  # this was the first word


def refund_answered(state: State, fact: f.RefundAnswered) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.key = refund.fingerprint = None


def refund_retried(state: State, fact: f.RefundRetried) -> None:
    refund = state.refunds.rows[fact.refund_id]
    assert refund.status == REFUND_FAILED
    state.refunds.touch(refund.id, refund)
    refund.status = REFUND_PENDING_AT_PROVIDER
    refund.provider_reference = None
    refund.tries += 1
    del state.refunds_failed[refund.id]
    owed = state.sales[state.bookings.rows[refund.booking_id].event_id].owed
    owed.refunds_failed -= 1
    owed.refunds += 1
