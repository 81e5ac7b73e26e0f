"""What becomes of an attempt to pay, and of the booking it is for.

Owns the facts about payments; settled ones leave memory for the checkpoint at once.
"""

from .. import facts as f
from ..records import Payment
from ..seats import packed
from ..state import State
from ..status import (
    CONFIRMED,
    HELD,
    PAYING,
    PAYMENT_ABANDONED,
    PAYMENT_FAILED,
    PAYMENT_FOLLOWERS,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    PAYMENT_SUCCEEDED,
)
from .shared import become, begin, notice


def payment_started(state: State, fact: f.PaymentStarted) -> None:
    booking = begin(state, fact.booking_id)
    payment = Payment(
        fact.payment_id,
        booking.id,
        booking.user_id,
        fact.amount_minor,
        state.sales[booking.event_id].event.currency,
        PAYMENT_STARTED,
        fact.method,
        state.at_ms,
        key=fact.key,
        fingerprint=fact.fingerprint,
    )
    state.next_payment_id = payment.id + 1
    state.payments.add(payment.id, payment)
    booking.payment_id = payment.id
    booking.pinned_ms = fact.pinned_ms
    booking.unsettled += 1
    become(state, booking, PAYING)


def payment_prepared(state: State, fact: f.PaymentPrepared) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    payment.provider_reference = fact.provider_reference
    payment.client_secret = fact.client_secret


def payment_pending(state: State, fact: f.PaymentPending) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    _payment_becomes(payment, PAYMENT_REQUIRES_ACTION if fact.requires_action else PAYMENT_PROCESSING)
    payment.client_secret = fact.client_secret
    payment.provider_reference = fact.provider_reference or payment.provider_reference
    payment.key = payment.fingerprint = None  # this was the first word
    payment.failure = None
    payment.failure_detail = ""


def payment_declined(state: State, fact: f.PaymentDeclined) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    if payment.status != PAYMENT_ABANDONED:
        _payment_becomes(payment, PAYMENT_REQUIRES_ACTION)
    payment.key = payment.fingerprint = None
    payment.failure = fact.failure
    payment.failure_detail = fact.detail
    notice(state, state.bookings.rows[payment.booking_id], "payment_failed", payment.amount_minor, fact.detail)


def payment_answered(state: State, fact: f.PaymentAnswered) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    payment.key = payment.fingerprint = None
    payment.answered = True


def payment_succeeded(state: State, fact: f.PaymentSucceeded) -> None:
    payment = _end_payment(state, fact.payment_id, PAYMENT_SUCCEEDED)
    payment.provider_reference = fact.provider_reference
    booking = begin(state, payment.booking_id)
    booking.unsettled -= 1
    if fact.surplus:
        become(state, booking, booking.status)
        return
    if fact.seats:
        booking.seats = packed(fact.seats)
    booking.payment_id = payment.id
    booking.provider_reference = fact.provider_reference
    booking.pinned_ms = 0
    booking.expires_ms = 0
    booking.ended_ms = 0
    become(state, booking, CONFIRMED)
    notice(state, booking, "confirmed")


def payment_failed(state: State, fact: f.PaymentFailed) -> None:
    before = state.payments.rows[fact.payment_id].status
    payment = _end_payment(state, fact.payment_id, PAYMENT_FAILED)
    payment.failure = fact.failure
    payment.failure_detail = fact.detail
    booking = begin(state, payment.booking_id)
    booking.unsettled -= 1
    if booking.status == PAYING and booking.payment_id == payment.id:
        booking.pinned_ms = 0
        become(state, booking, HELD)
        if before != PAYMENT_STARTED or payment.answered:  # else the one who asked is told at once
            notice(state, booking, "payment_failed", payment.amount_minor, fact.detail)
    else:
        become(state, booking, booking.status)


def payment_abandoned(state: State, fact: f.PaymentAbandoned) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    _payment_becomes(payment, PAYMENT_ABANDONED)
    payment.failure = fact.reason
    booking = begin(state, payment.booking_id)
    booking.pinned_ms = 0
    become(state, booking, HELD)


def _end_payment(state: State, payment_id: int, status: int) -> Payment:
    payment = state.payments.rows[payment_id]
    state.payments.touch(payment_id, payment)
    _payment_becomes(payment, status)
    state.payments.drop(payment_id, archive=True)
    return payment


def _payment_becomes(payment: Payment, status: int) -> None:
    assert status in PAYMENT_FOLLOWERS[payment.status], f"payment {payment.id}: {payment.status} to {status}"
    payment.status = status
