"""Which failure ends the process with which code, and in what words."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from onsale.journal.errors import (
    CheckpointFailed,
    CorruptCheckpoint,
    CorruptJournal,
    FolderLocked,
    JournalFailed,
    NewerCheckpoint,
    NewerJournal,
)
from onsale.node.endings import CannotListen, FolderGone, OpenToTheWorld, exit_code, sentence
from onsale.node.tickets import DamagedTicketKey

DIE = """
import os
from onsale.node.endings import FolderGone, die

os.close(2)
die(FolderGone("gone"))
"""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CannotListen(), 1),
        (FolderLocked("data", 1), 1),
        (PermissionError(errno.EACCES, "Permission denied"), 1),
        (OpenToTheWorld(), 4),
        (NewerCheckpoint(), 4),
        (NewerJournal("a.segment", 0, 1, "reason"), 4),
        (CorruptJournal("a.segment", 0, 1, "reason"), 6),
        (CorruptCheckpoint(), 6),
        (DamagedTicketKey(), 6),
        (JournalFailed("writing", OSError()), 8),
        (CheckpointFailed(), 8),
        (FolderGone(), 8),
        (OSError(errno.ENOSPC, "No space left on device"), 8),
        (OSError(errno.EROFS, "Read-only file system"), 8),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_of_the_system_says_what_where_and_what_to_do() -> None:
    said = sentence(PermissionError(errno.EACCES, "Permission denied", "/data/lock"))
    assert "/data/lock: Permission denied" in said
    assert "start again" in said
    assert "free space" in sentence(OSError(errno.ENOSPC, "No space left on device", "/data/lock"))


def test_a_process_that_must_not_answer_ends_even_if_nobody_can_be_told(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", DIE], cwd=tmp_path, timeout=20, check=False)
    assert ended.returncode == 8
