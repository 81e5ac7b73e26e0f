"""What the index and its process say to each other: length-prefixed msgpack over a socket pair, both ways in order.

To the process: `Documents` of the build, one `Built`, and from then on `Documents` and `Find` mixed. From it: `Ready`
once built, then one `Found` or `Failed` per `Find`. A `Find` sees all documents sent before it.
"""

import struct
from typing import Generic, TypeVar

import msgspec

from ...engine.search import SearchRequest
from .cursor import Position
from .store import SearchDocument

_LENGTH = struct.Struct("<I")

T = TypeVar("T")


class Documents(msgspec.Struct, tag=1, array_like=True):
    """Events to be put in the place of those with the same ids."""

    documents: list[SearchDocument]


class Built(msgspec.Struct, tag=2, array_like=True):
    """The documents of the build are complete."""


class Find(msgspec.Struct, tag=3, array_like=True):
    """One page of a search, answered under the same number."""

    number: int
    request: SearchRequest
    after: Position | None


class Ready(msgspec.Struct, tag=1, array_like=True):
    """The index is built; searches can be answered."""


class Found(msgspec.Struct, tag=2, array_like=True, gc=False):
    """The page, and the cursor of the next one (None on the last)."""

    number: int
    event_ids: list[int]
    next_cursor: str | None


class Failed(msgspec.Struct, tag=3, array_like=True):
    """The search could not be run: a fault of ours, never of the text that was searched for."""

    number: int
    reason: str


ToProcess = Documents | Built | Find
FromProcess = Ready | Found | Failed

_encoder = msgspec.msgpack.Encoder()


def frame(message: ToProcess | FromProcess) -> bytes:
    """A message as it goes over the socket."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader(Generic[T]):
    """Cuts what arrives back into messages."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._arrived = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """The messages that these bytes complete."""
        self._arrived += data
        messages: list[T] = []
        start = 0
        with memoryview(self._arrived) as view:
            while len(view) - start >= _LENGTH.size:
                end = start + _LENGTH.size + _LENGTH.unpack_from(view, start)[0]
                if end > len(view):
                    break
                messages.append(self._decoder.decode(view[start + _LENGTH.size : end]))
                start = end
        del self._arrived[:start]
        return messages
