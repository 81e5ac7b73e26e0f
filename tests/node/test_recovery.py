"""Starts on folders that are not what they should be: refused, with the place and the next step."""

import sqlite3
import time
from pathlib import Path

import pytest

from onsale.engine import facts as f
from onsale.journal.checkpoint import CheckpointWriter
from onsale.journal.disk import RealDisk
from onsale.journal.errors import CorruptCheckpoint, CorruptJournal, NewerCheckpoint
from onsale.journal.recovery import create_journal
from onsale.journal.writer import JournalAppender
from onsale.node.checkpointing import Checkpointing
from onsale.node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, start
from onsale.node.serve import _warn_of_a_late_clock

NOW_MS = 1_800_000_000_000


def write_journal(data: Path, users: int, *, segment_bytes_max: int = 1 << 20, payload: bytes = b"") -> None:
    """A journal of users, one a batch, and behind it a batch of one fact with this payload."""
    disk = RealDisk(data / JOURNAL_FOLDER)
    created = create_journal(disk, data.name[-16:].encode().ljust(16, b"-"))
    appender = JournalAppender(disk, created, epoch=1, segment_bytes_max=segment_bytes_max)
    for number in range(users):
        appender.append(NOW_MS, 1, f.encode([f.UserSaved(f"u-{number}", None, None, None)]))
    if payload:
        appender.append(NOW_MS, 1, payload)
    appender.close()


def write_checkpoint(data: Path) -> None:
    started = start(data)
    writer = CheckpointWriter(data / CHECKPOINT_FILE, on_done=lambda _: None, on_failure=pytest.fail)
    checkpointing = Checkpointing(
        started.state,
        writer,
        epoch=1,
        journal_id=started.recovered.journal_id,
        seq=0,
        call_later=lambda _seconds, _callback: None,
    )
    checkpointing.take_now(started.recovered.last_hash)
    writer.close()


def test_an_empty_folder_begins_a_journal(tmp_path: Path) -> None:
    assert start(tmp_path).state.seq == 0
    assert start(tmp_path).recovered.last_seq == 0


def test_a_journal_without_its_beginning_is_refused_unless_a_checkpoint_has_it(tmp_path: Path) -> None:
    write_journal(tmp_path, 30, segment_bytes_max=500)
    first, second, *_ = sorted((tmp_path / JOURNAL_FOLDER).iterdir())
    content = first.read_bytes()
    first.unlink()
    with pytest.raises(CorruptJournal, match=second.name):
        start(tmp_path)
    first.write_bytes(content)
    write_checkpoint(tmp_path)
    first.unlink()
    assert start(tmp_path).state.seq == 30


@pytest.mark.parametrize("ours", [3, 10])
def test_a_checkpoint_of_another_journal_is_named_and_the_journal_is_not_blamed(tmp_path: Path, ours: int) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    write_journal(here, ours)
    write_journal(elsewhere, 5)
    write_checkpoint(elsewhere)
    (elsewhere / CHECKPOINT_FILE).rename(here / CHECKPOINT_FILE)
    with pytest.raises(CorruptCheckpoint, match=r"checkpoint\.sqlite belongs to another journal"):
        start(here)
    (here / CHECKPOINT_FILE).unlink()
    assert start(here).state.seq == ours


@pytest.mark.parametrize(
    "payload",
    [
        b"\x91\x92\x7f\x01",  # a fact of a kind that is not known here
        b"\x91\xc1",  # not MessagePack
        f.encode([f.Lapsed(99)]),  # of a booking that nobody made
    ],
)
def test_a_fact_that_this_version_cannot_apply_is_refused_with_its_place(tmp_path: Path, payload: bytes) -> None:
    write_journal(tmp_path, 30, segment_bytes_max=500, payload=payload)
    with pytest.raises(CorruptJournal, match=r"seq 31.*newer Onsale.*inspect") as raised:
        start(tmp_path)
    assert raised.value.segment == max(path.name for path in (tmp_path / JOURNAL_FOLDER).iterdir())


def test_a_newer_checkpoint_is_refused(tmp_path: Path) -> None:
    write_journal(tmp_path, 3)
    write_checkpoint(tmp_path)
    database = sqlite3.connect(tmp_path / CHECKPOINT_FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(NewerCheckpoint, match="newer Onsale"):
        start(tmp_path)


def test_a_clock_behind_the_journal_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    now_ms = time.time_ns() // 1_000_000
    _warn_of_a_late_clock(now_ms)
    _warn_of_a_late_clock(now_ms - 10**9)
    assert not caplog.messages
    _warn_of_a_late_clock(now_ms + 3_600_000)
    assert "3600 s behind" in caplog.text
