"""Frames as bytes: cut anywhere they come back, and whatever else comes is refused."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.batch import BATCH_BYTES_MAX
from onsale.replicas.frames import Acked, BatchSent, Frame, Ping, SnapshotPart
from onsale.replicas.framing import (
    FRAME_BYTES_MAX,
    HEADER_BYTES,
    UNPROVED_FRAME_BYTES_MAX,
    BadFrame,
    FrameReader,
    encode,
    header,
)

FRAMES = st.lists(
    st.one_of(
        st.builds(Acked, st.integers(0, 9), st.integers(0, 2**63 - 1), st.integers(0, 9)),
        st.builds(BatchSent, st.binary(max_size=300)),
        st.builds(SnapshotPart, st.binary(max_size=300)),
        st.just(Ping()),
    ),
    max_size=12,
)


def wire_bytes(frames: list[Frame]) -> bytes:
    return b"".join(encode(frame, number) for number, frame in enumerate(frames, 1))


def read(data: bytes, bytes_max: int = FRAME_BYTES_MAX) -> list[Frame]:
    return list(FrameReader(bytes_max).feed(data))


@given(FRAMES, st.data())
def test_frames_come_back_however_their_bytes_are_cut(frames: list[Frame], data: st.DataObject):
    whole = wire_bytes(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=30)))
    reader = FrameReader(FRAME_BYTES_MAX)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        if end > start:
            found += reader.feed(whole[start:end])
    assert found == frames


def test_frames_come_back_byte_by_byte():
    frames = [Acked(1, 2, 3), BatchSent(b""), BatchSent(b"x" * 40), Ping(), SnapshotPart(b"y")]
    reader = FrameReader(FRAME_BYTES_MAX)
    found = [frame for byte in wire_bytes(frames) for frame in reader.feed(bytes([byte]))]
    assert found == frames


@given(st.binary(max_size=2000))
def test_garbage_is_refused_or_waits_for_more(data: bytes):
    with contextlib.suppress(BadFrame):
        assert all(isinstance(frame, Frame) for frame in read(data))


def test_the_largest_batch_fits():
    batch = BatchSent(bytes(BATCH_BYTES_MAX))
    assert read(encode(batch, 1)) == [batch]


def test_what_fits_no_frame_is_not_sent():
    with pytest.raises(ValueError, match="does not fit"):
        encode(SnapshotPart(bytes(FRAME_BYTES_MAX - HEADER_BYTES + 1)), 1)


@pytest.mark.parametrize("bytes_max", [UNPROVED_FRAME_BYTES_MAX, FRAME_BYTES_MAX])
@pytest.mark.parametrize("length", [2**32 - 1, 2**31, FRAME_BYTES_MAX, 4, 0])
def test_a_wrong_length_is_refused_by_the_header_alone(bytes_max: int, length: int):
    with pytest.raises(BadFrame, match=f"a frame of {length} bytes, and {bytes_max} are the most"):
        read(struct.pack("<IIB", length, 1, 15), bytes_max)


def test_the_limit_counts_all_of_a_frame():
    body = bytes(UNPROVED_FRAME_BYTES_MAX - HEADER_BYTES)
    assert read(encode(BatchSent(body), 1), UNPROVED_FRAME_BYTES_MAX) == [BatchSent(body)]
    with pytest.raises(BadFrame):
        read(encode(BatchSent(body + b"x"), 1), UNPROVED_FRAME_BYTES_MAX)


def test_the_limit_may_be_raised_between_two_frames_that_came_together():
    large = BatchSent(bytes(100_000))
    reader = FrameReader(UNPROVED_FRAME_BYTES_MAX)
    found = []
    for frame in reader.feed(wire_bytes([Ping(), large])):
        reader.bytes_max = FRAME_BYTES_MAX
        found.append(frame)
    assert found == [Ping(), large]


@pytest.mark.parametrize(("numbers", "wrong"), [((1, 1), 1), ((1, 3), 3), ((2,), 2), ((0,), 0), ((1, 2, 1), 1)])
def test_a_frame_lost_repeated_or_out_of_order_is_refused(numbers: tuple[int, ...], wrong: int):
    with pytest.raises(BadFrame, match=f"should come next, and here is frame {wrong}"):
        read(b"".join(encode(Ping(), number) for number in numbers))


def test_numbers_begin_again_after_four_billion_frames():
    reader = FrameReader(FRAME_BYTES_MAX)
    reader._next_number = 2**32 - 1
    data = b"".join(encode(Ping(), number) for number in (2**32 - 1, 2**32, 2**32 + 1))
    assert list(reader.feed(data)) == [Ping(), Ping(), Ping()]


@pytest.mark.parametrize("unknown", [0, 6, 37, 255])
def test_an_unknown_type_is_refused(unknown: int):
    with pytest.raises(BadFrame, match=f"of type {unknown}, which this version does not know"):
        read(struct.pack("<IIB", 6, 1, unknown) + b"\x90")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "speaks HTTP"),
        (b"POST /booking HTTP/1.1\r\n\r\n", "speaks HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers in HTTP"),
        (bytes.fromhex("160301020001000001fc0303"), "speaks TLS"),
    ],
)
def test_those_who_speak_something_else_are_told_apart(data: bytes, sentence: str):
    with pytest.raises(BadFrame, match=sentence):
        read(data)


def test_a_header_apart_from_its_body_is_the_same_frame():
    body = bytes(50_000)
    assert header(BatchSent, len(body), 1) + body == encode(BatchSent(body), 1)
