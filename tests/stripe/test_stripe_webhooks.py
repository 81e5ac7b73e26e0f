"""Webhooks: https://docs.stripe.com/webhooks, /webhooks/signature, /api/events. Checked by Stripe's own library."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import stripe
from aiohttp import web
from stripe_library import Library
from stripe_server import StripeServer


class Shop:
    """Who the webhooks are sent to."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[stripe.Event] = []
        self.refused: list[str] = []
        self.statuses: list[int] = []  # of the next answers; then 200
        self.secret = ""

    async def take(self, request: web.Request) -> web.Response:
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return web.Response(status=status)
        body, signature = await request.read(), request.headers["Stripe-Signature"]
        try:
            self.taken.append(stripe.Webhook.construct_event(body, signature, self.secret, api_key="sk_test"))
        except stripe.SignatureVerificationError as error:
            self.refused.append(str(error))
            return web.Response(status=400)
        return web.Response()

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.taken]


@pytest_asyncio.fixture
async def shop(server: StripeServer) -> AsyncIterator[Shop]:
    shop = Shop()
    shop.secret = server.webhook_secret
    application = web.Application()
    application.router.add_post("/webhooks/stripe", shop.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/stripe"
    server.webhooks.send_to(shop.url)
    yield shop
    await runner.cleanup()


async def idle(server: StripeServer) -> None:
    await asyncio.wait_for(server.webhooks.idle(), 10)


async def test_they_are_signed_and_tell_what_happened(server: StripeServer, shop: Shop, library: Library) -> None:
    paid = await library.paid()
    refund = await library.refund(paid.id, 100, key="the-key")
    await idle(server)
    assert sorted(shop.types) == sorted(
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "refund.created", "charge.refunded"]
    )
    assert not shop.refused
    told: dict[str, Any] = {event.type: event.data.object for event in shop.taken}
    assert told["payment_intent.created"]["status"] == "requires_payment_method"  # as it was then
    assert told["payment_intent.succeeded"]["id"] == paid.id
    assert told["payment_intent.succeeded"]["metadata"]["onsale_payment"] == "7"
    assert told["refund.created"]["id"] == refund.id
    [created] = [event for event in shop.taken if event.type == "refund.created"]
    assert created.request is not None
    assert created.request.idempotency_key == "the-key"
    listed = await library.v1.events.list_async({"type": "refund.created"})
    assert [event.id for event in listed.data] == [created.id]


@pytest.mark.parametrize(
    ("method", "types"),
    [
        ("pm_card_authenticationRequired", ["payment_intent.requires_action"]),
        ("pm_usBankAccount_processing", ["charge.pending", "payment_intent.processing"]),
        ("pm_card_chargeDeclined", ["charge.failed", "payment_intent.payment_failed"]),
    ],
)
async def test_each_state_has_its_event(
    server: StripeServer, shop: Shop, library: Library, method: str, types: list[str]
) -> None:
    made = await library.create()
    try:
        await library.confirm(made.id, method)
    except stripe.CardError:
        assert method == "pm_card_chargeDeclined"
    await idle(server)
    assert sorted(shop.types) == sorted(["payment_intent.created", *types])


async def test_cancelling_is_told(server: StripeServer, shop: Shop, library: Library) -> None:
    await library.cancel((await library.create()).id)
    await idle(server)
    assert sorted(shop.types) == ["payment_intent.canceled", "payment_intent.created"]


async def test_sent_again_until_taken(server: StripeServer, shop: Shop, library: Library) -> None:
    """Any answer but 2xx is a failure, redirects too: /webhooks#retries, #handle-redirects."""
    shop.statuses = [500, 302, 404]
    await library.create()
    await idle(server)
    assert shop.types == ["payment_intent.created"]
    assert [delivery.status for delivery in server.webhooks.deliveries] == [500, 302, 404, 200]
    assert len({delivery.event_id for delivery in server.webhooks.deliveries}) == 1


async def test_another_address_is_tried_when_one_does_not_answer(
    server: StripeServer, shop: Shop, library: Library
) -> None:
    server.webhooks.send_to("http://127.0.0.1:9/nobody", shop.url)
    await library.create()
    await idle(server)
    assert shop.types == ["payment_intent.created"]
    assert server.webhooks.deliveries[0].status == 0


async def test_held_back_and_released_in_another_order(server: StripeServer, library: Library, shop: Shop) -> None:
    """/webhooks#event-ordering: Stripe promises no order."""
    async with StripeServer(webhooks_at_once=1, webhook_secret=shop.secret) as ordered:
        ordered.webhooks.send_to(shop.url)
        ordered.webhooks.hold()
        other = Library(ordered)
        await other.paid()
        await idle(ordered)
        assert (shop.types, ordered.webhooks.held) == ([], 3)
        assert ordered.webhooks.release("reversed") == 3
        await idle(ordered)
        assert shop.types == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
        await other.close()


async def test_repeated(server: StripeServer, shop: Shop, library: Library) -> None:
    """/webhooks#handle-duplicate-events: an endpoint may receive one more than once, under the same id."""
    await library.create()
    await idle(server)
    assert server.webhooks.send_again(times=3) == 3
    await idle(server)
    assert len(shop.taken) == 4
    assert len({event.id for event in shop.taken}) == 1


async def test_a_wrong_secret_and_an_old_timestamp_are_seen(server: StripeServer, shop: Shop, library: Library) -> None:
    """/webhooks/signature#replay-attacks: the libraries allow five minutes."""
    await library.create()
    await idle(server)
    server.webhooks.send_again(secret="whsec_other")
    await idle(server)
    assert "No signatures found matching" in shop.refused[0]
    server.webhooks.send_again(age_seconds=301)
    await idle(server)
    assert "Timestamp outside the tolerance zone" in shop.refused[1]
    server.webhooks.send_again(age_seconds=250)
    await idle(server)
    assert len(shop.taken) == 2


async def test_those_of_a_connected_account(server: StripeServer, shop: Shop, library: Library) -> None:
    """/connect/webhooks: each event has the top-level `account`."""
    await library.create()
    await idle(server)
    server.webhooks.send_again([shop.taken[0].id], account="acct_other")
    await idle(server)
    assert [getattr(event, "account", None) for event in shop.taken] == [None, "acct_other"]


async def test_stopped_altogether(server: StripeServer, shop: Shop, library: Library) -> None:
    server.webhooks.stop()
    await library.paid()
    await idle(server)
    assert shop.taken == []
    server.webhooks.resume()
    await idle(server)
    assert len(shop.taken) == 3


async def test_a_500_after_executing_is_told_all_the_same(server: StripeServer, shop: Shop, library: Library) -> None:
    """/error-low-level#server-errors: "we try to … fire webhooks for any new objects created"."""
    made = await library.create()
    server.fail("error", after=True)
    with pytest.raises(stripe.APIError):
        await library.confirm(made.id, "pm_card_visa")
    await idle(server)
    assert "payment_intent.succeeded" in shop.types
