"""Bodies that create and change events."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from onsale.engine.commands import ChangeEvent, CreateEvent, RoomSpec, RowSpec, SectionSpec, TypeChange, TypeSpec
from onsale.engine.status import CHALLENGE_PROOF_OF_WORK, WAITLIST_FIRST_FIT, WAITLIST_OFF
from onsale.http.problems import RefusedError
from onsale.http.wire.events import change_event_command, create_event_command

STARTS_MS = 1_795_341_600_000
TYPE = {"name": "Standing", "price": "49.90", "capacity": 100}
EVENT = {"name": "Jazz", "startsAt": "2026-11-22T10:00:00Z", "ticketTypes": [TYPE]}


def create(**changes: Any) -> CreateEvent:
    return create_event_command(json.dumps(EVENT | changes).encode(), b"")


def change(**changes: Any) -> ChangeEvent:
    return change_event_command(json.dumps(changes).encode(), 7, 300_000, b"")


def field_refused(make: Any, **changes: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        make(**changes)
    problem = json.loads(refused.value.answer.body)
    assert problem["code"] == "invalid_field", problem
    return str(problem["field"])


def test_an_event_has_defaults() -> None:
    assert create() == CreateEvent("Jazz", STARTS_MS, (TypeSpec("Standing", "49.90", 100),))


def test_an_event_takes_every_field() -> None:
    command = create(
        endsAt="2026-11-22T13:00:00+01:00",
        venue="Club",
        city="Rome",
        country="IT",
        category="music",
        description="Two\nlines\tand a tab",
        currency="JPY",
        onSaleAt="2026-11-01T00:00:00Z",
        maxPerUser=4,
        maxHoldsPerUser=2,
        waitlist="first_fit",
        challenge="proof_of_work",
        offerSeconds=120,
        waitingRoom={
            "admitPerMinute": 100,
            "maxInside": 50,
            "opensAt": "2026-11-01T00:00:00Z",
            "shuffleAtOpening": True,
        },
        seatMap={"sections": [{"name": "A", "ticketType": "Standing", "rows": [{"name": "1", "seats": 100}]}]},
    )
    assert command == CreateEvent(
        "Jazz",
        STARTS_MS,
        (TypeSpec("Standing", "49.90", 100),),
        ends_ms=STARTS_MS + 2 * 3_600_000,
        venue="Club",
        city="Rome",
        country="IT",
        category="music",
        description="Two\nlines\tand a tab",
        currency="JPY",
        on_sale_ms=STARTS_MS - 21 * 86_400_000 - 10 * 3_600_000,
        max_per_user=4,
        max_holds_per_user=2,
        waitlist=WAITLIST_FIRST_FIT,
        challenge=CHALLENGE_PROOF_OF_WORK,
        offer_ms=120_000,
        room=RoomSpec(100, 50, STARTS_MS - 21 * 86_400_000 - 10 * 3_600_000, shuffle=True, by_stock=True, turn_ms=None),
        seat_map=(SectionSpec("A", "Standing", (RowSpec("1", 100),)),),
    )


def test_null_is_the_same_as_left_out_where_nothing_is_needed() -> None:
    names = ("endsAt", "venue", "city", "country", "category", "description", "onSaleAt", "maxHoldsPerUser")
    assert create(**dict.fromkeys(names)) == create()


BAD: dict[str, list[Any]] = {
    "name": ["", " ", "x" * 201, 7, None, "a\0", "a\nb"],
    "startsAt": ["", "tomorrow", "2026-11-22", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", 1795341600, None,
                 "9999-12-31T23:59:59-23:59", "x" * 100],
    "endsAt": ["tomorrow", 7, "2026-11-22T10:00:00"],
    "onSaleAt": ["tomorrow", 7],
    "venue": ["x" * 201, 7, "a\0"],
    "city": ["x" * 201, 7, "a\tb"],
    "country": ["x" * 201, 7],
    "category": ["x" * 201, 7],
    "description": ["x" * 20_001, 7, "a\0"],
    "currency": ["", "EU", "EURO", 7, None],
    "maxPerUser": [0, -1, 1001, 1.5, "4", True, None],
    "maxHoldsPerUser": [0, -1, 1001, 1.5, "4", True],
    "waitlist": ["", "STRICT", True, 1, None],
    "challenge": ["", "captcha", None, 1],
    "offerSeconds": [0, 9, 86_401, "60", 1.5],
    "waitingRoom": [[], "x", 1],
    "seatMap": [[], "x", 1],
}  # fmt: skip


@pytest.mark.parametrize("field", BAD)
def test_events_refuse_by_field(field: str) -> None:
    for value in BAD[field]:
        assert field_refused(create, **{field: value}) == field, value
        assert field_refused(change, **{field: value}) == field, value


@pytest.mark.parametrize(
    ("ticket_types", "field"),
    [
        (None, "ticketTypes"),
        ({}, "ticketTypes"),
        ([7], "ticketTypes[0]"),
        ([TYPE, {"name": "B", "price": "1"}], "ticketTypes[1].capacity"),
        ([TYPE | {"name": ""}], "ticketTypes[0].name"),
        ([TYPE | {"name": " "}], "ticketTypes[0].name"),
        ([TYPE | {"name": "a\n"}], "ticketTypes[0].name"),
        ([TYPE | {"price": 49.9}], "ticketTypes[0].price"),
        ([TYPE | {"price": ""}], "ticketTypes[0].price"),
        ([TYPE | {"capacity": -1}], "ticketTypes[0].capacity"),
        ([TYPE | {"capacity": 10_000_001}], "ticketTypes[0].capacity"),
        ([TYPE | {"capacity": 1.5}], "ticketTypes[0].capacity"),
        ([TYPE | {"capacity": True}], "ticketTypes[0].capacity"),
    ],
)
def test_ticket_types_refuse_by_place(ticket_types: Any, field: str) -> None:
    assert field_refused(create, ticketTypes=ticket_types) == field


def test_a_change_leaves_alone_what_is_left_out() -> None:
    assert change() == ChangeEvent(7)
    assert change(city="Rome") == ChangeEvent(7, city="Rome")
    assert change().ends_ms is UNSET


def test_a_change_clears_with_null() -> None:
    command = change(endsAt=None, onSaleAt=None, maxHoldsPerUser=None, city=None)
    assert command == ChangeEvent(7, ends_ms=None, on_sale_ms=None, max_holds_per_user=None, city="")


def test_a_change_takes_ticket_types_by_id_or_name() -> None:
    command = change(
        waitlist="off",
        ticketTypes=[{"id": "3", "name": "New name"}, {"name": "Standing", "capacity": 5}, {"id": 4, "price": "1"}],
    )
    assert command == ChangeEvent(
        7,
        waitlist=WAITLIST_OFF,
        types=(TypeChange(3, "New name"), TypeChange(None, "Standing", None, 5), TypeChange(4, None, "1")),
    )
    assert field_refused(change, ticketTypes=[{"id": 0}]) == "ticketTypes[0].id"
    assert field_refused(change, ticketTypes=[{"id": str(2**63)}]) == "ticketTypes[0].id"
    assert field_refused(change, ticketTypes=[{"id": 1}, {"name": ""}]) == "ticketTypes[1].name"
