"""Searches that are kept, and those that are asked once for many: nobody can tell them from others."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from onsale.engine.commands import CancelEvent
from onsale.http.call import Answer
from onsale.http.searches import Searches
from onsale.tests.http.api_calls import Calls, Got, as_call, as_got

DAY_MS = 86_400_000
QUERIES = [
    "", "search=jazz", "search=Jazz&limit=1", "search=jazz&limit=2&city=Z%C3%BCrich+City", "name=jazz+%26+more&limit=1",
    "start_date=2026-12-24", "end_date=2026-12-24T19:00:00%2B01:00", "start_date=2026-12-24T19:00:00+01:00",
    "limit=100", "search=", "&&search=jazz&", "category=x&city=y", "search=%00", "search=%F0%9F%8E%B8",
    "search=" + "x" * 5_000,
    "cursor=1&limit=1", "search=a%20b", "search=%22%27*(AND", "search=<script>", "limit=1&name=%0d%0aX-A:%20b",
    # and what is wrong
    "serch=jazz", "search=a&search=b", "limit=0", "limit=101", "limit=1e1", "limit=%31%30%31", "start_date=tomorrow",
    "search=%ff", "cursor=!!", "limit=٣", "search=\udcff", "=", "%", "search=%zz", "a" * 5_000,
]  # fmt: skip


@pytest.fixture
async def calls() -> Calls:
    calls = Calls()
    for name in ("Jazz Night", "Jazz & more", "Opera"):
        await calls.event(name=name, city="Zürich City")
    return calls


def fresh(calls: Calls, target: str = "/events", **headers: str) -> Got:
    """The answer of a node that has kept nothing."""
    kept, calls.api.searches = calls.api.searches, Searches()
    got = calls.at_once("GET", target, **headers)
    calls.api.searches = kept
    return got


def hold(calls: Calls) -> list[Callable[[], None]]:
    """The index's answers from now on, to be let go by calling them."""
    held: list[Callable[[], None]] = []
    calls.gateway.searches_held = held
    return held


def waiting(calls: Calls, target: str = "/events") -> list[Answer]:
    """Where the answer to a search will be."""
    answers: list[Answer] = []
    assert calls.hot(as_call("GET", target), answers.append)
    return answers


@pytest.mark.parametrize("query", QUERIES)
async def test_kept_and_new_hot_and_plain_are_one(calls: Calls, query: str) -> None:
    target = f"/events?{query}" if query else "/events"
    first = calls.at_once("GET", target)
    assert calls.at_once("GET", target) == first
    assert fresh(calls, target) == first
    assert await calls("GET", target) == first
    seq = str(calls.gateway.durable_seq)
    assert await calls("GET", target, Onsale_Min_Seq=seq) == first


async def test_what_is_kept_is_not_asked_for(calls: Calls) -> None:
    for _ in range(3):
        calls.at_once("GET", "/events?search=jazz")
        await calls("GET", "/events?search=jazz")
    assert calls.gateway.searches == 1
    await calls.event(name="Jazz again")
    assert len(calls.at_once("GET", "/events?search=jazz").json()) == 3
    assert calls.gateway.searches == 2


async def test_nobody_can_tell_a_kept_page_from_a_new_one(calls: Calls) -> None:
    chance = random.Random(5)
    for number in range(300):
        event_id = chance.randint(1, 6)
        match chance.randrange(7):
            case 0 if number % 10 == 0:
                moment = f"2026-1{chance.randint(1, 2)}-2{chance.randint(4, 9)}T10:00:00Z"
                await calls.event(onSaleAt=chance.choice([None, moment]), startsAt="2026-12-30T10:00:00Z")
            case 1:
                await calls("PATCH", f"/events/{event_id}", {"name": f"Jazz {number}"})
            case 2:
                price = {"id": event_id, "price": f"{number}.00", "capacity": chance.choice([3, 100])}
                await calls("PATCH", f"/events/{event_id}", {"ticketTypes": [price]})
            case 3:
                await calls("POST", "/booking", {"userId": f"u{number}", "eventId": event_id})
            case 4 if chance.random() < 0.1:
                calls.gateway.decide(CancelEvent(event_id))
            case 5:
                calls.gateway.pass_time(chance.choice([1, 60_000, DAY_MS // 3]))
            case _:
                await calls("PUT", f"/users/u{number}", {})
        for query in ("", "?limit=2", "?search=jazz"):
            got, expected = calls.at_once("GET", f"/events{query}"), fresh(calls, f"/events{query}")
            assert got == expected, (number, query)
    shown = {each["status"] for each in calls.at_once("GET", "/events?limit=100").json()}
    assert len(shown) > 1


async def test_a_kept_page_turns_with_time_alone(calls: Calls) -> None:
    await calls.event(onSaleAt="2026-11-23T10:00:00Z", startsAt="2026-11-24T10:00:00Z", endsAt="2026-11-24T12:00:00Z")

    def status() -> str:
        return str(calls.at_once("GET", "/events").json()[3]["status"])

    begin_ms = calls.gateway.clock_ms
    assert status() == "upcoming"
    calls.gateway.clock_ms += DAY_MS - 1
    assert status() == "upcoming"
    calls.gateway.clock_ms += 1
    assert status() == "on_sale"
    calls.gateway.clock_ms += DAY_MS + 2 * 3_600_000
    assert status() == "ended"
    calls.gateway.clock_ms = begin_ms  # a node that follows is at the time of its last fact
    assert status() == "upcoming"
    assert calls.gateway.searches == 1


@pytest.mark.parametrize("target", ["/events", "/events/1/availability"])
async def test_what_is_not_durable_is_not_shown(calls: Calls, target: str) -> None:
    before = calls.at_once("GET", target)
    calls.gateway.hold_back()
    calls.api.in_background(_ignore(calls("POST", "/booking", {"userId": "ada", "eventId": 1})))
    await _turns()
    answers = waiting(calls, target)
    assert answers == []
    calls.gateway.let_go()
    (answer,) = answers
    assert answer.body != before.body


async def test_a_question_is_asked_once_for_all(calls: Calls) -> None:
    held = hold(calls)
    answers = [waiting(calls) for _ in range(5)]
    other = waiting(calls, "/events?limit=2")
    assert (calls.gateway.searches, answers) == (2, [[]] * 5)
    calls.gateway.searches_held = None
    await calls.event(name="New")
    calls.gateway.searches_held = held
    late = waiting(calls)
    assert calls.gateway.searches == 3, "what was asked before the event came may lack it"
    for release in held:
        release()
    assert len({each[0].body for each in answers}) == len(other) == 1
    assert len(as_got(late[0]).json()) == 4
    assert calls.at_once("GET", "/events").json() == as_got(late[0]).json(), "and what is kept is the later one"
    assert calls.api.searches.waiting == 0


async def test_an_index_that_ends_in_the_middle(calls: Calls) -> None:
    calls.at_once("GET", "/events?limit=1")
    held = hold(calls)
    answers = [waiting(calls) for _ in range(3)]
    calls.gateway.is_busy = True
    held.pop()()
    for (answer,) in answers:
        got = as_got(answer)
        assert (got.status, got.code, got.headers["Retry-After"]) == (503, "overloaded", "1")
    assert as_got(waiting(calls)[0]).code == "overloaded"
    assert calls.at_once("GET", "/events?limit=1").status == 200, "what is kept is still so"
    calls.gateway.is_busy, calls.gateway.searches_held = False, None
    assert calls.at_once("GET", "/events").status == 200
    assert calls.api.searches.waiting == 0


async def test_an_accident_is_told_to_all_who_wait(calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    held = hold(calls)
    answers = [waiting(calls) for _ in range(2)]
    calls.gateway.state.sales[1].types = None  # type: ignore[assignment]
    held.pop()()
    assert [as_got(answer).code for (answer,) in answers] == ["internal"] * 2
    assert "Traceback" in caplog.text


async def test_too_many_who_wait_are_refused(calls: Calls) -> None:
    calls.api.searches = Searches(waiting_max=2)
    held = hold(calls)
    answers = [waiting(calls, f"/events?limit={number}") for number in (1, 2, 3)]
    got = as_got(answers[2][0])
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, "overloaded", "1")
    for release in held:
        release()
    assert [answer.status for (answer,) in answers] == [200, 200, 503]
    calls.gateway.searches_held = None
    assert calls.at_once("GET", "/events?limit=3").status == 200


async def test_what_is_kept_is_bounded(calls: Calls) -> None:
    searches = calls.api.searches = Searches(kept_bytes_max=40_000)
    calls.at_once("GET", "/events?limit=100")
    for number in range(200):
        calls.at_once("GET", f"/events?search=jazz&name={number}")
        calls.at_once("GET", "/events?limit=100")
        assert searches.kept_bytes <= 40_000
    asked = calls.gateway.searches
    calls.at_once("GET", "/events?limit=100")
    assert calls.gateway.searches == asked, "the one in use stays"
    calls.at_once("GET", "/events?name=0")
    assert calls.gateway.searches == asked + 1
    for _ in range(2):
        calls.at_once("GET", "/events?name=" + "x" * 2_000)
    assert calls.gateway.searches == asked + 3, "nor is a long one kept"
    await calls.event()
    for query in range(200):
        searches.kept(calls.gateway, f"search=jazz&name={query}")
    searches.kept(calls.gateway, "limit=100")
    searches.kept(calls.gateway, "name=0")
    assert searches.kept_bytes == 0


async def test_a_position_that_the_index_has_not_reached(calls: Calls) -> None:
    seq = calls.gateway.durable_seq
    assert calls.at_once("GET", "/events").seq == seq
    calls.gateway.index_lag = 1
    assert calls.at_once("GET", "/events").seq == seq - 1, "a kept page says which position it reflects"
    got = await calls("GET", "/events", Onsale_Min_Seq=str(seq))
    assert (got.status, got.code) == (503, "replica_behind")
    assert (await calls("GET", "/events", Onsale_Min_Seq=str(seq - 1))).status == 200


async def test_counts_are_kept_within_bounds(calls: Calls) -> None:
    targets = [f"/events/{event_id}/availability" for event_id in (1, 2, 3)]
    for _ in range(3):
        for target in targets:
            first = calls.at_once("GET", target)
            assert calls.at_once("GET", target) == first == await calls("GET", target)
    assert len(calls.api.counts) == 3
    calls.at_once("GET", "/events/9/availability")
    assert len(calls.api.counts) == 3


async def _ignore(made: Any) -> None:
    await made


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
