"""A copy of the checkpoint's database to be sent: of one moment, in one file.

Owns the copying, which goes on beside whoever writes to the original and never changes it. The copy is for another
node: what Litestream keeps in the original is not in it.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from .checkpoint_database import Position, open_to_read, read_position, reading, version_of, writing
from .disk import sync_folder
from .errors import CheckpointFailed

PAGES_PER_STEP = 1024  # the original is locked against nobody meanwhile, but progress is told between steps

Progress = Callable[[int, int], None]
"""Called now and then with (bytes copied, bytes in all)."""


def copy_checkpoint(path: Path, target: Path, progress: Progress | None = None) -> Position:
    """Copy the database at `path` to `target`, durably, and say where in the journal the copy stands.

    What is at `target` is replaced. Blocks for as long as the copying takes, so it belongs on a thread; while it goes
    on the original's write-ahead log grows, for the copy is of the moment at which it began.
    Raises CheckpointFailed, CorruptCheckpoint, NewerCheckpoint.
    """
    with reading(path), closing(open_to_read(path)) as source:
        source.execute("BEGIN")
        position = read_position(source, path) if version_of(source, path) else None  # from here on it is one snapshot
        if position is None:
            raise CheckpointFailed(f"There is nothing in the checkpoint {path} yet: copy it when one was taken.")
        with writing(target):
            remove_checkpoint(target)
            _copy(source, target, progress)
    return position


def _copy(source: sqlite3.Connection, target: Path, progress: Progress | None) -> None:
    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()

    def tell(_status: int, remaining_pages: int, pages: int) -> None:
        if progress is not None:
            progress((pages - remaining_pages) * page_bytes, pages * page_bytes)

    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # synced once, when it is whole
        source.backup(copy, pages=PAGES_PER_STEP, progress=tell)
        for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE name GLOB '_litestream_*'").fetchall():
            copy.execute(f'DROP TABLE "{name}"')
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    try:
        _sync_file(target)
        sync_folder(target.parent)
    except OSError as error:
        raise CheckpointFailed(f"The copy {target} could not be made durable: {error}.") from error


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_checkpoint(path: Path) -> None:
    """A database that nobody has open. Itself first: SQLite drops a log that it finds beside an empty database."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
