"""What has left memory is found again, whoever writes meanwhile, and nobody waits for it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from onsale.engine.records import Booking, Notice, Payment, Refund
from onsale.engine.state import State
from onsale.journal.archive import Archive
from onsale.journal.checkpoint import Checkpoint
from onsale.journal.errors import ArchiveBusy, CorruptCheckpoint, JournalClosed, NewerCheckpoint
from onsale.tests.engine.histories import History, booking_id_of
from onsale.tests.engine.rich_histories import HOUR_MS, play, played, rich_history
from onsale.tests.journal.checkpoints import query, store, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.sqlite"


@pytest.fixture
async def archive(path: Path) -> AsyncIterator[Archive]:
    async with Archive(path) as opened:
        yield opened


def store_in_steps(path: Path, seed: int) -> tuple[dict[int, Booking], State]:
    """A checkpoint now and then; every booking there ever was, as it was last."""
    bookings: dict[int, Booking] = {}
    state = State()
    with closing(Checkpoint(path)) as checkpoint:
        for batch in rich_history(seed).batches:
            play(state, [batch])
            bookings |= {**state.bookings.changed, **state.bookings.archived}
            checkpoint.write(*take(state))
    return bookings, state


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def put_noise_in_place_of(path: Path) -> None:
    path.write_bytes(Random(1).randbytes(8_192))


def content(path: Path) -> bytes:
    return path.read_bytes()


def spoil_past_bookings(path: Path) -> None:
    pages = [page for (page,) in query(path, "SELECT rootpage FROM sqlite_master WHERE name LIKE '%past_bookings%'")]
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * 4_096)
            file.write(b"\xff" * 4_096)


@pytest.mark.parametrize("seed", range(3))
async def test_every_booking_is_found_in_memory_or_not(path: Path, archive: Archive, seed: int) -> None:
    bookings, state = store_in_steps(path, seed)
    assert len(bookings) > len(state.bookings.rows) > 0
    for booking_id, booking in bookings.items():
        assert await archive.booking(booking_id) == booking
    assert await archive.booking(max(bookings) + 1) is None


@pytest.mark.parametrize("seed", range(3))
async def test_payments_and_refunds_are_found_by_their_ids(path: Path, archive: Archive, seed: int) -> None:
    payments: dict[int, Payment] = {}
    refunds: dict[int, Refund] = {}
    state = State()
    with closing(Checkpoint(path)) as checkpoint:
        for batch in rich_history(seed).batches:
            play(state, [batch])
            payments |= {**state.payments.changed, **state.payments.archived}
            refunds |= {**state.refunds.changed, **state.refunds.archived}
            checkpoint.write(*take(state))
    assert len(payments) > len(state.payments.rows)
    assert len(refunds) > len(state.refunds.rows)
    assert {each.id: each for each in await archive.payments(range(1, state.next_payment_id + 5))} == payments
    assert {each.id: each for each in await archive.refunds(range(1, state.next_refund_id + 5))} == refunds
    some = sorted(payments)[::2]
    assert sorted(each.id for each in await archive.payments(some)) == some
    assert await archive.payments([]) == await archive.refunds([0, -1, 2**62, 2**70]) == []
    named = {each.provider_reference: each for each in payments.values() if each.provider_reference}
    assert named
    found = await archive.payments_referred_to([*named, "pi_nobody's", "'; DROP TABLE payments; --"])
    assert {each.provider_reference for each in found} == set(named)
    assert await archive.payments_referred_to([]) == []


async def test_a_users_bookings_come_page_by_page_newest_first(path: Path, archive: Archive) -> None:
    bookings, _ = store_in_steps(path, 1)
    for user_id in {booking.user_id for booking in bookings.values()}:
        expected = sorted((each for each in bookings.values() if each.user_id == user_id), key=lambda each: -each.id)
        assert await archive.bookings_of(user_id, limit=1_000) == expected
        found: list[Booking] = []
        while page := await archive.bookings_of(user_id, found[-1].id if found else None, 3):
            assert len(page) <= 3
            found += page
        assert found == expected
    assert await archive.bookings_of("nobody") == []


async def test_notices_come_page_by_page_newest_first(path: Path, archive: Archive) -> None:
    notices = played(rich_history(1).batches).notices
    store_in_steps(path, 1)
    for user_id in {notice.user_id for notice in notices}:
        expected = [notice for notice in reversed(notices) if notice.user_id == user_id]
        first = await archive.notices_of(user_id, limit=5)
        assert first == expected[:5]
        assert await archive.notices_of(user_id, first[-1].id, 1_000) == expected[5:]


async def test_notices_after_one_come_page_by_page_oldest_first(path: Path, archive: Archive) -> None:
    notices = played(rich_history(1).batches).notices
    store_in_steps(path, 1)
    for user_id in {notice.user_id for notice in notices}:
        expected = [notice for notice in notices if notice.user_id == user_id]
        found: list[Notice] = []
        while page := await archive.notices_after(user_id, found[-1].id if found else 0, 3):
            assert len(page) <= 3
            found += page
        assert found == expected
    assert await archive.notices_after("nobody", 0, 3) == []


async def test_refunds_and_payments_are_found_before_and_after_they_are_settled(path: Path, archive: Archive) -> None:
    history = History()
    event_id = history.event()
    booking_id = booking_id_of(history.book("user-1", event_id, 2))
    payment_id = history.pay(booking_id)
    store(path, history.state)
    payment = await archive.payment(payment_id)
    assert payment == history.state.payments.rows[payment_id]
    history.settle(payment_id)
    first = history.refund(booking_id, "5.00")
    history.refunded(first)
    second = history.refund(booking_id)
    store(path, history.state)
    payment = await archive.payment(payment_id)
    assert payment is not None
    assert payment.provider_reference == f"pi_{payment_id}"
    refunds = await archive.refunds_of(booking_id)
    assert [(refund.id, refund.amount_minor) for refund in refunds] == [(first, 500), (second, 9_480)]
    assert refunds[1] == history.state.refunds.rows[second]
    assert refunds[0].surplus is False
    assert await archive.refunds_of(booking_id + 1) == []
    assert await archive.payment(payment_id + 1) is None


async def test_before_anything_is_stored_there_is_nothing_to_find(path: Path, archive: Archive) -> None:
    assert await archive.booking(1) is None
    make_empty(path)
    assert await archive.bookings_of("user-1") == []
    Checkpoint(path).close()
    assert await archive.notices_of("user-1") == []
    history = History()
    booking_id = booking_id_of(history.book("user-1", history.event()))
    store(path, history.state)
    assert await archive.booking(booking_id) == history.state.bookings.rows[booking_id]


async def test_reading_and_writing_do_not_hold_each_other_up(path: Path, archive: Archive) -> None:
    history = History()
    event_id = history.event(("Standing", "1.00", 100))
    booking_id = booking_id_of(history.book("user-1", event_id))
    store(path, history.state)
    history.book("user-1", event_id)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader, closing(Checkpoint(path)) as checkpoint:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM bookings").fetchone() == (1,)
        checkpoint.write(*take(history.state))  # in spite of the reader
        assert len(await archive.bookings_of("user-1")) == 2
        checkpoint._database.execute("BEGIN IMMEDIATE")
        checkpoint._database.execute("DELETE FROM bookings")
        assert await archive.booking(booking_id) is not None  # in spite of the writer
        checkpoint._database.execute("ROLLBACK")


async def test_it_never_writes(path: Path, archive: Archive) -> None:
    store_in_steps(path, 1)
    before = content(path)
    await archive.bookings_of("user-1")
    await archive.close()
    assert content(path) == before
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await asyncio.to_thread(_write_through, archive)


def _write_through(archive: Archive) -> None:
    with closing(archive._connect([])) as database:
        database.execute("DELETE FROM bookings")


async def test_no_more_wait_than_the_bound_allows(path: Path) -> None:
    _, state = store_in_steps(path, 1)
    booking_id = next(iter(state.bookings.rows))
    async with Archive(path, waiting_max=5) as archive:
        reads = [asyncio.ensure_future(archive.booking(booking_id)) for _ in range(9)]
        found = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(each) for each in found] == [Booking] * 5 + [ArchiveBusy] * 4
        assert await archive.booking(booking_id) is not None  # it is over
        assert len(archive._idle) == 2


async def test_a_reader_that_went_away_leaves_no_trace(path: Path) -> None:
    _, state = store_in_steps(path, 1)
    booking_id = next(iter(state.bookings.rows))
    async with Archive(path, waiting_max=4) as archive:
        for turns in range(12):
            read = asyncio.ensure_future(archive.booking(booking_id))
            for _ in range(turns):
                await asyncio.sleep(0)
            read.cancel()
            await asyncio.wait([read])
            assert await archive.booking(booking_id) == state.bookings.rows[booking_id]


async def test_closing_waits_for_reads_and_refuses_new_ones(path: Path) -> None:
    _, state = store_in_steps(path, 1)
    booking_id = next(iter(state.bookings.rows))
    archive = Archive(path, connections_max=1)
    reads = [asyncio.ensure_future(archive.booking(booking_id)) for _ in range(3)]
    await asyncio.sleep(0)
    await archive.close()
    await asyncio.sleep(0)
    assert all(read.done() for read in reads)
    assert [read.result() for read in reads] == [state.bookings.rows[booking_id]] * 3
    with pytest.raises(JournalClosed):
        await archive.booking(booking_id)
    await archive.close()


async def test_a_damaged_database_is_told_of(path: Path, archive: Archive) -> None:
    put_noise_in_place_of(path)
    with pytest.raises(CorruptCheckpoint):
        await archive.booking(1)
    make_empty(path)
    store_in_steps(path, 1)
    spoil_past_bookings(path)
    with pytest.raises(CorruptCheckpoint, match="malformed"):
        await archive.bookings_of("user-1")


async def test_a_newer_database_is_told_of(path: Path, archive: Archive) -> None:
    store_in_steps(path, 1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerCheckpoint):
        await archive.booking(1)


def test_pages_are_found_by_an_index(path: Path) -> None:
    """However long the history: nothing is scanned, and nothing sorted."""
    store_in_steps(path, 1)
    statements: list[str] = []

    class Recorder(Archive):
        async def _fetch(self, sql: str, parameters: tuple[int | str, ...]) -> list[tuple[object, ...]]:
            statements.append(sql)
            return []

    async def read() -> None:
        archive = Recorder(path)
        await archive.booking(1)
        await archive.payment(1)
        await archive.bookings_of("user-1")
        await archive.notices_of("user-1")
        await archive.refunds_of(1)

    asyncio.run(read())
    assert len(statements) == 5
    for sql in statements:
        with closing(sqlite3.connect(path)) as database:
            steps = [row[3] for row in database.execute("EXPLAIN QUERY PLAN " + sql, (1,) * sql.count("?"))]
        assert not [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step], steps


async def test_a_booking_that_moves_between_reads_is_never_missed(path: Path, archive: Archive) -> None:
    history = History()
    event_id = history.event(("Standing", "1.00", 100))
    booking_ids = []
    for _ in range(20):
        booking_ids.append(booking_id_of(history.book("user-1", event_id)))
        history.give_up(booking_ids[-1])
        store(path, history.state)
        history.pass_time(HOUR_MS // 4)
        store(path, history.state)
        assert [booking.id for booking in await archive.bookings_of("user-1", limit=100)] == booking_ids[::-1]
    assert len(history.state.bookings.rows) < 20
