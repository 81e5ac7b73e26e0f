"""How the node and its worker process talk: length-prefixed MessagePack over a socket pair.

To the worker: one `OutsideSettings`, then `Asked` after `Asked`. From it: one `Answered` for each, under its number, in
whatever order they are done.
"""

import struct

import msgspec

from .orders import Answer, Order

_LENGTH = struct.Struct("<I")
FRAME_BYTES_MAX = 16_000_000  # a length beyond is no length


class BrokenFrame(Exception):
    """What arrived was not written by the other end as it should be."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    number: int
    order: Order


class Answered(msgspec.Struct, frozen=True, array_like=True):
    number: int
    answer: Answer


_encoder = msgspec.msgpack.Encoder()


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts what arrives back into the encoded messages."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. Raises BrokenFrame."""
        self._arrived += data
        messages: list[bytes] = []
        start = 0
        while len(self._arrived) - start >= _LENGTH.size:
            length = _LENGTH.unpack_from(self._arrived, start)[0]
            if length > FRAME_BYTES_MAX:
                raise BrokenFrame(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if end > len(self._arrived):
                break
            messages.append(bytes(self._arrived[start + _LENGTH.size : end]))
            start = end
        del self._arrived[:start]
        return messages
