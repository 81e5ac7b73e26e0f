"""The process that searches: owns the index, reads frames from a socket, answers them in order.

Started by `replicas/search/link.py` as `python -m onsale.replicas.search.process FD`. It ends when the socket closes,
so it cannot outlive the node, and touches nothing else: no file, no port.
"""

import logging
import math
import os
import select
import socket
import sys
import time
from collections.abc import Iterator

import msgspec

from .cursor import write_cursor
from .frames import Built, Documents, Failed, Find, Found, FrameReader, Ready, ToProcess, frame
from .store import SearchDocument, SearchStore

RECEIVE_BYTES = 1_000_000  # taken in at once: documents that share a commit, and the most a search waits behind
COMMIT_GAP_MS = 20  # between commits while documents keep coming; also how long they may lie uncommitted, unsearched

log = logging.getLogger(__name__)


class Connection:
    """Messages from and to the node, blocking."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._readable = select.poll()  # not select(): the descriptor's number may be beyond what that takes
        self._readable.register(connection, select.POLLIN)
        self._reader: FrameReader[ToProcess] = FrameReader(msgspec.msgpack.Decoder(ToProcess))

    def receive(self, timeout_ms: int | None = None) -> list[ToProcess]:
        """What has arrived, waiting for something to; empty on timeout. Raises EOFError when the node has gone."""
        while self._readable.poll(timeout_ms):
            data = self._socket.recv(RECEIVE_BYTES)
            if not data:
                raise EOFError
            if messages := self._reader.feed(data):
                return messages
        return []

    def send(self, message: Ready | Found | Failed) -> None:
        self._socket.sendall(frame(message))


def run(connection: Connection) -> None:
    """Build, then answer until the node goes.

    Documents are committed when a search waits for them, or when no more come. Between commits there is a gap: commits
    cost milliseconds whatever their size, and now and then one meets a merge that has just ended, and then tantivy's
    directory in RAM makes one of the two sleep for 100 ms. Without the gap that was one search in fifty of an import.
    """
    early: list[ToProcess] = []
    store = SearchStore(_documents_of_build(connection, early))
    connection.send(Ready())
    waiting: list[Find] = []  # for the documents before them to be committed
    changed = False
    next_commit = time.monotonic()
    while True:
        if early:
            messages, early = early, []
        else:
            messages = connection.receive(_patience_ms(next_commit, waiting=bool(waiting)) if changed else None)
        for message in messages:
            if isinstance(message, Documents):
                for document in message.documents:
                    store.add(document)
                changed = True
            elif isinstance(message, Find) and changed:
                waiting.append(message)
            elif isinstance(message, Find):
                connection.send(_answer(store, message))
        if changed and (waiting or not messages) and time.monotonic() >= next_commit:
            store.commit()
            changed = False
            next_commit = time.monotonic() + COMMIT_GAP_MS / 1000
            for find in waiting:
                connection.send(_answer(store, find))
            waiting.clear()


def _patience_ms(next_commit: float, *, waiting: bool) -> int:
    """How long to wait for messages before documents are committed."""
    return max(0, math.ceil((next_commit - time.monotonic()) * 1000)) if waiting else COMMIT_GAP_MS


def _documents_of_build(connection: Connection, early: list[ToProcess]) -> Iterator[SearchDocument]:
    """The documents before `Built`; what came with it but after it is left in `early`."""
    while True:
        messages = connection.receive()
        for place, message in enumerate(messages):
            if isinstance(message, Built):
                early.extend(messages[place + 1 :])
                return
            if isinstance(message, Documents):
                yield from message.documents


def _answer(store: SearchStore, find: Find) -> Found | Failed:
    try:
        event_ids, following = store.search(find.request, find.after)
        return Found(find.number, event_ids, write_cursor(find.request, following) if following else None)
    except Exception as fault:
        log.exception("search failed: %r", find.request)
        return Failed(find.number, f"{type(fault).__name__}: {fault}")


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if hasattr(os, "SCHED_BATCH"):
        # its share of the processor stays, but it never interrupts the node that takes bookings
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            run(Connection(connection))
        except (EOFError, ConnectionError):
            os._exit(0)  # nothing here outlives the process: don't wait for the index to finish its merges


if __name__ == "__main__":
    main()
