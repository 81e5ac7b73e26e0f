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
"""

import re
import struct
from zlib import crc32

import msgspec

from .batch import HASH_BYTES, Position
from .disk import TEMPORARY_SUFFIX, Disk, publish
from .errors import CorruptJournal, failing_while

MAGIC = b"\xf5OSS\r\n"
FORMAT_VERSION = 1
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
    """Which journal a segment belongs to, and what its first batch must follow on."""

    journal_id: bytes
    before: Position


def segment_name(first_seq: int) -> str:
    return f"{first_seq:020d}.segment"


def list_segments(disk: Disk) -> list[Segment]:
    """All segments in the order of their seq. Other files in the folder are nobody's concern."""
    with failing_while("listing the journal's folder"):
        matches = [match for name in disk.names() if (match := _NAME.fullmatch(name))]
        return [Segment(match[0], int(match[1]), disk.size_bytes(match[0])) for match in matches]


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
    fields = _FIELDS.pack(MAGIC, FORMAT_VERSION, header.journal_id, before.seq, before.hash, before.epoch, before.at_ms)
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
    if version != FORMAT_VERSION:
        reason = f"it is of format {version}, and this program reads format {FORMAT_VERSION}"
        raise CorruptJournal(segment.name, 0, segment.first_seq, reason, "Start it with a newer version of onsale.")
    if seq + 1 != segment.first_seq:
        reason = f"the file holds the facts from seq {seq + 1} on, which is not what its name says"
        raise CorruptJournal(segment.name, 0, segment.first_seq, reason)
    return SegmentHeader(journal_id, Position(seq, digest, epoch, at_ms))


def create_segment(disk: Disk, header: SegmentHeader) -> Segment:
    """Begin a segment behind `header.before`, durably. Raises `JournalFailed`."""
    first_seq = header.before.seq + 1
    name = segment_name(first_seq)
    with failing_while(f"beginning {name}"):
        publish(disk, name, encode_header(header))
    return Segment(name, first_seq, HEADER_BYTES)
