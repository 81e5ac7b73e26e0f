"""A node's own checkpoint, read without leaving a trace in its folder.

Owns the difference between a database that is in use, whose write-ahead log is there, and one at rest. SQLite makes a
log beside the latter even for a connection that only reads, and leaves it: with the owner and the rights of whoever ran
the backup, so that the node might not be able to open it any more.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ...journal.checkpoint import load
from ...journal.checkpoint_copy import copy_checkpoint
from ...journal.checkpoint_database import Position, read_only_uri, read_position, reading, version_of

Progress = Callable[[int, int], None]
"""Called now and then with (bytes copied, bytes in all)."""


def position_of(checkpoint: Path) -> Position | None:
    """Where it stands; None when there is nothing in it.

    Raises CheckpointFailed, CorruptCheckpoint, NewerCheckpoint.
    """
    while True:
        before = _seen_at_rest(checkpoint)
        if before is None:
            loaded = load(checkpoint)
            return None if loaded is None else loaded.position
        uri = read_only_uri(checkpoint) + "&immutable=1"
        with reading(checkpoint), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
            position = read_position(database, checkpoint) if version_of(database, checkpoint) else None
        if _seen_at_rest(checkpoint) == before:
            return position


def copy_out(checkpoint: Path, target: Path, progress: Progress) -> Position | None:
    """Copy it to `target` as it is at one moment, as `copy_checkpoint` does, and raise the same; None as above."""
    if position_of(checkpoint) is None:
        return None
    raw = target.with_name(f"{target.name}.raw")
    while (before := _seen_at_rest(checkpoint)) is not None:
        shutil.copyfile(checkpoint, raw)
        if _seen_at_rest(checkpoint) == before:
            break
    else:
        raw = checkpoint
    try:
        return copy_checkpoint(raw, target, progress)
    finally:
        if raw != checkpoint:
            raw.unlink()


def _seen_at_rest(checkpoint: Path) -> tuple[int, int, int] | None:
    """What tells one state of the file from another; None when it is in use, or not there.

    Whoever writes to it makes the log first, and whoever takes the log away has written.
    """
    if checkpoint.with_name(checkpoint.name + "-wal").exists():
        return None
    try:
        found = os.stat(checkpoint)  # noqa: PTH116 - as for the log, one call
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
