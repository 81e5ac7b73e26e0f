"""The same calls that Stripe gets, against an independent server that speaks its language."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from onsale.effects.provider import ProviderUnavailable
from onsale.effects.stripe.events import News, read_event
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import (
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
)
from onsale.tests.effects.stripe.local_stripe import local_stripe
from onsale.tests.effects.stripe.orders import JOURNAL, charge, refund_order

KEY = "sk_test_12345678"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimpleNamespace]:
    async with local_stripe(monkeypatch) as server:
        yield server


@pytest.fixture
async def provider(server: SimpleNamespace) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(KEY, server.base + "/")
    yield provider
    await provider.close()


async def paid(provider: StripeProvider, payment_id: int = 1, **how: object) -> str:
    prepared = await provider.begin(charge(payment_id, **how))
    assert isinstance(prepared, PaymentPreparedOutcome)
    reference = prepared.provider_reference
    assert await provider.confirm(charge(payment_id, known=reference, **how)) == PaymentSucceededOutcome(reference)
    return reference


async def method(server: SimpleNamespace, number: str = "", *, iban: str = "") -> str:
    """A payment method of our own making."""
    form = {"type": "sepa_debit", "sepa_debit[iban]": iban} if iban else {
        "type": "card", "card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123",
    }  # fmt: skip
    return (await call(server, "/v1/payment_methods", form))["id"]


async def call(server: SimpleNamespace, path: str, form: dict[str, str]) -> dict:
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.base + path, data=form, headers={"Authorization": f"Bearer {KEY}"}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json(content_type=None) if (await answer.read()) else {}


async def test_pays_and_gives_back_in_parts(provider: StripeProvider) -> None:
    reference = await paid(provider)
    assert await provider.look(charge(known=reference)) == PaymentSucceededOutcome(reference)
    for refund_id, amount_minor in ((1, 1990), (2, 3000)):
        result = await provider.refund(refund_order(reference, refund_id, amount_minor=amount_minor))
        assert result.failure is None
        assert not result.pending
        again = await provider.refund(refund_order(reference, refund_id, amount_minor=amount_minor))
        assert again == result, "found in the list, though this server knows no idempotency keys"
        known = refund_order(reference, refund_id, amount_minor=amount_minor, known=result.provider_reference)
        assert await provider.look_at_refund(known) == result


async def test_lists_what_was_paid_and_given_back(provider: StripeProvider) -> None:
    since_ms = int(time.time() * 1000)
    first = await paid(provider, 1)
    second = await paid(provider, 2, amount_minor=500, currency="JPY")
    await provider.begin(charge(3, method=None))
    refunded = await provider.refund(refund_order(first, 7, amount_minor=1000))
    page = await provider.payments(since_ms, None)
    assert page.cursor is None
    listed = {each.payment_id: each for each in page.payments if each.journal_id == JOURNAL and each.booking_id == 9}
    assert (listed[1].reference, listed[1].status, listed[1].amount_minor, listed[1].refunded_minor) == (
        first, "succeeded", 4990, 1000,
    )  # fmt: skip
    assert (listed[2].reference, listed[2].amount_minor, listed[2].currency) == (second, 500, "JPY")
    assert listed[3].status == "open"
    assert all(abs(each.created_ms - since_ms) < 60_000 for each in page.payments)
    (refund,) = (await provider.refunds(since_ms, None)).refunds
    assert (refund.reference, refund.refund_id, refund.payment_reference, refund.amount_minor, refund.status) == (
        refunded.provider_reference, 7, first, 1000, "succeeded",
    )  # fmt: skip
    assert (await provider.payments(since_ms + 3_600_000, None)).payments == ()


async def test_a_decline_is_told_when_the_attempt_is_withdrawn(provider: StripeProvider) -> None:
    mine = charge(method="pm_card_chargeCustomerFail")
    prepared = await provider.begin(mine)
    assert isinstance(prepared, PaymentPreparedOutcome)
    known = charge(method="pm_card_chargeCustomerFail", known=prepared.provider_reference)
    outcome = await provider.confirm(known)
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.detail == "The card was declined; try another card, or ask the bank that issued it."
    assert isinstance(await provider.look(known), PaymentFailedOutcome)
    assert isinstance(await provider.confirm(known), PaymentFailedOutcome), "asked again after a crash"


async def test_a_step_of_the_persons_bank(provider: StripeProvider, server: SimpleNamespace) -> None:
    card = await method(server, "4000002500003155")
    prepared = await provider.begin(charge(method=card))
    assert isinstance(prepared, PaymentPreparedOutcome)
    known = charge(method=card, known=prepared.provider_reference)
    pending = PaymentPendingOutcome(
        requires_action=True, client_secret=prepared.client_secret, provider_reference=prepared.provider_reference
    )
    assert await provider.confirm(known) == pending
    assert await provider.confirm(known) == pending, "asked again after a crash"
    assert await provider.look(known) == pending
    step = f"/v1/payment_intents/{prepared.provider_reference}/_authenticate"
    await call(server, step, {"client_secret": prepared.client_secret, "success": "true"})
    assert await provider.look(known) == PaymentSucceededOutcome(prepared.provider_reference)
    assert await provider.cancel(known) == PaymentSucceededOutcome(prepared.provider_reference), "too late"


@pytest.mark.parametrize("on_their_side", [False, True])
async def test_a_step_that_failed(provider: StripeProvider, server: SimpleNamespace, *, on_their_side: bool) -> None:
    card = await method(server, "4000002500003155")
    prepared = await provider.begin(charge(method=card))
    assert isinstance(prepared, PaymentPreparedOutcome)
    known = charge(method=card, known=prepared.provider_reference)
    await provider.confirm(known)
    step = f"/v1/payment_intents/{prepared.provider_reference}/_authenticate"
    await call(server, step, {"client_secret": prepared.client_secret, "success": "false"})
    looked = charge(method=None if on_their_side else card, known=prepared.provider_reference)
    outcome = await provider.look(looked)
    assert isinstance(outcome, PaymentDeclinedOutcome if on_their_side else PaymentFailedOutcome)
    assert outcome.failure == "payment_intent_authentication_failure"
    assert "try again" in outcome.detail


async def test_a_debit_that_takes_its_time(provider: StripeProvider, server: SimpleNamespace) -> None:
    debit = await method(server, iban="DE89370400440532013000")
    prepared = await provider.begin(charge(method=debit))
    assert isinstance(prepared, PaymentPreparedOutcome)
    known = charge(method=debit, known=prepared.provider_reference)
    outcome = await provider.confirm(known)
    assert isinstance(outcome, PaymentSucceededOutcome | PaymentPendingOutcome)
    assert not getattr(outcome, "requires_action", False)


async def test_the_person_confirms_on_their_side(provider: StripeProvider) -> None:
    begun = await provider.begin(charge(method=None))
    assert isinstance(begun, PaymentPendingOutcome)
    assert begun.requires_action
    assert begun.client_secret.startswith(f"{begun.provider_reference}_secret_")
    known = charge(method=None, known=begun.provider_reference)
    assert await provider.look(known) == begun
    withdrawn = await provider.cancel(known)
    assert isinstance(withdrawn, PaymentFailedOutcome)
    assert await provider.cancel(known) == withdrawn
    assert await provider.look(known) == withdrawn


@pytest.mark.parametrize("name", ["pm_unknown", "nonsense", "pm_1' OR 1=1", "", "../../v1/refunds"])
async def test_a_payment_method_that_is_none(provider: StripeProvider, name: str) -> None:
    outcome = await provider.begin(charge(method=name))
    assert outcome == PaymentFailedOutcome(
        "no_such_payment_method", "There is no such payment method; enter the card again."
    )


async def test_a_wrong_key_is_never_a_decline(server: SimpleNamespace) -> None:
    provider = StripeProvider("pk_oops", server.base)
    for ask in (
        provider.begin(charge()),
        provider.confirm(charge(known="pi_1")),
        provider.cancel(charge(known="pi_1")),
    ):
        with pytest.raises(ProviderUnavailable, match="check STRIPE_API_KEY"):
            await ask
    with pytest.raises(ProviderUnavailable, match="check STRIPE_API_KEY"):
        await provider.refund(refund_order("pi_1"))
    await provider.close()


async def test_an_attempt_of_another_account(provider: StripeProvider) -> None:
    for ask in (
        provider.look(charge(known="pi_elsewhere")),
        provider.confirm(charge(known="pi_elsewhere")),
        provider.cancel(charge(known="pi_elsewhere")),
    ):
        with pytest.raises(ProviderUnavailable, match="STRIPE_API_KEY is of the account") as unavailable:
            await ask
        assert not unavailable.value.down
    refused = await provider.refund(refund_order("pi_test_7"))
    assert refused.failure is not None
    assert "does not know payment pi_test_7" in refused.failure


async def test_signed_news(provider: StripeProvider, server: SimpleNamespace) -> None:
    heard: asyncio.Queue[News] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        signature = request.headers["Stripe-Signature"]
        news = read_event(
            await request.read(), signature, "whsec_test", journal_id=JOURNAL, hold_ms=300_000, now_s=time.time()
        )
        heard.put_nowait(news)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await call(
        server,
        "/_config/webhooks/ours",
        {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "secret": "whsec_test"},
    )
    reference = await paid(provider, 5)
    news = await asyncio.wait_for(heard.get(), 5)
    assert news.command.means == SettlePayment(5, PaymentSucceededOutcome(reference), 300_000)
    declined = await provider.begin(charge(6, method="pm_card_chargeCustomerFail"))
    await provider.confirm(charge(6, method="pm_card_chargeCustomerFail", known=declined.provider_reference))
    news = await asyncio.wait_for(heard.get(), 5)
    assert (news.command.means, news.payment_id_to_look_at) == (None, 6)
    await runner.cleanup()
