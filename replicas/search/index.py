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
from .cursor import BadCursor, Position, read_cursor
from .frames import Documents, Found
from .link import DOCUMENTS_PER_FRAME, Link, SearchUnavailable
from .query import bounded
from .store import SearchDocument

__all__ = ["BadCursor", "Hits", "SearchDocument", "SearchIndex", "SearchRequest", "SearchUnavailable"]

BEHIND_SECONDS_MAX = 1.0  # a search waits this long for a position, then answers from what there is
ANSWER_SECONDS_MAX = 2.0
WAITING_MAX = 1_000  # searches under way; at 0.3 ms each the last has a third of a second to wait
FRAMES_PER_TURN = 4  # of documents encoded before the loop has its turn: about a millisecond
UNANSWERED_MAX = 4 * WAITING_MAX  # asked of a process that stands still, and no longer waited for
REBUILD_SECONDS = 1.0  # before a lost index is built anew, so that one that keeps dying does not take a core

log = logging.getLogger(__name__)

Done = Callable[[Hits | SearchUnavailable], None]


class Question:
    """A search under way."""

    __slots__ = ("after", "done", "ended", "request", "timer")

    def __init__(self, request: SearchRequest, after: Position | None, done: Done) -> None:
        self.request = request
        self.after = after
        self.done = done
        self.ended = False
        self.timer: asyncio.TimerHandle | None = None  # of how long it waits: for a position, then for its answer


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
        self._edition = object()
        self._unsent: deque[SearchDocument] = deque()
        self._marks: deque[tuple[int, int]] = deque()  # (documents handed over in all, seq) per update not wholly sent
        self._handed = self._sent = 0  # documents, in all
        self._sent_seq = 0
        self._send_scheduled = False
        self._waiting = 0
        self._waiters: list[tuple[int, int, Question]] = []  # a heap by seq
        self._tickets = itertools.count()

    @property
    def seq(self) -> int:
        """The position in the journal that a search would reflect now."""
        return self._sent_seq if self._unsent else self._handed_seq

    @property
    def edition(self) -> object:
        """Another object as soon as a search may find something else; until then whatever was found stays so."""
        return self._edition

    @property
    def handed_seq(self) -> int:
        """The position that whatever was found in this edition reflects."""
        return self._handed_seq

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
        if documents:
            self._edition = object()
        if documents and not self._closed:
            self._unsent.extend(documents)
            self._handed += len(documents)
            self._marks.append((self._handed, seq))
            if not self._send_scheduled:
                self._send_scheduled = True
                asyncio.get_running_loop().call_soon(self._send)
        elif self._waiters:
            self._wake()

    def ask(self, request: SearchRequest, min_seq: int, done: Done) -> Question:
        """One page of events, read from an index that has everything handed over before the call.

        With `min_seq`, everything up to that position besides. When that takes more than a second the page comes from
        what there is, and `Hits.seq` says so. `done` is called once, now or later, with the hits or SearchUnavailable;
        it must not raise. Raises BadCursor, or SearchUnavailable where there is too much to do.
        """
        request = bounded(request)
        after = read_cursor(request) if request.cursor else None
        if self._waiting >= WAITING_MAX or (self._link and self._link.unanswered >= UNANSWERED_MAX):
            raise SearchUnavailable("too many searches at once: try again in a second")
        self._waiting += 1
        question = Question(request, after, done)
        if self._unsent:
            self._send()
        seq = max(min_seq, self._handed_seq)
        if self._closed or (self._link and self.seq >= seq):
            self._find(question)
        else:
            heapq.heappush(self._waiters, (seq, next(self._tickets), question))
            question.timer = asyncio.get_running_loop().call_later(BEHIND_SECONDS_MAX, self._wait_no_longer, question)
        return question

    async def search(self, request: SearchRequest, min_seq: int = 0) -> Hits:
        """As `ask`, to be awaited."""
        future: asyncio.Future[Hits] = asyncio.get_running_loop().create_future()

        def done(found: Hits | SearchUnavailable) -> None:
            if future.cancelled():
                return
            if isinstance(found, SearchUnavailable):
                future.set_exception(found)
            else:
                future.set_result(found)

        question = self.ask(request, min_seq, done)
        try:
            return await future
        finally:
            if not question.ended:
                self._stop_waiting(question)
                self._end_question(question, SearchUnavailable("nobody waits for it any more"))

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
        self._edition = object()
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

    def _wait_no_longer(self, question: Question) -> None:
        self._stop_waiting(question)
        self._find(question)

    def _stop_waiting(self, question: Question) -> None:
        self._waiters = [each for each in self._waiters if each[2] is not question]
        heapq.heapify(self._waiters)

    def _find(self, question: Question) -> None:
        """Have it answered from what there is."""
        link, seq = self._link, self.seq
        if question.timer is not None:
            question.timer.cancel()
        if link is None:
            self._end_question(question, SearchUnavailable("there is no search index now: try again in some seconds"))
            return

        def found(page: Found | SearchUnavailable) -> None:
            if isinstance(page, Found):
                self._end_question(question, Hits(page.event_ids, page.next_cursor, seq))
            else:
                self._end_question(question, page)

        question.timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS_MAX, self._late, question)
        link.find(question.request, question.after, found)

    def _late(self, question: Question) -> None:
        self._end_question(question, SearchUnavailable("the search index has too much to do: try again in a second"))

    def _end_question(self, question: Question, found: Hits | SearchUnavailable) -> None:
        """Answer it, unless that was done."""
        if not question.ended:
            question.ended = True
            self._waiting -= 1
            if question.timer is not None:
                question.timer.cancel()
            question.done(found)

    def _wake(self) -> None:
        while self._link and self._waiters and self._waiters[0][0] <= self.seq:
            self._find(heapq.heappop(self._waiters)[2])

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
            self._find(heapq.heappop(self._waiters)[2])
