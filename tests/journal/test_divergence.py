"""What was never committed is cut off, and kept whole, wherever the power goes meanwhile."""

from contextlib import suppress

import pytest

from onsale.journal.batch import position_behind
from onsale.journal.disk import Disk
from onsale.journal.divergence import cut_after, kept_parts
from onsale.journal.errors import CorruptJournal, JournalError, JournalFailed
from onsale.journal.reader import read_batches
from onsale.journal.recovery import recover
from onsale.journal.retention import remove_through
from onsale.tests.journal.journals import (
    FIRST,
    add,
    append,
    begin,
    contents,
    filled,
    offsets,
    payload,
    receive,
    resume,
    whole,
)
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def mixed(disk: Disk, *, segment_bytes_max: int = 500) -> None:
    """Batches 0 to 13, some own, some received, over some segments; stopped uncleanly."""
    appender = begin(disk, segment_bytes_max=segment_bytes_max)
    append(appender, 0, 1, 2)
    receive(appender, 3, 4)
    receive(appender, 5, 6, 7, 8)
    append(appender, 9, 10, 11, 12, 13)


@pytest.mark.parametrize("segment_bytes_max", [1, 500, 2**20])
def test_the_journal_ends_where_it_was_cut_at_every_boundary(segment_bytes_max):
    disk = SimulatedDisk(1)
    mixed(disk, segment_bytes_max=segment_bytes_max)
    batches = list(read_batches(disk, 0))
    for count in range(len(batches)):
        disk = SimulatedDisk(count)
        mixed(disk, segment_bytes_max=segment_bytes_max)
        cut_batches = batches[count:]
        seq = cut_batches[0].first_seq - 1
        part = cut_after(disk, seq)
        assert part.file == f"diverged-{seq + 1:020d}-epoch-1.batches"
        assert (part.first_seq, part.last_seq, part.epochs) == (seq + 1, batches[-1].last_seq, (1,))
        assert part.last_hash == batches[-1].hash
        assert list(part.batches) == cut_batches
        disk.crash()
        recovered = recover(disk, known_durable_seq=seq)
        assert recovered.dropped is None
        assert recovered.position == (position_behind(batches[count - 1]) if count else recovered.before)
        assert list(read_batches(disk, 0)) == batches[:count]
        assert kept_parts(disk) == [part]
        append(resume(disk), 20)
        receive(resume(disk), 21)
        disk.crash()
        assert contents(disk)[count:] == [payload(20), payload(21)]


def test_the_file_holds_the_batches_as_they_were(disk):
    filled(disk, 0, 1, 2, close=False)
    data, begins = whole(disk, FIRST), offsets(disk)
    part = cut_after(disk, 1)
    assert whole(disk, part.file) == data[begins[1] :]
    assert whole(disk, FIRST) == data[: begins[1]]


def test_nothing_is_cut_where_nothing_follows(disk):
    position = filled(disk, *range(5))
    before = {name: whole(disk, name) for name in disk.names()}
    assert cut_after(disk, position.seq) is None
    assert {name: whole(disk, name) for name in disk.names()} == before
    assert kept_parts(disk) == []


def test_an_empty_journal_has_nothing_to_cut(disk):
    begin(disk)
    assert cut_after(disk, 0) is None
    with pytest.raises(ValueError, match="no batch ends at seq 1"):
        cut_after(disk, 1)


def test_it_is_cut_between_batches_alone(disk):
    position = filled(disk, *range(5))
    boundaries = {0} | {batch.last_seq for batch in read_batches(disk, 0)}
    for seq in set(range(position.seq + 5)) - boundaries:
        with pytest.raises(ValueError, match=f"no batch ends at seq {seq}"):
            cut_after(disk, seq)
    assert recover(disk).position == position
    assert kept_parts(disk) == []


def test_it_can_not_be_cut_before_its_beginning(disk):
    filled(disk, *range(12), segment_bytes_max=400)
    remove_through(disk, 8)
    before = recover(disk).before
    with pytest.raises(ValueError, match="not in this journal any more"):
        cut_after(disk, before.seq - 1)
    assert cut_after(disk, before.seq).first_seq == before.seq + 1
    recovered = recover(disk)
    assert recovered.position == recovered.before == before


def test_every_epoch_that_was_cut_is_named(disk):
    appender = begin(disk)
    for at_ms, epoch in enumerate([1, 2, 2, 5, 7]):
        add(appender, b"x", at_ms=at_ms, epoch=epoch)
    part = cut_after(disk, 1)
    assert part.epochs == (2, 5, 7)
    assert part.file.endswith("-epoch-2.batches")
    assert [start.epoch for start in recover(disk).epochs] == [1]


def test_another_tail_at_the_same_place_does_not_replace_the_first(disk):
    append(appender := begin(disk), 0)
    tails = [b"one", b"another", b"a third"]
    for tail in tails:
        add(appender, tail, at_ms=1)
        cut_after(disk, 1)
        appender = resume(disk)
    parts = kept_parts(disk)
    assert sorted(next(part.batches).payload for part in parts) == sorted(tails)
    assert len({part.file for part in parts}) == 3


def test_a_cut_is_finished_wherever_the_power_goes():
    """Until it is through, the whole tail is in the file or in the journal; then it is in the file."""
    finished_later = 0
    for seed in range(25):
        for step in range(26):
            disk = SimulatedDisk(seed)
            mixed(disk)
            batches = list(read_batches(disk, 0))
            seq = batches[2].first_seq - 1
            disk.lose_power(after=step)
            with suppress(PowerLost):
                cut_after(disk, seq)
            disk.crash()
            recovered = recover(disk, known_durable_seq=seq)
            assert recovered.dropped is None
            left = list(read_batches(disk, 0))
            assert left == batches[: len(left)]
            if len(left) < len(batches):
                assert [list(part.batches) for part in kept_parts(disk)] == [batches[2:]]
            part = cut_after(disk, seq)
            finished_later += part is not None
            assert part is None or list(part.batches) == batches[2:]
            disk.crash()
            assert recover(disk).position == position_behind(batches[1])
            assert [list(kept.batches) for kept in kept_parts(disk)] == [batches[2:]]
    assert 100 < finished_later < 25 * 26


@pytest.mark.parametrize(
    "operation", ["create", "write", "sync", "rename", "sync_folder", "remove", "truncate", "read"]
)
def test_a_failing_disk_loses_nothing(operation):
    for after in range(4):
        disk = SimulatedDisk(after)
        mixed(disk)
        batches = list(read_batches(disk, 0))
        disk.fail(operation, after=after)
        with suppress(JournalFailed):
            cut_after(disk, batches[1].last_seq)
        disk.kill()
        recover(disk)
        cut_after(disk, batches[1].last_seq)
        assert list(read_batches(disk, 0)) == batches[:2]
        assert list(kept_parts(disk)[0].batches) == batches[2:]


def test_a_damaged_tail_is_not_cut(disk):
    filled(disk, *range(5), close=False)
    disk.flip_bit(FIRST, offsets(disk)[3] + 70)
    before = whole(disk, FIRST)
    with pytest.raises(CorruptJournal):
        cut_after(disk, 1)
    assert whole(disk, FIRST) == before


def test_a_damaged_part_is_said_to_be(disk):
    filled(disk, *range(5))
    part = cut_after(disk, 1)
    for offset in range(0, disk.size_bytes(part.file), 7):
        disk.flip_bit(part.file, offset)
        with pytest.raises(CorruptJournal, match="diverged"):
            kept_parts(disk)
        disk.flip_bit(part.file, offset)
    assert kept_parts(disk) == [part]


def test_a_damaged_part_is_not_taken_for_the_tail(disk):
    """A file that can't be read keeps nothing: the tail is copied again."""
    filled(disk, *range(5))
    data = whole(disk, FIRST)
    part = cut_after(disk, 1)
    disk.flip_bit(part.file, 3)
    disk.open(FIRST).write(0, data)
    again = cut_after(disk, 1)
    assert again.file == part.file.replace(".batches", "-2.batches")
    assert whole(disk, again.file)[4:] == whole(disk, part.file)[4:]


def test_a_folder_without_a_journal_is_an_error(disk):
    with pytest.raises(JournalError):
        cut_after(disk, 0)
