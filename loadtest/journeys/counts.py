"""What locust counted, for each call of each journey.

Owns these numbers on their way from locust's process to the report, and percentiles of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

STATISTICS_FILE: Final = "statistics.json"


class Counted(msgspec.Struct):
    """`times`: how many requests took so many milliseconds, rounded as locust rounds."""

    journey: str
    call: str
    requests: int
    failures: int
    times: dict[int, int]

    def percentile_ms(self, percent: float) -> float:
        """0 where there is nothing."""
        wanted, seen = sum(self.times.values()) * percent / 100, 0
        for time_ms, count in sorted(self.times.items()):
            seen += count
            if seen >= wanted:
                return float(time_ms)
        return 0.0


class Statistics(msgspec.Struct):
    calls: list[Counted]
    failures: list[str]  # sentences
    exceptions: list[str]  # of the people's own: a mistake in them, rather than in the answers

    @property
    def requests(self) -> int:
        return sum(each.requests for each in self.calls)


def counted(name: str, requests: int, failures: int, times: Mapping[int, int]) -> Counted:
    """An entry of locust's; its name is "Journey: call"."""
    journey, _, call = name.partition(": ")
    return Counted(journey, call, requests, failures, dict(times))


def together(journey: str, calls: Iterable[Counted]) -> Counted:
    """All calls of one journey as one."""
    mine = [each for each in calls if each.journey == journey]
    times = sum((Counter(each.times) for each in mine), Counter[int]())
    return Counted(journey, "", sum(each.requests for each in mine), sum(each.failures for each in mine), dict(times))


def read_statistics(folder: Path) -> Statistics | None:
    """None when locust did not get so far."""
    file = folder / STATISTICS_FILE
    return msgspec.json.decode(file.read_bytes(), type=Statistics) if file.exists() else None
