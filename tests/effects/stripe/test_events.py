"""Stripe's news: whose, how old, and what follows."""

import json
import logging
from typing import Any

import pytest
from stripe import WebhookSignature

from onsale.effects.stripe.events import BODY_BYTES_MAX, BadSignature, News, read_event
from onsale.engine.commands import (
    PaymentSucceededOutcome,
    RaiseConcern,
    SettlePayment,
    SettleRefund,
    TakeProviderEvent,
)
from onsale.tests.effects.stripe.orders import JOURNAL

SECRET = "whsec_of_this_endpoint"
NOW_S = 1_800_000_000.5
TAKEN = News(TakeProviderEvent("evt_1"))


def event(kind: str, about: object, **more: object) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}} | more).encode()


def intent(status: str = "succeeded", **more: object) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 4990, "currency": "eur", "created": 1,
        "metadata": {"onsale_journal": JOURNAL, "onsale_payment": "7", "onsale_booking": "9"},
    } | more  # fmt: skip


def refund(status: str = "succeeded", **more: object) -> dict[str, Any]:
    return {
        "id": "re_1", "object": "refund", "status": status, "amount": 990, "currency": "eur", "created": 1,
        "payment_intent": "pi_1", "metadata": {"onsale_journal": JOURNAL, "onsale_refund": "3"},
    } | more  # fmt: skip


def read(body: bytes, *, signature: str | None = None, secret: str = SECRET, signed_s: float = NOW_S) -> News:
    if signature is None:
        signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(signed_s))
    return read_event(body, signature, secret, journal_id=JOURNAL, hold_ms=300_000, now_s=NOW_S)


def test_success_is_taken_at_its_word() -> None:
    settle = SettlePayment(7, PaymentSucceededOutcome("pi_1"), 300_000)
    assert read(event("payment_intent.succeeded", intent())) == News(TakeProviderEvent("evt_1", settle))
    whole = intent(amount_received=4990, latest_charge="ch_1", livemode=True, something_new={"a": [1]})
    assert read(event("payment_intent.succeeded", whole)).command.means == settle


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("payment_intent.succeeded", intent("processing")),
        ("payment_intent.succeeded", intent(amount_received=100)),
        ("payment_intent.canceled", intent("canceled")),
        ("payment_intent.processing", intent("processing")),
        ("payment_intent.requires_action", intent("requires_action")),
        ("payment_intent.payment_failed", intent("requires_payment_method", last_payment_error={"code": "x"})),
        ("payment_intent.something_new", intent("something_new")),
    ],
)
def test_anything_else_about_a_payment_only_has_it_looked_at(kind: str, about: object) -> None:
    assert read(event(kind, about)) == News(TakeProviderEvent("evt_1"), 7)


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
def test_what_became_of_a_refund(kind: str) -> None:
    assert read(event(kind, refund())).command.means == SettleRefund(3, "re_1")
    assert read(event(kind, refund("pending"))).command.means == SettleRefund(3, "re_1", pending=True)
    assert read(event(kind, refund("requires_action"))).command.means == SettleRefund(3, "re_1", pending=True)
    failed = read(event(kind, refund("failed", failure_reason="expired_or_canceled_card"))).command.means
    assert failed == SettleRefund(3, "re_1", "The refund failed: the card has expired or was cancelled.")
    assert read(event(kind, refund("something_new"))) == TAKEN


def test_a_dispute_is_for_a_person() -> None:
    about = {"id": "dp_1", "amount": 50000, "currency": "isk", "reason": "fraudulent", "payment_intent": "pi_1"}
    means = read(event("charge.dispute.created", about)).command.means
    assert isinstance(means, RaiseConcern)
    assert (means.kind, means.reference, means.amount_minor, means.currency) == ("dispute", "dp_1", 500, "ISK")
    assert means.detail.startswith("500 ISK of payment pi_1 are disputed")
    unknown = read(event("charge.dispute.created", about | {"currency": "xyz"})).command.means
    assert isinstance(unknown, RaiseConcern)


@pytest.mark.parametrize(
    "body",
    [
        event("payment_intent.succeeded", intent(), account="acct_other"),
        event("charge.dispute.created", {"id": "dp_1", "amount": 1, "currency": "eur"}, account="acct_other"),
        event("payment_intent.succeeded", intent(metadata={"onsale_journal": "another", "onsale_payment": "7"})),
        event("payment_intent.succeeded", intent(metadata={})),
        event("payment_intent.succeeded", intent(metadata=None)),
        event("payment_intent.succeeded", intent(metadata={"onsale_journal": JOURNAL, "onsale_payment": "-7"})),
        event("payment_intent.succeeded", intent(metadata={"onsale_journal": JOURNAL, "onsale_payment": "9" * 99})),
        event("payment_intent.created", intent("requires_payment_method")),
        event("refund.updated", refund(metadata={"onsale_journal": "another", "onsale_refund": "3"})),
        event("charge.refunded", {"id": "ch_1"}),
        event("customer.created", {}),
        b'{"id": "evt_1", "type": "v2.core.account.updated", "object": "v2.core.event"}',
    ],
)
def test_nothing_follows_from_what_is_not_ours_or_unknown(body: bytes) -> None:
    assert read(body) == TAKEN


def test_news_whose_shape_is_unknown_are_taken_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert read(event("payment_intent.succeeded", intent(amount="much"))) == TAKEN
    assert "evt_1" in caplog.text


def test_the_same_news_again_mean_the_same() -> None:
    body = event("payment_intent.succeeded", intent())
    assert read(body) == read(body, signed_s=NOW_S - 200)


@pytest.mark.parametrize(
    "signature",
    [
        "", "t=1", "v1=abc", "t=x,v1=abc", "nonsense", ",,,", "t=1800000000,v1=", "t=1800000000,v1=é",
        "t=1800000000,v0=a", "t=" + "9" * 5000 + ",v1=a", "t=1800000000" + ",v1=aa" * 5000,
    ],
)  # fmt: skip
def test_a_signature_that_is_none(signature: str) -> None:
    with pytest.raises(BadSignature):
        read(event("payment_intent.succeeded", intent()), signature=signature)


def test_a_signature_by_someone_else_or_of_something_else() -> None:
    body = event("payment_intent.succeeded", intent())
    signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(NOW_S))
    with pytest.raises(BadSignature, match="STRIPE_WEBHOOK_SECRET"):
        read(body, secret="whsec_other")
    with pytest.raises(BadSignature, match="STRIPE_WEBHOOK_SECRET"):
        read(body, secret="")
    with pytest.raises(BadSignature, match="STRIPE_WEBHOOK_SECRET"):
        read(body.replace(b"4990", b"4991"), signature=signature)
    with pytest.raises(BadSignature, match="STRIPE_WEBHOOK_SECRET"):
        read(body, signature=signature.replace("t=1800000000", "t=1800000001"))
    assert read(body, signature="t=1800000000,v0=zz,v1=00," + signature.split(",")[1]), "one of several is enough"


def test_too_old() -> None:
    body = event("payment_intent.succeeded", intent())
    assert read(body, signed_s=NOW_S - 299).command.means
    with pytest.raises(BadSignature, match="signed 302 s ago"):
        read(body, signed_s=NOW_S - 301.6)
    assert read(body, signed_s=NOW_S + 60).command.means, "our clock may be behind"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"not JSON", b"[]", b"{}", b'{"id": 5, "type": "x"}', b"null"])
def test_what_is_no_event(body: bytes) -> None:
    signature = "t=1,v1=a"
    if body != b"\xff\xfe":
        signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(NOW_S))
    with pytest.raises(BadSignature):
        read(body, signature=signature)


def test_huge() -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    with pytest.raises(BadSignature, match="larger"):
        read(body)
