import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

# tests/ is no package (see tests/test_tidy.py), so what its files share is found by path
sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _trio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path_factory.mktemp("trio")) as cluster:
        yield cluster
        await cluster.start()
        await cluster.stop()
        await cluster.verified()


@pytest_asyncio.fixture(loop_scope="session")
async def trio(_trio: Cluster) -> Cluster:
    """Three nodes that vote, all there and in step; whoever leads is left from the test before. K = 1."""
    await _trio.start()
    return _trio
