"""Rows of events that are kept: made anew when anything they show has changed, and never too many."""

from typing import Any

import pytest

from onsale.http.render.event_rows import FOREVER_MS, EventRows, span_of_status
from onsale.http.render.events import event_item
from onsale.http.render.replies import encode
from onsale.tests.http.api_calls import Calls

CHANGES: list[dict[str, Any]] = [
    {"name": "Other"}, {"startsAt": "2026-12-25T19:00:00Z"}, {"endsAt": "2026-12-25T22:00:00Z"}, {"venue": "Other"},
    {"city": "Other"}, {"country": "Other"}, {"category": "Other"},
    {"currency": "CHF", "ticketTypes": [{"id": 1, "price": "49.90"}]},
    {"onSaleAt": "2026-12-01T10:00:00Z"}, {"ticketTypes": [{"id": 1, "price": "1.00"}]},
    {"ticketTypes": [{"id": 1, "capacity": 7}]},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_every_change_is_seen(change: dict[str, Any]) -> None:
    calls, rows = Calls(), EventRows()
    event_id = await calls.event()
    sale, now_ms = calls.gateway.state.sales[event_id], calls.gateway.clock_ms
    before = rows.row(sale, now_ms)
    assert rows.row(sale, now_ms) is before
    got = await calls("PATCH", f"/events/{event_id}", change)
    assert got.status == 200, got.body
    after = rows.row(sale, now_ms)
    assert after.text == encode(event_item(sale, now_ms)) != before.text


async def test_few_are_kept() -> None:
    calls, rows = Calls(), EventRows(rows_max=2)
    sales = [calls.gateway.state.sales[await calls.event()] for _ in range(3)]
    made = [rows.row(sale, calls.gateway.clock_ms) for sale in sales]
    assert len(rows) == 2
    assert rows.row(sales[2], calls.gateway.clock_ms) is made[2]
    assert rows.row(sales[0], calls.gateway.clock_ms) is not made[0]


async def test_a_status_has_its_span() -> None:
    calls = Calls()
    event_id = await calls.event(onSaleAt="2026-11-23T10:00:00Z", startsAt="2026-11-24T10:00:00Z")
    sale = calls.gateway.state.sales[event_id]
    on_sale_ms, closes_ms = sale.event.on_sale_ms, sale.closes_ms
    assert on_sale_ms is not None
    assert span_of_status(sale, on_sale_ms - 1) == (-FOREVER_MS, on_sale_ms)
    assert span_of_status(sale, on_sale_ms) == (on_sale_ms, closes_ms)
    assert span_of_status(sale, closes_ms) == (closes_ms, FOREVER_MS)
