"""The checkpoint holds what memory held, at exactly one position, whatever happens meanwhile."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event, get_native_id
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from onsale.engine.invariants import check
from onsale.engine.records import Booking
from onsale.engine.state import State, state_hash
from onsale.journal.checkpoint import NICE, Checkpoint, CheckpointWriter, Position, load
from onsale.journal.checkpoint_schema import TABLE_NAMES
from onsale.journal.errors import CheckpointFailed, CorruptCheckpoint, JournalBusy, JournalClosed, JournalError
from onsale.tests.engine.histories import JOURNAL_ID, Batch, History, booking_id_of
from onsale.tests.engine.rich_histories import HOUR_MS, over_history, play, played, rich_history
from onsale.tests.journal.checkpoints import query, restored, store, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, by table; `place` numbers say no more than their order."""
    found = {}
    for table in sorted(TABLE_NAMES):
        columns = [name for (name,) in query(path, f"SELECT name FROM pragma_table_info('{table}')")]
        names = ", ".join(name for name in columns if name != "place")
        found[table] = query(path, f"SELECT {names} FROM {table} ORDER BY {columns[0]}")
    return found


# --- what is stored comes back


@pytest.mark.parametrize("seed", range(6))
def test_a_state_comes_back(path: Path, seed: int) -> None:
    state = rich_history(seed).state
    position = store(path, state)
    found = restored(path)
    check(found)
    assert state_hash(found) == state_hash(state) == position.state_hash
    loaded = load(path)
    assert loaded is not None
    assert loaded.position == position


def test_every_kind_of_row_is_among_what_came_back(path: Path) -> None:
    """Otherwise the tests here would prove less than they seem to."""
    for seed in range(6):
        store(path.with_name(f"{seed}.sqlite"), rich_history(seed).state)
    for table in sorted(TABLE_NAMES):
        assert any(query(path.with_name(f"{seed}.sqlite"), f"SELECT 1 FROM {table}") for seed in range(6)), table


@pytest.mark.parametrize("seed", range(3))
def test_many_small_checkpoints_are_one_large_one(path: Path, seed: int) -> None:
    batches = rich_history(seed).batches
    state = State()
    with closing(Checkpoint(path)) as checkpoint:
        for batch in batches:
            play(state, [batch])
            checkpoint.write(*take(state))
    at_once = path.with_name("at_once.sqlite")
    store(at_once, played(batches))
    assert contents(path) == contents(at_once)
    assert state_hash(restored(path)) == state_hash(played(batches))


@pytest.mark.parametrize("each", [True, False])
def test_what_was_archived_and_came_back_is_in_one_place(path: Path, each: bool) -> None:
    history, state = over_history(), State()
    for batch in history.batches:
        play(state, [batch])
        if each:
            store(path, state)
    store(path, state)
    assert query(path, "SELECT id FROM bookings") == [(2,), (4,)]
    assert query(path, "SELECT id, status FROM past_bookings ORDER BY id") == [(1, 4), (3, 4)]
    found = restored(path)
    check(found)
    assert state_hash(found) == state_hash(history.state)
    assert (found.sales[1].archived, found.ticket_types.rows[1].sold) == (4, 6)
    history.pass_time(1)
    history.refunded(2)
    play(found, history.batches[-1:])
    assert state_hash(found) == state_hash(history.state)
    store(path, found)
    assert state_hash(restored(path)) == state_hash(history.state)


def test_tickets_of_an_event_on_sale_without_a_booking_are_no_state(path: Path) -> None:
    store(path, rich_history(1).state)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE ticket_types SET sold = sold + 1")
        database.execute("UPDATE position SET schema_version = 1")  # such a one has no hash to tell
    with pytest.raises(CorruptCheckpoint):
        restored(path)


@given(seed=st.integers(0, 10**6), cuts=st.sets(st.integers(0, 400), max_size=8), last=st.integers(0, 400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_checkpoints_fall_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: set[int], last: int
) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.sqlite"
    batches = rich_history(seed, 150).batches
    cuts = {0} | {cut % len(batches) for cut in cuts}
    last %= len(batches)
    _play_with_checkpoints(path, State(), batches, first=0, last=last, cuts=cuts)

    state = restored(path)  # the process is gone, and comes back
    check(state)
    stored = next(index for index, batch in enumerate(batches) if batch[0] + len(batch[2]) - 1 == state.seq)
    assert state_hash(state) == state_hash(played(batches[: stored + 1]))
    _play_with_checkpoints(path, state, batches, first=stored + 1, last=len(batches) - 1, cuts=cuts)
    assert state_hash(state) == state_hash(played(batches))

    if state.seq > 0:
        store(path, state)
    assert state_hash(restored(path)) == state_hash(played(batches))


def _play_with_checkpoints(
    path: Path, state: State, batches: list[Batch], *, first: int, last: int, cuts: set[int]
) -> None:
    for index in range(first, last + 1):
        play(state, batches[index : index + 1])
        if index in cuts:
            store(path, state)


def test_a_new_database_holds_no_position(path: Path) -> None:
    assert load(path) is None
    path.touch()
    assert load(path) is None
    Checkpoint(path).close()
    assert load(path) is None


def test_text_and_numbers_at_their_limits_come_back(path: Path) -> None:
    history = History()
    name = "Ünï\0cødé 🎟 'quoted'; DROP TABLE bookings; --"
    event_id = history.event((name, "9999999999.99", 10_000_000), name=name, description="\n" * 20_000)
    history.book("\x7f" * 128, event_id, 10)
    store(path, history.state)
    found = restored(path)
    assert found.events.rows[event_id] == history.state.events.rows[event_id]
    assert found.bookings.rows == history.state.bookings.rows


# --- history


def test_what_has_left_memory_moves(path: Path) -> None:
    history = History()
    event_id = history.event()
    booking_id = booking_id_of(history.book("user-1", event_id))
    history.confirm(booking_id)
    store(path, history.state)
    assert query(path, "SELECT id FROM bookings") == [(booking_id,)]
    assert query(path, "SELECT id, status FROM past_payments") == [(1, 4)]

    history.refunded(history.refund(booking_id))
    history.pass_time(HOUR_MS + 1)
    store(path, history.state)
    assert query(path, "SELECT count(*) FROM bookings") == [(0,)]
    assert query(path, "SELECT id, user_id FROM past_bookings") == [(booking_id, "user-1")]
    assert query(path, "SELECT booking_id FROM past_refunds") == [(booking_id,)]
    assert not restored(path).bookings.rows


def test_a_booking_that_came_and_went_between_two_checkpoints_is_kept(path: Path) -> None:
    history = History()
    event_id = history.event()
    store(path, history.state)
    booking_id = booking_id_of(history.book("user-1", event_id))
    history.give_up(booking_id)
    history.pass_time(HOUR_MS + 1)
    store(path, history.state)
    assert query(path, "SELECT id FROM bookings UNION ALL SELECT id FROM past_bookings") == [(booking_id,)]


def test_every_notice_is_there_once(path: Path) -> None:
    history = rich_history(5)
    notices = [astuple(notice) for notice in played(history.batches).notices]
    state = State()
    with closing(Checkpoint(path)) as checkpoint:
        for start in range(0, len(history.batches), 7):
            play(state, history.batches[start : start + 7])
            checkpoint.write(*take(state))
    columns = "id, seq, at_ms, user_id, kind, event_id, booking_id, amount_minor, detail"
    assert query(path, f"SELECT {columns} FROM notifications") == notices


def test_keys_stay_in_their_order_when_one_is_used_anew(path: Path) -> None:
    history = History()
    event_id = history.event(("Standing", "10.00", 99), max_per_user=99)
    for number in (3, 1, 2):
        history.book("user-1", event_id, key=f"key-{number}")
        store(path, history.state)
    history.pass_time(25 * HOUR_MS)
    history.book("user-1", event_id, key="key-3")
    history.book("user-1", event_id, key="key-0")
    order = list(history.state.keys.rows)
    assert [digest.strip() for digest in order][-2:] == [b"key-3", b"key-0"]
    store(path, history.state)
    assert list(restored(path).keys.rows) == order
    assert query(path, "SELECT count(*) FROM idempotency_keys") == [(len(order),)]


# --- the database itself


def test_it_reads_as_what_it_is_about(path: Path) -> None:
    history = History()
    event_id = history.event(name="Long Shadows", city="Köln")
    history.confirm(booking_id_of(history.book("user-1", event_id, 2)))
    store(path, history.state)
    assert query(
        path,
        "SELECT e.name, e.city, t.name, b.quantity, b.amount_minor FROM bookings b "
        "JOIN events e ON e.id = b.event_id JOIN ticket_types t ON t.id = b.ticket_type_id WHERE b.user_id = 'user-1'",
    ) == [("Long Shadows", "Köln", "Standing", 2, 9980)]
    columns = query(path, "SELECT name FROM pragma_table_info('bookings')")
    assert [name for (name,) in columns] == list(Booking.__struct_fields__)


def test_a_position_must_follow_on_the_one_before(path: Path) -> None:
    history = History()
    history.event()
    changes, notices, position = take(history.state)
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(changes, notices, position)
        behind = replace(position, seq=0, counters=position.counters | {"seq": 0})
        for wrong in (behind, replace(position, journal_id=b"another-journal-"), replace(position, seq=2)):
            with pytest.raises(ValueError, match=r"seq|counters"):
                checkpoint.write({}, [], wrong)
        assert checkpoint.position == position
        checkpoint.write({}, [], replace(position, epoch=2))
    with closing(Checkpoint(path)) as checkpoint:
        assert checkpoint.position == replace(position, epoch=2)
        assert checkpoint.position.journal_id == JOURNAL_ID


# --- the writer


class Told:
    """A writer's callbacks, which can be held up."""

    def __init__(self) -> None:
        self.done: list[Position] = []
        self.failed: list[JournalError] = []
        self.may_return = Event()
        self.may_return.set()
        self.was_called = Event()

    def on_done(self, position: Position) -> None:
        self.done.append(position)
        self.was_called.set()
        assert self.may_return.wait(30)

    def on_failure(self, error: JournalError) -> None:
        self.failed.append(error)
        self.was_called.set()


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux alone")
def test_the_writer_leaves_the_core_to_whoever_serves_people(path: Path) -> None:
    told, nice = Told(), list[int]()

    def on_done(_position: Position) -> None:
        nice.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
        told.was_called.set()

    writer = CheckpointWriter(path, on_done=on_done, on_failure=told.on_failure)
    writer.hand_over(*take(played(rich_history(2).batches)))
    assert told.was_called.wait(30)
    writer.close()
    assert nice == [min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19)]


def test_the_writer_writes_one_after_the_other(path: Path) -> None:
    batches = rich_history(2).batches
    told, state = Told(), State()
    writer = CheckpointWriter(path, on_done=told.on_done, on_failure=told.on_failure)
    assert writer.position is None
    positions = []
    for start in range(0, len(batches), 20):
        play(state, batches[start : start + 20])
        taken = take(state)
        positions.append(taken[2])
        told.was_called.clear()
        writer.hand_over(*taken)
        assert told.was_called.wait(30)
        assert not writer.busy
    writer.close()
    assert told.done == positions
    assert not told.failed
    assert writer.position == positions[-1]
    assert state_hash(restored(path)) == state_hash(state)
    with pytest.raises(JournalClosed):
        writer.hand_over({}, [], positions[-1])
    writer.close()


def test_the_writer_takes_one_at_a_time_and_finishes_it(path: Path) -> None:
    batches = rich_history(2).batches
    told, state = Told(), State()
    writer = CheckpointWriter(path, on_done=told.on_done, on_failure=told.on_failure)
    with closing(sqlite3.connect(path, isolation_level=None)) as someone:
        someone.execute("BEGIN IMMEDIATE")  # the writer has to wait
        play(state, batches[:10])
        writer.hand_over(*take(state))
        assert writer.busy
        play(state, batches[10:])
        with pytest.raises(JournalBusy):
            writer.hand_over(*take(state))
        assert not told.done
        someone.execute("COMMIT")
    writer.close()
    assert not writer.busy
    assert [position.seq for position in told.done] == [restored(path).seq]


def test_the_writer_tells_of_a_failure_once_and_refuses_from_then_on(path: Path) -> None:
    history = rich_history(2)
    told = Told()
    writer = CheckpointWriter(path, on_done=told.on_done, on_failure=told.on_failure)
    writer._checkpoint._database.execute("PRAGMA max_page_count = 30")
    taken = take(history.state)
    writer.hand_over(*taken)
    assert told.was_called.wait(30)
    (failure,) = told.failed
    assert isinstance(failure, CheckpointFailed)
    assert "full" in str(failure)
    with pytest.raises(CheckpointFailed):
        writer.hand_over(*taken)
    writer.close()
    assert not told.done
    assert load(path) is None


def test_a_fault_of_ours_does_not_end_the_writer_in_silence(path: Path) -> None:
    history = rich_history(2)
    told = Told()
    writer = CheckpointWriter(path, on_done=told.on_done, on_failure=told.on_failure)
    changes, notices, position = take(history.state)
    bookings = changes["bookings"]
    bookings.encoded[next(iter(bookings.changed))] = b"not a row"
    writer.hand_over(changes, notices, position)
    writer.close()
    assert [type(failure) for failure in told.failed] == [CheckpointFailed]
    assert load(path) is None


def test_the_writer_refuses_at_once_what_it_cannot_open(path: Path) -> None:
    path.write_bytes(Random(1).randbytes(8_192))
    with pytest.raises(CorruptCheckpoint):
        CheckpointWriter(path, on_done=lambda _: None, on_failure=lambda _: None)
