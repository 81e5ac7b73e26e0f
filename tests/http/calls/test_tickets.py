"""Tickets over the API: looking at one, its picture, and letting people in once."""

import asyncio

import pytest

from onsale.engine.commands import CheckIn
from onsale.http.gateway import TicketCode
from onsale.tests.http.api_calls import Calls, as_call, token_of

HOUR_MS = 3_600_000


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def ticket(calls: Calls, quantity: int = 1) -> str:
    """The path of a paid booking's last ticket."""
    booking_id = await calls.paid(await calls.event(), quantity=quantity)
    return f"/tickets/CODE-1-{booking_id}-{quantity}"


async def test_a_ticket_lets_somebody_in_once(calls: Calls) -> None:
    path = await ticket(calls, 2)
    got = await calls("POST", f"{path}/check-in", {"place": "Gate 3"})
    assert (got.status, got.json()) == (
        200,
        {
            "eventId": 1,
            "bookingId": 1,
            "number": 2,
            "ticketType": "Standing",
            "userId": "ada",
            "checkedInAt": "2026-11-22T10:00:00.000Z",
            "place": "Gate 3",
            "seq": got.seq,
        },
    )
    calls.gateway.pass_time(60_000)
    for place in ("Gate 4", "Gate 3"):
        again = await calls("POST", f"{path}/check-in", {"place": place})
        assert (again.status, again.code) == (409, "already_redeemed")
        assert (again.json()["redeemedAt"], again.json()["place"]) == ("2026-11-22T10:00:00.000Z", "Gate 3")
        assert "Gate 3" in again.json()["detail"]
    assert (await calls("POST", "/tickets/CODE-1-1-1/check-in")).status == 200, "the other one of the two"


async def test_a_ticket_for_another_event_is_not_used_up(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await ticket(calls)
    assert await calls.event() == 2
    got = await calls("POST", f"{path}/check-in", {"eventId": 2})
    assert (got.status, got.code, got.json()["eventId"]) == (404, "no_such_ticket", 1)
    with monkeypatch.context() as patched:  # a code that does not say for which event it is
        patched.setattr(calls.gateway, "read_ticket", lambda code: TicketCode(0, 1, 1))
        assert (await calls("POST", f"{path}/check-in", {"eventId": 2})).code == "no_such_ticket"
        assert (await calls("GET", path)).json()["eventId"] == 1
    assert (await calls("POST", f"{path}/check-in", {"eventId": "1"})).status == 200


async def test_a_check_in_may_say_nothing(calls: Calls) -> None:
    path = await ticket(calls, 3)
    assert (await calls("POST", f"{path}/check-in")).json()["place"] == ""
    assert (await calls("POST", "/tickets/CODE-1-1-1/check-in", {})).status == 200
    assert (await calls("POST", "/tickets/CODE-1-1-2/check-in", {"place": None})).status == 200
    again = (await calls("POST", f"{path}/check-in")).json()
    assert (again["code"], again["place"]) == ("already_redeemed", "")


async def test_a_scanner_that_sends_twice_is_answered_the_same(calls: Calls) -> None:
    path = await ticket(calls)
    first = await calls("POST", f"{path}/check-in", {"place": "A"}, Idempotency_Key="scan-1")
    again = await calls("POST", f"{path}/check-in", {"place": "A"}, Idempotency_Key="scan-1")
    assert (first.status, again.body, again.headers["Idempotency-Replayed"]) == (200, first.body, "true")
    refused = await calls("POST", f"{path}/check-in", {"place": "A"}, Idempotency_Key="scan-2")
    calls.gateway.pass_time(1_000)
    replayed = await calls("POST", f"{path}/check-in", {"place": "A"}, Idempotency_Key="scan-2")
    assert (refused.status, replayed.body) == (409, refused.body)
    forged = await calls("POST", "/tickets/X/check-in", Idempotency_Key="scan-3")
    assert (forged.code, (await calls("POST", "/tickets/X/check-in", Idempotency_Key="scan-3")).body) == (
        "no_such_ticket",
        forged.body,
    )


async def test_who_checked_it_in_is_kept_where_that_is_known() -> None:
    calls = Calls(secured=True)
    path = await ticket(calls)
    token = token_of("organiser", "gate-crew")
    assert (await calls("POST", f"{path}/check-in", {"place": "A"}, token)).status == 200
    seen = (await calls("GET", path, token=token)).json()
    assert (seen["checkedInBy"], seen["place"]) == ("gate-crew", "A")
    opened = Calls()
    path = await ticket(opened)
    await opened("POST", f"{path}/check-in")
    assert (await opened("GET", path)).json()["checkedInBy"] is None
    assert [each.by for each in opened.gateway.commands if isinstance(each, CheckIn)] == [""]


async def test_a_ticket_is_shown(calls: Calls) -> None:
    path = await ticket(calls)
    got = await calls("GET", path)
    expected = {
        "admits": True,
        "eventId": 1,
        "eventName": "Jazz Night",
        "startsAt": "2026-12-24T19:00:00.000Z",
        "bookingId": 1,
        "bookingStatus": "confirmed",
        "number": 1,
        "ticketType": "Standing",
        "userId": "ada",
        "checkedInAt": None,
        "place": None,
        "checkedInBy": None,
    }
    assert (got.status, got.json(), got.headers["Cache-Control"]) == (200, expected, "private, no-store")
    await calls("POST", f"{path}/check-in", {"place": "A"})
    used = {"admits": False, "checkedInAt": "2026-11-22T10:00:00.000Z", "place": "A"}
    assert (await calls("GET", path)).json() == expected | used


async def test_a_refunded_ticket_admits_nobody_also_when_it_has_left_memory(calls: Calls) -> None:
    path = await ticket(calls)
    assert (await calls("POST", "/booking/1/refund")).status == 200
    got = await calls("POST", f"{path}/check-in")
    assert (got.status, got.code, got.json()["bookingStatus"]) == (409, "wrong_status", "refunded")
    calls.gateway.pass_time(2 * HOUR_MS)
    assert 1 not in calls.gateway.state.bookings.rows
    assert (await calls("POST", f"{path}/check-in")).code == "wrong_status"
    seen = await calls("GET", path)
    assert (seen.status, seen.json()["admits"], seen.json()["bookingStatus"]) == (200, False, "refunded")
    calls.gateway.is_busy = True
    assert (await calls("GET", path)).code == "overloaded"


async def test_a_cancelled_events_ticket_admits_nobody(calls: Calls) -> None:
    path = await ticket(calls)
    await calls("POST", "/events/1/cancel")
    assert (await calls("POST", f"{path}/check-in")).code == "event_cancelled"
    assert (await calls("GET", path)).json()["admits"] is False


@pytest.mark.parametrize(
    "code", ["CODE-2-1-1", "CODE-1-1-2", "CODE-1-9-1", "nonsense", "%00", "%E2%98%83", "x" * 3_000]
)
async def test_codes_of_no_ticket(calls: Calls, code: str) -> None:
    await ticket(calls)
    assert await calls.event() == 2
    for method, path in (("GET", f"/tickets/{code}"), ("POST", f"/tickets/{code}/check-in")):
        got = await calls(method, path)
        assert (got.status, got.code) == (404, "no_such_ticket")
    if "CODE" not in code:
        for form in ("svg", "png"):
            assert (await calls("GET", f"/tickets/{code}/qr.{form}")).code == "no_such_ticket"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"place": "x" * 101}, "invalid_field", "place"),
        ({"place": 3}, "invalid_field", "place"),
        ({"place": "a\nb"}, "invalid_field", "place"),
        ({"gate": "A"}, "unknown_field", "gate"),
        ({"eventId": 0}, "invalid_field", "eventId"),
        ({"eventId": str(2**63)}, "invalid_field", "eventId"),
        (b"[]", "invalid_json", None),
        (b"{", "invalid_json", None),
    ],
)
async def test_a_check_in_that_is_not_understood(calls: Calls, body: object, code: str, field: str | None) -> None:
    path = await ticket(calls)
    got = await calls("POST", f"{path}/check-in", body)
    assert (got.status, got.code, got.json().get("field")) == (400, code, field)
    assert (await calls("POST", f"{path}/check-in", {"place": "x" * 100})).status == 200


async def test_the_picture_is_for_whoever_has_the_code() -> None:
    calls = Calls(secured=True)
    path = await ticket(calls)
    for form, content_type in (("svg", "image/svg+xml"), ("png", "image/png")):
        got = await calls("GET", f"{path.lower()}/qr.{form}")
        assert (got.status, got.content_type) == (200, content_type)
        assert b"CODE-1-1-1" in got.body, "in capitals, which make the smallest picture"
        assert got.headers["Cache-Control"] == "private, max-age=3600"
        seen = await calls("GET", f"{path.lower()}/qr.{form}", If_None_Match=got.headers["ETag"])
        assert (seen.status, seen.body) == (304, b"")
    calls.gateway.is_busy = True
    assert (await calls("GET", f"{path}/qr.svg")).code == "overloaded"
    assert (await calls("GET", f"{path}/qr.gif")).code == "not_found"


async def test_the_public_key_is_everybodys() -> None:
    calls = Calls(secured=True)
    got = await calls("GET", "/tickets/key")
    assert (got.status, got.json()) == (200, {"algorithm": "Ed25519", "publicKey": "a-public-key"})
    assert got.headers["Cache-Control"].startswith("public")
    calls.gateway.ticket_public_key = ""
    assert (await calls("GET", "/tickets/key")).code == "overloaded"


async def test_nobody_is_let_in_before_it_is_durable(calls: Calls) -> None:
    path = await ticket(calls)
    calls.gateway.hold_back()
    waiting = asyncio.ensure_future(calls("POST", f"{path}/check-in"))
    looking = asyncio.ensure_future(calls("GET", path))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert not looking.done()
    calls.gateway.let_go()
    assert ((await waiting).status, (await looking).json()["admits"]) == (200, False)


async def test_another_method_is_none(calls: Calls) -> None:
    assert calls.hot(as_call("POST", "/tickets/CODE-1-1-1/check-in"), lambda answer: None) is False
    assert (await calls("DELETE", "/tickets/CODE-1-1-1")).code == "method_not_allowed"
    assert (await calls("POST", "/tickets/key")).code == "method_not_allowed"
