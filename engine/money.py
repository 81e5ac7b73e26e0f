"""Money between decimal strings in major units and integer minor units.

Owns the list of currencies (ISO 4217, active codes for payment) and their exponents. Never touches a float.
"""

import re
from typing import Final

_TWO_DECIMALS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
)
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: Final[dict[str, int]] = (
    dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_NO_DECIMALS.split(), 0)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)

_DECIMAL = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?", re.ASCII)


def parse_minor(amount: str, currency: str) -> int | None:
    """4990 for "49.90" EUR. None for what is not a decimal string, or has more decimals than the currency."""
    match = _DECIMAL.fullmatch(amount)
    if match is None:
        return None
    exponent = EXPONENTS[currency]
    whole, decimals = match.group(1), (match.group(2) or "").rstrip("0")
    if len(decimals) > exponent:
        return None
    return int(whole + decimals.ljust(exponent, "0"))


def format_minor(amount_minor: int, currency: str) -> str:
    """4990 EUR → "49.90"; 500 JPY → "500"."""
    exponent = EXPONENTS[currency]
    if not exponent:
        return str(amount_minor)
    digits = str(amount_minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
