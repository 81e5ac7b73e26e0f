"""Paths and methods; and that no input makes the API fail."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onsale.engine.commands import SaveTicketKey
from onsale.http.routes import ROUTES
from onsale.tests.http.api_calls import SEAT_MAP, Calls, as_call

ALLOWED = {
    "/events": "GET, HEAD, OPTIONS, POST",
    "/events/1": "GET, HEAD, OPTIONS, PATCH",
    "/events/1/cancel": "OPTIONS, POST",
    "/events/1/seats": "GET, HEAD, OPTIONS",
    "/booking": "OPTIONS, POST",
    "/booking/1": "DELETE, GET, HEAD, OPTIONS",
    "/pay": "OPTIONS, POST",
    "/users/ada": "GET, HEAD, OPTIONS, PUT",
    "/healthz": "GET, HEAD, OPTIONS",
}
NOWHERE = [
    "", "//", "/events/", "/events//availability", "/booking/", "/Events", "/events/1/seat", "/users/",
    "/users//bookings", "/users/a/b/c", "/%00", "/events%2F1", "/.%2Fevents", "/events/1/availability/", "*", "/docs/x",
    "/" + "a/" * 500, "/favicon.ico", "/events;x=1", "/\u2028",
]  # fmt: skip


@pytest.fixture
def calls() -> Calls:
    made = Calls()
    made.gateway.decide(SaveTicketKey(b"k" * 32))
    return made


@pytest.mark.parametrize("path", NOWHERE)
async def test_a_path_that_leads_nowhere(calls: Calls, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS", "BREW"):
        got = await calls(method, path, {})
        assert (got.status, got.code) == (404, "not_found")


@pytest.mark.parametrize("path", ALLOWED)
async def test_a_method_that_a_path_does_not_take(calls: Calls, path: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - set(ALLOWED[path].split(", ")):
        got = await calls(method, path, {})
        assert (got.status, got.code, got.headers["Allow"]) == (405, "method_not_allowed", ALLOWED[path]), method
    got = await calls("OPTIONS", path)
    assert (got.status, got.body, got.headers["Allow"]) == (204, b"", ALLOWED[path])


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES if route.method == "GET"}))
async def test_head_is_get_without_the_body(calls: Calls, path: str) -> None:
    await calls.held(await calls.event(seatMap=SEAT_MAP))
    await calls("PUT", "/users/ada", {})
    path = path.replace("{eventId}", "1").replace("{bookingId}", "1").replace("{userId}", "ada")
    path = path.replace("{code}", "CODE-1-1-1").replace("{seq}", "1")
    if "/queue" in path:
        await calls("PATCH", "/events/1", {"waitingRoom": {"admitPerMinute": 60}})
        joined = await calls("POST", "/events/1/queue", {"userId": "ada"})
        path = path.replace("{token}", joined.json()["token"])
    get, head = await calls("GET", path), await calls("HEAD", path)
    assert (head.status, get.status) == (200, 200)
    if path not in ("/metrics", "/challenge"):  # each time another
        assert {**head.headers} == {**get.headers}
    assert head.body, "whoever writes it to the socket leaves it out, and needs its length"


async def test_a_node_without_a_state_answers_for_itself_alone(calls: Calls) -> None:
    await calls.event()
    calls.gateway.ready = False
    for method, path, code in (("GET", "/events", "replica_behind"), ("POST", "/events", "no_primary")):
        got = await calls(method, path, {})
        assert (got.status, got.code, got.headers["Retry-After"]) == (503, code, "1")
    assert calls.hot(as_call("GET", "/events/1/availability"), lambda answer: None) is False
    for path in ("/healthz", "/cluster", "/metrics", "/docs"):
        assert (await calls("GET", path)).status == 200
    assert (await calls("POST", "/cluster/failover")).status == 200


async def test_a_read_that_cannot_be_waited_for_is_not_shown(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    await calls.event()
    monkeypatch.setattr(calls.gateway, "when_durable", lambda done: done(None))
    for got in (await calls("GET", "/events/1"), calls.at_once("GET", "/events/1/availability")):
        assert (got.status, got.code) == (503, "not_durable")


async def test_an_exception_is_answered_and_logged(calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError("an accident")

    calls.api.openapi = fail  # type: ignore[assignment]
    got = await calls("GET", "/openapi.json")
    assert (got.status, got.code) == (500, "internal")
    assert "accident" not in got.body.decode()
    assert "an accident" in caplog.text


IDS = st.sampled_from(
    ["1", "2", "0", "-1", "ada", "%00", "%ff", "9" * 19, "9" * 400, "1%2F2", "\udcff", "x" * 200, "CODE-1-1-1"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(2**63), 2**63, 2**64])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["ada", "1", "49.90", "2026-12-24T19:00:00Z", "Standing", "\0", "x" * 10_000, "strict", "EUR"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "price", "x"]), inner),
    max_leaves=5,
)
FIELDS = [
    "userId", "eventId", "ticketType", "quantity", "seats", "waitlist",
    "queueToken", "challenge", "amount", "bookingId", "paymentMethod", "name",
    "email", "webhookUrl", "startsAt", "endsAt", "venue", "currency",
    "onSaleAt", "maxPerUser", "ticketTypes", "waitingRoom", "surprise", "seatMap", "accessible",
    "place", "refundIds", "deliveryIds", "all", "id", "since",
]  # fmt: skip
BODIES = st.binary(max_size=40) | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5).map(
    lambda fields: json.dumps(fields).encode()
)
PARAMETERS = st.sampled_from(
    ["search", "name", "start_date", "end_date", "city", "limit", "cursor", "after_seq", "max_lag", "surprise", "%ff"]
)
QUERIES = st.lists(
    st.tuples(PARAMETERS, st.sampled_from(["", "1", "100", "%", "%00", "%ff", "2026-11-22", "a+b", "\udcff", "=&"])),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
HEADERS = st.dictionaries(
    st.sampled_from(["Idempotency_Key", "Onsale_Min_Seq", "If_None_Match", "Authorization", "Content_Type"]),
    st.sampled_from(["", "x", "0", "Bearer x", "\udcff", "text/html", "9" * 300, '"', "ü"]),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    ids=IDS,
    query=QUERIES,
    body=BODIES,
    headers=HEADERS,
    method=st.none() | st.just("PUT"),
)
async def test_nothing_sent_is_our_fault(
    route: Any, ids: str, query: str, body: bytes, headers: dict[str, str], method: str | None
) -> None:
    calls = Calls()
    calls.gateway.decide(SaveTicketKey(b"k" * 32))
    await calls.held(await calls.event(seatMap=SEAT_MAP))
    path = re.sub(r"\{\w+\}", lambda _: ids, route.path)
    got = await calls(method or route.method, f"{path}?{query}", body, **headers)
    assert got.status < 500
    if got.status >= 400:
        assert got.code
    for name, value in got.headers.items():
        assert "\n" not in name + value
        assert (name + value).isprintable()
