"""Appending, with and without the thread."""

import threading
from pathlib import Path

import pytest

from onsale.journal.batch import PAYLOAD_BYTES_MAX, Position
from onsale.journal.disk import RealDisk
from onsale.journal.errors import JournalBusy, JournalClosed, JournalError, JournalFailed
from onsale.journal.reader import read_batches
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import HEADER_BYTES, list_segments
from onsale.journal.writer import JournalAppender, JournalWriter
from onsale.tests.journal.journals import FIRST, JOURNAL_ID, append, begin, contents, filled, payload, resume
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


def test_append_returns_the_hash_that_the_next_batch_follows(disk):
    appender = begin(disk)
    first = appender.append(5, 2, b"one")
    second = appender.append(5, 1, b"two")
    assert appender.position == Position(seq=3, hash=second, epoch=1, at_ms=5)
    assert [(batch.previous_hash, batch.hash) for batch in read_batches(disk, 0)] == [
        (JOURNAL_ID, first),
        (first, second),
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
    appender.append(1, 1, b"next")
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
    appender.append(0, 1, b"x")
    append(resume(disk, epoch=4), 1)
    assert recover(disk).last_epoch == 4
    with pytest.raises(ValueError, match="epoch 3 is over"):
        resume(disk, epoch=3)


@pytest.mark.parametrize(("at_ms", "count"), [(4, 1), (5, 0), (5, -1)])
def test_what_can_not_follow_is_refused_and_does_no_harm(disk, at_ms, count):
    appender = begin(disk)
    appender.append(5, 1, b"x")
    with pytest.raises(ValueError, match="can't follow"):
        appender.append(at_ms, count, b"y")
    appender.append(5, 1, b"z")
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
            appender.append(9, 1, b"x" * 300)
        appender.close()
        disk.kill()
        disk.capacity_bytes = None
        assert recover(disk).last_seq == 1
        append(resume(disk), 10)
        assert contents(disk) == [payload(0), payload(10)]


def test_a_folder_that_changed_since_recovery_is_noticed(disk):
    recovered = create_journal(disk, JOURNAL_ID)
    append(JournalAppender(disk, recovered, epoch=1), 0)
    with pytest.raises(JournalError, match="recover it again"):
        JournalAppender(disk, recovered, epoch=1)


# With the thread


class Told:
    """What the writer reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.durable: list[tuple[int, bytes]] = []
        self.failures: list[JournalFailed] = []
        self._changed = threading.Condition()

    def on_durable(self, last_seq: int, digest: bytes) -> None:
        with self._changed:
            self.durable.append((last_seq, digest))
            self._changed.notify_all()

    def on_failure(self, failure: JournalFailed) -> None:
        with self._changed:
            self.failures.append(failure)
            self._changed.notify_all()

    def wait(self, *, batches: int = 0, failures: int = 0) -> None:
        def there() -> bool:
            return len(self.durable) >= batches and len(self.failures) >= failures

        with self._changed:
            assert self._changed.wait_for(there, PATIENCE_SECONDS)


@pytest.fixture
def told() -> Told:
    return Told()


def start(disk, told, **options) -> JournalWriter:
    recovered = recover(disk) if list_segments(disk) else create_journal(disk, JOURNAL_ID)
    return JournalWriter(disk, recovered, epoch=1, on_durable=told.on_durable, on_failure=told.on_failure, **options)


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
    handed = [writer.append(number, number % 3 + 1, payload(number)) for number in range(200)]
    told.wait(batches=200)
    assert writer.pending_batches == 0
    writer.close()
    batches = list(read_batches(disk, 0))
    assert told.durable == [(batch.last_seq, batch.hash) for batch in batches]
    assert [batch.last_seq for batch in batches] == handed
    assert [batch.payload for batch in batches] == [payload(number) for number in range(200)]
    assert told.failures == []
    assert len(list_segments(disk)) > 5


def test_what_was_handed_over_is_durable_when_close_returns(disk, told):
    writer = start(disk, told)
    for number in range(10):
        writer.append(number, 1, payload(number))
    writer.close()
    disk.crash()
    recovered = recover(disk)
    assert recovered.marked
    assert recovered.last_seq == 10 == told.durable[-1][0]
    assert recovered.last_hash == told.durable[-1][1]
    assert writer.failure is None


def test_it_goes_on_where_it_stopped(disk, told):
    for number in range(5):
        writer = start(disk, told)
        assert writer.append(number, 2, payload(number)) == 2 * number + 2
        writer.close()
    assert contents(disk) == [payload(number) for number in range(5)]


def test_append_does_not_wait_and_the_queue_is_bounded(disk, told, gate):
    writer = start(disk, told, queue_batches_max=3)
    gate.clear()
    for number in range(3):
        writer.append(number, 1, b"x")
    assert writer.pending_batches == 3
    with pytest.raises(JournalBusy):
        writer.append(3, 1, b"x")
    assert writer.last_seq == 3
    gate.set()
    told.wait(batches=3)
    assert writer.append(3, 1, b"x") == 4
    writer.close()
    assert [seq for seq, _ in told.durable] == [1, 2, 3, 4]


def test_the_next_batch_is_begun_when_this_one_is_durable(disk, told, gate):
    writer = start(disk, told)
    size_bytes = disk.size_bytes(FIRST)
    gate.clear()
    writer.append(0, 1, b"one")
    writer.append(0, 1, b"two")
    disk.crash()  # with the first one unsynced, the second one can't be there
    assert disk.size_bytes(FIRST) <= size_bytes + 84 + 3
    gate.set()
    told.wait(failures=1)
    assert told.durable == []
    writer.close()


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_failure_is_told_once_and_ends_everything(disk, told, operation):
    writer = start(disk, told)
    writer.append(0, 1, payload(0))
    told.wait(batches=1)
    disk.fail(operation)
    for number in range(1, 5):
        try:
            writer.append(number, 1, payload(number))
        except JournalFailed:
            break
    told.wait(failures=1)
    with pytest.raises(JournalFailed):
        writer.append(9, 1, b"x")
    writer.close()
    assert writer.failure is told.failures[0]
    assert len(told.failures) == 1
    assert [seq for seq, _ in told.durable] == [1]
    disk.kill()
    assert recover(disk).last_seq in (1, 2)
    assert contents(disk)[0] == payload(0)


def test_a_failure_while_closing_is_told(disk, told):
    writer = start(disk, told)
    writer.append(0, 1, b"x")
    told.wait(batches=1)
    disk.fail("sync")
    writer.close()
    assert len(told.failures) == 1
    assert writer.failure is told.failures[0]


def test_a_callback_that_breaks_stops_the_writer_loudly(disk, told):
    def broken(last_seq: int, digest: bytes) -> None:
        raise RuntimeError("the loop is gone")

    recovered = create_journal(disk, JOURNAL_ID)
    writer = JournalWriter(disk, recovered, epoch=1, on_durable=broken, on_failure=told.on_failure)
    writer.append(0, 1, b"x")
    told.wait(failures=1)
    assert "the loop is gone" in str(told.failures[0])
    writer.close()
    assert contents(disk) == [b"x"]


def test_after_close_nothing_is_taken(disk, told):
    writer = start(disk, told)
    writer.close()
    writer.close()
    with pytest.raises(JournalClosed):
        writer.append(0, 1, b"x")


@pytest.mark.parametrize(
    ("at_ms", "count", "data"),
    [(4, 1, b"x"), (5, 0, b""), (5, 1, b""), (5, 2**32, b"x"), (5, 1, bytes(PAYLOAD_BYTES_MAX + 1))],
    ids=["time runs back", "no facts", "no bytes", "too many facts", "too many bytes"],
)
def test_the_caller_hears_of_its_own_mistakes(disk, told, at_ms, count, data):
    writer = start(disk, told)
    writer.append(5, 1, b"x")
    with pytest.raises(ValueError, match="can't follow"):
        writer.append(at_ms, count, data)
    assert writer.append(5, 1, b"y") == 2
    writer.close()
    assert contents(disk) == [b"x", b"y"]
    assert told.failures == []
