"""Reading from anywhere, while the writer appends."""

from itertools import pairwise

import pytest

from onsale.journal.batch import SEQ_MAX, position_behind, unseal
from onsale.journal.disk import Disk
from onsale.journal.errors import CorruptJournal, HistoryGone, JournalFailed, NoJournal
from onsale.journal.reader import CHUNK_BYTES, JournalReader, SealedReader, position_at, read_batches
from onsale.journal.recovery import recover
from onsale.journal.retention import remove_through
from onsale.journal.segments import list_segments
from onsale.tests.journal.journals import FIRST, add, append, begin, contents, filled, payload, receive, resume, whole
from onsale.tests.simulation.disk import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def filled_with(disk: Disk, batches: int, *, segment_bytes_max: int = 400) -> int:
    """Batches 0 to `batches` - 1; gives the last seq."""
    return filled(disk, *range(batches), segment_bytes_max=segment_bytes_max).seq


def test_it_yields_what_was_appended_in_order(disk):
    last_seq = filled_with(disk, 20)
    assert len(list_segments(disk)) > 3
    batches = list(read_batches(disk, 0))
    assert [batch.payload for batch in batches] == [payload(number) for number in range(20)]
    assert [batch.at_ms for batch in batches] == list(range(20))
    assert batches[-1].last_seq == last_seq
    assert all(
        later.first_seq == earlier.last_seq + 1 and later.previous_hash == earlier.hash
        for earlier, later in pairwise(batches)
    )


@pytest.mark.parametrize("segment_bytes_max", [1, 400, 2**20])
def test_it_starts_at_the_batch_that_holds_the_next_seq(disk, segment_bytes_max):
    last_seq = filled_with(disk, 20, segment_bytes_max=segment_bytes_max)
    batches = list(read_batches(disk, 0))
    for after_seq in range(last_seq + 1):
        expected = [batch for batch in batches if batch.last_seq > after_seq]
        assert list(read_batches(disk, after_seq)) == expected


def test_it_ends_with_the_batch_that_holds_the_limit(disk):
    last_seq = filled_with(disk, 20)
    batches = list(read_batches(disk, 0))
    for through_seq in range(last_seq + 1):
        expected = [batch for batch in batches if batch.first_seq <= through_seq]
        assert list(read_batches(disk, 0, through_seq=through_seq)) == expected


def test_marks_are_left_out(disk):
    append(appender := begin(disk), 0)
    appender.close()
    append(appender := resume(disk), 1)
    appender.close()
    append(resume(disk), 2)
    assert contents(disk) == [payload(0), payload(1), payload(2)]
    assert contents(disk, after_seq=1) == [payload(1), payload(2)]
    assert contents(disk, after_seq=3) == [payload(2)]


def test_a_batch_larger_than_a_chunk_is_read(disk):
    appender = begin(disk)
    large = bytes(range(256)) * (CHUNK_BYTES // 100)
    for at_ms, data in enumerate([b"small", large, b"small", large + b"x"]):
        add(appender, data, at_ms=at_ms)
    assert contents(disk) == [b"small", large, b"small", large + b"x"]
    assert contents(disk, after_seq=3) == [large + b"x"]


def test_a_reader_keeps_its_place_while_the_writer_appends(disk):
    appender = begin(disk, segment_bytes_max=300)
    append(appender, 0)
    reader = JournalReader(disk, 0)
    seen = [batch.payload for batch in reader.read(appender.position.seq)]
    for number in range(1, 30):
        append(appender, number)
        if number % 3 == 0:
            seen += [batch.payload for batch in reader.read(appender.position.seq)]
    seen += [batch.payload for batch in reader.read(appender.position.seq)]
    assert seen == [payload(number) for number in range(30)]
    assert list(reader.read(appender.position.seq)) == []


def test_a_reader_can_be_left_and_taken_up_again(disk):
    last_seq = filled_with(disk, 10)
    reader = JournalReader(disk, 0)
    assert next(reader.read(last_seq)).payload == payload(0)
    assert [batch.payload for batch in reader.read(last_seq)] == [payload(number) for number in range(1, 10)]


def test_a_reader_that_is_ahead_waits_for_what_it_asked_for(disk):
    appender = begin(disk, segment_bytes_max=1)
    append(appender, 0, 1)
    readers = [JournalReader(disk, after_seq) for after_seq in (5, 7)]
    append(appender, 2, 3, 4)
    found = [[batch.first_seq for batch in reader.read(appender.position.seq)] for reader in readers]
    assert found == [[4, 7, 8], [8]]


def test_it_never_looks_at_what_is_not_yet_durable(disk):
    appender = begin(disk)
    append(appender, 0, 1)
    segment = list_segments(disk)[0]
    file = disk.open(segment.name)
    file.write(segment.size_bytes, b"half a batch that is being written")
    reader = JournalReader(disk, 0)
    assert len(list(reader.read(appender.position.seq))) == 2
    assert list(reader.read(appender.position.seq)) == []
    assert list(JournalReader(disk, appender.position.seq).read(appender.position.seq)) == []
    with pytest.raises(CorruptJournal):
        list(reader.read(SEQ_MAX))


def test_what_was_deleted_is_said_to_be_gone(disk):
    filled_with(disk, 20)
    first, second = list_segments(disk)[:2]
    disk.remove(first.name)
    with pytest.raises(HistoryGone, match=f"begins with seq {second.first_seq}") as raised:
        read_batches(disk, second.first_seq - 2)
    assert raised.value.first_seq == second.first_seq
    assert next(read_batches(disk, second.first_seq - 1)).first_seq == second.first_seq


def test_an_empty_folder_has_no_journal(disk):
    with pytest.raises(NoJournal):
        read_batches(disk, 0)


def test_a_damaged_batch_is_never_yielded(disk):
    filled_with(disk, 10)
    segment = list_segments(disk)[1]
    disk.flip_bit(segment.name, segment.size_bytes - 1)
    batches = read_batches(disk, 0)
    with pytest.raises(CorruptJournal) as raised:
        list(batches)
    assert raised.value.segment == segment.name
    later = list_segments(disk)[2].first_seq
    assert next(read_batches(disk, later - 1)).first_seq == later


def test_an_end_that_is_cut_off_is_not_taken_for_the_end(disk):
    last_seq = filled(disk, 0, 1, 2, close=False).seq
    disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
    with pytest.raises(CorruptJournal):
        list(read_batches(disk, last_seq))


def test_a_missing_segment_is_not_stepped_over(disk):
    filled_with(disk, 20)
    gone = list_segments(disk)[2]
    disk.remove(gone.name)
    with pytest.raises(CorruptJournal, match="does not follow"):
        list(read_batches(disk, 0))


def test_a_failing_read_is_told_apart_from_wrong_bytes(disk):
    filled_with(disk, 20)
    disk.fail("read", after=2)
    with pytest.raises(JournalFailed, match="reading"):
        list(read_batches(disk, 0))


# For sending


def test_batches_are_sent_as_they_are_on_disk(disk):
    last_seq = filled_with(disk, 20)
    batches = list(read_batches(disk, 0))
    found = SealedReader(disk, 0).read(last_seq, 1_000_000)
    assert [unseal(sealed.data) for sealed in found] == list(zip(found, batches, strict=True))
    data = b"".join(whole(disk, segment.name) for segment in list_segments(disk))
    assert all(sealed.data in data for sealed in found)


@pytest.mark.parametrize("bytes_max", [1, 150, 500, 100_000])
def test_it_is_sent_in_parts_without_a_gap(disk, bytes_max):
    last_seq = filled_with(disk, 20)
    reader, found = SealedReader(disk, 0), []
    while part := reader.read(last_seq, bytes_max):
        assert sum(len(sealed.data) for sealed in part[:-1]) < bytes_max
        found += part
    assert [unseal(sealed.data)[1] for sealed in found] == list(read_batches(disk, 0))
    assert reader.read(last_seq, bytes_max) == []


def test_own_and_received_batches_are_sent_alike(disk):
    appender = begin(disk, segment_bytes_max=300)
    append(appender, 0, 1)
    receive(appender, 2, 3, 4)
    append(appender, 5)
    receive(appender, 6)
    reader = SealedReader(disk, 5)
    sent = reader.read(appender.position.seq, 100) + reader.read(appender.position.seq, 10_000)
    assert [unseal(sealed.data)[1].payload for sealed in sent] == [payload(number) for number in range(2, 7)]


def test_nothing_damaged_is_sent(disk):
    last_seq = filled_with(disk, 10)
    segment = list_segments(disk)[1]
    disk.flip_bit(segment.name, segment.size_bytes - 1)
    with pytest.raises(CorruptJournal):
        SealedReader(disk, 0).read(last_seq, 1_000_000)


@pytest.mark.parametrize("segment_bytes_max", [1, 400, 2**20])
def test_where_the_chain_stands_is_known_at_every_boundary(disk, segment_bytes_max):
    last_seq = filled_with(disk, 20, segment_bytes_max=segment_bytes_max)
    expected = {batch.last_seq: position_behind(batch) for batch in read_batches(disk, 0)}
    expected[0] = recover(disk).before
    for seq in range(last_seq + 3):
        assert position_at(disk, seq) == expected.get(seq)
    remove_through(disk, last_seq)
    before = recover(disk).before
    for seq in range(last_seq + 3):
        assert position_at(disk, seq) == (expected.get(seq) if seq >= before.seq else None)
