"""The node's end of the worker process, which makes all requests to the outside: the payment provider, mail, webhooks.

Owns one process at a time and the socket to it. Promises that every order is answered or raises ProviderUnavailable:
at once when the process dies, and after a minute when it says nothing. It must never hold the event loop.
"""

import asyncio
import itertools
import logging
import socket
import subprocess
import sys
import time
from typing import cast

import msgspec

from .frames import Answered, Asked, BrokenFrame, FrameReader, frame
from .orders import Answer, Order, Unavailable
from .provider import ProviderUnavailable
from .settings import OutsideSettings

log = logging.getLogger("onsale.outside")

ORDER_SECONDS_MAX = 60.0
UNANSWERED_MAX = 256
START_GAP_SECONDS = 1.0
CLOSE_SECONDS_MAX = 5.0

WORKER = (sys.executable, "-m", "onsale.effects.worker")  # and the descriptor of its socket

_STDERR = 2
_ENDED = "the worker process ended; another one is started"
_STOPPING = "the node is stopping"
_decoder = msgspec.msgpack.Decoder(Answered)


class _Link(asyncio.Protocol):
    """One worker process, used until it is lost."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.lost = False
        self.heard_at = time.monotonic()
        self.reaped: asyncio.Future[int] | None = None  # its exit status; from the moment it is lost or left
        self.leaving = False
        self._transport: asyncio.WriteTransport | None = None
        self._reader = FrameReader()
        self._asked: dict[int, asyncio.Future[Answer]] = {}

    def ask(self, number: int, order: Order) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.lost or self._transport is None:
            raise ProviderUnavailable(_ENDED)
        data = frame(Asked(number, order))
        self._asked[number] = future
        self._transport.write(data)
        return future

    def forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def introduce(self, settings: OutsideSettings) -> None:
        assert self._transport is not None
        self._transport.write(frame(settings))

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        try:
            for message in self._reader.feed(data):
                answered = _decoder.decode(message)
                future = self._asked.pop(answered.number, None)
                if future is not None and not future.done():  # else the one who asked no longer waits
                    future.set_result(answered.answer)
        except (BrokenFrame, msgspec.DecodeError) as error:  # ValidationError is one
            log.error("the worker process said something unreadable (%s); it is ended", error)  # noqa: TRY400 - ours
            self.kill()

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ProviderUnavailable(_STOPPING if self.leaving else _ENDED))
        self._asked.clear()
        self.leave()

    def kill(self) -> None:
        self.process.kill()
        self.connection_lost(None)

    def leave(self) -> None:
        """Hang up: the process ends what it is doing, and itself."""
        if self._transport:
            self._transport.close()
        if self.reaped is None:
            self.reaped = asyncio.get_running_loop().run_in_executor(None, _reap, self.process)
            if not self.leaving:
                self.reaped.add_done_callback(_log_end)


class Outside:
    def __init__(self, settings: OutsideSettings) -> None:
        self._settings = settings
        self._link: _Link | None = None
        self._numbers = itertools.count(1)
        self._room = asyncio.Semaphore(UNANSWERED_MAX)
        self._starting = asyncio.Lock()
        self._started_at: float | None = None
        self._left: set[asyncio.Future[int]] = set()  # processes that have not ended yet
        self._closed = False

    @property
    def process_id(self) -> int | None:
        """Of the worker, while there is one."""
        return self._link.process.pid if self._link is not None and not self._link.lost else None

    async def ask(self, order: Order) -> Answer:
        """Have it done, and say what came of it: never `Unavailable`, which is raised as ProviderUnavailable."""
        async with self._room:
            link = await self._linked()
            number = next(self._numbers)
            try:
                async with asyncio.timeout(ORDER_SECONDS_MAX):
                    answer = await link.ask(number, order)
            except TimeoutError:
                if time.monotonic() - link.heard_at >= ORDER_SECONDS_MAX:  # not a word to anybody
                    log.error("the worker process does not answer; it is ended")  # noqa: TRY400 - says it all
                    link.kill()
                reason = f"the worker process did not answer within {ORDER_SECONDS_MAX:.0f} s"
                raise ProviderUnavailable(reason) from None
            finally:
                link.forget(number)
        if isinstance(answer, Unavailable):
            raise ProviderUnavailable(answer.reason, retry_after_seconds=answer.retry_after_seconds, down=answer.down)
        return answer

    async def close(self) -> None:
        """End the process, which ends what it has begun, and wait until it has ended. Whoever waits for an answer gets
        ProviderUnavailable.
        """
        self._closed = True
        async with self._starting:
            link, self._link = self._link, None
        if link is not None:
            link.leaving = True
            link.leave()
            self._keep(link)
        await asyncio.gather(*self._left)

    async def _linked(self) -> _Link:
        """The process, started if there is none: once a second at most."""
        link = self._link
        if link is not None and not link.lost and not self._closed:
            return link
        async with self._starting:
            self._check_open()
            if self._link is not None:
                if not self._link.lost:
                    return self._link
                self._keep(self._link)
                self._link = None
            if self._started_at is not None:
                await asyncio.sleep(max(0.0, self._started_at + START_GAP_SECONDS - time.monotonic()))
                self._check_open()
            self._started_at = time.monotonic()
            self._link = await _start(self._settings)
            return self._link

    def _check_open(self) -> None:
        if self._closed:
            raise ProviderUnavailable(_STOPPING)

    def _keep(self, link: _Link) -> None:
        """Until its process has ended."""
        assert link.reaped is not None
        self._left.add(link.reaped)
        link.reaped.add_done_callback(self._left.discard)


async def _start(settings: OutsideSettings) -> _Link:
    here, there = socket.socketpair()
    with there:
        descriptor = there.fileno()
        command = [*WORKER, str(descriptor)]
        try:
            # In a group of its own, so that Ctrl-C in the node's terminal ends the node, and the node the worker. Not
            # in a session of its own: Linux shares the cores among sessions, and on a busy machine it waited for long.
            # What it might print belongs with its log: the node's standard output is the node's.
            process = subprocess.Popen(  # noqa: ASYNC220 - takes 2 ms: the memory of the node is not copied
                command, pass_fds=[descriptor], process_group=0, stdin=subprocess.DEVNULL, stdout=_STDERR
            )
        except OSError as error:
            here.close()
            raise ProviderUnavailable(f"the worker process could not be started: {error}") from error
    link = _Link(process)
    try:
        await asyncio.get_running_loop().create_connection(lambda: link, sock=here)
    except BaseException:  # nobody waits for it any more, perhaps
        here.close()
        process.kill()
        process.wait()
        raise
    link.introduce(settings)
    return link


def _reap(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(CLOSE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _log_end(reaped: asyncio.Future[int]) -> None:
    if not reaped.cancelled():
        log.error("the worker process ended (exit status %d); it is started again when it is needed", reaped.result())
