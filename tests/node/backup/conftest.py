import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from onsale.node.backup.litestream import Binary, find_binary
from onsale.tests.node.backup.litestreams import path_with
from onsale.tests.node.backup.s3_server import running_s3


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, running_s3(patch) as endpoint:
        yield endpoint


@pytest.fixture(params=["0.5", "0.3"])
def litestream(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Binary:
    """Each version in turn, as `find_binary` finds it."""

    def folder() -> Path:
        return tmp_path_factory.getbasetemp() / "litestream-0.3"

    before = path_with(request.param, folder)
    if before is not None:
        monkeypatch.setenv("PATH", before + os.pathsep + os.environ["PATH"])
    binary = find_binary()
    assert binary is not None
    assert binary.format == request.param
    return binary
