"""Money given back against a server that behaves as Stripe's documents say: never twice, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stripe_server import StripeServer

from onsale.effects.provider import ProviderUnavailable, RefundOrder, RefundResult
from onsale.effects.stripe import client
from onsale.effects.stripe.provider import MEND_SECONDS, StripeProvider
from onsale.engine.commands import PaymentPreparedOutcome, PaymentSucceededOutcome
from onsale.tests.effects.stripe.orders import charge, impatient, refund_order

REFUNDS = "/v1/refunds"


class Clock:
    now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def provider(server: StripeServer, clock: Clock) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(server.key, server.url, seconds=clock)
    yield provider
    await provider.close()


async def paid(provider: StripeProvider, payment_id: int = 1, **how: Any) -> str:
    begun = await provider.begin(charge(payment_id, **how))
    assert isinstance(begun, PaymentPreparedOutcome)
    known = charge(payment_id, known=begun.provider_reference, **how)
    assert isinstance(await provider.confirm(known), PaymentSucceededOutcome)
    return begun.provider_reference


async def refunded_in_the_end(provider: StripeProvider, order: RefundOrder, clock: Clock) -> RefundResult:
    for _ in range(20):
        try:
            return await provider.refund(order)
        except ProviderUnavailable as error:
            clock.now_seconds += error.retry_after_seconds or 1.0
    raise AssertionError("it never came to an end")


async def test_once_however_often_it_is_asked(provider: StripeProvider, server: StripeServer) -> None:
    reference = await paid(provider)
    result = await provider.refund(refund_order(reference, amount_minor=990))
    assert result.provider_reference
    assert (result.failure, result.pending) == (None, False)
    assert await provider.refund(refund_order(reference, amount_minor=990)) == result
    server.forget_idempotency_keys()
    assert await provider.refund(refund_order(reference, amount_minor=990)) == result, "two days later"
    known = refund_order(reference, amount_minor=990, known=result.provider_reference)
    assert await provider.look_at_refund(known) == result
    assert server.ledger.kept() == 4000


async def test_a_young_one_takes_a_single_request(provider: StripeProvider, server: StripeServer) -> None:
    """Its key is enough: it can't have been made under one that Stripe has forgotten."""
    reference = await paid(provider)
    before = len(server.requests)
    order = refund_order(reference, is_young=True)
    assert await provider.refund(order) == await provider.refund(order)
    assert len(server.requests) == before + 2
    assert server.ledger.kept() == 0


async def test_two_refunds_of_the_same_amount_are_two(provider: StripeProvider, server: StripeServer) -> None:
    reference = await paid(provider)
    first, second = await asyncio.gather(
        *(provider.refund(refund_order(reference, number, amount_minor=990)) for number in (1, 2))
    )
    assert first.provider_reference != second.provider_reference
    assert server.ledger.kept() == 3010


async def test_more_than_was_paid(provider: StripeProvider, server: StripeServer) -> None:
    reference = await paid(provider)
    result = await provider.refund(refund_order(reference, amount_minor=4991))
    assert result.failure is not None
    assert "greater than unrefunded amount" in result.failure
    assert await provider.refund(refund_order(reference, 2)) == await provider.refund(refund_order(reference, 2))
    result = await provider.refund(refund_order(reference, 3, amount_minor=1))
    assert result.failure == "Stripe refused the refund: the payment is given back already, by someone else."
    assert server.ledger.kept() == 0


async def test_what_was_never_paid(provider: StripeProvider, server: StripeServer) -> None:
    begun = await provider.begin(charge())
    assert isinstance(begun, PaymentPreparedOutcome)
    assert (await provider.refund(refund_order(begun.provider_reference))).failure
    result = await provider.refund(refund_order("pi_test_7"))
    assert result.failure is not None
    assert "does not know payment pi_test_7" in result.failure
    assert not server.ledger


async def test_disputed(provider: StripeProvider, server: StripeServer) -> None:
    reference = await paid(provider)
    server.dispute(reference)
    result = await provider.refund(refund_order(reference))
    assert result.failure is not None
    assert "disputed" in result.failure
    assert server.ledger.kept() == 0


async def test_a_pending_one(provider: StripeProvider, server: StripeServer) -> None:
    server.keep_refunds_pending()
    reference = await paid(provider)
    result = await provider.refund(refund_order(reference))
    assert result.pending
    known = refund_order(reference, known=result.provider_reference)
    assert await provider.look_at_refund(known) == result
    server.settle_refund(result.provider_reference or "")
    assert await provider.look_at_refund(known) == RefundResult(result.provider_reference)


async def test_one_that_failed_is_tried_again_under_another_name(
    provider: StripeProvider, server: StripeServer
) -> None:
    server.keep_refunds_pending()
    reference = await paid(provider)
    first = await provider.refund(refund_order(reference))
    server.settle_refund(first.provider_reference or "", succeed=False)
    failed = RefundResult(first.provider_reference, "The refund failed: the card has expired or was cancelled.")
    assert await provider.look_at_refund(refund_order(reference, known=first.provider_reference)) == failed
    assert await provider.refund(refund_order(reference)) == failed, "the same try, told again"
    server.keep_refunds_pending(pending=False)
    second = await provider.refund(refund_order(reference, tries=2))
    assert second.provider_reference not in {None, first.provider_reference}
    assert await provider.refund(refund_order(reference, tries=2)) == second
    assert server.ledger.kept() == 0


async def test_a_try_that_went_through_after_all_is_not_made_again(
    provider: StripeProvider, server: StripeServer
) -> None:
    reference = await paid(provider)
    first = await provider.refund(refund_order(reference, amount_minor=990))
    assert await provider.refund(refund_order(reference, amount_minor=990, tries=2)) == first
    assert server.ledger.kept() == 4000


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ["error", "cut", "html", "unavailable", "rate_limit", "lock_timeout"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("amount_minor", "is_young"), [(990, False), (990, True), (4990, True)])
async def test_a_fault_at_any_step_gives_back_once(
    provider: StripeProvider,
    server: StripeServer,
    clock: Clock,
    method: str,
    kind: Any,
    after: bool,
    amount_minor: int,
    is_young: bool,
) -> None:
    reference = await paid(provider)
    server.fail(kind, after=after, times=3, path=REFUNDS, method=method)
    order = refund_order(reference, amount_minor=amount_minor, is_young=is_young)
    result = await refunded_in_the_end(provider, order, clock)
    assert result == RefundResult(server.rows("refund")[0]["id"])
    assert len(server.rows("refund")) == 1
    assert server.ledger.kept() == 4990 - amount_minor


async def test_stripe_is_given_time_to_finish_what_it_failed_over(
    provider: StripeProvider, server: StripeServer, clock: Clock
) -> None:
    """A part: a second one would be taken. Only after a while is another key used, and only if nothing has appeared."""
    reference = await paid(provider)
    order = refund_order(reference, amount_minor=990)
    server.fail("error", path=REFUNDS, method="POST")
    with pytest.raises(ProviderUnavailable) as error:
        await provider.refund(order)
    assert error.value.down
    for _ in range(3):
        with pytest.raises(ProviderUnavailable) as error:
            await provider.refund(order)
        assert not error.value.down
        assert error.value.retry_after_seconds == pytest.approx(MEND_SECONDS)
    assert not server.rows("refund")
    clock.now_seconds += MEND_SECONDS
    assert (await provider.refund(order)).provider_reference
    assert server.ledger.kept() == 4000


async def test_all_that_is_left_needs_no_waiting(provider: StripeProvider, server: StripeServer) -> None:
    """Stripe would refuse a second one."""
    reference = await paid(provider)
    server.fail("error", path=REFUNDS, method="POST")
    with pytest.raises(ProviderUnavailable):
        await provider.refund(refund_order(reference))
    assert (await provider.refund(refund_order(reference))).provider_reference
    assert server.ledger.kept() == 0


async def test_one_that_timed_out_and_went_through_is_found_two_days_later(
    provider: StripeProvider, server: StripeServer
) -> None:
    reference = await paid(provider)
    server.fail("hang", after=True, path=REFUNDS, method="POST")
    async with impatient(server.key, server.url) as other:
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            await other.refund(refund_order(reference, amount_minor=990))
    server.forget_idempotency_keys()
    assert (await provider.refund(refund_order(reference, amount_minor=990))).provider_reference
    assert server.ledger.kept() == 4000


async def test_found_among_many(
    provider: StripeProvider, server: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE_ROWS", 10)
    reference = await paid(provider, amount_minor=500_00)
    first = await provider.refund(refund_order(reference, 1, amount_minor=100))
    for number in range(2, 23):
        await provider.refund(refund_order(reference, number, amount_minor=100))
    server.forget_idempotency_keys()
    assert await provider.refund(refund_order(reference, 1, amount_minor=100)) == first
    assert server.ledger.total("refund") == 2_200


async def test_pages_of_refunds(
    provider: StripeProvider, server: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE_ROWS", 20)
    reference = await paid(provider, amount_minor=500_00)
    for number in range(1, 25):
        await provider.refund(refund_order(reference, number, amount_minor=100))
    server.settle_refund(server.rows("refund")[0]["id"], succeed=False)
    first = await provider.refunds(0, None)
    second = await provider.refunds(0, first.cursor)
    assert second.cursor is None
    listed = [*first.refunds, *second.refunds]
    assert [each.refund_id for each in listed] == list(range(24, 0, -1))
    assert {each.payment_reference for each in listed} == {reference}
    assert [each.status for each in listed] == ["succeeded"] * 23 + ["failed"]
    assert listed[-1].failure == "The refund failed: the card has expired or was cancelled."
    (payment,) = (await provider.payments(0, None)).payments
    assert payment.refunded_minor == 2_300


async def test_a_refund_of_another_account(provider: StripeProvider, server: StripeServer) -> None:
    with pytest.raises(ProviderUnavailable, match="STRIPE_API_KEY is of its account") as error:
        await provider.look_at_refund(refund_order("pi_1", known="re_elsewhere"))
    assert not error.value.down


async def test_two_tries_at_once_give_back_once(provider: StripeProvider, server: StripeServer) -> None:
    """Neither finds the other in the list; Stripe refuses the second, which then finds the first."""
    reference = await paid(provider)
    server.fail("delay", seconds=0.02, times=2, path=REFUNDS, method="POST")
    first, second = await asyncio.gather(*(provider.refund(refund_order(reference, tries=tries)) for tries in (1, 2)))
    assert first == second == RefundResult(server.rows("refund")[0]["id"])
    assert server.ledger.kept() == 0
