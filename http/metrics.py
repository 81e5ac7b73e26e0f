"""What a node counts, for Prometheus.

Owns the names and labels of what is counted, and counts what passes through the HTTP API, the command loop and the
journal. Counting is plain integer arithmetic, for it happens on the hot path; the registry sees the sums when it is
scraped, through a collector of our own. What others know better (positions, stock, role) is asked of them at that time,
in one `Reading`: see measures/. All of it happens on the loop's thread, but for `synced`, which is the journal's.

Label values come from fixed sets only: nothing a client sends makes a new time series.
"""

import re
import time
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Final, Protocol

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..engine.codes import Code
from ..engine.commands import Command
from ..engine.replies import InLine, PaymentUnderway, Refusal, Reply
from .measures.gauges import OTHER, gauges
from .measures.histogram import (
    BATCH_FACTS,
    CHECKPOINT_SECONDS,
    COMMIT_SECONDS,
    DECIDE_SECONDS,
    PAUSE_SECONDS,
    REQUEST_SECONDS,
    Histogram,
    RouteMetrics,
)
from .measures.reading import Reading
from .measures.text import text_of

__all__ = ["CONTENT_TYPE", "ROUTES_MAX", "Histogram", "Metrics", "RouteMetrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

ROUTES_MAX: Final = 100  # further ones are counted as OTHER
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GENERATIONS: Final = 3  # of Python's garbage collector


class Guarded(Protocol):
    """What keeps callers out: see access/gate.py."""

    refusals: dict[str, int]

    @property
    def challenge_number_max(self) -> int: ...


class Metrics:
    """Counts of one node, from its start on."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self.connections: Callable[[], int] | None = None  # how many clients are connected
        self._read = read
        self._routes: dict[tuple[str, str], RouteMetrics] = {}
        self._route_names: set[str] = set()
        self._commands: dict[tuple[type, type | Code], int] = {}  # by command and reply, or the code of a refusal
        self._decide_seconds = Histogram(DECIDE_SECONDS)
        self._commit_seconds = Histogram(COMMIT_SECONDS)
        self._sync_seconds = Histogram(COMMIT_SECONDS)
        self._replicate_seconds = Histogram(COMMIT_SECONDS)
        self._apply_seconds = Histogram(COMMIT_SECONDS)
        self._checkpoint_seconds = Histogram(CHECKPOINT_SECONDS)
        self._loop_delay_seconds = Histogram(PAUSE_SECONDS)
        self._collector_seconds = tuple(Histogram(PAUSE_SECONDS) for _ in range(GENERATIONS))
        self._batch_facts = Histogram(BATCH_FACTS)
        self._journal_bytes = 0
        self._access_lines_dropped = 0
        self._checkpointed_at = time.time()  # it starts with what it read from one
        self._gate: Guarded | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_Families(self._families))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def route(self, method: str, route: str) -> RouteMetrics:
        """The counters of one route, such as ("GET", "/events/{id}"); the same ones each time it is asked for."""
        if method not in METHODS:
            method = OTHER
        if route not in self._route_names and len(self._route_names) >= ROUTES_MAX:
            route = OTHER
        self._route_names.add(route)
        return self._routes.setdefault((method, route), RouteMetrics(route, method))

    def watch(self, gate: Guarded) -> None:
        """Tell what it refuses, too."""
        self._gate = gate

    def decided(self, command: Command, reply: Reply) -> None:
        """One command was decided. Its outcome is `ok`, `waiting`, `underway` or the code of a refusal."""
        key = (command.__class__, reply.code if isinstance(reply, Refusal) else reply.__class__)
        try:
            self._commands[key] += 1
        except KeyError:
            self._commands[key] = 1

    def decide_took(self, seconds: float) -> None:
        """One command, of many, took so long to be decided and applied."""
        self._decide_seconds.observe(seconds)

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None:
        """One batch was made durable, here and where answers wait for it; `seconds` is what that took."""
        self._commit_seconds.observe(seconds)
        self._batch_facts.observe(facts)
        self._journal_bytes += size_bytes

    def synced(self, seconds: float) -> None:
        """The disk has what was appended to the journal: one write and one sync. Called on the journal's thread."""
        self._sync_seconds.observe(seconds)

    def replicated(self, seconds: float) -> None:
        """A standby has a batch on its disk, `seconds` after it was sent there."""
        self._replicate_seconds.observe(seconds)

    def applied(self, facts: int, seconds: float) -> None:
        """A follower has applied a batch, `seconds` after the primary decided the first of it."""
        self._apply_seconds.observe(seconds)
        self._batch_facts.observe(facts)

    def checkpointed(self, seconds: float) -> None:
        """One checkpoint was written."""
        self._checkpoint_seconds.observe(seconds)
        self._checkpointed_at = time.time()

    def loop_delayed(self, seconds: float) -> None:
        """What the event loop was to do at some time was done so much later."""
        self._loop_delay_seconds.observe(seconds)

    def collected(self, generation: int, seconds: float) -> None:
        """Python's garbage collector held everything up for so long."""
        self._collector_seconds[generation].observe(seconds)

    def access_lines_dropped(self, lines: int) -> None:
        """So many lines of the access log came faster than they could be written."""
        self._access_lines_dropped += lines

    def render(self, names: Container[str] = ()) -> Iterator[bytes]:
        """In Prometheus's text format, to be sent as `CONTENT_TYPE`: everything, or, at a fraction of the cost, the
        families of these names among all but those of HTTP and the process. A counter's name is without its _total.

        Each part is made when it is asked for, and between them what is counted may go on.
        """
        if not names:
            return text_of(self.registry.collect())
        return text_of(each for each in self._own_families() if each.name in names)

    def _families(self) -> Iterator[Metric]:
        yield from self._http_families()
        yield from self._own_families()

    def _own_families(self) -> Iterator[Metric]:
        commands = CounterMetricFamily(
            "onsale_commands", "Commands decided, by kind and outcome.", labels=("kind", "outcome")
        )
        for (kind, outcome), count in self._commands.items():
            commands.add_metric((_snake(kind.__name__), _outcome(outcome)), count)
        yield commands
        yield from self._timings()
        yield CounterMetricFamily(
            "onsale_journal_bytes",
            "Bytes of facts that this node appended to the journal while it led, without what frames each batch.",
            self._journal_bytes,
        )
        yield CounterMetricFamily(
            "onsale_access_log_dropped_lines",
            "Lines of the access log that came faster than they could be written.",
            self._access_lines_dropped,
        )
        yield GaugeMetricFamily(
            "onsale_checkpoint_timestamp_seconds",
            "When the last checkpoint was written, or this node started.",
            self._checkpointed_at,
        )
        if self.connections is not None:
            text = "Clients connected, but for streams of live updates."
            yield GaugeMetricFamily("onsale_connections", text, self.connections())
        if self._gate is not None:
            yield from _of_gate(self._gate)
        yield from gauges(self._read())

    def _http_families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "onsale_http_requests",
            "Requests answered, by route, method and status.",
            labels=("route", "method", "status"),
        )
        by_route: dict[str, Histogram] = {}
        for route in self._routes.values():
            by_route.setdefault(route.route, Histogram(REQUEST_SECONDS)).add(route.seconds)
            for status, count in route.statuses.items():
                requests.add_metric((route.route, route.method, str(status)), count)
        yield requests
        for name, histogram in by_route.items():  # by far the largest family: a part for each route
            seconds = HistogramMetricFamily(
                "onsale_http_request_seconds", "Time from a request to its answer, by route.", labels=("route",)
            )
            histogram.add_to(seconds, (name,))
            yield seconds

    def _timings(self) -> Iterator[Metric]:
        yield self._decide_seconds.family(
            "onsale_decide_seconds",
            "Time to decide a command, apply and encode its facts; one command in 16 is measured.",
        )
        yield self._commit_seconds.family(
            "onsale_commit_seconds",
            "Time until a batch is durable: written and synced here, and on the standbys that answers wait for.",
        )
        yield self._sync_seconds.family(
            "onsale_sync_seconds", "Time for one write and fdatasync of the journal, on this node's disk."
        )
        yield self._replicate_seconds.family(
            "onsale_replicate_seconds", "Time from sending a batch to a standby until it says that it is on its disk."
        )
        yield self._apply_seconds.family(
            "onsale_apply_seconds",
            "On a node that follows: from the primary's decision until it shows here, by the two nodes' clocks.",
        )
        yield self._checkpoint_seconds.family("onsale_checkpoint_seconds", "Time to write a checkpoint.")
        yield self._loop_delay_seconds.family(
            "onsale_loop_delay_seconds",
            "How late the event loop came to what it was to do, looked at 20 times a second.",
        )
        collector = HistogramMetricFamily(
            "onsale_gc_pause_seconds", "How long Python's garbage collector held everything up.", labels=("generation",)
        )
        for generation, histogram in enumerate(self._collector_seconds):
            histogram.add_to(collector, (str(generation),))
        yield collector
        yield self._batch_facts.family("onsale_batch_facts", "Facts made durable together.")


def _of_gate(gate: Guarded) -> Iterator[Metric]:
    refused = CounterMetricFamily(
        "onsale_gate_refusals", "Calls refused before anything was decided, by what was wrong.", labels=("reason",)
    )
    for reason, count in gate.refusals.items():
        refused.add_metric((reason,), count)
    yield refused
    yield GaugeMetricFamily(
        "onsale_challenge_number_max",
        "How many hashes a challenge takes at most, by what comes in now.",
        gate.challenge_number_max,
    )


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


_OUTCOMES: Final[dict[type, str]] = {InLine: "waiting", PaymentUnderway: "underway"}


def _outcome(outcome: type | Code) -> str:
    if isinstance(outcome, Code):
        return outcome.value
    return _OUTCOMES.get(outcome, "ok")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
