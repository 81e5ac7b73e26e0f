"""The node's end of the search process: starts it, sends it documents, asks it, and notices when it dies.

Owns one process and the socket to it. Nothing here holds the event loop. A link is used once: when it is lost, a new
one takes its place.
"""

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import cast

import msgspec

from ...engine.search import SearchRequest
from .cursor import Position
from .frames import Built, Documents, Failed, Find, Found, FrameReader, FromProcess, Ready, ToProcess, frame
from .store import SearchDocument

DOCUMENTS_PER_FRAME = 200  # encoded in a quarter of a millisecond, and then the loop has its turn
UNSENT_BYTES_MAX = (
    256_000  # in the socket's buffer before `writable` turns false: a search may have to wait behind them
)
CLOSE_SECONDS_MAX = 5.0


class SearchUnavailable(Exception):
    """The index cannot answer now: it is being built, or has too much to do. Its text can be shown to the client."""


Done = Callable[[Found | SearchUnavailable], None]  # called on the loop's thread; it must not raise


class Link(asyncio.Protocol):
    """One search process. `on_writable` is called when `writable` turns true, `on_lost` if it ends before `close`."""

    def __init__(self, on_writable: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self.writable = False
        self._on_writable = on_writable
        self._on_lost = on_lost
        self._reader: FrameReader[FromProcess] = FrameReader(msgspec.msgpack.Decoder(FromProcess))
        self._numbers = itertools.count(1)
        self._asked: dict[int, Done] = {}
        self._finds: list[bytes] = []  # to be sent together, at the end of this turn of the loop
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._ready = False
        self._gone = False
        self._closing = False
        self._changed = asyncio.Event()  # one of the flags above has

    async def open(self, documents: Iterable[SearchDocument]) -> None:
        """Start the process and have it build an index; return when it can be searched.

        `documents` is read a little at a time, the loop running in between. Raises SearchUnavailable if the process
        cannot be started or ends meanwhile.
        """
        here, there = socket.socketpair()
        with there:
            try:
                self._process = _start_process(there.fileno())
            except OSError as error:
                here.close()
                raise SearchUnavailable(f"the search process could not be started: {error}") from error
        await asyncio.get_running_loop().create_connection(lambda: self, sock=here)
        source = iter(documents)
        while chunk := list(itertools.islice(source, DOCUMENTS_PER_FRAME)):
            await self._until(lambda: self.writable)
            self.send(Documents(chunk))
            await asyncio.sleep(0)
        self.send(Built())
        await self._until(lambda: self._ready)

    async def close(self) -> None:
        """End the process and wait until it has ended."""
        self._closing = True
        if self._transport:
            self._transport.close()
        if self._process:
            await asyncio.to_thread(_reap, self._process)

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def send(self, message: ToProcess) -> None:
        """Put a message on its way, whether `writable` or not; after the end of the process it goes nowhere."""
        if self._transport and not self._gone:
            self._transport.write(frame(message))

    def find(self, request: SearchRequest, after: Position | None, done: Done) -> None:
        """Ask for a page, which will see all documents sent before. `done` is called once, later."""
        number = next(self._numbers)
        self._asked[number] = done
        if not self._finds:
            asyncio.get_running_loop().call_soon(self._send_finds)
        self._finds.append(frame(Find(number, request, after)))

    def _send_finds(self) -> None:
        finds, self._finds = self._finds, []
        if self._transport and not self._gone:
            self._transport.write(b"".join(finds))

    @property
    def unanswered(self) -> int:
        """Pages asked for that have not come, whether or not anybody still waits for them."""
        return len(self._asked)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        self.resume_writing()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._changed.set()
        self._on_writable()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            if isinstance(message, Ready):
                self._ready = True
                self._changed.set()
                continue
            done = self._asked.pop(message.number)
            if isinstance(message, Failed):
                done(SearchUnavailable(f"the search could not be run: {message.reason}"))
            else:
                done(message)

    def connection_lost(self, _error: Exception | None) -> None:
        self._gone, self.writable = True, False
        self._changed.set()
        asked, self._asked = self._asked, {}
        if not self._closing:
            self._on_lost()
        for done in asked.values():
            done(SearchUnavailable("the search index ended while it searched: try again"))

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._gone:
                raise SearchUnavailable("the search process ended while it built the index: its log says why")
            self._changed.clear()
            await self._changed.wait()


def _start_process(descriptor: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "onsale.replicas.search.process", str(descriptor)]
    # In a group of its own, so that Ctrl-C in the node's terminal ends the node, and the node the process. Not in a
    # session of its own: Linux shares the cores among sessions, and on a busy machine a start waited long for it.
    return subprocess.Popen(command, pass_fds=[descriptor], process_group=0)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(CLOSE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
