"""Counting how long things take."""

import pytest
from prometheus_client.core import HistogramMetricFamily

from onsale.http.measures import histogram as module
from onsale.http.measures.histogram import REQUEST_SECONDS, Histogram, RouteMetrics

BOUNDS = [value for name, value in vars(module).items() if name.endswith(("_SECONDS", "_FACTS"))]


def buckets(family: HistogramMetricFamily) -> dict[str, float]:
    return {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_bounds_rise(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))
    assert bounds[0] > 0


def test_what_is_beyond_all_bounds_is_counted_and_summed() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 2.0, 99.0):
        histogram.observe(value)
    family = histogram.family("x_seconds", "X.")
    assert buckets(family) == {"1.0": 1, "2.0": 2, "+Inf": 3}
    assert {sample.name: sample.value for sample in family.samples if "le" not in sample.labels} == {
        "x_seconds_count": 3,
        "x_seconds_sum": 101.5,
    }


def test_one_takes_in_another_and_leaves_it_as_it_is() -> None:
    mine, theirs = Histogram((1.0, 2.0)), Histogram((1.0, 2.0))
    mine.observe(0.5)
    theirs.observe(1.5)
    mine.add(theirs)
    theirs.observe(5.0)
    assert buckets(mine.family("x_seconds", "X.")) == {"1.0": 1, "2.0": 2, "+Inf": 2}
    assert mine.sum == 2.0
    with pytest.raises(ValueError, match="shorter"):
        mine.add(Histogram((1.0,)))


def test_a_route_counts_as_its_histogram_does() -> None:
    route, histogram = RouteMetrics("/booking", "POST"), Histogram(REQUEST_SECONDS)
    for seconds in (0.0, 0.0005, 0.00051, 4.9, 5.0, 60.0):
        route(201, seconds)
        histogram.observe(seconds)
    route(503, 0.1)
    histogram.observe(0.1)
    assert (route.seconds.counts, route.seconds.sum) == (histogram.counts, histogram.sum)
    assert route.statuses == {201: 6, 503: 1}
