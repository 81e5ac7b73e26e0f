"""The tree of a journal in a file: the hashes of its batches and of every whole subtree, in the order they come to be.

Owns the file `receipts.tree` of a data folder. It holds nothing that does not follow from the journal, so it is never
synced and may be thrown away at any time. Promises that what it gives is what was added, or `DamagedTree`. One process
writes it at a time; another one waits.

    offset  bytes
         0      6  magic
         6      2  format version
         8     16  journal id
        24     16  what names the key of the salts
        40      8  size | of the tree before the first record here: not 0 on a node whose journal
        48      8  seq  | does not begin at its beginning
        56     16  hash of the journal's chain there
        72   32 n  the peaks of that tree
    72+32n      4  CRC-32 of all above

and then, for each batch, a record:

         0      8  last seq of the batch
         8      4  where in its segment the batch begins
        12     16  its hash in the journal
        28   32 m  its leaf, and each subtree that became whole with it, from small to large
    28+32m      4  CRC-32 of all above, begun with the batch's number, so that no record passes for another

All integers are little-endian and unsigned.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple, Self
from zlib import crc32

from ...journal.receipt_check import node_hash
from .merkle import peaks_of

NAME: Final = "receipts.tree"
TREE_HASH_BYTES: Final = 32
_FORMAT_VERSION: Final = 1
_MAGIC: Final = b"\xf5OSR\r\n"
_HEADER = struct.Struct("<6sH16s16sQQ16s")
_RECORD = struct.Struct("<QI16s")
_CRC = struct.Struct("<I")
_BESIDES_BYTES: Final = _RECORD.size + _CRC.size  # of a record, beside its hashes
_CHUNK_BYTES: Final = 1024 * 1024

assert _BESIDES_BYTES == TREE_HASH_BYTES


class DamagedTree(Exception):
    """The file is not what was written: it must be built anew."""


class Base(NamedTuple):
    """Where the records begin: behind `size` batches, the last of which ends at `seq`; with the tree's peaks there."""

    size: int
    seq: int
    chain_hash: bytes
    peaks: tuple[bytes, ...]


class Record(NamedTuple):
    """One batch of the journal."""

    last_seq: int
    offset: int
    chain_hash: bytes


class TreeFile:
    """`size` batches are in the tree, the last of which ends at `seq` and has `chain_hash`."""

    def __init__(self, path: Path, journal_id: bytes, key_name: bytes) -> None:
        """Waits until no other process has the file. It holds nothing until `load` or `begin`. Raises OSError."""
        self._names = (journal_id, key_name)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._set(Base(0, 0, journal_id, ()))

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set(self, base: Base) -> None:
        self.base = base
        self.size, self.seq, self.chain_hash = base.size, base.seq, base.chain_hash
        self._records_from = _HEADER.size + TREE_HASH_BYTES * len(base.peaks) + _CRC.size
        self._base_nodes = _nodes_of(base.size)
        self._peaks = list(base.peaks)
        self._unwritten = bytearray()
        self._end = self._records_from  # of what is written

    def begin(self, base: Base) -> None:
        """Forget all there is, and go on from `base`."""
        assert len(base.peaks) == base.size.bit_count()
        journal_id, key_name = self._names
        header = _HEADER.pack(
            _MAGIC, _FORMAT_VERSION, journal_id, key_name, base.size, base.seq, base.chain_hash
        ) + b"".join(base.peaks)
        os.ftruncate(self._descriptor, 0)
        _write(self._descriptor, header + _CRC.pack(crc32(header)), 0)
        self._set(base)

    def load(self) -> None:
        """Read what was written before, every byte of it; a record that was not wholly written is dropped.

        A new file begins with the first batch. Raises DamagedTree, also when the file is of another journal.
        """
        if not os.fstat(self._descriptor).st_size:
            self.begin(Base(0, 0, self._names[0], ()))
            return
        self._set(self._read_header())
        data, at, base = b"", 0, self.base
        while True:
            length = self._record_bytes(self.size)
            if len(data) - at < length:
                data = data[at:] + os.pread(self._descriptor, _CHUNK_BYTES, self._end + len(data) - at)
                at = 0
                if len(data) < length:
                    break
            record = _checked(data[at : at + length], self.size)
            if record.last_seq <= self.seq:
                raise DamagedTree(f"record {self.size} ends with seq {record.last_seq}, behind seq {self.seq}")
            self.size, self.seq, self.chain_hash = self.size + 1, record.last_seq, record.chain_hash
            at, self._end = at + length, self._end + length
        os.ftruncate(self._descriptor, self._end)
        if self.size > base.size:
            self._peaks = [self.node(level, index) for level, index in peaks_of(self.size)]

    def cut(self, size: int) -> None:
        """Forget the batches from `size` on."""
        assert self.base.size <= size <= self.size
        if size == self.base.size:
            self.begin(self.base)
            return
        record = self.record(size - 1)
        peaks = [self.node(level, index) for level, index in peaks_of(size)]
        self._unwritten.clear()
        self._end = self._position(size)
        os.ftruncate(self._descriptor, self._end)
        self.size, self.seq, self.chain_hash, self._peaks = size, record.last_seq, record.chain_hash, peaks

    def add(self, record: Record, leaf: bytes) -> None:
        """One batch more; written with the next `flush`."""
        assert record.last_seq > self.seq
        data = bytearray(_RECORD.pack(*record))
        data += leaf
        place, peaks = self.size, self._peaks
        while place & 1:
            leaf = node_hash(peaks.pop(), leaf)
            data += leaf
            place >>= 1
        peaks.append(leaf)
        self._unwritten += data
        self._unwritten += _CRC.pack(crc32(data, self.size))
        self.size, self.seq, self.chain_hash = self.size + 1, record.last_seq, record.chain_hash

    def flush(self) -> None:
        if self._unwritten:
            _write(self._descriptor, self._unwritten, self._end)
            self._end += len(self._unwritten)
            self._unwritten.clear()

    # --- what is in it; what was added must have been flushed

    def node(self, level: int, index: int) -> bytes:
        """See merkle.Node. Raises KeyError for one that is wholly before `base` and no peak there; DamagedTree."""
        last = ((index + 1) << level) - 1  # the leaf it became whole with
        if last < self.base.size:
            return dict(zip(peaks_of(self.base.size), self.base.peaks, strict=True))[level, index]
        data = self._read(last)
        at = _RECORD.size + level * TREE_HASH_BYTES
        return data[at : at + TREE_HASH_BYTES]

    def record(self, place: int) -> Record:
        """The batch at `place`, which is not before `base`. Raises DamagedTree."""
        return _checked(self._read(place), place)

    def first_seq(self, place: int) -> int:
        """Of the batch at `place`, which is not before `base`. Raises DamagedTree."""
        return (self.record(place - 1).last_seq if place > self.base.size else self.base.seq) + 1

    def find(self, seq: int) -> int:
        """The place of the batch that holds `seq`, which is behind `base` and in the tree. Raises DamagedTree."""
        assert self.base.seq < seq <= self.seq
        low, high = self.base.size, self.size - 1
        while low < high:
            middle = (low + high) // 2
            if self.record(middle).last_seq < seq:
                low = middle + 1
            else:
                high = middle
        return low

    def _read(self, place: int) -> bytes:
        assert self.base.size <= place < self.size
        data = os.pread(self._descriptor, self._record_bytes(place), self._position(place))
        _checked(data, place)
        return data

    def _position(self, place: int) -> int:
        nodes = _nodes_of(place) - self._base_nodes
        return self._records_from + _BESIDES_BYTES * (place - self.base.size) + TREE_HASH_BYTES * nodes

    @staticmethod
    def _record_bytes(place: int) -> int:
        trailing_ones = (~place & (place + 1)).bit_length() - 1
        return _BESIDES_BYTES + TREE_HASH_BYTES * (1 + trailing_ones)

    def _read_header(self) -> Base:
        data = os.pread(self._descriptor, _HEADER.size + 64 * TREE_HASH_BYTES + _CRC.size, 0)
        if len(data) < _HEADER.size:
            raise DamagedTree("there is no header")
        magic, version, journal_id, key_name, size, seq, chain_hash = _HEADER.unpack_from(data)
        end = _HEADER.size + TREE_HASH_BYTES * size.bit_count()
        if magic != _MAGIC or data[end : end + _CRC.size] != _CRC.pack(crc32(data[:end])):
            raise DamagedTree("its header is damaged")
        if (version, journal_id, key_name) != (_FORMAT_VERSION, *self._names):
            raise DamagedTree("it is of another version or journal")
        peaks = (data[at : at + TREE_HASH_BYTES] for at in range(_HEADER.size, end, TREE_HASH_BYTES))
        return Base(size, seq, chain_hash, tuple(peaks))


def _nodes_of(size: int) -> int:
    """How many whole subtrees a tree has, its leaves among them."""
    return 2 * size - size.bit_count()


def _checked(data: bytes, place: int) -> Record:
    if len(data) < _BESIDES_BYTES or data[-_CRC.size :] != _CRC.pack(crc32(data[: -_CRC.size], place)):
        raise DamagedTree(f"record {place} is damaged")
    return Record(*_RECORD.unpack_from(data))


def _write(descriptor: int, data: bytes | bytearray, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
    view.release()
