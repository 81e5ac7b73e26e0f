"""Amounts between minor units as ISO 4217 has them and the integers Stripe wants.

Owns the currencies in which the two differ (https://docs.stripe.com/currencies). Never rounds: an amount that has no
exact counterpart has none.
"""

from typing import Final

from ...engine.money import EXPONENTS

_NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_TWO_DECIMALS_BUT_WHOLE = "ISK UGX"  # were two-decimal once; Stripe still counts hundredths, which must be 00
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"  # the last digit must be 0

_STRIPE_EXPONENTS: Final[dict[str, int]] = (
    dict.fromkeys(EXPONENTS, 2) | dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)
_MULTIPLE_OF: Final[dict[str, int]] = dict.fromkeys(_TWO_DECIMALS_BUT_WHOLE.split(), 100) | dict.fromkeys(
    _THREE_DECIMALS.split(), 10
)
_POWERS: Final = (1, 10, 100, 1000)


def to_stripe(amount_minor: int, currency: str) -> int | None:
    """What Stripe calls it: 500 ISK → 50000. None for what cannot be charged there, such as 0.20 MGA or 1.234 KWD."""
    amount = _shift(amount_minor, EXPONENTS[currency], _STRIPE_EXPONENTS[currency])
    return None if amount is None or amount % _MULTIPLE_OF.get(currency, 1) else amount


def from_stripe(amount: int, currency: str) -> int | None:
    """The minor units of what Stripe lists, `currency` as Stripe writes it ("isk"); None where there is no exact
    counterpart. Of a currency that is not known here the number stays as it is.
    """
    code = currency.upper()
    if code not in EXPONENTS:
        return amount
    return _shift(amount, _STRIPE_EXPONENTS[code], EXPONENTS[code])


def _shift(amount: int, exponent: int, wanted: int) -> int | None:
    if wanted >= exponent:
        return amount * _POWERS[wanted - exponent]
    shifted, lost = divmod(amount, _POWERS[exponent - wanted])
    return None if lost else shifted
