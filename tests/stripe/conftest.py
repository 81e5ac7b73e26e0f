import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

# tests/ is no package (see tests/test_tidy.py), so what its files share is found by path
sys.path.insert(0, str(Path(__file__).parent))

from stripe_library import Library
from stripe_server import StripeServer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[StripeServer]:
    async with StripeServer() as server:
        yield server


@pytest_asyncio.fixture
async def library(server: StripeServer) -> AsyncIterator[Library]:
    library = Library(server)
    yield library
    await library.close()
