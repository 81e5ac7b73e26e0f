"""Starts on folders that are not what they should be: refused, with the place and the next step."""

import sqlite3
import time
from pathlib import Path

import pytest

from onsale.engine import facts as f
from onsale.journal.batch import seal
from onsale.journal.checkpoint import CheckpointWriter
from onsale.journal.disk import RealDisk
from onsale.journal.errors import CorruptCheckpoint, CorruptJournal, NewerCheckpoint, NoJournal
from onsale.journal.reader import position_at
from onsale.journal.recovery import create_journal
from onsale.journal.segments import list_segments
from onsale.journal.writer import JournalAppender
from onsale.node.checkpointing import Checkpointing
from onsale.node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, begin, start
from onsale.node.serve import _warn_of_a_late_clock

NOW_MS = 1_800_000_000_000


def write_journal(
    data: Path, users: int, *, segment_bytes_max: int = 1 << 20, payload: bytes = b"", behind: int = 0
) -> None:
    """A journal of users, one a batch; then a batch of one fact with this payload, and so many users behind it."""
    disk = RealDisk(data / JOURNAL_FOLDER)
    created = create_journal(disk, data.name[-16:].encode().ljust(16, b"-"))
    appender = JournalAppender(disk, created, segment_bytes_max=segment_bytes_max)
    facts = [f.encode([f.UserSaved(f"u-{number}", None, None, None)]) for number in range(users + behind)]
    if payload:
        facts.insert(users, payload)
    for fact in facts:
        appender.append(seal(appender.position, epoch=1, at_ms=NOW_MS, count=1, payload=fact))
    appender.close()


def write_checkpoint(data: Path) -> int:
    """One of what a start applies; its seq."""
    started = start(data)
    writer = CheckpointWriter(data / CHECKPOINT_FILE, on_done=lambda _: None, on_failure=pytest.fail)
    checkpointing = Checkpointing(
        started.state,
        writer,
        epoch=lambda: started.recovered.last_epoch,
        journal_id=started.recovered.journal_id,
        seq=0,
        call_later=lambda _seconds, _callback: None,
    )
    position = position_at(started.disk, started.state.seq)
    assert position is not None
    checkpointing.take_now(position.hash)
    writer.close()
    return started.state.seq


# --- what is not there yet


def test_an_empty_folder_has_no_journal(tmp_path: Path) -> None:
    with pytest.raises(NoJournal):
        start(tmp_path)
    assert not list_segments(RealDisk(tmp_path / JOURNAL_FOLDER)), "nothing is begun unasked"


def test_a_journal_is_begun_once(tmp_path: Path) -> None:
    begin(tmp_path)
    started = start(tmp_path)
    assert (started.state.seq, started.recovered.last_seq, started.unapplied) == (0, 0, [])
    begin(tmp_path)
    assert start(tmp_path).recovered.journal_id == started.recovered.journal_id


def test_a_journal_is_begun_as_one_of_its_cluster(tmp_path: Path) -> None:
    begin(tmp_path, b"a cluster's own.")
    assert start(tmp_path).recovered.journal_id == b"a cluster's own."


# --- what is committed, as far as the journal tells


def test_the_last_batch_may_not_be_committed_and_is_not_applied(tmp_path: Path) -> None:
    """A leader hands a batch over when the one before is committed: only the last one is in doubt."""
    write_journal(tmp_path, 30)
    started = start(tmp_path)
    assert (started.state.seq, started.recovered.last_seq) == (29, 30)
    assert [batch.first_seq for batch in started.unapplied] == [30]
    assert len(started.state.users) == 29


def test_a_checkpoint_at_the_end_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    write_journal(tmp_path, 4)
    assert write_checkpoint(tmp_path) == 3
    started = start(tmp_path)
    assert (started.checkpoint_seq, started.state.seq) == (3, 3)
    assert [batch.first_seq for batch in started.unapplied] == [4]


@pytest.mark.parametrize(
    ("epochs", "applied"),
    [
        ([1], 0),
        ([1, 1], 1),
        ([1, 1, 2], 1),  # the new leader may have taken over what was not committed
        ([1, 1, 2, 2], 3),  # it was committed with the first batch of its own
        ([1, 2, 3], 0),  # nobody ever committed anything
        ([1, 2, 3, 3], 3),
        ([1, 1, 1, 5, 6, 7], 2),
        ([1, 1, 1, 5, 6, 7, 7], 6),
    ],
)
def test_the_first_batch_of_an_epoch_proves_nothing_of_those_before(
    tmp_path: Path, epochs: list[int], applied: int
) -> None:
    disk = RealDisk(tmp_path / JOURNAL_FOLDER)
    appender = JournalAppender(disk, create_journal(disk, b"j" * 16), segment_bytes_max=300)
    for number, epoch in enumerate(epochs):
        fact = f.encode([f.UserSaved(f"u-{number}", None, None, None)])
        appender.append(seal(appender.position, epoch=epoch, at_ms=NOW_MS, count=1, payload=fact))
    appender.close()
    started = start(tmp_path)
    assert started.state.seq == applied
    assert [batch.first_seq for batch in started.unapplied] == list(range(applied + 1, len(epochs) + 1))


def test_a_journal_that_goes_on_with_an_epoch_begun_before_it(tmp_path: Path) -> None:
    """It was begun from a checkpoint: where its epoch began is not in it, and its first batch is not the epoch's."""
    write_journal(tmp_path, 6)
    seq = write_checkpoint(tmp_path)
    disk = RealDisk(tmp_path / JOURNAL_FOLDER)
    before = position_at(disk, seq)
    assert before is not None
    journal_id = start(tmp_path).recovered.journal_id
    for name in disk.names():
        disk.remove(name)
    appender = JournalAppender(disk, create_journal(disk, journal_id, before=before), segment_bytes_max=1 << 20)
    for number in range(3):
        fact = f.encode([f.UserSaved(f"later-{number}", None, None, None)])
        appender.append(seal(appender.position, epoch=1, at_ms=NOW_MS, count=1, payload=fact))
    appender.close()
    started = start(tmp_path)
    assert (started.state.seq, [batch.first_seq for batch in started.unapplied]) == (seq + 2, [seq + 3])


# --- refused


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
    started = start(tmp_path)
    assert (started.state.seq, len(started.unapplied)) == (29, 1)


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
    assert start(here).recovered.last_seq == ours


@pytest.mark.parametrize(
    "payload",
    [
        b"\x91\x92\x7f\x01",  # a fact of a kind that is not known here
        b"\x91\xc1",  # not MessagePack
        f.encode([f.Lapsed(99)]),  # of a booking that nobody made
    ],
)
def test_a_fact_that_this_version_cannot_apply_is_refused_with_its_place(tmp_path: Path, payload: bytes) -> None:
    write_journal(tmp_path, 30, segment_bytes_max=500, payload=payload, behind=1)
    with pytest.raises(CorruptJournal, match=r"seq 31.*newer Onsale.*inspect") as raised:
        start(tmp_path)
    names = sorted(path.name for path in (tmp_path / JOURNAL_FOLDER).iterdir())
    assert raised.value.segment == max(name for name in names if int(name.partition(".")[0]) <= 31)


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
