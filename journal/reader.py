"""Verified batches in order, from anywhere in the journal.

Owns the walk along the chain that recovery and every reader share. Promises that what it yields is intact and follows
without a gap on what it yielded before. Never writes, and never yields past the position it was allowed to read up to,
so it may run while the writer appends, and while old segments are removed.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .batch import (
    HASH_BYTES,
    SEQ_MAX,
    BadBatch,
    Batch,
    IncompleteBatch,
    MisplacedBatch,
    Position,
    Sealed,
    decode_batch,
    decode_header,
    position_behind,
    sealed_again,
    why_not_next,
)
from .batch import HEADER_BYTES as BATCH_HEADER_BYTES
from .disk import Disk
from .errors import CorruptJournal, HistoryGone, JournalFailed, NoJournal, failing_while
from .segments import HEADER_BYTES as SEGMENT_HEADER_BYTES
from .segments import Segment, list_segments, read_header

CHUNK_BYTES = 1024 * 1024  # large enough to be few calls, small enough to be hashed while still in the cache
SKIP_BYTES = 64 * 1024


class BadPlace(Exception):
    """Where in a segment the chain ends without the file ending: `found` says what is wrong with the bytes there."""

    def __init__(self, offset: int, seq: int, found: BadBatch) -> None:
        super().__init__(str(found))
        self.offset = offset
        self.seq = seq
        self.found = found


def read_bytes(disk: Disk, name: str, offset: int, count_bytes: int) -> bytes:
    """`Disk.read`, with a failing disk told apart from wrong bytes."""
    with failing_while(f"reading {name} at byte {offset}"):
        return disk.read(name, offset, count_bytes)


def walk_batches(disk: Disk, name: str, offset: int, end: int, position: Position) -> Iterator[tuple[int, Batch]]:
    """Each batch, marks too, between two offsets of one segment, with its offset.

    `position` is where the chain stands before `offset`. Raises `BadPlace` at the first bad batch.
    """
    window, base = memoryview(b""), offset
    while offset < end:
        try:
            batch = decode_batch(window, offset - base)
        except IncompleteBatch as incomplete:
            wanted = min(max(CHUNK_BYTES, incomplete.bytes_needed), end - offset)
            if offset + wanted > base + len(window):
                window, base = memoryview(read_bytes(disk, name, offset, wanted)), offset
                if len(window) == wanted:
                    continue
            raise BadPlace(offset, position.seq + 1, incomplete) from incomplete
        except BadBatch as bad:
            raise BadPlace(offset, position.seq + 1, bad) from bad
        if wrong := why_not_next(batch, position):
            raise BadPlace(offset, position.seq + 1, MisplacedBatch(wrong))
        yield offset, batch
        if batch.count:
            position = position_behind(batch)
        offset += batch.batch_bytes


class JournalReader:
    """Reads on from `after_seq`, keeping its place between calls. One reader belongs to one thread at a time."""

    def __init__(self, disk: Disk, after_seq: int) -> None:
        """Raises `HistoryGone` when `after_seq + 1` was deleted, `NoJournal` when there is nothing at all."""
        with _told_when_gone(disk, lambda: after_seq):
            self._open(disk, after_seq)

    def _open(self, disk: Disk, after_seq: int) -> None:
        segments = list_segments(disk)
        if not segments:
            raise NoJournal("There is no journal in this folder.")
        if segments[0].first_seq > after_seq + 1:
            raise HistoryGone(after_seq, segments[0].first_seq)
        self._disk = disk
        self._after_seq = after_seq
        self._segment = segments[bisect_right(segments, after_seq + 1, key=lambda segment: segment.first_seq) - 1]
        header = read_header(disk, self._segment)
        self._journal_id = header.journal_id
        self._position = header.before
        self._offset = SEGMENT_HEADER_BYTES
        self._skip(self._segment.size_bytes)

    @property
    def position(self) -> Position:
        """Behind the last batch that was read; at first, behind the last one that ends at `after_seq` or before."""
        return self._position

    @property
    def offset(self) -> int:
        """In its segment, behind the last batch that was read."""
        return self._offset

    def read(self, through_seq: int) -> Iterator[Batch]:
        """The batches not yet read, up to the one that holds `through_seq`, which must be durable. Marks are left out.

        The first one may begin before the seq that was asked for. Raises `HistoryGone`, `CorruptJournal`,
        `JournalFailed`.
        """
        with _told_when_gone(self._disk, lambda: self._position.seq):
            while self._position.seq < through_seq:
                following = self._following()  # looked up before the size: a segment with a successor grows no more
                yield from self._read_segment(through_seq)
                if self._position.seq < through_seq:
                    if following is None:
                        return
                    self._enter(following)

    def _read_segment(self, through_seq: int) -> Iterator[Batch]:
        name = self._segment.name
        with failing_while(f"reading {name}"):
            end = self._disk.size_bytes(name)
        try:
            for offset, batch in walk_batches(self._disk, name, self._offset, end, self._position):
                if batch.is_mark:
                    continue  # not stepped over for good: a segment without facts may be replaced by one
                self._offset = offset + batch.batch_bytes
                self._position = position_behind(batch)
                if batch.last_seq > self._after_seq:
                    yield batch
                if batch.last_seq >= through_seq:
                    return
        except BadPlace as bad:
            raise CorruptJournal(name, bad.offset, bad.seq, str(bad)) from bad

    def _following(self) -> Segment | None:
        return next((other for other in list_segments(self._disk) if other.first_seq > self._segment.first_seq), None)

    def _enter(self, segment: Segment) -> None:
        header = read_header(self._disk, segment)
        if header.journal_id != self._journal_id or header.before != self._position:
            reason = f"it does not follow on seq {self._position.seq}, where {self._segment.name} ends"
            raise CorruptJournal(segment.name, 0, self._position.seq + 1, reason)
        self._segment = segment
        self._offset = SEGMENT_HEADER_BYTES

    def _skip(self, end: int) -> None:
        """Step over what lies before `after_seq` by the headers alone; everything that is yielded later is verified."""
        name, offset = self._segment.name, self._offset
        window, base = memoryview(b""), offset
        while offset < end:
            if offset + BATCH_HEADER_BYTES > base + len(window):
                base, window = offset, memoryview(read_bytes(self._disk, name, offset, min(SKIP_BYTES, end - offset)))
            header = decode_header(window, offset - base)
            if header is None or header.last_seq > self._after_seq or offset + header.batch_bytes > end:
                break
            offset += header.batch_bytes
            if header.count:
                self._offset = offset
                passed = header
        if self._offset > SEGMENT_HEADER_BYTES:
            digest = read_bytes(self._disk, name, self._offset - HASH_BYTES, HASH_BYTES)
            self._position = Position(passed.last_seq, digest, passed.epoch, passed.at_ms)


class SealedReader:
    """As `JournalReader`, for sending: the batches as they are on disk, verified, their facts not looked at."""

    def __init__(self, disk: Disk, after_seq: int) -> None:
        """Raises `HistoryGone`, `NoJournal`."""
        self._reader = JournalReader(disk, after_seq)

    def read(self, through_seq: int, bytes_max: int) -> list[Sealed]:
        """The next batches, up to the one that holds `through_seq`, which must be durable; none: there are no more.

        The last one may go beyond `bytes_max`, so one batch is read however large it is. Raises `HistoryGone`,
        `CorruptJournal`, `JournalFailed`.
        """
        found: list[Sealed] = []
        size_bytes = 0
        for batch in self._reader.read(through_seq):
            found.append(sealed_again(batch))
            size_bytes += batch.batch_bytes
            if size_bytes >= bytes_max:
                break
        return found


def position_at(disk: Disk, seq: int) -> Position | None:
    """Where the chain stands behind `seq`, which must be durable; None where no batch ends there, or not any more.

    The batch is found by the headers alone and is not verified again. Raises `NoJournal`, `JournalFailed`.
    """
    try:
        position = JournalReader(disk, seq).position
    except HistoryGone:
        return None
    return position if position.seq == seq else None


@contextmanager
def _told_when_gone(disk: Disk, after_seq: Callable[[], int]) -> Iterator[None]:
    """A segment that was removed while it was read is no failure of the disk."""
    try:
        yield
    except JournalFailed as failure:
        segments = list_segments(disk) if isinstance(failure.cause, FileNotFoundError) else []
        if segments and segments[0].first_seq > after_seq() + 1:
            raise HistoryGone(after_seq(), segments[0].first_seq) from failure
        raise


def read_batches(disk: Disk, after_seq: int, *, through_seq: int = SEQ_MAX) -> Iterator[Batch]:
    """The batches from the one that holds `after_seq + 1` to the one that holds `through_seq`, verified, in order.

    While a writer appends, `through_seq` must be durable; without it the journal must be recovered and at rest.
    Raises `HistoryGone`, `NoJournal`, `CorruptJournal`, `JournalFailed`.
    """
    return JournalReader(disk, after_seq).read(through_seq)
