import pytest

from onsale.effects.provider import CANCELED, Charge, PaymentPage, RefundOrder, RefundPage, RefundResult
from onsale.effects.sandbox import SandboxProvider
from onsale.engine.commands import PaymentFailedOutcome, PaymentPendingOutcome, PaymentSucceededOutcome


def charge(method: str | None) -> Charge:
    return Charge("onsale-test-payment-7", "test", 7, 3, 4990, "EUR", method)


@pytest.mark.parametrize("method", [None, "pm_card_visa", "pm_card_mastercard", "pm_card_amex"])
async def test_good_cards_pay(method: str | None) -> None:
    assert await SandboxProvider().begin(charge(method)) == PaymentSucceededOutcome("pi_test_7")


@pytest.mark.parametrize(
    ("method", "failure"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_nobody_knows", "resource_missing"),
    ],
)
async def test_bad_cards_say_why(method: str, failure: str) -> None:
    outcome = await SandboxProvider().begin(charge(method))
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.failure == failure
    assert outcome.detail


async def test_a_card_that_asks_for_a_step_gives_a_secret_that_is_always_the_same() -> None:
    first = await SandboxProvider().begin(charge("pm_card_authenticationRequired"))
    again = await SandboxProvider().begin(charge("pm_card_authenticationRequired"))
    assert isinstance(first, PaymentPendingOutcome)
    assert first.requires_action
    assert first.client_secret.startswith("pi_test_7_secret_")
    assert first == again


@pytest.mark.parametrize("method", [None, "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"])
async def test_whatever_it_is_asked_of_an_attempt_it_says_the_same(method: str | None) -> None:
    provider = SandboxProvider()
    begun = await provider.begin(charge(method))
    assert await provider.confirm(charge(method)) == begun
    assert await provider.look(charge(method)) == begun


async def test_an_attempt_can_always_be_withdrawn() -> None:
    assert await SandboxProvider().cancel(charge("pm_card_authenticationRequired")) == CANCELED


async def test_refunds_go_through() -> None:
    provider = SandboxProvider()
    order = RefundOrder("r", "test", 5, 3, 7, "pi_test_7", 100, "EUR")
    assert await provider.refund(order) == RefundResult("re_test_5")
    assert await provider.look_at_refund(order) == RefundResult("re_test_5")


async def test_it_keeps_nothing_so_it_lists_nothing() -> None:
    assert await SandboxProvider().payments(0, None) == PaymentPage((), None)
    assert await SandboxProvider().refunds(0, None) == RefundPage((), None)
