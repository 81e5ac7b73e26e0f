import pytest

from onsale.http.connection.limits import ConnectionLimits, Deadline


class Timer:
    def __init__(self, at, callback) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clockwork:
    """A loop of which only the timers run, by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.calls = 0

    def time(self) -> float:
        return self.now

    def call_at(self, at, callback) -> Timer:
        self.calls += 1
        self.timers.append(Timer(at, callback))
        return self.timers[-1]

    def run_until(self, now: float) -> None:
        while due := [timer for timer in self.timers if not timer.cancelled and timer.at <= now]:
            timer = min(due, key=lambda one: one.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.callback()
        self.now = now


@pytest.fixture(name="clock")
def clockwork():
    return Clockwork()


def test_a_deadline_calls_once_and_only_when_it_was_not_moved(clock):
    calls = []
    deadline = Deadline(clock, lambda: calls.append(clock.now))
    deadline.move(10)
    clock.run_until(109)
    deadline.move(10)
    clock.run_until(118)
    assert calls == []
    clock.run_until(200)
    assert calls == [119]
    deadline.move(5)
    clock.run_until(300)
    assert calls == [119, 205]


def test_moving_it_later_does_not_touch_the_loop(clock):
    deadline = Deadline(clock, lambda: None)
    deadline.move(10)
    for _ in range(1000):
        clock.now += 0.001
        deadline.move(10)
    assert clock.calls == 1


def test_moving_it_earlier_counts(clock):
    calls = []
    deadline = Deadline(clock, lambda: calls.append(clock.now))
    deadline.move(75)
    deadline.move(10)
    deadline.move(20)
    clock.run_until(300)
    assert calls == [120]


def test_when_cancelled_it_does_not_call_and_can_be_moved_again(clock):
    calls = []
    deadline = Deadline(clock, lambda: calls.append(clock.now))
    deadline.move(10)
    deadline.cancel()
    clock.run_until(150)
    deadline.move(10)
    clock.run_until(300)
    assert calls == [160]


def test_limits_are_above_zero():
    with pytest.raises(ValueError, match="head_seconds must be above zero, it is 0"):
        ConnectionLimits(head_seconds=0)
