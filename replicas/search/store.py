"""The events in RAM, searchable: one tantivy index, and how a page of it is read.

Synchronous and for one thread only; `replicas/search/index.py` keeps it off the event loop's time. Nothing is read
from or
written to disk: the index is built anew at each start, from the events in memory.
"""

from collections.abc import Iterable
from typing import cast

import msgspec
import tantivy
from tantivy import Query

from ...engine.search import SearchRequest
from .cursor import Position
from .query import INTEGER_MAX, INTEGER_MIN, SCHEMA, Plan, all_of, plan, starts_at, starts_between
from .words import fold, register

BUILD_BYTES = 64_000_000  # of the writer that builds: large, so that 100,000 events become one segment
UPDATE_BYTES = 15_000_000  # of the writer that follows: tantivy's least, its commits are the quickest


class SearchDocument(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is searchable of one event; `starts_ms` in milliseconds since the epoch."""

    event_id: int
    name: str
    venue: str
    city: str
    country: str
    category: str
    description: str
    starts_ms: int


class SearchStore:
    """The index. `add`s are found after the next `commit`."""

    def __init__(self, documents: Iterable[SearchDocument] = ()) -> None:
        """Build it from documents with distinct ids: about a second for 100,000."""
        self._index = tantivy.Index(SCHEMA)
        self._index.config_reader("manual")
        register(self._index)
        builder = self._index.writer(BUILD_BYTES, 1)
        for document in documents:
            builder.add_json(_indexed(document))
        builder.commit()
        builder.wait_merging_threads()
        self._writer = self._index.writer(UPDATE_BYTES, 1)
        self._refresh()

    def add(self, document: SearchDocument) -> None:
        """Put a document in the place of any earlier one of its event."""
        self._writer.delete_documents_by_term("event_id", document.event_id)
        self._writer.add_json(_indexed(document))

    def commit(self) -> None:
        """Make what was added findable: 2 to 5 ms, and about 10 more for each 1,000 documents."""
        self._writer.commit()
        self._refresh()

    def search(self, request: SearchRequest, after: Position | None) -> tuple[list[int], Position | None]:
        """One page of event ids that follow a position, and the position for the next page (None on the last)."""
        planned = plan(request)
        wanted = request.limit + 1  # one more tells whether there is a next page
        typed, forgiving = range(planned.typed), range(planned.typed, len(planned.tiers))
        if after is None:
            found = self._read(planned, typed, None, wanted) or self._read(planned, forgiving, None, wanted)
        else:
            numbers = typed if after.tier in typed else forgiving
            found = self._read(planned, range(after.tier, numbers.stop), after, wanted)
        page = found[: request.limit]
        return [position.event_id for position in page], page[-1] if len(found) == wanted else None

    def _read(self, planned: Plan, numbers: range, after: Position | None, wanted: int) -> list[Position]:
        """Up to `wanted` events of some tiers, in order, that follow a position in the first of them."""
        found: list[Position] = []
        for number in numbers:
            found += self._read_tier(planned, number, after, wanted - len(found))
            if len(found) == wanted:
                break
            after = None
        return found

    def _read_tier(self, planned: Plan, number: int, after: Position | None, wanted: int) -> list[Position]:
        """Up to `wanted` events of one tier by start and id, that follow a position.

        The index sorts by one column only. So the events of the instant at which the page begins, and of the one at
        which it ends, are asked for by themselves, by id.
        """
        first_ms, last_ms = planned.start_ms, planned.end_ms
        found: list[Position] = []
        if after is not None:
            first_ms = min(after.starts_ms + 1, INTEGER_MAX)
            found = self._top(planned, number, starts_at(after.starts_ms, after.event_id), "event_id", wanted)
            if len(found) == wanted:
                return found
        room = wanted - len(found)
        later = self._top(planned, number, starts_between(first_ms, last_ms), "starts_ms", room + 1)
        if len(later) > room:
            instant_ms = later[room - 1].starts_ms
            if later[room].starts_ms == instant_ms:
                later = [position for position in later if position.starts_ms < instant_ms]
                ties = starts_at(instant_ms, INTEGER_MIN)
                later += self._top(planned, number, ties, "event_id", room - len(later))
        return found + sorted(later)[:room]

    def _top(self, planned: Plan, number: int, within: list[Query], column: str, wanted: int) -> list[Position]:
        tier = planned.tiers[number]
        query = all_of([*within, *planned.filters, tier.query], tier.excluded)
        result = self._searcher.search(query, wanted, count=False, order_by_field=column, order=tantivy.Order.Asc)
        addresses = [address for _, address in result.hits]
        starts = cast("list[int]", self._searcher.fast_field_values("starts_ms", addresses))
        ids = cast("list[int]", self._searcher.fast_field_values("event_id", addresses))
        return [Position(number, starts_ms, event_id) for starts_ms, event_id in zip(starts, ids, strict=True)]

    def _refresh(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()


def _indexed(document: SearchDocument) -> str:
    name, city, category = fold(document.name), fold(document.city), fold(document.category)
    poster = f"{name} {fold(document.venue)} {city} {fold(document.country)} {category}"
    fields = {
        "event_id": document.event_id,
        "starts_ms": document.starts_ms,
        "name": name,
        "poster": poster,
        "text": f"{poster} {fold(document.description)}",
        "city": " ".join(city.split()),
        "category": " ".join(category.split()),
    }
    return msgspec.json.encode(fields).decode()
