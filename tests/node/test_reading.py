"""Where the figures of a scrape come from: a node without a copy, the engine's state, and a real node."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from onsale.engine.state import State
from onsale.http.metrics import Metrics
from onsale.node import reading as module
from onsale.node.reading import busiest, reading
from onsale.node.waiting_gateway import WaitingGateway
from onsale.tests.http.api_calls import Calls

sys.path.append(str(Path(__file__).parents[1] / "processes"))
from nodes import Client, Node


def waiting_gateway() -> WaitingGateway:
    return WaitingGateway(
        name="r", role="replica", http_address=lambda: "", primary_address=lambda: "", doing=lambda: "fetches",
        forwarder=SimpleNamespace(), hold_ms=1_000, payment_provider="test",
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_node_without_a_copy_says_that_it_has_none() -> None:
    found = reading(waiting_gateway(), None)
    assert (found.role, found.epoch, found.seq, found.takes_writes) == ("replica", 0, 0, False)
    assert found.lag_ms > 3_600_000, "whoever looks for lag must see it"
    assert (found.disk_free_bytes, found.etcd_reachable, found.lease_valid_seconds) == (None, None, None)
    assert b"onsale_lag_seconds" in b"".join(Metrics(lambda: found).render())


# --- the events that are shown


async def test_the_events_with_most_bookings_lately_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_SHOWN_MAX", 2)
    monkeypatch.setattr(module, "BOOKINGS_LOOKED_AT", 6)
    calls = Calls()
    ids = [await calls.event() for _ in range(4)]
    for number in range(10):  # long ago
        await calls.held(ids[3], f"old-{number}")
    for event_id, count in ((ids[0], 1), (ids[1], 3), (ids[2], 2)):
        for number in range(count):
            await calls.held(event_id, f"u-{number}")
    assert [(stock.event, stock.held) for stock in busiest(calls.gateway.state)] == [(str(ids[1]), 3), (str(ids[2]), 2)]


async def test_stock_adds_up_over_ticket_types() -> None:
    calls = Calls()
    types = [{"name": name, "price": "1.00", "capacity": capacity} for name, capacity in (("A", 3), ("B", 2))]
    event_id = await calls.event(ticketTypes=types)
    for user, name, quantity in (("ann", "A", 2), ("bob", "B", 1)):
        await calls.held(event_id, user, ticketType=name, quantity=quantity)
    await calls.paid(event_id, "cem", ticketType="B")
    assert (await calls("POST", "/booking", {"userId": "dan", "eventId": event_id, "ticketType": "B"})).status == 202
    (stock,) = busiest(calls.gateway.state)
    assert (stock.available, stock.held, stock.sold, stock.waiting) == (1, 3, 1, 1)


def test_nothing_is_shown_where_nothing_was_booked() -> None:
    assert busiest(State()) == []


# --- a real node

Shown = dict[tuple[str, ...], float]


@pytest_asyncio.fixture
async def shown(tmp_path: Path) -> Shown:
    """/metrics of a node with two tickets: one is sold, one held, and somebody waits."""
    with Node(tmp_path / "data") as node:
        async with Client(node.url) as client:
            types = [{"name": "Standing", "price": "0", "capacity": 2}]
            event = await client.create_event(ticketTypes=types)
            for user in ("ann", "bob", "cem"):
                body: dict[str, Any] = {"userId": user, "eventId": event["id"]}
                assert (await client.call("POST", "/booking", body))[0] in (201, 202)
                if user == "ann":
                    assert (await client.call("POST", "/pay", body | {"amount": "0.00"}))[0] == 200
            async with client._session.get(f"{node.url}/metrics") as answer:
                families = list(text_string_to_metric_families(await answer.text()))
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


async def test_a_real_node_says_how_things_are(shown: Shown) -> None:
    single = {
        "epoch": 1, "takes_writes": 1, "held": 1, "waiting": 1, "events": 1, "lag_seconds": 0, "replies_waiting": 0,
        "unsafe_seconds": 0, "sync_standbys": 0, "streams": 0, "takeover_paused": 0, "connections": 1,
    }  # fmt: skip
    assert {name: shown[(f"onsale_{name}",)] for name in single} == single
    assert [shown[("onsale_role", role)] for role in ("primary", "standby", "replica")] == [1, 0, 0]
    assert shown[("onsale_seq",)] >= shown[("onsale_durable_seq",)] > 3
    assert [shown[("onsale_bookings", status)] for status in ("held", "waiting", "confirmed")] == [1, 1, 1]
    assert [shown[("onsale_event_tickets", "1", state)] for state in ("available", "held", "sold")] == [0, 1, 1]
    assert shown[("onsale_event_waiting", "1")] == 1
    assert 0 < shown[("onsale_disk_free_bytes",)] <= shown[("onsale_disk_size_bytes",)]
    assert not [name for name, *_ in shown if name.startswith(("onsale_lease", "onsale_etcd"))], "there is no etcd"


async def test_each_step_of_a_write_is_timed(shown: Shown) -> None:
    for step in ("commit", "sync"):
        assert shown[(f"onsale_{step}_seconds_count",)] >= 4
        assert 0 < shown[(f"onsale_{step}_seconds_sum",)] < 5
    assert shown[("onsale_sync_seconds_sum",)] <= shown[("onsale_commit_seconds_sum",)] * 1.5
    assert shown[("onsale_batch_facts_sum",)] >= shown[("onsale_batch_facts_count",)] >= 4
    assert shown[("onsale_journal_bytes_total",)] > 100
    assert shown[("onsale_http_request_seconds_count", "/booking")] == 3
    assert shown[("onsale_commands_total", "book", "waiting")] == 1
    assert ("onsale_loop_delay_seconds_count",) in shown
