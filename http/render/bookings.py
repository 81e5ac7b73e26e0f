"""Bookings, and what people are told about them, as JSON documents for reads.

Owns their field names. Renders from records and the state at one moment; the sentences of the notifications are the
engine's (engine/notices.py).
"""

from typing import Any, Final

import msgspec

from ...engine.money import format_minor
from ...engine.notices import KINDS
from ...engine.records import Booking, Notice, Refund
from ...engine.seats import unpacked
from ...engine.state import State
from ...engine.status import (
    BOOKING_NAMES,
    COUNTS_AS_SOLD,
    HELD,
    PAYING,
    PAYMENT_NAMES,
    REFUND_NAMES,
    REFUND_PENDING,
    REFUNDED,
    WAITING,
)
from ..gateway import Gateway
from ..wire.times import format_ms, format_ms_or_none
from .replies import TicketDocument, tickets

_ONCE_PAID: Final = COUNTS_AS_SOLD | {REFUND_PENDING, REFUNDED}

_UNKNOWN_KIND: Final = 'There is news about your booking for "{event}".'


class PaymentDocument(msgspec.Struct, rename="camel"):
    payment_id: int
    status: str
    amount: str
    currency: str
    client_secret: str | None
    provider: str
    failure: str | None  # the provider's code, such as card_declined: why the latest card or step did not pay
    detail: str | None  # the same in words, and what to do


class RefundDocument(msgspec.Struct, rename="camel"):
    refund_id: int
    status: str
    amount: str
    currency: str
    reason: str  # requested, event_cancelled, surplus
    created_at: str
    failure: str | None


class BookingDocument(msgspec.Struct, rename="camel"):
    booking_id: int
    status: str
    user_id: str
    event_id: int
    event_name: str
    ticket_type: str
    quantity: int
    seats: tuple[str, ...]
    amount: str
    currency: str
    created_at: str
    expires_at: str | None  # of the hold
    expires_in_seconds: int | None
    position: int | None  # in line
    payment: PaymentDocument | None  # the latest attempt
    tickets: list[TicketDocument]
    refunded_amount: str
    seq: int  # where in the journal it was decided


class BookingWithRefundsDocument(BookingDocument, rename="camel", kw_only=True):
    refunds: list[RefundDocument]


class NoticeDocument(msgspec.Struct, rename="camel"):
    id: int
    kind: str
    event_id: int
    booking_id: int | None  # null: it is about no booking
    at: str
    seq: int
    text: str
    amount: str | None  # that it is about, such as what was given back
    currency: str | None
    detail: str | None  # why, in words


def booking_document(booking: Booking, gateway: Gateway, now_ms: int) -> BookingDocument:
    return BookingDocument(**_fields(booking, gateway, now_ms))


def booking_with_refunds_document(
    booking: Booking, refunds: list[Refund], gateway: Gateway, now_ms: int
) -> BookingWithRefundsDocument:
    shown = [_refund_document(each) for each in refunds]
    return BookingWithRefundsDocument(**_fields(booking, gateway, now_ms), refunds=shown)


def notice_document(notice: Notice, state: State) -> NoticeDocument:
    event = state.events.rows[notice.event_id]
    kind = KINDS.get(notice.kind)
    sentence = _UNKNOWN_KIND if kind is None else kind.sentence
    amount = format_minor(notice.amount_minor, event.currency)
    text = sentence.format(event=event.name, amount=f"{amount} {event.currency}", detail=notice.detail).strip()
    has_amount = bool(notice.amount_minor) or "{amount}" in sentence
    return NoticeDocument(
        notice.id,
        notice.kind,
        notice.event_id,
        notice.booking_id or None,
        format_ms(notice.at_ms),
        notice.seq,
        text,
        amount if has_amount else None,
        event.currency if has_amount else None,
        notice.detail or None,
    )


def _fields(booking: Booking, gateway: Gateway, now_ms: int) -> dict[str, Any]:
    """A BookingDocument's."""
    sale = gateway.state.sales[booking.event_id]
    type_name, currency = sale.types[booking.ticket_type_id].name, sale.event.currency
    expires_ms = {HELD: booking.expires_ms, PAYING: booking.pinned_ms}.get(booking.status)
    is_waiting, is_paid = booking.status == WAITING, booking.status in COUNTS_AS_SOLD
    seats = sale.seat_names(unpacked(booking.seats)) if booking.seats else ()
    return {
        "booking_id": booking.id,
        "status": BOOKING_NAMES[booking.status],
        "user_id": booking.user_id,
        "event_id": booking.event_id,
        "event_name": sale.event.name,
        "ticket_type": type_name,
        "quantity": booking.quantity,
        "seats": seats,
        "amount": format_minor(booking.amount_minor, currency),
        "currency": currency,
        "created_at": format_ms(booking.created_ms),
        "expires_at": format_ms_or_none(expires_ms),
        "expires_in_seconds": None if expires_ms is None else max(0, (expires_ms - now_ms + 500) // 1000),
        "position": sale.position_of(booking) if is_waiting else None,
        "payment": _payment_document(booking, gateway, currency),
        "tickets": tickets(gateway, booking.event_id, booking.id, booking.quantity, type_name, seats)
        if is_paid
        else [],
        "refunded_amount": format_minor(booking.refunded_minor, currency),
        "seq": booking.seq,
    }


def _payment_document(booking: Booking, gateway: Gateway, currency: str) -> PaymentDocument | None:
    if not booking.payment_id:
        return None
    payment = gateway.state.payments.rows.get(booking.payment_id)
    client_secret = failure = detail = None
    if payment is not None:
        status, client_secret = PAYMENT_NAMES[payment.status], payment.client_secret
        failure, detail = payment.failure, payment.failure_detail or None
    else:  # the provider has had its last word on it
        status = "succeeded" if booking.status in _ONCE_PAID else "failed"
    amount = format_minor(booking.amount_minor, currency)
    return PaymentDocument(
        booking.payment_id, status, amount, currency, client_secret, gateway.payment_provider, failure, detail
    )


def _refund_document(refund: Refund) -> RefundDocument:
    return RefundDocument(
        refund.id,
        REFUND_NAMES[refund.status],
        format_minor(refund.amount_minor, refund.currency),
        refund.currency,
        refund.reason,
        format_ms(refund.created_ms),
        refund.failure,
    )
