"""Lists page after page, and what a search finds."""

from typing import Any

import pytest

from onsale.tests.contract.asking import Caller

COUNT = 250


@pytest.fixture(scope="module")
def quintets(ask: Caller) -> list[int]:
    """Many alike: every second in Oslo, on 28 days in turn."""
    requests = [
        ("POST", "/events", {
            "name": f"Zebra Quintet {number:03}",
            "startsAt": f"2090-01-{1 + number % 28:02}T{number % 24:02}:00:00Z",
            "city": ("Oslo", "Zürich")[number % 2],
            "venue": "Pavilion",
            "category": "Chamber music",
            "description": "With an obbligato harmonium.",
            "ticketTypes": [{"name": "A", "price": "1", "capacity": 1}],
        })
        for number in range(COUNT)
    ]  # fmt: skip
    return [answer.json["id"] for answer in ask.at_once(*requests)]


@pytest.mark.parametrize("query", ["search=quintet", "name=zebra&limit=100", "category=chamber%20music&limit=7"])
def test_pages_have_no_gap_and_no_duplicate(ask: Caller, quintets: list[int], query: str) -> None:
    found = [event["id"] for event in ask.pages(f"/events?{query}")]
    assert len(found) == len(set(found))
    assert set(quintets) <= set(found)


def test_a_users_lists_are_newest_first(ask: Caller) -> None:
    event_id = ask.event(maxPerUser=1_000, ticketTypes=[{"name": "A", "price": "1", "capacity": 200}])
    ask.at_once(*[("POST", "/booking", {"userId": "much", "eventId": event_id})] * COUNT)
    bookings = [booking["bookingId"] for booking in ask.pages("/users/much/bookings")]
    assert bookings == sorted(set(bookings), reverse=True)
    assert len(bookings) == COUNT
    notices = [notice["id"] for notice in ask.pages("/users/much/notifications?limit=33")]
    assert notices == sorted(set(notices), reverse=True)
    assert len(notices) == 200, "those in line are told when it is their turn"
    assert len(ask("GET", "/users/much/bookings").json) == 20


def test_the_journal_is_in_order_and_resumable(ask: Caller) -> None:
    ask.event()
    facts = list(ask.pages("/journal?limit=100"))
    assert [fact["seq"] for fact in facts] == list(range(1, len(facts) + 1))
    (last,) = ask("GET", f"/journal?after_seq={len(facts) - 1}").json
    assert last == facts[-1]
    assert ask("GET", f"/journal?after_seq={len(facts)}").json == []
    assert {"seq", "at", "epoch", "type"} <= set(last)


def found(ask: Caller, query: str) -> list[Any]:
    return ask("GET", f"/events?{query}").json  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "query",
    [
        "search=quin", "search=ZEBRA", "search=qunitet", "search=zurich%20quintet", "search=z%C3%BCrich%20zebra",
        "search=harmonium", "search=pavil", "search=chamber%20zebra", "name=quintet", "name=zeb",
        "city=zurich&name=zebra",
        "city=OSLO&name=zebra", "category=chamber%20music", "search=quintet&city=Oslo&start_date=2090-01-01",
    ],
)  # fmt: skip
def test_found(ask: Caller, quintets: list[int], query: str) -> None:
    assert found(ask, query)[0]["id"] in quintets


@pytest.mark.parametrize(
    "query",
    [
        "name=harmonium", "name=pavilion", "name=oslo", "city=Zur&name=zebra", "search=ebra%20quintet%20xylophone",
        "search=zebra&city=Paris", "search=zebra&category=chamber", "search=zebra&end_date=2089-12-31",
        "search=zebra&start_date=2090-01-29", "start_date=2090-01-02&end_date=2090-01-01",
    ],
)  # fmt: skip
def test_not_found(ask: Caller, quintets: list[int], query: str) -> None:
    assert found(ask, query) == []
    assert quintets


def test_the_best_match_comes_first(ask: Caller, quintets: list[int]) -> None:
    assert found(ask, "search=zebra%20quintet%20249")[0]["id"] == quintets[249]


def test_dates_are_inclusive_days_or_instants(ask: Caller, quintets: list[int]) -> None:
    day = found(ask, "search=zebra&start_date=2090-01-05&end_date=2090-01-05&limit=100")
    assert sorted(event["id"] for event in day) == sorted(quintets[4::28])
    assert {event["startsAt"][:10] for event in day} == {"2090-01-05"}
    starts = day[0]["startsAt"]
    instant = found(ask, f"search=zebra&start_date={starts}&end_date={starts}")
    assert {event["startsAt"] for event in instant} == {starts}


def test_a_change_is_found_at_once(ask: Caller) -> None:
    event_id = ask.event(name="Okapi Solo")
    assert [event["id"] for event in found(ask, "search=okapi")] == [event_id]
    ask("PATCH", f"/events/{event_id}", {"name": "Tapir Duo"})
    assert [event["id"] for event in found(ask, "search=tapir")] == [event_id]
    assert found(ask, "search=okapi") == []
