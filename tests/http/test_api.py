"""When answers leave: not before what they rest on is durable; and which position they say."""

import asyncio
from typing import Any

import pytest

from onsale.http.call import Answer
from onsale.tests.http.api_calls import EVENT, Calls, Got, as_call

READS = [
    "/events", "/events/1", "/events/1/availability", "/booking/1", "/users/ada", "/users/ada/bookings",
    "/users/ada/notifications",
]  # fmt: skip
WRITES: list[tuple[str, str, Any, int]] = [
    ("POST", "/events", EVENT, 201),
    ("PATCH", "/events/1", {}, 200),
    ("POST", "/booking", {"userId": "bob", "eventId": 1}, 201),
    ("POST", "/pay", {"userId": "ada", "eventId": 1, "amount": "49.90"}, 200),
    ("DELETE", "/booking/1", None, 200),
    ("PUT", "/users/bob", {}, 200),
    ("POST", "/booking", {"userId": "bob", "eventId": 99}, 404),  # a refusal rests on what was decided before it
]


async def prepared() -> Calls:
    calls = Calls()
    await calls.held(await calls.event())
    await calls("PUT", "/users/ada", {})
    return calls


async def turns() -> None:
    """Lets everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def answered_when_durable(calls: Calls, call: Any) -> Got:
    waiting = asyncio.ensure_future(call)
    await turns()
    assert not waiting.done(), "it told of what may still be lost"
    calls.gateway.let_go()
    got: Got = await waiting
    return got


@pytest.mark.parametrize(("method", "path", "body", "status"), WRITES, ids=lambda value: str(value)[:40])
async def test_a_write_is_answered_when_it_is_durable(method: str, path: str, body: Any, status: int) -> None:
    calls = await prepared()
    calls.gateway.hold_back()
    unanswered = asyncio.ensure_future(calls("PUT", "/users/eve", {}))
    got = await answered_when_durable(calls, calls(method, path, body))
    assert got.status == status
    assert (await unanswered).status == 200


@pytest.mark.parametrize("path", READS)
async def test_a_read_is_answered_when_what_it_shows_is_durable(path: str) -> None:
    calls = await prepared()
    calls.gateway.hold_back()
    booking = asyncio.ensure_future(calls("POST", "/booking", {"userId": "ada", "eventId": 1, "quantity": 2}))
    await turns()
    got = await answered_when_durable(calls, calls("GET", path))
    assert (await booking).status == 201
    assert got.status == 200
    if "availability" in path:
        assert got.json()["available"] == 97, "it shows the moment it was asked"
    if path != "/events":
        assert got.seq == 4


async def test_the_hot_path_waits_for_the_disk_too() -> None:
    calls = await prepared()
    calls.gateway.hold_back()
    answers: list[Answer] = []
    assert calls.hot(as_call("POST", "/booking", {"userId": "bob", "eventId": 1}), answers.append)
    assert calls.hot(as_call("GET", "/events/1/availability"), answers.append)
    assert calls.hot(as_call("POST", "/pay", {"userId": "bob", "eventId": 1, "amount": "1"}), answers.append)
    assert calls.hot(as_call("POST", "/booking", {"userId": "bob"}), answers.append)
    assert [each.status for each in answers] == [400], "what is wrong in itself need not wait"
    calls.gateway.let_go()
    assert [each.status for each in answers[1:]] == [201, 200, 422]


async def test_what_is_wrong_in_itself_says_the_durable_position() -> None:
    calls = await prepared()
    calls.gateway.hold_back()
    unanswered = asyncio.ensure_future(calls("PUT", "/users/eve", {}))
    await turns()
    for method, path, body in (
        ("POST", "/booking", b"{"),
        ("POST", "/booking", {"userId": "ada"}),
        ("POST", "/pay", {}),
        ("PATCH", "/events/x", {}),
        ("GET", "/nowhere", None),
        ("PUT", "/events", None),
        ("OPTIONS", "/events", None),
    ):
        got = await calls(method, path, body)
        assert got.seq == 3 == calls.gateway.durable_seq
        assert got.status == 204 or got.json()["seq"] == 3
    calls.gateway.let_go()
    assert (await unanswered).seq == 4


@pytest.mark.parametrize("path", [*READS, "/journal"])
async def test_a_read_can_name_the_position_it_needs(path: str) -> None:
    calls = await prepared()
    seq = calls.gateway.durable_seq
    for reached in ("0", str(seq)):
        got = await calls("GET", path, Onsale_Min_Seq=reached)
        assert (got.status, got.seq) == (200, seq)
    calls.gateway.hold_back()
    unanswered = asyncio.ensure_future(calls("PUT", "/users/ada", {"name": "Ada"}))
    await turns()
    got = await answered_when_durable(calls, calls("GET", path, Onsale_Min_Seq=str(seq + 1)))
    assert (got.status, got.seq >= seq + 1) == (200, True)
    await unanswered


@pytest.mark.parametrize("path", [*READS, "/journal"])
async def test_a_position_that_does_not_come(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("onsale.http.api.MIN_SEQ_WAIT_SECONDS", 0.01)
    calls = await prepared()
    got = await calls("GET", path, Onsale_Min_Seq=str(calls.gateway.durable_seq + 1))
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, "replica_behind", "1")


@pytest.mark.parametrize("path", [*READS, "/journal"])
async def test_what_is_no_position_is_refused(path: str) -> None:
    calls = await prepared()
    for text in ("", "x", "-1", "1.5", "9223372036854775808", "9" * 100, "٣", "1, 2"):
        got = await calls("GET", path, Onsale_Min_Seq=text)
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "Onsale-Min-Seq"), text
    if path.endswith("availability"):
        assert not calls.hot(as_call("GET", path, Onsale_Min_Seq="x"), lambda answer: None), "left to the plain path"
