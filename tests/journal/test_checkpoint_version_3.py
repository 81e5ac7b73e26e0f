"""A database as version 3 of the layout left it: it opens, says what it said, and goes on as one of today."""

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

WRITTEN = Path(__file__).with_name("checkpoint-version-3.sql")  # the dump of what `history_of_then` was stored as
NEW_TABLES = ("rooms", "places", "seat_maps", "challenges")


def history_of_then() -> History:
    """Some of everything that version 3 knew. Never change it: the database was made of it."""
    history = History()
    begin_cluster(history)
    save_node(history, "n2")
    history.do(c.SetSyncStandbys(1))
    history.do(c.SetMail(True))
    history.do(c.SaveUser("ada", name="Ada", email="ada@example.org", webhook_url="https://ada.example.org/hook"))
    history.event(("Standing", "49.90", 4), ("Seated", "79.00", 2), webhook_url="https://hall.example.org/hook")
    history.event(("Free", "0", 5), waitlist=2)
    retired = booking_id_of(history.book("fay", 1, 2, "Seated", key="k0"))
    history.pass_time(HOLD_MS + 1)
    history.pass_time(DAY_MS)
    assert retired not in history.state.bookings.rows
    confirmed = booking_id_of(history.book("ada", 1, 2, "Standing", key="k1"))
    history.confirm(confirmed)
    history.do(c.CheckIn(1, confirmed, 1, "Gate A", "door-1"))
    history.refunded(history.refund(confirmed, "10.00", key="k2"), failure="account closed")
    history.pay(booking_id_of(history.book("ben", 1, 1, "Standing")), key="k3")
    history.do(c.SettlePayment(2, c.PaymentPreparedOutcome("pi_2", "secret_2"), HOLD_MS))
    history.do(c.TakeProviderEvent("evt_1", c.SettlePayment(2, c.PaymentDeclinedOutcome("expired_card"), HOLD_MS)))
    history.do(c.TakeProviderEvent("evt_2", c.RaiseConcern("dispute", "dp_1", "Not me.", 2, 1, 0, 100, "EUR")))
    history.book("dan", 1, 1, "Standing")
    history.book("cleo", 1, 1, "Standing", key="k4")  # waits
    history.book("dan", 2)
    first, second = list(history.state.deliveries.rows)[:2]
    history.do(c.SettleDelivery(first, "450 busy", history.now_ms + 60_000))
    history.do(c.SettleDelivery(second, "550 no such mailbox"))
    history.do(c.ChangeEvent(1, venue="The Other Hall"))
    history.do(c.DisableWebhook("https://ada.example.org/hook", user_id="ada"))
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
    assert loaded.position.schema_version == 3
    state = loaded.restore_with(restore)
    check(state)
    return state


def test_its_rows_are_the_state_of_then(path: Path) -> None:
    state, history = loaded_state(path), history_of_then()
    assert hash_of_today(state) == state_hash(history.state)
    assert state.counters() == history.state.counters()
    assert (state.epoch, state.leader, state.sync_standbys, state.mail) == (2, "n2", 1, 1)
    assert list(state.refunds_failed) == [1]
    assert len(state.deliveries_dead) == state.concerns_open == len(state.telling) == 1
    assert len(state.provider_event_order) == 2
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
    assert query(path, "SELECT challenge, offer_ms FROM events") == [(0, None)] * 2
    for table in ("bookings", "past_bookings"):
        assert query(path, f"SELECT DISTINCT seats, also, offered, arrival FROM {table}") == [("", "", 0, 0)]
    assert hash_of_today(loaded_state(path)) == state_hash(history_of_then().state)


def test_it_goes_on_as_one_of_today(path: Path) -> None:
    history = History(history_of_then().now_ms)
    history.state = loaded_state(path)
    room = c.RoomSpec(60, opens_ms=history.now_ms + HOLD_MS, shuffle=True)
    rows = (c.RowSpec("1", 6, accessible=(1,), companions=(2,)), c.RowSpec("2", 4))
    event_id = history.event(
        ("Stalls", "20.00", 10), ("Standing", "10.00", 1), challenge=1, offer_ms=60_000, room=room, seed=b"s" * 32,
        seat_map=(c.SectionSpec("A", "Stalls", rows),),
    )  # fmt: skip
    for number, user_id in enumerate(("ada", "ben", "cleo")):
        history.do(c.JoinQueue(user_id, event_id, c.Proof(bytes([number]) * 16, history.now_ms + HOLD_MS)))
    history.do(c.LeaveQueue(event_id, 2))
    history.pass_time(HOLD_MS)
    history.pass_time(5_000)
    place = next(row for row in history.state.places.rows.values() if row.user_id == "ada")
    held = history.do(c.Book("ada", event_id, HOLD_MS, "Stalls", 2, place_id=place.id))
    assert history.state.bookings.rows[booking_id_of(held)].seats
    history.do(c.Book("dan", 1, HOLD_MS, ticket_types=("Standing", "Seated")))
    store(path, history.state)
    state = restored(path)
    check(state)
    assert state_hash(state) == state_hash(history.state)
    assert query(path, "SELECT event_id, arrivals, opened, shuffled FROM rooms") == [(event_id, 3, 1, 3)]
    assert query(path, "SELECT arrival, user_id FROM places ORDER BY id") == [(1, "ada"), (2, "ben"), (3, "cleo")]
    assert query(path, "SELECT event_id FROM seat_maps") == [(event_id,)]
    assert query(path, "SELECT hex(digest) FROM challenges") == [(f"{number:02X}" * 16,) for number in range(3)]
    assert query(path, "SELECT challenge, offer_ms FROM events WHERE id = 3") == [(1, 60_000)]
    assert query(path, "SELECT DISTINCT arrival FROM bookings WHERE event_id = 3") == [(1,)]
