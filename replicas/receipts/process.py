"""The process that keeps the tree: reads the journal's segments and its own file, answers frames from a socket.

Started by `replicas/receipts/receipts.py` as `python -m onsale.replicas.receipts.process FD`. It ends when the socket
closes, so it cannot outlive the node for long. It writes the tree's file alone.
"""

import logging
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from ...journal.disk import RealDisk
from ...journal.errors import JournalError
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
    TooSmall,
    ToProcess,
)
from .keeper import Gone, Keeper, PastMissing
from .tree_file import DamagedTree

RECEIVE_BYTES: Final = 1_000_000
FACTS_PER_SLICE: Final = 2_000  # taken in before questions are looked at again: some ten milliseconds
PATIENCE_SECONDS: Final = 1.0  # of a question that waits for the tree
AGAIN_MS: Final = 50

log = logging.getLogger("onsale.receipts")

Question = AskHead | AskProof


class Server:
    """One keeper and whoever asks it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)
        self._reader: FrameReader[ToProcess] = FrameReader(msgspec.msgpack.Decoder(ToProcess))
        self._encoder = msgspec.msgpack.Encoder()
        self._reached_seq = 0
        self._waiting: list[tuple[float, Question]] = []  # with when they are told to try again
        self._keeper: Keeper | None = None
        self._usable = False  # the tree is in step with the beginning of the journal

    def run(self) -> None:
        """Raises EOFError when the node has gone."""
        behind = False
        while True:
            for message in self._received(0 if behind else AGAIN_MS if self._waiting else None):
                self._take(message)
            behind = False
            if self._keeper is not None and self._usable:
                try:
                    behind = self._keeper.extend(self._reached_seq, FACTS_PER_SLICE)
                    self._answer_all(self._keeper)
                except DamagedTree as damage:
                    self._build_anew(self._keeper, damage)
                    behind = self._usable
            self._answer_late()

    def _received(self, timeout_ms: int | None) -> list[ToProcess]:
        if not self._readable.poll(timeout_ms):
            return []
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise EOFError
        return self._reader.feed(data)

    def _send(self, message: FromProcess) -> None:
        body = self._encoder.encode(message)
        self._socket.sendall(len(body).to_bytes(4, "little") + body)

    def _take(self, message: ToProcess) -> None:
        match message:
            case Begin():
                self._keeper = Keeper(
                    RealDisk(Path(message.journal)),
                    Path(message.tree),
                    message.journal_id,
                    message.key,
                    message.key_name,
                )
                self._open(self._keeper)
            case Reached():
                self._reached_seq = max(self._reached_seq, message.seq)
            case Past():
                self._take_past(message)
            case AskHead() | AskProof():
                self._waiting.append((time.monotonic() + PATIENCE_SECONDS, message))

    def _open(self, keeper: Keeper) -> None:
        try:
            keeper.open()
        except PastMissing as missing:
            self._send(PastWanted(missing.seq))
        except DamagedTree as damage:
            self._build_anew(keeper, damage)
        else:
            self._usable = True

    def _build_anew(self, keeper: Keeper, damage: DamagedTree) -> None:
        log.info("the tree of receipts is built from the journal: %s", damage)
        self._usable = False
        try:
            keeper.begin()
        except PastMissing as missing:
            self._send(PastWanted(missing.seq))
        else:
            self._usable = True

    def _take_past(self, past: Past) -> None:
        if self._keeper is None or self._usable:
            return
        try:
            self._keeper.begin_behind(past.size, past.seq, past.batch_hash, tuple(past.peaks))
        except ValueError as fault:
            log.warning("the tree of receipts can't go on from what another node sent: %s", fault)
            self._send(PastWanted(past.seq))
        else:
            self._usable = True

    # --- questions

    def _answer_all(self, keeper: Keeper) -> None:
        """Those that can be; the others go on waiting. Raises DamagedTree: then all of them do."""
        still: list[tuple[float, Question]] = []
        for until, question in self._waiting:
            answer = self._answer(keeper, question)
            if answer is None:
                still.append((until, question))
            else:
                self._send(answer)
        self._waiting = still

    def _answer(self, keeper: Keeper, question: Question) -> Answer | None:
        """None: the tree has not got so far. Raises DamagedTree."""
        try:
            match question:
                case AskHead(number, least_seq, seq, since):
                    if max(seq or 0, least_seq) > keeper.seq or (since or 0) > keeper.size:
                        return None
                    head = keeper.head(seq)
                    if since is not None and since > head.size:
                        return TooSmall(number)
                    return HeadFound(number, head, None if since is None else keeper.growth(since, head))
                case AskProof(number, seq, size):
                    if seq > keeper.seq or (size or 0) > keeper.size:
                        return None
                    return ProofFound(number, keeper.prove(seq, size))
        except Gone as gone:
            return NotKept(question.number, str(gone))
        except ValueError:
            return TooSmall(question.number)

    def _answer_late(self) -> None:
        now, keeper = time.monotonic(), self._keeper
        size, seq = (keeper.size, keeper.seq) if keeper is not None and self._usable else (0, 0)
        for until, question in self._waiting:
            if until <= now:
                self._send(Behind(question.number, size, seq))
        self._waiting = [each for each in self._waiting if each[0] > now]


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    if hasattr(os, "SCHED_BATCH"):
        # where cores are short bookings go first, are never interrupted, and receipts come a little later
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.nice(15)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            Server(connection).run()
        except (EOFError, ConnectionError):
            os._exit(0)
        except JournalError as error:
            log.error("no receipts can be made: %s", error)  # noqa: TRY400 - the message says it all
            os._exit(1)


if __name__ == "__main__":
    main()
