"""What the objects of a backup are called, and what their names alone tell.

Owns the names. Those of the journal's parts and of copies say what is in them, digest included: equal names mean equal
bytes, two histories never share one, and no list of contents is needed that could be wrong.

    journal-id                                       whose backup this is
    epoch-0000000003/checkpoint/…                    Litestream's, one replica for each epoch
    epoch-0000000003/checkpoint-owner                which node's Litestream writes there
    epoch-0000000003/copies/<seq>-<digest>/…         a copy of the checkpoint at `seq`: 00000-<digest>, …, complete
    epoch-0000000003/journal/<first seq>-<hash>/<offset>-<end>-<last seq>-<digest>.part

`<first seq>-<hash>` names a segment: its first seq, and where the chain stood before it. A part is the bytes from
`offset` to `end` of that segment's file: whole batches, all of this epoch, the last fact `last seq`.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from ...journal.segments import segment_name
from .target import Stored

JOURNAL_ID = "journal-id"
COMPLETE = "complete"
DIGEST_BYTES = 16

_PART = re.compile(
    r"epoch-(\d{10})/journal/(\d{20})-([0-9a-f]{32})/(\d{12})-(\d{12})-(\d{20})-([0-9a-f]{32})\.part", re.ASCII
)
_EPOCH = re.compile(r"epoch-(\d{10})/(\w+)/", re.ASCII)
_COPY = re.compile(r"epoch-(\d{10})/copies/(\d{20})-([0-9a-f]{32})/", re.ASCII)


def digest_of(data: bytes | memoryview) -> str:
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


class Key(msgspec.Struct, frozen=True, order=True):
    """A segment: its first seq, and the hash of the batch before."""

    first_seq: int
    before_hash: str

    @property
    def segment(self) -> str:
        return segment_name(self.first_seq)


class Part(msgspec.Struct, frozen=True):
    """Some bytes of a segment's file, all of one epoch."""

    key: Key
    epoch: int
    offset: int
    end: int
    last_seq: int
    digest: str

    @property
    def name(self) -> str:
        key = self.key
        return (
            f"{epoch_folder(self.epoch)}/journal/{key.first_seq:020d}-{key.before_hash}/"
            f"{self.offset:012d}-{self.end:012d}-{self.last_seq:020d}-{self.digest}.part"
        )

    @property
    def size_bytes(self) -> int:
        return self.end - self.offset


class Copy(msgspec.Struct, frozen=True):
    """A copy of the checkpoint, in pieces below `folder`."""

    epoch: int
    seq: int
    digest: str

    @property
    def folder(self) -> str:
        return f"{epoch_folder(self.epoch)}/copies/{self.seq:020d}-{self.digest}"

    def piece(self, index: int, digest: str) -> str:
        return f"{self.folder}/{index:05d}-{digest}"


class Contents(msgspec.Struct):
    """What names tell of a backup. `checkpoints`: the epochs that Litestream has written something for."""

    parts: list[Part]
    copies: list[Copy]  # complete ones, newest first
    checkpoints: list[int]  # newest first
    litestream_format: dict[int, str]  # of each of `checkpoints`: "0.3" or "0.5"

    @property
    def is_empty(self) -> bool:
        return not (self.parts or self.copies or self.checkpoints)

    def through(self, epoch: int) -> "Contents":
        """What is of this epoch or before."""
        return Contents(
            [part for part in self.parts if part.epoch <= epoch],
            [copy for copy in self.copies if copy.epoch <= epoch],
            [each for each in self.checkpoints if each <= epoch],
            self.litestream_format,
        )


def epoch_folder(epoch: int) -> str:
    return f"epoch-{epoch:010d}"


def checkpoint_folder(epoch: int) -> str:
    return f"{epoch_folder(epoch)}/checkpoint"


def owner_name(epoch: int) -> str:
    return f"{epoch_folder(epoch)}/checkpoint-owner"


def part_of(name: str) -> Part | None:
    found = _PART.fullmatch(name)
    if found is None:
        return None
    epoch, first_seq, before_hash, offset, end, last_seq, digest = found.groups()
    return Part(Key(int(first_seq), before_hash), int(epoch), int(offset), int(end), int(last_seq), digest)


def contents_of(objects: Iterable[Stored]) -> Contents:
    """Names that are not ours are left out."""
    parts, copies, formats = [], [], {}
    for stored in objects:
        part = part_of(stored.name)
        if part is not None:
            parts.append(part)
            continue
        copy = _COPY.match(stored.name)
        if copy is not None:
            if stored.name.endswith("/" + COMPLETE):
                copies.append(Copy(int(copy[1]), int(copy[2]), copy[3]))
            continue
        epoch = _EPOCH.match(stored.name)
        if epoch is not None and epoch[2] == "checkpoint":
            number = int(epoch[1])
            if stored.name.endswith(".ltx"):
                formats[number] = "0.5"
            elif "/checkpoint/generations/" in stored.name:
                formats.setdefault(number, "0.3")
    copies.sort(key=lambda each: (each.epoch, each.seq), reverse=True)
    return Contents(parts, copies, sorted(formats, reverse=True), formats)
