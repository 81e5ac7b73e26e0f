"""A database as version 2 of the layout left it: it opens, says what it said, and goes on as one of today."""

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
from onsale.tests.journal.checkpoints import hash_of_today, query, restored, store

WRITTEN = Path(__file__).with_name("checkpoint-version-2.sql")  # the dump of what `history_of_then` was stored as
NEW_TABLES = ("entries", "deliveries", "provider_events", "concerns")


def history_of_then() -> History:
    """Some of everything that version 2 knew. Never change it: the database was made of it."""
    history = History()
    begin_cluster(history)
    save_node(history, "n2")
    history.do(c.SetSyncStandbys(1))
    history.event(("Standing", "49.90", 4), ("Seated", "79.00", 2), venue="The Hall")
    history.event(("Free", "0", 5), waitlist=2)
    retired = booking_id_of(history.book("fay", 1, 2, "Seated", key="k0"))
    history.pass_time(HOLD_MS + 1)
    history.pass_time(DAY_MS)
    assert retired not in history.state.bookings.rows
    confirmed = booking_id_of(history.book("ada", 1, 2, "Standing", key="k1"))
    history.confirm(confirmed)
    history.refunded(history.refund(confirmed, "10.00", key="k2"), failure="account closed")
    history.refund(confirmed, "5.00")
    history.pay(booking_id_of(history.book("ben", 1, 1, "Standing")), key="k3")
    waiting = history.pay(booking_id_of(history.book("dan", 1, 1, "Standing")))
    history.do(c.SettlePayment(waiting, c.PaymentPendingOutcome(True, "secret_2", "pi_2"), HOLD_MS))
    history.book("cleo", 1, 1, "Standing", key="k4")  # waits
    history.book("dan", 2)
    history.do(c.SaveUser("ada", name="Ada", email="ada@example.org", webhook_url="https://ada.example.org/hook"))
    history.do(c.BeginEpoch(2, "n2"))
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
    assert loaded.position.schema_version == 2
    state = loaded.restore_with(restore)
    check(state)
    return state


def test_its_rows_are_the_state_of_then(path: Path) -> None:
    state, history = loaded_state(path), history_of_then()
    assert "mail" not in {name for (name,) in query(path, "SELECT name FROM counters")}
    assert hash_of_today(state) == state_hash(history.state)
    assert state.counters() == history.state.counters()
    assert (state.epoch, state.leader, state.sync_standbys, state.mail) == (2, "n2", 1, 0)
    assert [member.name for member in state.voters] == ["n1", "n2"]
    assert list(state.refunds_failed) == [1]
    assert (state.sales[1].owed.refunds, state.sales[1].owed.refunds_failed) == (1, 1)
    assert not any(len(state.tables[name]) for name in NEW_TABLES)


def test_its_hash_was_of_fewer_columns(path: Path) -> None:
    loaded = load(path)
    assert loaded is not None
    assert loaded.position.state_hash != state_hash(history_of_then().state)


def test_opened_for_writing_it_gets_the_new_tables_and_stands_where_it_stood(path: Path) -> None:
    before = load(path)
    with closing(Checkpoint(path)) as checkpoint:
        assert before is not None
        assert checkpoint.position == before.position
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    for table in NEW_TABLES:
        assert query(path, f"SELECT * FROM {table}") == []
    assert query(path, "SELECT webhook_url, tell_below, told FROM events") == [(None, 0, 0)] * 2
    assert query(path, "SELECT DISTINCT failure_detail, answered FROM payments") == [("", 0)]
    assert query(path, "SELECT DISTINCT tries FROM refunds") == [(1,)]
    assert query(path, "SELECT webhook_disabled FROM users") == [(0,)]
    assert hash_of_today(loaded_state(path)) == state_hash(history_of_then().state)


def test_it_goes_on_as_one_of_today(path: Path) -> None:
    history = History(history_of_then().now_ms)
    history.state = loaded_state(path)
    history.do(c.SetMail(True))
    history.do(c.SettlePayment(1, c.PaymentSucceededOutcome("pi_1"), HOLD_MS))  # told before, and of no use
    history.do(c.SettlePayment(2, c.PaymentPreparedOutcome("pi_9", "secret_9"), HOLD_MS))
    history.do(c.TakeProviderEvent("evt_1", c.SettlePayment(3, c.PaymentSucceededOutcome("pi_2"), HOLD_MS)))
    history.do(c.RetryRefund(1))
    history.do(c.RaiseConcern("dispute", "dp_1", "Not me.", 2, 1, 0, 100, "EUR"))
    history.do(c.CheckIn(1, 2, 1, "Gate A", "door-1"))
    history.do(c.ChangeEvent(1, venue="The Other Hall", webhook_url="https://hall.example.org/hook"))
    history.do(c.DisableWebhook("https://ada.example.org/hook", user_id="ada"))
    history.chores()
    store(path, history.state)
    state = restored(path)
    check(state)
    assert state_hash(state) == state_hash(history.state)
    assert state.sales[1].owed.deliveries == len(state.deliveries) > 0
    assert query(path, "SELECT id, tries, status FROM refunds ORDER BY id") == [(1, 2, 1), (2, 1, 1)]
    assert query(path, "SELECT booking_id, number, place FROM entries") == [(2, 1, "Gate A")]
    assert query(path, "SELECT id FROM provider_events") == [("evt_1",)]
    assert query(path, "SELECT id, closed_ms FROM concerns") == [("dispute:dp_1", 0)]
    assert query(path, "SELECT webhook_disabled FROM users") == [(1,)]
    assert query(path, "SELECT count(*) FROM past_payments") == [(2,)]
