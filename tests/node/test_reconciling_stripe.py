"""Our books against those of a Stripe-compatible server, with the real provider in between."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

# tests/ is no package: the Stripe-compatible server is found by path
sys.path.insert(0, str(Path(__file__).parents[1] / "stripe"))

from stripe_server import StripeServer

from onsale.effects.provider import Charge, RefundOrder
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import PaymentPreparedOutcome, SettlePayment, SettleRefund, StartRefund
from onsale.engine.records import Payment, Refund
from onsale.engine.status import PAYMENT_FAILED, PAYMENT_SUCCEEDED, REFUND_SUCCEEDED
from onsale.node.reconciling import Reconciling
from onsale.tests.effects.ledgers import HOLD_MS, JOURNAL, NOW_MS, Ours


@pytest.fixture
async def server() -> AsyncIterator[StripeServer]:
    async with StripeServer(now=lambda: NOW_MS / 1000 - 7200) as server:
        yield server


@pytest.fixture
async def provider(server: StripeServer) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(server.key, server.url)
    yield provider
    await provider.close()


def charge(payment: Payment) -> Charge:
    return Charge(
        f"onsale-{JOURNAL}-payment-{payment.id}", JOURNAL, payment.id, payment.booking_id, payment.amount_minor,
        payment.currency, payment.method, payment.provider_reference,
    )  # fmt: skip


def order(refund: Refund) -> RefundOrder:
    return RefundOrder(
        f"onsale-{JOURNAL}-refund-{refund.id}", JOURNAL, refund.id, refund.booking_id, refund.payment_id,
        refund.payment_reference, refund.amount_minor, refund.currency,
    )  # fmt: skip


async def prepared(ours: Ours, provider: StripeProvider) -> Payment:
    payment = ours.pay()
    outcome = await provider.begin(charge(payment))
    assert isinstance(outcome, PaymentPreparedOutcome)
    ours.do(SettlePayment(payment.id, outcome, HOLD_MS))
    return payment


async def paid(ours: Ours, provider: StripeProvider) -> Payment:
    payment = await prepared(ours, provider)
    ours.do(SettlePayment(payment.id, await provider.confirm(charge(payment)), HOLD_MS))
    assert payment.status == PAYMENT_SUCCEEDED
    return payment


async def started_refund(ours: Ours, provider: StripeProvider) -> Refund:
    payment = await paid(ours, provider)
    refund_id = ours.state.next_refund_id
    ours.do(StartRefund(payment.booking_id, HOLD_MS))
    return ours.refunded(refund_id)


async def post(server: StripeServer, path: str, **form: str) -> None:
    """As somebody in the Dashboard."""
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(server.url + path, data=form) as answer:
        assert answer.status == 200, await answer.text()


async def test_everything_comes_out_even(server: StripeServer, provider: StripeProvider) -> None:
    ours = Ours()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    reconciling = Reconciling(
        ours.state, ours, provider, ours.settle, hold_ms=HOLD_MS, journal_id=JOURNAL, now_ms=lambda: NOW_MS, sleep=sleep
    )
    for _ in range(105):  # more than a page
        await paid(ours, provider)
    done = await started_refund(ours, provider)
    result = await provider.refund(order(done))
    ours.do(SettleRefund(done.id, result.provider_reference))
    found = await reconciling.run(0)
    assert found.findings == []
    assert (found.payments_ours, found.payments_theirs, found.refunds_ours, found.refunds_theirs) == (106, 106, 1, 1)

    # a crash before each answer was heard
    unheard = await prepared(ours, provider)
    await provider.confirm(charge(unheard))
    never_named = ours.pay()
    await provider.begin(charge(never_named))
    unheard_refund = await started_refund(ours, provider)
    await provider.refund(order(unheard_refund))
    # and what people did in the Dashboard
    withdrawn = await prepared(ours, provider)
    await post(server, f"/v1/payment_intents/{withdrawn.provider_reference}/cancel")
    by_hand = await paid(ours, provider)
    await post(server, "/v1/refunds", payment_intent=str(by_hand.provider_reference), amount="100")

    found = await reconciling.run(0)
    assert sorted((each.kind, each.payment_id, each.mended) for each in found.findings) == [
        ("refund_settled", unheard_refund.payment_id, True),
        ("settled", unheard.id, True),
        ("settled", withdrawn.id, True),
        ("unknown_refund", by_hand.id, False),
    ]
    assert ours.payment(unheard.id).status == PAYMENT_SUCCEEDED
    assert ours.payment(withdrawn.id).status == PAYMENT_FAILED
    assert ours.refunded(unheard_refund.id).status == REFUND_SUCCEEDED
    assert never_named.id in ours.state.payments.rows, "it is still open: the lane goes on with it"
    (concern,) = ours.state.concerns.rows.values()
    assert (concern.kind, concern.booking_id, concern.amount_minor) == ("unknown_refund", by_hand.booking_id, 100)
    assert [each.mended for each in (await reconciling.run(0)).findings] == [False]
    kept = sum(
        payment.amount_minor for payment in ours.state.payments.archived.values() if payment.status == PAYMENT_SUCCEEDED
    )
    back = sum(refund.amount_minor for refund in ours.state.refunds.archived.values())
    assert server.ledger.kept() == kept - back - 100, "to the cent"
