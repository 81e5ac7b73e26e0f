"""Segment files: their names, their headers, and how one comes to be.

Owns `<first seq, 20 digits>.segment`. A segment appears whole or not at all (temporary file, fsync, rename, fsync of
the folder), and only when everything before its first seq is durable; so no crash leaves a damaged header behind.

    offset  bytes
         0      6  magic
         6      2  format version
         8     16  journal id
        24      8  seq   | where the chain stood when the segment was begun:
        32     16  hash  | the position of the last fact before it
        48      8  epoch |
        56      8  at_ms |
        64      4  CRC-32 of the 64 bytes above

There are two kinds, told apart by the format version, for a batch says what was durable where it was sealed:

1 *single*: batches of this node's own, each synced before the next is begun. Each one's header proves that all before
  it is durable here.
2 *grouped*: batches of another node, several to a sync. Only marks prove anything; each group begins with one.
"""

import re
import struct
from contextlib import suppress
from zlib import crc32

import msgspec

from .batch import HASH_BYTES, Position
from .disk import TEMPORARY_SUFFIX, Disk, publish
from .errors import CorruptJournal, NewerJournal, failing_while

MAGIC = b"\xf5OSS\r\n"
SINGLE_FORMAT_VERSION = 1
GROUPED_FORMAT_VERSION = 2
CHECKED_BYTES = 64
HEADER_BYTES = 68
JOURNAL_ID_BYTES = 16
SEGMENT_BYTES_MAX = 64 * 1024 * 1024

_FIELDS = struct.Struct("<6sH16sQ16sQQ")
_HEADER = struct.Struct("<6sH16sQ16sQQI")
_NAME = re.compile(r"(\d{20})\.segment")

assert _FIELDS.size == CHECKED_BYTES
assert _HEADER.size == HEADER_BYTES


class Segment(msgspec.Struct, frozen=True):
    """One file of the journal: `first_seq` is in its name, `size_bytes` covers header and batches."""

    name: str
    first_seq: int
    size_bytes: int


class SegmentHeader(msgspec.Struct, frozen=True):
    """Which journal a segment belongs to, what its first batch must follow on, and of which kind it is."""

    journal_id: bytes
    before: Position
    grouped: bool = False


def segment_name(first_seq: int) -> str:
    return f"{first_seq:020d}.segment"


def list_segments(disk: Disk) -> list[Segment]:
    """All segments in the order of their seq. Other files in the folder are nobody's concern.

    It may be called while old segments are removed: those that go meanwhile are left out.
    """
    segments = []
    with failing_while("listing the journal's folder"):
        for name in disk.names():
            if match := _NAME.fullmatch(name):
                with suppress(FileNotFoundError):
                    segments.append(Segment(name, int(match[1]), disk.size_bytes(name)))
    return segments


def remove_leftovers(disk: Disk) -> None:
    """Remove what a crash left of files that were never published."""
    with failing_while("removing leftover files"):
        for name in disk.names():
            if name.endswith(TEMPORARY_SUFFIX):
                disk.remove(name)


def encode_header(header: SegmentHeader) -> bytes:
    before = header.before
    if len(header.journal_id) != JOURNAL_ID_BYTES or len(before.hash) != HASH_BYTES:
        raise ValueError(f"a journal id has {JOURNAL_ID_BYTES} bytes and a hash {HASH_BYTES}")
    version = GROUPED_FORMAT_VERSION if header.grouped else SINGLE_FORMAT_VERSION
    fields = _FIELDS.pack(MAGIC, version, header.journal_id, before.seq, before.hash, before.epoch, before.at_ms)
    return fields + crc32(fields).to_bytes(4, "little")


def read_header(disk: Disk, segment: Segment) -> SegmentHeader:
    """The verified header of `segment`, which must agree with its name. Raises `CorruptJournal`, `JournalFailed`."""
    with failing_while(f"reading {segment.name}"):
        data = disk.read(segment.name, 0, HEADER_BYTES)
    if len(data) < HEADER_BYTES:
        raise CorruptJournal(segment.name, 0, segment.first_seq, "the file is shorter than a segment's header")
    magic, version, journal_id, seq, digest, epoch, at_ms, checksum = _HEADER.unpack(data)
    if magic != MAGIC or checksum != crc32(data[:CHECKED_BYTES]):
        raise CorruptJournal(segment.name, 0, segment.first_seq, "the segment's header is damaged")
    if version not in (SINGLE_FORMAT_VERSION, GROUPED_FORMAT_VERSION):
        reason = f"it is of format {version}, and this program reads formats up to {GROUPED_FORMAT_VERSION}"
        raise NewerJournal(segment.name, 0, segment.first_seq, reason)
    if seq + 1 != segment.first_seq:
        reason = f"the file holds the facts from seq {seq + 1} on, which is not what its name says"
        raise CorruptJournal(segment.name, 0, segment.first_seq, reason)
    return SegmentHeader(journal_id, Position(seq, digest, epoch, at_ms), version == GROUPED_FORMAT_VERSION)


def create_segment(disk: Disk, header: SegmentHeader) -> Segment:
    """Begin a segment behind `header.before`, durably. Raises `JournalFailed`.

    One of that name, which must not hold a fact yet, is replaced.
    """
    first_seq = header.before.seq + 1
    name = segment_name(first_seq)
    with failing_while(f"beginning {name}"):
        publish(disk, name, encode_header(header))
    return Segment(name, first_seq, HEADER_BYTES)
