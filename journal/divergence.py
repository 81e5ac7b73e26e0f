"""What this node's journal holds beyond the one it is to follow is cut off, and kept.

Owns the cut at a batch's end in a journal at rest, and `diverged-<first seq, 20 digits>-epoch-<n>.batches`: the batches
cut off, one behind the other as they were in the segments, without marks. Promises that they are in that file, whole
and durable, before any of them leaves the journal; and that a cut interrupted anywhere is finished by the next one.
"""

import re
from collections.abc import Iterator

import msgspec

from .batch import HEADER_BYTES as BATCH_HEADER_BYTES
from .batch import SEQ_MAX, BadBatch, Batch, Position, decode_header, sealed_again
from .disk import Disk, publish_parts
from .errors import CorruptJournal, HistoryGone, failing_while
from .reader import BadPlace, JournalReader, read_bytes, walk_batches
from .segments import HEADER_BYTES as SEGMENT_HEADER_BYTES
from .segments import Segment, list_segments, read_header, remove_leftovers

_NAME = re.compile(r"diverged-(\d{20})-epoch-(\d+)(?:-(\d+))?\.batches")


class CutPart(msgspec.Struct, frozen=True):
    """What was cut off and is kept in `file`: the facts from `first_seq` to `last_seq`, of these epochs.

    `last_hash` is the hash of its last batch.
    """

    disk: Disk
    file: str
    first_seq: int
    last_seq: int
    last_hash: bytes
    epochs: tuple[int, ...]

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches, verified, in order. Raises `CorruptJournal`, `JournalFailed`."""
        return _walk_file(self.disk, self.file)


def cut_after(disk: Disk, seq: int) -> CutPart | None:
    """Make the journal end behind `seq`, where a batch ends; None when there is nothing behind it.

    The journal must have been recovered, and nothing may have it open. What a cut that was interrupted had kept already
    is in the part that the next one gives, unless it was through: see `kept_parts`.
    Raises `ValueError` when no batch ends at `seq` in this journal, `CorruptJournal`, `JournalFailed`, `NoJournal`.
    """
    remove_leftovers(disk)
    try:
        reader = JournalReader(disk, seq)
    except HistoryGone as gone:
        raise ValueError(f"seq {seq} is not in this journal any more: {gone}") from gone
    if reader.position.seq != seq:
        raise ValueError(f"no batch ends at seq {seq} in this journal")
    first = last = next(reader.read(SEQ_MAX), None)
    if first is None or last is None:
        return None
    for last in reader.read(SEQ_MAX):  # noqa: B007 - the last one of all
        pass
    part = _keep(disk, seq, first, last)
    _cut(disk, seq)
    return part


def kept_parts(disk: Disk) -> list[CutPart]:
    """All that was ever cut off and is still kept, oldest seq first. Raises `CorruptJournal`, `JournalFailed`."""
    with failing_while("listing the journal's folder"):
        names = [name for name in disk.names() if _NAME.fullmatch(name)]
    return [_read_part(disk, name) for name in names]


def _keep(disk: Disk, seq: int, first: Batch, last: Batch) -> CutPart:
    """Copy everything behind `seq`, unless an interrupted cut has done so."""
    stem = f"diverged-{first.first_seq:020d}-epoch-{first.epoch}"
    number, name = 1, f"{stem}.batches"
    while name in disk.names():
        if _holds(disk, name, last):
            return _read_part(disk, name)
        number += 1
        name = f"{stem}-{number}.batches"
    with failing_while(f"keeping what is cut off in {name}"):
        publish_parts(disk, name, (sealed_again(batch).data for batch in JournalReader(disk, seq).read(SEQ_MAX)))
    return _read_part(disk, name)


def _holds(disk: Disk, name: str, last: Batch) -> bool:
    """Whether the file has `last`. Its hash covers everything before it, so then it has that too."""
    try:
        return any(batch.hash == last.hash for batch in _walk_file(disk, name))
    except CorruptJournal:
        return False


def _read_part(disk: Disk, name: str) -> CutPart:
    epochs: dict[int, None] = {}
    first_seq = 0
    for batch in _walk_file(disk, name):
        first_seq = first_seq or batch.first_seq
        epochs[batch.epoch] = None
    return CutPart(disk, name, first_seq, batch.last_seq, batch.hash, tuple(epochs))


def _walk_file(disk: Disk, name: str) -> Iterator[Batch]:
    """At least one batch."""
    with failing_while(f"reading {name}"):
        size_bytes = disk.size_bytes(name)
    header = decode_header(memoryview(read_bytes(disk, name, 0, BATCH_HEADER_BYTES)))
    advice = "It is only kept to be looked at: move it away."
    if header is None:
        raise CorruptJournal(name, 0, 0, str(BadBatch("there is no intact batch header here")), advice)
    before = Position(header.first_seq - 1, header.previous_hash, header.epoch, header.at_ms)
    try:
        for _, batch in walk_batches(disk, name, 0, size_bytes, before):
            yield batch
    except BadPlace as bad:
        raise CorruptJournal(name, bad.offset, bad.seq, str(bad), advice) from bad


def _cut(disk: Disk, seq: int) -> None:
    """Later segments go first, the last one of all, so that what is left has no gap; then the one that holds `seq`."""
    segments = list_segments(disk)
    while segments[-1].first_seq > seq + 1:
        segment = segments.pop()
        with failing_while(f"removing {segment.name}"):
            disk.remove(segment.name)
            disk.sync_folder()
    segment = segments[-1]
    offset = _offset_behind(disk, segment, seq)
    with failing_while(f"cutting {segment.name}"):
        file = disk.open(segment.name)
        try:
            file.truncate(offset)
            file.sync()
        finally:
            file.close()


def _offset_behind(disk: Disk, segment: Segment, seq: int) -> int:
    """Where the first batch of facts behind `seq` begins, or the segment ends."""
    position = read_header(disk, segment).before
    try:
        for offset, batch in walk_batches(disk, segment.name, SEGMENT_HEADER_BYTES, segment.size_bytes, position):
            if batch.count and batch.first_seq > seq:
                return offset
    except BadPlace as bad:
        raise CorruptJournal(segment.name, bad.offset, bad.seq, str(bad)) from bad
    return segment.size_bytes
