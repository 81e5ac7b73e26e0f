"""Checkpoints of one moment, encoded little by little while the state goes on, and what is recent beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onsale.engine.apply import apply
from onsale.engine.commands import Book, Command, CreateEvent, GiveUp, Retire, TypeSpec
from onsale.engine.decide import decide
from onsale.engine.restore import restore
from onsale.engine.state import State, state_hash
from onsale.journal.checkpoint import Checkpoint, Position, load
from onsale.node import checkpointing as module
from onsale.node.checkpointing import Checkpointing

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000
JOURNAL_ID = b"a" * 16


class Desk:
    """A state, its checkpointing, a writer that waits, and clocks moved by hand."""

    def __init__(self) -> None:
        self.state = State()
        self.busy = False
        self.handed: list[tuple[dict[str, Any], list[Any], Position]] = []
        self.later: list[Callable[[], None]] = []
        self.now = 0.0
        self.epoch = 1
        self.checkpointing = Checkpointing(
            self.state,
            self,
            epoch=lambda: self.epoch,
            journal_id=JOURNAL_ID,
            seq=0,
            call_later=lambda _seconds, callback: self.later.append(callback),
            seconds=lambda: self.now,
        )
        self.do(CreateEvent("Concert", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", 100_000),)))

    def hand_over(self, changes: dict[str, Any], notices: list[Any], position: Position) -> None:
        assert not self.busy
        self.busy = True
        self.handed.append((changes, notices, position))

    def do(self, command: Command, at_ms: int = NOW_MS) -> None:
        for fact in decide(self.state, at_ms, command).facts:
            apply(self.state, at_ms, fact)

    def book(self, count: int, who: str = "user") -> None:
        for number in range(count):
            self.do(Book(f"{who}-{number}", 1, HOLD_MS))

    def wait(self) -> None:
        self.now += module.SECONDS_BETWEEN_MAX

    def slice(self) -> None:
        self.later.pop()()

    def written(self, path: Path) -> State:
        """What a start would find, had the process ended once the database had it."""
        changes, notices, position = self.handed.pop()
        database = Checkpoint(path)
        database.write(changes, notices, position)
        database.close()
        self.busy = False
        self.checkpointing.done(position.seq)
        loaded = load(path)
        assert loaded is not None
        return loaded.restore_with(restore)


def test_nothing_is_taken_before_its_time() -> None:
    desk = Desk()
    desk.book(10)
    desk.checkpointing.handed_over()
    assert not desk.later
    desk.wait()
    desk.checkpointing.handed_over()
    assert desk.later


def test_many_rows_are_worth_one_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_WORTH_A_CHECKPOINT", 10)
    desk = Desk()
    desk.book(9)
    desk.checkpointing.handed_over()
    assert not desk.later
    desk.book(1, "one-more")
    desk.checkpointing.handed_over()
    assert desk.later


@pytest.mark.parametrize("durable_first", [True, False])
def test_it_is_handed_over_when_it_is_whole_and_its_batch_durable(durable_first: bool) -> None:
    desk = Desk()
    desk.book(1_000)
    desk.wait()
    desk.checkpointing.handed_over()
    seq = desk.state.seq
    if durable_first:
        desk.checkpointing.became_durable(seq, b"h" * 16)
    while desk.later:
        assert not desk.handed
        desk.slice()
    if not durable_first:
        assert not desk.handed
        desk.checkpointing.became_durable(seq, b"h" * 16)
    ((_, notices, position),) = desk.handed
    assert (position.seq, position.chain_hash, len(notices)) == (seq, b"h" * 16, 1_000)


def test_what_changes_meanwhile_is_in_the_next_one(tmp_path: Path) -> None:
    desk = Desk()
    desk.book(1_000)
    desk.wait()
    desk.checkpointing.handed_over()
    moment = state_hash(desk.state)
    desk.checkpointing.became_durable(desk.state.seq, b"h" * 16)
    round_number = 0
    while desk.later:
        round_number += 1
        desk.slice()
        for booking_id in (round_number, 1_000 - round_number):  # one that had its turn perhaps, one that had not
            desk.do(GiveUp(booking_id, HOLD_MS))
        desk.book(5, f"round-{round_number}")
    assert round_number >= 3
    assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == moment
    desk.wait()
    desk.checkpointing.handed_over()
    later = state_hash(desk.state)
    while desk.later:
        desk.slice()
    desk.checkpointing.became_durable(desk.state.seq, b"i" * 16)
    assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == later


def test_one_at_a_time() -> None:
    desk = Desk()
    desk.book(1_000)
    for _ in range(2):
        desk.wait()
        desk.checkpointing.handed_over()
    assert len(desk.later) == 1
    desk.checkpointing.became_durable(desk.state.seq, b"h" * 16)
    while desk.later:
        desk.slice()
    desk.wait()
    desk.checkpointing.handed_over()
    assert not desk.later, "the writer is busy"


def test_the_last_one_is_taken_whole_at_once(tmp_path: Path) -> None:
    desk = Desk()
    desk.book(1_000)
    desk.checkpointing.take_now(b"h" * 16)
    assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == state_hash(desk.state)
    assert not desk.checkpointing.under_way
    desk.checkpointing.take_now(b"h" * 16)
    assert not desk.handed, "nothing has changed since"


def test_recent_things_are_found_by_user_until_the_database_has_them(tmp_path: Path) -> None:
    desk = Desk()
    checkpointing = desk.checkpointing
    desk.do(Book("ada", 1, HOLD_MS))
    assert [booking.id for booking in checkpointing.bookings_of("ada")] == [1]
    desk.book(600)
    desk.wait()
    checkpointing.handed_over()
    desk.do(Book("ada", 1, HOLD_MS))
    assert [booking.id for booking in checkpointing.bookings_of("ada")] == [1, 602]
    assert [(notice.kind, notice.booking_id) for notice in checkpointing.notices_of("ada")] == [
        ("held", 1),
        ("held", 602),
    ]
    assert not checkpointing.bookings_of("nobody")
    while desk.later:
        desk.slice()
    checkpointing.became_durable(desk.state.seq - 1, b"h" * 16)
    desk.written(tmp_path / "checkpoint.sqlite")
    assert [booking.id for booking in checkpointing.bookings_of("ada")] == [602]
    assert [notice.booking_id for notice in checkpointing.notices_of("ada")] == [602]


def test_what_a_start_applied_from_the_journal_is_recent_too() -> None:
    desk = Desk()
    desk.do(Book("ada", 1, HOLD_MS))
    started = Checkpointing(
        desk.state, desk, epoch=lambda: 1, journal_id=JOURNAL_ID, seq=0, call_later=lambda _seconds, _callback: None
    )
    assert [booking.id for booking in started.bookings_of("ada")] == [1]
    assert [notice.booking_id for notice in started.notices_of("ada")] == [1]


def test_one_with_nothing_to_encode_is_handed_over_once(tmp_path: Path) -> None:
    """A batch may do nothing but retire: it is whole before its first slice."""
    desk = Desk()
    desk.book(1)
    desk.do(GiveUp(1, HOLD_MS))
    desk.checkpointing.take_now(b"h" * 16)
    desk.written(tmp_path / "checkpoint.sqlite")
    desk.do(Retire((1,)), NOW_MS + 2 * 3600 * 1000)
    assert not desk.state.bookings.rows
    desk.wait()
    desk.checkpointing.handed_over()
    desk.checkpointing.became_durable(desk.state.seq, b"i" * 16)
    assert len(desk.handed) == 1
    desk.slice()
    assert len(desk.handed) == 1
    assert not desk.later
    assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == state_hash(desk.state)


def test_what_is_written_is_let_go_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELEASED_PER_SLICE", 100)
    desk = Desk()
    desk.book(1_000)
    desk.checkpointing.take_now(b"h" * 16)
    changes, notices, _ = desk.handed[0]
    left = [len(changes["bookings"].changed)]
    before = state_hash(desk.state)
    restored = desk.written(tmp_path / "checkpoint.sqlite")
    desk.book(1, "meanwhile")
    while desk.later:
        left.append(len(changes["bookings"].changed) + len(changes["bookings"].encoded) + len(notices))
        desk.slice()
    assert not changes["bookings"].changed
    assert not changes["bookings"].encoded
    assert not notices
    assert len(left) > 10, "not all at once"
    assert state_hash(restored) == before
    desk.checkpointing.take_now(b"i" * 16)
    assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == state_hash(desk.state)


def test_another_checkpoint_may_be_taken_before_the_last_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELEASED_PER_SLICE", 10)
    desk = Desk()
    for number in range(3):
        desk.book(100, f"round-{number}")
        desk.checkpointing.take_now(b"h" * 16)
        assert state_hash(desk.written(tmp_path / "checkpoint.sqlite")) == state_hash(desk.state)
    assert len(desk.later) == 3
    while desk.later:
        desk.slice()
    assert desk.checkpointing.bookings_of("round-1-7") == []
    assert len(desk.state.bookings.rows) == 300
