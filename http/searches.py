"""Searches of events: pages that were found are kept while nothing they show has changed, and questions that are under
way are asked once for all who have them.

Owns `Searches`. A page that is kept and one that is asked for anew say the same:

- which events it lists is so for one edition of the index, and with the next it is forgotten;
- what it says of them is compared with the state whenever a fact has come in between, and whenever a status changes
  with time.

So nobody can tell a kept page from a new one, and no time to live is needed. What is kept is bounded in bytes, the
oldest in use goes first. A query is known by its text as it came: two ways to write one are two pages.
"""

from collections import OrderedDict
from collections.abc import Callable
from operator import is_
from typing import Final

import msgspec

from ..engine.codes import Code
from ..engine.search import Hits, SearchRequest
from ..engine.state import State
from .caching import LISTED, Reading
from .gateway import Gateway, UnavailableError
from .problems import refused
from .render.event_rows import FOREVER_MS, EventRows, Row
from .wire.query import Parameters, bad_cursor, instant_of, limit_of, next_link, parse_query

PARAMETERS: Final = ("search", "name", "start_date", "end_date", "city", "category", "limit", "cursor")
PATH: Final = "/events"
KEPT_BYTES_MAX: Final = 32_000_000
KEPT_QUERY_CHARACTERS_MAX: Final = 1_000  # a longer one is answered, and forgotten
WAITING_MAX: Final = 20_000  # who wait for the index; the questions to it have a bound of their own
_PAGE_BYTES: Final = 1_500 + KEPT_QUERY_CHARACTERS_MAX  # of a page at most, besides its text

Outcome = tuple[Reading, int] | Exception  # with the position that the hits reflect
Done = Callable[[Outcome], None]


def read_query(query: str) -> tuple[Parameters, SearchRequest]:
    """Raises RefusedError."""
    parameters = parse_query(query, PARAMETERS)
    request = SearchRequest(
        search=parameters.get("search", ""),
        name=parameters.get("name", ""),
        start_ms=instant_of(parameters, "start_date"),
        end_ms=instant_of(parameters, "end_date", is_end=True),
        city=parameters.get("city", ""),
        category=parameters.get("category", ""),
        limit=limit_of(parameters),
        cursor=parameters.get("cursor", ""),
    )
    return parameters, request


class _Page(msgspec.Struct, gc=False):
    """What a query leads to in one edition."""

    edition: object
    event_ids: tuple[int, ...]
    links: tuple[tuple[str, str], ...]
    rows: list[Row] = []
    reading: Reading | None = None
    seq: int = -1  # of the state that `rows` was compared with last
    from_ms: int = 0
    until_ms: int = 0

    def at_hand(self, state: State, now_ms: int) -> Reading | None:
        """The page, if nothing can have changed it since it was read."""
        return self.reading if self.seq == state.seq and self.from_ms <= now_ms < self.until_ms else None

    def read(self, state: State, now_ms: int, rows: EventRows) -> Reading:
        """The page as it is now."""
        reading = self.at_hand(state, now_ms)
        if reading is not None:
            return reading
        reading, sales = self.reading, state.sales
        shown = [rows.row(sales[event_id], now_ms) for event_id in self.event_ids if event_id in sales]
        if reading is None or not _same(shown, self.rows):
            self.rows = shown
            reading = self.reading = Reading.of(b"[%b]" % b",".join([each.text for each in shown]), LISTED, *self.links)
            self.from_ms = max([each.from_ms for each in shown], default=-FOREVER_MS)
            self.until_ms = min([each.until_ms for each in shown], default=FOREVER_MS)
        self.seq = state.seq
        return reading


def _same(rows: list[Row], before: list[Row]) -> bool:
    return len(rows) == len(before) and all(map(is_, rows, before))


class _Question:
    """A query under way, and who waits for it."""

    __slots__ = ("asked_seq", "edition", "parameters", "waiting")

    def __init__(self, edition: object, asked_seq: int, parameters: Parameters) -> None:
        self.edition = edition
        self.asked_seq = asked_seq
        self.parameters = parameters
        self.waiting: list[tuple[int, Done]] = []


class Searches:
    """Of one server; whichever gateway answers now is given with each call."""

    def __init__(self, kept_bytes_max: int = KEPT_BYTES_MAX, waiting_max: int = WAITING_MAX) -> None:
        self.kept_bytes = 0
        self.waiting = 0
        self._kept_bytes_max = kept_bytes_max
        self._waiting_max = waiting_max
        self._rows = EventRows()
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._questions: dict[str, _Question] = {}  # those that others may join

    def kept(self, gateway: Gateway, query: str) -> Reading | None:
        """The page, if it is at hand; the hits in it reflect `gateway.search_seq`."""
        page = self._pages.get(query)
        if page is None:
            return None
        if page.edition is not gateway.search_edition:
            self._forget(query)
            return None
        self._pages.move_to_end(query)
        return page.at_hand(gateway.state, gateway.now_ms()) or self._read(gateway, page)

    def ask(self, gateway: Gateway, query: str, min_seq: int, done: Done) -> None:
        """Find the page. `done` is called once, now or later. Raises RefusedError, UnavailableError."""
        edition = gateway.search_edition
        question = self._questions.get(query)
        if self.waiting >= self._waiting_max:
            raise UnavailableError("Too many wait for searches: try again in a second.")
        if question is not None and question.edition is edition and min_seq <= question.asked_seq:
            question.waiting.append((min_seq, done))
            self.waiting += 1
            return
        parameters, request = read_query(query)
        question = _Question(edition, gateway.search_seq, parameters)
        question.waiting.append((min_seq, done))
        self.waiting += 1
        self._questions[query] = question
        try:
            gateway.search(request, min_seq, lambda found: self._found(gateway, query, question, found))
        except Exception as error:
            self.waiting -= 1
            self._forget_question(query, question)
            if isinstance(error, ValueError):
                raise bad_cursor() from None
            raise

    def _found(self, gateway: Gateway, query: str, question: _Question, found: Hits | UnavailableError) -> None:
        waiting, question.waiting = question.waiting, []
        self.waiting -= len(waiting)
        self._forget_question(query, question)
        try:
            if isinstance(found, UnavailableError):
                raise found
            reading = self._page(gateway, query, question, found)
        except Exception as fault:  # noqa: BLE001 - whoever waits says so
            for _, done in waiting:
                done(fault)
            return
        for min_seq, done in waiting:
            if found.seq < min_seq:
                detail = f"The search index has reached {found.seq}, not yet {min_seq}."
                done(refused(Code.REPLICA_BEHIND, detail))
            else:
                done((reading, found.seq))

    def _page(self, gateway: Gateway, query: str, question: _Question, hits: Hits) -> Reading:
        cursor = hits.next_cursor
        links = (next_link(PATH, question.parameters, cursor=cursor),) if cursor else ()
        page = _Page(question.edition, tuple(hits.event_ids), links)
        reading = page.read(gateway.state, gateway.now_ms(), self._rows)
        if question.edition is gateway.search_edition and hits.seq >= question.asked_seq:
            self._keep(query, page)
        return reading

    def _read(self, gateway: Gateway, page: _Page) -> Reading:
        before = _bytes_of(page)
        reading = page.read(gateway.state, gateway.now_ms(), self._rows)
        self.kept_bytes += _bytes_of(page) - before
        self._make_room()
        return reading

    def _keep(self, query: str, page: _Page) -> None:
        if len(query) <= KEPT_QUERY_CHARACTERS_MAX:
            self._forget(query)
            self._pages[query] = page
            self.kept_bytes += _bytes_of(page)
            self._make_room()

    def _make_room(self) -> None:
        while self.kept_bytes > self._kept_bytes_max:
            _, page = self._pages.popitem(last=False)
            self.kept_bytes -= _bytes_of(page)

    def _forget(self, query: str) -> None:
        page = self._pages.pop(query, None)
        if page is not None:
            self.kept_bytes -= _bytes_of(page)

    def _forget_question(self, query: str, question: _Question) -> None:
        if self._questions.get(query) is question:
            del self._questions[query]


def _bytes_of(page: _Page) -> int:
    """Its body, that as it was sent last, and the texts of its rows, though other pages may have the same ones."""
    assert page.reading is not None
    return 3 * len(page.reading.body) + _PAGE_BYTES
