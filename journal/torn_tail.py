"""What a bad place in the journal is: the trace of a crash, or corruption.

Owns that judgement, and the cut. It is a *torn tail* only in the last segment and above every position known to be
durable; anywhere else it is *corrupt*. In a grouped segment the tail may be several batches, of which the first may be
whole: they are cut at the first bad one. Promises that the bytes are in a file of their own before they are cut off.
"""

import msgspec

from .batch import HEADER_BYTES, MAGIC, Header, MisplacedBatch, NewerBatch, decode_header
from .disk import Disk, publish
from .errors import CorruptJournal, NewerJournal, failing_while
from .reader import BadPlace, read_bytes
from .segments import Segment

SEARCH_BYTES = 4 * 1024 * 1024


class TornTail(msgspec.Struct, frozen=True):
    """What was cut off as the trace of a write that a crash interrupted.

    `count` is the number of facts in it, None when that can't be told. `backup` is the file that keeps the
    bytes, None when recovery was told not to repair.
    """

    segment: str
    offset: int
    size_bytes: int
    first_seq: int
    count: int | None
    reason: str
    backup: str | None

    def __str__(self) -> str:
        count = "some facts" if self.count is None else f"{self.count} fact{'s' * (self.count != 1)}"
        kept = f"kept in {self.backup}" if self.backup else "left in place"
        return (
            f"The end of {self.segment} was being written when the node stopped: {self.size_bytes} bytes from byte "
            f"{self.offset} on, with {count} from seq {self.first_seq} on ({self.reason}). "
            f"What is not yet durable is not answered for. The bytes are {kept}."
        )


def judge(
    disk: Disk, segment: Segment, bad: BadPlace, *, is_last: bool, grouped: bool, known_durable_seq: int
) -> TornTail:
    """Describe the torn tail that begins at `bad`, or raise `CorruptJournal`, `NewerJournal`.

    `grouped` is the segment's kind.
    """

    def corrupt(why: str) -> CorruptJournal:
        return CorruptJournal(segment.name, bad.offset, bad.seq, f"{bad}; {why}")

    if isinstance(bad.found, NewerBatch):
        raise NewerJournal(segment.name, bad.offset, bad.seq, str(bad)) from bad
    if not is_last:
        raise corrupt("a later segment was begun only when this one was durable") from bad
    if isinstance(bad.found, MisplacedBatch):
        raise corrupt("no crash leaves intact bytes in the wrong place") from bad
    if known_durable_seq >= bad.seq:
        raise corrupt(f"seq {known_durable_seq} is known to have been durable") from bad
    proof = _find_proof(disk, segment, bad, grouped=grouped)
    if proof is not None:
        raise corrupt(f"the batch at byte {proof} was written only when this one was durable") from bad
    own = decode_header(memoryview(read_bytes(disk, segment.name, bad.offset, HEADER_BYTES)))
    return TornTail(
        segment=segment.name,
        offset=bad.offset,
        size_bytes=segment.size_bytes - bad.offset,
        first_seq=bad.seq,
        count=own.count if own and not grouped else None,
        reason=str(bad),
        backup=None,
    )


def _find_proof(disk: Disk, segment: Segment, bad: BadPlace, *, grouped: bool) -> int | None:
    """The offset of an intact batch header which shows that the bad place was durable.

    It does when it names a durable seq that the bad batch held; or when it goes on with the very seq that the bad batch
    should have begun with, for then the bad bytes were a mark, and a mark is synced before anything follows it. In a
    grouped segment it must be a mark that names the seq: batches of a group are written together, its mark with them,
    and what their headers say holds for the disk of the node that sealed them.
    """

    def proves(header: Header, offset: int) -> bool:
        if grouped:
            return header.count == 0 and header.durable_seq >= bad.seq
        return header.durable_seq >= bad.seq or (offset > bad.offset and header.first_seq == bad.seq)

    base = bad.offset
    while base < segment.size_bytes:
        window = read_bytes(disk, segment.name, base, SEARCH_BYTES + HEADER_BYTES)
        view = memoryview(window)
        found = window.find(MAGIC)
        while 0 <= found < SEARCH_BYTES:
            header = decode_header(view, found)
            if header and proves(header, base + found):
                return base + found
            found = window.find(MAGIC, found + 1)
        base += SEARCH_BYTES
    return None


def cut(disk: Disk, torn: TornTail) -> TornTail:
    """Keep a copy of the torn bytes, then cut them off."""
    taken = set(disk.names())
    number = 1
    while f"{torn.segment}.torn-{number}" in taken:
        number += 1
    backup = f"{torn.segment}.torn-{number}"
    with failing_while(f"cutting the torn end off {torn.segment}"):
        publish(disk, backup, disk.read(torn.segment, torn.offset, torn.size_bytes))
        file = disk.open(torn.segment)
        try:
            file.truncate(torn.offset)
            file.sync()
        finally:
            file.close()
    return msgspec.structs.replace(torn, backup=backup)
