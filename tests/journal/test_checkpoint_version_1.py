"""A database as version 1 of the layout left it: it opens, says what it said, and goes on as one of today."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from onsale.engine import commands as c
from onsale.engine.invariants import check
from onsale.engine.restore import restore
from onsale.engine.state import State, state_hash
from onsale.journal.checkpoint import Checkpoint, load
from onsale.journal.checkpoint_schema import SCHEMA_VERSION
from onsale.tests.engine.histories import DAY_MS, HOLD_MS, History, begin_cluster, booking_id_of, save_node
from onsale.tests.journal.checkpoints import hash_of_today, query, restored, store, take

WRITTEN = Path(__file__).with_name("checkpoint-version-1.sql")  # the dump of what `history_of_then` was stored as


def history_of_then() -> History:
    """Some of everything that version 1 knew. Never change it: the database was made of it."""
    history = History()
    history.event(("Standing", "49.90", 4), ("Seated", "79.00", 2))
    history.event(("Free", "0", 5), waitlist=2)
    history.do(c.SaveUser("ada", name="Ada", email="ada@example.org"))
    retired = booking_id_of(history.book("fay", 1, 2, "Seated", key="k0"))
    history.pass_time(HOLD_MS + 1)
    history.pass_time(DAY_MS)
    assert retired not in history.state.bookings.rows
    confirmed = booking_id_of(history.book("ada", 1, 2, "Standing", key="k1"))
    history.confirm(confirmed)
    history.refund(confirmed, "10.00", key="k2")
    history.pay(booking_id_of(history.book("ben", 1, 2, "Standing")), key="k3")
    history.book("cleo", 1, 1, "Standing", key="k4")  # waits
    history.book("dan", 2)
    history.do(c.ChangeEvent(2, description="It's free."))
    return history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(WRITTEN.read_text())
    return path


def loaded_state(path: Path) -> State:
    loaded = load(path)
    assert loaded is not None
    assert loaded.position.schema_version == 1
    state = loaded.restore_with(restore)
    check(state)
    return state


def test_its_rows_are_the_state_of_then(path: Path) -> None:
    state, history = loaded_state(path), history_of_then()
    assert "sync_standbys" not in {name for (name,) in query(path, "SELECT name FROM counters")}
    assert hash_of_today(state) == state_hash(history.state)
    assert state.counters() == history.state.counters()
    assert (state.epoch, state.leader, state.voters, state.sync_standbys, state.ticket_key) == (0, "", [], 0, b"")


def test_its_hash_was_of_fewer_tables(path: Path) -> None:
    loaded = load(path)
    assert loaded is not None
    assert loaded.position.state_hash != state_hash(history_of_then().state)


def test_opened_for_writing_it_gets_the_new_tables_and_stands_where_it_stood(path: Path) -> None:
    before = load(path)
    with closing(Checkpoint(path)) as checkpoint:
        assert before is not None
        assert checkpoint.position == before.position
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    for table in ("members", "epochs", "secrets"):
        assert query(path, f"SELECT * FROM {table}") == []
    assert hash_of_today(loaded_state(path)) == state_hash(history_of_then().state)


def test_it_goes_on_as_one_of_today(path: Path) -> None:
    history = History(history_of_then().now_ms)
    history.state = loaded_state(path)
    begin_cluster(history)
    save_node(history, "n2")
    history.do(c.SetSyncStandbys(1))
    booking_id = booking_id_of(history.book("somebody new", 2))
    store(path, history.state)
    state = restored(path)
    check(state)
    assert state_hash(state) == state_hash(history.state)
    assert (state.epoch, state.leader, state.sync_standbys) == (1, "n1", 1)
    assert [member.name for member in state.voters] == ["n1", "n2"]
    assert state.ticket_key == b"k" * 32
    assert state.bookings.rows[booking_id].user_id == "somebody new"
    assert query(path, "SELECT name, voting FROM members ORDER BY name") == [("n1", 1), ("n2", 1)]
    assert query(path, "SELECT count(*) FROM past_bookings") == [(1,)]


def test_a_member_that_is_gone_leaves_the_database(path: Path) -> None:
    history = History(history_of_then().now_ms)
    history.state = loaded_state(path)
    begin_cluster(history)
    save_node(history, "n2")
    store(path, history.state)
    history.do(c.RemoveMember("n2"))
    changes = take(history.state)
    assert list(changes[0]["members"].forgotten) == ["n2"]
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(*changes)
    assert restored(path).members.rows.keys() == {"n1"}
    (row,) = restored(path).members.rows.values()
    assert (row.name, row.voting) == ("n1", True)
