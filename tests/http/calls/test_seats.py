"""Seat maps over HTTP: made with an event, shown with each seat's status, and booked by the seat."""

import asyncio
import json
from typing import Any

import pytest

from onsale.http.render import seats as render
from onsale.tests.http.api_calls import SEAT_MAP, Calls, Got

TYPES = [
    {"name": "Stalls", "price": "49.90", "capacity": 4},
    {"name": "Circle", "price": "20.00", "capacity": 3},
    {"name": "Floor", "price": "10.00", "capacity": 100},
]
SECTIONS: list[dict[str, Any]] = [
    {"name": "L\u00e9ft", "ticketType": "Stalls", "rows": [{"name": 'A"1', "seats": 2}, {"name": "B", "seats": 2}]},
    {"name": "Top", "ticketType": 2, "rows": [{"name": "A", "seats": [1, 2, 3], "accessible": [3], "companions": [2]}]},
]


@pytest.fixture
async def calls() -> Calls:
    made = Calls()
    assert await made.event(ticketTypes=TYPES, seatMap={"sections": SECTIONS}, maxPerUser=20) == 1
    return made


async def book(calls: Calls, *seats: str, **fields: Any) -> Got:
    return await calls("POST", "/booking", {"userId": "ada", "eventId": 1, "seats": seats or None} | fields)


async def statuses(calls: Calls) -> dict[str, str]:
    got = await calls("GET", "/events/1/seats")
    rows = (row for section in got.json()["sections"] for row in section["rows"])
    return {seat["id"]: seat["status"] for row in rows for seat in row["seats"]}


async def test_the_whole_map(calls: Calls) -> None:
    await book(calls, 'L\u00e9ft/A"1/2')
    await calls.paid(1, "bob", seats=["Top/A/3"])
    got = await calls("GET", "/events/1/seats")
    assert got.status == 200
    assert got.headers["Cache-Control"] == "public, s-maxage=1, stale-while-revalidate=1"

    def seat(name: str, status: str = "available", kind: str = "standard") -> dict[str, Any]:
        return {"id": name, "number": int(name[-1]), "kind": kind, "status": status}

    assert got.json() == {
        "eventId": 1,
        "seq": got.seq,
        "available": 5,
        "sections": [
            {
                "name": "L\u00e9ft",
                "ticketTypeId": 1,
                "ticketType": "Stalls",
                "price": "49.90",
                "currency": "EUR",
                "rows": [
                    {"name": 'A"1', "seats": [seat('L\u00e9ft/A"1/1'), seat('L\u00e9ft/A"1/2', "held")]},
                    {"name": "B", "seats": [seat("L\u00e9ft/B/1"), seat("L\u00e9ft/B/2")]},
                ],
            },
            {
                "name": "Top",
                "ticketTypeId": 2,
                "ticketType": "Circle",
                "price": "20.00",
                "currency": "EUR",
                "rows": [
                    {
                        "name": "A",
                        "seats": [
                            seat("Top/A/1"),
                            seat("Top/A/2", kind="companion"),
                            seat("Top/A/3", "sold", "accessible"),
                        ],
                    }
                ],
            },
        ],
    }


async def test_the_map_follows_every_change(calls: Calls) -> None:
    free = await statuses(calls)
    assert set(free.values()) == {"available"}
    booking = (await book(calls, "L\u00e9ft/B/1", "L\u00e9ft/B/2")).json()["bookingId"]
    assert await statuses(calls) == free | {"L\u00e9ft/B/1": "held", "L\u00e9ft/B/2": "held"}
    pay = {"userId": "ada", "eventId": 1, "amount": "99.80"}
    paid = await calls("POST", "/pay", pay)
    assert [ticket["seat"] for ticket in paid.json()["tickets"]] == ["L\u00e9ft/B/1", "L\u00e9ft/B/2"]
    assert await statuses(calls) == free | {"L\u00e9ft/B/1": "sold", "L\u00e9ft/B/2": "sold"}
    await calls("POST", f"/booking/{booking}/refund")
    assert await statuses(calls) == free
    await book(calls, "Top/A/1")
    assert (await statuses(calls))["Top/A/1"] == "held"
    calls.gateway.pass_time(300_000)
    assert await statuses(calls) == free


async def test_a_new_price_or_name_is_shown_at_once(calls: Calls) -> None:
    await calls("GET", "/events/1/seats")
    await calls("PATCH", "/events/1", {"ticketTypes": [{"id": 2, "name": "Gods", "price": "21.00"}]})
    _, top = (await calls("GET", "/events/1/seats")).json()["sections"]
    assert (top["ticketType"], top["price"]) == ("Gods", "21.00")


async def test_what_was_seen_is_not_sent_again(calls: Calls) -> None:
    first = await calls("GET", "/events/1/seats")
    again = await calls("GET", "/events/1/seats", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    await book(calls, "Top/A/1")
    assert (await calls("GET", "/events/1/seats", If_None_Match=first.headers["ETag"])).status == 200


async def test_a_booking_says_its_seats(calls: Calls) -> None:
    got = await book(calls, "Top/A/2", "Top/A/1")
    assert (got.status, got.json()["quantity"], got.json()["seats"]) == (201, 2, ["Top/A/1", "Top/A/2"])
    shown = (await calls("GET", f"/booking/{got.json()['bookingId']}")).json()
    assert (shown["seats"], shown["ticketType"]) == (["Top/A/1", "Top/A/2"], "Circle")
    best = await book(calls, ticketType="Stalls", quantity=2)
    assert best.json()["seats"] == ['L\u00e9ft/A"1/1', 'L\u00e9ft/A"1/2']
    on_the_floor = await book(calls, ticketType="Floor")
    assert on_the_floor.json()["seats"] == []
    wheelchair = await book(calls, ticketType="Circle", accessible=1)
    assert wheelchair.json()["seats"] == ["Top/A/3"]


async def test_seats_that_cannot_be_had(calls: Calls) -> None:
    await book(calls, "Top/A/1")
    for seats, status, code, named in (
        (["Top/A/2", "Top/A/1"], 409, "sold_out", ["Top/A/1"]),
        (["Top/A/9", "Top/A/2"], 422, "invalid_seats", ["Top/A/9"]),
        (["Top/A/2", "Top/A/2"], 422, "invalid_seats", ["Top/A/2"]),
        (["Top/A/2", "L\u00e9ft/B/1"], 422, "invalid_seats", ["Top/A/2", "L\u00e9ft/B/1"]),
        (["\0", "\ud7ff", "%"], 422, "invalid_seats", ["\0", "\ud7ff", "%"]),
    ):
        got = await book(calls, *seats)
        assert (got.status, got.code, got.json()["seats"]) == (status, code, named)
    got = await book(calls, "Top/A/2", quantity=2)
    assert (got.status, got.code) == (422, "invalid_seats")
    for fields in ({"seats": ["x" * 500]}, {"seats": "Top/A/1"}, {"seats": [1]}, {"accessible": -1}):
        got = await book(calls, **fields)
        assert (got.status, got.code) == (400, "invalid_field")
    assert (await book(calls, "Top/A/2", ticketTypes=["Circle", "Floor"])).status == 201


async def test_an_empty_list_of_seats_is_the_best_available(calls: Calls) -> None:
    got = await book(calls, seats=[], ticketType="Stalls")
    assert (got.status, got.json()["quantity"]) == (201, 1)


async def test_events_without_a_map(calls: Calls) -> None:
    await calls.event()
    got = await calls("GET", "/events/2/seats")
    assert (got.status, got.code) == (404, "not_found")
    for event_id, status, code in ((9, 404, "no_such_event"), ("x", 400, "invalid_field")):
        got = await calls("GET", f"/events/{event_id}/seats")
        assert (got.status, got.code) == (status, code)
    assert (await calls("GET", "/events/2")).json()["seats"] == 0
    assert (await calls("GET", "/events/1")).json()["seats"] == 7


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rows": []}, "seatMap.sections[0].rows"),
        ({"ticketType": "Nobody"}, "seatMap.sections[0].ticketType"),
        ({"name": "a/b"}, "seatMap.sections[0].name"),
        ({"rows": [{"name": "A", "seats": [1, 3]}]}, "seatMap.sections[0].rows[0].seats"),
        ({"rows": [{"name": "A", "seats": ["1", 2]}, {"name": "A", "seats": 2}]}, "seatMap.sections[0].rows[1].name"),
        ({"rows": [{"name": "A\n", "seats": 4}]}, "seatMap.sections[0].rows[0].name"),
        ({"rows": [{"name": "A", "seats": 3}]}, "ticketTypes"),
    ],
)  # fmt: skip
async def test_maps_that_make_no_sense(calls: Calls, changes: dict[str, Any], field: str) -> None:
    seat_map = {"sections": [SECTIONS[0] | changes, SECTIONS[1]]}
    got = await calls("PATCH", "/events/1", {"seatMap": seat_map})
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", field)


@pytest.mark.parametrize(
    "seat_map", [{}, {"sections": []}, {"sections": [{}]}, [], {"sections": [SECTIONS[0]], "x": 1}]
)
async def test_maps_that_are_none(calls: Calls, seat_map: Any) -> None:
    assert (await calls("PATCH", "/events/1", {"seatMap": seat_map})).status == 400


async def test_a_map_is_changed_and_removed_only_while_nothing_is_booked(calls: Calls) -> None:
    got = await calls("PATCH", "/events/1", {"seatMap": {"sections": SECTIONS[:1]}})
    assert (got.status, got.json()["seats"]) == (200, 4)
    assert len(await statuses(calls)) == 4
    await book(calls, "L\u00e9ft/B/1")
    got = await calls("PATCH", "/events/1", {"seatMap": None})
    assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "seatMap")
    await calls.event(seatMap=SEAT_MAP)
    assert (await calls("PATCH", "/events/2", {"seatMap": None})).json()["seats"] == 0
    assert (await calls("GET", "/events/2/seats")).status == 404


async def test_a_map_that_changes_while_it_is_made(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "SEATS_PER_TURN", 1)
    reading = asyncio.create_task(calls("GET", "/events/1/seats"))
    await asyncio.sleep(0)
    await calls("PATCH", "/events/1", {"seatMap": {"sections": SECTIONS[1:]}})
    shown = (await reading).json()
    assert [section["name"] for section in shown["sections"]] == ["Top"]
    assert shown["seq"] == calls.gateway.state.seq


async def test_a_map_that_is_removed_while_it_is_made(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "SEATS_PER_TURN", 1)
    reading = asyncio.create_task(calls("GET", "/events/1/seats"))
    await asyncio.sleep(0)
    await calls("PATCH", "/events/1", {"seatMap": None})
    assert ((await reading).status, (await reading).code) == (404, "not_found")


async def test_others_have_their_turn_while_a_map_is_made(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "SEATS_PER_TURN", 1)
    reading = asyncio.create_task(calls("GET", "/events/1/seats"))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
        if turns == 2:
            await book(calls, "Top/A/1", "Top/A/2")
    shown = (await reading).json()
    assert turns > 2
    assert json.dumps(shown).count('"held"') == 2, "as it is at its seq"
    assert shown["seq"] == calls.gateway.state.seq


async def test_maps_of_many_events_are_not_all_kept(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "MAPS_KEPT", 2)
    for event_id in range(2, 6):
        await calls.event(seatMap=SEAT_MAP)
        assert (await calls("GET", f"/events/{event_id}/seats")).status == 200
    assert len(calls.api.seat_maps._maps) == 2
    assert set((await statuses(calls)).values()) == {"available"}
