"""Stripe's news (webhook events): whether they are Stripe's, and what follows from them.

Owns the check of signature and age, and which news mean something. This runs in the node's own process: of the stripe
library it takes the signature check alone. The news may come late, twice and in any order, so only what can't be
undone is taken at its word: that a payment succeeded, and what became of a refund. Everything else about a payment
only says that it should be looked at now: several intents may bear its name (those that were made and not used), and
their news say nothing about the one that counts.
"""

import logging
from typing import NamedTuple, TypeVar

import msgspec
from stripe import SignatureVerificationError, WebhookSignature

from ...engine.commands import (
    PaymentSucceededOutcome,
    RaiseConcern,
    SettlePayment,
    SettleRefund,
    TakeProviderEvent,
)
from ...engine.money import EXPONENTS, format_minor
from .amounts import from_stripe
from .objects import PAYMENT, REFUND, Amount, Id, Intent, Refund, journal_of, named
from .refunds_told import told

AGE_SECONDS_MAX = 300
BODY_BYTES_MAX = 1024 * 1024
SIGNATURE_CHARACTERS_MAX = 4096

log = logging.getLogger("onsale.stripe")


class BadSignature(Exception):
    """It is not, or not any more, what Stripe has signed; the message says what to check."""


class News(NamedTuple):
    command: TakeProviderEvent
    payment_id_to_look_at: int = 0  # 0: none


class _Data(msgspec.Struct, frozen=True):
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct, frozen=True):
    id: Id
    type: str
    data: _Data | None = None
    account: str | None = None  # set: of another account, connected to ours


class _Dispute(msgspec.Struct, frozen=True):
    id: Id
    amount: Amount
    currency: str
    reason: str = "general"
    payment_intent: str | None = None


def read_event(body: bytes, signature: str, secret: str, *, journal_id: str, hold_ms: int, now_s: float) -> News:
    """Raises BadSignature. What is Stripe's but says nothing to us is taken, and nothing follows from it.

    `body` as it came, `signature` the header Stripe-Signature, `secret` of this endpoint (whsec_…).
    """
    _check(body, signature, secret, now_s)
    try:
        event = msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError as error:
        raise BadSignature("The signature is right, but the body is not an event of Stripe's.") from error
    taken = News(TakeProviderEvent(event.id))
    if event.account or event.data is None:
        return taken
    try:
        if event.type.startswith("payment_intent."):
            return _of_payment(event, event.data.object, journal_id, hold_ms) or taken
        if event.type in {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}:
            return _of_refund(event, event.data.object, journal_id) or taken
        if event.type == "charge.dispute.created":
            return _of_dispute(event, event.data.object)
    except msgspec.DecodeError as error:
        log.error("Stripe's event %s (%s) is not understood: %s", event.id, event.type, error)  # noqa: TRY400
    return taken


def _check(body: bytes, signature: str, secret: str, now_s: float) -> None:
    if not signature:
        raise BadSignature("There is no Stripe-Signature header; only Stripe calls this address.")
    if len(body) > BODY_BYTES_MAX or len(signature) > SIGNATURE_CHARACTERS_MAX:
        raise BadSignature("This is larger than any event of Stripe's.")
    try:
        WebhookSignature.verify_header(body, signature, secret.strip())
        signed_s = next(
            int(part[1]) for part in (item.split("=", 2) for item in signature.split(",")) if part[0] == "t"
        )
    except (SignatureVerificationError, ValueError, TypeError, StopIteration) as error:
        raise BadSignature(
            "The signature does not match; check that STRIPE_WEBHOOK_SECRET is the signing secret of this endpoint."
        ) from error
    if signed_s < now_s - AGE_SECONDS_MAX:
        raise BadSignature(
            f"It was signed {now_s - signed_s:.0f} s ago, and is not taken after {AGE_SECONDS_MAX} s; check the clock."
        )


def _of_payment(event: _Event, raw: msgspec.Raw, journal_id: str, hold_ms: int) -> News | None:
    intent = msgspec.json.decode(raw, type=Intent)
    payment_id = _ours(intent, journal_id, PAYMENT)
    if not payment_id or event.type == "payment_intent.created":
        return None
    whole = intent.amount_received is None or intent.amount_received == intent.amount
    if event.type == "payment_intent.succeeded" and intent.status == "succeeded" and whole:
        settle = SettlePayment(payment_id, PaymentSucceededOutcome(intent.id), hold_ms)
        return News(TakeProviderEvent(event.id, settle))
    return News(TakeProviderEvent(event.id), payment_id)


def _of_refund(event: _Event, raw: msgspec.Raw, journal_id: str) -> News | None:
    refund = msgspec.json.decode(raw, type=Refund)
    refund_id, result = _ours(refund, journal_id, REFUND), told(refund)
    if not refund_id or result is None:
        return None
    settle = SettleRefund(refund_id, refund.id, result.failure, result.pending)
    return News(TakeProviderEvent(event.id, settle))


def _of_dispute(event: _Event, raw: msgspec.Raw) -> News:
    """A dispute does not say whose payment it is about, beyond Stripe's name for it."""
    dispute = msgspec.json.decode(raw, type=_Dispute)
    currency = dispute.currency.upper()
    amount_minor = from_stripe(dispute.amount, currency) or 0
    amount = f"{format_minor(amount_minor, currency)} {currency}" if currency in EXPONENTS else currency
    detail = (
        f"{amount} of payment {dispute.payment_intent or 'unknown'} are disputed ({dispute.reason}); "
        "answer in Stripe's Dashboard before its deadline."
    )
    concern = RaiseConcern(
        "dispute",
        dispute.id,
        detail,
        amount_minor=amount_minor,
        currency=currency,
        payment_reference=dispute.payment_intent or "",
    )
    return News(TakeProviderEvent(event.id, concern))


_Owned = TypeVar("_Owned", Intent, Refund)


def _ours(item: _Owned, journal_id: str, name: str) -> int:
    return named(item.metadata, name) if journal_of(item.metadata) == journal_id else 0
