"""Money over the API: paying and refunding bookings, and every way to be refused."""

import asyncio
from typing import Any

import pytest

from onsale.engine.commands import PaymentPendingOutcome
from onsale.engine.replies import PaymentUnderway
from onsale.http.call import Answer
from onsale.tests.http.api_calls import Calls, Got, as_call, as_got, token_of

HOLD_MS = 300_000


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def small(calls: Calls, capacity: int = 2) -> int:
    return await calls.event(ticketTypes=[{"name": "Standing", "price": "49.90", "capacity": capacity}])


async def pay(calls: Calls, event_id: int, user_id: str = "ada", **fields: Any) -> Got:
    return await calls("POST", "/pay", {"userId": user_id, "eventId": event_id, "amount": "49.90"} | fields)


async def test_a_payment_is_answered_in_full(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id, quantity=2)
    got = await pay(calls, event_id, amount="99.80", paymentMethod="pm_card_visa")
    assert got.status == 200
    assert got.json() == {
        "paymentId": 1,
        "status": "succeeded",
        "bookingId": booking_id,
        "bookingStatus": "confirmed",
        "eventId": event_id,
        "amount": "99.80",
        "currency": "EUR",
        "tickets": [
            {"code": "CODE-1-1-1", "number": 1, "ticketType": "Standing", "seat": None},
            {"code": "CODE-1-1-2", "number": 2, "ticketType": "Standing", "seat": None},
        ],
        "provider": "test",
        "seq": 4,
    }
    assert got.seq == 4


async def test_a_payment_that_takes_a_step_more(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    got = await pay(calls, event_id, paymentMethod="pm_card_authenticationRequired")
    assert got.status == 202
    assert got.json() == {
        "paymentId": 1,
        "status": "requires_action",
        "bookingId": booking_id,
        "bookingStatus": "paying",
        "amount": "49.90",
        "currency": "EUR",
        "clientSecret": "secret_1",
        "expiresAt": "2026-11-22T10:15:00.000Z",
        "provider": "test",
        "seq": 4,
    }
    booking = (await calls("GET", f"/booking/{booking_id}")).json()
    assert (booking["status"], booking["expiresInSeconds"]) == ("paying", 900)
    assert booking["payment"]["clientSecret"] == "secret_1"
    assert (booking["payment"]["status"], booking["payment"]["provider"]) == ("requires_action", "test")


async def test_a_payment_without_a_first_word_is_processing(calls: Calls) -> None:
    event_id = await small(calls)
    await calls.held(event_id)
    calls.gateway.provider_is_slow = True
    got = await pay(calls, event_id)
    assert (got.status, got.json()["status"], got.json()["clientSecret"]) == (202, "processing", None)
    calls.gateway.settle(1, PaymentPendingOutcome(requires_action=False, client_secret="s", provider_reference="pi"))
    again = await pay(calls, event_id)
    assert (again.status, again.json()["status"], again.json()["clientSecret"]) == (202, "processing", "s")


async def test_a_declined_payment_leaves_the_hold(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    got = await pay(calls, event_id, paymentMethod="pm_card_chargeDeclined")
    assert (got.status, got.code) == (402, "payment_declined")
    assert (got.json()["declineCode"], got.json()["bookingId"]) == ("card_declined", booking_id)
    assert got.json()["provider"] == "test"
    booking = (await calls("GET", f"/booking/{booking_id}")).json()
    assert (booking["status"], booking["payment"]["status"]) == ("held", "failed")
    assert (await pay(calls, event_id)).status == 200


async def test_payments_are_refused(calls: Calls) -> None:
    event_id, other_id = await small(calls, 20), await small(calls)
    first, second = await calls.held(event_id), await calls.held(event_id)
    expected: list[tuple[dict[str, Any], int, str, dict[str, Any]]] = [
        ({"eventId": 99}, 404, "no_such_event", {}),
        ({"userId": "bob"}, 404, "no_such_booking", {}),
        ({"bookingId": 99}, 404, "no_such_booking", {}),
        ({"eventId": other_id, "bookingId": first}, 404, "no_such_booking", {}),
        ({"userId": "bob", "bookingId": first}, 403, "forbidden", {}),
        ({}, 409, "ambiguous_booking", {"bookingIds": [first, second]}),
        ({"bookingId": first, "amount": "50"}, 422, "amount_mismatch", {"amount": "49.90", "currency": "EUR"}),
        ({"bookingId": first, "amount": "49.901"}, 400, "invalid_field", {"field": "amount"}),
        ({"bookingId": first, "amount": "-49.90"}, 400, "invalid_field", {"field": "amount"}),
        ({"bookingId": first, "amount": "4.99e1"}, 400, "invalid_field", {"field": "amount"}),
        ({"bookingId": first, "amount": 49.9}, 400, "invalid_field", {"field": "amount"}),
    ]
    for fields, status, code, extra in expected:
        body = {"userId": "ada", "eventId": event_id, "amount": "49.90"} | fields
        for got in (await calls("POST", "/pay", body), calls.at_once("POST", "/pay", body)):
            assert (got.status, got.code) == (status, code), fields
            assert {name: got.json()[name] for name in extra} == extra
    assert (await pay(calls, event_id, bookingId=str(first), amount="49.9")).status == 200
    got = await pay(calls, event_id, bookingId=first)
    assert (got.status, got.code, got.json()["bookingId"]) == (409, "already_paid", first)
    calls.gateway.pass_time(HOLD_MS)
    got = await pay(calls, event_id, bookingId=second)
    assert (got.status, got.code, got.json()["bookingId"]) == (410, "hold_expired", second)


async def test_refunds_in_part_and_in_full(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.paid(event_id, quantity=2)
    got = await calls("POST", f"/booking/{booking_id}/refund", {"amount": "9.80"})
    assert got.status == 200
    assert got.json() == {
        "refundId": 1,
        "status": "succeeded",
        "bookingId": booking_id,
        "bookingStatus": "partially_refunded",
        "amount": "9.80",
        "refundedAmount": "9.80",
        "currency": "EUR",
        "failure": None,
        "seq": got.seq,
    }
    booking = (await calls("GET", f"/booking/{booking_id}")).json()
    assert len(booking["tickets"]) == 2, "its tickets stay valid"
    too_much = await calls("POST", f"/booking/{booking_id}/refund", {"amount": "90.01"})
    assert (too_much.status, too_much.code, too_much.json()["available"]) == (422, "amount_mismatch", "90.00")
    for amount in ("0", "-1", "x"):
        got = await calls("POST", f"/booking/{booking_id}/refund", {"amount": amount})
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "amount"), amount
    rest = await calls("POST", f"/booking/{booking_id}/refund")
    assert (rest.json()["amount"], rest.json()["refundedAmount"]) == ("90.00", "99.80")
    booking = (await calls("GET", f"/booking/{booking_id}")).json()
    assert (booking["status"], booking["refundedAmount"], booking["tickets"]) == ("refunded", "99.80", [])
    assert [(each["amount"], each["status"], each["reason"]) for each in booking["refunds"]] == [
        ("9.80", "succeeded", "requested"),
        ("90.00", "succeeded", "requested"),
    ]
    again = await calls("POST", f"/booking/{booking_id}/refund")
    assert (again.status, again.code, again.json()["bookingStatus"]) == (409, "wrong_status", "refunded")


async def test_a_refund_the_provider_thinks_about(calls: Calls) -> None:
    event_id = await small(calls)
    booking_id = await calls.paid(event_id)
    calls.gateway.provider_is_slow = True
    got = await calls("POST", f"/booking/{booking_id}/refund", {})
    assert (got.status, got.json()["status"], got.json()["bookingStatus"]) == (202, "pending", "refund_pending")
    booking = (await calls("GET", f"/booking/{booking_id}")).json()
    assert [each["status"] for each in booking["refunds"]] == ["pending"]


async def test_a_reply_that_cannot_be_rendered_is_answered_and_logged(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    event_id = await small(calls)
    await calls.held(event_id)
    broken = PaymentUnderway(1, 1, 1, 100, "no currency")
    calls.gateway.submit = lambda command, key, done: done(broken, False)  # type: ignore[method-assign]
    answers: list[Any] = []
    body = {"userId": "ada", "eventId": event_id, "amount": "49.90"}
    assert calls.hot(as_call("POST", "/pay", body), answers.append)
    got = as_got(answers[0])
    assert (got.status, got.code) == (500, "internal")
    assert "Error answering POST /pay" in caplog.text


async def test_users_have_their_own_money_back_until_the_event_begins() -> None:
    calls = Calls(secured=True)
    ada, bob = token_of("user", "ada"), token_of("user", "bob")
    event_id = await calls.event(startsAt="2026-11-22T20:00:00Z", endsAt="2026-11-22T23:00:00Z")
    first, second = await calls.paid(event_id, "ada"), await calls.paid(event_id, "ada")
    assert (await calls("POST", f"/booking/{first}/refund", token=bob)).code == "forbidden"
    got = await calls("POST", f"/booking/{first}/refund", token=ada, Idempotency_Key="mine")
    assert got.status == 200
    calls.gateway.pass_time(11 * 3600 * 1000)
    late = await calls("POST", f"/booking/{second}/refund", token=ada)
    assert (late.status, late.code) == (403, "forbidden")
    again = await calls("POST", f"/booking/{first}/refund", token=ada, Idempotency_Key="mine")
    assert (again.status, again.body) == (200, got.body), "the first answer is given again, whenever"
    organiser = await calls("POST", f"/booking/{second}/refund", token=token_of("organiser", "o"))
    assert organiser.status == 200


@pytest.mark.parametrize("hot", [False, True])
async def test_paying_for_a_past_booking_while_the_database_is_busy_can_be_tried_again(calls: Calls, hot: bool) -> None:
    event_id = await small(calls)
    booking_id = await calls.held(event_id)
    calls.gateway.past[booking_id] = calls.gateway.state.bookings.rows.pop(booking_id)
    calls.gateway.is_busy = True
    body = {"userId": "ada", "eventId": event_id, "amount": "49.90", "bookingId": booking_id}
    if hot:
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        assert calls.hot(as_call("POST", "/pay", body), answers.put_nowait)
        got = as_got(await answers.get())
    else:
        got = await calls("POST", "/pay", body)
    assert (got.status, got.code) == (503, "overloaded")
    assert got.headers["Retry-After"]
