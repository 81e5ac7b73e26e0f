"""What nodes tell on /metrics, made one number: a quantile, a rate, a mean, a maximum or a sum over several nodes.

Owns the arithmetic, which is Prometheus' own: quantiles are interpolated within their bucket, and a counter that went
back was begun anew. Pure: samples in, a number out; None where there is none yet, NaN where there was nothing to
measure.
"""

import math
from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from .rules import NodeMetric

Series = tuple[str, tuple[tuple[str, str], ...]]  # name, labels in order
Samples = Mapping[Series, float]

_BUCKET, _SUM, _COUNT, _TOTAL = "_bucket", "_sum", "_count", "_total"


def parse(text: str, names: Iterable[str]) -> dict[Series, float]:
    """The samples of these metrics (whichever of _bucket, _sum, _count, _total they have). Raises ValueError.

    A bucket among them has its bound.
    """
    wanted = tuple(names)
    lines = [
        line
        for line in text.splitlines()
        if line.startswith(wanted) or line.startswith(tuple(f"# TYPE {each} " for each in wanted))
    ]
    known = {name + ending for name in wanted for ending in ("", _BUCKET, _SUM, _COUNT, _TOTAL)}
    found: dict[Series, float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name in known:
                if sample.name.endswith(_BUCKET):
                    float(sample.labels.get("le", "missing"))
                found[(sample.name, tuple(sorted(sample.labels.items())))] = float(sample.value)
    return found


def roles_of(samples: Samples) -> set[str]:
    """Which role a node has, by its own word."""
    return {
        dict(labels).get("role", "")
        for (name, labels), value in samples.items()
        if name == "onsale_role" and value == 1
    }


def aggregate(metric: NodeMetric, pairs: list[tuple[Samples, Samples, float]]) -> float | None:
    """`pairs`: of each node, its samples before and now, and the seconds between; gauges are taken from now alone."""
    if not any(name.startswith(metric.metric) for _, now, _ in pairs for name, _ in now):
        return None  # there is no such metric
    if metric.aggregate.startswith("p"):
        return quantile(float(metric.aggregate[1:]) / 100, _buckets(metric, pairs))
    if metric.aggregate in ("rate", "rate_per_node"):
        return _rate(metric, pairs)
    if metric.aggregate == "mean" and any(name == metric.metric + _COUNT for _, now, _ in pairs for name, _ in now):
        count = sum(_growth(metric, _COUNT, before, now) for before, now, _ in pairs)
        total = sum(_growth(metric, _SUM, before, now) for before, now, _ in pairs)
        return total / count if count else math.nan
    values = [value for _, now, _ in pairs for _, value in _matching(metric, "", now)]
    if not values:
        return None
    if metric.aggregate == "max":
        return max(values)
    return math.fsum(values) / (len(values) if metric.aggregate == "mean" else 1)


def is_over_time(metric: NodeMetric, now: Samples) -> bool:
    """Whether it takes two looks."""
    if metric.aggregate == "mean":
        return any(name == metric.metric + _COUNT for name, _ in now)
    return metric.aggregate not in ("max", "sum")


def quantile(part: float, buckets: Mapping[float, float]) -> float:
    """`buckets`: upper bound → how many are at most that. NaN: there are none."""
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return math.nan
    rank, lower, below = part * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return lower


def _buckets(metric: NodeMetric, pairs: list[tuple[Samples, Samples, float]]) -> dict[float, float]:
    sums: dict[float, float] = {}
    for before, now, _ in pairs:
        for series, value in _matching(metric, _BUCKET, now):
            bound = float(dict(series[1])["le"])
            sums[bound] = sums.get(bound, 0.0) + _grown(before.get(series, 0.0), value)
    return sums


def _rate(metric: NodeMetric, pairs: list[tuple[Samples, Samples, float]]) -> float:
    rates = []
    for before, now, elapsed_seconds in pairs:
        ending = next((each for each in (_TOTAL, _COUNT, "") if any(True for _ in _matching(metric, each, now))), None)
        if ending is not None:
            rates.append(_growth(metric, ending, before, now) / elapsed_seconds)
    if not rates:
        return 0.0
    return math.fsum(rates) / (len(rates) if metric.aggregate == "rate_per_node" else 1)


def _growth(metric: NodeMetric, ending: str, before: Samples, now: Samples) -> float:
    return math.fsum(_grown(before.get(series, 0.0), value) for series, value in _matching(metric, ending, now))


def _grown(before: float, now: float) -> float:
    return now - before if now >= before else now


def _matching(metric: NodeMetric, ending: str, samples: Samples) -> Iterable[tuple[Series, float]]:
    name = metric.metric + ending if not metric.metric.endswith(ending) or not ending else metric.metric
    for series, value in samples.items():
        if series[0] == name and set(metric.where) <= set(series[1]):
            yield series, value
