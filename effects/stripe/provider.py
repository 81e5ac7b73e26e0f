"""The payment provider that is Stripe, or a server that speaks its language.

Owns the time one call may take in all. Whatever is not an answer is ProviderUnavailable, never a decline.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...engine.commands import PaymentOutcome
from ..provider import Charge, PaymentPage, ProviderUnavailable, RefundOrder, RefundPage, RefundResult
from . import listing
from .client import Client
from .intents import Intents
from .refunds import Refunds

CALL_SECONDS_MAX = 55.0  # of all the requests that one call takes: nobody waits longer for it
MEND_SECONDS = 600.0


class StripeProvider:
    """Implements PaymentProvider. `base`: STRIPE_API_BASE, "" for Stripe itself.

    `mend_seconds`: how long a refund is left to Stripe that failed over it and may still make it after all.
    """

    name = "stripe"

    def __init__(
        self,
        key: str,
        base: str = "",
        *,
        mend_seconds: float = MEND_SECONDS,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = Client(key, base)
        self._intents = Intents(self._client)
        self._refunds = Refunds(self._client, mend_seconds=mend_seconds, seconds=seconds)

    async def begin(self, charge: Charge) -> PaymentOutcome:
        async with _in_time():
            return await self._intents.begin(charge)

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        async with _in_time():
            return await self._intents.confirm(charge)

    async def look(self, charge: Charge) -> PaymentOutcome:
        async with _in_time():
            return await self._intents.look(charge)

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        """Pending for one that can be withdrawn neither now nor ever: to be asked about again."""
        async with _in_time():
            return await self._intents.cancel(charge)

    async def refund(self, order: RefundOrder) -> RefundResult:
        async with _in_time():
            return await self._refunds.refund(order)

    async def look_at_refund(self, order: RefundOrder) -> RefundResult:
        async with _in_time():
            return await self._refunds.look(order)

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:
        async with _in_time():
            return await listing.payments(self._client, since_ms, cursor)

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage:
        async with _in_time():
            return await listing.refunds(self._client, since_ms, cursor)

    async def close(self) -> None:
        await self._client.close()


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_SECONDS_MAX):
            yield
    except TimeoutError as error:
        raise ProviderUnavailable(f"Stripe did not come to an end within {CALL_SECONDS_MAX:.0f} s.") from error
