"""Counting how long things take, cheaply enough for the hot path.

Owns `Histogram`, the buckets of each kind, and the counters of one route. Nothing here is locked: each histogram is
fed by one thread alone, and a scrape that comes in between sees it one observation earlier or later.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import HistogramMetricFamily

REQUEST_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
COMMIT_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
DECIDE_SECONDS: Final = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01)
PAUSE_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CHECKPOINT_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_FACTS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)


class Histogram:
    """How often and how much: a bisection and three additions each."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)  # the last one is of what is beyond all bounds
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, other: "Histogram") -> None:
        """Takes in what another one with the same bounds observed."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Adds what was observed to a family, cumulated as Prometheus wants it."""
        bounds = (*(repr(float(bound)) for bound in self.bounds), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(self.counts), strict=True)), self.sum)

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """What was observed, as a family of its own."""
        family = HistogramMetricFamily(name, text)
        self.add_to(family)
        return family


class RouteMetrics:
    """Requests of one route and method. Keep it where the answer is given, and call it with each."""

    __slots__ = ("_counts", "method", "route", "seconds", "statuses")

    def __init__(self, route: str, method: str) -> None:
        self.route = route
        self.method = method
        self.statuses: dict[int, int] = {}
        self.seconds = Histogram(REQUEST_SECONDS)
        self._counts = self.seconds.counts

    def __call__(self, status: int, seconds: float) -> None:
        """One request was answered with `status`, `seconds` after it was taken."""
        try:
            self.statuses[status] += 1
        except KeyError:
            self.statuses[status] = 1
        self._counts[bisect_left(REQUEST_SECONDS, seconds)] += 1  # `observe`, without the call
        self.seconds.sum += seconds
