"""The byte format of one batch."""

import struct
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.batch import (
    BATCH_BYTES_MAX,
    CHECKED_BYTES,
    COUNT_MAX,
    HEADER_BYTES,
    MAGIC,
    OVERHEAD_BYTES,
    PAYLOAD_BYTES_MAX,
    BadBatch,
    Batch,
    IncompleteBatch,
    MisplacedBatch,
    Position,
    decode_batch,
    decode_header,
    encode_batch,
    position_behind,
    seal,
    sealed_again,
    unseal,
    why_not_next,
    why_not_sealed_for,
)


def encoded(**changes: object) -> tuple[bytes, bytes]:
    fields = {
        "epoch": 3,
        "first_seq": 41,
        "count": 2,
        "at_ms": 1_700_000_000_123,
        "durable_seq": 40,
        "previous_hash": b"p" * 16,
        "payload": b"two facts",
    }
    return encode_batch(**(fields | changes))


@given(
    epoch=st.integers(0, 2**64 - 1),
    seqs=st.tuples(st.integers(0, 2**62), st.integers(1, 2**62)).map(sorted).filter(lambda pair: pair[0] < pair[1]),
    count=st.integers(1, COUNT_MAX),
    at_ms=st.integers(0, 2**64 - 1),
    previous_hash=st.binary(min_size=16, max_size=16),
    payload=st.binary(min_size=1, max_size=5000),
    around=st.binary(max_size=100),
)
def test_what_is_encoded_can_be_decoded(*, seqs, payload, around, **fields):
    durable_seq, first_seq = seqs
    fields |= {"durable_seq": durable_seq, "first_seq": first_seq, "payload": payload}
    data, digest = encode_batch(**fields)
    batch = decode_batch(memoryview(around + data + around), len(around))
    assert batch == Batch(**fields, hash=digest)
    assert batch.batch_bytes == len(data) == OVERHEAD_BYTES + len(payload)
    assert batch.last_seq == first_seq + fields["count"] - 1


def test_the_largest_batch_fits_and_no_larger_one():
    data, _ = encoded(payload=bytes(PAYLOAD_BYTES_MAX))
    assert len(data) == BATCH_BYTES_MAX
    assert len(decode_batch(memoryview(data)).payload) == PAYLOAD_BYTES_MAX
    with pytest.raises(ValueError, match=str(PAYLOAD_BYTES_MAX)):
        encoded(payload=bytes(PAYLOAD_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"count": COUNT_MAX + 1},
        {"count": -1},
        {"count": 0},
        {"payload": b""},
        {"durable_seq": 41},
        {"durable_seq": -1},
        {"first_seq": 2**63 - 1},
        {"previous_hash": b"short"},
    ],
    ids=str,
)
def test_no_batch_breaks_a_bound(changes):
    with pytest.raises(ValueError, match="batch"):
        encoded(**changes)


def test_a_mark_has_no_facts_and_no_seq():
    data, _ = encoded(count=0, payload=b"")
    mark = decode_batch(memoryview(data))
    assert mark.is_mark
    assert mark.last_seq == 40


def test_every_flipped_bit_is_noticed():
    data, _ = encoded()
    for offset in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[offset] ^= 1 << bit
            with pytest.raises(BadBatch):
                decode_batch(memoryview(damaged))


def test_every_missing_end_is_noticed():
    data, _ = encoded()
    for length in range(len(data)):
        with pytest.raises(IncompleteBatch) as raised:
            decode_batch(memoryview(data)[:length])
        assert length < raised.value.bytes_needed <= len(data)


def test_the_hash_covers_what_came_before():
    assert encoded()[1] != encoded(previous_hash=b"q" * 16)[1]


def forged(offset: int, form: str, value: int) -> memoryview:
    """A batch whose header says something else, under a checksum that fits."""
    header = bytearray(encoded()[0][:CHECKED_BYTES])
    struct.pack_into(form, header, offset, value)
    return memoryview(bytes(header) + crc32(header).to_bytes(4, "little") + bytes(1000))


@pytest.mark.parametrize(
    "damaged",
    [forged(6, "<H", 2), forged(8, "<I", PAYLOAD_BYTES_MAX + 1), forged(8, "<I", 0), forged(40, "<Q", 41)],
    ids=["a later format", "too long", "facts without bytes", "more durable than written"],
)
def test_an_intact_header_that_can_not_be_right_is_not_the_trace_of_a_crash(damaged):
    with pytest.raises(MisplacedBatch):
        decode_batch(damaged)


def test_a_header_is_read_without_its_payload():
    data, _ = encoded()
    header = decode_header(memoryview(b"xx" + data[:HEADER_BYTES]), 2)
    assert header is not None
    assert (header.first_seq, header.last_seq, header.durable_seq) == (41, 42, 40)
    assert header.batch_bytes == len(data)


def test_a_damaged_or_missing_header_is_none():
    data, _ = encoded()
    assert decode_header(memoryview(data)[: HEADER_BYTES - 1]) is None
    assert decode_header(memoryview(data), 1) is None
    for offset in range(HEADER_BYTES):
        damaged = bytearray(data)
        damaged[offset] ^= 0x10
        assert decode_header(memoryview(damaged)) is None


def test_no_text_can_contain_the_magic():
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode()


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position(40, b"p" * 16, 3, 1_700_000_000_123), ""),
        (Position(40, b"p" * 16, 0, 0), ""),
        (Position(39, b"p" * 16, 3, 0), "seq 40 should come next, and here is seq 41"),
        (Position(41, b"p" * 16, 3, 0), "seq 42 should come next"),
        (Position(40, b"q" * 16, 3, 0), "chain is broken"),
        (Position(40, b"p" * 16, 4, 0), "epoch falls from 4 to 3"),
        (Position(40, b"p" * 16, 3, 1_700_000_000_124), "time runs back"),
    ],
)
def test_what_may_follow_on_what(position, reason):
    found = why_not_next(decode_batch(memoryview(encoded()[0])), position)
    assert reason in found
    assert bool(reason) == bool(found)


BEFORE = Position(seq=40, hash=b"p" * 16, epoch=3, at_ms=1_700_000_000_000)


def test_a_sealed_batch_says_where_it_leads():
    sealed = seal(BEFORE, epoch=4, at_ms=BEFORE.at_ms, count=3, payload=b"three facts")
    batch = decode_batch(memoryview(sealed.data))
    assert sealed.position == position_behind(batch) == Position(43, batch.hash, 4, BEFORE.at_ms)
    assert (sealed.first_seq, sealed.count) == (41, 3)
    assert (batch.durable_seq, batch.previous_hash, batch.payload) == (40, b"p" * 16, b"three facts")
    assert why_not_next(batch, BEFORE) == why_not_sealed_for(sealed, BEFORE) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0},
        {"count": -1},
        {"count": COUNT_MAX + 1},
        {"payload": b""},
        {"payload": bytes(PAYLOAD_BYTES_MAX + 1)},
        {"epoch": 2},
        {"at_ms": BEFORE.at_ms - 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nothing_is_sealed_that_can_not_follow(changes):
    with pytest.raises(ValueError, match=r"can't follow|a batch"):
        seal(BEFORE, **({"epoch": 3, "at_ms": BEFORE.at_ms, "count": 1, "payload": b"x"} | changes))


@given(count=st.integers(1, COUNT_MAX), payload=st.binary(min_size=1, max_size=2000))
def test_what_is_sealed_is_unsealed_the_same(count, payload):
    sealed = seal(BEFORE, epoch=3, at_ms=BEFORE.at_ms, count=count, payload=payload)
    again, batch = unseal(sealed.data)
    assert again == sealed == sealed_again(batch)
    assert (batch.payload, batch.count) == (payload, count)


def test_what_is_not_one_batch_of_facts_is_not_unsealed():
    data, _ = encoded()
    mark, _ = encoded(count=0, payload=b"")
    for wrong in (b"", data[:-1], data + b"x", data + data, mark, bytes(200)):
        with pytest.raises(BadBatch):
            unseal(wrong)


def test_every_flipped_bit_on_the_way_is_noticed():
    data = bytearray(encoded()[0])
    for offset in range(len(data)):
        for bit in range(8):
            data[offset] ^= 1 << bit
            with pytest.raises(BadBatch):
                unseal(bytes(data))
            data[offset] ^= 1 << bit


@pytest.mark.parametrize(
    "changes", [{"seq": 39}, {"seq": 41}, {"hash": b"q" * 16}, {"epoch": 4}, {"at_ms": BEFORE.at_ms + 1}], ids=str
)
def test_a_sealed_batch_follows_on_one_position_alone(changes):
    sealed = seal(BEFORE, epoch=3, at_ms=BEFORE.at_ms, count=1, payload=b"x")
    _, batch = unseal(sealed.data)
    other = msgspec.structs.replace(BEFORE, **changes)
    assert why_not_sealed_for(sealed, other) == why_not_next(batch, other) != ""
