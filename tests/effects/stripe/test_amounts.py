import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.effects.stripe.amounts import from_stripe, to_stripe
from onsale.engine.money import EXPONENTS


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount"),
    [
        (4990, "EUR", 4990),
        (500, "JPY", 500),
        (500, "ISK", 50000),
        (500, "UGX", 50000),
        (1045, "HUF", 1045),
        (12300, "MGA", 123),
        (12320, "MGA", None),
        (5120, "KWD", 5120),
        (5124, "KWD", None),
        (0, "EUR", 0),
    ],
)
def test_as_stripe_counts(amount_minor: int, currency: str, amount: int | None) -> None:
    assert to_stripe(amount_minor, currency) == amount
    if amount is not None:
        assert from_stripe(amount, currency.lower()) == amount_minor


@given(st.integers(0, 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_there_and_back(amount_minor: int, currency: str) -> None:
    amount = to_stripe(amount_minor, currency)
    assert amount is None or from_stripe(amount, currency.lower()) == amount_minor


def test_what_stripe_lists_but_we_do_not_know() -> None:
    assert from_stripe(123, "xyz") == 123
    assert from_stripe(50050, "isk") is None
