"""What is written is what Prometheus reads."""

import math
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from onsale.http.measures import text

NUMBERS = [0, 1, -1.5, 1e-9, 1e300, 2**53 + 1, True, math.inf, -math.inf, math.nan]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def as_the_library(families: list[Metric]) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(families))
    return generate_latest(registry).decode()


def read(exposed: str) -> list[object]:
    """Samples and texts; NaN, which nothing equals, as a word."""
    return [
        (
            family.name,
            family.type,
            family.documentation,
            [(s.name, s.labels, "nan" if math.isnan(s.value) else s.value) for s in family.samples],
        )
        for family in text_string_to_metric_families(exposed)
    ]


def written(families: Iterable[Metric]) -> bytes:
    return b"".join(text.text_of(families))


def example() -> list[Metric]:
    counter = CounterMetricFamily("x_requests", "Requests: \\ and\nmore.", labels=("route", "status"))
    counter.add_metric(("/events/{id}", "200"), 7)
    gauge = GaugeMetricFamily("x_things", "Things.", labels=("kind",))
    for number, value in enumerate(NUMBERS):
        gauge.add_metric((f'{number} "quoted" \\ \n, é{{}}=',), value)
    histogram = HistogramMetricFamily("x_seconds", "Seconds.", labels=("route",))
    histogram.add_metric(("/x",), [("0.5", 1), ("+Inf", 3)], 12.5)
    return [counter, gauge, histogram, GaugeMetricFamily("x_empty", "Nothing yet.", labels=("a",))]


def test_it_reads_as_what_the_library_writes() -> None:
    families = example()
    assert read(written(families).decode()) == read(as_the_library(families))


@given(TEXT, TEXT, TEXT, st.floats())
def test_whatever_labels_hold_comes_back(first: str, second: str, other: str, value: float) -> None:
    family = GaugeMetricFamily("x_things", "Things.", labels=("a", "b"))
    family.add_metric((first, second), value)
    family.add_metric((other, first), value)
    assert read(written([family]).decode()) == read(as_the_library([family]))


def test_a_line_as_it_stands() -> None:
    family = CounterMetricFamily("x_requests", "Requests.", labels=("status", "method"))
    family.add_metric(("200", "GET"), 3)
    assert written([family]) == (
        b"# HELP x_requests_total Requests.\n# TYPE x_requests_total counter\n"
        b'x_requests_total{method="GET",status="200"} 3.0\n'
    )


def test_what_it_can_not_write_is_refused() -> None:
    with pytest.raises(ValueError, match="x is a info"):
        written([InfoMetricFamily("x", "X.", value={"a": "b"})])


def test_a_family_may_come_in_parts() -> None:
    whole = HistogramMetricFamily("x_seconds", "Seconds.", labels=("route",))
    parts = [HistogramMetricFamily("x_seconds", "Seconds.", labels=("route",)) for _ in range(3)]
    for number, part in enumerate(parts):
        for family in (whole, part):
            family.add_metric((f"/{number}",), [("0.5", number), ("+Inf", 3)], 12.5)
    other = GaugeMetricFamily("x_things", "Things.", value=1)
    assert len(list(text.text_of([*parts, other]))) == 4
    assert written([*parts, other]) == written([whole, other])
