"""Looking at a data folder without leaving a trace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onsale.journal.disk import lock_folder
from onsale.journal.errors import NoJournal
from onsale.node.commands.data_folder import journal_of, used_by
from onsale.tests.engine.histories import History


def test_nobody_uses_a_folder_that_was_never_locked(tmp_path: Path) -> None:
    assert used_by(tmp_path) == ""
    assert not list(tmp_path.iterdir())


def test_who_uses_a_folder(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        assert used_by(tmp_path) == f"process {os.getpid()}"
    assert used_by(tmp_path) == ""


def test_a_process_that_was_killed_uses_it_no_longer(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys; from onsale.journal.disk import lock_folder;"
        "lock = lock_folder(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=30)
    assert (tmp_path / "lock").read_text().strip().isdigit(), "it left its number behind"
    assert used_by(tmp_path) == ""
    with lock_folder(tmp_path):
        pass


def test_a_journal_is_opened_only_where_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(NoJournal, match="There is no journal in"):
        journal_of(tmp_path)
    assert not list(tmp_path.iterdir())
    History().write(tmp_path)
    assert journal_of(tmp_path).names()
