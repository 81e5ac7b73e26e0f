"""Versions of the layout: what is newer is left alone, what is older is brought up to date."""

import sqlite3
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import pytest
from msgspec.structs import replace

from onsale.engine.restore import restore
from onsale.engine.state import State, state_hash
from onsale.journal.checkpoint import Checkpoint, load
from onsale.journal.checkpoint_schema import SCHEMA_VERSION
from onsale.journal.errors import CorruptCheckpoint, NewerCheckpoint
from onsale.tests.engine.histories import History, booking_id_of
from onsale.tests.engine.rich_histories import rich_history
from onsale.tests.journal.checkpoints import query, restored, store, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


LAYOUTS = {1: "a6f2f256a4b4c386", 2: "ab8408698549f5b0", 3: "f549b855ef8a73e4", 4: "c56a9b0f40e9a164"}


def test_a_changed_layout_has_a_version_of_its_own(path: Path) -> None:
    """Fails when a record, a table or a counter changed. Raise SCHEMA_VERSION and add the new layout here, unless the
    version that is there was never released: then put the new digest in its place.
    """
    Checkpoint(path).close()
    tables = query(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    layout = repr((tables, list(State().tables), list(State().counters())))
    assert blake2b(layout.encode(), digest_size=8).hexdigest() == LAYOUTS[SCHEMA_VERSION]


def test_a_newer_version_is_not_touched(path: Path) -> None:
    store(path, rich_history(1).state)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerCheckpoint, match="99"):
        load(path)
    with pytest.raises(NewerCheckpoint, match="99"):
        Checkpoint(path)


def test_an_older_version_gets_the_new_columns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = rich_history(1).state
    store(path, state)
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE bookings DROP COLUMN arrival")
        database.execute("ALTER TABLE past_bookings DROP COLUMN arrival")
        database.execute("DROP TABLE refunds")
    with pytest.raises(CorruptCheckpoint):  # of this version it is damaged
        restored(path)
    _become_the_next_version(monkeypatch)

    loaded = load(path)
    assert loaded is not None
    found = loaded.restore_with(restore)
    assert found.bookings.rows.keys() == state.bookings.rows.keys()
    assert {booking.arrival for booking in found.bookings.rows.values()} == {0}
    with closing(Checkpoint(path)) as checkpoint:
        assert checkpoint.position == loaded.position
    loaded = load(path)  # brought up to date, but not written since: there is no hash to match yet
    assert loaded is not None
    loaded.restore_with(restore)

    history = History(found.at_ms)
    history.state = found
    booking_id = booking_id_of(history.book("somebody new", 2))
    changes, notices, position = take(found)
    with closing(Checkpoint(path)) as checkpoint:
        checkpoint.write(changes, notices, replace(position, schema_version=SCHEMA_VERSION + 1))
    assert state_hash(restored(path)) == state_hash(found)
    assert query(path, f"SELECT arrival FROM bookings WHERE id = {booking_id}") == [(0,)]


def _become_the_next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("checkpoint", "checkpoint_database", "checkpoint_schema"):
        monkeypatch.setattr(f"onsale.journal.{module}.SCHEMA_VERSION", SCHEMA_VERSION + 1)
