"""Old segments go whole, oldest first, and never leave a gap."""

from contextlib import suppress

import pytest

from onsale.journal.errors import CorruptJournal, HistoryGone, JournalFailed
from onsale.journal.reader import JournalReader, SealedReader, position_at, read_batches
from onsale.journal.recovery import recover
from onsale.journal.retention import remove_through
from onsale.journal.segments import list_segments
from onsale.tests.journal.journals import append, begin, contents, filled, payload, resume
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def test_only_segments_that_are_passed_as_a_whole_are_removed(disk):
    position = filled(disk, *range(20), segment_bytes_max=400)
    segments = list_segments(disk)
    third = segments[2]
    assert remove_through(disk, third.first_seq - 2) == [segments[0].name]
    assert remove_through(disk, third.first_seq - 2) == []
    assert remove_through(disk, third.first_seq - 1) == [segments[1].name]
    recovered = recover(disk)
    assert recovered.first_seq == third.first_seq
    assert recovered.position == position


def test_the_last_segment_is_never_removed(disk):
    position = filled(disk, *range(20), segment_bytes_max=400)
    segments = list_segments(disk)
    assert remove_through(disk, position.seq + 100) == [segment.name for segment in segments[:-1]]
    assert list_segments(disk) == segments[-1:]
    assert recover(disk).position == position
    append(resume(disk), 20)
    assert contents(disk, after_seq=position.seq) == [payload(20)]


def test_other_files_stay(disk):
    filled(disk, *range(20), segment_bytes_max=400)
    disk.create("promise")
    remove_through(disk, 1000)
    assert "promise" in disk.names()


def test_it_is_durable(disk):
    filled(disk, *range(20), segment_bytes_max=400)
    kept = list_segments(disk)[-1:]
    remove_through(disk, 1000)
    disk.crash()
    assert list_segments(disk) == kept


def test_the_power_may_go_at_any_moment():
    left = set()
    for seed in range(20):
        for step in range(14):
            disk = SimulatedDisk(seed)
            position = filled(disk, *range(20), segment_bytes_max=400)
            disk.lose_power(after=step)
            with suppress(PowerLost):
                remove_through(disk, position.seq)
            disk.crash()
            assert recover(disk).position == position
            left.add(len(list_segments(disk)))
    assert len(left) > 3


@pytest.mark.parametrize("operation", ["remove", "sync_folder"])
def test_a_failing_disk_is_a_failed_journal(disk, operation):
    filled(disk, *range(20), segment_bytes_max=400)
    disk.fail(operation)
    with pytest.raises(JournalFailed, match="removing"):
        remove_through(disk, 1000)
    assert len(list_segments(disk)) > 1


def test_a_reader_hears_that_what_it_wants_is_gone(disk):
    appender = begin(disk, segment_bytes_max=400)
    append(appender, *range(20))
    last_seq = appender.position.seq
    segments = list_segments(disk)
    in_the_first, in_the_second = JournalReader(disk, 0), SealedReader(disk, segments[1].first_seq - 1)
    in_the_third = JournalReader(disk, segments[2].first_seq - 1)
    next(in_the_first.read(last_seq))
    in_the_second.read(segments[2].first_seq - 1, 1_000_000)  # all of it, and nothing of the third
    remove_through(disk, segments[2].first_seq - 1)
    with pytest.raises(HistoryGone) as raised:
        list(in_the_first.read(last_seq))
    assert raised.value.first_seq == segments[2].first_seq
    assert list(in_the_third.read(last_seq)) == list(read_batches(disk, segments[2].first_seq - 1))
    assert position_at(disk, 1) is None


def test_a_segment_that_is_gone_in_the_middle_is_not_retention(disk):
    filled(disk, *range(20), segment_bytes_max=400)
    reader = JournalReader(disk, 0)
    first, second = list_segments(disk)[:2]
    disk.remove(second.name)
    with pytest.raises(CorruptJournal, match="does not follow"):
        list(reader.read(10_000))
    disk.remove(first.name)
    with pytest.raises(HistoryGone):
        list(JournalReader(disk, 0).read(10_000))


def test_listing_goes_on_while_segments_are_removed(disk, monkeypatch):
    filled(disk, *range(20), segment_bytes_max=400)
    segments = list_segments(disk)
    names = disk.names()
    disk.remove(segments[0].name)
    monkeypatch.setattr(disk, "names", lambda: names)
    assert list_segments(disk) == segments[1:]
