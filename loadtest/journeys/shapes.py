"""How many people there are at each moment of a run: an onsale, and a day of 5 million requests.

Owns these curves, as pure functions of time. A run may be a minute or a day: the curves are stretched to its length.
"""

from collections.abc import Callable
from typing import Final

QUIET_SHARE: Final = 1 / 6  # of the run, before the sale opens
RUSH_SECONDS_MAX: Final = 60.0  # within which everybody comes; in a short run within RUSH_SHARE of it
RUSH_SHARE: Final = 1 / 6
TAIL_FROM_SHARE: Final = 2 / 3
QUIET_PEOPLE_SHARE: Final = 0.1
TAIL_PEOPLE_SHARE: Final = 0.2  # of those who are there at the end

DAY_SECONDS: Final = 86_400
HOURS: Final = (  # requests in each hour of the day; at ten something goes on sale
    60_000, 35_000, 22_000, 16_000, 15_000, 22_000, 50_000, 110_000, 180_000, 290_000, 900_000, 420_000,
    310_000, 270_000, 240_000, 240_000, 250_000, 270_000, 300_000, 310_000, 280_000, 210_000, 130_000, 70_000,
)  # fmt: skip
DAY_REQUESTS: Final = sum(HOURS)
PEAK_HOUR: Final = HOURS.index(max(HOURS))

Shape = Callable[[float, float, int], int | None]
"""(second of the run, seconds of the run, most people) → people; None: the run is over."""


def onsale_users(second: float, seconds: float, users: int) -> int | None:
    """Quiet; then everybody within the first minute; then fewer and fewer."""
    if second >= seconds:
        return None
    quiet, opens = max(round(users * QUIET_PEOPLE_SHARE), 1), seconds * QUIET_SHARE
    if second < opens:
        return quiet
    rush_seconds = min(RUSH_SECONDS_MAX, seconds * RUSH_SHARE)
    if second < opens + rush_seconds:
        return quiet + round((users - quiet) * (second - opens) / rush_seconds)
    tail = seconds * TAIL_FROM_SHARE
    if second < tail:
        return users
    gone = (1 - TAIL_PEOPLE_SHARE) * (second - tail) / (seconds - tail)
    return max(round(users * (1 - gone)), 1)


def day_users(second: float, seconds: float, users: int) -> int | None:
    """A whole day in the run's time: `users` people in its peak hour, and as many as its requests at the others."""
    if second >= seconds:
        return None
    return max(round(users * requests_per_second(second / seconds * DAY_SECONDS) / requests_per_second_most()), 1)


def requests_per_second(day_second: float) -> float:
    """What comes in at a second of the day."""
    return HOURS[int(day_second // 3600) % 24] / 3600


def requests_per_second_most() -> float:
    return HOURS[PEAK_HOUR] / 3600


SHAPES: Final[dict[str, Shape]] = {"onsale": onsale_users, "day": day_users}


def opens_after_seconds(shape: str, seconds: float) -> float:
    """When what everybody wants goes on sale."""
    return seconds * QUIET_SHARE if shape == "onsale" else seconds * PEAK_HOUR / 24
