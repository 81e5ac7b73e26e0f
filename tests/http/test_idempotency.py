"""Asking again with the same key: the first answer again, byte for byte."""

from typing import Any

import pytest

from onsale.engine.commands import PaymentSucceededOutcome
from onsale.tests.http.api_calls import EVENT, OPERATOR, Calls, Got, token_of

DAY_MS = 86_400_000
PAYMENT = {"userId": "ada", "eventId": 1, "amount": "49.90"}

WRITES: list[tuple[str, str, Any, int]] = [
    ("POST", "/events", EVENT, 201),
    ("PATCH", "/events/1", {"city": "Rome", "ticketTypes": [{"name": "B", "price": "5", "capacity": 1}]}, 200),
    ("POST", "/events/1/cancel", None, 200),
    ("POST", "/booking", {"userId": "bob", "eventId": 1}, 201),
    ("POST", "/booking", {"userId": "bob", "eventId": 2}, 202),
    ("DELETE", "/booking/1", None, 200),
    ("POST", "/pay", PAYMENT, 200),
    ("POST", "/pay", PAYMENT | {"paymentMethod": "pm_card_authenticationRequired"}, 202),
    ("POST", "/pay", PAYMENT | {"paymentMethod": "pm_card_chargeDeclined"}, 402),
    ("POST", "/pay", PAYMENT | {"amount": "1"}, 422),
    ("POST", "/booking/2/refund", {"amount": "1.00"}, 200),
    ("POST", "/booking/2/refund", None, 200),
    ("PUT", "/users/ada", {"name": "Ada", "webhookUrl": "https://example.org/hook"}, 200),
    ("POST", "/tickets/CODE-2-2-1/check-in", {"place": "Gate 3"}, 200),
    ("POST", "/tickets/CODE-2-2-1/check-in", {"eventId": 1}, 404),
    ("POST", "/tickets/CODE-2-2-2/check-in", None, 404),
    ("POST", "/tickets/NONSENSE/check-in", None, 404),
    ("POST", "/outbox/concerns/close", {"id": "dispute:dp_1"}, 404),
    ("POST", "/booking", {"userId": "bob", "eventId": 99}, 404),
    ("POST", "/booking", {"userId": "bob", "eventId": 2, "waitlist": False}, 409),
    ("DELETE", "/booking/99", None, 404),
    ("POST", "/booking/1/refund", None, 409),
]


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def prepared() -> Calls:
    """Event 1 has booking 1, ada's hold, and event 2 is sold out by booking 2, paid."""
    calls = Calls()
    await calls.event()
    await calls.event(ticketTypes=[{"name": "S", "price": "10", "capacity": 1}])
    await calls.held(1)
    await calls.paid(2)
    return calls


def same(first: Got, again: Got) -> None:
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status, again.body, again.content_type) == (first.status, first.body, first.content_type)
    headers = {**again.headers}
    del headers["Idempotency-Replayed"]
    assert headers == {**first.headers}


@pytest.mark.parametrize(("method", "path", "body", "status"), WRITES, ids=lambda value: str(value)[:40])
async def test_every_write_can_be_asked_again(method: str, path: str, body: Any, status: int) -> None:
    calls = await prepared()
    first = await calls(method, path, body, Idempotency_Key="k-1")
    assert first.status == status, first.body
    after = calls.gateway.state.seq
    await calls("PATCH", "/events/1", {"name": "Another name", "startsAt": "2027-01-01T00:00:00Z"})
    await calls.event()
    calls.gateway.pass_time(7_000)
    assert calls.gateway.state.seq > after
    before = calls.gateway.state.seq
    same(first, await calls(method, path, body, Idempotency_Key="k-1"))
    if path in ("/booking", "/pay"):
        same(first, calls.at_once(method, path, body, Idempotency_Key="k-1"))
    assert calls.gateway.state.seq == before, "nothing is done twice"


@pytest.mark.parametrize(("method", "path", "body", "status"), WRITES, ids=lambda value: str(value)[:40])
async def test_every_write_says_where_it_was_decided(method: str, path: str, body: Any, status: int) -> None:
    for key in ({}, {"Idempotency_Key": "k-1"}):
        calls = await prepared()
        got = await calls(method, path, body, **key)
        assert got.status == status
        assert got.json()["seq"] == got.seq
        assert 0 < got.seq <= calls.gateway.state.seq


async def test_both_paths_know_the_same_keys(calls: Calls) -> None:
    event_id = await calls.event()
    body = {"userId": "ada", "eventId": event_id}
    same(
        calls.at_once("POST", "/booking", body, Idempotency_Key="k"),
        await calls("POST", "/booking", body, Idempotency_Key="k"),
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/booking", {"userId": "ada", "eventId": 1, "quantity": 2}),
        ("POST", "/booking", b'{"userId": "ada",  "eventId": 1}'),
        ("POST", "/pay", {"userId": "ada", "eventId": 1}),
        ("PUT", "/users/ada", {}),
    ],
)
async def test_a_key_is_for_one_request(calls: Calls, method: str, path: str, body: Any) -> None:
    await calls.event()
    first = await calls("POST", "/booking", {"userId": "ada", "eventId": 1}, Idempotency_Key="k")
    assert first.status == 201
    body = body | {"amount": "1"} if path == "/pay" else body
    got = await calls(method, path, body, Idempotency_Key="k")
    assert (got.status, got.code) == (422, "idempotency_mismatch")
    assert "Idempotency-Replayed" not in got.headers
    same(first, await calls("POST", "/booking", {"userId": "ada", "eventId": 1}, Idempotency_Key="k"))


async def test_keys_are_each_callers_own() -> None:
    calls = Calls(secured=True)
    event_id = await calls.event()
    tokens = [token_of("user", "ada"), token_of("service", "ada"), token_of("service", "shop"), OPERATOR]
    body = {"userId": "ada", "eventId": event_id}
    answers = [await calls("POST", "/booking", body, token, Idempotency_Key="k") for token in tokens]
    assert [each.status for each in answers] == [201] * 4
    assert len({each.body for each in answers}) == 4
    other = token_of("user", "ada")
    same(answers[0], await calls("POST", "/booking", body, other, Idempotency_Key="k"))


async def test_a_key_has_bounds(calls: Calls) -> None:
    event_id = await calls.event()
    body = {"userId": "ada", "eventId": event_id}
    for key in ("", "x" * 256):
        for got in (
            await calls("POST", "/booking", body, Idempotency_Key=key),
            calls.at_once("POST", "/booking", body, Idempotency_Key=key),
        ):
            assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "Idempotency-Key")
    for key in ("x", "y" * 255, "ü 💺", "\udcff"):
        first = await calls("POST", "/booking", body, Idempotency_Key=key)
        assert first.status == 201
        same(first, await calls("POST", "/booking", body, Idempotency_Key=key))


async def test_a_key_is_kept_for_a_day(calls: Calls) -> None:
    await calls("PUT", "/users/ada", {}, Idempotency_Key="k")
    calls.gateway.clock_ms += DAY_MS - 1
    assert (await calls("PUT", "/users/ada", {}, Idempotency_Key="k")).json()["seq"] == 1
    calls.gateway.clock_ms += 1
    assert (await calls("PUT", "/users/ada", {}, Idempotency_Key="k")).json()["seq"] > 1


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/booking", {"userId": "ada", "eventId": 1, "quantity": 0}, "invalid_field"),
        ("POST", "/booking", {"userId": "ada", "eventId": 1, "seats": ["A/1/1"]}, "invalid_seats"),
        ("POST", "/pay", b"{", "invalid_json"),
        ("POST", "/events", {"colour": "red"}, "unknown_field"),
        ("DELETE", "/booking/0", None, "no_such_booking"),
        ("POST", "/events/0/cancel", None, "no_such_event"),
        ("PUT", "/users/ada", [], "invalid_json"),
    ],
)
async def test_what_is_wrong_in_itself_is_answered_again_too(method: str, path: str, body: Any, code: str) -> None:
    calls = await prepared()
    first = await calls(method, path, body, Idempotency_Key="k")
    assert first.code == code
    assert first.seq == calls.gateway.state.seq
    await calls.event()
    same(first, await calls(method, path, body, Idempotency_Key="k"))
    if path in ("/booking", "/pay"):
        same(first, calls.at_once(method, path, body, Idempotency_Key="k"))
        other = calls.at_once("POST", "/booking", {"userId": "ada", "eventId": 1}, Idempotency_Key="k")
    else:
        other = await calls("POST", "/booking", {"userId": "ada", "eventId": 1}, Idempotency_Key="k")
    assert (other.status, other.code) == (422, "idempotency_mismatch")


async def test_what_is_wrong_in_itself_does_not_pass_for_what_the_key_was_used_for(calls: Calls) -> None:
    body = {"userId": "ada", "eventId": await calls.event()}
    assert (await calls("POST", "/booking", body, Idempotency_Key="k")).status == 201
    for wrong in (body | {"quantity": 0}, b"{", body | {"colour": "red"}):
        assert calls.at_once("POST", "/booking", wrong, Idempotency_Key="k").code == "idempotency_mismatch"


async def test_who_may_not_ask_and_what_is_no_write_use_no_key() -> None:
    calls = Calls(secured=True)
    event_id = await calls.event()
    before = calls.gateway.state.seq
    ada = token_of("user", "ada")
    assert (await calls("POST", "/booking", {}, Idempotency_Key="k")).status == 401
    assert (await calls("POST", "/events", {}, ada, Idempotency_Key="k")).status == 403
    assert (await calls("GET", "/events/0", None, ada, Idempotency_Key="k")).status == 404
    assert (await calls("POST", "/nowhere", {}, ada, Idempotency_Key="k")).status == 404
    assert (await calls("DELETE", "/events", {}, ada, Idempotency_Key="k")).status == 405
    assert calls.at_once("POST", "/booking", {}, ada, Idempotency_Key="k" * 256).status == 400
    assert calls.gateway.state.seq == before
    assert (
        await calls("POST", "/booking", {"userId": "ada", "eventId": event_id}, ada, Idempotency_Key="k")
    ).status == 201


async def test_what_asks_to_be_tried_again_uses_no_key(calls: Calls) -> None:
    event_id = await calls.event(onSaleAt="2026-11-22T10:00:01Z")
    body = {"userId": "ada", "eventId": event_id}
    assert (await calls("POST", "/booking", body, Idempotency_Key="k")).status == 425
    calls.gateway.clock_ms += 1000
    assert (await calls("POST", "/booking", body, Idempotency_Key="k")).status == 201


async def test_an_outcome_that_comes_late_becomes_the_answer(calls: Calls) -> None:
    event_id = await calls.event()
    await calls.held(event_id)
    calls.gateway.provider_is_slow = True
    body = {"userId": "ada", "eventId": event_id, "amount": "49.90"}
    assert (await calls("POST", "/pay", body, Idempotency_Key="k")).status == 202
    calls.gateway.settle(1, PaymentSucceededOutcome("pi"))
    got = await calls("POST", "/pay", body, Idempotency_Key="k")
    assert (got.status, got.json()["status"]) == (200, "succeeded")
    assert got.headers["Idempotency-Replayed"] == "true"


async def test_a_refusal_about_the_past_is_the_same_again(calls: Calls) -> None:
    event_id = await calls.event()
    booking_id = await calls.held(event_id)
    calls.gateway.pass_time(300_000)
    calls.gateway.pass_time(3_600_000)
    first = await calls("DELETE", f"/booking/{booking_id}", Idempotency_Key="k")
    assert (first.status, first.code) == (409, "wrong_status")
    same(first, await calls("DELETE", f"/booking/{booking_id}", Idempotency_Key="k"))
