"""A connection with TLS, written to no faster than it takes.

Owns what waits to be encrypted. asyncio's TLS transport encrypts at once whatever it is given, hands it on, and no
longer says how much of it waits; so it is given a little at a time, and the rest is counted here. What it still hides
is a few PIECE_BYTES.
"""

import asyncio
from collections import deque
from typing import Final

from .connection import Connection
from .ports import UNSENT_BYTES_HIGH, UNSENT_BYTES_LOW

PIECE_BYTES: Final = 64 * 1024


class TlsConnection(Connection):
    __slots__ = ("_finishing", "_paused", "_waiting", "_waiting_bytes")

    def _begin(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=PIECE_BYTES, low=PIECE_BYTES // 4)
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._paused = False  # the transport has enough
        self._finishing = False

    def _unsent_bytes(self, transport: asyncio.Transport) -> int:
        return self._waiting_bytes + transport.get_write_buffer_size()

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        self._waiting.append(memoryview(data))
        self._waiting_bytes += len(data)
        self._hand_on()
        self._full = self._full or self._unsent_bytes(transport) > UNSENT_BYTES_HIGH

    def _finish(self, transport: asyncio.Transport) -> None:
        self._finishing = True
        if self._waiting:
            self._hand_on()
        else:
            transport.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._loop.call_soon(self._hand_on)  # asyncio may say so from inside `write`

    def _hand_on(self) -> None:
        transport, waiting = self._transport, self._waiting
        if transport is None or transport.is_closing():
            return
        while waiting and not self._paused:
            piece = waiting[0][:PIECE_BYTES]
            if len(piece) == len(waiting[0]):
                waiting.popleft()
            else:
                waiting[0] = waiting[0][PIECE_BYTES:]
            self._waiting_bytes -= len(piece)
            transport.write(piece)
        if self._full and self._unsent_bytes(transport) <= UNSENT_BYTES_LOW:
            self._full = False
            self._loop.call_soon(self._drained)
        if self._finishing and not waiting:
            transport.close()
