"""The archiver and a journal that is cut, thinned out, torn or damaged while it is archived."""

import os
from pathlib import Path

import pytest

from onsale.journal.batch import seal
from onsale.journal.disk import RealDisk
from onsale.journal.divergence import cut_after
from onsale.journal.errors import CorruptJournal
from onsale.journal.recovery import recover
from onsale.journal.retention import remove_through
from onsale.journal.segments import HEADER_BYTES, list_segments, segment_name
from onsale.journal.writer import JournalAppender
from onsale.tests.journal.journals import FIRST, add, append, begin, offsets, receive, resume
from onsale.tests.node.backup.archives import MemoryTarget, archive, archiver_of, brought_back, files

SMALL = 400  # bytes of a segment


@pytest.fixture
def disk(tmp_path: Path) -> RealDisk:
    return RealDisk(tmp_path / "journal")


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


# --- what happens to the journal meanwhile


def test_segments_that_are_removed(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 10))
    archiver = archive(disk, target)
    whole = files(disk)
    remove_through(disk, appender.position.seq)
    append(appender, *range(10, 20))
    while not archiver.round():
        pass
    assert files(brought_back(target, tmp_path / "back")) == whole | files(disk)


def test_one_that_is_removed_while_it_is_read(
    disk: RealDisk, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 20))
    archiver = archiver_of(disk, target)
    read = RealDisk.read

    def remove_first(self: RealDisk, name: str, offset: int, count_bytes: int) -> bytes:
        monkeypatch.setattr(RealDisk, "read", read)
        remove_through(self, list_segments(self)[2].first_seq)
        return read(self, name, offset, count_bytes)

    monkeypatch.setattr(RealDisk, "read", remove_first)
    assert not archiver.round()
    while not archiver.round():
        pass
    assert archiver.position == appender.position


@pytest.mark.parametrize("kept", [3, 7, 12])
def test_a_tail_that_is_cut_off_and_written_anew(
    disk: RealDisk, target: MemoryTarget, tmp_path: Path, kept: int
) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    ends = {}
    for number in range(1, 15):
        append(appender, number)
        ends[number] = appender.position.seq
        archiver.round()
    appender.close()
    archived = dict(target.objects)
    recover(disk)
    cut_after(disk, ends[kept])
    appender = resume(disk, segment_bytes_max=SMALL)
    for number in range(1, 4):
        add(appender, f"of the next epoch, fact {number}".encode() * 3, at_ms=100 + number, epoch=2)
        archiver.round()
    while not archiver.round():
        pass
    assert archiver.position == appender.position
    lost = {name for name in archived if name not in target.objects and target.log.count(("remove", name)) == 0}
    assert not lost, "nothing is overwritten"
    back = brought_back(target, tmp_path / "back")
    assert recover(back, repair=False).position == appender.position


def test_a_tail_that_was_cut_and_is_longer_again_at_the_next_look(
    disk: RealDisk, target: MemoryTarget, tmp_path: Path
) -> None:
    appender = begin(disk)
    append(appender, 1, 2, 3)
    kept = appender.position.seq
    append(appender, 4)
    archiver = archive(disk, target)
    appender.close()
    recover(disk)
    cut_after(disk, kept)
    appender = resume(disk)
    for number in range(9):
        add(appender, b"the next epoch's", at_ms=50 + number, epoch=2)
    assert archiver.round()
    assert archiver.position == appender.position
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_what_is_archived_is_durable_here_before(
    disk: RealDisk, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take it back, and other facts would follow under the same numbers."""
    appender = begin(disk)
    archiver = archiver_of(disk, target)
    target.log.clear()
    sync = os.fdatasync

    def recording(descriptor: int) -> None:
        target.log.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        sync(descriptor)

    append(appender, 1)
    monkeypatch.setattr(os, "fdatasync", recording)
    archiver.round()
    assert [kind for kind, _ in target.log] == ["sync", "put"]
    assert target.log[0][1] == FIRST


def test_a_tail_that_a_crash_took_back_and_the_same_epoch_wrote_anew(
    disk: RealDisk, target: MemoryTarget, tmp_path: Path
) -> None:
    """Not after the archiver's own sync, unless the disk lies."""
    appender = begin(disk)
    append(appender, 1, 2, 3)
    archive(disk, target)
    appender.abandon()
    os.truncate(disk.root / FIRST, offsets(disk)[2])
    appender = resume(disk)
    for number in range(5):
        add(appender, b"another fact", at_ms=50 + number, count=2)
    archive(disk, target)
    back = brought_back(target, tmp_path / "back")
    assert recover(back, repair=False).position == appender.position


# --- what is wrong with the journal


@pytest.mark.parametrize("cut_bytes", [1, 30, 90])
def test_a_torn_tail_is_not_archived(disk: RealDisk, target: MemoryTarget, tmp_path: Path, cut_bytes: int) -> None:
    appender = begin(disk)
    append(appender, 1, 2, 3)
    appender.abandon()
    path = disk.root / FIRST
    ends = offsets(disk)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut_bytes])
    archiver = archive(disk, target)
    assert (disk.root / FIRST).read_bytes() == whole[:-cut_bytes]
    assert files(brought_back(target, tmp_path / "back"))[FIRST] == whole[: ends[2]]
    path.write_bytes(whole)  # it was only being written
    archiver.round()
    assert files(brought_back(target, tmp_path / "again"))[FIRST] == whole


def test_garbage_behind_the_end_is_not_archived(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk)
    append(appender, 1, 2)
    appender.abandon()
    path = disk.root / FIRST
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(500))
    archive(disk, target)
    assert files(brought_back(target, tmp_path / "back"))[FIRST] == whole


@pytest.mark.parametrize("which", [0, 2, -1])
def test_damage_is_told_with_its_place_and_never_archived(
    disk: RealDisk, target: MemoryTarget, tmp_path: Path, which: int
) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 18))
    segment = list_segments(disk)[which]
    path = disk.root / segment.name
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + 80] ^= 1
    path.write_bytes(content)
    archiver = archiver_of(disk, target)
    assert not archiver.round(), "it is looked at a second time before it is believed"
    with pytest.raises(CorruptJournal) as corrupt:
        archiver.round()
    assert (corrupt.value.segment, corrupt.value.offset) == (segment.name, HEADER_BYTES)
    assert not [part for part in target.parts if part.key.first_seq == segment.first_seq]


def test_a_missing_segment_is_told(disk: RealDisk, target: MemoryTarget) -> None:
    append(begin(disk, segment_bytes_max=SMALL), *range(1, 18))
    gone, after = list_segments(disk)[1:3]
    (disk.root / gone.name).unlink()
    archiver = archiver_of(disk, target)
    assert not archiver.round()
    with pytest.raises(CorruptJournal, match=after.name):
        archiver.round()


def test_received_batches_come_back_too(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    for number in range(1, 20, 3):
        receive(appender, number, number + 1, number + 2)
        archiver.round()
    append(appender, 30, 31)
    appender.close()
    while not archiver.round():
        pass
    assert archiver.position == appender.position
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_a_position_is_what_a_restored_journal_ends_with(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk)
    assert isinstance(appender, JournalAppender)
    appender.append(seal(appender.position, epoch=3, at_ms=77, count=4, payload=b"facts"))
    archiver = archive(disk, target)
    back = brought_back(target, tmp_path / "back")
    assert recover(back, repair=False).position == archiver.position == appender.position
    assert segment_name(1) in files(back)
