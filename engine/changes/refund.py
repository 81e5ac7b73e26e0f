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
    if refund.surplus:
        become(state, booking, booking.status)
        return
    booking.refunding_minor += fact.amount_minor
    assert booking.refunding_minor + booking.refunded_minor <= booking.amount_minor, "refunded more than was paid"
    become(state, booking, REFUND_PENDING if fact.full else PARTIAL_REFUND_PENDING)
    if fact.reason == "event_cancelled":
        notice(state, booking, "cancelled")


def refund_succeeded(state: State, fact: f.RefundSucceeded) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.status = REFUND_SUCCEEDED
    refund.provider_reference = fact.provider_reference
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
    notice(state, booking, "refunded")


def refund_failed(state: State, fact: f.RefundFailed) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.status = REFUND_FAILED
    refund.failure = fact.failure
