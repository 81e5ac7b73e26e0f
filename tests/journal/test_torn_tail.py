"""What is cut off as the trace of a crash, and what is corruption however much it looks like one."""

from itertools import pairwise
from zlib import crc32

import pytest

from onsale.journal.batch import encode_batch
from onsale.journal.errors import CorruptJournal
from onsale.journal.recovery import recover
from onsale.journal.segments import HEADER_BYTES, list_segments
from onsale.tests.journal.journals import (
    FIRST,
    append,
    begin,
    contents,
    copy,
    damaged,
    filled,
    offsets,
    overwrite,
    payload,
    receive,
    resume,
    whole,
)
from onsale.tests.simulation.disk import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def test_every_torn_end_of_the_last_batch_is_cut_off(disk):
    filled(disk, 0, 1, 2, close=False)
    data = whole(disk, FIRST)
    begins = offsets(disk)[-2]
    for length in range(begins + 1, len(data)):
        twin = copy(disk)
        overwrite(twin, FIRST, data[:length])
        recovered = recover(twin)
        torn = recovered.dropped
        assert torn is not None
        assert (torn.segment, torn.offset, torn.size_bytes, torn.first_seq) == (FIRST, begins, length - begins, 4)
        assert torn.count in (None, 3)
        assert whole(twin, torn.backup) == data[begins:length]
        assert contents(twin) == [payload(0), payload(1)]
        again = recover(twin)
        assert again.dropped is None
        assert again.position == recovered.position


def test_every_length_recovers_to_whole_batches(disk):
    """Cut anywhere: what is left is a prefix of batches, as long as nothing says that more was durable."""
    filled(disk, 0, 1, 2, 3, close=False)
    data, ends = whole(disk, FIRST), offsets(disk)
    for length in range(HEADER_BYTES, len(data)):
        twin = copy(disk)
        overwrite(twin, FIRST, data[:length])
        recovered = recover(twin)
        whole_batches = sum(end <= length for end in ends) - 1
        assert contents(twin) == [payload(number) for number in range(whole_batches)]
        assert (recovered.dropped is None) == (length in ends)


def test_what_was_dropped_is_said_in_words(disk):
    filled(disk, 0, 1, close=False)
    size_bytes = disk.size_bytes(FIRST)
    disk.open(FIRST).truncate(size_bytes - 1)
    said = str(recover(disk).dropped)
    for part in (FIRST, "2 facts from seq 2", f"{FIRST}.torn-1"):
        assert part in said


def test_backups_do_not_replace_each_other(disk):
    filled(disk, 0, close=False)
    for number in (1, 2, 3):
        appender = resume(disk)
        size_bytes = disk.size_bytes(FIRST)
        append(appender, number)
        disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
        torn = recover(disk).dropped
        assert torn.backup == f"{FIRST}.torn-{number}"
        assert disk.size_bytes(FIRST) == size_bytes
    assert disk.names() == [FIRST, *(f"{FIRST}.torn-{number}" for number in (1, 2, 3))]


def test_zeros_and_garbage_behind_the_end_are_a_torn_tail(disk):
    filled(disk, 0, 1, close=False)
    end = disk.size_bytes(FIRST)
    for garbage in (bytes(5000), b"\xf5OSB\r\n" * 100, disk.random.randbytes(5000)):
        twin = copy(disk)
        twin.open(FIRST).write(end, garbage)
        recovered = recover(twin)
        assert recovered.dropped.size_bytes == len(garbage)
        assert contents(twin) == [payload(0), payload(1)]


@pytest.mark.parametrize("numbers", [range(4), (0, 3)], ids=["many facts", "single facts"])
def test_every_flipped_bit_is_noticed(disk, numbers):
    """In the last batch of an unclean stop it may be a torn tail, anywhere else it is corruption, wherever it is."""
    filled(disk, *numbers, close=False)
    size_bytes, last_begins = disk.size_bytes(FIRST), offsets(disk)[-2]
    for offset in range(size_bytes):
        for bit in range(8):
            disk.flip_bit(FIRST, offset, bit)
            if offset < last_begins:
                with pytest.raises(CorruptJournal) as raised:
                    recover(disk, repair=False)
                assert raised.value.segment == FIRST
                assert raised.value.offset <= offset
            else:
                recovered = recover(disk, repair=False)
                assert recovered.dropped is not None
                assert recovered.dropped.offset == last_begins
            disk.flip_bit(FIRST, offset, bit)
    assert recover(disk).dropped is None


def test_after_a_clean_stop_no_fact_can_pass_for_a_torn_tail(disk):
    filled(disk, *range(3))
    mark_begins = offsets(disk)[-2]
    for offset in range(disk.size_bytes(FIRST)):
        twin = damaged(disk, offset)
        if offset < mark_begins:
            with pytest.raises(CorruptJournal):
                recover(twin)
        else:
            recovered = recover(twin)
            assert contents(twin) == [payload(0), payload(1), payload(2)]
            assert recovered.dropped.offset == mark_begins
            assert not recovered.marked


def test_a_damaged_mark_in_the_middle_is_corruption(disk):
    filled(disk, 0, 1)
    begins, ends = offsets(disk)[-2:]
    append(resume(disk), 2)
    for offset in range(begins, ends):
        with pytest.raises(CorruptJournal):
            recover(damaged(disk, offset))


def test_a_wiped_stretch_before_an_intact_batch_is_corruption(disk):
    """Headers and payloads of several batches are gone; the last header still says what was durable."""
    filled(disk, *range(8), close=False)
    begins = offsets(disk)
    disk.open(FIRST).write(begins[3], bytes(begins[6] - begins[3]))
    with pytest.raises(CorruptJournal) as raised:
        recover(disk)
    assert (raised.value.offset, raised.value.seq) == (begins[3], 7)
    assert f"the batch at byte {begins[6]}" in raised.value.reason


def test_a_wiped_end_that_is_known_to_be_durable_is_corruption(disk):
    position = filled(disk, *range(4), close=False)
    begins = offsets(disk)[-2]
    disk.open(FIRST).write(begins, bytes(50))
    assert recover(copy(disk), known_durable_seq=position.seq - 1).dropped is not None
    with pytest.raises(CorruptJournal, match=f"seq {position.seq} is known to have been durable"):
        recover(disk, known_durable_seq=position.seq)


def test_damage_in_an_earlier_segment_is_never_a_torn_tail(disk):
    filled(disk, *range(6), segment_bytes_max=1)
    for segment in list_segments(disk)[:-1]:
        for cut in (1, 20, segment.size_bytes - HEADER_BYTES):
            twin = copy(disk)
            twin.open(segment.name).truncate(segment.size_bytes - cut)
            with pytest.raises(CorruptJournal):
                recover(twin)


def test_a_damaged_mark_at_the_end_of_an_earlier_segment_is_corruption(disk):
    filled(disk, 0)
    append(resume(disk, segment_bytes_max=1), 1)
    assert len(list_segments(disk)) == 2
    with pytest.raises(CorruptJournal, match="later segment"):
        recover(damaged(disk, disk.size_bytes(FIRST) - 1))


def test_swapped_and_repeated_batches_are_refused(disk):
    filled(disk, 0, 5, 10, 15, close=False)
    data, ends = whole(disk, FIRST), offsets(disk)
    header = data[:HEADER_BYTES]
    batches = [data[begin:end] for begin, end in pairwise(ends)]
    first, second, third, fourth = batches
    for wrong in (
        [first, second, fourth, third],
        [first, third, second, fourth],
        [first, second, second, third, fourth],
        [first, second, third, fourth, fourth],
        [second, third, fourth],
        [first, second, fourth],
    ):
        twin = copy(disk)
        overwrite(twin, FIRST, header + b"".join(wrong))
        with pytest.raises(CorruptJournal):
            recover(twin)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epoch": 0}, "epoch falls from 1 to 0"),
        ({"at_ms": 4}, "time runs back from 5 to 4 ms"),
        ({"first_seq": 5, "durable_seq": 3}, "seq 4 should come next, and here is seq 5"),
        ({"previous_hash": b"x" * 16}, "chain is broken"),
    ],
)
def test_an_intact_batch_that_does_not_follow_is_no_torn_tail(disk, changes, reason):
    position = filled(disk, 5, close=False)
    assert position.seq == 3
    fields = {"epoch": 1, "first_seq": 4, "count": 1, "at_ms": 5, "durable_seq": 3, "previous_hash": position.hash}
    data, _ = encode_batch(**(fields | changes), payload=b"x")
    disk.open(FIRST).write(disk.size_bytes(FIRST), data)
    with pytest.raises(CorruptJournal, match=reason):
        recover(disk)


def test_a_later_format_is_never_cut_off(disk):
    """An older program must not take what a newer one wrote for a torn tail, not even behind a damaged batch."""
    filled(disk, 0, 1, 2, close=False)
    ends = offsets(disk)
    newer = bytearray(whole(disk, FIRST))
    newer[ends[2] + 6] = 2
    newer[ends[2] + 64 : ends[2] + 68] = crc32(newer[ends[2] : ends[2] + 64]).to_bytes(4, "little")
    overwrite(disk, FIRST, bytes(newer))
    with pytest.raises(CorruptJournal, match="format 2"):
        recover(copy(disk))
    disk.flip_bit(FIRST, ends[1] + 70)
    with pytest.raises(CorruptJournal, match=f"batch at byte {ends[2]}"):
        recover(disk)


def test_corruption_says_where_and_what_to_do(disk):
    filled(disk, *range(4))
    begins = offsets(disk)[1]
    disk.flip_bit(FIRST, begins + 70)
    with pytest.raises(CorruptJournal) as raised:
        recover(disk)
    error = raised.value
    assert (error.segment, error.offset, error.seq) == (FIRST, begins, 2)
    for part in (FIRST, f"byte {begins}", "seq 2", "does not match its hash", "onsale standby", "onsale restore"):
        assert part in str(error)


# In a grouped segment


@pytest.fixture
def grouped(disk) -> SimulatedDisk:
    """Two groups: batches 0 and 1, then 2, 3 and 4; stopped uncleanly."""
    appender = begin(disk)
    receive(appender, 0, 1)
    receive(appender, 2, 3, 4)
    return disk


def test_every_length_of_a_grouped_segment_recovers_to_whole_batches(grouped):
    data, ends = whole(grouped, FIRST), offsets(grouped)
    marks = (0, 3)
    for length in range(HEADER_BYTES, len(data)):
        twin = copy(grouped)
        overwrite(twin, FIRST, data[:length])
        recovered = recover(twin)
        records = sum(end <= length for end in ends) - 1
        batches = records - sum(mark < records for mark in marks)
        assert contents(twin) == [payload(number) for number in range(batches)]
        assert (recovered.dropped is None) == (length in ends)
        assert recover(twin).position == recovered.position


def test_every_flipped_bit_of_a_grouped_segment_is_noticed(grouped):
    """Behind the last mark it may be a torn group, of which the first batches stay; before it, it is corruption."""
    size_bytes, begins = grouped.size_bytes(FIRST), offsets(grouped)
    mark_begins = begins[3]
    for offset in range(size_bytes):
        bit = offset % 8
        grouped.flip_bit(FIRST, offset, bit)
        if offset < mark_begins:
            with pytest.raises(CorruptJournal):
                recover(grouped, repair=False)
        else:
            torn = recover(grouped, repair=False).dropped
            assert torn is not None
            assert torn.offset == max(begin for begin in begins if begin <= offset)
            assert torn.size_bytes == size_bytes - torn.offset
        grouped.flip_bit(FIRST, offset, bit)
    assert recover(grouped).dropped is None


def test_what_the_leader_knew_to_be_durable_proves_nothing_here(grouped):
    """The batches behind the torn one say that it was durable: on the disk of the node that sealed them."""
    begins = offsets(grouped)
    grouped.flip_bit(FIRST, begins[4] + 70)
    recovered = recover(grouped)
    assert recovered.dropped.offset == begins[4]
    assert recovered.dropped.first_seq == 4
    assert "some facts from seq 4" in str(recovered.dropped)
    assert contents(grouped) == [payload(0), payload(1)]


def test_a_group_whose_mark_is_torn_is_cut_off_as_a_whole(grouped):
    begins = offsets(grouped)
    grouped.flip_bit(FIRST, begins[3])
    assert recover(grouped).dropped.offset == begins[3]
    assert contents(grouped) == [payload(0), payload(1)]
    receive(resume(grouped), 2, 3)
    assert contents(grouped) == [payload(number) for number in range(4)]


def test_what_is_known_from_elsewhere_is_no_torn_group(grouped):
    position = recover(grouped).position
    begins = offsets(grouped)
    grouped.flip_bit(FIRST, begins[5] + 70)
    first_seq = 4 + 3
    assert recover(copy(grouped), known_durable_seq=first_seq - 1).dropped is not None
    for known_seq in (first_seq, position.seq):
        with pytest.raises(CorruptJournal, match="known to have been durable"):
            recover(grouped, known_durable_seq=known_seq)


def test_after_a_clean_stop_no_group_can_pass_for_a_torn_one(grouped):
    resume(grouped).close()
    mark_begins = offsets(grouped)[-2]
    for offset in range(0, mark_begins, 3):
        with pytest.raises(CorruptJournal):
            recover(damaged(grouped, offset))


def test_a_group_is_not_torn_once_a_segment_of_another_kind_follows(grouped):
    size_bytes = grouped.size_bytes(FIRST)
    append(resume(grouped), 5)
    grouped.flip_bit(FIRST, size_bytes - 1)
    with pytest.raises(CorruptJournal, match="later segment"):
        recover(grouped)


def test_swapped_repeated_and_missing_batches_of_a_group_are_refused(grouped):
    data, ends = whole(grouped, FIRST), offsets(grouped)
    records = [data[begin:end] for begin, end in pairwise(ends)]
    for wrong in ((0, 1, 2, 3, 5, 4, 6), (0, 1, 2, 3, 4, 4, 5, 6), (0, 1, 2, 3, 5, 6), (0, 2), (3, 4, 5, 6)):
        twin = copy(grouped)
        overwrite(twin, FIRST, data[:HEADER_BYTES] + b"".join(records[index] for index in wrong))
        with pytest.raises(CorruptJournal):
            recover(twin)
