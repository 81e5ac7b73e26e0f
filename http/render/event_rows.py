"""Events in a list, as bytes that are kept for as long as they say what is so.

Owns `EventRows`, which gives the row of an event, and the rule of when a row that was made before still holds: every
field it shows is compared, so it cannot miss a change, whoever made it. A page of twenty rows is then a join of bytes.
"""

from typing import Final

import msgspec

from ...engine.sale import Sale
from .events import event_item

ROWS_MAX: Final = 16_384  # of about half a kilobyte each
FOREVER_MS: Final = 2**63 - 1

_encode = msgspec.json.Encoder().encode


class _Shown(msgspec.Struct, gc=False, frozen=True):
    """All that `event_item` looks at, but for the time."""

    name: str
    starts_ms: int
    ends_ms: int | None
    venue: str
    city: str
    country: str
    category: str
    currency: str
    on_sale_ms: int | None
    cancelled: bool
    closed: bool
    available: int
    price_minor: int


class Row(msgspec.Struct, gc=False):
    """One event, encoded. It holds from `from_ms` until before `until_ms`, unless what it shows changes.

    There are many, and they are no business of the garbage collector's, whose rounds hold the loop.
    """

    event_id: int
    shown: _Shown
    text: bytes
    from_ms: int
    until_ms: int


class EventRows:
    """The rows made last, by event."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows: dict[int, Row] = {}
        self._rows_max = rows_max

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, sale: Sale, now_ms: int) -> Row:
        event = sale.event
        available, price_minor = 0, FOREVER_MS
        for each in sale.types.values():
            available += each.capacity - each.held - each.sold
            price_minor = min(price_minor, each.price_minor)
        shown = _Shown(
            event.name, event.starts_ms, event.ends_ms, event.venue, event.city, event.country, event.category,
            event.currency, event.on_sale_ms, event.cancelled, event.closed, available, price_minor,
        )  # fmt: skip
        row = self._rows.get(event.id)
        if row is None or row.shown != shown or not row.from_ms <= now_ms < row.until_ms:
            row = self._keep(Row(event.id, shown, _encode(event_item(sale, now_ms)), *span_of_status(sale, now_ms)))
        return row

    def _keep(self, row: Row) -> Row:
        rows = self._rows
        rows.pop(row.event_id, None)
        if len(rows) >= self._rows_max:
            del rows[next(iter(rows))]
        rows[row.event_id] = row
        return row


def span_of_status(sale: Sale, now_ms: int) -> tuple[int, int]:
    """From when until before when time alone leaves an event's status as it is now."""
    from_ms, until_ms = -FOREVER_MS, FOREVER_MS
    for moment_ms in (sale.closes_ms, sale.event.on_sale_ms):
        if moment_ms is None:
            continue
        if moment_ms <= now_ms:
            from_ms = max(from_ms, moment_ms)
        else:
            until_ms = min(until_ms, moment_ms)
    return from_ms, until_ms
