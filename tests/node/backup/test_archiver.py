"""What the archiver puts where, and that whatever stops it, nothing is lost."""

from contextlib import suppress
from pathlib import Path

import pytest

from onsale.journal.disk import RealDisk
from onsale.journal.errors import NoJournal
from onsale.journal.recovery import recover
from onsale.journal.segments import list_segments
from onsale.node.backup.archiver import MERGED_PARTS, OtherJournal
from onsale.node.backup.layout import JOURNAL_ID as JOURNAL_ID_NAME
from onsale.node.backup.layout import part_of
from onsale.node.backup.target import TargetFailed
from onsale.tests.journal.journals import add, append, begin, offsets, receive
from onsale.tests.node.backup.archives import MemoryTarget, archive, archiver_of, brought_back, files

SMALL = 400  # bytes of a segment


@pytest.fixture
def disk(tmp_path: Path) -> RealDisk:
    return RealDisk(tmp_path / "journal")


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


def contents(disk: RealDisk) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in disk.root.iterdir()}


def test_segments_come_back_byte_for_byte(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 30))
    appender.close()
    before = contents(disk)
    archiver = archive(disk, target)
    assert len(before) > 4
    assert contents(disk) == before, "the journal's folder is only read"
    assert archiver.position == appender.position
    assert files(brought_back(target, tmp_path / "back")) == files(disk)
    assert len(target.parts) == len(before), "one part for each segment"


def test_what_is_new_goes_as_a_part_of_its_own(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk)
    append(appender, 1, 2)
    archiver = archiver_of(disk, target)
    assert archiver.round()
    assert archiver.position == appender.position
    append(appender, 3)
    archiver.round()
    archiver.round()
    append(appender, 4, 5)
    archiver.round()
    appender.mark()
    archiver.round()
    assert archiver.position == appender.position
    ends = offsets(disk)
    assert sorted((part.offset, part.end, part.last_seq) for part in target.parts) == [
        (0, ends[2], 5),
        (ends[2], ends[3], 6),
        (ends[3], ends[5], 11),
        (ends[5], ends[6], 11),
    ]
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_a_full_segment_becomes_one_part(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    for number in range(1, 20):
        append(appender, number)
        archiver.round()
    archiver.round()
    full = [each.first_seq for each in list_segments(disk)[:-1]]
    assert len(full) > 2
    for first_seq in full:
        assert len([part for part in target.parts if part.key.first_seq == first_seq]) == 1
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_what_is_new_goes_before_a_full_segment_becomes_one_part(disk: RealDisk, target: MemoryTarget) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    number = 0
    while len(list_segments(disk)) == 1:
        archiver.round()
        number += 2
        append(appender, number - 1, number)
    target.log.clear()
    archiver.round()
    kinds = [(kind, part.key.first_seq, part.offset) for kind, name in target.log if (part := part_of(name))]
    full, last = list_segments(disk)
    whole = kinds.index(("put", full.first_seq, 0))
    assert kinds.index(("put", last.first_seq, 0)) < whole
    assert {kind for kind, _, _ in kinds[whole + 1 :]} == {"remove"}


def test_many_small_parts_become_one(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk)
    archiver = archiver_of(disk, target)
    for number in range(1, 2 * MERGED_PARTS + 4):
        append(appender, number)
        archiver.round()
    assert len(target.parts) < MERGED_PARTS
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_an_archive_that_may_not_be_thinned_out_grows_and_says_so_once(disk: RealDisk, tmp_path: Path) -> None:
    target, said = MemoryTarget(), []
    target.may_remove = False
    appender = begin(disk)
    archiver = archiver_of(disk, target)
    archiver._tell = said.append
    for number in range(1, 2 * MERGED_PARTS + 4):
        append(appender, number)
        archiver.round()
    assert len(said) == 1
    assert "may not remove" in said[0]
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_a_journal_without_facts_leaves_nothing(disk: RealDisk, target: MemoryTarget) -> None:
    begin(disk)
    archiver = archive(disk, target)
    assert target.parts == []
    assert archiver.position is not None
    assert archiver.position.seq == 0


def test_a_segment_that_was_replaced_before_it_held_facts(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk)
    appender._marked = False
    appender.mark()
    archiver = archiver_of(disk, target)
    archiver.round()
    receive(appender, 1, 2)  # of the other kind now, under the same name
    archiver.round()
    append(appender, 3)
    archiver.round()
    assert len(list_segments(disk)) == 2
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_epochs_are_kept_apart(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    for number, epoch in enumerate((1, 1, 1, 2, 2, 5, 5, 5, 5, 6), 1):
        add(appender, b"fact" * number * 3, at_ms=number, epoch=epoch)
    archiver = archive(disk, target)
    assert {part.epoch for part in target.parts} == {1, 2, 5, 6}
    assert all(part.name.startswith(f"epoch-{part.epoch:010d}/journal/") for part in target.parts)
    assert archiver.position is not None
    assert archiver.position.epoch == 6
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


# --- stopped, and begun again


def test_a_second_run_writes_nothing_twice(disk: RealDisk, target: MemoryTarget) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    for number in range(1, 12):
        append(appender, number)
        archiver.round()
    archive(disk, target)
    target.log.clear()
    again = archive(disk, target)
    assert target.log == []
    assert again.position == appender.position


def test_it_may_be_killed_after_every_single_call(disk: RealDisk, tmp_path: Path) -> None:
    """At each point a new archiver takes over; whatever was archived by then comes back."""
    target = MemoryTarget()
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, 1)
    archiver = archive(disk, target)
    for calls in range(1, 60):
        append(appender, calls + 1)
        target.left = calls % 4
        try:
            archiver = archiver_of(disk, target)
            archiver.round()
            reached = archiver.position
        except TargetFailed:
            reached = None
        target.left = None
        back = brought_back(target, tmp_path / str(calls))
        if reached is not None:
            assert recover(back, repair=False).position.seq >= reached.seq
    archive(disk, target)
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_a_failing_target_is_gone_on_with_where_it_was(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    archiver = archiver_of(disk, target)
    for number in range(1, 40):
        append(appender, number)
        target.left = number % 2
        with suppress(TargetFailed):
            archiver.round()
        target.left = None
        if archiver.position is not None:
            back = brought_back(target, tmp_path / str(number))
            assert recover(back, repair=False).position.seq >= archiver.position.seq
    while not archiver.round():
        pass
    assert archiver.position == appender.position
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_what_a_restore_needs_goes_first(disk: RealDisk, target: MemoryTarget) -> None:
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 30))
    segments = list_segments(disk)
    checkpoint_seq = segments[-2].first_seq + 1
    archiver = archiver_of(disk, target, since_seq=checkpoint_seq)
    assert not archiver.round()
    assert archiver.position == appender.position
    assert {part.key.first_seq for part in target.parts} == {each.first_seq for each in segments[-3:]}
    rounds = 1
    while not archiver.round():
        rounds += 1
    assert rounds + 1 == len(segments) - 2
    assert {part.key.first_seq for part in target.parts} == {each.first_seq for each in segments}


def test_another_journal_is_refused(disk: RealDisk, target: MemoryTarget, tmp_path: Path) -> None:
    append(begin(disk), 1)
    archive(disk, target)
    other = RealDisk(tmp_path / "other")
    append(begin(other, journal_id=b"another journal!"), 1)
    before = dict(target.objects)
    with pytest.raises(OtherJournal, match="another journal"):
        archiver_of(other, target)
    assert target.objects == before
    assert JOURNAL_ID_NAME in before


def test_no_journal_at_all(disk: RealDisk, target: MemoryTarget) -> None:
    with pytest.raises(NoJournal, match="start the node first"):
        archiver_of(disk, target)
