"""What is told of facts that were cut off, and what becomes of a checkpoint that had them."""

import logging
from pathlib import Path

import pytest

from onsale.engine import facts as f
from onsale.journal.checkpoint import load
from onsale.journal.divergence import CutPart, cut_after
from onsale.journal.recovery import create_journal
from onsale.journal.writer import JournalAppender
from onsale.node.divergence_report import NAMED_IN_LOG_MAX, report_cut, set_aside_checkpoint
from onsale.node.recovery import CHECKPOINT_FILE
from onsale.tests.journal.journals import add, whole
from onsale.tests.node.test_recovery import write_checkpoint, write_journal
from onsale.tests.simulation.disk import SimulatedDisk

NOW_MS = 1_800_000_000_000


def held(number: int) -> f.Held:
    return f.Held(number, f"user-{number}", 3, 4, 2, 1_000, NOW_MS + 300_000)


def cut_off(disk: SimulatedDisk, *facts: f.Fact) -> CutPart:
    """These facts, a batch each, behind one that stays."""
    appender = JournalAppender(disk, create_journal(disk, b"j" * 16), segment_bytes_max=1 << 20)
    for fact in (f.UserSaved("stays", None, None, None), *facts):
        add(appender, f.encode([fact]), at_ms=NOW_MS)
    appender.close()
    part = cut_after(disk, 1)
    assert part is not None
    return part


def test_whose_bookings_they_were_stands_in_a_file_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    disk = SimulatedDisk(1)
    facts = [
        held(7),
        f.PaymentStarted(5, 7, 1_000, None, NOW_MS),
        f.UserSaved("ada", None, None, None),
        f.PaymentSucceeded(5, None),
        f.Lapsed(8),
    ]
    part = cut_off(disk, *facts)
    report_cut(disk, part)
    lines = whole(disk, f"{part.file}.txt").decode().splitlines()
    assert lines == [
        "seq 2, 2027-01-15T08:00:00.000Z: booking 7 of user user-7, 2 of event 3, held",
        "seq 3, 2027-01-15T08:00:00.000Z: payment 5 for booking 7 was begun",
        "seq 5, 2027-01-15T08:00:00.000Z: payment 5 succeeded",
        "seq 6, 2027-01-15T08:00:00.000Z: booking 8: lapsed",
    ]
    headline, *told = caplog.messages
    assert "from seq 2 to 6" in headline
    assert "4 concern bookings" in headline
    assert told == [f"  {line}" for line in lines]


def test_the_log_names_some_and_the_file_all(caplog: pytest.LogCaptureFixture) -> None:
    disk = SimulatedDisk(1)
    part = cut_off(disk, *(held(number) for number in range(NAMED_IN_LOG_MAX + 5)))
    report_cut(disk, part)
    assert len(whole(disk, f"{part.file}.txt").splitlines()) == NAMED_IN_LOG_MAX + 5
    assert len(caplog.messages) == NAMED_IN_LOG_MAX + 2
    assert caplog.messages[-1] == "  and 5 more"


def test_it_can_be_told_again(caplog: pytest.LogCaptureFixture) -> None:
    """A crash may have come before it was told."""
    disk = SimulatedDisk(1)
    part = cut_off(disk, held(1))
    report_cut(disk, part)
    report_cut(disk, part)
    assert len(whole(disk, f"{part.file}.txt").splitlines()) == 1


def test_a_checkpoint_that_has_none_of_it_stays(tmp_path: Path) -> None:
    write_journal(tmp_path, 5)
    seq = write_checkpoint(tmp_path)
    set_aside_checkpoint(tmp_path / CHECKPOINT_FILE, seq)
    loaded = load(tmp_path / CHECKPOINT_FILE)
    assert loaded is not None
    assert loaded.position.seq == seq


def test_a_checkpoint_that_has_some_of_it_is_set_aside_each_time_under_a_name_of_its_own(tmp_path: Path) -> None:
    write_journal(tmp_path, 5)
    for number in (1, 2):
        seq = write_checkpoint(tmp_path)
        set_aside_checkpoint(tmp_path / CHECKPOINT_FILE, seq - 1)
        assert load(tmp_path / CHECKPOINT_FILE) is None
        kept = load(tmp_path / f"{CHECKPOINT_FILE}.diverged-{number}")
        assert kept is not None
        assert kept.position.seq == seq


def test_without_a_checkpoint_there_is_nothing_to_set_aside(tmp_path: Path) -> None:
    set_aside_checkpoint(tmp_path / CHECKPOINT_FILE, 0)
    assert not list(tmp_path.iterdir())
