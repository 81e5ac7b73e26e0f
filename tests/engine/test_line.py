"""The line against a plain list of people."""

from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine.line import Line


class People:
    """The line as anyone would write it down: (number, booking id, quantity), in order."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, int]] = []

    def takers(self, available: int, capacity: int, limit: int, *, strict: bool, without: set[int]) -> list[int]:
        found = []
        for _, booking_id, quantity in self.waiting:
            if booking_id in without or quantity > capacity:
                continue
            if quantity <= available and len(found) < limit:
                available -= quantity
                found.append(booking_id)
            elif quantity > available and strict:
                break
        return found

    def next_number(self, available: int, *, strict: bool) -> int | None:
        who = self.waiting[:1] if strict else self.waiting
        return next((number for number, _, quantity in who if quantity <= available), None)


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "join", "join", "leave", "take"]), st.integers(1, 5), st.integers(0, 40)),
    max_size=120,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(STEPS, st.integers(1, 3))
def test_line_against_a_list(steps, gap):
    """`gap`: numbers need not follow on each other, as when a line is restored that some have left."""
    line, people, number = Line(), People(), 0
    for what, quantity, pick in steps:
        if what == "join":
            number += 1 + pick % gap
            line.join(number, 1_000 + number, quantity)
            people.waiting.append((number, 1_000 + number, quantity))
        elif what == "leave" and people.waiting:
            left, _, size = people.waiting.pop(pick % len(people.waiting))
            line.leave(left, size)
        elif what == "take":
            without = {people.waiting[pick % len(people.waiting)][1]} if people.waiting and pick % 3 == 0 else set()
            for strict in (True, False):
                for capacity, limit in ((9, 9), (3, 9), (9, 2)):
                    asked = {"strict": strict, "without": without}
                    expected = people.takers(pick, capacity, limit, **asked)
                    assert line.takers(pick, capacity, limit, **asked) == expected
        compare(line, people)


def compare(line: Line, people: People) -> None:
    assert line.count == len(people.waiting)
    assert list(line.bookings()) == [booking_id for _, booking_id, _ in people.waiting]
    for position, (number, _, _) in enumerate(people.waiting, 1):
        assert line.position(number) == position
    for available in range(6):
        for strict in (True, False):
            assert line.next_number(available, strict=strict) == people.next_number(available, strict=strict)
        larger = [booking_id for _, booking_id, quantity in people.waiting if quantity > available]
        assert line.larger_than(available, 100) == larger
        assert line.larger_than(available, 2) == larger[:2]
        assert line.has_larger_than(available) == bool(larger)


def test_a_line_that_was_empty_begins_anew():
    line = Line()
    line.join(1, 11, 2)
    line.leave(1, 2)
    line.join(500, 12, 1)
    assert list(line.bookings()) == [12]
    assert line.position(500) == 1
    assert len(line._bookings) == 1


def test_whoever_is_behind_many_who_left_is_found_at_once():
    """What was left is not walked over again and again, neither from the head nor towards it."""
    line, count = Line(), 50_000
    for number in range(1, count + 1):
        line.join(number, number, 1)
    for number in range(1, count):
        line.leave(number, 1)
    assert list(line.bookings()) == [count]
    assert line.position(count) == 1
    assert line.takers(1, 1, 1, strict=True) == [count]
    assert line._place_of(1) == count
    assert len(line._queues[1]) == 1


def test_leaving_twice_is_an_error():
    line = Line()
    line.join(1, 11, 1)
    line.join(2, 12, 1)
    line.leave(1, 1)
    try:
        line.leave(1, 1)
    except AssertionError:
        return
    raise AssertionError("left twice")
