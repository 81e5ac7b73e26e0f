"""How many come in, whom tickets will reach, and how long it takes: as numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.admission import (
    PACE_US,
    PEOPLE_PER_TICKET_MAX,
    Stock,
    allowed,
    due_us,
    paced,
    reached,
    served_by,
    stock_of,
    used_up_us,
    wait_ms,
)
from onsale.engine.limits import ADMIT_PER_MINUTE_MAX
from onsale.engine.records import Room, TicketType


def a_room(admit_per_minute: int = 60, **more: Any) -> Room:
    room = Room(1, admit_per_minute, None, None, False, True, 600_000, 2, b"")
    for name, value in more.items():
        setattr(room, name, value)
    return room


def a_type(capacity: int, held: int = 0, sold: int = 0, waiting: int = 0) -> TicketType:
    return TicketType(1, 1, "Standing", 1000, capacity, held, sold, waiting)


@pytest.mark.parametrize(
    ("types", "strict", "expected"),
    [
        ([a_type(10)], True, Stock(10, 0, 10)),
        ([a_type(10, held=4, sold=2)], True, Stock(4, 0, 8)),
        ([a_type(100, held=50)], True, Stock(50, 5, 100)),
        ([a_type(100, held=50, waiting=3)], True, Stock(0, 2, 100)),  # what is free is theirs who wait
        ([a_type(100, held=50, waiting=3)], False, Stock(50, 2, 100)),  # what is free fits none of those who wait
        ([a_type(10, sold=10), a_type(5)], True, Stock(5, 0, 5)),
    ],
)
def test_stock(types: list[TicketType], strict: bool, expected: Stock) -> None:
    assert stock_of(types, a_room(), strict=strict) == expected


def test_what_comes_back_is_learned() -> None:
    assert stock_of([a_type(100, held=100)], a_room(holds_lost=50, holds_paid=50), strict=True).coming == 46
    assert stock_of([a_type(100, held=100)], a_room(holds_paid=1_000), strict=True).coming == 0


def test_what_people_take_is_learned() -> None:
    assert served_by(100, a_room(), 10) == 100
    assert served_by(100, a_room(), 1) == 100
    assert served_by(100, a_room(turns_taken=90, tickets_taken=360), 10) == 27
    assert served_by(100, a_room(turns_taken=50, turns_missed=40, tickets_taken=50), 10) == 166
    assert served_by(1, a_room(), 10) == 1
    assert served_by(0, a_room(), 10) == 0
    assert served_by(1, a_room(turns_missed=1_000), 10) == PEOPLE_PER_TICKET_MAX


def test_who_is_inside_and_holds_nothing_is_reckoned_with() -> None:
    stock = Stock(10, 0, 10)
    assert reached(stock, a_room(), 1) == 10
    assert reached(stock, a_room(inside=7, holding=3), 1) == 6
    assert reached(stock, a_room(inside=30), 1) == 0


def test_allowed() -> None:
    stock = Stock(10, 0, 10)
    assert allowed(stock, a_room(waiting=3), 1) == 3
    assert allowed(stock, a_room(waiting=30), 1) == 10
    assert allowed(stock, a_room(waiting=30, max_inside=5, inside=3), 1) == 2
    assert allowed(stock, a_room(waiting=30, max_inside=5, inside=9), 1) == 0
    assert allowed(Stock(0, 9, 9), a_room(waiting=30), 1) == 0  # not before it has come back
    assert allowed(Stock(0, 0, 0), a_room(waiting=30, by_stock=False), 1) == 30


@given(st.integers(1, ADMIT_PER_MINUTE_MAX), st.lists(st.integers(1, 3_000), min_size=1, max_size=50))
def test_the_rate_is_kept_and_whoever_is_due_comes_in(admit_per_minute: int, pauses_ms: list[int]) -> None:
    room, now_us, people = a_room(admit_per_minute), 1_000_000_000, 0
    begun_us = now_us
    for pause_ms in pauses_ms:
        by_rate, from_us = paced(room, now_us)
        if now_us >= due_us(room):
            assert by_rate >= 1
        if by_rate:
            people += by_rate
            room.paced_us = used_up_us(room, from_us, by_rate)
            assert from_us < room.paced_us <= now_us
        now_us += pause_ms * 1000
    lasted_us = now_us - begun_us
    assert people <= (lasted_us + max(1_000_000, 60_000_000 // admit_per_minute)) * admit_per_minute / 60_000_000 + 1


def test_a_fast_rate_lets_several_in_at_a_time() -> None:
    room = a_room(60_000, paced_us=5_000_000)
    assert due_us(room) == 5_000_000 + PACE_US
    assert paced(room, due_us(room))[0] == 100


def test_the_wait_follows_from_rate_room_and_stock() -> None:
    plenty = Stock(10_000, 0, 10_000)
    assert wait_ms(a_room(60), plenty, 1, 0) == 0
    assert wait_ms(a_room(60), plenty, 1, 30) == 30_000
    assert wait_ms(a_room(60_000, max_inside=10, inside=10), plenty, 1, 0) == 300_000
    assert wait_ms(a_room(60_000, max_inside=10, inside=10), plenty, 1, 25) == 900_000
    assert wait_ms(a_room(60_000, inside=10), Stock(20, 0, 20), 1, 5) == 5
    assert wait_ms(a_room(60_000, inside=20), Stock(20, 0, 20), 1, 5) == 300_000
