"""What a search of events asks and answers, so that the HTTP API and the index agree without knowing each other.

Owns the two shapes. It promises nothing of how they are matched or kept: that is `replicas/search/index.py`.
"""

import msgspec


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, in which order. Every part that is given must match; an empty or None part does not filter.

    `search`: words and word beginnings over name, venue, city, country, category and description; best match first.
    `name`: the same over the name only. With neither, the order is by start, soonest first.
    `start_ms`, `end_ms`: bounds of the event's start, both inclusive, in milliseconds since the epoch.
    `city`, `category`: the whole value, without regard to case and accents.
    `limit`: events wanted, 1 to 100. `cursor`: `Hits.next_cursor` of the page before, for the same request.
    """

    search: str = ""
    name: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    city: str = ""
    category: str = ""
    limit: int = 20
    cursor: str = ""


class Hits(msgspec.Struct, frozen=True):
    """One page of events: their ids in order, the cursor of the next page (None on the last).

    `seq` is the position in the journal that the page reflects.
    """

    event_ids: list[int]
    next_cursor: str | None
    seq: int
