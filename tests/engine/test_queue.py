"""The queue beside the plainest model of one: a list of numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.lot import lot_of
from onsale.engine.queue import Queue
from onsale.engine.records import Place, Room
from onsale.engine.state import place_id
from onsale.engine.status import PLACE_ADMITTED, PLACE_LEFT, PLACE_WAITING

steps = st.lists(
    st.tuples(st.sampled_from(["join", "join", "leave", "admit", "open", "settle"]), st.integers(0, 40)), max_size=60
)


class Model:
    """What `changes/room.py` makes of a queue, and who waits, as a list."""

    def __init__(self, *, shuffle: bool) -> None:
        self.room = Room(1, 60, None, None, shuffle, True, 600_000, 1, b"s" * 32)
        self.queue = Queue(self.room)
        self.places: dict[int, Place] = {}

    def waiting(self) -> list[Place]:
        found = [place for place in self.places.values() if place.status == PLACE_WAITING]
        return sorted(found, key=lambda place: self.queue.number_of(place.arrival))

    def join(self, _: int) -> None:
        self.room.arrivals += 1
        number = place_id(1, self.room.arrivals)
        self.places[number] = Place(number, 1, self.room.arrivals, f"u-{number}", PLACE_WAITING, 0, 0)

    def leave(self, which: int) -> None:
        waiting = self.waiting()
        if waiting:
            place = waiting[which % len(waiting)]
            place.status = PLACE_LEFT
            self.queue.leave(place.arrival)

    def admit(self, people: int) -> None:
        if not self.queue.drawn:
            return
        expected = self.waiting()[:people]
        through, found = self.queue.next_people(self.places, people)
        assert found == expected
        assert self.queue.people_through(self.places, through) == expected
        self.room.served_through = through
        for place in found:
            place.status = PLACE_ADMITTED

    def open(self, _: int) -> None:
        if not self.room.opened:
            self.room.opened = True
            if self.room.shuffle:
                self.room.shuffled, self.room.lot = self.room.arrivals, lot_of(self.room.seed, b"")

    def settle(self, limit: int) -> None:
        self.queue.settle(limit)


@given(st.booleans(), steps)
def test_positions_and_who_is_next_are_as_in_a_list(shuffle: bool, steps: list[tuple[str, int]]) -> None:
    model = Model(shuffle=shuffle)
    for name, number in steps:
        getattr(model, name)(number)
        if model.queue.drawn:
            model.queue.settle_all()
            waiting = [model.queue.number_of(place.arrival) for place in model.waiting()]
            assert [model.queue.position(number) for number in waiting] == list(range(1, len(waiting) + 1))
            assert [model.queue.number_at(position) for position in range(1, len(waiting) + 1)] == waiting
        else:
            assert all(model.queue.number_of(place.arrival) == 0 for place in model.places.values())


def test_a_step_looks_at_a_bounded_number_of_places() -> None:
    model = Model(shuffle=False)
    model.open(0)
    for _ in range(10_000):
        model.join(0)
    for arrival in range(1, 9_001):
        model.places[place_id(1, arrival)].status = PLACE_LEFT
        model.queue.leave(arrival)
    steps, found = 0, list[Place]()
    while not found:
        through, found = model.queue.next_people(model.places, 5)
        assert through > model.room.served_through
        model.room.served_through = through
        steps += 1
    assert [place.arrival for place in found] == [9_001, 9_002, 9_003, 9_004, 9_005]
    assert steps == 3


@pytest.mark.parametrize("gone", [0, 3])
def test_whoever_left_before_the_draw_has_a_number_that_nobody_is_asked_for(gone: int) -> None:
    model: Any = Model(shuffle=True)
    for _ in range(10):
        model.join(0)
    for arrival in range(1, gone + 1):
        model.places[place_id(1, arrival)].status = PLACE_LEFT
        model.queue.leave(arrival)
    model.open(0)
    _, found = model.queue.next_people(model.places, 10)
    assert len(found) == 10 - gone
    model.queue.settle_all()
    assert [model.queue.position(model.queue.number_of(place.arrival)) for place in found] == [*range(1, 11 - gone)]
