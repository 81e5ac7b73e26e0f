import random

import pytest

from onsale.loadtest.latency import Latencies


def test_percentiles_are_within_a_hundredth():
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(-6, 2) for _ in range(20_000))
    latencies = Latencies()
    for value in values:
        latencies.record(value)
    for percent in (1, 50, 90, 99, 99.9):
        exact = values[int(len(values) * percent / 100) - 1]
        assert latencies.percentile_ms(percent) == pytest.approx(exact * 1000, rel=0.01)
    assert latencies.percentile_ms(100) == pytest.approx(values[-1] * 1000)
    assert latencies.max_seconds == values[-1]
    assert latencies.mean_ms == pytest.approx(sum(values) / len(values) * 1000)


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 8e-6, 1.6e-5, 0.0123, 1.0, 3600.0, 86_400.0])
def test_a_single_value(seconds):
    latencies = Latencies()
    latencies.record(seconds)
    assert latencies.percentile_ms(50) == pytest.approx(seconds * 1000, rel=0.01, abs=1e-4)


def test_none_at_all():
    latencies = Latencies()
    assert latencies.percentile_ms(99) == latencies.mean_ms == 0
