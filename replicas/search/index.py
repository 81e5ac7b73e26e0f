"""The search of events: an index in RAM, kept up from committed facts, in a process of its own.

Owns `SearchIndex`, which the event loop hands documents to and asks. It promises that a search sees every document
handed over before it, and never holds the loop. It decides nothing: whoever follows the facts says what is searchable
of an event and when it changed; on a read replica the same class will follow the same facts.

Why a process and not a thread: tantivy gives up the interpreter's lock while it searches, but the Python around it
needs the lock back several times a search. Measured with 100,000 events and 500 mixed searches/s beside a loop that was
busy all the time (uvloop, 2 cores): a thread answered after 3.5 s (p99 5.9 s), with a switch interval of 0.1 ms too; a
process after 0.6 ms (p99 2.3 ms). The 1 ms ticker's p99 on that loop was 0.03 ms late alone, 0.10 ms beside the
thread and 0.05 ms beside the process.
"""

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from ...engine.search import Hits, SearchRequest
from .cursor import BadCursor, read_cursor, write_cursor
from .frames import Documents
from .link import DOCUMENTS_PER_FRAME, Link, SearchUnavailable
from .query import bounded
from .store import SearchDocument

__all__ = ["BadCursor", "Hits", "SearchDocument", "SearchIndex", "SearchRequest", "SearchUnavailable"]

BEHIND_SECONDS_MAX = 1.0  # a search waits this long for a position, then answers from what there is
ANSWER_SECONDS_MAX = 2.0
WAITING_MAX = 1_000  # searches under way; at 0.3 ms each the last has a third of a second to wait
FRAMES_PER_TURN = 4  # of documents encoded before the loop has its turn: about a millisecond
REBUILD_SECONDS = 1.0  # before a lost index is built anew, so that one that keeps dying does not take a core

log = logging.getLogger(__name__)


class SearchIndex:
    """Searchable events. One event loop's; `start` once, `close` at the end."""

    def __init__(self, rebuild: Callable[[], Iterable[SearchDocument]] | None = None) -> None:
        """`rebuild` gives all documents as they are now: should the process die, a new one is built from them.

        They are read a little at a time, the loop running in between. Without `rebuild` every search raises
        SearchUnavailable from then on.
        """
        self._rebuild = rebuild
        self._link: Link | None = None  # only while it can be searched
        self._replacing: asyncio.Task[None] | None = None
        self._closed = False
        self._handed_seq = 0
        self._unsent: deque[SearchDocument] = deque()
        self._marks: deque[tuple[int, int]] = deque()  # (documents handed over in all, seq) per update not wholly sent
        self._handed = self._sent = 0  # documents, in all
        self._sent_seq = 0
        self._send_scheduled = False
        self._waiting = 0
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap by seq
        self._tickets = itertools.count()

    @property
    def seq(self) -> int:
        """The position in the journal that a search would reflect now."""
        return self._sent_seq if self._unsent else self._handed_seq

    @property
    def process_id(self) -> int | None:
        """The process that searches; None while there is none ready."""
        return self._link.process_id if self._link else None

    async def start(self, documents: Iterable[SearchDocument], seq: int) -> None:
        """Build the index from the events as they are at a position; about a second for 100,000.

        The ids must differ. `documents` is read a little at a time, the loop running in between; updates may come
        meanwhile. Raises SearchUnavailable if the process cannot be started.
        """
        await self._open(documents, seq)

    def update(self, seq: int, documents: Sequence[SearchDocument]) -> None:
        """Everything up to a position is committed; these documents changed or are new. Returns at once."""
        self._handed_seq = max(self._handed_seq, seq)
        if documents and not self._closed:
            self._unsent.extend(documents)
            self._handed += len(documents)
            self._marks.append((self._handed, seq))
            if not self._send_scheduled:
                self._send_scheduled = True
                asyncio.get_running_loop().call_soon(self._send)
        elif self._waiters:
            self._wake()

    async def search(self, request: SearchRequest, min_seq: int = 0) -> Hits:
        """One page of events, read from an index that has everything handed over before the call.

        With `min_seq`, everything up to that position besides. When that takes more than a second the page comes from
        what there is, and `Hits.seq` says so. Raises BadCursor, or SearchUnavailable while there is no index or it has
        too much to do.
        """
        request = bounded(request)
        after = read_cursor(request)
        if self._waiting >= WAITING_MAX:
            raise SearchUnavailable("too many searches at once: try again in a second")
        self._waiting += 1
        try:
            self._send()
            link = await self._caught_up(max(min_seq, self._handed_seq))
            seq = self.seq
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                found = await link.find(request, after)
        except TimeoutError:
            raise SearchUnavailable("the search index has too much to do: try again in a second") from None
        finally:
            self._waiting -= 1
        following = write_cursor(request, found.following) if found.following else None
        return Hits(found.event_ids, following, seq)

    async def close(self) -> None:
        """End the process. Searches under way raise SearchUnavailable."""
        link, self._link = self._link, None
        self._end()
        if self._replacing:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        if link:
            await link.close()

    async def _open(self, documents: Iterable[SearchDocument], seq: int) -> None:
        """Build a link from documents that hold everything up to a position, and search through it from now on."""
        self._handed_seq = max(self._handed_seq, seq)
        self._unsent.clear()
        self._marks.clear()
        self._sent, self._sent_seq = self._handed, seq
        link = Link(on_writable=self._send, on_lost=self._lost)
        try:
            await link.open(documents)
        except BaseException:
            await link.close()
            raise
        self._link = link
        self._send()

    def _send(self) -> None:
        """Send documents while the socket takes them, up to a turn's worth."""
        self._send_scheduled = False
        frames = 0
        while self._unsent and self._link and self._link.writable:
            if frames == FRAMES_PER_TURN:
                self._send_scheduled = True
                asyncio.get_running_loop().call_soon(self._send)
                break
            chunk = [self._unsent.popleft() for _ in range(min(DOCUMENTS_PER_FRAME, len(self._unsent)))]
            self._link.send(Documents(chunk))
            self._sent += len(chunk)
            while self._marks and self._marks[0][0] <= self._sent:
                self._sent_seq = self._marks.popleft()[1]
            frames += 1
        if self._waiters:
            self._wake()

    async def _caught_up(self, seq: int) -> Link:
        """The link, once it has been sent everything up to a position, or a second has passed."""
        if not self._closed and (not self._link or self.seq < seq):
            waiter = (seq, next(self._tickets), asyncio.get_running_loop().create_future())
            heapq.heappush(self._waiters, waiter)
            try:
                await asyncio.wait([waiter[2]], timeout=BEHIND_SECONDS_MAX)
            finally:
                if not waiter[2].done():
                    self._waiters.remove(waiter)
                    heapq.heapify(self._waiters)
        if not self._link:
            raise SearchUnavailable("there is no search index now: try again in some seconds")
        return self._link

    def _wake(self) -> None:
        while self._link and self._waiters and self._waiters[0][0] <= self.seq:
            heapq.heappop(self._waiters)[2].set_result(None)

    def _lost(self) -> None:
        link, self._link = self._link, None
        if link:  # else it was still being opened, and `open` raises
            log.error("the search process %s has ended; its own log says why", link.process_id)
            self._replacing = asyncio.get_running_loop().create_task(self._replace(link))

    async def _replace(self, lost: Link) -> None:
        await lost.close()
        if not self._rebuild:
            self._end()
        while self._rebuild and not self._link:
            await asyncio.sleep(REBUILD_SECONDS)
            try:
                await self._open(self._rebuild(), self._handed_seq)
            except Exception:
                log.exception("the search index could not be built anew; it will be tried again")

    def _end(self) -> None:
        """Nothing will be searched any more: keep no documents, let nobody wait."""
        self._closed = True
        self._unsent.clear()
        self._marks.clear()
        while self._waiters:
            heapq.heappop(self._waiters)[2].set_result(None)
