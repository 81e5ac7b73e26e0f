"""Checkpoints as a node takes and reads them."""

import sqlite3
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

from onsale.engine.records import Notice
from onsale.engine.replies import decode as decode_reply
from onsale.engine.replies import encode as encode_reply
from onsale.engine.restore import restore
from onsale.engine.state import State, state_hash
from onsale.engine.table import Changes
from onsale.journal.checkpoint import Checkpoint, Position, load
from onsale.tests.engine.histories import JOURNAL_ID

Taken = tuple[dict[str, Changes[Any, Any]], list[Notice], Position]


def take(state: State, *, epoch: int = 1) -> Taken:
    """What a node hands over."""
    changes = {name: table.take_changes() for name, table in state.tables.items()}
    notices, state.notices = state.notices, []
    position = Position(
        epoch=epoch,
        seq=state.seq,
        at_ms=state.at_ms,
        chain_hash=blake2b(str(state.seq).encode(), digest_size=16).digest(),
        state_hash=state_hash(state),
        journal_id=JOURNAL_ID,
        counters=state.counters(),
    )
    return changes, notices, position


def store(path: Path, state: State) -> Position:
    """One checkpoint of what changed since the last one."""
    with closing(Checkpoint(path)) as checkpoint:
        taken = take(state)
        checkpoint.write(*taken)
    return taken[2]


def restored(path: Path) -> State:
    loaded = load(path)
    assert loaded is not None
    state = loaded.restore_with(restore)
    assert state_hash(state) == loaded.position.state_hash
    assert state.counters() == loaded.position.counters
    return state


def hash_of_today(state: State) -> str:
    """The state's hash, with the answers to idempotency keys written as this version writes them."""
    for key in state.keys.rows.values():
        state.keys.touch(key.digest, key)
        key.reply = encode_reply(decode_reply(key.reply))
    return state_hash(state)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()
