"""Appending: batches become durable in the order in which they were handed over.

Owns the end of the journal. Promises that what is written is begun only when all before it is durable: of this node's
own batches one at a time, of another node's a group, with one sync each. So only the last batch, or the last group, can
be torn. Never retries: the first failing write or fsync is the last thing it does.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

import msgspec

from .batch import Position, Sealed, encode_batch, why_not_sealed_for
from .disk import Disk, write_fully
from .errors import JournalBusy, JournalClosed, JournalError, JournalFailed, failing_while
from .recovery import Recovered
from .segments import SEGMENT_BYTES_MAX, SegmentHeader, create_segment, list_segments, read_header

QUEUE_BATCHES_MAX = 16
QUEUE_BYTES_MAX = 64 * 1024 * 1024
IDLE_SECONDS = 1.0
GROUP_BYTES_MAX = 4 * 1024 * 1024


class JournalAppender:
    """The writer without a thread: each call returns when what it was given is durable.

    After one `JournalFailed` every further call raises it again.
    """

    def __init__(self, disk: Disk, recovered: Recovered, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        segment = recovered.segments[-1]
        if list_segments(disk)[-1:] != [segment]:
            raise JournalError("The journal has changed since it was recovered: recover it again before appending.")
        self.position = recovered.position
        self._disk = disk
        self._journal_id = recovered.journal_id
        self._segment_bytes_max = segment_bytes_max
        self._segment = segment
        self._grouped = read_header(disk, segment).grouped
        self._size_bytes = segment.size_bytes
        self._marked = recovered.marked
        self._failure: JournalFailed | None = None
        with failing_while(f"opening {segment.name}"):
            self._file = disk.open(segment.name)

    def append(self, sealed: Sealed) -> None:
        """Make one batch durable that this node sealed itself.

        Raises `JournalFailed`, and `ValueError` when it does not follow on `position`.
        """
        check_chain(self.position, (sealed,))
        self._go_on(grouped=False)
        self._write(sealed.data)
        self.position = sealed.position
        self._marked = False

    def append_received(self, group: Sequence[Sealed]) -> None:
        """Make batches durable that another node sealed, all with one write and one sync; a crash leaves the first few.

        Raises `JournalFailed`, and `ValueError` when they do not follow on `position` and each other.
        """
        if not group:
            return
        check_chain(self.position, group)
        self._go_on(grouped=True)
        self._write(b"".join((self._encoded_mark(), *(sealed.data for sealed in group))))
        self.position = group[-1].position
        self._marked = False

    def mark(self) -> None:
        """Write down that everything so far is durable, so that damage to the end can't pass for a torn tail."""
        if not self._marked:
            self._write(self._encoded_mark())
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

    def _encoded_mark(self) -> bytes:
        before = self.position
        data, _ = encode_batch(
            epoch=before.epoch,
            first_seq=before.seq + 1,
            count=0,
            at_ms=before.at_ms,
            durable_seq=before.seq,
            previous_hash=before.hash,
            payload=b"",
        )
        return data

    def _write(self, data: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            with failing_while(f"writing {self._segment.name}"):
                write_fully(self._file, self._size_bytes, data)
                self._file.sync()
        except JournalFailed as failure:
            self._failure = failure
            raise
        self._size_bytes += len(data)

    def _go_on(self, *, grouped: bool) -> None:
        """Begin a segment where facts of this kind can't go on in the one there is."""
        has_facts = self.position.seq >= self._segment.first_seq
        is_full = has_facts and self._size_bytes >= self._segment_bytes_max
        if self._failure is not None or not (is_full or grouped != self._grouped):
            return
        try:
            # without facts the new segment has the name of the old one, and takes its place
            segment = create_segment(self._disk, SegmentHeader(self._journal_id, self.position, grouped))
            with failing_while(f"opening {segment.name}"):
                self._file.close()
                self._file = self._disk.open(segment.name)
        except JournalFailed as failure:
            self._failure = failure
            raise
        self._segment = segment
        self._grouped = grouped
        self._size_bytes = segment.size_bytes


class _Handed(msgspec.Struct, gc=False):
    sealed: Sealed
    received: bool


class JournalWriter:
    """A `JournalAppender` on a thread of its own, fed from one other thread (the event loop's).

    `on_durable(position)`, once a sync, and `on_failure(error)` are called on the writer's thread, the latter at most
    once and as the last of all calls. While `pending_batches` is not 0 whoever seals does best to stage: a larger batch
    costs no more syncs than a small one. Received batches are grouped here.
    """

    def __init__(
        self,
        disk: Disk,
        recovered: Recovered,
        *,
        on_durable: Callable[[Position], None],
        on_failure: Callable[[JournalFailed], None],
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        queue_batches_max: int = QUEUE_BATCHES_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
    ) -> None:
        self._appender = JournalAppender(disk, recovered, segment_bytes_max=segment_bytes_max)
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._queue_batches_max = queue_batches_max
        self._queue_bytes_max = queue_bytes_max
        self._queue: SimpleQueue[_Handed | None] = SimpleQueue()
        self._looked_at: deque[_Handed | None] = deque()  # taken from the queue, and not for the group it came behind
        self._handed_batches = self._handed_bytes = 0  # counted by the caller's thread alone
        self._finished_batches = self._finished_bytes = 0  # counted by the writer's thread alone
        self._last = recovered.position
        self._closed = False
        self.failure: JournalFailed | None = None
        self._thread = Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def pending_batches(self) -> int:
        """Batches handed over and not yet durable."""
        return self._handed_batches - self._finished_batches

    @property
    def last(self) -> Position:
        """Where the chain stands behind the last batch handed over."""
        return self._last

    def append(self, sealed: Sealed) -> None:
        """Hand over, without blocking, one batch that this node sealed itself.

        Raises `JournalFailed` when the disk has failed, `JournalBusy` when `queue_batches_max` wait, `JournalClosed`,
        and `ValueError` when the batch does not follow on `last`.
        """
        self._check_open()
        if self.pending_batches >= self._queue_batches_max:
            raise JournalBusy(f"{self.pending_batches} batches wait for the disk, which is the bound.")
        self._hand_over(sealed, received=False)

    def append_received(self, sealed: Sealed) -> None:
        """Hand over, without blocking, one batch of another node, verified by `unseal`.

        Raises as `append` does; `JournalBusy` when `queue_bytes_max` wait.
        """
        self._check_open()
        if self._handed_bytes - self._finished_bytes >= self._queue_bytes_max:
            raise JournalBusy(f"{self.pending_batches} received batches wait for the disk, which is the bound.")
        self._hand_over(sealed, received=True)

    def close(self) -> None:
        """Wait until what was handed over is durable and the end is marked. Blocks; a failure is told as always."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _check_open(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise JournalClosed("The journal is closed: nothing more can be appended.")

    def _hand_over(self, sealed: Sealed, *, received: bool) -> None:
        check_chain(self._last, (sealed,))
        self._last = sealed.position
        self._handed_batches += 1
        self._handed_bytes += len(sealed.data)
        self._queue.put(_Handed(sealed, received))

    def _run(self) -> None:
        appender = self._appender
        try:
            while (handed := self._next()) is not None:
                if handed.received:
                    group = self._group(handed.sealed)
                    appender.append_received(group)
                else:
                    group = [handed.sealed]
                    appender.append(handed.sealed)
                self._finished_bytes += sum(len(sealed.data) for sealed in group)
                self._finished_batches += len(group)
                self._on_durable(appender.position)
            appender.close()
        except JournalFailed as failure:
            self._fail(failure)
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would leave every client waiting
            self._fail(JournalFailed("handing over a durable batch", error))

    def _next(self) -> _Handed | None:
        """Waits; and after a while of nothing marks the end, so that later damage to it can't pass for a torn tail."""
        if self._looked_at:
            return self._looked_at.popleft()
        try:
            return self._queue.get(timeout=IDLE_SECONDS)
        except Empty:
            self._appender.mark()
            return self._queue.get()

    def _group(self, first: Sealed) -> list[Sealed]:
        """What was received and can share a sync."""
        group, size_bytes = [first], len(first.data)
        while size_bytes < GROUP_BYTES_MAX and not self._queue.empty():
            following = self._queue.get()
            if following is None or not following.received:
                self._looked_at.append(following)
                break
            group.append(following.sealed)
            size_bytes += len(following.sealed.data)
        return group

    def _fail(self, failure: JournalFailed) -> None:
        self.failure = failure
        try:
            self._on_failure(failure)
        finally:
            self._appender.abandon()


def check_chain(position: Position, group: Sequence[Sealed]) -> None:
    """Raises `ValueError` when the batches do not follow on `position` and each other."""
    for sealed in group:
        if wrong := why_not_sealed_for(sealed, position):
            raise ValueError(f"the batch can't follow: {wrong}")
        position = sealed.position
