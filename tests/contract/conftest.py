"""One node for all whose tests do not mind each other, one whose holds are short."""

from collections.abc import Iterator

import pytest

from onsale.tests.contract.asking import Caller
from onsale.tests.processes.nodes import Node

HOLD_SECONDS = 1


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with Node(tmp_path_factory.mktemp("contract") / "data") as node:
        yield Caller(node.url)
        assert node.stop() == 0, node.lines


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A node whose holds last `HOLD_SECONDS`."""
    with Node(tmp_path_factory.mktemp("hasty") / "data", "--hold-seconds", str(HOLD_SECONDS)) as node:
        yield Caller(node.url)
        assert node.stop() == 0, node.lines
