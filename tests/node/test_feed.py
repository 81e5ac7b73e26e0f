"""Who listens is told of each notice of theirs once it is safe: once, in order, whatever checkpoints take away."""

from collections.abc import Callable
from random import Random

import pytest

from onsale.engine.records import Notice
from onsale.engine.state import State
from onsale.node.feed import Feed


class Desk:
    """A state that notices are added to, and what each listener was told."""

    def __init__(self) -> None:
        self.state = State()
        self.feed = Feed(self.state)
        self.told: dict[str, list[int | None]] = {}

    def add(self, *users: str) -> None:
        """One fact, with a notice for each of them; "-": an organiser's, that has a number and no row."""
        self.state.seq += 1
        for user_id in users:
            if user_id != "-":
                self.state.notices.append(Notice(self.state.next_notice_id, self.state.seq, 0, user_id, "held", 1, 1))
            self.state.next_notice_id += 1

    def listen(self, name: str, user_id: str) -> Callable[[], None]:
        told = self.told.setdefault(name, [])
        return self.feed.subscribe(user_id, lambda notice: told.append(None if notice is None else notice.id))

    def take(self) -> None:
        """As a checkpoint does."""
        self.state.notices = []
        self.feed.taken()

    def reach(self, seq: int | None = None) -> None:
        self.feed.reached(self.state.seq if seq is None else seq)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_everyone_is_told_of_their_own_once_it_is_safe(desk: Desk) -> None:
    desk.listen("a", "ada")
    desk.listen("b", "bob")
    desk.listen("c", "ada")
    desk.add("ada", "bob")
    desk.add("-", "eve", "ada")
    assert desk.told == {"a": [], "b": [], "c": []}
    desk.reach(1)
    assert desk.told == {"a": [1], "b": [2], "c": [1]}
    desk.reach(1)
    desk.reach(2)
    desk.reach(1)
    assert desk.told == {"a": [1, 5], "b": [2], "c": [1, 5]}


def test_from_now_on(desk: Desk) -> None:
    """What was safe before is past, what was merely made is not."""
    desk.add("ada")
    desk.reach()
    desk.add("ada")
    desk.listen("a", "ada")
    desk.add("ada")
    desk.reach()
    assert desk.told["a"] == [2, 3]


def test_a_node_that_starts_tells_nothing_of_before(desk: Desk) -> None:
    desk.add("ada")
    desk.feed = Feed(desk.state)
    desk.listen("a", "ada")
    desk.take()
    desk.add("ada")
    desk.reach()
    assert desk.told["a"] == [2]


def test_whoever_leaves_is_told_nothing_more(desk: Desk) -> None:
    end = desk.listen("a", "ada")
    end_second = desk.listen("b", "ada")
    assert desk.feed.listening == 2
    end()
    end()
    assert desk.feed.listening == 1
    desk.add("ada")
    desk.reach()
    assert desk.told == {"a": [], "b": [1]}
    end_second()
    assert (desk.feed.listening, desk.feed._listeners) == (0, {})


def test_leaving_while_being_told(desk: Desk) -> None:
    ends: list[Callable[[], None]] = []
    desk.listen("a", "ada")
    ends.append(desk.feed.subscribe("ada", lambda _notice: ends[0]()))
    desk.listen("b", "ada")
    desk.add("ada")
    desk.add("ada")
    desk.reach()
    assert desk.told == {"a": [1, 2], "b": [1, 2]}
    assert desk.feed.listening == 2


def test_one_that_fails_keeps_nobody_from_being_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.feed.subscribe("ada", lambda _notice: 1 / 0)  # type: ignore[arg-type, return-value]
    desk.listen("a", "ada")
    desk.add("ada")
    desk.reach()
    desk.feed.close()
    assert desk.told["a"] == [1, None]
    assert caplog.text.count("ZeroDivisionError") == 2


def test_the_end(desk: Desk) -> None:
    end = desk.listen("a", "ada")
    desk.add("ada")
    desk.feed.close()
    desk.feed.close()
    desk.reach()
    assert desk.told["a"] == [None]
    assert desk.feed.listening == 0
    desk.listen("late", "ada")()
    assert desk.told["late"] == [None]
    end()


def test_a_checkpoint_takes_notices_away_before_they_are_safe(desk: Desk) -> None:
    desk.listen("a", "ada")
    desk.add("ada")
    desk.add("ada")
    desk.take()
    desk.add("ada")
    desk.reach(1)
    desk.take()
    desk.take()
    desk.add("ada")
    desk.reach(3)
    assert desk.told["a"] == [1, 2, 3]
    desk.reach()
    assert desk.told["a"] == [1, 2, 3, 4]


@pytest.mark.parametrize("listens_from_the_start", [True, False])
def test_what_is_told_is_let_go_of(desk: Desk, listens_from_the_start: bool) -> None:
    """A checkpoint's notices are not kept for the feed's sake."""
    if listens_from_the_start:
        desk.listen("a", "ada")
    for _ in range(10):
        desk.add("ada")
        desk.take()
        desk.reach()
    assert desk.feed._lists == [[]]
    assert desk.feed._lists[0] is desk.state.notices


@pytest.mark.parametrize("seed", range(30))
def test_any_course_of_events(seed: int) -> None:
    chance, desk = Random(seed), Desk()
    notices: list[Notice] = []
    safe_seq = 0
    expected: dict[str, list[int]] = {}
    ends: dict[str, Callable[[], None]] = {}
    for step in range(300):
        what = chance.randrange(8)
        if what <= 3:
            before = len(desk.state.notices)
            desk.add(*chance.choices(["ada", "bob", "eve", "-"], k=chance.randrange(4)))
            notices += desk.state.notices[before:]
        elif what == 4:
            desk.take()
        elif what == 5:
            reached = chance.randint(safe_seq, desk.state.seq)
            for notice in notices:
                if safe_seq < notice.seq <= reached:
                    for name in ends:
                        if name.startswith(notice.user_id):
                            expected[name].append(notice.id)
            safe_seq = reached
            desk.reach(reached)
        elif what == 6:
            name = f"{chance.choice(['ada', 'bob'])}-{step}"
            ends[name] = desk.listen(name, name.partition("-")[0])
            expected[name] = []
        elif ends:
            ends.pop(chance.choice(sorted(ends)))()
        assert desk.told == expected
