"""Attempts and refunds to ask Stripe about, and one who does not wait long for the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from onsale.effects.provider import Charge, RefundOrder
from onsale.effects.stripe import connection
from onsale.effects.stripe.provider import StripeProvider

JOURNAL = "0123456789abcdef0123456789abcdef"


def charge(
    payment_id: int = 1,
    *,
    method: str | None = "pm_card_visa",
    amount_minor: int = 4990,
    currency: str = "EUR",
    known: str | None = None,
    description: str = "Booking 9",
    receipt_email: str | None = None,
) -> Charge:
    return Charge(
        f"onsale-{JOURNAL}-payment-{payment_id}", JOURNAL, payment_id, 9, amount_minor, currency, method, known,
        description, receipt_email,
    )  # fmt: skip


def refund_order(
    payment_reference: str | None,
    refund_id: int = 1,
    *,
    amount_minor: int = 4990,
    currency: str = "EUR",
    tries: int = 1,
    known: str | None = None,
    is_young: bool = False,
) -> RefundOrder:
    again = f"-{tries}" if tries > 1 else ""
    return RefundOrder(
        f"onsale-{JOURNAL}-refund-{refund_id}{again}", JOURNAL, refund_id, 9, 1, payment_reference, amount_minor,
        currency, known, is_young,
    )  # fmt: skip


@asynccontextmanager
async def impatient(key: str, url: str) -> AsyncIterator[StripeProvider]:
    """Gives every request up after a moment; others, who are asked meanwhile, wait as ever."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "ANSWER_SECONDS_MAX", 0.1)
        provider = StripeProvider(key, url)
        yield provider
        await provider.close()
