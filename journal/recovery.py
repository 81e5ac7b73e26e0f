"""What a start finds: the whole journal verified in one pass, a torn tail cut off, corruption refused.

Owns the start and the end of a journal at rest. Promises that what it returns is intact, durable and ready to be
appended to, and that a second run finds the same. Never skips a batch, and never mends one.
"""

from collections.abc import Callable

import msgspec

from .batch import EpochStart, Position, position_behind
from .disk import Disk, write_fully
from .errors import CorruptJournal, JournalError, NoJournal, failing_while
from .reader import BadPlace, walk_batches
from .segments import HEADER_BYTES as SEGMENT_HEADER_BYTES
from .segments import Segment, SegmentHeader, create_segment, list_segments, read_header, remove_leftovers
from .torn_tail import TornTail, cut, judge

PROGRESS_BYTES = 16 * 1024 * 1024

Progress = Callable[[int, int], None]
"""Called now and then with (bytes read, bytes in all)."""


class Recovered(msgspec.Struct, frozen=True):
    """The journal as a start found it: `before` is where the chain stood before its oldest fact, `position` where the
    next batch goes.

    `epochs` are those that begin in it, in order: not the one of `before`, of which it may hold the rest.
    `marked` says that a mark is the last thing written, as a clean stop leaves it.
    """

    journal_id: bytes
    before: Position
    position: Position
    epochs: tuple[EpochStart, ...]
    segments: tuple[Segment, ...]
    marked: bool
    dropped: TornTail | None

    @property
    def first_seq(self) -> int:
        """The oldest fact kept."""
        return self.before.seq + 1

    @property
    def last_seq(self) -> int:
        return self.position.seq

    @property
    def last_hash(self) -> bytes:
        return self.position.hash

    @property
    def last_epoch(self) -> int:
        return self.position.epoch

    @property
    def last_at_ms(self) -> int:
        return self.position.at_ms


def create_journal(disk: Disk, journal_id: bytes, *, before: Position | None = None) -> Recovered:
    """Begin a journal: `journal_id` is 16 random bytes, `before` where it goes on from when it does not begin at seq 1.

    The chain of a journal that begins at seq 1 begins with its id, so no batch of one journal fits into another.
    """
    if list_segments(disk):
        raise JournalError("There is a journal in this folder already.")
    remove_leftovers(disk)
    start = before or Position(seq=0, hash=journal_id, epoch=0, at_ms=0)
    segment = create_segment(disk, SegmentHeader(journal_id, start))
    return Recovered(journal_id, start, start, (), (segment,), marked=True, dropped=None)


def recover(
    disk: Disk,
    *,
    known_durable_seq: int = 0,
    known_hash: bytes | None = None,
    repair: bool = True,
    progress: Progress | None = None,
) -> Recovered:
    """Verify the whole journal and make it ready to be appended to.

    `known_durable_seq` is a position known from elsewhere (a checkpoint), `known_hash` the hash of the batch that ends
    there. Without `repair` nothing is written, and a torn tail is only reported.
    Raises `NoJournal`, `CorruptJournal`, `JournalFailed`.
    """
    segments = list_segments(disk)
    if not segments:
        if known_durable_seq:
            reason = f"there is no segment at all, and the facts up to seq {known_durable_seq} were durable"
            raise CorruptJournal("the journal's folder", 0, 1, reason)
        raise NoJournal("There is no journal in this folder.")
    if repair:
        remove_leftovers(disk)
    scan = _Scan(disk, segments, known_durable_seq, known_hash, progress)
    scan.run()
    dropped = scan.dropped
    if repair:
        if dropped is not None:
            dropped = cut(disk, dropped)
        _settle(disk, segments[-1].name, scan.settled, scan.end)
    kept = (*segments[:-1], Segment(segments[-1].name, segments[-1].first_seq, scan.end))
    return Recovered(
        scan.journal_id, scan.before, scan.position, tuple(scan.epochs), kept, marked=scan.marked, dropped=dropped
    )


class _Scan:
    """One pass over all segments. After `run` its fields say where the chain stands and where the last segment ends."""

    def __init__(
        self,
        disk: Disk,
        segments: list[Segment],
        known_durable_seq: int,
        known_hash: bytes | None,
        progress: Progress | None,
    ) -> None:
        first = read_header(disk, segments[0])
        self.disk = disk
        self.segments = segments
        self.known_durable_seq = known_durable_seq
        self.known_hash = known_hash
        self.progress = progress
        self.journal_id = first.journal_id
        self.before = self.position = first.before
        self.epochs: list[EpochStart] = []
        self.grouped = False  # the segment being scanned
        self.marked = True
        self.settled = 0  # what was written behind this offset may not be durable yet
        self.end = 0
        self.dropped: TornTail | None = None

    def run(self) -> None:
        bytes_total = sum(segment.size_bytes for segment in self.segments)
        bytes_before = 0
        self._check_known(self.segments[0].name, 0, self.position)
        for segment in self.segments:
            self._check_header(segment)
            try:
                self._scan_segment(segment, bytes_before, bytes_total)
            except BadPlace as bad:
                is_last = segment is self.segments[-1]
                self.dropped = judge(
                    self.disk, segment, bad,
                    is_last=is_last, grouped=self.grouped, known_durable_seq=self.known_durable_seq,
                )  # fmt: skip
            bytes_before += segment.size_bytes
        if self.progress:
            self.progress(bytes_total, bytes_total)
        if self.position.seq < self.known_durable_seq:
            reason = f"the journal ends with seq {self.position.seq}, and seq {self.known_durable_seq} was durable"
            raise CorruptJournal(self.segments[-1].name, self.end, self.position.seq + 1, reason)

    def _check_header(self, segment: Segment) -> None:
        header = read_header(self.disk, segment)
        seq = self.position.seq + 1
        if header.journal_id != self.journal_id:
            raise CorruptJournal(segment.name, 0, segment.first_seq, "it belongs to another journal")
        if header.before.seq != self.position.seq:
            reason = f"seq {seq} should come next: bytes or whole segments before this one are missing"
            raise CorruptJournal(segment.name, 0, seq, reason)
        if header.before != self.position:
            raise CorruptJournal(segment.name, 0, seq, "it does not follow on the segment before it")
        self.grouped = header.grouped
        self.settled, self.end = 0, SEGMENT_HEADER_BYTES

    def _scan_segment(self, segment: Segment, bytes_before: int, bytes_total: int) -> None:
        report_at = PROGRESS_BYTES
        watched_seq = self.known_durable_seq if self.known_hash is not None else -1
        for offset, batch in walk_batches(
            self.disk, segment.name, SEGMENT_HEADER_BYTES, segment.size_bytes, self.position
        ):
            self.end = offset + batch.batch_bytes
            self.marked = not batch.count
            if self.marked or not self.grouped:
                self.settled = offset
            if batch.count:
                if batch.epoch != self.position.epoch:
                    self.epochs.append(EpochStart(batch.epoch, batch.first_seq, batch.hash))
                self.position = position_behind(batch)
                if batch.first_seq <= watched_seq <= batch.last_seq:
                    self._check_known(segment.name, offset, self.position)
            if self.progress and offset >= report_at:
                report_at = offset + PROGRESS_BYTES
                self.progress(bytes_before + offset, bytes_total)

    def _check_known(self, name: str, offset: int, position: Position) -> None:
        """Hold the chain against the position known from a checkpoint."""
        if self.known_hash is None or position.seq < self.known_durable_seq:
            return
        if position.seq > self.known_durable_seq and offset == 0:
            reason = (
                f"the journal begins behind seq {position.seq}, but the checkpoint ends with {self.known_durable_seq}"
            )
            raise CorruptJournal(name, offset, self.known_durable_seq + 1, reason)
        if position.seq != self.known_durable_seq or position.hash != self.known_hash:
            reason = f"the checkpoint at seq {self.known_durable_seq} was taken from another history than this one"
            raise CorruptJournal(name, offset, self.known_durable_seq, reason)


def _settle(disk: Disk, name: str, offset: int, end: int) -> None:
    """Make what was read durable: it may have come from the page cache alone.

    What was written last, a record or a group, is written over itself first. When its fsync failed, the kernel holds
    its bytes but takes them for written, so an fsync alone would say yes and do nothing. Everything before it is
    durable by the writer's rule.
    """
    with failing_while(f"syncing {name}"):
        file = disk.open(name)
        try:
            write_fully(file, offset, disk.read(name, offset, end - offset))
            file.sync()
        finally:
            file.close()
        disk.sync_folder()
