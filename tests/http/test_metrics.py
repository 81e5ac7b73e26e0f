"""What Prometheus is told, read back with its own parser."""

import timeit
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onsale.engine.codes import Code
from onsale.engine.commands import Book, Sweep
from onsale.engine.replies import Booked, Done, InLine, Refusal
from onsale.http.gateway import ROLES
from onsale.http.measures.gauges import MEMBERS_SHOWN_MAX
from onsale.http.measures.histogram import Histogram
from onsale.http.measures.reading import MemberReading, Reading
from onsale.http.metrics import CONTENT_TYPE, ROUTES_MAX, Metrics

BOOK = Book("u-1", 1, 300_000)
BOOKED = Booked(1, 1, "u-1", 1, "standard", 1, 100, "EUR", 0, 300_000)
IN_LINE = InLine(1, 1, "u-1", 1, "standard", 1, 100, "EUR", 0, 1)


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {
        "role": "primary",
        "epoch": 1,
        "seq": 7,
        "durable_seq": 5,
        "checkpoint_seq": 3,
        "bookings": {"held": 2, "confirmed": 4},
        "waiting": 9,
        "held": 6,
        "events": 8,
    }
    return Reading(**(values | changes))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(reading)


def scrape(metrics: Metrics) -> Callable[..., float | None]:
    """The samples as `value(name, **labels)`; None for one that is not there."""
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(b"".join(metrics.render()).decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return lambda name, **labels: samples.get((name, frozenset(labels.items())))


def test_requests_are_counted_by_route_method_and_status(metrics: Metrics) -> None:
    get, delete = metrics.route("GET", "/booking/{id}"), metrics.route("DELETE", "/booking/{id}")
    get(200, 0.0002)
    get(200, 0.003)
    get(404, 0.003)
    delete(200, 7.0)
    value = scrape(metrics)
    labels = {"route": "/booking/{id}", "method": "GET"}
    assert value("onsale_http_requests_total", **labels, status="200") == 2
    assert value("onsale_http_requests_total", **labels, status="404") == 1
    assert value("onsale_http_requests_total", **(labels | {"method": "DELETE"}), status="200") == 1
    route = {"route": "/booking/{id}"}
    buckets = {
        le: value("onsale_http_request_seconds_bucket", **route, le=le) for le in ("0.0005", "0.005", "5.0", "+Inf")
    }
    assert buckets == {"0.0005": 1, "0.005": 3, "5.0": 3, "+Inf": 4}
    assert value("onsale_http_request_seconds_count", **route) == 4
    assert value("onsale_http_request_seconds_sum", **route) == pytest.approx(7.0062)


def test_a_value_on_a_bound_is_in_its_bucket() -> None:
    class Family:
        def add_metric(self, labels: Any, buckets: Any, sum_value: float) -> None:
            self.buckets = dict(buckets)

    histogram, family = Histogram((1.0, 2.0)), Family()
    for value in (0.0, 1.0, 1.5, 2.0, 2.1):
        histogram.observe(value)
    histogram.add_to(family)  # type: ignore[arg-type]
    assert family.buckets == {"1.0": 2, "2.0": 4, "+Inf": 5}


def test_commands_are_counted_by_kind_and_outcome(metrics: Metrics) -> None:
    metrics.decided(BOOK, BOOKED)
    metrics.decided(BOOK, BOOKED)
    metrics.decided(BOOK, IN_LINE)
    metrics.decided(BOOK, Refusal(1, Code.SOLD_OUT, "none"))
    metrics.decided(Sweep(1), Done(1))
    value = scrape(metrics)
    assert value("onsale_commands_total", kind="book", outcome="ok") == 2
    assert value("onsale_commands_total", kind="book", outcome="waiting") == 1
    assert value("onsale_commands_total", kind="book", outcome="sold_out") == 1
    assert value("onsale_commands_total", kind="sweep", outcome="ok") == 1


def test_commits_and_checkpoints(metrics: Metrics) -> None:
    metrics.committed(facts=3, size_bytes=500, seconds=0.0003)
    metrics.committed(facts=1, size_bytes=100, seconds=0.2)
    metrics.checkpointed(0.3)
    value = scrape(metrics)
    assert value("onsale_commit_seconds_count") == 2
    assert value("onsale_commit_seconds_bucket", le="0.0005") == 1
    assert value("onsale_batch_facts_sum") == 4
    assert value("onsale_batch_facts_bucket", le="1.0") == 1
    assert value("onsale_journal_bytes_total") == 600
    assert value("onsale_checkpoint_seconds_sum") == 0.3


def test_gauges_are_read_at_each_scrape() -> None:
    now = [reading()]
    metrics = Metrics(lambda: now[0])
    value = scrape(metrics)
    names = ("seq", "durable_seq", "checkpoint_seq", "epoch", "waiting", "held", "events")
    assert [value(f"onsale_{name}") for name in names] == [7, 5, 3, 1, 9, 6, 8]
    assert value("onsale_bookings", status="held") == 2
    assert value("onsale_bookings", status="waiting") == 0, "a status nobody has is zero, not missing"
    assert [value("onsale_role", role=role) for role in ROLES] == [1, 0, 0, 0]
    now[0] = reading(seq=8, role="standby")
    value = scrape(metrics)
    assert value("onsale_seq") == 8
    assert [value("onsale_role", role=role) for role in ROLES] == [0, 1, 0, 0]


def test_waiting_rooms_are_told_as_a_whole() -> None:
    value = scrape(Metrics(lambda: reading(queued=12_000, inside=80)))
    assert (value("onsale_queue_waiting"), value("onsale_queue_inside")) == (12_000, 80)


def test_replication_is_told_by_member() -> None:
    members = [MemberReading("B", "standby", 20, 3), MemberReading("R", "replica", 1500, 40)]
    value = scrape(Metrics(lambda: reading(sync_standbys=2, sync_standbys_met=1, lag_ms=250, members=members)))
    assert [value(f"onsale_{name}") for name in ("sync_standbys", "sync_standbys_met", "lag_seconds")] == [2, 1, 0.25]
    assert value("onsale_member_lag_seconds", member="R", role="replica") == 1.5
    assert value("onsale_member_lag_facts", member="B", role="standby") == 3


def test_members_are_bounded_and_the_worst_of_the_rest_is_shown() -> None:
    members = [MemberReading(f"r-{number:04}", "replica", number, number * 2) for number in range(500)]
    metrics = Metrics(lambda: reading(members=members))
    value = scrape(metrics)
    assert value("onsale_member_lag_seconds", member="other", role="other") == 0.499
    assert value("onsale_member_lag_facts", member="other", role="other") == 998
    assert b"".join(metrics.render()).count(b"onsale_member_lag_facts{") == MEMBERS_SHOWN_MAX + 1


def test_the_process_itself_is_measured(metrics: Metrics) -> None:
    value = scrape(metrics)
    memory, collections = value("process_resident_memory_bytes"), value("python_gc_collections_total", generation="0")
    assert memory is not None
    assert memory > 1e6
    assert collections is not None


def test_labels_are_bounded(metrics: Metrics) -> None:
    for number in range(ROUTES_MAX + 50):
        metrics.route("GET", f"/{number}")(200, 0.001)
        metrics.route(f"X{number}", "/0")(200, 0.001)
    value = scrape(metrics)
    assert value("onsale_http_requests_total", route="other", method="GET", status="200") == 50
    assert value("onsale_http_requests_total", route="/0", method="other", status="200") == ROUTES_MAX + 50
    assert b"".join(metrics.render()).count(b"onsale_http_request_seconds_count") == ROUTES_MAX + 1


def test_two_nodes_in_one_process_count_apart(metrics: Metrics) -> None:
    other = Metrics(reading)
    metrics.route("GET", "/events")(200, 0.001)
    assert scrape(other)("onsale_http_requests_total", route="/events", method="GET", status="200") is None


def test_names_follow_the_rules(metrics: Metrics) -> None:
    metrics.decided(BOOK, BOOKED)
    for family in text_string_to_metric_families(b"".join(metrics.render()).decode()):
        assert family.documentation, family.name
        if family.name.startswith("onsale_"):
            assert family.type in ("counter", "gauge", "histogram"), family.name
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_counting_is_cheap(metrics: Metrics) -> None:
    """A bound so wide that only a lock, a look-up by labels or the like would cross it."""
    route = metrics.route("POST", "/booking")
    seconds = min(timeit.repeat(lambda: route(201, 0.004), number=20_000, repeat=5)) / 20_000
    assert seconds < 3e-6


def test_what_the_gate_refuses(metrics: Metrics) -> None:
    class OfTest:
        refusals: ClassVar = {"limit_per_user": 3, "challenge_used": 1}
        challenge_number_max = 75_000

    assert scrape(metrics)("onsale_challenge_number_max") is None
    metrics.watch(OfTest())
    value = scrape(metrics)
    assert value("onsale_gate_refusals_total", reason="limit_per_user") == 3
    assert value("onsale_gate_refusals_total", reason="challenge_used") == 1
    assert value("onsale_challenge_number_max") == 75_000
