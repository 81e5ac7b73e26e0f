"""What ends a node: the end of its terminal as cleanly as Ctrl-C, and a second Ctrl-C at once."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import Node


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def _hang_up_is_heard() -> Iterator[None]:
    """Under nohup it is ignored, by whatever is started as well."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hang_up_is_heard")
def test_the_end_of_the_terminal_is_a_clean_stop(tmp_path: Path) -> None:
    with Node(tmp_path / "data") as node:
        assert node.process is not None
        node.process.send_signal(signal.SIGHUP)
        assert node.wait() == 0
        assert any("everything answered is in" in line for line in node.lines), node.lines


def test_a_second_ctrl_c_does_not_wait_for_a_part_that_hangs(tmp_path: Path) -> None:
    with Node(tmp_path / "data") as node:
        assert node.process is not None
        (search,) = children(node.process.pid)
        os.kill(search, signal.SIGSTOP)
        try:
            node.process.send_signal(signal.SIGINT)
            time.sleep(1.1)  # sooner, it is taken for the same keypress
            node.process.send_signal(signal.SIGINT)
            assert node.wait(2) == 1
            assert any("Stopped at once" in line for line in node.lines), node.lines
        finally:
            os.kill(search, signal.SIGKILL)
