"""Appending, with and without the thread."""

import threading
from pathlib import Path

import msgspec
import pytest

from onsale.journal.batch import SEQ_MAX, Position, seal
from onsale.journal.disk import RealDisk
from onsale.journal.errors import JournalBusy, JournalClosed, JournalError, JournalFailed
from onsale.journal.reader import JournalReader, read_batches, walk_batches
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import HEADER_BYTES, SegmentHeader, create_segment, list_segments, read_header
from onsale.journal.writer import JournalAppender, JournalWriter
from onsale.tests.journal.journals import (
    FIRST,
    JOURNAL_ID,
    add,
    append,
    begin,
    contents,
    copy,
    filled,
    payload,
    receive,
    resume,
    sealed_behind,
)
from onsale.tests.simulation.disk import SimulatedDisk, SimulatedFile

PATIENCE_SECONDS = 10


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


# Without the thread


def test_each_batch_says_that_all_before_it_is_durable(disk):
    append(begin(disk), *range(5))
    batches = list(read_batches(disk, 0))
    assert [batch.durable_seq for batch in batches] == [batch.first_seq - 1 for batch in batches]


def test_each_batch_follows_the_hash_of_the_one_before(disk):
    appender = begin(disk)
    first = add(appender, b"one", at_ms=5, count=2).position
    second = add(appender, b"two", at_ms=5).position
    assert appender.position == second == Position(seq=3, hash=second.hash, epoch=1, at_ms=5)
    assert [(batch.previous_hash, batch.hash) for batch in read_batches(disk, 0)] == [
        (JOURNAL_ID, first.hash),
        (first.hash, second.hash),
    ]


def test_each_batch_is_durable_when_append_returns():
    for seed in range(50):
        disk = SimulatedDisk(seed, short_write_probability=0.5)
        appender = begin(disk, segment_bytes_max=200)
        append(appender, *range(5))
        disk.crash()
        assert contents(disk) == [payload(number) for number in range(5)]
        assert recover(disk).position == appender.position


def test_a_segment_is_followed_by_another_when_it_is_full(disk):
    appender = begin(disk, segment_bytes_max=500)
    append(appender, *range(20))
    segments = list_segments(disk)
    assert len(segments) > 3
    assert all(500 <= segment.size_bytes < 800 for segment in segments[:-1])
    assert recover(disk).position == appender.position


def test_a_segment_holds_at_least_one_batch(disk):
    appender = begin(disk, segment_bytes_max=1)
    operations = disk.operations
    append(appender, 0)
    assert disk.operations == operations + 2, "a write and a sync"


def test_a_mark_changes_neither_seq_nor_chain(disk):
    appender = begin(disk)
    append(appender, 0)
    position, size_bytes = appender.position, disk.size_bytes(FIRST)
    appender.mark()
    assert disk.size_bytes(FIRST) == size_bytes + 84
    appender.mark()
    assert disk.size_bytes(FIRST) == size_bytes + 84, "one is enough"
    assert appender.position == recover(disk).position == position
    add(appender, b"next", at_ms=1)
    assert [batch.first_seq for batch in read_batches(disk, 0)] == [1, 2]


def test_many_clean_stops_leave_one_mark(disk):
    filled(disk, 0)
    size_bytes = disk.size_bytes(FIRST)
    for _ in range(3):
        resume(disk).close()
    assert disk.size_bytes(FIRST) == size_bytes
    assert recover(disk).marked


def test_a_mark_is_no_reason_to_begin_a_segment(disk):
    appender = begin(disk, segment_bytes_max=1)
    append(appender, 0)
    appender.close()
    append(appender := resume(disk, segment_bytes_max=1), 1)
    appender.close()
    assert [segment.first_seq for segment in list_segments(disk)] == [1, 2]
    assert recover(disk).last_seq == 3


def test_an_untouched_journal_is_not_marked(disk):
    begin(disk).close()
    assert disk.size_bytes(FIRST) == HEADER_BYTES


def test_epochs_do_not_fall(disk):
    appender = begin(disk)
    add(appender, b"x", at_ms=0)
    stale = seal(appender.position, epoch=3, at_ms=0, count=1, payload=b"late")
    add(appender := resume(disk), b"y", at_ms=0, epoch=4)
    assert recover(disk).last_epoch == 4
    for late in (stale, sealed_behind(msgspec.structs.replace(appender.position, epoch=3), 0, epoch=3)[0]):
        with pytest.raises(ValueError, match="can't follow"):
            appender.append(late)
    assert contents(disk) == [b"x", b"y"]


@pytest.mark.parametrize("received", [False, True])
@pytest.mark.parametrize(
    "changes",
    [{"seq": 0}, {"seq": 2}, {"hash": b"another history."}, {"at_ms": 3}, {"epoch": 0}],
    ids=["repeated", "a gap", "another history", "time runs back", "the epoch falls"],
)
def test_what_can_not_follow_is_refused_and_does_no_harm(disk, changes, received):
    appender = begin(disk)
    add(appender, b"x", at_ms=5)
    before = msgspec.structs.replace(appender.position, **changes)
    wrong = sealed_behind(before, 4 if "at_ms" in changes else 5, epoch=before.epoch)
    operations = disk.operations
    with pytest.raises(ValueError, match="can't follow"):
        appender.append_received(wrong) if received else appender.append(wrong[0])
    assert disk.operations == operations
    add(appender, b"z", at_ms=5)
    assert contents(disk) == [b"x", b"z"]


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_failure_is_final(disk, operation):
    appender = begin(disk)
    append(appender, 0)
    disk.fail(operation)
    with pytest.raises(JournalFailed, match=f"writing {FIRST}") as raised:
        append(appender, 1)
    operations = disk.operations
    for _ in range(3):
        with pytest.raises(JournalFailed) as again:
            append(appender, 2)
        assert again.value is raised.value
    appender.close()
    assert disk.operations == operations, "nothing is tried again, not even a mark"


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_folder", "open"])
def test_a_failing_rotation_is_final(disk, operation):
    appender = begin(disk, segment_bytes_max=1)
    append(appender, 0)
    disk.fail(operation)
    with pytest.raises(JournalFailed):
        append(appender, 1)
    with pytest.raises(JournalFailed):
        append(appender, 2)
    disk.kill()
    assert recover(disk).last_seq == 1
    append(resume(disk), 3)
    disk.crash()
    assert contents(disk) == [payload(0), payload(3)]


def test_a_disk_that_fills_up_in_the_middle_of_a_batch():
    for spare_bytes in range(0, 200, 7):
        disk = SimulatedDisk(1)
        appender = begin(disk)
        append(appender, 0)
        disk.capacity_bytes = disk.size_bytes(FIRST) + spare_bytes
        with pytest.raises(JournalFailed, match="No space left"):
            add(appender, b"x" * 300, at_ms=9)
        appender.close()
        disk.kill()
        disk.capacity_bytes = None
        assert recover(disk).last_seq == 1
        append(resume(disk), 10)
        assert contents(disk) == [payload(0), payload(10)]


def test_a_folder_that_changed_since_recovery_is_noticed(disk):
    recovered = create_journal(disk, JOURNAL_ID)
    append(JournalAppender(disk, recovered), 0)
    with pytest.raises(JournalError, match="recover it again"):
        JournalAppender(disk, recovered)


# Received batches


def test_a_group_is_one_write_and_one_sync(disk):
    appender = begin(disk)
    receive(appender, 0)
    operations, position = disk.operations, appender.position
    receive(appender, *range(1, 30))
    assert disk.operations == operations + 2
    assert appender.position.seq > position.seq
    assert contents(disk) == [payload(number) for number in range(30)]
    assert recover(disk).position == appender.position


def test_received_batches_are_the_same_bytes_here_as_there(disk):
    own, other = SimulatedDisk(2), disk
    append(appender := begin(own), *range(6))
    receive(begin(other), *range(6))
    assert list(read_batches(other, 0)) == list(read_batches(own, 0))
    assert recover(other).position == appender.position


def test_an_empty_group_changes_nothing(disk):
    appender = begin(disk)
    operations = disk.operations
    appender.append_received([])
    assert disk.operations == operations


def test_each_group_begins_with_a_mark(disk):
    appender = begin(disk)
    receive(appender, 0, 1)
    receive(appender, 2)
    (segment,) = list_segments(disk)
    walked = walk_batches(
        disk, FIRST, HEADER_BYTES, segment.size_bytes, create_journal(SimulatedDisk(2), JOURNAL_ID).position
    )
    assert [(batch.is_mark, batch.durable_seq) for _, batch in walked] == [
        (True, 0), (False, 0), (False, 1), (True, 3), (False, 3),
    ]  # fmt: skip


def test_each_kind_has_segments_of_its_own(disk):
    appender = begin(disk)
    for number, method in enumerate((append, append, receive, receive, append, receive)):
        method(appender, number)
    segments = list_segments(disk)
    assert [read_header(disk, segment).grouped for segment in segments] == [False, True, False, True]
    assert contents(disk) == [payload(number) for number in range(6)]
    assert recover(disk).position == appender.position


def test_a_segment_without_facts_becomes_one_of_the_other_kind(disk):
    begin(disk)
    for method, grouped in ((receive, True), (append, False)):
        twin = copy(disk)
        appender = resume(twin)
        method(appender, 0)
        assert [read_header(twin, segment).grouped for segment in list_segments(twin)] == [grouped]
        assert contents(twin) == [payload(0)]


def test_a_reader_goes_on_in_a_segment_that_was_replaced(disk):
    appender = begin(disk, segment_bytes_max=1)
    append(appender, 0)
    reader = JournalReader(disk, 0)
    create_segment(disk, SegmentHeader(JOURNAL_ID, appender.position, grouped=True))
    appender = resume(disk)
    appender.close()  # the new segment holds a mark, and nothing else
    assert [batch.payload for batch in reader.read(SEQ_MAX)] == [payload(0)]
    appender = resume(disk)
    append(appender, 1)
    assert [batch.payload for batch in reader.read(appender.position.seq)] == [payload(1)]


def test_a_grouped_segment_is_followed_by_another_when_it_is_full(disk):
    appender = begin(disk, segment_bytes_max=500)
    for number in range(0, 20, 2):
        receive(appender, number, number + 1)
    assert len(list_segments(disk)) > 3
    disk.crash()
    assert contents(disk) == [payload(number) for number in range(20)]


# With the thread


class Told:
    """What the writer reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.durable: list[Position] = []
        self.failures: list[JournalFailed] = []
        self._changed = threading.Condition()

    @property
    def seqs(self) -> list[int]:
        return [position.seq for position in self.durable]

    def on_durable(self, position: Position) -> None:
        with self._changed:
            self.durable.append(position)
            self._changed.notify_all()

    def on_failure(self, failure: JournalFailed) -> None:
        with self._changed:
            self.failures.append(failure)
            self._changed.notify_all()

    def wait(self, *, syncs: int = 0, seq: int = 0, failures: int = 0) -> None:
        def there() -> bool:
            last_seq = self.durable[-1].seq if self.durable else 0
            return len(self.durable) >= syncs and last_seq >= seq and len(self.failures) >= failures

        with self._changed:
            assert self._changed.wait_for(there, PATIENCE_SECONDS)


@pytest.fixture
def told() -> Told:
    return Told()


def start(disk, told, **options) -> JournalWriter:
    recovered = recover(disk) if list_segments(disk) else create_journal(disk, JOURNAL_ID)
    return JournalWriter(disk, recovered, on_durable=told.on_durable, on_failure=told.on_failure, **options)


def hand_over(writer: JournalWriter, data: bytes, *, at_ms: int) -> None:
    writer.append(seal(writer.last, epoch=1, at_ms=at_ms, count=1, payload=data))


@pytest.fixture
def gate(monkeypatch) -> threading.Event:
    """While it is not set, every sync of a file waits."""
    gate = threading.Event()
    gate.set()
    sync = SimulatedFile.sync

    def wait_and_sync(file: SimulatedFile) -> None:
        assert gate.wait(PATIENCE_SECONDS)
        sync(file)

    monkeypatch.setattr(SimulatedFile, "sync", wait_and_sync)
    return gate


def test_batches_become_durable_in_order(tmp_path: Path, told):
    disk = RealDisk(tmp_path)
    writer = start(disk, told, segment_bytes_max=2000, queue_batches_max=1000)
    handed = sealed_behind(writer.last, *range(200))
    for sealed in handed:
        writer.append(sealed)
    assert writer.last == handed[-1].position
    told.wait(syncs=200)
    assert writer.pending_batches == 0
    writer.close()
    batches = list(read_batches(disk, 0))
    assert told.durable == [sealed.position for sealed in handed]
    assert [batch.hash for batch in batches] == [sealed.position.hash for sealed in handed]
    assert [batch.payload for batch in batches] == [payload(number) for number in range(200)]
    assert told.failures == []
    assert len(list_segments(disk)) > 5


def test_what_was_handed_over_is_durable_when_close_returns(disk, told):
    writer = start(disk, told)
    for number in range(10):
        hand_over(writer, payload(number), at_ms=number)
    writer.close()
    disk.crash()
    recovered = recover(disk)
    assert recovered.marked
    assert recovered.last_seq == 10
    assert recovered.position == told.durable[-1] == writer.last
    assert writer.failure is None


def test_it_goes_on_where_it_stopped(disk, told):
    for number in range(5):
        writer = start(disk, told)
        hand_over(writer, payload(number), at_ms=number)
        assert writer.last.seq == number + 1
        writer.close()
    assert contents(disk) == [payload(number) for number in range(5)]


def test_append_does_not_wait_and_the_queue_is_bounded(disk, told, gate):
    writer = start(disk, told, queue_batches_max=3)
    gate.clear()
    for number in range(3):
        hand_over(writer, b"x", at_ms=number)
    assert writer.pending_batches == 3
    with pytest.raises(JournalBusy):
        hand_over(writer, b"x", at_ms=3)
    assert writer.last.seq == 3
    gate.set()
    told.wait(syncs=3)
    hand_over(writer, b"x", at_ms=3)
    writer.close()
    assert told.seqs == [1, 2, 3, 4]


def test_the_next_batch_is_begun_when_this_one_is_durable(disk, told, gate):
    writer = start(disk, told)
    size_bytes = disk.size_bytes(FIRST)
    gate.clear()
    hand_over(writer, b"one", at_ms=0)
    hand_over(writer, b"two", at_ms=0)
    disk.crash()  # with the first one unsynced, the second one can't be there
    assert disk.size_bytes(FIRST) <= size_bytes + 84 + 3
    gate.set()
    told.wait(failures=1)
    assert told.durable == []
    writer.close()


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_failure_is_told_once_and_ends_everything(disk, told, operation):
    writer = start(disk, told)
    hand_over(writer, payload(0), at_ms=0)
    told.wait(syncs=1)
    disk.fail(operation)
    for number in range(1, 5):
        try:
            hand_over(writer, payload(number), at_ms=number)
        except JournalFailed:
            break
    told.wait(failures=1)
    with pytest.raises(JournalFailed):
        hand_over(writer, b"x", at_ms=9)
    writer.close()
    assert writer.failure is told.failures[0]
    assert len(told.failures) == 1
    assert told.seqs == [1]
    disk.kill()
    assert recover(disk).last_seq in (1, 2)
    assert contents(disk)[0] == payload(0)


def test_a_failure_while_closing_is_told(disk, told):
    writer = start(disk, told)
    hand_over(writer, b"x", at_ms=0)
    told.wait(syncs=1)
    disk.fail("sync")
    writer.close()
    assert len(told.failures) == 1
    assert writer.failure is told.failures[0]


def test_a_callback_that_breaks_stops_the_writer_loudly(disk, told):
    def broken(position: Position) -> None:
        raise RuntimeError("the loop is gone")

    recovered = create_journal(disk, JOURNAL_ID)
    writer = JournalWriter(disk, recovered, on_durable=broken, on_failure=told.on_failure)
    hand_over(writer, b"x", at_ms=0)
    told.wait(failures=1)
    assert "the loop is gone" in str(told.failures[0])
    writer.close()
    assert contents(disk) == [b"x"]


def test_after_close_nothing_is_taken(disk, told):
    writer = start(disk, told)
    writer.close()
    writer.close()
    with pytest.raises(JournalClosed):
        hand_over(writer, b"x", at_ms=0)


def test_the_caller_hears_of_its_own_mistakes(disk, told):
    writer = start(disk, told)
    hand_over(writer, b"x", at_ms=5)
    for wrong in (Position(0, JOURNAL_ID, 1, 5), Position(1, b"another history.", 1, 5), Position(2, b"-" * 16, 1, 5)):
        for append_wrong in (writer.append, writer.append_received):
            with pytest.raises(ValueError, match="can't follow"):
                append_wrong(sealed_behind(wrong, 5)[0])
    hand_over(writer, b"y", at_ms=5)
    writer.close()
    assert contents(disk) == [b"x", b"y"]
    assert told.failures == []


def test_what_was_received_meanwhile_shares_a_sync(disk, told, gate):
    writer = start(disk, told)
    handed = sealed_behind(writer.last, *range(50))
    gate.clear()
    writer.append_received(handed[0])
    for sealed in handed[1:]:
        writer.append_received(sealed)
    assert writer.pending_batches == 50
    gate.set()
    told.wait(seq=handed[-1].position.seq)
    assert len(told.durable) < 4
    assert all(position in [sealed.position for sealed in handed] for position in told.durable)
    assert writer.pending_batches == 0
    writer.close()
    disk.crash()
    assert contents(disk) == [payload(number) for number in range(50)]


def test_a_group_is_bounded(tmp_path: Path, told):
    disk = RealDisk(tmp_path)
    writer = start(disk, told)
    position = writer.last
    for number in range(12):
        sealed = seal(position, epoch=1, at_ms=number, count=1, payload=bytes(1024 * 1024))
        writer.append_received(sealed)
        position = sealed.position
    writer.close()
    assert len(told.durable) >= 3
    assert told.durable[-1] == position == recover(disk).position


def test_own_and_received_batches_may_follow_on_each_other(tmp_path: Path, told):
    """As when a standby comes to lead, and follows again."""
    disk = RealDisk(tmp_path)
    writer = start(disk, told, segment_bytes_max=2000, queue_batches_max=1000)
    handed = sealed_behind(writer.last, *range(120))
    for number, sealed in enumerate(handed):
        (writer.append_received if number // 20 % 2 else writer.append)(sealed)
    writer.close()
    assert [batch.payload for batch in read_batches(disk, 0)] == [payload(number) for number in range(120)]
    assert told.durable[-1] == handed[-1].position == recover(disk).position
    kinds = [read_header(disk, segment).grouped for segment in list_segments(disk)]
    assert set(kinds) == {False, True}
    assert kinds[0] is False


def test_received_bytes_that_wait_are_bounded(disk, told, gate):
    writer = start(disk, told, queue_batches_max=1, queue_bytes_max=1000)
    gate.clear()
    handed = sealed_behind(writer.last, *range(20))
    taken = next(count for count in range(20) if sum(len(sealed.data) for sealed in handed[:count]) >= 1000)
    for sealed in handed[:taken]:
        writer.append_received(sealed)
    with pytest.raises(JournalBusy):
        writer.append_received(handed[taken])
    gate.set()
    told.wait(seq=handed[taken - 1].position.seq)
    writer.append_received(handed[taken])
    writer.close()
    assert contents(disk) == [payload(number) for number in range(taken + 1)]


def test_a_failing_group_is_told_once(disk, told):
    writer = start(disk, told)
    first, second = sealed_behind(writer.last, 0, 1)
    writer.append_received(first)
    told.wait(syncs=1)
    disk.fail("sync")
    writer.append_received(second)
    told.wait(failures=1)
    with pytest.raises(JournalFailed):
        writer.append_received(sealed_behind(second.position, 2)[0])
    writer.close()
    assert told.durable == [first.position]
