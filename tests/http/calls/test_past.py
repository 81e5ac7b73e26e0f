"""What is asked for when an event has long been over, and its bookings are read from the database."""

import pytest
from msgspec.structs import replace

from onsale.engine.limits import PAID_KEPT_MS
from onsale.tests.http.api_calls import SEAT_MAP, Calls

DAY_MS = 24 * 3_600_000
STARTS = {"startsAt": "2026-11-22T20:00:00Z"}


async def over(calls: Calls, **event: object) -> int:
    """Ada's booking of an event that began a month ago."""
    event_id = await calls.event(**STARTS | event)
    booking_id = await calls.paid(event_id)
    gateway = calls.gateway
    gateway.pass_time(10 * 3_600_000 + PAID_KEPT_MS)
    assert not gateway.state.bookings.rows
    gateway.past = {number: replace(row) for number, row in gateway.state.bookings.archived.items()}
    return booking_id


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_it_is_still_shown(calls: Calls) -> None:
    booking_id = await over(calls)
    got = await calls("GET", f"/booking/{booking_id}")
    assert (got.status, got.json()["status"]) == (200, "confirmed")


async def test_its_money_goes_back_once(calls: Calls) -> None:
    booking_id = await over(calls)
    first = await calls("POST", f"/booking/{booking_id}/refund", {"amount": "9.90"}, Idempotency_Key="one")
    again = await calls("POST", f"/booking/{booking_id}/refund", {"amount": "9.90"}, Idempotency_Key="one")
    assert (first.status, first.json()["status"], again.body) == (200, "succeeded", first.body)
    rest = await calls("POST", f"/booking/{booking_id}/refund")
    assert (rest.json()["amount"], rest.json()["bookingStatus"]) == ("40.00", "refunded")
    no_more = await calls("POST", f"/booking/{booking_id}/refund")
    assert (no_more.status, no_more.code) == (409, "wrong_status")
    calls.gateway.pass_time(3_600_000)
    calls.gateway.past = dict(calls.gateway.state.bookings.archived)
    late = await calls("POST", f"/booking/{booking_id}/refund")
    assert (late.status, late.code, late.json()["bookingStatus"]) == (409, "wrong_status", "refunded")


async def test_a_refund_waits_for_a_database_that_is_busy(calls: Calls) -> None:
    booking_id = await over(calls)
    calls.gateway.is_busy = True
    got = await calls("POST", f"/booking/{booking_id}/refund", Idempotency_Key="one")
    assert (got.status, got.code) == (503, "overloaded")
    calls.gateway.is_busy = False
    assert (await calls("POST", f"/booking/{booking_id}/refund", Idempotency_Key="one")).status == 200


async def test_it_is_not_paid_again(calls: Calls) -> None:
    booking_id = await over(calls)
    body = {"userId": "ada", "eventId": 1, "amount": "49.90", "bookingId": booking_id}
    got = await calls("POST", "/pay", body)
    assert (got.status, got.code, got.json()["bookingId"]) == (409, "already_paid", booking_id)
    other = await calls("POST", "/pay", body | {"userId": "bob"})
    assert (other.status, other.code) == (403, "forbidden")


async def test_it_admits_nobody(calls: Calls) -> None:
    booking_id = await over(calls)
    code = f"CODE-1-{booking_id}-1"
    got = await calls("POST", f"/tickets/{code}/check-in")
    assert (got.status, got.code) == (409, "wrong_status")
    assert "long over" in got.json()["detail"]
    assert (await calls("GET", f"/tickets/{code}")).json()["admits"] is False


async def test_the_event_stays_as_it_is(calls: Calls) -> None:
    booking_id = await over(calls)
    cancelled = await calls("POST", "/events/1/cancel")
    assert (cancelled.status, cancelled.code) == (409, "wrong_status")
    assert "one by one" in cancelled.json()["detail"]
    moved = await calls("PATCH", "/events/1", {"startsAt": "2027-06-01T20:00:00Z"})
    assert (moved.status, moved.code, moved.json()["field"]) == (400, "invalid_field", "startsAt")
    assert (await calls("PATCH", "/events/1", {"description": "It was lovely."})).status == 200
    shown = (await calls("GET", "/events/1")).json()
    assert shown["ticketTypes"][0]["sold"] == 1
    assert booking_id == 1


async def test_who_sat_where_is_not_told_any_more(calls: Calls) -> None:
    await over(calls, seatMap=SEAT_MAP)
    got = await calls("GET", "/events/1/seats")
    assert (got.status, got.code) == (404, "not_found")
    assert "long over" in got.json()["detail"]
