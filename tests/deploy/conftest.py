"""A certificate for all, and one cluster for those who ask real nodes."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

# tests/ is no package (see tests/test_tidy.py), so what its files share is found by path
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from balancers import Certificate
from cluster import Cluster
from nodes import Node


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def voters(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Three nodes that vote; whoever leads is left from the test before. At the end every journal is verified."""
    async with Cluster(tmp_path_factory.mktemp("voters"), flags=("--trusted-proxies", "127.0.0.0/8")) as cluster:
        yield cluster
        await cluster.start()
        await cluster.stop()
        await cluster.verified()


@pytest.fixture(scope="session")
def strict_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Lets each address ask five times at once, loopback, too, and believes those who come from there."""
    flags = ("--trusted-proxies", "127.0.0.0/8", "--limit-exempt", "none", "--limit-per-address", "0.1/5")
    with Node(tmp_path_factory.mktemp("strict") / "data", *flags) as node:
        yield node
