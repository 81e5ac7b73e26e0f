"""Bookings over the API: holding, waiting, looking, giving up, and every way to be refused."""

from typing import Any

import pytest

from onsale.engine.limits import ENDED_KEPT_MS
from onsale.engine.status import BOOKING_NAMES
from onsale.tests.http.api_calls import Calls, Got

HOLD_MS = 300_000


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def small(calls: Calls, capacity: int = 2, **changes: Any) -> int:
    return await calls.event(ticketTypes=[{"name": "Standing", "price": "49.90", "capacity": capacity}], **changes)


async def pay(calls: Calls, event_id: int, user_id: str = "ada", **fields: Any) -> Got:
    return await calls("POST", "/pay", {"userId": user_id, "eventId": event_id, "amount": "49.90"} | fields)


@pytest.mark.parametrize("hot", [True, False])
async def test_a_hold_is_answered_in_full(calls: Calls, hot: bool) -> None:
    event_id = await small(calls)
    body = {"userId": "ada", "eventId": str(event_id), "ticketType": "Standing", "quantity": 2}
    got = calls.at_once("POST", "/booking", body) if hot else await calls("POST", "/booking", body)
    assert got.status == 201
    assert got.headers["Location"] == "/booking/1"
    assert got.headers["Cache-Control"] == "private, no-store"
    assert got.content_type == "application/json"
    assert got.json() == {
        "bookingId": 1,
        "status": "held",
        "userId": "ada",
        "eventId": event_id,
        "ticketType": "Standing",
        "quantity": 2,
        "seats": [],
        "amount": "99.80",
        "currency": "EUR",
        "expiresAt": "2026-11-22T10:05:00.000Z",
        "expiresInSeconds": 300,
        "seq": 2,
    }
    assert got.seq == 2


@pytest.mark.parametrize("hot", [True, False])
async def test_a_place_in_line_is_answered_in_full(calls: Calls, hot: bool) -> None:
    event_id = await small(calls)
    await calls.held(event_id, "bob", quantity=2)
    body = {"userId": "ada", "eventId": event_id}
    got = calls.at_once("POST", "/booking", body) if hot else await calls("POST", "/booking", body)
    assert got.status == 202
    assert got.headers["Location"] == "/booking/2"
    assert got.json() == {
        "bookingId": 2,
        "status": "waiting",
        "position": 1,
        "userId": "ada",
        "eventId": event_id,
        "ticketType": "Standing",
        "quantity": 1,
        "seats": [],
        "amount": "49.90",
        "currency": "EUR",
        "seq": 3,
    }


@pytest.mark.parametrize("ticket_type", [None, 1, "1", "Standing"])
async def test_a_ticket_type_is_an_id_or_a_name(calls: Calls, ticket_type: int | str | None) -> None:
    event_id = await small(calls)
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": event_id, "ticketType": ticket_type})
    assert (got.status, got.json()["ticketType"]) == (201, "Standing")


@pytest.mark.parametrize(
    ("fields", "status", "code", "extra"),
    [
        ({"eventId": 99}, 404, "no_such_event", {}),
        ({"ticketType": "Box"}, 400, "invalid_field", {"field": "ticketType"}),
        ({"ticketType": 99}, 400, "invalid_field", {"field": "ticketType"}),
        ({"ticketType": 10**30}, 400, "invalid_field", {"field": "ticketType"}),
        ({"quantity": 11}, 422, "limit_per_user", {"available": 10}),
        ({"quantity": 3, "waitlist": False}, 409, "sold_out", {"available": 2, "waiting": 0}),
        ({"quantity": 3}, 409, "sold_out", {"available": 2, "waiting": 0}),
        ({"seats": ["A/1/1"]}, 422, "invalid_seats", {"field": "seats", "seats": ["A/1/1"]}),
        ({"quantity": 0}, 400, "invalid_field", {"field": "quantity"}),
        ({"quantity": -1}, 400, "invalid_field", {"field": "quantity"}),
        ({"price": "1"}, 400, "unknown_field", {"field": "price"}),
    ],
)
async def test_bookings_are_refused(
    calls: Calls, fields: dict[str, Any], status: int, code: str, extra: dict[str, Any]
) -> None:
    event_id = await small(calls)
    body = {"userId": "ada", "eventId": event_id} | fields
    for got in (await calls("POST", "/booking", body), calls.at_once("POST", "/booking", body)):
        assert (got.status, got.code) == (status, code)
        assert {name: got.json()[name] for name in extra} == extra
        assert got.seq == 1, "the position that was durable when it was refused"


async def test_a_sale_has_a_beginning_and_an_end(calls: Calls) -> None:
    early = await small(calls, onSaleAt="2026-11-22T10:00:02.500Z")
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": early})
    assert (got.status, got.code, got.headers["Retry-After"]) == (425, "too_early", "3")
    assert got.json()["retryAfterSeconds"] == 3
    over = await small(calls, startsAt="2026-11-22T09:00:00Z")
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": over})
    assert (got.status, got.code) == (409, "not_on_sale")
    await calls("POST", f"/events/{early}/cancel")
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": early})
    assert (got.status, got.code) == (409, "event_cancelled")


async def test_a_booking_is_shown_in_full(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    calls.gateway.clock_ms += 60_000
    got = await calls("GET", f"/booking/{booking_id}")
    assert got.headers["Cache-Control"] == "private, no-store"
    held = {
        "bookingId": booking_id,
        "status": "held",
        "userId": "ada",
        "eventId": event_id,
        "eventName": "Jazz Night",
        "ticketType": "Standing",
        "quantity": 1,
        "seats": [],
        "amount": "49.90",
        "currency": "EUR",
        "createdAt": "2026-11-22T10:00:00.000Z",
        "expiresAt": "2026-11-22T10:05:00.000Z",
        "expiresInSeconds": 240,
        "position": None,
        "payment": None,
        "tickets": [],
        "refunds": [],
        "refundedAmount": "0.00",
        "seq": 2,
    }
    assert got.json() == held
    await pay(calls, event_id)
    confirmed = held | {
        "status": "confirmed",
        "expiresAt": None,
        "expiresInSeconds": None,
        "payment": {
            "paymentId": 1,
            "status": "succeeded",
            "amount": "49.90",
            "currency": "EUR",
            "clientSecret": None,
            "provider": "test",
            "failure": None,
            "detail": None,
        },
        "tickets": [{"code": "CODE-1-1-1", "number": 1, "ticketType": "Standing", "seat": None}],
    }
    assert (await calls("GET", f"/booking/{booking_id}")).json() == confirmed


async def test_a_line_moves_up(calls: Calls) -> None:
    event_id = await small(calls, 1)
    await calls.held(event_id, "ada")
    for position, user_id in enumerate(("bob", "eve"), start=1):
        got = await calls("POST", "/booking", {"userId": user_id, "eventId": event_id})
        assert got.json()["position"] == position
    given_up = await calls("DELETE", "/booking/1")
    assert given_up.status == 200
    assert given_up.json() == {
        "bookingId": 1,
        "status": "cancelled",
        "userId": "ada",
        "eventId": event_id,
        "ticketType": "Standing",
        "quantity": 1,
        "seats": [],
        "amount": "49.90",
        "currency": "EUR",
        "seq": given_up.seq,
    }
    bob, eve = (await calls("GET", "/booking/2")).json(), (await calls("GET", "/booking/3")).json()
    assert (bob["status"], bob["position"], bob["expiresInSeconds"]) == ("held", None, 300)
    assert (eve["status"], eve["position"], eve["expiresAt"]) == ("waiting", 1, None)


async def test_what_cannot_be_given_up(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.paid(event_id)
    got = await calls("DELETE", f"/booking/{booking_id}")
    assert (got.status, got.code, got.json()["bookingStatus"]) == (409, "wrong_status", "confirmed")
    assert (await calls("DELETE", "/booking/99")).code == "no_such_booking"
    assert (await calls("DELETE", "/booking/0")).status == 404
    assert (await calls("DELETE", "/booking/x")).code == "invalid_field"
    assert (await calls("DELETE", f"/booking/{booking_id}", {"force": True})).code == "unknown_field"


async def test_a_booking_that_ended_long_ago(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    calls.gateway.pass_time(HOLD_MS)
    calls.gateway.pass_time(ENDED_KEPT_MS)
    assert booking_id not in calls.gateway.state.bookings.rows
    assert (await calls("GET", f"/booking/{booking_id}")).json()["status"] == "expired"
    got = await calls("DELETE", f"/booking/{booking_id}")
    assert (got.status, got.code, got.json()["bookingStatus"]) == (409, "wrong_status", "expired")
    got = await calls("POST", f"/booking/{booking_id}/refund")
    assert (got.status, got.code, got.json()["bookingStatus"]) == (409, "wrong_status", "expired")
    got = await pay(calls, event_id, bookingId=booking_id)
    assert (got.status, got.code, got.json()["bookingId"]) == (410, "hold_expired", booking_id)
    assert (await pay(calls, event_id, "bob", bookingId=booking_id)).code == "forbidden"
    assert (await pay(calls, event_id + 1, bookingId=booking_id)).code == "no_such_event"
    calls.gateway.is_busy = True
    got = await calls("DELETE", f"/booking/{booking_id}")
    assert (got.status, got.code) == (503, "overloaded")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_bookings_that_are_not_there(calls: Calls, method: str) -> None:
    for segment in ("1", "0", "-1", "9223372036854775807", "9223372036854775808", "9" * 100):
        got = await calls(method, f"/booking/{segment}")
        assert (got.status, got.code) == (404, "no_such_booking"), segment
    for segment in ("x", "1.0", "%00", "1%2F"):
        got = await calls(method, f"/booking/{segment}")
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "bookingId"), segment


async def test_every_status_has_a_name(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    booking = calls.gateway.state.bookings.rows[booking_id]
    for status, name in BOOKING_NAMES.items():
        if name != "waiting":
            booking.status = status
            assert (await calls("GET", f"/booking/{booking_id}")).json()["status"] == name
