"""Decimal strings and minor units, without a float between them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine.money import EXPONENTS, format_minor, parse_minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("49.90", "EUR", 4990),
        ("49.9", "EUR", 4990),
        ("49", "EUR", 4900),
        ("0", "EUR", 0),
        ("0.00", "EUR", 0),
        ("0.01", "EUR", 1),
        ("007.10", "EUR", 710),
        ("49.900", "EUR", 4990),  # as many zeros as anyone likes
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("999999999999999.99", "EUR", 99999999999999999),
        ("49.901", "EUR", None),
        ("500.5", "JPY", None),
        ("1.2345", "KWD", None),
        ("", "EUR", None),
        (".5", "EUR", None),
        ("5.", "EUR", None),
        ("-5", "EUR", None),
        ("+5", "EUR", None),
        ("5,00", "EUR", None),
        ("1e3", "EUR", None),
        (" 5", "EUR", None),
        ("5\n", "EUR", None),
        ("5 ", "EUR", None),
        ("NaN", "EUR", None),
        ("٥", "EUR", None),  # a digit, elsewhere
        ("1" * 16, "EUR", None),
        ("1." + "0" * 10, "EUR", None),
    ],
)
def test_parse_minor(amount, currency, minor):
    assert parse_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [(4990, "EUR", "49.90"), (5, "EUR", "0.05"), (0, "EUR", "0.00"), (500, "JPY", "500"), (1234, "KWD", "1.234")],
)
def test_format_minor(minor, currency, amount):
    assert format_minor(minor, currency) == amount


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_what_is_formatted_is_parsed_again_and_means_the_same(minor, currency):
    amount = format_minor(minor, currency)
    assert parse_minor(amount, currency) == minor
    assert Decimal(amount) == Decimal(minor).scaleb(-EXPONENTS[currency])


def test_currencies_are_iso_4217_codes():
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)
    assert {EXPONENTS["EUR"], EXPONENTS["JPY"], EXPONENTS["TND"]} == {2, 0, 3}
