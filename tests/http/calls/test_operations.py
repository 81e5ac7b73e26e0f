"""Health, the journal and the API's own description."""

import asyncio
import re

import pytest

from onsale.http.calls.operations import METRICS_BYTES_PER_TURN
from onsale.tests.http.api_calls import Calls


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_a_primary_in_service(calls: Calls) -> None:
    await calls.event()
    for path in ("/healthz", "/readyz", "/primary", "/replica", "/replica?max_lag=0"):
        got = await calls("GET", path)
        assert (got.status, got.json()["role"], got.json()["seq"]) == (200, "primary", 1), path
        assert (got.seq, got.headers["Cache-Control"]) == (1, "private, no-store")


async def test_a_node_that_is_not_ready_is_alive(calls: Calls) -> None:
    calls.gateway.ready = False
    assert (await calls("GET", "/healthz")).status == 200
    for path, code in (("/readyz", "overloaded"), ("/primary", "no_primary"), ("/replica", "replica_behind")):
        got = await calls("GET", path)
        assert (got.status, got.code, got.headers["Retry-After"]) == (503, code, "1"), path


async def test_a_standby_is_no_primary(calls: Calls) -> None:
    calls.gateway.role, calls.gateway.leads = "standby", False
    calls.gateway.lag_ms = 1500
    got = await calls("GET", "/primary")
    assert (got.status, got.code) == (503, "no_primary")
    assert "primaryAddress" not in got.json()
    calls.gateway.primary_address = "http://10.0.0.1:8080"
    assert (await calls("GET", "/primary")).json()["primaryAddress"] == "http://10.0.0.1:8080"
    assert (await calls("GET", "/readyz")).json()["role"] == "standby"
    for path in ("/replica", "/replica?max_lag=2", "/replica?max_lag=1.5"):
        got = await calls("GET", path)
        assert (got.status, got.json()["lagMs"]) == (200, 1500), path
    got = await calls("GET", "/replica?max_lag=1.4")
    assert (got.status, got.code, got.json()["lagMs"]) == (503, "replica_behind", 1500)
    assert (await calls("GET", "/replica?max_lag=x")).json()["field"] == "max_lag"


async def test_a_primary_that_hands_over_is_none_for_the_moment(calls: Calls) -> None:
    calls.gateway.leads = False
    assert (await calls("GET", "/primary")).code == "no_primary"
    assert (await calls("GET", "/readyz")).status == 200


async def test_the_journal_is_read_in_order_and_resumed(calls: Calls) -> None:
    for _ in range(5):
        await calls.event()
    seen, target, pages = [], "/journal?limit=2", 0
    while target:
        got = await calls("GET", target)
        seen += [each["seq"] for each in got.json()]
        link = got.headers.get("Link", "<>")
        target, pages = link[1 : link.index(">")], pages + 1
    assert (seen, pages) == ([1, 2, 3, 4, 5], 3)
    assert [each["seq"] for each in (await calls("GET", "/journal?after_seq=3")).json()] == [4, 5]
    assert (await calls("GET", "/journal?after_seq=5")).json() == []
    assert (await calls("GET", "/journal?after_seq=9223372036854775807")).json() == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("after_seq=-1", "after_seq"), ("after_seq=x", "after_seq"), ("after_seq=9223372036854775808", "after_seq"),
     ("limit=101", "limit"), ("afterSeq=1", "afterSeq")],
)  # fmt: skip
async def test_the_journal_refuses_by_parameter(calls: Calls, query: str, field: str) -> None:
    got = await calls("GET", f"/journal?{query}")
    assert (got.status, got.json()["field"]) == (400, field)


async def test_a_journal_whose_beginning_is_gone(calls: Calls) -> None:
    for _ in range(5):
        await calls.event()
    calls.gateway.first_seq = 4
    got = await calls("GET", "/journal")
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "after_seq")
    assert "begins with 4" in got.json()["detail"]
    assert [each["seq"] for each in (await calls("GET", "/journal?after_seq=3")).json()] == [4, 5]


async def test_metrics_of_some_names_alone(calls: Calls) -> None:
    await calls.held(await calls.event())
    got = await calls("GET", "/metrics?names=onsale_held,onsale_commands,onsale_no_such")
    assert got.status == 200
    assert set(re.findall(r"^# TYPE (\S+)", got.body.decode(), re.MULTILINE)) == {
        "onsale_held",
        "onsale_commands_total",
    }
    assert (await calls("GET", "/metrics?name=onsale_held")).code == "unknown_field"


async def test_metrics_count_what_was_answered(calls: Calls) -> None:
    event_id = await calls.event()
    await calls("GET", f"/events/{event_id}")
    await calls("GET", f"/events/{event_id + 1}")
    await calls("BREW", "/events")
    await calls("GET", "/nowhere")
    calls.at_once("GET", f"/events/{event_id}/availability")
    calls.at_once("POST", "/booking", {"userId": "ada", "eventId": event_id})
    got = await calls("GET", "/metrics")
    assert got.content_type.startswith("text/plain; version=0.0.4")
    for line in (
        'onsale_http_requests_total{method="POST",route="/events",status="201"} 1.0',
        'onsale_http_requests_total{method="GET",route="/events/{eventId}",status="200"} 1.0',
        'onsale_http_requests_total{method="GET",route="/events/{eventId}",status="404"} 1.0',
        'onsale_http_requests_total{method="other",route="/events",status="405"} 1.0',
        'onsale_http_requests_total{method="GET",route="other",status="404"} 1.0',
        'onsale_http_requests_total{method="GET",route="/events/{eventId}/availability",status="200"} 1.0',
        'onsale_http_requests_total{method="POST",route="/booking",status="201"} 1.0',
    ):
        assert line in got.body.decode().splitlines()


async def test_the_api_describes_itself(calls: Calls) -> None:
    got = await calls("GET", "/openapi.json")
    assert (got.content_type, got.json()["openapi"]) == ("application/json", "3.1.0")


async def test_others_have_their_turn_while_metrics_are_written(calls: Calls) -> None:
    for number in range(50):
        calls.metrics.route("GET", f"/{number}")(200, 0.001)
    scrape, turns = asyncio.ensure_future(calls("GET", "/metrics")), 0
    while not scrape.done():
        turns += 1
        await asyncio.sleep(0)
    body = scrape.result().body
    assert body.count(b"onsale_http_request_seconds_count{") >= 50
    assert turns > len(body) / METRICS_BYTES_PER_TURN / 2
