"""The curves of the shapes, exactly."""

import pytest

from onsale.loadtest.journeys.shapes import (
    DAY_REQUESTS,
    HOURS,
    PEAK_HOUR,
    day_users,
    onsale_users,
    opens_after_seconds,
    requests_per_second,
)


def people(second: float, seconds: float = 600, users: int = 1_000) -> int | None:
    return onsale_users(second, seconds, users)


def test_an_onsale_is_quiet_then_everybody_comes_within_a_minute_then_they_leave() -> None:
    assert [people(second) for second in (0, 50, 99.9)] == [100, 100, 100]
    assert opens_after_seconds("onsale", 600) == 100
    assert [people(second) for second in (100, 115, 130, 145, 160)] == [100, 325, 550, 775, 1_000]
    assert [people(second) for second in (161, 300, 400)] == [1_000, 1_000, 1_000]
    assert [people(second) for second in (450, 500, 550)] == [800, 600, 400]
    assert people(599.999) == 200
    assert people(600) is people(10_000) is None


def test_a_short_onsale_is_in_proportion() -> None:
    assert [people(second, 60, 100) for second in (0, 9.9, 15, 20, 40, 50)] == [10, 10, 55, 100, 100, 60]
    assert people(60, 60, 100) is None


def test_the_onsale_has_as_many_user_seconds_as_its_parts() -> None:
    """Quiet 100 s × 100, rush 60 s × 550, all there 240 s × 1,000, tail 200 s × 600: the area below the curve."""
    area = sum(people(step / 10 + 0.05) or 0 for step in range(6_000)) / 10
    assert area == pytest.approx(100 * 100 + 60 * 550 + 240 * 1_000 + 200 * 600, abs=1)


def test_somebody_is_always_there() -> None:
    for shape in (onsale_users, day_users):
        assert all(shape(second / 2, 60, 1) == 1 for second in range(120))


def test_a_day_has_five_million_requests() -> None:
    assert len(HOURS) == 24
    assert sum(HOURS) == DAY_REQUESTS == 5_000_000
    by_minutes = sum(requests_per_second(minute * 60) * 60 for minute in range(24 * 60))
    assert by_minutes == pytest.approx(5_000_000, abs=1e-3)


def test_the_peak_hour_has_everybody_and_the_others_their_part() -> None:
    assert (PEAK_HOUR, HOURS[PEAK_HOUR]) == (10, 900_000)
    assert requests_per_second(10.5 * 3_600) == 250
    seconds, users = 240.0, 900  # ten seconds an hour
    assert [day_users(hour * 10 + 5, seconds, users) for hour in range(24)] == [each // 1_000 for each in HOURS]
    assert day_users(100, seconds, users) == day_users(109.999, seconds, users) == 900
    assert day_users(240, seconds, users) is None
    assert opens_after_seconds("day", seconds) == 100


def test_the_people_of_a_day_are_in_proportion_to_its_requests() -> None:
    """The area below the curve of people, in units of what one of them asks at the peak, is the day."""
    seconds, users = 86_400.0, 900_000
    area = sum((day_users(minute * 60, seconds, users) or 0) * 60 for minute in range(24 * 60))
    assert area / users * 250 == pytest.approx(5_000_000, abs=1)
