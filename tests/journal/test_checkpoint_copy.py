"""A copy to be sent: of one moment, in one file, whoever writes meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from onsale.engine.state import State, state_hash
from onsale.journal import checkpoint_copy
from onsale.journal.checkpoint import Checkpoint, load
from onsale.journal.checkpoint_copy import copy_checkpoint
from onsale.journal.checkpoint_database import litestream_attached
from onsale.journal.errors import CheckpointFailed, CorruptCheckpoint, NewerCheckpoint
from onsale.tests.engine.rich_histories import play, rich_history
from onsale.tests.journal.checkpoints import query, restored, store, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "copy.sqlite"


def test_the_copy_holds_what_the_original_holds(path: Path, target: Path) -> None:
    state = rich_history(3).state
    position = store(path, state)
    assert copy_checkpoint(path, target) == position
    assert load(target).position == position
    assert state_hash(restored(target)) == state_hash(state)


def test_what_is_in_the_log_alone_is_copied_and_the_copy_is_one_file(path: Path, target: Path) -> None:
    history = rich_history(4)
    state = State()
    play(state, history.batches[:50])
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(*take(state))
        play(state, history.batches[50:])
        checkpoint.write(*take(state))
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        copy_checkpoint(path, target)
    assert [file.name for file in target.parent.iterdir()] == [target.name]
    moved = target.parent.parent / "moved.sqlite"
    moved.write_bytes(target.read_bytes())
    assert state_hash(restored(moved)) == state_hash(state)


def test_it_is_of_the_moment_at_which_it_began(path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the original is written to while it is copied."""
    monkeypatch.setattr(checkpoint_copy, "PAGES_PER_STEP", 2)
    history = rich_history(5)
    state, half = State(), len(history.batches) // 2
    play(state, history.batches[:half])
    expected, told, rest = state_hash(state), [], iter(history.batches[half:])
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(*take(state))
        position = checkpoint.position

        def progress(done: int, total: int) -> None:
            told.append((done, total))
            batch = next(rest, None)
            if batch is not None:
                play(state, [batch])
                checkpoint.write(*take(state))

        assert copy_checkpoint(path, target, progress) == position
        assert checkpoint.position != position
    assert state_hash(restored(target)) == expected
    assert len(told) > 5
    assert told == sorted(told), "it never began again"
    assert told[-1][0] == told[-1][1] == target.stat().st_size


def test_the_original_is_not_touched(path: Path, target: Path) -> None:
    store(path, rich_history(6).state)
    before = path.read_bytes(), path.stat().st_ino
    copy_checkpoint(path, target)
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_an_unfinished_copy_is_replaced(path: Path, target: Path) -> None:
    position = store(path, rich_history(6).state)
    for suffix in ("", "-journal", "-wal", "-shm"):
        target.with_name(target.name + suffix).write_bytes(b"half of something else")
    assert copy_checkpoint(path, target) == position
    assert [file.name for file in target.parent.iterdir()] == [target.name]
    restored(target)


def test_what_litestream_keeps_is_not_copied(path: Path, target: Path) -> None:
    """Else the node that gets it would leave the log to a Litestream that is not there."""
    store(path, rich_history(6).state)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    copy_checkpoint(path, target)
    with closing(sqlite3.connect(path)) as original, closing(sqlite3.connect(target)) as copy:
        assert litestream_attached(original, path)
        assert not litestream_attached(copy, target)
    restored(target)


def test_a_copy_can_be_written_to_as_the_original(path: Path, target: Path) -> None:
    history = rich_history(7)
    state = State()
    play(state, history.batches[:30])
    store(path, state)
    copy_checkpoint(path, target)
    play(state, history.batches[30:])
    store(target, state)
    assert query(target, "PRAGMA journal_mode") == [("wal",)]
    assert state_hash(restored(target)) == state_hash(state)


def test_nothing_is_copied_of_nothing(path: Path, target: Path) -> None:
    with pytest.raises(CheckpointFailed):
        copy_checkpoint(path, target)
    Checkpoint(path).close()
    with pytest.raises(CheckpointFailed, match="when one was taken"):
        copy_checkpoint(path, target)
    assert not target.exists()


def test_a_corrupt_or_newer_original_is_said_to_be(path: Path, target: Path) -> None:
    store(path, rich_history(6).state)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerCheckpoint):
        copy_checkpoint(path, target)
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(CorruptCheckpoint):
        copy_checkpoint(path, target)


def test_a_folder_that_can_not_be_written_is_said_to_fail(path: Path, tmp_path: Path) -> None:
    store(path, rich_history(6).state)
    with pytest.raises(CheckpointFailed):
        copy_checkpoint(path, tmp_path / "missing" / "copy.sqlite")
