"""The whole journal is verified, nothing is skipped, and what is found is durable."""

import pytest

from onsale.journal.batch import BATCH_BYTES_MAX, EpochStart, Position
from onsale.journal.errors import CorruptJournal, JournalError, JournalFailed, NoJournal
from onsale.journal.recovery import create_journal, recover
from onsale.journal.retention import remove_through
from onsale.journal.segments import HEADER_BYTES, list_segments, segment_name
from onsale.tests.journal.journals import (
    FIRST,
    JOURNAL_ID,
    add,
    append,
    begin,
    contents,
    copy,
    filled,
    overwrite,
    payload,
    resume,
    whole,
)
from onsale.tests.simulation.disk import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def test_an_empty_folder_has_no_journal(disk):
    with pytest.raises(NoJournal):
        recover(disk)


def test_a_new_journal_is_empty(disk):
    created = create_journal(disk, JOURNAL_ID)
    assert recover(disk) == created
    assert (created.first_seq, created.last_seq, created.last_hash) == (1, 0, JOURNAL_ID)
    assert created.before == created.position
    assert created.epochs == ()
    assert created.marked
    assert created.dropped is None


def test_a_journal_is_not_created_over_another(disk):
    create_journal(disk, JOURNAL_ID)
    with pytest.raises(JournalError, match="already"):
        create_journal(disk, JOURNAL_ID)


def test_a_journal_may_go_on_from_elsewhere(disk):
    before = Position(seq=99, hash=b"h" * 16, epoch=7, at_ms=5000)
    created = create_journal(disk, JOURNAL_ID, before=before)
    assert created.position == before
    assert created.first_seq == 100
    appender = resume(disk)
    with pytest.raises(ValueError, match="5000 ms"):
        add(appender, b"earlier than what came before", at_ms=4999, epoch=7)
    add(appender, b"x", at_ms=5000, epoch=7)
    assert recover(disk).last_seq == 100


@pytest.mark.parametrize("segment_bytes_max", [1, 400, 2**20])
def test_it_says_where_the_chain_stands(disk, segment_bytes_max):
    position = filled(disk, *range(20), segment_bytes_max=segment_bytes_max)
    recovered = recover(disk)
    assert recovered.position == position
    assert (recovered.last_seq, recovered.last_hash) == (position.seq, position.hash)
    assert (recovered.last_epoch, recovered.last_at_ms) == (1, 19)
    assert recovered.journal_id == JOURNAL_ID
    assert recovered.first_seq == 1
    assert recovered.segments == tuple(list_segments(disk))
    assert recovered.marked
    assert recovered.dropped is None
    assert recover(disk) == recovered


def test_it_says_where_each_epoch_begins(disk):
    appender = begin(disk, segment_bytes_max=300)
    begun = []
    for at_ms, epoch in enumerate([1, 1, 3, 3, 3, 4, 9, 9]):
        sealed = add(appender, b"x" * 50, at_ms=at_ms, count=2, epoch=epoch)
        if not begun or begun[-1].epoch != epoch:
            begun.append(EpochStart(epoch, sealed.first_seq, sealed.position.hash))
    assert recover(disk).epochs == tuple(begun)
    assert [each.first_seq for each in begun] == [1, 5, 11, 13]


def test_only_epochs_that_begin_in_what_is_kept_are_told(disk):
    appender = begin(disk, segment_bytes_max=1)
    for at_ms, epoch in enumerate([1, 1, 2, 2, 3]):
        add(appender, b"x", at_ms=at_ms, epoch=epoch)
    remove_through(disk, 3)
    recovered = recover(disk)
    assert (recovered.before.seq, recovered.before.epoch) == (3, 2)
    assert [(each.epoch, each.first_seq) for each in recovered.epochs] == [(3, 5)]
    remove_through(disk, 2**40)
    assert [each.epoch for each in recover(disk).epochs] == [3], "the last segment begins with it"


def test_an_epoch_that_was_torn_off_has_not_begun(disk):
    add(appender := begin(disk), b"x", at_ms=0)
    add(appender, b"y", at_ms=0, epoch=2)
    disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
    assert [each.epoch for each in recover(disk).epochs] == [1]


def test_without_a_clean_stop_there_is_no_mark(disk):
    filled(disk, 0, 1, close=False)
    assert not recover(disk).marked


def test_old_segments_may_be_gone(disk):
    position = filled(disk, *range(20), segment_bytes_max=400)
    disk.remove(FIRST)
    recovered = recover(disk)
    assert recovered.position == position
    assert recovered.first_seq == recovered.segments[0].first_seq > 1


def test_the_largest_batches_are_recovered(disk):
    appender = begin(disk)
    add(appender, bytes(BATCH_BYTES_MAX - 84), at_ms=0)
    add(appender, b"x", at_ms=0)
    assert recover(disk).position == appender.position


def test_progress_is_told_to_the_end(disk):
    filled(disk, *range(20), segment_bytes_max=400)
    told = []
    recover(disk, progress=lambda *both: told.append(both))
    total = sum(segment.size_bytes for segment in list_segments(disk))
    assert told[-1] == (total, total)


def test_leftovers_of_a_rotation_are_removed(disk):
    filled(disk, 0)
    disk.create(segment_name(9) + ".temporary").write(0, b"half a header")
    recover(disk)
    assert disk.names() == [FIRST]


def test_an_empty_last_segment_is_legal(disk):
    filled(disk, *range(5), close=False, segment_bytes_max=1)
    last = list_segments(disk)[-1]
    overwrite(disk, last.name, whole(disk, last.name)[:HEADER_BYTES])
    recovered = recover(disk)
    assert recovered.last_seq == last.first_seq - 1
    append(resume(disk), 5)
    assert contents(disk) == [payload(number) for number in (0, 1, 2, 3, 5)]


def test_without_repair_nothing_is_written(disk):
    filled(disk, 0, 1, close=False)
    disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
    disk.create(segment_name(9) + ".temporary")
    before = {name: whole(disk, name) for name in disk.names()}
    operations = disk.operations
    recovered = recover(disk, repair=False)
    assert recovered.last_seq == 1
    assert recovered.dropped.backup is None
    assert "left in place" in str(recovered.dropped)
    assert {name: whole(disk, name) for name in disk.names()} == before
    assert disk.operations == operations


def test_an_end_before_what_is_known_to_be_durable_is_corruption(disk):
    position = filled(disk, *range(4), close=False)
    assert recover(disk, known_durable_seq=position.seq).last_seq == position.seq
    with pytest.raises(CorruptJournal, match=f"ends with seq {position.seq}"):
        recover(disk, known_durable_seq=position.seq + 1)


def test_a_folder_without_segments_is_corrupt_when_facts_were_durable(disk):
    with pytest.raises(CorruptJournal, match="no segment at all"):
        recover(disk, known_durable_seq=1)


def test_every_missing_segment_but_the_first_is_noticed(disk):
    filled(disk, *range(6), segment_bytes_max=1)
    for segment in list_segments(disk)[1:-1]:
        twin = copy(disk)
        twin.remove(segment.name)
        with pytest.raises(CorruptJournal, match=f"seq {segment.first_seq} should come next"):
            recover(twin)


def test_swapped_segments_are_refused(disk):
    filled(disk, *range(6), segment_bytes_max=1)
    second, third = (segment.name for segment in list_segments(disk)[1:3])
    disk.rename(second, "kept")
    disk.rename(third, second)
    disk.rename("kept", third)
    with pytest.raises(CorruptJournal, match="not what its name says"):
        recover(disk)


def test_a_foreign_segment_is_refused(disk):
    filled(disk, *range(6), segment_bytes_max=1)
    other = SimulatedDisk(2)
    append(begin(other, segment_bytes_max=1, journal_id=b"another journal."), *range(6))
    for segment in list_segments(disk)[1:]:
        twin = copy(disk)
        overwrite(twin, segment.name, whole(other, segment.name))
        with pytest.raises(CorruptJournal, match="belongs to another journal"):
            recover(twin)


def test_a_segment_of_another_history_is_refused(disk):
    """Same journal id, same names: only the chain can tell."""
    filled(disk, *range(6), segment_bytes_max=1)
    other = SimulatedDisk(2)
    appender = begin(other, segment_bytes_max=1)
    add(appender, b"another first batch", at_ms=0)
    append(appender, *range(1, 6))
    assert [it.name for it in list_segments(other)] == [it.name for it in list_segments(disk)]
    last = list_segments(disk)[-1]
    overwrite(disk, last.name, whole(other, last.name))
    with pytest.raises(CorruptJournal, match="does not follow on the segment before"):
        recover(disk)


def test_a_checkpoint_of_this_history_fits_wherever_it_was_taken(disk):
    appender = begin(disk, segment_bytes_max=300)
    positions = [appender.position]
    for number in range(12):
        append(appender, number)
        positions.append(appender.position)
    appender.close()
    for position in positions:
        recovered = recover(disk, known_durable_seq=position.seq, known_hash=position.hash)
        assert recovered.position == positions[-1]


def test_a_checkpoint_of_another_history_is_refused(disk):
    position = filled(disk, *range(4))
    for seq in range(position.seq + 1):
        with pytest.raises(CorruptJournal, match="another history"):
            recover(disk, known_durable_seq=seq, known_hash=b"x" * 16)


def test_a_gap_between_checkpoint_and_journal_is_refused(disk):
    filled(disk, *range(12), segment_bytes_max=1)
    segments = list_segments(disk)
    disk.remove(segments[0].name)
    recover(disk, known_durable_seq=segments[1].first_seq - 1)
    with pytest.raises(CorruptJournal, match="begins behind seq"):
        recover(disk, known_durable_seq=0, known_hash=JOURNAL_ID)


@pytest.mark.parametrize("operation", ["read", "open", "create", "write", "sync", "truncate", "rename", "sync_folder"])
def test_a_failing_disk_is_told_apart_from_corruption(disk, operation):
    filled(disk, 0, 1, close=False)
    disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
    disk.fail(operation)
    with pytest.raises(JournalFailed):
        recover(disk)
    disk.kill()
    assert recover(disk).last_seq == 1


def test_a_full_disk_does_not_keep_it_from_starting_with_space(disk):
    filled(disk, 0, 1, close=False)
    disk.open(FIRST).truncate(disk.size_bytes(FIRST) - 1)
    disk.capacity_bytes = 10
    with pytest.raises(JournalFailed, match="No space left"):
        recover(disk)
    disk.capacity_bytes = None
    assert recover(disk).last_seq == 1
    assert contents(disk) == [payload(0)]
