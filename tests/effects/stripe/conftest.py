import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# tests/ is no package: the Stripe-compatible server is found by path
sys.path.insert(0, str(Path(__file__).parents[2] / "stripe"))

from stripe_server import StripeServer

from onsale.effects.stripe.provider import StripeProvider


@pytest.fixture
async def server() -> AsyncIterator[StripeServer]:
    async with StripeServer() as server:
        yield server


@pytest.fixture
async def provider(server: StripeServer) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(server.key, server.url)
    yield provider
    await provider.close()
