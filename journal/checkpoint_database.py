"""How the checkpoint's database is opened, where it stands, and what its errors mean.

Owns the connections' settings, the stored position, and the translation of SQLite's errors: "the disk failed" and "the
bytes are wrong" can't be mixed up. Never reads or writes a row of the state.

Litestream may replicate the file: nothing here vacuums it, renames over it or checkpoints it by hand.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from .checkpoint_schema import SCHEMA_VERSION, TABLE_NAMES
from .errors import CheckpointFailed, CorruptCheckpoint, NewerCheckpoint

MODE = 0o640  # as the journal's files: what is in them is not for everyone on this machine
BUSY_SECONDS = 5.0
CACHE_KIB = 32 * 1024
WAL_PAGES = 1_000  # SQLite's own default for wal_autocheckpoint
WAL_BYTES_MAX = 1 << 30


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the journal the rows stand, and what they add up to."""

    epoch: int
    seq: int
    at_ms: int
    chain_hash: bytes  # of the batch that ends with `seq`
    state_hash: str
    journal_id: bytes
    counters: dict[str, int]  # what no row holds: state.counters()
    schema_version: int = SCHEMA_VERSION  # of the rows that `state_hash` is over

    @property
    def checksum(self) -> bytes:
        return blake2b(msgspec.msgpack.encode(self, order="deterministic"), digest_size=16).digest()


def open_to_write(path: Path) -> sqlite3.Connection:
    """One thread at a time may use it, which need not be the one that opened it."""
    if not path.exists():
        with suppress(OSError):  # SQLite will tell what is wrong
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return database


def read_only_uri(path: Path) -> str:
    """For a connection that never writes, and never holds up the one that does."""
    return path.absolute().as_uri() + "?mode=ro"


def open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(read_only_uri(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def litestream_attached(database: sqlite3.Connection, path: Path) -> bool:
    """Whether Litestream moves the write-ahead log into the database, once it has copied it.

    If SQLite did so by itself meanwhile, Litestream could miss pages and had to begin with a whole new copy. Without
    Litestream nobody else does, so SQLite must, or the log would grow for ever. A huge log therefore means that
    Litestream is gone, whatever it left behind.
    """
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > WAL_BYTES_MAX:
        return False
    if path.with_name(f".{path.name}-litestream").is_dir():
        return True
    tables = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name GLOB '_litestream_*'"
    return database.execute(tables).fetchone() is not None


# --- the position


def version_of(database: sqlite3.Connection, path: Path) -> int:
    """The version of the schema; 0: nothing was ever stored here."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerCheckpoint(
            f"The checkpoint {path} was made by a newer Onsale (its schema is {version}, this one knows "
            f"{SCHEMA_VERSION}). Start that version again, or, if the journal still begins with seq 1, move the "
            "checkpoint away: it is made anew."
        )
    if version < 1:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if version < 0 or names & TABLE_NAMES:
            raise corrupt(path, "it has tables but no schema version")
    return int(version)


def read_position(database: sqlite3.Connection, path: Path) -> Position | None:
    """None: the tables are there, but nothing was stored yet."""
    counters: dict[str, Any] = dict(database.execute("SELECT name, value FROM counters"))
    row = database.execute(
        "SELECT epoch, seq, at_ms, chain_hash, state_hash, journal_id, schema_version, checksum FROM position"
    ).fetchone()
    if row is None:
        if counters:
            raise corrupt(path, "its position is gone")
        return None
    epoch, seq, at_ms, chain_hash, state_hash, journal_id, schema_version, checksum = row
    position = Position(
        epoch=epoch,
        seq=seq,
        at_ms=at_ms,
        chain_hash=chain_hash,
        state_hash=state_hash,
        journal_id=journal_id,
        counters=counters,
        schema_version=schema_version,
    )
    if position.checksum != checksum:
        raise corrupt(path, "its position does not match its checksum")
    return position


def write_position(database: sqlite3.Connection, position: Position) -> None:
    database.execute(
        "INSERT OR REPLACE INTO position (only_row, epoch, seq, at_ms, chain_hash, state_hash, journal_id, "
        "schema_version, checksum) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            position.epoch,
            position.seq,
            position.at_ms,
            position.chain_hash,
            position.state_hash,
            position.journal_id,
            position.schema_version,
            position.checksum,
        ),
    )
    database.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", position.counters.items())


# --- errors

_SYSTEM_IS_TO_BLAME = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_BYTES_ARE_TO_BLAME = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT}


def corrupt(path: Path, reason: object) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"The checkpoint {path} is corrupt: {reason}. Keep it aside together with its -wal file. If the journal still "
        "begins with seq 1, start without it and it is made anew; else bring back a backup with `onsale restore`, or "
        "start with an empty folder as a standby of a healthy node."
    )


def _failed(path: Path, error: Exception) -> CheckpointFailed:
    return CheckpointFailed(
        f"The checkpoint {path} could not be read or written: {error}. It still holds the position it had, and nothing "
        "that was answered is lost: the journal has it. Check the disk (free space, kernel log) and who else has this "
        "database open, then start again."
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours. What is asked is always the same, so where the system is not to blame, the bytes
    are.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its messages quote names, which may be damaged
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        raise (_failed if code in _SYSTEM_IS_TO_BLAME else corrupt)(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise corrupt(path, error) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        raise (corrupt if code in _BYTES_ARE_TO_BLAME else _failed)(path, error) from error
