"""Appending: batches become durable one by one, in the order in which they were handed over.

Owns the end of the journal. Promises that batch N+1 is begun only when batch N is durable, so that of all batches only
the last one can be torn. Never retries: the first failing write or fsync is the last thing it does.
"""

from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from .batch import COUNT_MAX, PAYLOAD_BYTES_MAX, Position, encode_batch
from .disk import Disk, write_fully
from .errors import JournalBusy, JournalClosed, JournalError, JournalFailed, failing_while
from .recovery import Recovered
from .segments import SEGMENT_BYTES_MAX, SegmentHeader, create_segment, list_segments

QUEUE_BATCHES_MAX = 16


class JournalAppender:
    """The writer without a thread: each call returns when its batch is durable.

    After one `JournalFailed` every further call raises it again.
    """

    def __init__(
        self, disk: Disk, recovered: Recovered, *, epoch: int, segment_bytes_max: int = SEGMENT_BYTES_MAX
    ) -> None:
        if epoch < recovered.position.epoch:
            raise ValueError(f"epoch {epoch} is over: the journal has facts of epoch {recovered.position.epoch}")
        segment = recovered.segments[-1]
        if list_segments(disk)[-1:] != [segment]:
            raise JournalError("The journal has changed since it was recovered: recover it again before appending.")
        self.epoch = epoch
        self.position = recovered.position
        self._disk = disk
        self._journal_id = recovered.journal_id
        self._segment_bytes_max = segment_bytes_max
        self._segment = segment
        self._size_bytes = segment.size_bytes
        self._marked = recovered.marked
        self._failure: JournalFailed | None = None
        with failing_while(f"opening {segment.name}"):
            self._file = disk.open(segment.name)

    def append(self, at_ms: int, count: int, payload: bytes) -> bytes:
        """Make one batch of `count` facts durable, and return its hash. Raises `JournalFailed`."""
        if count < 1 or at_ms < self.position.at_ms:
            raise ValueError(f"{count} facts at {at_ms} ms can't follow on facts of {self.position.at_ms} ms")
        digest = self._write(self.epoch, at_ms, count, payload)
        self.position = Position(self.position.seq + count, digest, self.epoch, at_ms)
        self._marked = False
        return digest

    def mark(self) -> None:
        """Write down that everything so far is durable, so that damage to the last batch can't pass for a torn tail."""
        if not self._marked:
            self._write(self.position.epoch, self.position.at_ms, 0, b"")
            self._marked = True

    def close(self) -> None:
        """Mark the end and let go of the file. After a failure it only lets go."""
        try:
            if self._failure is None:
                self.mark()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file as a crash would. Never raises: what was promised is synced already."""
        with suppress(OSError):
            self._file.close()

    def _write(self, epoch: int, at_ms: int, count: int, payload: bytes) -> bytes:
        if self._failure is not None:
            raise self._failure
        before = self.position
        data, digest = encode_batch(
            epoch=epoch,
            first_seq=before.seq + 1,
            count=count,
            at_ms=at_ms,
            durable_seq=before.seq,
            previous_hash=before.hash,
            payload=payload,
        )
        try:
            if count and self._size_bytes >= self._segment_bytes_max and before.seq >= self._segment.first_seq:
                self._rotate()
            with failing_while(f"writing {self._segment.name}"):
                write_fully(self._file, self._size_bytes, data)
                self._file.sync()
        except JournalFailed as failure:
            self._failure = failure
            raise
        self._size_bytes += len(data)
        return digest

    def _rotate(self) -> None:
        """Go on in a new segment. The old one holds at least one fact, so the two can't have one name."""
        segment = create_segment(self._disk, SegmentHeader(self._journal_id, self.position))
        with failing_while(f"opening {segment.name}"):
            self._file.close()
            self._file = self._disk.open(segment.name)
        self._segment = segment
        self._size_bytes = segment.size_bytes


class JournalWriter:
    """A `JournalAppender` on a thread of its own, fed from one other thread (the event loop's).

    `on_durable(last_seq, hash)` and `on_failure(error)` are called on the writer's thread, the latter at most once and
    as the last of all calls. While `pending_batches` is not 0 the caller does best to stage: a larger batch costs no
    more syncs than a small one.
    """

    def __init__(
        self,
        disk: Disk,
        recovered: Recovered,
        *,
        epoch: int,
        on_durable: Callable[[int, bytes], None],
        on_failure: Callable[[JournalFailed], None],
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        queue_batches_max: int = QUEUE_BATCHES_MAX,
    ) -> None:
        self._appender = JournalAppender(disk, recovered, epoch=epoch, segment_bytes_max=segment_bytes_max)
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._queue_batches_max = queue_batches_max
        self._queue: SimpleQueue[tuple[int, int, bytes] | None] = SimpleQueue()
        self._handed_over = 0  # counted by the caller's thread alone
        self._finished = 0  # counted by the writer's thread alone
        self._last_seq = recovered.position.seq
        self._last_at_ms = recovered.position.at_ms
        self._closed = False
        self.failure: JournalFailed | None = None
        self._thread = Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def pending_batches(self) -> int:
        """Batches handed over and not yet durable."""
        return self._handed_over - self._finished

    @property
    def last_seq(self) -> int:
        """The last seq handed over."""
        return self._last_seq

    def append(self, at_ms: int, count: int, payload: bytes) -> int:
        """Hand one batch over without blocking, and return the seq of its last fact.

        Raises `JournalFailed` when the disk has failed, `JournalBusy` when the queue is full, `JournalClosed`, and
        `ValueError` when time runs back or a bound of the format is broken.
        """
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise JournalClosed("The journal is closed: nothing more can be appended.")
        if self.pending_batches >= self._queue_batches_max:
            raise JournalBusy(f"{self.pending_batches} batches wait for the disk, which is the bound.")
        if not (1 <= count <= COUNT_MAX and 1 <= len(payload) <= PAYLOAD_BYTES_MAX and at_ms >= self._last_at_ms):
            raise ValueError(
                f"a batch of {count} facts in {len(payload)} bytes at {at_ms} ms can't follow: a batch has 1 to "
                f"{COUNT_MAX} facts and 1 to {PAYLOAD_BYTES_MAX} bytes, and the last one was of {self._last_at_ms} ms"
            )
        self._last_seq += count
        self._last_at_ms = at_ms
        self._handed_over += 1
        self._queue.put((at_ms, count, payload))
        return self._last_seq

    def close(self) -> None:
        """Wait until what was handed over is durable and the end is marked. Blocks; a failure is told as always."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        appender = self._appender
        try:
            while (handed := self._queue.get()) is not None:
                digest = appender.append(*handed)
                self._finished += 1
                self._on_durable(appender.position.seq, digest)
            appender.close()
        except JournalFailed as failure:
            self._fail(failure)
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would leave every client waiting
            self._fail(JournalFailed("handing over a durable batch", error))

    def _fail(self, failure: JournalFailed) -> None:
        self.failure = failure
        try:
            self._on_failure(failure)
        finally:
            self._appender.abandon()
