"""The SQLite checkpoint: the state's rows as they were at one position of the journal, and what has left memory.

Owns one long-lived database. Promises that it always holds exactly one position, whatever happens to the process: rows,
history and position change in one transaction. Never interprets a fact a second time: rows come from memory.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import Any, Protocol, TypeVar

import msgspec

from ..engine.records import (
    Notice,
)
from ..engine.table import Changes
from .checkpoint_database import (
    WAL_PAGES,
    Position,
    corrupt,
    litestream_attached,
    open_to_read,
    open_to_write,
    read_position,
    reading,
    version_of,
    write_position,
    writing,
)
from .checkpoint_schema import (
    LIVE,
    NEW_COUNTERS,
    NOTIFICATIONS,
    PARAMETERS_MAX,
    PAST,
    SCHEMA_VERSION,
    TableLayout,
    prepare,
)
from .errors import CheckpointFailed, JournalBusy, JournalClosed, JournalError

__all__ = ["Checkpoint", "CheckpointWriter", "Loaded", "Position", "Restore", "load"]

FETCHED_ROWS = 1_000
NICE = 5  # beside the rest of the process

S_co = TypeVar("S_co", covariant=True)
S = TypeVar("S")

_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Checkpoint:
    """The database, opened for writing; made when it is missing. `position` is where it stands, None at first."""

    def __init__(self, path: Path) -> None:
        """Raises CheckpointFailed, CorruptCheckpoint, NewerCheckpoint."""
        self.path = path
        with writing(path):
            self._database = open_to_write(path)
            try:
                prepare(self._database, version_of(self._database, path))
                self.position = read_position(self._database, path)
            except BaseException:
                self._database.close()
                raise

    def write(self, changes: Mapping[str, Changes[Any, Any]], notices: Sequence[Notice], position: Position) -> None:
        """Bring the database to `position`, durably; on an error it stays where it was, and may be tried again.

        `changes` and `notices` are all that came between the two positions; `changes` by the names of the state's
        tables. Raises CheckpointFailed, CorruptCheckpoint, and ValueError when `position` can't follow.
        """
        before = self.position
        if position.counters["seq"] != position.seq:
            raise ValueError("the counters are of another position")
        if before is not None and (position.journal_id != before.journal_id or position.seq < before.seq):
            raise ValueError(f"seq {position.seq} can't follow: the checkpoint stands at seq {before.seq}")
        database = self._database
        with writing(self.path):
            attached = litestream_attached(database, self.path)
            database.execute(f"PRAGMA wal_autocheckpoint = {0 if attached else WAL_PAGES}")
            database.execute("BEGIN IMMEDIATE")
            try:
                for name, changed in changes.items():
                    self._write_table(name, changed)
                self._write_rows(NOTIFICATIONS, NOTIFICATIONS.insert, map(msgspec.structs.astuple, notices))
                write_position(database, position)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    with suppress(sqlite3.Error):  # the first error is the one to tell
                        database.execute("ROLLBACK")
        self.position = position

    def close(self) -> None:
        with suppress(sqlite3.Error):  # what was promised is committed already
            self._database.close()

    def _write_table(self, name: str, changes: Changes[Any, Any]) -> None:
        live = LIVE[name]
        # first of all: a key that was forgotten may be there again, at the end of the order
        self._delete(live, chain(changes.forgotten, changes.archived))
        if changes.recalled:
            self._delete(PAST[name], changes.recalled)
        self._write_rows(live, live.upsert, map(_decode, changes.changed_rows))
        if changes.archived:
            past = PAST[name]
            self._write_rows(past, past.insert, map(_decode, changes.archived_rows))

    def _delete(self, table: TableLayout, gone: Iterable[Any]) -> None:
        left = iter(gone)
        while keys := list(islice(left, PARAMETERS_MAX)):
            self._database.execute(table.delete(len(keys)), keys)

    def _write_rows(self, table: TableLayout, statement: Callable[[int], str], rows: Iterator[Sequence[Any]]) -> None:
        """Some tens of rows per statement. SQLite works without the interpreter's lock and must get it back after each
        statement: with one row in each that would be often, with thousands the event loop would wait while they are
        bound.
        """
        sql = statement(table.rows_per_statement)
        while part := list(islice(rows, table.rows_per_statement)):
            if len(part) < table.rows_per_statement:
                sql = statement(len(part))
            self._database.execute(sql, list(chain.from_iterable(part)))


class CheckpointWriter:
    """A `Checkpoint` on a thread of its own, fed from one other thread (the event loop's), one write at a time.

    `on_done(position)` and `on_failure(error)` are called on the writer's thread, the latter at most once and as the
    last of all calls. Hand over only what is durable in the journal: the database must never be ahead of it.

    The thread needs the interpreter's lock a few hundred times per write. Beside a busy event loop that takes seconds
    to minutes with Python's own switch interval of 5 ms, so a process that serves sets `sys.setswitchinterval(0.0005)`.
    """

    def __init__(
        self, path: Path, *, on_done: Callable[[Position], None], on_failure: Callable[[JournalError], None]
    ) -> None:
        """Opens the database. Raises CheckpointFailed, CorruptCheckpoint, NewerCheckpoint."""
        self._checkpoint = Checkpoint(path)
        self._on_done = on_done
        self._on_failure = on_failure
        self._queue: SimpleQueue[tuple[dict[str, Changes[Any, Any]], list[Notice], Position] | None] = SimpleQueue()
        self._closed = False
        self.busy = False  # set by the caller's thread, cleared by the writer's
        self.failure: JournalError | None = None
        self._thread = Thread(target=self._run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    @property
    def position(self) -> Position | None:
        """Where the database stands."""
        return self._checkpoint.position

    def hand_over(self, changes: dict[str, Changes[Any, Any]], notices: list[Notice], position: Position) -> None:
        """Have it written, without waiting; see `Checkpoint.write`.

        Raises JournalBusy while one is being written, JournalClosed, and what `on_failure` was told.
        """
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise JournalClosed("The checkpoint is closed: nothing more can be written.")
        if self.busy:
            raise JournalBusy("A checkpoint is being written: hand the next one over when it is done.")
        self.busy = True
        self._queue.put((changes, notices, position))

    def close(self) -> None:
        """Wait until what was handed over is written, and let go of the database. Blocks."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        _give_way()
        try:
            while self._write_next():
                pass
        except JournalError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would end all checkpoints
            self._fail(CheckpointFailed(f"Writing the checkpoint failed, and this is a fault of ours: {error!r}."))
        finally:
            self._checkpoint.close()

    def _write_next(self) -> bool:
        # a method, so that nothing keeps the rows alive while the next ones are waited for
        handed = self._queue.get()
        if handed is None:
            return False
        self._checkpoint.write(*handed)
        self.busy = False
        self._on_done(handed[2])
        return True

    def _fail(self, error: JournalError) -> None:
        self.failure = error
        self._on_failure(error)


def _give_way() -> None:
    """Whoever serves people has the core first. Elsewhere than on Linux a thread has no priority of its own."""
    if sys.platform != "linux":
        return
    with suppress(OSError):  # whoever forbids it has the checkpoints all the same
        os.setpriority(os.PRIO_PROCESS, get_native_id(), min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19))


class Restore(Protocol[S_co]):
    """engine.restore.restore: makes a state of each table's rows; ValueError when they contradict each other."""

    def __call__(self, counters: dict[str, int], *, expected_hash: str | None, **rows: Iterable[Any]) -> S_co: ...


class Loaded(msgspec.Struct, frozen=True):
    """A database that holds a position. Its rows stay there until `restore_with` reads them."""

    path: Path
    position: Position

    def restore_with(self, restore: Restore[S]) -> S:
        """What `restore` makes of the rows. Raises CorruptCheckpoint when they are not what was stored.

        A million rows take seconds; they hold no cycles, so it goes faster with `gc` off.
        """
        with reading(self.path), closing(open_to_read(self.path)) as database:
            database.execute("BEGIN")  # one snapshot, whoever writes meanwhile
            if read_position(database, self.path) != self.position:
                raise CheckpointFailed(f"Somebody else writes to {self.path}. Stop it, then start again.")
            current = version_of(database, self.path) == self.position.schema_version == SCHEMA_VERSION
            tables = {name: _records(database, table, complete=current) for name, table in LIVE.items()}
            try:
                # rows of an older version get defaults for what came since, and so add up to another hash
                expected_hash = self.position.state_hash if current else None
                counters = self.position.counters if current else NEW_COUNTERS | self.position.counters
                return restore(counters, **tables, expected_hash=expected_hash)
            except ValueError as error:
                raise corrupt(self.path, str(error)) from error


def load(path: Path) -> Loaded | None:
    """None when there is no checkpoint yet. Raises CheckpointFailed, CorruptCheckpoint, NewerCheckpoint."""
    if not path.exists():
        return None
    with reading(path), closing(open_to_read(path)) as database:
        database.execute("BEGIN")
        position = read_position(database, path) if version_of(database, path) else None
    return None if position is None else Loaded(path, position)


def _records(database: sqlite3.Connection, table: TableLayout, *, complete: bool) -> Iterator[Any]:
    """The rows of a table as records, in chunks so that what they share can be shared before the next ones come."""
    present = len(table.columns) if complete else table.present(database)
    if not present:
        return
    cursor = database.execute(table.select(present))
    while rows := cursor.fetchmany(FETCHED_ROWS):
        yield from table.records(rows)
