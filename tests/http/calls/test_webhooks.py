"""The payment provider's news over the API: taken on their signature alone, once, and answered when durable."""

import asyncio

import pytest

from onsale.engine.codes import Code
from onsale.engine.commands import PaymentSucceededOutcome, SettlePayment, TakeProviderEvent
from onsale.engine.replies import Refusal
from onsale.tests.http.api_calls import OPERATOR, Calls
from onsale.tests.http.engine_gateway import RIGHT_SIGNATURE

PATH = "/webhooks/stripe"


@pytest.fixture
def calls() -> Calls:
    calls = Calls(secured=True)
    calls.gateway.news = {}
    return calls


async def processing(calls: Calls) -> int:
    """A payment the provider has not had its last word on, and the booking of it."""
    await calls.held(await calls.event())
    calls.gateway.provider_is_slow = True
    body = {"userId": "ada", "eventId": 1, "amount": "49.90"}
    assert (await calls("POST", "/pay", body, OPERATOR)).status == 202
    return 1


async def test_news_are_taken_once_without_a_token(calls: Calls) -> None:
    payment_id = await processing(calls)
    assert calls.gateway.news is not None
    calls.gateway.news[b"{}"] = TakeProviderEvent(
        "evt_1", SettlePayment(payment_id, PaymentSucceededOutcome("pi_1"), calls.gateway.hold_ms)
    )
    # a browser's origin says nothing here
    got = await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE, Origin="https://x.example")
    assert (got.status, got.json()) == (200, {"received": True, "seq": got.seq})
    assert got.headers["Cache-Control"] == "private, no-store"
    before = calls.gateway.state.seq
    assert calls.gateway.state.bookings.rows[1].provider_reference == "pi_1"
    for _ in range(2):
        again = await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE, Idempotency_Key="k")
        assert (again.status, again.json()["received"]) == (200, True)
        assert "Idempotency-Replayed" not in again.headers
    assert calls.gateway.state.seq == before


async def test_news_of_a_decline_are_received_too(calls: Calls) -> None:
    """What the engine refuses for good is no reason to send it again."""
    calls.gateway.submit = lambda command, key, done: done(  # type: ignore[method-assign]
        Refusal(7, Code.PAYMENT_DECLINED, "The card was declined."), False
    )
    got = await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE)
    assert (got.status, got.json()) == (200, {"received": True, "seq": 7})


@pytest.mark.parametrize("signature", [None, "", "t=1,v1=forged", "\u00fc", "x" * 5_000])
async def test_what_is_not_signed_is_refused_whoever_sends_it(calls: Calls, signature: str | None) -> None:
    headers = {} if signature is None else {"Stripe_Signature": signature}
    got = await calls("POST", PATH, b"{}", **headers)
    assert (got.status, got.code) == (400, "invalid_signature")
    assert not calls.gateway.commands


async def test_a_node_without_a_secret_takes_none(calls: Calls) -> None:
    calls.gateway.news = None
    got = await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE)
    assert (got.status, got.code) == (403, "forbidden")
    assert "STRIPE_WEBHOOK_SECRET" in got.json()["detail"]


@pytest.mark.parametrize("code", [Code.OVERLOADED, Code.NOT_DURABLE, Code.NO_PRIMARY])
async def test_what_cannot_be_taken_now_is_to_be_sent_again(calls: Calls, code: Code) -> None:
    calls.gateway.submit = lambda command, key, done: done(  # type: ignore[method-assign]
        Refusal(3, code, "Later.", {"retryAfterSeconds": 2}), False
    )
    got = await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE)
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, code, "2")


async def test_the_answer_waits_until_it_is_durable(calls: Calls) -> None:
    calls.gateway.hold_back()
    waiting = asyncio.ensure_future(calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    calls.gateway.let_go()
    assert (await waiting).status == 200


async def test_a_node_that_is_not_ready_asks_for_it_again(calls: Calls) -> None:
    calls.gateway.ready = False
    assert (await calls("POST", PATH, b"{}", Stripe_Signature=RIGHT_SIGNATURE)).code == "no_primary"
    assert (await calls("GET", PATH)).code == "method_not_allowed"
