"""Each invariant of rooms, seats, challenges and several lines notices what it is there for."""

from collections.abc import Callable
from typing import Any

import pytest

from onsale.engine import commands as c
from onsale.engine.invariants import check
from onsale.engine.records import Challenge, Place, Room
from onsale.engine.status import PLACE_ADMITTED, PLACE_HOLDING, PLACE_INSIDE, PLACE_WAITING
from onsale.tests.engine.audit.test_onsale import onsale
from onsale.tests.engine.histories import HOLD_MS, History


def busy() -> History:
    """As for the audit; and booking 6 waits for any of two types."""
    history = onsale()
    history.do(c.Book("eve", 2, HOLD_MS, quantity=1, ticket_types=("One", "Two")))
    for table in history.state.tables.values():
        table.take_changes()
    check(history.state)
    return history


def room(h: History) -> Room:
    return h.state.rooms.rows[1]


def booking(h: History, number: int) -> Any:
    return h.state.bookings.rows[number]


def place(h: History, *statuses: int) -> Place:
    return next(place for place in h.state.places.rows.values() if place.status in statuses)


SPOILT: dict[str, Callable[[History], object]] = {
    "stands under another's number": lambda h: setattr(place(h, PLACE_WAITING), "arrival", 9),
    "has the unknown status": lambda h: setattr(place(h, PLACE_WAITING), "status", 99),
    "came at seq": lambda h: setattr(place(h, PLACE_WAITING), "seq", 10**6),
    "is to come yet": lambda h: setattr(place(h, PLACE_WAITING), "joined_ms", 10**15),
    "waits, and its turn ends": lambda h: setattr(place(h, PLACE_WAITING), "expires_ms", 5),
    "is inside, from": lambda h: setattr(place(h, *PLACE_INSIDE), "admitted_ms", 0),
    "misses places": lambda h: setattr(room(h), "arrivals", 7),
    "places stand in no room": lambda h: h.state.rooms.rows.clear(),
    "served 9 of": lambda h: setattr(room(h), "served_through", 9),
    "by lot": lambda h: setattr(room(h), "shuffled", 9),
    "is not open, and served": lambda h: setattr(room(h), "opened", False),
    "is open, and is to open yet": lambda h: setattr(room(h), "state", 1),
    "unknown state 9": lambda h: setattr(room(h), "state", 9),
    "waiting, inside, holding": lambda h: setattr(room(h), "inside", 7),
    "several places": lambda h: [setattr(each, "user_id", "one") for each in h.state.places.rows.values()],
    "its waiting room is there": lambda h: setattr(room(h), "removed", True),
    "and its bookings differ": lambda h: (
        setattr(place(h, PLACE_HOLDING), "status", PLACE_ADMITTED),
        setattr(room(h), "holding", 0),
    ),
    "the turns that end": lambda h: h.state.room_turns.add(5, 1 << 32 | 1),
    "emptying differs": lambda h: h.state.rooms_emptying.update({1: None}),
    "is another's": lambda h: setattr(room(h), "event_id", 2),
    "challenges are in order": lambda h: h.state.challenge_order.pop(),
    "challenges stand twice in the order": lambda h: h.state.challenge_order.append(
        (h.state.challenge_order.pop(), h.state.challenge_order[0])[1]
    ),
    "challenges stand in the order that": lambda h: h.state.challenge_order.append(
        Challenge(h.state.challenge_order.pop().digest, 5)
    ),
    "a challenge stands under": lambda h: setattr(h.state.challenge_order[0], "digest", b"x" * 16),
    "4 challenges are in order, 5": lambda h: h.state.challenges.rows.update({b"y" * 16: Challenge(b"y" * 16, 5)}),
    "seat maps and seatings differ": lambda h: setattr(h.state.sales[1], "seating", None),
    "for 2 tickets": lambda h: setattr(booking(h, 1), "seats", "1"),
    "has the seats 2,1": lambda h: setattr(booking(h, 1), "seats", "2,1"),
    "its bookings make it": lambda h: setattr(booking(h, 1), "seats", "4,5"),
    "tickets and 6 seats": lambda h: setattr(h.state.ticket_types.rows[1], "capacity", 8),
    "stands in the lines": lambda h: setattr(booking(h, 3), "also", "3:9"),
    "waits at another event": lambda h: setattr(booking(h, 6), "also", "1:1"),
    "stands twice in one line": lambda h: setattr(booking(h, 6), "also", "3:5"),
    "waits, and has had its offer": lambda h: setattr(booking(h, 6), "offered", True),
    "counts (2, 0, 2)": lambda h: setattr(booking(h, 6), "also", ""),
}


@pytest.mark.parametrize(("named", "spoils"), SPOILT.items(), ids=SPOILT)
def test_a_fault_is_named(named: str, spoils: Callable[[History], object]) -> None:
    history = busy()
    spoils(history)
    with pytest.raises(AssertionError) as found:
        check(history.state)
    assert named in str(found.value), found.value
