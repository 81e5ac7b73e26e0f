"""Attempts to pay against a server that behaves as Stripe's documents say, with whatever can go wrong on the way.

After each fault the server's ledger is right: what it took is what was told.
"""

import asyncio
from typing import Any

import pytest
from stripe_errors import Refusal
from stripe_server import StripeServer

from onsale.effects.provider import CANCELED, Charge, ProviderUnavailable
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import (
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
)
from onsale.tests.effects.stripe.orders import JOURNAL, charge, impatient

CONFIRM = "/v1/payment_intents/*/confirm"
CANCEL = "/v1/payment_intents/*/cancel"
CREATE = "/v1/payment_intents"
RETRIEVE = "/v1/payment_intents/*"


async def prepared(provider: StripeProvider, payment_id: int = 1, **how: Any) -> Charge:
    """One whose name is known."""
    outcome = await provider.begin(charge(payment_id, **how))
    assert isinstance(outcome, PaymentPreparedOutcome)
    return charge(payment_id, known=outcome.provider_reference, **how)


async def waiting(provider: StripeProvider) -> tuple[Charge, PaymentPendingOutcome]:
    """One that the person confirms on their side."""
    begun = await provider.begin(charge(method=None))
    assert isinstance(begun, PaymentPendingOutcome)
    return charge(method=None, known=begun.provider_reference), begun


async def confirmed_in_the_end(provider: StripeProvider, known: Charge) -> PaymentOutcome:
    for _ in range(10):
        try:
            return await provider.confirm(known)
        except ProviderUnavailable:
            await asyncio.sleep(0)
    raise AssertionError("it never came to an end")


async def test_pays_once_however_often_it_is_asked(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider)
    assert not server.ledger, "nothing is charged before its name is durable"
    for _ in range(3):
        assert await provider.begin(charge()) == PaymentPreparedOutcome(
            known.provider_reference or "", server.rows()[0]["client_secret"]
        )
        assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    server.forget_idempotency_keys()
    assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    assert await provider.look(known) == PaymentSucceededOutcome(known.provider_reference)
    assert [(each.kind, each.amount, each.currency) for each in server.ledger] == [("charge", 4990, "eur")]
    assert len(server.rows()) == 1
    row = server.rows()[0]
    assert row["metadata"] == {"onsale_journal": JOURNAL, "onsale_payment": "1", "onsale_booking": "9"}
    assert row["description"] == "Booking 9"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount"), [(500, "JPY", 500), (500, "ISK", 50000), (5120, "KWD", 5120)]
)
async def test_amounts_as_stripe_counts(
    provider: StripeProvider, server: StripeServer, amount_minor: int, currency: str, amount: int
) -> None:
    known = await prepared(provider, amount_minor=amount_minor, currency=currency)
    assert isinstance(await provider.confirm(known), PaymentSucceededOutcome)
    assert server.ledger[0].amount == amount
    (listed,) = (await provider.payments(0, None)).payments
    assert (listed.amount_minor, listed.currency) == (amount_minor, currency)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedLostCard", "generic_decline"),
        ("pm_card_chargeDeclinedStolenCard", "generic_decline"),
        ("pm_card_chargeDeclinedFraudulent", "generic_decline"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
    ],
)
async def test_declined_for_good(provider: StripeProvider, server: StripeServer, method: str, code: str) -> None:
    known = await prepared(provider, method=method)
    outcome = await provider.confirm(known)
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.failure == code
    assert server.rows()[0]["status"] == "canceled", "told only when it can't succeed any more"
    server.forget_idempotency_keys()
    for again in (provider.confirm, provider.look):
        assert await again(known) == outcome
    assert isinstance(await provider.cancel(known), PaymentFailedOutcome)
    assert not server.ledger


@pytest.mark.parametrize("path", [CANCEL, "/v1/payment_intents/*"])
@pytest.mark.parametrize("kind", ["error", "cut", "html", "unavailable"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_decline_whose_withdrawal_is_not_certain_is_not_told(
    provider: StripeProvider, server: StripeServer, path: str, kind: Any, after: bool
) -> None:
    known = await prepared(provider, method="pm_card_chargeDeclined")
    server.fail(kind, after=after, path=path, times=2)
    first = await confirmed_in_the_end(provider, known)
    assert isinstance(first, PaymentFailedOutcome)
    assert first.failure == "generic_decline"
    assert server.rows()[0]["status"] == "canceled"
    assert not server.ledger


async def test_another_card_on_their_side_meanwhile(provider: StripeProvider, server: StripeServer) -> None:
    """The first was declined here; before it is withdrawn the person pays with the client secret."""
    known = await prepared(provider, method="pm_card_chargeDeclined")
    server.fail("cut", path=CANCEL)
    with pytest.raises(ProviderUnavailable):
        await provider.confirm(known)
    server.confirm_in_browser(server.rows()[0]["client_secret"], "pm_card_visa")
    assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    assert server.ledger.kept() == 4990


async def test_three_d_secure(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider, method="pm_card_authenticationRequired")
    secret = server.rows()[0]["client_secret"]
    pending = PaymentPendingOutcome(
        requires_action=True, client_secret=secret, provider_reference=known.provider_reference
    )
    assert await provider.confirm(known) == pending
    assert await provider.look(known) == pending
    server.authenticate(secret)
    assert await provider.look(known) == PaymentSucceededOutcome(known.provider_reference)
    assert await provider.confirm(known) == pending, "what the key's first answer was; a look says more"
    assert server.ledger.kept() == 4990


@pytest.mark.parametrize("method", ["pm_card_authenticationRequired", "pm_card_threeDSecureRequiredChargeDeclined"])
async def test_three_d_secure_that_fails(provider: StripeProvider, server: StripeServer, method: str) -> None:
    known = await prepared(provider, method=method)
    await provider.confirm(known)
    if method == "pm_card_authenticationRequired":
        server.authenticate(server.rows()[0]["client_secret"], succeed=False)
    else:
        with pytest.raises(Refusal):
            server.authenticate(server.rows()[0]["client_secret"])
    outcome = await provider.look(known)
    assert isinstance(outcome, PaymentFailedOutcome)
    assert server.rows()[0]["status"] == "canceled"
    assert not server.ledger


async def test_the_person_tries_one_card_after_another(provider: StripeProvider, server: StripeServer) -> None:
    known, begun = await waiting(provider)
    with pytest.raises(Refusal):
        server.confirm_in_browser(begun.client_secret, "pm_card_chargeDeclinedLostCard")
    outcome = await provider.look(known)
    assert isinstance(outcome, PaymentDeclinedOutcome)
    assert outcome.failure == "generic_decline"
    assert server.rows()[0]["status"] == "requires_payment_method", "they may try again"
    server.confirm_in_browser(begun.client_secret, "pm_card_visa")
    assert await provider.look(known) == PaymentSucceededOutcome(known.provider_reference)


async def test_a_bank_that_takes_its_time(provider: StripeProvider, server: StripeServer) -> None:
    known, begun = await waiting(provider)
    server.confirm_in_browser(begun.client_secret, "pm_usBankAccount_processing")
    processing = PaymentPendingOutcome(
        requires_action=False, client_secret=begun.client_secret, provider_reference=known.provider_reference
    )
    assert await provider.look(known) == processing
    assert await provider.cancel(known) == processing, "neither withdrawn nor lost"
    server.settle(known.provider_reference or "")
    assert await provider.cancel(known) == PaymentSucceededOutcome(known.provider_reference)


async def test_withdrawn(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider)
    assert await provider.cancel(known) == CANCELED
    assert await provider.cancel(known) == CANCELED
    assert await provider.look(known) == CANCELED
    assert await provider.confirm(known) == CANCELED, "too late to charge it"
    assert not server.ledger


async def test_withdrawn_before_its_name_was_known(provider: StripeProvider, server: StripeServer) -> None:
    """The answer to the creation was lost: the same key finds the same intent."""
    server.fail("cut", after=True, path=CREATE)
    with pytest.raises(ProviderUnavailable):
        await provider.begin(charge())
    assert await provider.cancel(charge()) == CANCELED
    assert [row["status"] for row in server.rows()] == ["canceled"]
    assert await provider.cancel(charge(2, method="pm_unknown")) == CANCELED, "there never was one"


async def test_a_withdrawal_that_comes_too_late(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider)
    server.fail("cut", after=True, path=CONFIRM)
    with pytest.raises(ProviderUnavailable):
        await provider.confirm(known)
    assert await provider.cancel(known) == PaymentSucceededOutcome(known.provider_reference)
    assert server.ledger.kept() == 4990


async def test_a_withdrawal_while_it_is_being_charged(
    provider: StripeProvider, server: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever comes first at Stripe: one of the two outcomes, and the ledger agrees."""
    for payment_id in range(1, 11):
        known = await prepared(provider, payment_id)
        server.fail("delay", seconds=0.002, path=CONFIRM if payment_id % 2 else CANCEL)
        confirmed, canceled = await asyncio.gather(provider.confirm(known), provider.cancel(known))
        assert confirmed in {PaymentSucceededOutcome(known.provider_reference), CANCELED}
        assert isinstance(confirmed, PaymentSucceededOutcome) == isinstance(canceled, PaymentSucceededOutcome)
        assert server.ledger.kept(known.provider_reference) == (4990 if canceled != CANCELED else 0)


@pytest.mark.parametrize("path", [CREATE, CONFIRM])
@pytest.mark.parametrize("kind", ["error", "cut", "html", "unavailable", "rate_limit", "lock_timeout"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_fault_at_any_step_charges_once(
    provider: StripeProvider, server: StripeServer, path: str, kind: Any, after: bool, times: int
) -> None:
    server.fail(kind, after=after, times=times, path=path, method="POST")
    for _ in range(5):
        try:
            known = await prepared(provider)
            break
        except ProviderUnavailable:
            continue
    outcome = await confirmed_in_the_end(provider, known)
    assert outcome == PaymentSucceededOutcome(known.provider_reference)
    assert server.ledger.kept() == 4990
    assert len(server.ledger) == 1
    assert server.faults.hits


async def test_an_error_that_stripe_keeps_is_passed_by(provider: StripeProvider, server: StripeServer) -> None:
    server.fail("error", path=CREATE, method="POST")
    server.fail("error", path=CONFIRM)
    with pytest.raises(ProviderUnavailable) as error:
        await provider.begin(charge())
    assert error.value.down
    known = await prepared(provider)
    with pytest.raises(ProviderUnavailable):
        await provider.confirm(known)
    assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    reference = charge().reference
    keys = [seen.idempotency_key for seen in server.requests if seen.method == "POST"]
    assert keys == [
        reference, reference, f"{reference}-2",
        f"{reference}-confirm", f"{reference}-confirm", f"{reference}-confirm-2",
    ]  # fmt: skip


async def test_a_confirmation_that_timed_out_and_charged(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider)
    server.fail("hang", after=True, path=CONFIRM)
    async with impatient(server.key, server.url) as other:
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            await other.confirm(known)
    assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    assert server.ledger.kept() == 4990


async def test_still_being_charged_when_asked_again(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider)
    server.fail("delay", seconds=1, path=CONFIRM)
    async with impatient(server.key, server.url) as other:
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            await other.confirm(known)
    with pytest.raises(ProviderUnavailable, match="still busy") as error:
        await provider.confirm(known)
    assert not error.value.down
    assert error.value.retry_after_seconds
    await asyncio.sleep(1)
    assert await provider.confirm(known) == PaymentSucceededOutcome(known.provider_reference)
    assert server.ledger.kept() == 4990


async def test_another_description_under_the_same_name(provider: StripeProvider, server: StripeServer) -> None:
    """Whoever asks again should ask for the same; if not, there is another intent, and still one charge."""
    server.fail("cut", after=True, path=CREATE)
    with pytest.raises(ProviderUnavailable):
        await provider.begin(charge(description="Concert"))
    known = await prepared(provider, description="Concert, postponed")
    assert isinstance(await provider.confirm(known), PaymentSucceededOutcome)
    assert len(server.rows()) == 2
    assert server.ledger.kept() == 4990


async def test_an_address_that_takes_no_receipt(provider: StripeProvider, server: StripeServer) -> None:
    known = await prepared(provider, receipt_email="nobody")
    assert isinstance(await provider.confirm(known), PaymentSucceededOutcome)
    assert server.rows()[0]["receipt_email"] is None


async def test_an_amount_that_is_too_small(provider: StripeProvider, server: StripeServer) -> None:
    outcome = await provider.begin(charge(amount_minor=1))
    assert isinstance(outcome, PaymentFailedOutcome)
    assert not server.rows()


async def test_pages_of_payments(provider: StripeProvider, server: StripeServer) -> None:
    now_s = 1_800_000_000.0
    for account in server.accounts.values():
        account.world = account.world._replace(now=lambda: now_s)
    for payment_id in range(1, 251):
        now_s += 1
        await provider.begin(charge(payment_id, method=None))
    seen: list[int] = []
    cursor, pages = None, 0
    while pages < 10:
        page = await provider.payments(1_800_000_051_000, cursor)
        seen += [listed.payment_id for listed in page.payments]
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            break
    assert seen == list(range(250, 50, -1))
    assert pages <= 3
