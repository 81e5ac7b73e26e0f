"""One batch: the unit that is written, synced, chained and verified; all its facts are durable together or not at all.

Owns the byte format. Promises that `decode_batch` gives back only what `encode_batch` made, whatever was done to the
bytes between. Never looks into the payload.

    offset  bytes
         0      6  magic
         6      2  format version
         8      4  length of the payload
        12      4  count of facts
        16      8  epoch
        24      8  first seq
        32      8  at_ms
        40      8  durable seq: the position known durable when this was written
        48     16  hash of the batch before (of a journal's first batch: the journal's id)
        64      4  CRC-32 of the 64 bytes above, so that the length is trusted before it is used
        68      n  payload
      68+n     16  BLAKE2b of everything above

All integers are little-endian and unsigned. The first 68 bytes keep their meaning in every later format. A batch with
no facts is a *mark*: it says that everything before it is durable, takes no seq and is no link of the chain, so that
each node may write its own.

A batch with facts is sealed once, by the node that leads, and is the same bytes on the wire and in every journal.
"""

import struct
from hashlib import blake2b
from zlib import crc32

import msgspec

MAGIC = b"\xf5OSB\r\n"  # 0xf5 is in no UTF-8 text, so no name that a customer sends can look like a batch
FORMAT_VERSION = 1
CHECKED_BYTES = 64
HEADER_BYTES = 68
HASH_BYTES = 16
OVERHEAD_BYTES = HEADER_BYTES + HASH_BYTES
BATCH_BYTES_MAX = 16 * 1024 * 1024
PAYLOAD_BYTES_MAX = BATCH_BYTES_MAX - OVERHEAD_BYTES
COUNT_MAX = 2**32 - 1
SEQ_MAX = 2**63 - 1

_FIELDS = struct.Struct("<6sHIIQQQQ16s")
_HEADER = struct.Struct("<6sHIIQQQQ16sI")
_CHECKSUM = struct.Struct("<I")

assert _FIELDS.size == CHECKED_BYTES
assert _HEADER.size == HEADER_BYTES


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where the chain stands: the last fact's seq, and hash, epoch and time of the batch that holds it."""

    seq: int
    hash: bytes
    epoch: int
    at_ms: int


class EpochStart(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where an epoch begins in a journal: `hash` is of its first batch, which begins with `first_seq`."""

    epoch: int
    first_seq: int
    hash: bytes


class Header(msgspec.Struct, frozen=True, gc=False):
    """A batch's header, its checksum verified but not yet its payload."""

    epoch: int
    first_seq: int
    count: int
    at_ms: int
    durable_seq: int
    previous_hash: bytes
    payload_bytes: int

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    @property
    def batch_bytes(self) -> int:
        return OVERHEAD_BYTES + self.payload_bytes


class Batch(msgspec.Struct, frozen=True, gc=False):
    """A verified batch: `count` facts from `first_seq` on, `payload` as it was handed over."""

    epoch: int
    first_seq: int
    count: int
    at_ms: int
    durable_seq: int
    previous_hash: bytes
    payload: bytes
    hash: bytes

    @property
    def last_seq(self) -> int:
        """Of a mark: the last fact before it."""
        return self.first_seq + self.count - 1

    @property
    def is_mark(self) -> bool:
        return self.count == 0

    @property
    def batch_bytes(self) -> int:
        """Its length on disk and on the wire."""
        return OVERHEAD_BYTES + len(self.payload)


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """A batch of facts, encoded: `data` begins with `first_seq` and leads to `position`."""

    position: Position
    first_seq: int
    count: int
    data: bytes


class BadBatch(Exception):
    """These bytes are not an intact batch that belongs here; the message says why."""


class MisplacedBatch(BadBatch):
    """Bytes that are intact and yet wrong here: no crash leaves such behind, so this is never a torn tail."""


class NewerBatch(MisplacedBatch):
    """Of a later format than this program reads."""


class IncompleteBatch(BadBatch):
    """The bytes end before the batch does; with `bytes_needed` from its start it can be judged."""

    def __init__(self, bytes_needed: int) -> None:
        super().__init__("the bytes end in the middle of a batch")
        self.bytes_needed = bytes_needed


def encode_batch(
    *, epoch: int, first_seq: int, count: int, at_ms: int, durable_seq: int, previous_hash: bytes, payload: bytes
) -> tuple[bytes, bytes]:
    """The bytes of a batch, and its hash. `ValueError` when a bound is broken."""
    if len(payload) > PAYLOAD_BYTES_MAX or not 0 <= count <= COUNT_MAX:
        raise ValueError(
            f"a batch holds at most {PAYLOAD_BYTES_MAX} bytes and {COUNT_MAX} facts, not {len(payload)} and {count}"
        )
    if (count == 0) != (not payload):
        raise ValueError("a batch with facts has a payload, and a mark has none")
    if not (0 <= durable_seq < first_seq and first_seq + count <= SEQ_MAX and len(previous_hash) == HASH_BYTES):
        raise ValueError(f"no batch can begin with seq {first_seq} when {durable_seq} is durable")
    header = _pack_header(len(payload), count, epoch, first_seq, at_ms, durable_seq, previous_hash)
    hashing = blake2b(header, digest_size=HASH_BYTES)
    hashing.update(payload)
    digest = hashing.digest()
    return b"".join((header, payload, digest)), digest


def _pack_header(length: int, *fields: int | bytes) -> bytes:
    packed = _FIELDS.pack(MAGIC, FORMAT_VERSION, length, *fields)
    return packed + _CHECKSUM.pack(crc32(packed))


def decode_batch(view: memoryview, start: int = 0) -> Batch:
    """The batch that begins at `start`. Raises `BadBatch`, or `IncompleteBatch` when `view` ends too early.

    This checks the batch alone; whether it is the next link of a chain is the caller's to check.
    """
    covered_from = start + HEADER_BYTES
    if len(view) < covered_from:
        raise IncompleteBatch(OVERHEAD_BYTES)
    magic, version, length, count, epoch, first_seq, at_ms, durable_seq, previous, checksum = _HEADER.unpack_from(
        view, start
    )
    if magic != MAGIC or checksum != crc32(view[start : start + CHECKED_BYTES]):
        raise BadBatch("there is no intact batch header here")
    if version != FORMAT_VERSION:
        raise NewerBatch(f"it is of format {version}, and this program reads format {FORMAT_VERSION}")
    if length > PAYLOAD_BYTES_MAX or (count == 0) != (length == 0) or durable_seq >= first_seq:
        raise MisplacedBatch("the batch header contradicts itself")
    end = covered_from + length
    if len(view) < end + HASH_BYTES:
        raise IncompleteBatch(OVERHEAD_BYTES + length)
    digest = bytes(view[end : end + HASH_BYTES])
    if digest != blake2b(view[start:end], digest_size=HASH_BYTES).digest():
        raise BadBatch("the batch does not match its hash")
    return Batch(epoch, first_seq, count, at_ms, durable_seq, previous, bytes(view[covered_from:end]), digest)


def decode_header(view: memoryview, start: int = 0) -> Header | None:
    """The header that begins at `start`, of whatever format, or None when there is no intact one."""
    if len(view) < start + HEADER_BYTES:
        return None
    magic, _version, length, count, epoch, first_seq, at_ms, durable_seq, previous, checksum = _HEADER.unpack_from(
        view, start
    )
    if magic != MAGIC or checksum != crc32(view[start : start + CHECKED_BYTES]):
        return None
    return Header(epoch, first_seq, count, at_ms, durable_seq, previous, length)


def seal(before: Position, *, epoch: int, at_ms: int, count: int, payload: bytes) -> Sealed:
    """The batch of `count` facts that follows on `before`, which will be durable before it is written.

    Raises `ValueError` when it can't follow: no facts, time or epoch runs back, or a bound of the format is broken.
    """
    if count < 1 or epoch < before.epoch or at_ms < before.at_ms:
        raise ValueError(
            f"{count} facts of epoch {epoch} at {at_ms} ms can't follow: a batch has facts, and the last one was of "
            f"epoch {before.epoch} and {before.at_ms} ms"
        )
    first_seq = before.seq + 1
    data, digest = encode_batch(
        epoch=epoch,
        first_seq=first_seq,
        count=count,
        at_ms=at_ms,
        durable_seq=before.seq,
        previous_hash=before.hash,
        payload=payload,
    )
    return Sealed(Position(before.seq + count, digest, epoch, at_ms), first_seq, count, data)


def sealed_again(batch: Batch) -> Sealed:
    """The very bytes that `batch`, which has facts, was decoded from."""
    header = _pack_header(
        len(batch.payload), batch.count, batch.epoch, batch.first_seq, batch.at_ms, batch.durable_seq,
        batch.previous_hash,
    )  # fmt: skip
    return Sealed(position_behind(batch), batch.first_seq, batch.count, b"".join((header, batch.payload, batch.hash)))


def unseal(data: bytes) -> tuple[Sealed, Batch]:
    """`data`, which is one batch of facts and nothing else, verified. Raises `BadBatch`.

    Whether it is the next link of a chain is the caller's to check.
    """
    batch = decode_batch(memoryview(data))
    if batch.batch_bytes != len(data):
        raise BadBatch(f"{len(data) - batch.batch_bytes} bytes follow on the batch")
    if batch.is_mark:
        raise BadBatch("there are no facts in it")
    return Sealed(position_behind(batch), batch.first_seq, batch.count, data), batch


def position_behind(batch: Batch) -> Position:
    """Where the chain stands behind `batch`, which has facts."""
    return Position(batch.last_seq, batch.hash, batch.epoch, batch.at_ms)


def why_not_sealed_for(sealed: Sealed, position: Position) -> str:
    """As `why_not_next`, of a batch that was verified or made here: its payload is not looked at."""
    header = decode_header(memoryview(sealed.data))
    if header is None:
        return "there is no intact batch header in it"
    return _why_not_next(header.first_seq, header.previous_hash, header.epoch, header.at_ms, position)


def why_not_next(batch: Batch, position: Position) -> str:
    """Why `batch` can't follow on `position`; empty when it can."""
    return _why_not_next(batch.first_seq, batch.previous_hash, batch.epoch, batch.at_ms, position)


def _why_not_next(first_seq: int, previous_hash: bytes, epoch: int, at_ms: int, position: Position) -> str:
    if first_seq != position.seq + 1:
        return f"seq {position.seq + 1} should come next, and here is seq {first_seq}"
    if previous_hash != position.hash:
        return "the hash chain is broken: this batch was written behind another one"
    if epoch < position.epoch:
        return f"the epoch falls from {position.epoch} to {epoch}"
    if at_ms < position.at_ms:
        return f"time runs back from {position.at_ms} to {at_ms} ms"
    return ""
