"""Memory and the checkpoint database read as one, here for notices: nothing is missed or told before it is durable."""

from pathlib import Path

from onsale.engine.commands import Book, GiveUp
from onsale.journal.archive import Archive
from onsale.journal.checkpoint import Checkpoint
from onsale.node.history import History
from onsale.tests.node.test_checkpointing import HOLD_MS, Desk


def notices(desk: Desk, count: int) -> None:
    """So many more for ada, and as many for bob."""
    for _ in range(count):
        for user_id in ("ada", "bob"):
            held = desk.state.sales[1].bookings_of(user_id)
            desk.do(GiveUp(held[0].id, HOLD_MS) if held else Book(user_id, 1, HOLD_MS))


async def pages(history: History, durable_seq: int, limit: int) -> list[int]:
    found: list[int] = []
    while page := await history.notices_after("ada", found[-1] if found else 0, limit, durable_seq):
        assert len(page) <= limit
        found += [notice.id for notice in page]
    return found


async def test_notices_after_one_wherever_they_are(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    desk = Desk()
    async with Archive(path) as archive:
        history = History(desk.checkpointing, archive)
        notices(desk, 5)
        desk.checkpointing.take_now(b"h" * 16)
        notices(desk, 3)
        for limit in (1, 2, 100):  # half of them on their way to the database
            assert await pages(history, desk.state.seq, limit) == list(range(1, 17, 2))
        changes, taken, position = desk.handed[0]
        database = Checkpoint(path)
        database.write(changes, taken, position)
        database.close()
        assert await pages(history, desk.state.seq, 3) == list(range(1, 17, 2)), "in both places at once"
        desk.checkpointing.done(position.seq)
        assert await pages(history, desk.state.seq, 3) == list(range(1, 17, 2))
        (last,) = await history.notices_after("ada", 13, 10, desk.state.seq)
        assert await pages(history, last.seq - 1, 3) == list(range(1, 15, 2)), "the last one is not durable"
        assert await history.notices_after("ada", 15, 10, desk.state.seq) == []
