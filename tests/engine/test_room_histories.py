"""Whatever people and operators do with a waiting room: nobody is passed, nothing is lost by a restart."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.state import State, state_hash
from onsale.engine.status import PLACE_INSIDE, PLACE_WAITING, ROOM_CLOSED, ROOM_OPEN, ROOM_PAUSED
from onsale.tests.engine.room_world import HOLD_MS, START_MS, World, stored_and_restored

USERS = [f"u-{number}" for number in range(12)]
CHANGES: list[dict[str, Any]] = [
    {"room": c.RoomChange(admit_per_minute=6)},
    {"room": c.RoomChange(admit_per_minute=6_000)},
    {"room": c.RoomChange(max_inside=2)},
    {"room": c.RoomChange(max_inside=None)},
    {"room": c.RoomChange(by_stock=False)},
    {"room": c.RoomChange(by_stock=True)},
    {"room": c.RoomChange(turn_ms=20_000)},
    {"room": c.RoomChange(state=ROOM_PAUSED)},
    {"room": c.RoomChange(state=ROOM_OPEN)},
    {"room": c.RoomChange(state=ROOM_CLOSED)},
    {"room": None},
    {"room": c.RoomChange(admit_per_minute=60)},
    {"types": (c.TypeChange(id=1, capacity=12),)},
    {"on_sale_ms": START_MS + 90_000},
    {"waitlist": 0},
    {"max_per_user": 2},
]
ACTIONS = ["join"] * 6 + ["leave", "book", "book", "book", "pay", "give_up", "wait", "wait", "long", "change"]


class Crowd(World):
    """Does whatever is drawn, and keeps who was let in after whom."""

    def __init__(self, *, shuffle: bool, opens_in_ms: int) -> None:
        room = c.RoomSpec(60, opens_ms=START_MS + opens_in_ms, shuffle=shuffle, turn_ms=60_000)
        super().__init__(capacity=6, max_per_user=4, room=room)

    def act(self, name: str, who: int, number: int) -> None:
        user = USERS[who % len(USERS)]
        has_place = self.sale.queue is not None and user in self.queue.by_user
        if name == "join":
            self.join(user)
        elif name == "leave" and has_place:
            self.leave(user)
        elif name == "book":
            self.book(user, 1 + number % 3)
        elif name == "pay":
            self.pay(user)
        elif name == "give_up":
            for booking in self.sale.bookings_of(user)[:1]:
                self.ask(c.GiveUp(booking.id, HOLD_MS))
        elif name == "wait":
            self.wait(number * 100)
        elif name == "long":
            self.wait(number * 10_000)
        elif name == "change":
            self.change(**CHANGES[number % len(CHANGES)])
        self.do_chores()

    def _note_admitted(self, fact: f.QueueAdmitted) -> None:
        """Nobody with a lower number waits behind."""
        super()._note_admitted(fact)
        numbers = [self.queue.number_of(place.arrival) for place in self._waiting()]
        passed = [number for number in numbers if number <= fact.through]
        assert self.admitted[len(self.admitted) - len(passed) :] == sorted(passed)

    def _waiting(self) -> list[Any]:
        return [each for each in self.state.places.rows.values() if each.status == PLACE_WAITING]

    def check_fair(self) -> None:
        if self.sale.queue is None:
            return
        for place in self._waiting():
            number = self.queue.number_of(place.arrival)
            assert number == 0 or number > self.room.served_through
        for booking in self.state.bookings.rows.values():
            assert self.sale.queue is not None
            if booking.arrival:
                assert booking.user_id in USERS
        inside = [each for each in self.state.places.rows.values() if each.status in PLACE_INSIDE]
        assert all(each.expires_ms > self.now_ms for each in inside)


actions = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, len(USERS) - 1), st.integers(0, 30)), min_size=5, max_size=60
)


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.sampled_from([0, 5_000]), actions)
def test_whatever_happens(shuffle: bool, opens_in_ms: int, actions: list[tuple[str, int, int]]) -> None:
    crowd = Crowd(shuffle=shuffle, opens_in_ms=opens_in_ms)
    for name, who, number in actions:
        crowd.act(name, who, number)
        crowd.check_fair()
    crowd.check_restored()


@pytest.mark.parametrize("seed", range(4))
def test_a_restart_at_any_time_changes_nothing_that_comes(seed: int) -> None:
    random = Random(seed)
    crowd = Crowd(shuffle=bool(seed % 2), opens_in_ms=5_000)
    for _ in range(400):
        crowd.act(random.choice(ACTIONS), random.randrange(12), random.randrange(31))
        if random.random() < 0.1:
            crowd.check_restored()
            crowd.state = stored_and_restored(crowd.state)  # it goes on from here
    replayed = State()
    for at_ms, fact in crowd.history:
        apply(replayed, at_ms, fact)
    assert state_hash(replayed) == state_hash(crowd.state)
    assert crowd.admitted
