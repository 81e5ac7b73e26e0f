"""Which amounts Stripe takes in which currency: https://docs.stripe.com/currencies."""

from stripe_errors import invalid

SUPPORTED = frozenset(
    """usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils
    inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn
    myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos
    srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw""".split()  # noqa: SIM905
)
WITHOUT_DECIMALS = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())  # noqa: SIM905
WHOLE_UNITS_ONLY = frozenset({"isk", "ugx"})  # written with two decimals that are always 00
THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})  # the last one always 0
MINIMUMS = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£"}


def check(amount: int, currency: str) -> None:
    """`currency` in lower case."""
    if currency not in SUPPORTED:
        raise invalid(f"Invalid currency: {currency}. Stripe currently supports these currencies: …", "currency")
    step = 100 if currency in WHOLE_UNITS_ONLY else 10 if currency in THREE_DECIMALS else 1
    if amount % step:
        raise invalid(
            f"Invalid amount: {amount}. Amounts in {currency} must be divisible by {step}.",
            "amount",
            "invalid_amount",
        )
    if amount < MINIMUMS.get(currency, 1):
        least = written(MINIMUMS[currency], currency)
        raise invalid(f"Amount must be at least {least} {currency}", "amount", "amount_too_small")


def written(amount: int, currency: str) -> str:
    """As it stands in messages: "$25.00", "¥500" as "500 JPY"."""
    decimals = 0 if currency in WITHOUT_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    number = f"{amount / 10**decimals:,.{decimals}f}"
    return SYMBOLS[currency] + number if currency in SYMBOLS else f"{number} {currency.upper()}"
