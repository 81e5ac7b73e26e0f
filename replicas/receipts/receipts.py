"""The node's end of the receipts: starts the process that keeps the tree, tells it how far the journal is, asks it.

Owns that process and the socket to it. Nothing here holds the event loop, and a batch that is committed costs it no
more than a comparison. Should the process end, another one goes on from its file. Decides nothing: the past of a
journal that does not begin at its beginning is fetched by `past`.
"""

import asyncio
import itertools
import logging
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final, cast

import msgspec

from ..search.frames import FrameReader
from .frames import (
    Answer,
    AskHead,
    AskProof,
    Begin,
    Behind,
    FromProcess,
    HeadFound,
    NotKept,
    Past,
    PastWanted,
    ProofFound,
    Reached,
    ToProcess,
)
from .leaves import receipt_key

TELL_SECONDS: Final = 0.05  # between two words of how far the journal is; a question says it at once
START_SECONDS_MAX: Final = 1.0
ANSWER_SECONDS_MAX: Final = 3.0  # it answers by itself before, unless it is busy with a long start
ASKED_MAX: Final = 1_000
AGAIN_SECONDS: Final = (1.0, 5.0, 30.0)  # before the process is started anew, or the past asked for again
CLOSE_SECONDS_MAX: Final = 5.0
PREPARING: Final = "The receipts of this node are being prepared; ask again in a moment."

log = logging.getLogger("onsale.receipts")


class ReceiptsBehind(Exception):
    """The tree has not got so far; the text says how far, to a person, and `seq` as well."""

    def __init__(self, sentence: str, seq: int = 0) -> None:
        super().__init__(sentence)
        self.seq = seq


class ReceiptsNotKept(Exception):
    """It takes a part of the history that is not here: another node may have it. The text is for a person."""


class ReceiptTooSmall(Exception):
    """The tree that was named ends before what was to be proven."""


class Receipts:
    """One event loop's; it begins with the first `reached` that finds a key, and ends with `close`."""

    def __init__(
        self,
        journal: Path,
        tree: Path,
        journal_id: bytes,
        cluster_key: Callable[[], bytes],
        past: Callable[[int], Awaitable[Past | None]],
    ) -> None:
        """`journal`: the folder of its segments. `cluster_key()`: b"" while there is none.

        `past(seq)`: the tree of what is before this journal, from another node; None while it can't be had.
        """
        self._journal = journal
        self._tree = tree
        self._journal_id = journal_id
        self._cluster_key = cluster_key
        self._past = past
        self._seq = self._told_seq = 0
        self._process: _Process | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None  # starts the process, or gets the past
        self._starts = 0
        self._past_seq = 0  # not 0: the tree up to there is being asked for
        self._past_tries = 0
        self._closed = False
        self._news = asyncio.Event()  # set while there is a process

    @property
    def process_id(self) -> int | None:
        return None if self._process is None else self._process.process_id

    def reached(self, seq: int) -> None:
        """Everything up to `seq` is committed, and on this node's disk."""
        self._seq = seq
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    async def head(self, least_seq: int, seq: int | None, since: int | None) -> HeadFound:
        """See AskHead. Raises ReceiptsBehind, ReceiptsNotKept, ReceiptTooSmall."""
        answer = await self._ask(lambda number: AskHead(number, least_seq, seq, since))
        assert isinstance(answer, HeadFound)
        return answer

    async def prove(self, seq: int, size: int | None) -> ProofFound:
        """See AskProof. Raises ReceiptsBehind, ReceiptsNotKept, ReceiptTooSmall."""
        answer = await self._ask(lambda number: AskProof(number, seq, size))
        assert isinstance(answer, ProofFound)
        return answer

    async def close(self) -> None:
        """End the process and wait until it has ended: its file is free then."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._process is not None:
            await self._process.close()

    async def _ask(self, question: Callable[[int], AskHead | AskProof]) -> HeadFound | ProofFound:
        if self._past_seq:
            raise ReceiptsNotKept(
                f"This node began with a copy as of seq {self._past_seq}, and lacks the proofs of what was before."
            )
        process = self._process or await self._started()
        self._tell_now()
        answer = await process.ask(question)
        if isinstance(answer, Behind):
            sentence = f"Receipts can be given up to seq {answer.seq} ({answer.size} batches) so far."
            raise ReceiptsBehind(sentence, answer.seq)
        if isinstance(answer, NotKept):
            raise ReceiptsNotKept(answer.detail)
        if not isinstance(answer, HeadFound | ProofFound):
            raise ReceiptTooSmall
        return answer

    # --- the process

    async def _started(self) -> "_Process":
        """The process, as soon as there is one. Raises ReceiptsBehind."""
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                while self._process is None:
                    await self._news.wait()
        except TimeoutError:
            raise ReceiptsBehind(PREPARING) from None
        return self._process

    def _tell(self) -> None:
        self._timer = None
        if self._process is None and self._task is None and self._cluster_key() and not self._closed:
            self._task = asyncio.ensure_future(self._start())
        self._tell_now()

    def _tell_now(self) -> None:
        if self._process is not None and self._seq > self._told_seq:
            self._told_seq = self._seq
            self._process.send(Reached(self._seq))

    async def _start(self) -> None:
        """Another process, after a pause unless it is the first."""
        if self._starts:
            await asyncio.sleep(AGAIN_SECONDS[min(self._starts, len(AGAIN_SECONDS)) - 1])
        self._starts += 1
        key = receipt_key(self._cluster_key())
        name = blake2b(key, digest_size=16).digest()
        process = _Process(self._wants_past, self._lost)
        try:
            await process.open()
        except OSError as error:
            log.error("no receipts can be given, as their process could not be started: %s", error)  # noqa: TRY400
            self._task = None
            self.reached(self._seq)
            return
        except BaseException:
            await process.close()
            raise
        process.send(Begin(str(self._journal), str(self._tree), self._journal_id, key, name))
        self._process, self._told_seq, self._task = process, 0, None
        self._news.set()
        self._tell_now()

    def _lost(self) -> None:
        process, self._process, self._past_seq = self._process, None, 0
        self._news.clear()
        if process is not None and not self._closed:
            log.error("the process of the receipts (%s) has ended; its own log says why", process.process_id)
            if self._task is not None:  # it asks for the past
                self._task.cancel()
            self._task = asyncio.ensure_future(self._replace(process))

    async def _replace(self, lost: "_Process") -> None:
        await lost.close()
        await self._start()

    def _wants_past(self, seq: int) -> None:
        self._past_seq = seq
        if self._task is None:
            self._task = asyncio.ensure_future(self._get_past(seq))

    async def _get_past(self, seq: int) -> None:
        past: Past | None = None
        while past is None:
            if self._past_tries:
                await asyncio.sleep(AGAIN_SECONDS[min(self._past_tries, len(AGAIN_SECONDS)) - 1])
            self._past_tries += 1
            try:
                past = await self._past(seq)
            except Exception:
                log.exception("the tree of what was before seq %d could not be fetched", seq + 1)
        self._past_seq, self._task = 0, None
        if self._process is not None:
            self._process.send(past)


class _Process(asyncio.Protocol):
    """One process. `on_lost` is called if it ends before `close`."""

    def __init__(self, on_past_wanted: Callable[[int], None], on_lost: Callable[[], None]) -> None:
        self._on_past_wanted = on_past_wanted
        self._on_lost = on_lost
        self._reader: FrameReader[FromProcess] = FrameReader(msgspec.msgpack.Decoder(FromProcess))
        self._encoder = msgspec.msgpack.Encoder()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._closing = False

    async def open(self) -> None:
        """Raises OSError."""
        here, there = socket.socketpair()
        with there:
            try:
                self._process = _start_process(there.fileno())
            except OSError:
                here.close()
                raise
        await asyncio.get_running_loop().create_connection(lambda: self, sock=here)

    async def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            await asyncio.to_thread(_reap, self._process)

    @property
    def process_id(self) -> int | None:
        return None if self._process is None else self._process.pid

    def send(self, message: ToProcess) -> None:
        if self._transport is not None and not self._transport.is_closing():
            body = self._encoder.encode(message)
            self._transport.write(len(body).to_bytes(4, "little") + body)

    async def ask(self, question: Callable[[int], AskHead | AskProof]) -> Answer:
        """Raises ReceiptsBehind when there is no answer."""
        if len(self._asked) >= ASKED_MAX:
            raise ReceiptsBehind("Too many receipts are asked for at once; ask again in a moment.")
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self.send(question(number))
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await future
        except TimeoutError:
            raise ReceiptsBehind(PREPARING) from None
        finally:
            self._asked.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            if isinstance(message, PastWanted):
                self._on_past_wanted(message.seq)
                continue
            future = self._asked.get(message.number)
            if future is not None and not future.done():
                future.set_result(message)

    def connection_lost(self, _error: Exception | None) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ReceiptsBehind(PREPARING))
        if not self._closing:
            self._on_lost()


def _start_process(descriptor: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "onsale.replicas.receipts.process", str(descriptor)]
    # In a group of its own, so that Ctrl-C in the node's terminal ends the node, and the node the process. In a session
    # of its own its low priority would mean nothing: Linux shares the cores among sessions first.
    return subprocess.Popen(command, pass_fds=[descriptor], process_group=0)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(CLOSE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
