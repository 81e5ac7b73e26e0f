"""The database keeps its word when the disk, the system or somebody else does not."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from onsale.engine.invariants import check
from onsale.engine.restore import restore
from onsale.engine.state import state_hash
from onsale.journal import checkpoint_database
from onsale.journal.checkpoint import Checkpoint, load
from onsale.journal.errors import CheckpointFailed, CorruptCheckpoint, NewerCheckpoint
from onsale.tests.engine.histories import History
from onsale.tests.engine.rich_histories import play, played, rich_history
from onsale.tests.journal.checkpoints import restored, store, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


def test_it_survives_a_loss_of_power(path: Path) -> None:
    with closing(Checkpoint(path)) as checkpoint:
        database = checkpoint._database
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit is synced
        assert database.execute("PRAGMA busy_timeout").fetchone() == (5_000,)


def test_it_is_not_for_everyone_on_the_machine(path: Path) -> None:
    """It holds people's addresses, and the key that signs their tickets."""
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(*take(rich_history(1).state))
        for file in path.parent.iterdir():  # the database, its log, and the log's index
            assert file.stat().st_mode & 0o007 == 0, file


@pytest.mark.parametrize(
    ("attached", "pages"), [("table", 0), ("folder", 0), ("", 1_000), ("table, but the log is huge", 1_000)]
)
def test_litestream_moves_the_log_when_it_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, attached: str, pages: int
) -> None:
    history = rich_history(1)
    store(path, played(history.batches[:2]))
    if attached == "folder":
        path.with_name(f".{path.name}-litestream").mkdir()
    if "table" in attached:
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
            database.execute("CREATE TABLE _litestream_lock (id INTEGER)")
    if "huge" in attached:
        monkeypatch.setattr(checkpoint_database, "WAL_BYTES_MAX", 0)
    state = restored(path)
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint._database.execute("CREATE TABLE IF NOT EXISTS something (one)")  # so that there is a log
        play(state, history.batches[2:])
        checkpoint.write(*take(state))
        assert checkpoint._database.execute("PRAGMA wal_autocheckpoint").fetchone() == (pages,)
    assert state_hash(restored(path)) == state_hash(state)


def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    history = History()
    event_id = history.event(("Standing", "1.00", 100_000), max_per_user=100_000)
    log_bytes = {}
    for attached in (False, True):
        if attached:
            path.with_name(f".{path.name}-litestream").mkdir()
        with closing(Checkpoint(path)) as checkpoint:
            for _ in range(80):
                for _ in range(250):
                    history.book("user-1", event_id)
                checkpoint.write(*take(history.state))
            log_bytes[attached] = path.with_name(path.name + "-wal").stat().st_size
    assert log_bytes[False] < 5_000_000 < log_bytes[True]


# --- what can go wrong


def test_a_full_disk_leaves_it_where_it_was(path: Path) -> None:
    history = rich_history(2)
    before, after = history.batches[:20], history.batches[20:]
    state = played(before)
    position = store(path, state)
    play(state, after)
    with closing(Checkpoint(path)) as checkpoint:
        pages = checkpoint._database.execute("PRAGMA page_count").fetchone()[0]
        checkpoint._database.execute(f"PRAGMA max_page_count = {pages}")
        taken = take(state)
        with pytest.raises(CheckpointFailed, match="full"):
            checkpoint.write(*taken)
        assert checkpoint.position == position
        assert state_hash(restored(path)) == state_hash(played(before))
        checkpoint._database.execute("PRAGMA max_page_count = 1000000")
        checkpoint.write(*taken)  # there is space again
    assert state_hash(restored(path)) == state_hash(state)


WRITE_UNTIL_THE_LIMIT = """
import resource, sys
from pathlib import Path
from onsale.engine.state import State
from onsale.journal.checkpoint import Checkpoint
from onsale.journal.errors import CheckpointFailed
from onsale.tests.engine.rich_histories import play, rich_history
from onsale.tests.journal.checkpoints import take

resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
state, checkpoint = State(), Checkpoint(Path(sys.argv[1]))
for batch in rich_history(7).batches:
    play(state, [batch])
    try:
        checkpoint.write(*take(state))
    except CheckpointFailed as error:
        print("failed behind", checkpoint.position.seq, "as it should:", "Check the disk" in str(error))
        break
"""


def test_an_io_error_leaves_it_where_it_was(path: Path) -> None:
    """A file that may not grow: the system refuses the write in the middle of a transaction."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNTIL_THE_LIMIT, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    said = re.fullmatch(r"failed behind (\d+) as it should: True\n", done.stdout)
    assert said, done.stdout + done.stderr
    assert restored(path).seq == int(said[1])


def test_who_holds_the_lock_too_long_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_database, "BUSY_SECONDS", 0.05)
    state = rich_history(2).state
    with closing(Checkpoint(path)) as checkpoint, closing(sqlite3.connect(path, isolation_level=None)) as someone:
        someone.execute("BEGIN IMMEDIATE")
        taken = take(state)
        with pytest.raises(CheckpointFailed, match="locked"):
            checkpoint.write(*taken)
        someone.execute("ROLLBACK")
        checkpoint.write(*taken)
    assert state_hash(restored(path)) == state_hash(state)


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from onsale.engine.restore import restore
from onsale.engine.state import State
from onsale.journal.checkpoint import Checkpoint, load
from onsale.tests.engine.rich_histories import play, rich_history
from onsale.tests.journal.checkpoints import take

path, seed = Path(sys.argv[1]), int(sys.argv[2])
batches = rich_history(seed, 3_000).batches
loaded = load(path)
state = State() if loaded is None else loaded.restore_with(restore)
checkpoint = Checkpoint(path)
for first, _, facts in batches:
    if first > state.seq:
        play(state, [(first, _, facts)])
        checkpoint.write(*take(state))
        print(state.seq, flush=True)
"""


def test_a_killed_process_leaves_exactly_one_position(path: Path) -> None:
    """Again and again, at any moment: what was said to be stored is there, and nothing is half there."""
    random = Random(1)
    batches = rich_history(11, 3_000).batches
    seq = 0
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path), "11"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(random.randint(1, 40)):  # it is writing: somewhere in one of the next transactions
                seq = int(process.stdout.readline() or seq)
            process.kill()
            seq = max([seq, *map(int, process.stdout.read().split("\n")[:-1])])
        state = restored(path)
        check(state)
        assert state.seq >= seq
        assert state_hash(state) == state_hash(played([batch for batch in batches if batch[0] <= state.seq]))
    assert 0 < state.seq < batches[-1][0], "it was killed while it had something to do"


def test_every_flipped_byte_is_found_or_does_no_harm(path: Path) -> None:
    history = rich_history(4)
    store(path, history.state)
    intact, expected = path.read_bytes(), state_hash(history.state)
    random, told = Random(1), 0
    for _ in range(400):
        damaged = bytearray(intact)
        damaged[random.randrange(len(damaged))] ^= random.randint(1, 255)
        path.write_bytes(damaged)
        try:
            state = restored(path)
        except (CorruptCheckpoint, NewerCheckpoint):
            told += 1
            continue
        assert state_hash(state) == expected  # it was in the history, in an index, or in free space
        check(state)
        with suppress(CorruptCheckpoint):
            Checkpoint(path).close()
    assert told > 20


@pytest.mark.parametrize("size", [600, 4_096, 30_000])
def test_a_file_that_was_cut_short_is_corrupt(path: Path, size: int) -> None:
    store(path, rich_history(4).state)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CorruptCheckpoint, match="Keep it aside"):
        restored(path)


def test_another_file_is_no_checkpoint(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)
    with pytest.raises(CorruptCheckpoint):
        load(path)
    with pytest.raises(CorruptCheckpoint):
        Checkpoint(path)
    assert path.read_bytes() == bytes(range(256)) * 64


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE bookings SET quantity = quantity + 1 WHERE id = (SELECT max(id) FROM bookings)",
        "DELETE FROM ticket_types WHERE id = 1",
        "DELETE FROM idempotency_keys WHERE place = (SELECT max(place) FROM idempotency_keys)",
        "UPDATE events SET cancelled = 1 - cancelled WHERE id = 1",
        "UPDATE counters SET value = value + 1 WHERE name = 'next_booking_id'",
        "UPDATE position SET epoch = 7",
        "UPDATE position SET chain_hash = zeroblob(16)",
        "UPDATE position SET state_hash = '0123'",
        "DELETE FROM position",
        "DELETE FROM counters WHERE name = 'seq'",
        "DROP TABLE users",
        "PRAGMA user_version = 0",
    ],
)
def test_what_somebody_changed_by_hand_is_found(path: Path, harm: str) -> None:
    store(path, rich_history(4).state)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(harm)
    with pytest.raises(CorruptCheckpoint, match="onsale restore"):
        restored(path)


def test_rows_that_are_there_already_are_a_contradiction(path: Path) -> None:
    history = rich_history(2)
    state = played(history.batches[:20])
    store(path, state)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        row = "(?, 1, 1, 'user-1', 'held', 1, 1, 0, '')"
        database.execute(f"INSERT INTO notifications VALUES {row}", (state.next_notice_id,))
    play(state, history.batches[20:])
    with pytest.raises(CorruptCheckpoint):
        store(path, state)


def test_nobody_may_write_while_it_is_being_read(path: Path) -> None:
    history = rich_history(2)
    state = played(history.batches[:20])
    store(path, state)
    loaded = load(path)
    assert loaded is not None
    play(state, history.batches[20:])
    store(path, state)
    with pytest.raises(CheckpointFailed, match="Somebody else"):
        loaded.restore_with(restore)
