"""Deadlines against a plain list, and what must not cost more when more falls due."""

from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine.deadlines import Deadlines

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "remove", "due"]), st.integers(0, 60), st.integers(0, 10)), max_size=80
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(STEPS)
def test_deadlines_against_a_list(steps):
    deadlines, pairs = Deadlines(), []
    for number, (what, at_ms, pick) in enumerate(steps):
        if what == "add":
            deadlines.add(at_ms, number)
            pairs.append((at_ms, number))
        elif what == "remove" and pairs:
            deadlines.remove(*pairs.pop(pick % len(pairs)))
        elif what == "due":
            due = [(due_ms, key) for due_ms, key in sorted(pairs) if due_ms <= at_ms]
            assert deadlines.due(at_ms, 100) == [key for _, key in due]
            found = deadlines.due(at_ms, pick + 1)
            assert found == [key for _, key in due][: pick + 1]
        assert deadlines.count == len(pairs)
        assert sorted(deadlines.pairs()) == sorted(pairs)
        assert deadlines.next_ms() == min((due_ms for due_ms, _ in pairs), default=None)


def test_removing_what_was_never_added_is_an_error():
    deadlines = Deadlines()
    deadlines.add(5, 1)
    for at_ms, key in ((6, 1), (5, 2)):
        try:
            deadlines.remove(at_ms, key)
        except KeyError:
            continue
        raise AssertionError((at_ms, key))
    deadlines.add(5, 3)
    try:
        deadlines.remove(5, 2)
    except KeyError:
        assert deadlines.count == 2
    else:
        raise AssertionError("2 was never added")


def test_the_same_moment_used_over_and_over_leaves_nothing_behind():
    deadlines = Deadlines()
    deadlines.add(1, 0)
    for _ in range(10_000):
        deadlines.add(9, 1)
        deadlines.remove(9, 1)
    assert len(deadlines._heap) <= 65
    assert deadlines.due(9, 10) == [0]


def test_what_is_due_is_found_without_looking_at_the_rest():
    """100,000 holds lapse within one second, or on one moment: each look costs as much as it finds."""
    for moments in (1_000, 1):
        deadlines = Watched()
        for key in range(100_000):
            deadlines.add(key % moments, key)
        looked_at = deadlines.looked_at
        found = deadlines.due(2_000, 128)
        assert len(found) == 128
        assert deadlines.looked_at - looked_at <= 128


class Watched(Deadlines):
    """Counts how many moments are looked at."""

    __slots__ = ("looked_at",)

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 0

    def _moments_until(self, now_ms):
        for at_ms in super()._moments_until(now_ms):
            self.looked_at += 1
            yield at_ms
