"""Frames as bytes: how they are put on a connection, and cut out of what arrives on one.

Owns the byte format. Promises that a `FrameReader` gives back whole, typed frames in the order they were sent, or
raises `BadFrame` with a sentence: for a length beyond what is allowed (before anything is kept for it), for a frame
lost, repeated or out of order, a type nobody knows, a body that is not of that type. Never looks into a batch.

    offset  bytes
         0      4  length of all that follows
         4      4  number: 1, 2, 3 … per direction and connection, 0 after 2³² − 1
         8      1  type, as in frames.py
         9      n  body

All integers are little-endian and unsigned.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from ..journal.batch import BATCH_BYTES_MAX
from .frames import RAW, TYPES, BatchSent, Frame, Introduction, SnapshotPart

HEADER_BYTES: Final = 9
UNPROVED_FRAME_BYTES_MAX: Final = 4 * 1024  # header included, until the other side has proved that it belongs here
FRAME_BYTES_MAX: Final = BATCH_BYTES_MAX + 4 * 1024

_HEADER = struct.Struct("<IIB")
_LENGTH_BYTES = 4
_COUNTED_BYTES = HEADER_BYTES - _LENGTH_BYTES
_NUMBERS = 2**32

_NUMBER_OF_TYPE: Final = {kind: number for number, kind in TYPES.items()}
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Frame]]] = {
    number: msgspec.msgpack.Decoder(kind) for number, kind in TYPES.items()
}
_encoder = msgspec.msgpack.Encoder()


class BadFrame(Exception):
    """These bytes are no frame that may come here; the message says why. The connection is of no use any more."""


def encode(frame: Frame, number: int) -> bytes:
    """All bytes of a frame that is the `number`th of its direction (any int from 1 on). `ValueError` if too large."""
    body = frame.data if isinstance(frame, RAW) else _encoder.encode(frame)
    return header(type(frame), len(body), number) + body


def header(kind: type[Frame], body_bytes: int, number: int) -> bytes:
    """What goes before the body, for those who send a large body without copying it."""
    if body_bytes > FRAME_BYTES_MAX - HEADER_BYTES:
        raise ValueError(f"a {kind.__name__} of {body_bytes} bytes does not fit into a frame")
    return _HEADER.pack(_COUNTED_BYTES + body_bytes, number % _NUMBERS, _NUMBER_OF_TYPE[kind])


def encode_introduction(introduction: Introduction) -> bytes:
    return _encoder.encode(introduction)


def decode_introduction(data: bytes) -> Introduction:
    """Raises BadFrame."""
    try:
        return _introduction_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadFrame(f"an introduction that can't be read: {error}") from error


_introduction_decoder = msgspec.msgpack.Decoder(Introduction)


class FrameReader:
    """Cuts what arrives on one connection back into frames."""

    __slots__ = ("_body", "_body_bytes_missing", "_header", "_next_number", "_type", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        """`bytes_max`: of a frame, its header included. May be raised later, also while `feed` is under way."""
        self.bytes_max = bytes_max
        self._next_number = 1
        self._header = b""  # the beginning of one that is not whole
        self._type = 0  # of the frame whose body is awaited
        self._body: list[bytes] = []  # as far as it is here
        self._body_bytes_missing = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete, each read when it is asked for. Raises BadFrame.

        All must be asked for before more is fed (or nothing fed any more). What is not complete is kept.
        """
        start = 0
        if self._body_bytes_missing:
            start = self._body_bytes_missing
            if len(data) < start:
                self._body.append(data)
                self._body_bytes_missing -= len(data)
                return
            self._body.append(data[:start])
            body = b"".join(self._body)  # the one copy of a body that came in parts
            self._body.clear()
            self._body_bytes_missing = 0
            yield self._decode(self._type, body)
        elif self._header:
            data = self._header + data
            self._header = b""
        while len(data) - start >= HEADER_BYTES:
            body_bytes = self._check(data, start)
            start += HEADER_BYTES
            end = start + body_bytes
            if end > len(data):
                self._body.append(data[start:])
                self._body_bytes_missing = end - len(data)
                return
            yield self._decode(self._type, data[start:end])
            start = end
        self._header = data[start:]

    def _check(self, data: bytes, start: int) -> int:
        """Read a header; the length of its body."""
        length, number, self._type = _HEADER.unpack_from(data, start)
        if not _COUNTED_BYTES <= length <= self.bytes_max - _LENGTH_BYTES:
            raise BadFrame(_why_not_a_length(data[start : start + HEADER_BYTES], length, self.bytes_max))
        if self._type not in _DECODERS:
            raise BadFrame(f"frame {number} is of type {self._type}, which this version does not know")
        if number != self._next_number:
            raise BadFrame(f"frame {self._next_number} should come next, and here is frame {number}")
        self._next_number = (number + 1) % _NUMBERS
        return int(length) - _COUNTED_BYTES

    def _decode(self, number: int, body: bytes) -> Frame:
        kind = TYPES[number]
        if kind is BatchSent:
            return BatchSent(body)
        if kind is SnapshotPart:
            return SnapshotPart(body)
        try:
            return _DECODERS[number].decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"a {kind.__name__} that can't be read: {error}") from error


def _why_not_a_length(beginning: bytes, length: int, bytes_max: int) -> str:
    if beginning.startswith((b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"PATCH ", b"OPTIONS ", b"PRI * ")):
        return "it speaks HTTP, and this is the port for replication between nodes"
    if beginning.startswith(b"HTTP/"):
        return "it answers in HTTP: this is not the replication port of a node"
    if beginning[0] == 0x16 and beginning[1] == 3:
        return "it speaks TLS, and this node was started without a certificate for replication"
    return f"a frame of {length} bytes, and {bytes_max} are the most that may come now"
