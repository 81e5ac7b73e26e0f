"""What the nodes say of themselves, passed on: the youngest word counts, however often it was passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.replicas.frames import MemberReport
from onsale.replicas.reports import FORGOTTEN_MS, Reports


def report(name: str, seq: int = 0, *, age_ms: int = 0, voting: bool = True) -> MemberReport:
    return MemberReport(name, voting, "standby", "following", 1, seq, seq, seq, 0, f"{name}:7400", "", age_ms)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reports(clock: Clock) -> Reports:
    return Reports(clock)


def test_they_age_while_they_are_kept(reports: Reports, clock: Clock) -> None:
    reports.heard([report("b", 1, age_ms=200), report("a", 2)], "me")
    clock.now += 1.5
    assert reports.known() == [report("a", 2, age_ms=1500), report("b", 1, age_ms=1700)]


def test_ones_own_is_not_taken_from_elsewhere(reports: Reports) -> None:
    reports.heard([report("me", 9)], "me")
    assert not reports.known()
    assert reports.of("me") is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_reports_the_younger_counts(reports: Reports, order: tuple[int, int]) -> None:
    both = [report("a", 1, age_ms=3_000), report("a", 2, age_ms=1_000)]
    for index in order:
        reports.heard([both[index]], "me")
    assert [each.received_seq for each in reports.known()] == [2]


def test_an_old_word_that_comes_late_does_not_come_back(reports: Reports, clock: Clock) -> None:
    reports.heard([report("a", 1)], "me")
    clock.now += 2
    reports.heard([report("a", 2)], "me")
    reports.heard([report("a", 1, age_ms=2_000)], "me")
    found = reports.of("a")
    assert found is not None
    assert found.received_seq == 2


@pytest.mark.parametrize("voting", [True, False])
def test_one_not_heard_of_for_long_is_forgotten(reports: Reports, clock: Clock, voting: bool) -> None:
    """One that votes stands in the journal, and is listed all the same."""
    reports.heard([report("a", voting=voting)], "me")
    clock.now += FORGOTTEN_MS / 1000
    assert len(reports.known()) == 1
    clock.now += 0.01
    assert not reports.known()
    assert reports.of("a") is None


def test_one_that_was_removed_is_forgotten_at_once(reports: Reports) -> None:
    reports.heard([report("a"), report("b")], "me")
    reports.forget("a")
    reports.forget("nobody")
    assert [each.name for each in reports.known()] == ["b"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 800)), max_size=60))
def test_passed_round_in_circles_a_report_never_grows_younger(steps: list[tuple[int, int, int]]) -> None:
    """Four nodes pass on what they know; each speaks for itself now and then."""
    clock = Clock()
    nodes = [Reports(clock) for _ in range(4)]
    said_at: dict[str, list[float]] = {str(number): [] for number in range(4)}
    for teller, listener, wait_ms in steps:
        clock.now += wait_ms / 1000
        words = nodes[teller].known()
        if teller != listener:
            said_at[str(teller)].append(clock.now)
            words.append(report(str(teller), len(said_at[str(teller)])))
        nodes[listener].heard(words, str(listener))
        for node in nodes:
            for each in node.known():
                when = said_at[each.name][each.received_seq - 1]
                # ages are told in whole milliseconds
                assert abs((clock.now - when) * 1000 - each.age_ms) <= len(steps) + 1
