"""Who comes to a rehearsal, before a door of their own: no node, no network, no clock that takes its time."""

import asyncio
import base64
import hashlib
import json
import random
from typing import Any

import pytest

from onsale.node.rehearsal import bots, crowd, people
from onsale.node.rehearsal.bots import Bots
from onsale.node.rehearsal.crowd import CannotBegin, rehearse
from onsale.node.rehearsal.people import Crowd
from onsale.node.rehearsal.plan import Plan, Told
from onsale.node.rehearsal.proof import WORK_MAX, solution

EVENT = {"id": 7, "challenge": "proof_of_work", "ticketTypes": [{"id": 1}, {"id": 2}]}
HELD = {"bookingId": 4, "status": "held", "amount": "10.00", "quantity": 2, "expiresInSeconds": 0}
Answer = tuple[int, dict[str, Any]]


def challenge(number: int = 3, number_max: int = 10) -> dict[str, Any]:
    return {
        "algorithm": "SHA-256", "challenge": hashlib.sha256(b"salt%d" % number).hexdigest(), "maxnumber": number_max,
        "salt": "salt", "signature": "signed",
    }  # fmt: skip


class FakeDoor:
    """Answers as told, by method and the first part of the path; notes what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.nodes: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers = {
            "GET /challenge": (200, challenge()),
            "POST /queue": (201, {"token": "a-token-of-theirs", "number": 1, "admitted": True, "status": "admitted"}),
            "POST /booking": (201, HELD),
            "POST /pay": (200, {}),
            "DELETE /booking": (200, {}),
        } | {name.replace("_", " /", 1): answer for name, answer in answers.items()}

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        await asyncio.sleep(0)
        name = path.partition("?")[0].rstrip("/").split("/")
        resource = "queue" if "queue" in name else name[1]
        self.asked.append((f"{method} /{resource}", body or {}))
        return self.answers[f"{method} /{resource}"]

    once = ask


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.sleep
    monkeypatch.setattr(people.asyncio, "sleep", lambda _seconds: real(0))


async def one(door: FakeDoor, *, seed: int = 1) -> Told:
    told = Told()
    await Crowd(door, EVENT, random.Random(seed), told).person(0, comes_seconds=5, refreshes=False)
    return told


def test_the_sum_is_done_as_a_browser_does_it() -> None:
    sent = json.loads(base64.b64decode(solution(challenge(9))))
    assert sent == {
        "algorithm": "SHA-256", "challenge": challenge(9)["challenge"], "salt": "salt", "signature": "signed",
        "number": 9,
    }  # fmt: skip
    with pytest.raises(ValueError, match="no number up to 10"):
        solution(challenge(11))


async def test_everybody_brings_the_proof_and_ends_somewhere() -> None:
    ends = set()
    for seed in range(60):
        door = FakeDoor()
        told = await one(door, seed=seed)
        assert "challenge" in dict(door.asked)["POST /queue"]
        assert dict(door.asked)["POST /booking"]["queueToken"] == "a-token-of-theirs"
        assert sorted(dict(door.asked)["POST /booking"]["ticketTypes"]) == [1, 2], "rather another than none"
        (end,) = (end for end in ("paid", "gave_up", "lapsed") if getattr(told, end))
        assert (told.coming, told.in_room, told.admitted, told.holding, told.faulty) == (0, 0, 0, 0, 0)
        assert told.tickets_paid == (2 if end == "paid" else 0)
        ends.add(end)
    assert ends == {"paid", "gave_up", "lapsed"}


async def test_who_finds_nothing_left_is_told_apart_from_who_is_answered_wrongly() -> None:
    assert (await one(FakeDoor(POST_booking=(409, {"code": "sold_out"})))).sold_out == 1
    told = await one(FakeDoor(POST_booking=(500, {"code": "internal", "detail": "Oh."})))
    assert (told.faulty, told.fault) == (1, "POST /booking: 500 internal Oh.")
    told = await one(FakeDoor(POST_queue=(201, {})))
    assert told.faulty == 1, "an answer without what it must have harms nobody else"
    assert "token" in told.fault


async def pushing(door: FakeDoor, number: int, looks: int) -> Told:
    told = Told()
    bot = asyncio.create_task(Bots(door, EVENT, random.Random(5), told).bot(number, comes_seconds=0))
    while len(door.asked) < looks and not bot.done():  # noqa: ASYNC110 - every turn of the loop is a try
        await asyncio.sleep(0)
    told.over = True
    await bot
    return told


async def test_bots_are_counted_by_what_stopped_them() -> None:
    door = FakeDoor(POST_booking=(403, {"code": "queue_required"}))
    door.answers["POST /queue"] = (403, {"code": "challenge_required"})
    told = await pushing(door, 1, 60)
    assert set(told.bots_refused_by) == {"queue_required", "challenge_required"}
    assert told.bots_refused == sum(told.bots_refused_by.values()) > 40
    assert told.bots_passed == 0
    names = {body["userId"] for name, body in door.asked if name == "POST /queue"}
    assert len(names) > 5, "it comes under many names"


async def test_one_in_some_asks_much_too_often() -> None:
    door = FakeDoor(POST_booking=(429, {"code": "rate_limited"}))
    told = await pushing(door, bots.FLOODS_EVERY, 1)
    assert told.bots_refused_by == {"rate_limited": bots.FLOOD}


async def test_a_bot_that_passes_somebody_is_told() -> None:
    told = await pushing(FakeDoor(POST_booking=(201, HELD), POST_queue=(201, {"token": "its-own-token"})), 1, 80)
    assert told.bots_passed > 0
    assert told.bots_in_turn == 1, "which is what a place of its own is for"
    refused = await pushing(FakeDoor(POST_booking=(503, {"code": "no_primary"})), 1, 30)
    assert refused.bots_refused == 0, "nobody was there to stop it"


PLAN = Plan(("http://127.0.0.1:1",), "", 5, 0, 2, 600, opens_seconds=0, arrive_seconds=1)


async def test_the_event_asks_for_a_proof_where_one_machine_can_bring_it_for_all() -> None:
    made = EVENT | {"id": 7}
    for number_max, wanted in ((WORK_MAX, "proof_of_work"), (WORK_MAX + 1, "none")):
        door = FakeDoor(POST_events=(201, made), GET_cluster=(200, {"members": [{"address": "http://127.0.0.1:2"}]}))
        door.answers["GET /challenge"] = (200, challenge(number_max=number_max))
        told = Told()
        await rehearse(PLAN, door, told)  # type: ignore[arg-type]
        wish = dict(door.asked)["POST /events"]
        assert wish["challenge"] == wanted
        assert wish["waitingRoom"] == {"admitPerMinute": round(600 / crowd.TICKETS_EACH / crowd.SELLS_SECONDS * 60)}
        assert door.nodes == ["http://127.0.0.1:1", "http://127.0.0.1:2"], "all of them, so that one may go"
        assert (told.event_id, told.joined, told.over) == (7, 5, True)


async def test_without_an_event_it_does_not_begin() -> None:
    door = FakeDoor(POST_events=(403, {"detail": "Organisers alone."}))
    with pytest.raises(CannotBegin, match="could not be made: Organisers alone"):
        await rehearse(PLAN, door, Told())  # type: ignore[arg-type]
