"""Replies of the engine as JSON answers.

Owns what the answer to a write looks like. Renders from the reply alone (and from what a node is configured with, and
ticket codes, which never change), so that a reply kept with an idempotency key gives the same bytes again.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from ...engine import replies as r
from ...engine.codes import Code
from ...engine.money import format_minor
from ...engine.status import BOOKING_NAMES, REFUND_NAMES, REFUND_SUCCEEDED
from ..call import Answer
from ..gateway import Gateway
from ..idempotency import as_replayed
from ..problems import problem
from ..wire.times import format_ms
from .events import event_document
from .rooms import queued_document

encode: Final = msgspec.json.Encoder().encode
_NOT_KEPT: Final = ("Cache-Control", "private, no-store")
_money = lru_cache(maxsize=4096)(format_minor)


class BookedDocument(msgspec.Struct, rename="camel", gc=False):
    booking_id: int
    status: str
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    seats: tuple[str, ...]
    amount: str
    currency: str
    expires_at: str
    expires_in_seconds: int
    seq: int


class InLineDocument(msgspec.Struct, rename="camel", gc=False):
    booking_id: int
    status: str
    position: int
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    seats: tuple[str, ...]
    amount: str
    currency: str
    seq: int


class GivenUpDocument(msgspec.Struct, rename="camel", gc=False):
    booking_id: int
    status: str
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    seats: tuple[str, ...]
    amount: str
    currency: str
    seq: int


class TicketDocument(msgspec.Struct, rename="camel", gc=False):
    code: str
    number: int  # 1 for the booking's first
    ticket_type: str
    seat: str | None = None


class PaidDocument(msgspec.Struct, rename="camel", gc=False):
    payment_id: int
    status: str
    booking_id: int
    booking_status: str
    event_id: int
    amount: str
    currency: str
    tickets: list[TicketDocument]
    provider: str
    seq: int


class PaymentUnderwayDocument(msgspec.Struct, rename="camel", gc=False):
    payment_id: int
    status: str
    booking_id: int
    booking_status: str
    amount: str
    currency: str
    client_secret: str | None
    expires_at: str | UnsetType  # of the hold
    provider: str
    seq: int


class RefundReplyDocument(msgspec.Struct, rename="camel", gc=False):
    refund_id: int
    status: str
    booking_id: int
    booking_status: str
    amount: str
    refunded_amount: str  # in all, once this one has succeeded
    currency: str
    failure: str | None
    seq: int


class UserDocument(msgspec.Struct, rename="camel", gc=False):
    user_id: str
    name: str | None
    email: str | None
    webhook_url: str | None
    webhook_secret: str | None  # what calls to it are signed with
    webhook_disabled: bool  # whoever is there said that it is gone: it is not called any more
    seq: int | UnsetType = UNSET


class AdmittedDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    booking_id: int
    number: int
    ticket_type: str
    user_id: str
    checked_in_at: str
    place: str  # as whoever checked it in called it; may be empty
    seq: int


class ReceivedDocument(msgspec.Struct, rename="camel", gc=False):
    received: bool
    seq: int


class DoneDocument(msgspec.Struct, rename="camel", gc=False):
    done: bool
    seq: int


def answer_of(reply: r.Reply, gateway: Gateway, *, replayed: bool) -> Answer:
    """`replayed`: the reply was given before, to the same idempotency key."""
    answer = _RENDERERS[type(reply)](reply, gateway)
    return as_replayed(answer) if replayed else answer


def tickets(
    gateway: Gateway, event_id: int, booking_id: int, quantity: int, ticket_type: str, seats: tuple[str, ...]
) -> list[TicketDocument]:
    codes = gateway.ticket_codes(event_id, booking_id, quantity)
    if not seats:
        return [TicketDocument(code, number, ticket_type) for number, code in enumerate(codes, start=1)]
    return [
        TicketDocument(code, number, ticket_type, seat)
        for number, (code, seat) in enumerate(zip(codes, seats, strict=False), start=1)
    ]


def _answer(status: int, document: msgspec.Struct, seq: int, *more: tuple[str, str]) -> Answer:
    return Answer(status, encode(document), (("Onsale-Seq", str(seq)), _NOT_KEPT, *more))


def booked(reply: r.Booked, _gateway: Gateway) -> Answer:
    _, seq, booking_id = reply, reply.seq, reply.booking_id
    expires_ms = reply.expires_ms
    document = BookedDocument(
        booking_id,
        "held",
        reply.user_id,
        reply.event_id,
        reply.ticket_type,
        reply.quantity,
        reply.seats,
        _money(reply.amount_minor, reply.currency),
        reply.currency,
        format_ms(expires_ms),
        (expires_ms - reply.at_ms + 500) // 1000,
        seq,
    )
    headers = (("Onsale-Seq", str(seq)), _NOT_KEPT, ("Location", f"/booking/{booking_id}"))
    return Answer(201, encode(document), headers)


def _in_line(reply: r.InLine, _gateway: Gateway) -> Answer:
    document = InLineDocument(
        reply.booking_id,
        "waiting",
        reply.position,
        reply.user_id,
        reply.event_id,
        reply.ticket_type,
        reply.quantity,
        (),
        _money(reply.amount_minor, reply.currency),
        reply.currency,
        reply.seq,
    )
    return _answer(202, document, reply.seq, ("Location", f"/booking/{reply.booking_id}"))


def _given_up(reply: r.BookingReply, _gateway: Gateway) -> Answer:
    document = GivenUpDocument(
        reply.booking_id,
        BOOKING_NAMES[reply.status],
        reply.user_id,
        reply.event_id,
        reply.ticket_type,
        reply.quantity,
        reply.seats,
        _money(reply.amount_minor, reply.currency),
        reply.currency,
        reply.seq,
    )
    return _answer(200, document, reply.seq)


def _paid(reply: r.Paid, gateway: Gateway) -> Answer:
    document = PaidDocument(
        reply.payment_id,
        "succeeded",
        reply.booking_id,
        "confirmed",
        reply.event_id,
        _money(reply.amount_minor, reply.currency),
        reply.currency,
        tickets(gateway, reply.event_id, reply.booking_id, reply.quantity, reply.ticket_type, reply.seats),
        gateway.payment_provider,
        reply.seq,
    )
    return _answer(200, document, reply.seq)


def _payment_underway(reply: r.PaymentUnderway, gateway: Gateway) -> Answer:
    document = PaymentUnderwayDocument(
        reply.payment_id,
        "requires_action" if reply.requires_action else "processing",
        reply.booking_id,
        "paying",
        _money(reply.amount_minor, reply.currency),
        reply.currency,
        reply.client_secret,
        format_ms(reply.expires_ms) if reply.expires_ms else UNSET,
        gateway.payment_provider,
        reply.seq,
    )
    return _answer(202, document, reply.seq)


def _refund(reply: r.RefundReply, _gateway: Gateway) -> Answer:
    document = RefundReplyDocument(
        reply.refund_id,
        REFUND_NAMES[reply.status],
        reply.booking_id,
        BOOKING_NAMES[reply.booking_status],
        _money(reply.amount_minor, reply.currency),
        _money(reply.refunded_minor, reply.currency),
        reply.currency,
        reply.failure,
        reply.seq,
    )
    return _answer(200 if reply.status == REFUND_SUCCEEDED else 202, document, reply.seq)


def _event(reply: r.EventReply, gateway: Gateway) -> Answer:
    document = event_document(reply)
    document.seq = reply.seq
    document.webhook_url = reply.webhook_url
    document.webhook_secret = secret_of(gateway, f"event:{reply.event_id}", reply.webhook_url)
    body = encode(document)
    headers = (("Onsale-Seq", str(reply.seq)), _NOT_KEPT)
    if reply.created:
        return Answer(201, body, (*headers, ("Location", f"/events/{reply.event_id}")))
    return Answer(200, body, headers)


def _user(reply: r.UserReply, gateway: Gateway) -> Answer:
    secret = secret_of(gateway, f"user:{reply.user_id}", reply.webhook_url)
    document = UserDocument(
        reply.user_id,
        reply.name,
        reply.email,
        reply.webhook_url,
        secret,
        webhook_disabled=False,  # it was given just now
        seq=reply.seq,
    )
    return _answer(200, document, reply.seq)


def secret_of(gateway: Gateway, owner: str, webhook_url: str | None) -> str | None:
    """What calls to a webhook are signed with; None where there is none."""
    return None if webhook_url is None else gateway.webhook_secret(owner) or None


def _admitted(reply: r.Admitted, _gateway: Gateway) -> Answer:
    document = AdmittedDocument(
        reply.event_id,
        reply.booking_id,
        reply.number,
        reply.ticket_type,
        reply.user_id,
        format_ms(reply.at_ms),
        reply.place,
        reply.seq,
    )
    return _answer(200, document, reply.seq)


def _queued(reply: r.Queued, gateway: Gateway) -> Answer:
    """200 for who had this place before."""
    token = gateway.queue_token(reply.event_id, reply.arrival, reply.user_id)
    document = queued_document(reply, token)
    where = ("Location", f"/events/{reply.event_id}/queue/{token}")
    return _answer(201 if reply.joined else 200, document, reply.seq, where)


def _done(reply: r.Done, _gateway: Gateway) -> Answer:
    return _answer(200, DoneDocument(done=True, seq=reply.seq), reply.seq)


def _refusal(reply: r.Refusal, gateway: Gateway) -> Answer:
    extra = reply.extra
    if reply.code is Code.PAYMENT_DECLINED:
        extra = (extra or {}) | {"provider": gateway.payment_provider}
    if reply.code is Code.ALREADY_REDEEMED and extra:
        extra = extra | {"redeemedAt": format_ms(extra["redeemedAt"])}
    return problem(reply.code, reply.detail, seq=reply.seq, extra=extra)


_RENDERERS: Final[dict[type, Callable[[Any, Gateway], Answer]]] = {
    r.Booked: booked,
    r.InLine: _in_line,
    r.BookingReply: _given_up,
    r.Paid: _paid,
    r.PaymentUnderway: _payment_underway,
    r.RefundReply: _refund,
    r.EventReply: _event,
    r.UserReply: _user,
    r.Admitted: _admitted,
    r.Queued: _queued,
    r.Done: _done,
    r.Refusal: _refusal,
}
