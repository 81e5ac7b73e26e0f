"""Events over the API: fields as promised, statuses, pages, and what organisers do."""

from typing import Any

import pytest

from onsale.engine.commands import DisableWebhook, SettleDelivery, SettleRefund
from onsale.tests.http.api_calls import EVENT, Calls, Got

ITEM_FIELDS = {
    "id", "name", "startsAt", "endsAt", "venue", "city", "country", "category", "status", "currency", "priceFrom",
    "available",
}  # fmt: skip
DETAIL_FIELDS = ITEM_FIELDS | {
    "description", "onSaleAt", "maxPerUser", "maxHoldsPerUser", "waitlist", "challenge", "ticketTypes", "waitingRoom",
    "offerSeconds", "seats",
}  # fmt: skip
TYPE_FIELDS = {"id", "name", "price", "capacity", "available", "held", "sold", "waiting"}
DAY_MS = 86_400_000


@pytest.fixture
def calls() -> Calls:
    return Calls()


def next_page(got: Got) -> str | None:
    link = got.headers.get("Link")
    if link is None:
        return None
    assert link.startswith("<")
    assert link.endswith('>; rel="next"')
    return link[1 : link.index(">")]


async def test_a_new_event_is_answered_in_full(calls: Calls) -> None:
    got = await calls(
        "POST",
        "/events",
        {
            "name": "Jazz Night",
            "startsAt": "2026-12-24T20:00:00+01:00",
            "endsAt": "2026-12-24T22:00:00.5Z",
            "venue": "Club",
            "city": "Köln",
            "country": "DE",
            "category": "music",
            "description": "Trio",
            "currency": "JPY",
            "onSaleAt": "2026-12-01T00:00:00Z",
            "maxPerUser": 4,
            "maxHoldsPerUser": 2,
            "waitlist": "first_fit",
            "ticketTypes": [
                {"name": "Seat", "price": "7000", "capacity": 10},
                {"name": "Standing", "price": "500", "capacity": 5},
            ],
        },
    )
    assert got.status == 201
    assert got.headers["Location"] == "/events/1"
    assert got.headers["Cache-Control"] == "private, no-store"
    counts = {"held": 0, "sold": 0, "waiting": 0}
    assert got.json() == {
        "id": 1,
        "name": "Jazz Night",
        "startsAt": "2026-12-24T19:00:00.000Z",
        "endsAt": "2026-12-24T22:00:00.500Z",
        "venue": "Club",
        "city": "Köln",
        "country": "DE",
        "category": "music",
        "description": "Trio",
        "status": "upcoming",
        "currency": "JPY",
        "priceFrom": "500",
        "available": 15,
        "onSaleAt": "2026-12-01T00:00:00.000Z",
        "maxPerUser": 4,
        "maxHoldsPerUser": 2,
        "waitlist": "first_fit",
        "challenge": "none",
        "ticketTypes": [
            {"id": 1, "name": "Seat", "price": "7000", "capacity": 10, "available": 10, **counts},
            {"id": 2, "name": "Standing", "price": "500", "capacity": 5, "available": 5, **counts},
        ],
        "waitingRoom": None,
        "offerSeconds": None,
        "seats": 0,
        "webhookUrl": None,
        "webhookSecret": None,
        "seq": 1,
    }
    assert got.seq == 1
    read = await calls("GET", "/events/1")
    assert read.json() == {name: value for name, value in got.json().items() if name in DETAIL_FIELDS}


async def test_fields_are_the_promised_ones(calls: Calls) -> None:
    event_id = await calls.event()
    (item,) = (await calls("GET", "/events")).json()
    assert set(item) == ITEM_FIELDS
    detail = (await calls("GET", f"/events/{event_id}")).json()
    assert set(detail) == DETAIL_FIELDS
    assert set(detail["ticketTypes"][0]) == TYPE_FIELDS
    assert {name: detail[name] for name in item} == item


async def test_availability_is_the_live_counts(calls: Calls) -> None:
    event_id = await calls.event(ticketTypes=[{"name": "S", "price": "1", "capacity": 5}])
    await calls.paid(event_id, "ada", quantity=2)
    await calls.held(event_id, "bob", quantity=2)
    got = await calls("POST", "/booking", {"userId": "eve", "eventId": event_id, "quantity": 2})
    assert got.status == 202
    expected: dict[str, Any] = {
        "eventId": event_id,
        "status": "on_sale",
        "available": 1,
        "ticketTypes": [{"id": 1, "name": "S", "available": 1, "held": 2, "sold": 2, "waiting": 1}],
    }
    assert (await calls("GET", f"/events/{event_id}/availability")).json() == expected
    assert calls.at_once("GET", f"/events/{event_id}/availability").json() == expected


async def test_the_status_follows_time_and_stock(calls: Calls) -> None:
    one = [{"name": "S", "price": "1", "capacity": 1}]
    event_id = await calls.event(
        onSaleAt="2026-11-23T10:00:00Z", startsAt="2026-11-25T10:00:00Z", endsAt="2026-11-25T12:00:00Z", ticketTypes=one
    )

    async def statuses() -> set[str]:
        detail, counts = f"/events/{event_id}", f"/events/{event_id}/availability"
        items = (await calls("GET", "/events")).json()
        return {(await calls("GET", detail)).json()["status"], (await calls("GET", counts)).json()["status"]} | {
            items[0]["status"]
        }

    assert await statuses() == {"upcoming"}
    calls.gateway.pass_time(DAY_MS)
    assert await statuses() == {"on_sale"}
    await calls.held(event_id)
    assert await statuses() == {"sold_out"}
    calls.gateway.clock_ms += 2 * DAY_MS + 7_199_999
    assert await statuses() == {"sold_out"}
    calls.gateway.clock_ms += 1
    assert await statuses() == {"ended"}
    calls.gateway.pass_time(1)
    assert await statuses() == {"ended"}
    await calls("POST", f"/events/{event_id}/cancel")
    assert await statuses() == {"cancelled"}


async def test_lists_come_in_pages(calls: Calls) -> None:
    for number in range(7):
        await calls.event(name=f"Rock & Roll {number}")
    seen, target, pages = [], "/events?search=rock+%26+roll&limit=3", 0
    while target:
        got = await calls("GET", target)
        seen += [each["id"] for each in got.json()]
        target, pages = next_page(got) or "", pages + 1
        assert not target or "search=rock+%26+roll&limit=3&cursor=" in target
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert pages == 3
    assert len((await calls("GET", "/events?limit=100")).json()) == 7
    assert (await calls("GET", "/events?limit=7")).headers.get("Link") is None


async def test_a_page_has_twenty_unless_told(calls: Calls) -> None:
    for _ in range(21):
        await calls.event()
    got = await calls("GET", "/events")
    assert len(got.json()) == 20
    assert next_page(got)


async def test_filters_reach_the_index(calls: Calls) -> None:
    await calls.event(name="Jazz", city="Rome", category="music", startsAt="2026-12-24T23:59:59.999Z")
    await calls.event(name="Opera", city="Köln", category="stage", startsAt="2026-12-25T00:00:00Z")

    async def found(query: str) -> list[str]:
        got = await calls("GET", f"/events?{query}")
        assert got.status == 200, got.body
        return [each["name"] for each in got.json()]

    assert await found("search=&name=&start_date=&end_date=&city=&category=&limit=&cursor=") == ["Jazz", "Opera"]
    assert await found("name=opera") == ["Opera"]
    assert await found("city=K%C3%B6ln&category=stage") == ["Opera"]
    assert await found("end_date=2026-12-24") == ["Jazz"]
    assert await found("start_date=2026-12-25") == ["Opera"]
    assert await found("start_date=2026-12-25T01:00:00%2B01:00") == ["Opera"]
    assert await found("start_date=2026-12-25T01:00:00+01:00&end_date=2026-12-25T00:00:00Z") == ["Opera"]
    assert await found("start_date=2027-01-01&end_date=2026-01-01") == []
    assert await found("search=%00") == []


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "invalid_field", "limit"),
        ("limit=101", "invalid_field", "limit"),
        ("limit=many", "invalid_field", "limit"),
        ("cursor=nonsense", "invalid_field", "cursor"),
        ("start_date=yesterday", "invalid_field", "start_date"),
        ("end_date=2026-02-30", "invalid_field", "end_date"),
        ("search=%ff", "invalid_field", "search"),
        ("limit=1&limit=2", "invalid_field", "limit"),
        ("startDate=2026-01-01", "unknown_field", "startDate"),
    ],
)
async def test_searches_are_refused_by_parameter(calls: Calls, query: str, code: str, field: str) -> None:
    got = await calls("GET", f"/events?{query}")
    assert (got.status, got.code, got.json()["field"]) == (400, code, field)


async def test_a_search_has_its_index_wait(calls: Calls) -> None:
    await calls.event()
    got = await calls("GET", "/events", Onsale_Min_Seq="1")
    assert (got.status, got.seq, calls.gateway.searched_min_seq) == (200, 1, 1)
    assert (await calls("GET", "/events?limit=5")).status == 200
    assert calls.gateway.searched_min_seq == 0
    calls.gateway.index_lag = 1
    assert (await calls("GET", "/events")).seq == 0, "it says which position it reflects"


async def test_a_search_index_that_stays_behind(calls: Calls) -> None:
    await calls.event()
    calls.gateway.index_lag = 1
    got = await calls("GET", "/events", Onsale_Min_Seq="1")
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, "replica_behind", "1")


async def test_a_search_that_cannot_be_made_now(calls: Calls) -> None:
    calls.gateway.is_busy = True
    got = await calls("GET", "/events")
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, "overloaded", "1")


@pytest.mark.parametrize("path", ["/events/{}", "/events/{}/availability"])
async def test_events_that_are_not_there(calls: Calls, path: str) -> None:
    await calls.event()
    for segment in ("2", "0", "-1", "9223372036854775807", "9223372036854775808", "9" * 100):
        got = await calls("GET", path.format(segment))
        assert (got.status, got.code) == (404, "no_such_event"), segment
    for segment in ("x", "1.0", "%00", "1%2F", "null"):
        got = await calls("GET", path.format(segment))
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "eventId"), segment
    assert (await calls("GET", path.format("1"))).status == 200


async def test_a_change_is_answered_with_the_event(calls: Calls) -> None:
    event_id = await calls.event(endsAt="2026-12-24T23:00:00Z", city="Rome")
    changes = {"endsAt": None, "name": "Swing", "ticketTypes": [{"id": "1", "capacity": 7}, TYPE_B]}
    got = await calls("PATCH", f"/events/{event_id}", changes)
    assert got.status == 200
    event = got.json()
    assert (event["name"], event["endsAt"], event["city"], event["available"]) == ("Swing", None, "Rome", 10)
    assert [each["name"] for each in event["ticketTypes"]] == ["Standing", "B"]
    assert event["seq"] == got.seq == 2
    read = (await calls("GET", f"/events/{event_id}")).json()
    assert read == {name: value for name, value in event.items() if name in DETAIL_FIELDS}


async def test_the_webhook_is_shown_to_organisers_alone(calls: Calls) -> None:
    url, secret = "https://example.org/hook", "whsec_event:1"
    made = (await calls("POST", "/events", EVENT | {"webhookUrl": url})).json()
    assert (made["webhookUrl"], made["webhookSecret"]) == (url, secret)
    for path in ("/events/1", "/events"):
        assert b"ebhook" not in (await calls("GET", path)).body
    kept = (await calls("PATCH", "/events/1", {"city": "Rome"})).json()
    assert (kept["webhookUrl"], kept["webhookSecret"]) == (url, secret)
    gone = (await calls("PATCH", "/events/1", {"webhookUrl": None})).json()
    assert (gone["webhookUrl"], gone["webhookSecret"]) == (None, None)
    again = await calls("PATCH", "/events/1", {"webhookUrl": url}, Idempotency_Key="k")
    assert (await calls("PATCH", "/events/1", {"webhookUrl": url}, Idempotency_Key="k")).body == again.body


async def test_the_progress_of_a_cancelled_event(calls: Calls) -> None:
    event_id = await calls.event(webhookUrl="https://example.org/hook")
    for user_id in ("ada", "bob"):
        await calls("PUT", f"/users/{user_id}", {"webhookUrl": "https://example.org/hook"})
        await calls.paid(event_id, user_id)
    path = f"/events/{event_id}/progress"
    for delivery_id in list(calls.gateway.state.deliveries.rows):
        calls.gateway.decide(SettleDelivery(delivery_id))
    nothing = {
        "eventId": event_id,
        "status": "on_sale",
        "bookingsLeft": 0,
        "refundsOwed": 0,
        "refundsFailed": 0,
        "messagesOwed": 0,
        "messagesDead": 0,
        "tellingOfChange": False,
        "toldThrough": 0,
        "tellThrough": 0,
        "webhookDisabled": False,
    }
    got = await calls("GET", path)
    assert got.json() == nothing
    assert got.headers["Cache-Control"] == "private, no-store"
    assert (await calls("POST", f"/events/{event_id}/cancel")).status == 200
    assert (await calls("GET", path)).json() == nothing | {"status": "cancelled", "bookingsLeft": 2}
    calls.gateway.pass_time(1)
    # each of the two is told by two webhooks, theirs and the organiser's
    begun = nothing | {"status": "cancelled", "refundsOwed": 2, "messagesOwed": 4}
    assert (await calls("GET", path)).json() == begun
    calls.gateway.decide(SettleRefund(1, failure="charge_disputed"))
    calls.gateway.decide(SettleDelivery(max(calls.gateway.state.deliveries.rows), "410"))
    failed = {"refundsOwed": 1, "refundsFailed": 1, "messagesOwed": 3, "messagesDead": 1}
    assert (await calls("GET", path)).json() == begun | failed


async def test_the_progress_of_telling_a_change_and_of_an_ended_sale(calls: Calls) -> None:
    event_id = await calls.event(ticketTypes=[{"name": "S", "price": "1", "capacity": 1}])
    await calls.paid(event_id)
    await calls("POST", "/booking", {"userId": "bob", "eventId": event_id})
    await calls("PATCH", f"/events/{event_id}", {"city": "Rome"})
    path = f"/events/{event_id}/progress"
    got = (await calls("GET", path)).json()
    assert (got["tellingOfChange"], got["toldThrough"], got["tellThrough"]) == (True, 0, 2)
    calls.gateway.pass_time(1)
    got = (await calls("GET", path)).json()
    assert (got["tellingOfChange"], got["toldThrough"], got["tellThrough"]) == (False, 2, 2)
    assert (got["status"], got["bookingsLeft"]) == ("sold_out", 0)
    calls.gateway.decide(DisableWebhook("https://example.org/hook", event_id=event_id))
    assert (await calls("GET", path)).json()["webhookDisabled"] is False, "it has none"


async def test_progress_of_no_event(calls: Calls) -> None:
    for event_id, code in (("999", "no_such_event"), ("0", "no_such_event"), ("x", "invalid_field")):
        assert (await calls("GET", f"/events/{event_id}/progress")).code == code


TYPE_B = {"name": "B", "price": "5", "capacity": 3}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": "XXX"}, "currency"),
        ({"endsAt": "2020-01-01T00:00:00Z"}, "endsAt"),
        ({"onSaleAt": "2030-01-01T00:00:00Z"}, "onSaleAt"),
        ({"ticketTypes": [{"id": 99}]}, "ticketTypes[0].id"),
        ({"ticketTypes": [{}]}, "ticketTypes[0]"),
        ({"ticketTypes": [{"id": 1, "price": "1.999"}]}, "ticketTypes[0].price"),
        ({"name": None}, "name"),
    ],
)
async def test_changes_are_refused_by_field(calls: Calls, changes: dict[str, Any], field: str) -> None:
    event_id = await calls.event()
    got = await calls("PATCH", f"/events/{event_id}", changes)
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", field)


async def test_a_cancelled_event_gives_everything_back(calls: Calls) -> None:
    event_id = await calls.event()
    booking_id = await calls.paid(event_id)
    for body in (None, {}):
        other_id = await calls.event()
        assert (await calls("POST", f"/events/{other_id}/cancel", body)).json()["status"] == "cancelled"
    got = await calls("POST", f"/events/{event_id}/cancel")
    assert (got.status, got.json()["status"], got.json()["seq"]) == (200, "cancelled", got.seq)
    calls.gateway.pass_time(0)
    assert (await calls("GET", f"/booking/{booking_id}")).json()["status"] == "refund_pending"
    again = await calls("POST", f"/events/{event_id}/cancel")
    assert (again.status, again.code) == (409, "event_cancelled")
    assert (await calls("POST", "/events/99/cancel")).code == "no_such_event"
    assert (await calls("POST", f"/events/{event_id}/cancel", {"why": "rain"})).code == "unknown_field"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ticketTypes": []}, "ticketTypes"),
        ({"ticketTypes": EVENT["ticketTypes"] * 2}, "ticketTypes[1].name"),  # type: ignore[operator]
        ({"ticketTypes": [{"name": "A", "price": "-1", "capacity": 1}]}, "ticketTypes[0].price"),
        ({"ticketTypes": [{"name": "A", "price": "1.001", "capacity": 1}]}, "ticketTypes[0].price"),
        ({"ticketTypes": [{"name": "A", "price": "1e3", "capacity": 1}]}, "ticketTypes[0].price"),
        ({"ticketTypes": [{"name": "A", "price": "9" * 15, "capacity": 1}]}, "ticketTypes[0].price"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "JPY"}, "ticketTypes[0].price"),
        ({"endsAt": "2020-01-01T00:00:00Z"}, "endsAt"),
    ],
)
async def test_new_events_are_refused_by_field(calls: Calls, changes: dict[str, Any], field: str) -> None:
    got = await calls("POST", "/events", EVENT | changes)
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", field)


async def test_whoever_gets_added_capacity_holds_it_as_long_as_anyone(calls: Calls) -> None:
    """Also where the node was started with another --hold-seconds than the usual 300."""
    event_id = await calls.event(ticketTypes=[{"name": "S", "price": "1", "capacity": 1}])
    await calls.held(event_id, "ada")
    waiting = (await calls("POST", "/booking", {"userId": "bob", "eventId": event_id})).json()
    calls.gateway.hold_ms = 42_000
    await calls("PATCH", f"/events/{event_id}", {"ticketTypes": [{"name": "S", "capacity": 2}]})
    promoted = (await calls("GET", f"/booking/{waiting['bookingId']}")).json()
    assert (promoted["status"], promoted["expiresInSeconds"]) == ("held", 42)
