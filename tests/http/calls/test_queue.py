"""Waiting rooms over HTTP: joining, looking, leaving, and booking with a token."""

from typing import Any

import pytest

from onsale.engine.lot import commitment_of
from onsale.tests.http.api_calls import Calls, Got, token_of

ROOM: dict[str, Any] = {"admitPerMinute": 60, "admitByStock": False}


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def room_event(calls: Calls, **room: Any) -> int:
    event_id = await calls.event(waitingRoom=ROOM | room)
    calls.gateway.pass_time(0)
    return event_id


async def join(calls: Calls, user_id: str, event_id: int = 1, **headers: str) -> Got:
    got = await calls("POST", f"/events/{event_id}/queue", {"userId": user_id}, **headers)
    calls.gateway.pass_time(0)
    return got


async def place(calls: Calls, token: str) -> Any:
    got = await calls("GET", f"/events/1/queue/{token}")
    assert got.status == 200
    assert got.headers["Cache-Control"] == "private, no-store"
    return got.json()


async def book(calls: Calls, user_id: str, token: str | None) -> Got:
    return await calls("POST", "/booking", {"userId": user_id, "eventId": 1, "queueToken": token})


async def test_joining_gives_a_number_and_a_token(calls: Calls) -> None:
    await room_event(calls, opensAt="2026-11-22T10:01:00Z")
    got = await join(calls, "ann")
    assert got.status == 201
    body = got.json()
    assert got.headers["Location"] == f"/events/1/queue/{body['token']}"
    assert body == {
        "eventId": 1,
        "userId": "ann",
        "number": 1,
        "token": body["token"],
        "position": 1,
        "nowServing": 0,
        "estimatedWaitSeconds": 60,
        "servable": True,
        "admitted": False,
        "expiresAt": None,
        "status": "waiting",
        "seq": got.seq,
    }
    again = await join(calls, "ann")
    assert again.status == 200
    assert again.json() == body


async def test_a_retry_gets_the_same_bytes(calls: Calls) -> None:
    await room_event(calls)
    first = await join(calls, "ann", Idempotency_Key="k")
    again = await join(calls, "ann", Idempotency_Key="k")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_what_everybody_sees_names_nobody_and_may_be_cached(calls: Calls) -> None:
    await room_event(calls)
    for user in ("ann", "bob", "cid"):
        await join(calls, user)
    got = await calls("GET", "/events/1/queue")
    assert got.status == 200
    assert got.headers["Cache-Control"].startswith("public, s-maxage=1")
    assert got.json() == {
        "eventId": 1,
        "state": "open",
        "nowServing": 1,
        "lastNumber": 3,
        "servableThrough": 100,
        "admitPerMinute": 60,
        "available": 100,
        "refreshIntervalSeconds": 2,
        "waiting": 2,
        "inside": 1,
        "opensAt": None,
        "draw": None,
        "commitment": None,
        "seed": None,
    }
    etag = got.headers["ETag"]
    assert (await calls("GET", "/events/1/queue", If_None_Match=etag)).status == 304


async def test_a_person_books_when_it_is_their_turn(calls: Calls) -> None:
    await room_event(calls)
    ann, bob = [(await join(calls, user)).json()["token"] for user in ("ann", "bob")]
    assert await place(calls, ann) == {
        "eventId": 1,
        "number": 1,
        "position": 0,
        "admitted": True,
        "expiresAt": "2026-11-22T10:05:00.000Z",
        "status": "admitted",
        "servable": True,
        "estimatedWaitSeconds": None,
        "nowServing": 1,
        "state": "open",
        "refreshIntervalSeconds": 2,
    }
    too_soon = await book(calls, "bob", bob)
    assert (too_soon.status, too_soon.code) == (403, "queue_required")
    body = too_soon.json()
    assert (body["reason"], body["number"], body["position"], body["nowServing"]) == ("waiting", 2, 1, 1)
    for token in (None, "", "x" * 36, ann[:-1] + "x", ann):
        stranger = await book(calls, "eve", token)
        assert (stranger.status, stranger.code) == (403, "queue_required")
    assert (await book(calls, "ann", ann)).status == 201
    assert (await place(calls, ann))["status"] == "holding"
    calls.gateway.pass_time(1_000)
    assert (await place(calls, bob))["admitted"] is True
    assert (await book(calls, "bob", bob)).status == 201


async def test_leaving(calls: Calls) -> None:
    await room_event(calls)
    tokens = [(await join(calls, user)).json()["token"] for user in ("ann", "bob", "cid")]
    got = await calls("DELETE", f"/events/1/queue/{tokens[1]}")
    assert got.status == 200
    assert got.json() == {"eventId": 1, "userId": "bob", "status": "left", "seq": got.seq}
    assert (await calls("DELETE", f"/events/1/queue/{tokens[1]}")).status == 200
    assert (await place(calls, tokens[2]))["position"] == 1
    assert (await place(calls, tokens[1]))["status"] == "left"
    assert (await join(calls, "bob")).json()["number"] == 4


async def test_a_draw_can_be_checked_by_anybody(calls: Calls) -> None:
    await room_event(calls, opensAt="2026-11-22T10:01:00Z", shuffleAtOpening=True)
    for user in ("ann", "bob", "cid"):
        body = (await join(calls, user)).json()
        assert (body["number"], body["position"], body["estimatedWaitSeconds"]) == (None, None, None)
    before = (await calls("GET", "/events/1/queue")).json()
    assert (before["state"], before["lastNumber"], before["servableThrough"]) == ("pre_queue", 0, None)
    assert (before["commitment"], before["seed"]) == (commitment_of(bytes(range(32))), None)
    assert (before["draw"]["arrivalsDigest"], before["draw"]["lot"]) == (None, None)
    calls.gateway.pass_time(60_000)
    after = (await calls("GET", "/events/1/queue")).json()
    assert commitment_of(bytes.fromhex(after["seed"])) == before["commitment"]
    assert (after["lastNumber"], after["draw"]["shuffled"]) == (3, 3)
    assert after["draw"]["lot"]


async def test_what_is_not_there(calls: Calls) -> None:
    await calls.event()
    for method, target, body, status, code in (
        ("GET", "/events/1/queue", None, 404, "not_found"),
        ("GET", "/events/1/queue/abc", None, 404, "not_found"),
        ("DELETE", "/events/1/queue/abc", None, 404, "not_found"),
        ("POST", "/events/1/queue", {"userId": "ann"}, 409, "wrong_status"),
        ("GET", "/events/9/queue", None, 404, "no_such_event"),
        ("POST", "/events/9/queue", {"userId": "ann"}, 404, "no_such_event"),
        ("POST", "/events/1/queue", {}, 400, "invalid_field"),
        ("POST", "/events/1/queue", {"userId": "ann", "number": 1}, 400, "unknown_field"),
        ("POST", "/events/1/queue", {"userId": "ann", "eventId": 2}, 400, "invalid_field"),
    ):
        got = await calls(method, target, body)
        assert (got.status, got.code) == (status, code), (method, target, body)
    await room_event(calls)
    assert (await calls("GET", "/events/2/queue/abc")).code == "not_found"
    assert (await calls("GET", "/events/2/queue/" + "a" * 300)).code == "not_found"


async def test_a_token_of_another_event_is_none_here(calls: Calls) -> None:
    await room_event(calls)
    await room_event(calls)
    token = (await join(calls, "ann", 2)).json()["token"]
    assert (await calls("GET", f"/events/1/queue/{token}")).code == "not_found"
    assert (await book(calls, "ann", token)).json()["reason"] == "missing"


async def test_an_organiser_sets_a_room(calls: Calls) -> None:
    event_id = await room_event(calls, maxInside=5, turnSeconds=60)
    got = await calls("GET", f"/events/{event_id}")
    assert got.json()["waitingRoom"] == {
        "admitPerMinute": 60,
        "maxInside": 5,
        "opensAt": None,
        "shuffleAtOpening": False,
        "admitByStock": False,
        "turnSeconds": 60,
        "state": "open",
    }
    for change, field, value in (
        ({"state": "paused"}, "state", "paused"),
        ({"state": "open"}, "state", "open"),
        ({"admitPerMinute": 600}, "admitPerMinute", 600),
        ({"maxInside": None}, "maxInside", None),
        ({"state": "closed"}, "state", "closed"),
    ):
        changed = await calls("PATCH", f"/events/{event_id}", {"waitingRoom": change})
        assert changed.status == 200
        assert changed.json()["waitingRoom"][field] == value
        calls.gateway.pass_time(0)
        assert (await calls("GET", f"/events/{event_id}")).json()["waitingRoom"][field] == value
    assert (await join(calls, "ann")).code == "wrong_status"
    removed = await calls("PATCH", f"/events/{event_id}", {"waitingRoom": None})
    assert removed.json()["waitingRoom"] is None
    assert (await book(calls, "ann", None)).status == 201


@pytest.mark.parametrize(
    ("room", "field"),
    [
        ({}, "waitingRoom.admitPerMinute"),
        ({"admitPerMinute": 0}, "waitingRoom.admitPerMinute"),
        ({"admitPerMinute": 60, "maxInside": 0}, "waitingRoom.maxInside"),
        ({"admitPerMinute": 60, "turnSeconds": 9}, "waitingRoom.turnSeconds"),
        ({"admitPerMinute": 60, "opensAt": "soon"}, "waitingRoom.opensAt"),
        ({"admitPerMinute": 60, "shuffleAtOpening": 1}, "waitingRoom.shuffleAtOpening"),
    ],
)
async def test_what_is_wrong_with_a_room_is_named(calls: Calls, room: dict[str, Any], field: str) -> None:
    body = {"name": "x", "startsAt": "2027-01-01T00:00:00Z", "ticketTypes": [], "waitingRoom": room}
    got = await calls("POST", "/events", body)
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", field)


async def test_a_room_with_nothing_left_says_so(calls: Calls) -> None:
    await calls.event(waitingRoom=ROOM, ticketTypes=[{"name": "Standing", "price": "1.00", "capacity": 1}])
    calls.gateway.pass_time(0)
    token = (await join(calls, "ann")).json()["token"]
    assert (await book(calls, "ann", token)).status == 201
    assert (await calls("POST", "/pay", {"userId": "ann", "eventId": 1, "amount": "1.00"})).status == 200
    got = (await calls("GET", "/events/1/queue")).json()
    assert (got["state"], got["available"]) == ("sold_out", 0)
    bob = (await join(calls, "bob")).json()
    assert (bob["servable"], bob["estimatedWaitSeconds"]) == (False, None)


async def test_users_act_for_themselves_alone() -> None:
    calls = Calls(secured=True)
    await calls.event(waitingRoom=ROOM | {"opensAt": "2026-11-22T10:01:00Z"})
    ann, bob = token_of("user", "ann"), token_of("user", "bob")
    path, body = "/events/1/queue", {"userId": "ann"}
    assert (await calls("POST", path, body)).status == 401
    assert (await calls("POST", path, body, bob)).code == "forbidden"
    token = (await calls("POST", path, body, ann)).json()["token"]
    assert (await calls("GET", path)).status == 200
    assert (await calls("GET", f"{path}/{token}")).status == 200  # the token is the proof
    assert (await calls("DELETE", f"{path}/{token}", token=bob)).code == "forbidden"
    assert (await calls("DELETE", f"{path}/{token}", token=ann)).status == 200


async def test_an_event_with_a_challenge_asks_for_it_at_the_door(calls: Calls) -> None:
    await calls.event(waitingRoom=ROOM, challenge="proof_of_work")
    got = await join(calls, "ann")
    assert (got.status, got.code) == (403, "challenge_required")


async def test_a_read_shows_what_is_durable_alone(calls: Calls) -> None:
    await room_event(calls)
    token = (await join(calls, "ann")).json()["token"]
    got = await calls("GET", f"/events/1/queue/{token}", Onsale_Min_Seq=str(calls.gateway.state.seq))
    assert got.status == 200
    calls.gateway.is_busy = False
    behind = await calls("GET", "/events/1/queue", Onsale_Min_Seq="9999")
    assert behind.code == "replica_behind"
