"""The connection layer is tested on both event loops: uvloop, which the product runs on, and asyncio's own."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Final

import pytest
import uvloop

ON_BOTH_LOOPS: Final = {"test_protocol.py", "test_protocol_clients.py", "test_protocol_bytes.py", "test_framework.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name in ON_BOTH_LOOPS:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that what clients do is never worth a warning; tests of our own faults say "logged" in their names."""
    yield
    if request.node.path.name in ON_BOTH_LOOPS and "logged" not in request.node.name:
        assert [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []
