import pytest

from onsale.effects.provider import Charge, RefundOrder
from onsale.effects.sandbox import SandboxProvider
from onsale.engine.commands import PaymentFailedOutcome, PaymentPendingOutcome, PaymentSucceededOutcome


def charge(method: str | None) -> Charge:
    return Charge("onsale-test-payment-7", 7, 3, 4990, "EUR", method)


@pytest.mark.parametrize("method", [None, "pm_card_visa", "pm_card_mastercard", "pm_card_amex"])
async def test_good_cards_pay(method: str | None) -> None:
    assert await SandboxProvider().charge(charge(method)) == PaymentSucceededOutcome("pi_test_7")


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
    outcome = await SandboxProvider().charge(charge(method))
    assert isinstance(outcome, PaymentFailedOutcome)
    assert outcome.failure == failure
    assert outcome.detail


async def test_a_card_that_asks_for_a_step_gives_a_secret_that_is_always_the_same() -> None:
    first = await SandboxProvider().charge(charge("pm_card_authenticationRequired"))
    again = await SandboxProvider().charge(charge("pm_card_authenticationRequired"))
    assert isinstance(first, PaymentPendingOutcome)
    assert first.requires_action
    assert first.client_secret.startswith("pi_test_7_secret_")
    assert first == again


async def test_refunds_go_through() -> None:
    result = await SandboxProvider().refund(RefundOrder("r", 5, 7, "pi_test_7", 100, "EUR"))
    assert (result.provider_reference, result.failure) == ("re_test_5", None)
