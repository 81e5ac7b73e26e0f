"""Folders made without a server are what a node would have written itself."""

from pathlib import Path

import pytest

from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.state import state_hash
from onsale.engine.status import CONFIRMED, HELD
from onsale.journal.archive import Archive
from onsale.loadtest import filled
from onsale.loadtest.bench_flat import Size, fill
from onsale.node.recovery import CHECKPOINT_FILE, start

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("journal_alone", [False, True], ids=["checkpoint", "journal_alone"])
def test_a_node_starts_with_what_was_filled_in(tmp_path: Path, journal_alone: bool) -> None:
    with filled.FilledFolder(tmp_path / "data", journal_alone=journal_alone) as there:
        there.add(NOW_MS, [filled.event(1, NOW_MS + 10**9, 1_000)])
        there.add(NOW_MS, filled.confirmed(range(1, 301), 1, NOW_MS))
        there.add(NOW_MS + 5, filled.held(range(301, 401), 1, NOW_MS + 60_000))
    started = start(tmp_path / "data")
    for batch in started.unapplied:  # the last one; whoever leads knows that it is committed
        for fact in f.decode(batch.payload):
            apply(started.state, batch.at_ms, fact)
    assert state_hash(started.state) == state_hash(there.state)
    assert started.state.status_counts[CONFIRMED] == 300
    assert started.state.status_counts[HELD] == 100
    assert started.checkpoint_seq == (0 if journal_alone else started.state.seq)


async def test_past_bookings_are_in_the_checkpoint_and_not_in_memory(tmp_path: Path) -> None:
    fill(tmp_path / "data", Size(events=3, past=500, line=20, room=10, paid=30))
    state = start(tmp_path / "data").state
    assert len(state.sales) == 3
    assert len(state.bookings.rows) == 30 + 1 + 20
    assert state.ticket_types.rows[1].waiting == 20
    assert state.rooms.rows[2].waiting == 10
    archive = Archive(tmp_path / "data" / CHECKPOINT_FILE)
    try:
        found = await archive.booking(500)
        assert found is not None
        assert (found.user_id, found.ended_ms > 0) == ("user-00000500", True)
    finally:
        await archive.close()


def test_what_a_node_would_refuse_is_not_filled_in(tmp_path: Path) -> None:
    with filled.FilledFolder(tmp_path / "data") as there:
        there.add(NOW_MS, [filled.event(1, NOW_MS + 10**9, 1)])
        with pytest.raises(AssertionError, match="sold twice"):
            there.add(NOW_MS, filled.held([1, 2], 1, NOW_MS + 10))
