from onsale.node.clock import Clock


class Hands:
    """A monotonic and a wall clock that are set by hand, in seconds."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.wall = 1_800_000_000.0

    def pass_seconds(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def clock(self, not_before_ms: int = 0) -> Clock:
        return Clock(not_before_ms, monotonic=lambda: self.monotonic, wall=lambda: self.wall)


def test_it_starts_at_the_wall_clock_and_runs_with_it() -> None:
    hands = Hands()
    clock = hands.clock()
    assert clock.now_ms() == 1_800_000_000_000
    hands.pass_seconds(2.5)
    assert clock.now_ms() == 1_800_000_002_500


def test_it_never_starts_before_the_journal() -> None:
    assert Hands().clock(not_before_ms=1_900_000_000_000).now_ms() == 1_900_000_000_000


def test_a_wall_clock_set_forward_by_an_hour_is_followed_slowly() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 3600
    before = clock.now_ms()
    hands.pass_seconds(10)
    passed_ms = clock.now_ms() - before
    assert 10_000 < passed_ms <= 10_500


def test_a_wall_clock_set_back_by_an_hour_never_turns_time_back() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall -= 3600
    last = clock.now_ms()
    for _ in range(100):
        hands.pass_seconds(0.1)
        now = clock.now_ms()
        assert now > last
        last = now


def test_it_catches_up_with_the_wall_clock_in_the_end() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 1
    for _ in range(300):
        hands.pass_seconds(0.1)
        clock.now_ms()
    assert abs(clock.now_ms() - hands.wall * 1000) <= 1
