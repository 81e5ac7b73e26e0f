"""Who may call what, over every call there is."""

import itertools
from typing import Any

import pytest

from onsale.engine.commands import RaiseConcern, SaveTicketKey
from onsale.engine.status import BOOKING_NAMES
from onsale.http.routes import ROUTES
from onsale.tests.http.api_calls import EVENT, OPERATOR, SEAT_MAP, Calls, token_of

ADA, BOB = token_of("user", "ada"), token_of("user", "bob")
SERVICE, ORGANISER = token_of("service", "shop"), token_of("organiser", "org")
TOKENS = {"anonymous": None, "ada": ADA, "bob": BOB, "service": SERVICE, "organiser": ORGANISER, "operator": OPERATOR}
EVERYONE = set(TOKENS)
ADAS = {"ada", "service", "operator"}
ORGANISERS = {"organiser", "operator"}

PUBLIC = [
    ("GET", "/events"), ("GET", "/events/1"), ("GET", "/events/1/availability"), ("GET", "/healthz"),
    ("GET", "/readyz"), ("GET", "/primary"), ("GET", "/replica"), ("GET", "/cluster"), ("GET", "/metrics"),
    ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/errors"), ("GET", "/tickets/key"), ("GET", "/challenge"),
    ("GET", "/tickets/CODE-1-2-1/qr.svg"), ("GET", "/tickets/CODE-1-2-1/qr.png"), ("GET", "/events/2/seats"),
]  # fmt: skip
PAYMENT = {"userId": "ada", "eventId": 1, "amount": "49.90", "bookingId": 1}

# Booking 1 is ada's hold, booking 2 her paid one.
RULES: list[tuple[str, str, Any, set[str]]] = [
    *((method, path, None, EVERYONE) for method, path in PUBLIC),
    ("POST", "/events", EVENT, ORGANISERS),
    ("PATCH", "/events/1", {"city": "Rome"}, ORGANISERS),
    ("POST", "/events/1/cancel", {}, ORGANISERS),
    ("GET", "/events/1/progress", None, ORGANISERS),
    ("GET", "/tickets/CODE-1-2-1", None, ORGANISERS),
    ("POST", "/tickets/CODE-1-2-1/check-in", {}, ORGANISERS),
    ("POST", "/booking", {"userId": "ada", "eventId": 1}, ADAS),
    ("GET", "/booking/1", None, ADAS),
    ("DELETE", "/booking/1", None, ADAS),
    ("POST", "/booking/2/refund", {}, ADAS | {"organiser"}),
    ("POST", "/pay", PAYMENT, ADAS),
    ("GET", "/users/ada", None, ADAS),
    ("PUT", "/users/ada", {}, ADAS),
    ("GET", "/users/ada/bookings", None, ADAS),
    ("GET", "/users/ada/notifications", None, ADAS),
    ("GET", "/events/1/fairness", None, {"operator"}),
    ("GET", "/booking/1/story", None, {"operator"}),
    ("GET", "/journal/1/story", None, {"operator"}),
    ("GET", "/journal", None, {"operator"}),
    ("GET", "/outbox", None, {"operator"}),
    ("POST", "/outbox/retry", {"all": True}, {"operator"}),
    ("POST", "/outbox/concerns/close", {"id": "dispute:dp_1"}, {"operator"}),
    ("POST", "/reconcile", None, {"operator"}),
    ("POST", "/cluster/failover", {}, {"operator"}),
    ("POST", "/cluster/switchover", {}, {"operator"}),
    ("POST", "/cluster/sync-standbys", {"syncStandbys": 1}, {"operator"}),
    ("POST", "/cluster/pause", None, {"operator"}),
    ("POST", "/cluster/resume", None, {"operator"}),
    ("DELETE", "/cluster/members/two", None, {"operator"}),
]


async def prepared() -> Calls:
    calls = Calls(secured=True)
    event_id = await calls.event()
    assert await calls.held(event_id) == 1
    assert await calls.paid(event_id) == 2
    assert await calls.event(seatMap=SEAT_MAP) == 2
    await calls("PUT", "/users/ada", {}, OPERATOR)
    calls.gateway.decide(SaveTicketKey(b"k" * 32))
    calls.gateway.decide(RaiseConcern("dispute", "dp_1", "Somebody says that it was not them."))
    return calls


def test_every_call_has_its_rule() -> None:
    covered = {(method, path.replace("/ada", "/{userId}").replace("/two", "/{name}")) for method, path, _, _ in RULES}
    covered.add(("POST", "/webhooks/stripe"))  # its signature is its proof: test_webhooks.py
    covered.update((method, path) for method, path, _ in ROUTES if "/queue" in path)  # calls/test_queue.py
    receipts = {"/booking/{bookingId}/receipt", "/journal/head", "/receipt_check.py"}  # calls/test_receipts.py
    covered.update(("GET", path) for path in receipts)
    for method, path, _ in ROUTES:
        if (method, path) in covered:
            continue
        shown = path.replace("{eventId}", "1").replace("{seq}", "1")
        shown = shown.replace("/1/seats", "/2/seats")
        shown = shown.replace("{code}", "CODE-1-2-1")
        shown = shown.replace("{bookingId}", "2" if path.endswith("refund") else "1")
        assert (method, shown) in covered, f"{method} {path} has no rule here"


@pytest.mark.parametrize(("method", "path", "body", "allowed"), RULES, ids=[f"{rule[0]} {rule[1]}" for rule in RULES])
async def test_a_call_is_for_some_and_refused_to_others(method: str, path: str, body: Any, allowed: set[str]) -> None:
    for who, token in TOKENS.items():
        calls = await prepared()
        before = calls.gateway.state.seq
        got = await calls(method, path, body, token)
        if who in allowed:
            assert got.status in (200, 201), (who, got.body)
            continue
        expected = (401, "unauthenticated") if who == "anonymous" else (403, "forbidden")
        assert (got.status, got.code) == expected, who
        assert calls.gateway.state.seq == before, "nothing was done"
        if got.status == 401:
            assert got.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "nonsense", ADA[:-4] + "AAAA", "a.b.c", "x" * 9000])
async def test_a_forged_token_is_refused(token: str) -> None:
    calls = await prepared()
    for method, path, body, allowed in RULES:
        if allowed == EVERYONE:
            continue
        got = await calls(method, path, body, token)
        assert (got.status, got.code) == (401, "unauthenticated"), (method, path)
    for got in (
        calls.at_once("POST", "/booking", {"userId": "ada", "eventId": 1}, token),
        calls.at_once("POST", "/pay", PAYMENT, token),
    ):
        assert (got.status, got.code) == (401, "unauthenticated")


async def test_the_hot_path_keeps_the_same_rules() -> None:
    for who, token in TOKENS.items():
        calls = await prepared()
        booking = calls.at_once("POST", "/booking", {"userId": "ada", "eventId": 1}, token)
        payment = calls.at_once("POST", "/pay", PAYMENT, token)
        allowed = who in ADAS
        refused = 401 if who == "anonymous" else 403
        assert (booking.status, payment.status) == ((201, 200) if allowed else (refused, refused)), who
        assert calls.at_once("GET", "/events/1/availability", None, token).status == 200


async def test_who_is_asked_before_what() -> None:
    calls = await prepared()
    for method, path, _, allowed in RULES:
        if allowed != EVERYONE:
            got = await calls(method, path.replace("1", "x").replace("2", "x"), b"not json", Idempotency_Key="")
            assert got.status == 401, (method, path)
    assert (await calls("POST", "/events", b"not json", ADA)).status == 403
    assert (await calls("POST", "/booking", b"not json", ADA)).code == "invalid_json"


async def test_somebody_elses_booking_is_refused_in_every_status() -> None:
    calls = await prepared()
    booking = calls.gateway.state.bookings.rows[1]
    for status, method in itertools.product(BOOKING_NAMES, ("GET", "DELETE")):
        booking.status = status
        got = await calls(method, "/booking/1", None, BOB)
        assert (got.status, got.code) == (403, "forbidden")


async def test_an_organiser_called_like_a_user_is_not_that_user() -> None:
    calls = await prepared()
    got = await calls("DELETE", "/booking/1", None, token_of("organiser", "ada"))
    assert (got.status, got.code) == (403, "forbidden")


async def test_bookings_that_left_memory_are_still_their_owners() -> None:
    calls = await prepared()
    calls.gateway.pass_time(300_000)
    calls.gateway.pass_time(3_600_000)
    assert 1 not in calls.gateway.state.bookings.rows
    for method in ("GET", "DELETE"):
        assert (await calls(method, "/booking/1", None, BOB)).code == "forbidden"
    assert (await calls("GET", "/booking/1", None, ADA)).status == 200
    assert (await calls("DELETE", "/booking/1", None, ADA)).code == "wrong_status"
    stolen = {"userId": "bob", "eventId": 1, "amount": "49.90", "bookingId": 1}
    assert (await calls("POST", "/pay", stolen, BOB)).code == "forbidden"
