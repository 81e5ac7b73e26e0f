"""Webhooks as they come over the wire, from the creation of a payment to its dispute."""

import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from stripe_server import StripeServer

from onsale.effects.stripe.events import BadSignature, News, read_event
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import (
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    RaiseConcern,
    SettlePayment,
    SettleRefund,
)
from onsale.tests.effects.stripe.orders import JOURNAL, charge, refund_order


class Endpoint:
    def __init__(self) -> None:
        self.heard: list[News] = []
        self.refused: list[str] = []
        self.journal_id = JOURNAL

    async def handle(self, request: web.Request) -> web.Response:
        body, signature = await request.read(), request.headers.get("Stripe-Signature", "")
        try:
            news = read_event(
                body, signature, "whsec_onsale_test", journal_id=self.journal_id, hold_ms=1000, now_s=time.time()
            )
        except BadSignature as error:
            self.refused.append(str(error))
            return web.Response(status=400)
        self.heard.append(news)
        return web.Response()

    @property
    def meanings(self) -> list[object]:
        return [news.command.means for news in self.heard if news.command.means is not None]


@pytest.fixture
async def endpoint(server: StripeServer) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/webhooks/stripe", endpoint.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.send_webhooks_to([f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/stripe"])
    yield endpoint
    await runner.cleanup()


async def paid(provider: StripeProvider) -> str:
    begun = await provider.begin(charge())
    assert isinstance(begun, PaymentPreparedOutcome)
    await provider.confirm(charge(known=begun.provider_reference))
    return begun.provider_reference


async def test_a_payment_its_refund_and_its_dispute(
    provider: StripeProvider, server: StripeServer, endpoint: Endpoint
) -> None:
    reference = await paid(provider)
    server.keep_refunds_pending()
    refund = (await provider.refund(refund_order(reference, amount_minor=990))).provider_reference or ""
    server.settle_refund(refund, succeed=False)
    server.dispute(reference, amount=4000)
    await server.webhooks.idle()
    assert SettlePayment(1, PaymentSucceededOutcome(reference), 1000) in endpoint.meanings
    assert SettleRefund(1, refund, pending=True) in endpoint.meanings
    failed = SettleRefund(1, refund, "The refund failed: the card has expired or was cancelled.")
    assert endpoint.meanings.count(failed) == 3, "refund.failed, refund.updated, charge.refund.updated"
    (concern,) = [means for means in endpoint.meanings if isinstance(means, RaiseConcern)]
    assert reference in concern.detail
    assert concern.amount_minor == 4000
    assert not endpoint.refused


async def test_a_decline_has_it_looked_at(provider: StripeProvider, server: StripeServer, endpoint: Endpoint) -> None:
    begun = await provider.begin(charge(method="pm_card_chargeDeclined"))
    assert isinstance(begun, PaymentPreparedOutcome)
    await provider.confirm(charge(method="pm_card_chargeDeclined", known=begun.provider_reference))
    await server.webhooks.idle()
    assert not endpoint.meanings
    looked_at = {
        news.command.event_id: news.payment_id_to_look_at for news in endpoint.heard if news.payment_id_to_look_at
    }
    events = server.webhooks.of_type("payment_intent.payment_failed", "payment_intent.canceled")
    assert looked_at == {event["id"]: 1 for event in events}


async def test_again_and_in_any_order_they_mean_the_same(
    provider: StripeProvider, server: StripeServer, endpoint: Endpoint
) -> None:
    server.webhooks.hold()
    reference = await paid(provider)
    await provider.refund(refund_order(reference))
    server.release_webhooks("reversed")
    await server.webhooks.idle()
    first = set(endpoint.heard)
    server.send_webhooks_again(times=2)
    await server.webhooks.idle()
    assert set(endpoint.heard) == first
    assert len(endpoint.heard) == 3 * len(first)


async def test_of_another_account_journal_secret_or_time(
    provider: StripeProvider, server: StripeServer, endpoint: Endpoint
) -> None:
    await paid(provider)
    await server.webhooks.idle()
    endpoint.heard.clear()
    server.send_webhooks_again(account="acct_other")
    endpoint.journal_id = "f" * 32
    server.send_webhooks_again()
    await server.webhooks.idle()
    assert len(endpoint.heard) == 2 * len(server.webhooks.events)
    assert not endpoint.meanings
    assert not any(news.payment_id_to_look_at for news in endpoint.heard)
    endpoint.heard.clear()
    server.send_webhooks_again(secret="whsec_other")
    server.send_webhooks_again(age_seconds=400)
    await server.webhooks.idle()
    assert not endpoint.heard
    assert len(endpoint.refused) == 2 * len(server.webhooks.events)
