"""What one connection may cost, in bytes, requests and seconds.

Owns `ConnectionLimits`, the bounds of CONTRACT §2, and `Deadline`, the timer that enforces the ones in seconds.
Knows nothing of HTTP.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds of a connection; past each the client is refused or cut off, never served slowly for ever."""

    connections_max: int = 20_000  # of one server, besides streams; the next is told `overloaded`
    head_bytes_max: int = 16 * 1024  # request line and headers, all together
    headers_max: int = 128
    body_bytes_max: int = 64 * 1024
    head_seconds: float = 10.0  # from its first byte to its last
    body_seconds: float = 30.0  # likewise
    idle_seconds: float = 75.0  # between two requests
    stall_seconds: float = 30.0  # a client that does not read its answers
    linger_seconds: float = 2.0  # for the client to read a last answer before the connection is cut
    pipelined_max: int = 32  # requests taken but not answered yet; more wait in the socket
    read_ahead_bytes_max: int = 64 * 1024  # unparsed bytes kept while requests before them are being answered
    write_buffer_bytes_max: int = 64 * 1024  # unsent bytes past which no further request is taken

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero, it is {getattr(self, name)}")


class Deadline:
    """A timer that is moved with every request and hardly ever fires.

    Moving it later is an assignment: the loop's own timer stays where it is, and is set anew when it goes off early.
    """

    __slots__ = ("_at", "_fires_at", "_handle", "_loop", "_on_time")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._at = 0.0
        self._fires_at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def move(self, seconds: float) -> None:
        """Call back `seconds` from now, instead of whenever it was to call back before."""
        self._at = at = self._loop.time() + seconds
        if at < self._fires_at:
            self._arm(at)

    def cancel(self) -> None:
        self._fires_at = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._fires_at = at
        self._handle = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._fires_at = math.inf
        if self._loop.time() < self._at:
            self._arm(self._at)
        else:
            self._on_time()
