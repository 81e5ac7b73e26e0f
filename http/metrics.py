"""What a node counts, for Prometheus.

Owns the names, labels and buckets of every metric, and counts what passes through the HTTP API, the command loop and
the journal. Counting is plain integer arithmetic, for it happens on the hot path; the registry sees the sums when it is
scraped, through a collector of our own. What others know better (positions, stock, role) is asked of them at that time,
in one `Reading`. All of it happens on the loop's thread.

Label values come from fixed sets only: nothing a client sends makes a new time series.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, Protocol

import msgspec
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..engine.codes import Code
from ..engine.commands import Command
from ..engine.replies import InLine, PaymentUnderway, Refusal, Reply
from ..engine.status import BOOKING_NAMES
from .gateway import ROLES

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

ROUTES_MAX: Final = 100  # further ones are counted as OTHER
OTHER: Final = "other"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OWED_KINDS: Final = ("payments", "refunds", "messages", "concerns")
MEMBERS_SHOWN_MAX: Final = 100  # with time series of their own; of further ones the worst is shown as OTHER

REQUEST_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
COMMIT_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
BATCH_FACTS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)
CHECKPOINT_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class MemberReading(msgspec.Struct, frozen=True):
    """What is known of another member."""

    name: str
    role: str  # one of ROLES
    lag_ms: int
    lag_facts: int  # behind what is durable


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the node says of itself when it is scraped."""

    role: str  # one of ROLES
    epoch: int
    seq: int  # of the last fact applied
    durable_seq: int
    checkpoint_seq: int
    bookings: Mapping[str, int]  # by status, as far as they are in memory
    waiting: int  # bookings in line
    held: int  # tickets
    events: int
    sync_standbys: int = 0  # how many standbys answers wait for
    sync_standbys_met: int = 0  # how many there are in step
    lag_ms: int = 0  # how old what this node shows may be
    members: Sequence[MemberReading] = ()
    owed: Mapping[str, int] = msgspec.field(default_factory=dict)  # to the outside, by kind: OWED_KINDS
    given_up: Mapping[str, int] = msgspec.field(default_factory=dict)  # of these, what a person must look at
    streams: int = 0  # of live updates
    queued: int = 0  # people in waiting rooms whose turn has not come
    inside: int = 0  # people whose turn it is


class Guarded(Protocol):
    """What keeps callers out: see access/gate.py."""

    refusals: dict[str, int]

    @property
    def challenge_number_max(self) -> int: ...


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


class Metrics:
    """Counts of one node, from its start on."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read
        self._routes: dict[tuple[str, str], RouteMetrics] = {}
        self._route_names: set[str] = set()
        self._commands: dict[tuple[type, type | Code], int] = {}  # by command and reply, or the code of a refusal
        self._commit_seconds = Histogram(COMMIT_SECONDS)
        self._batch_facts = Histogram(BATCH_FACTS)
        self._journal_bytes = 0
        self._checkpoint_seconds = Histogram(CHECKPOINT_SECONDS)
        self._apply_seconds = Histogram(COMMIT_SECONDS)
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

    def committed(self, facts: int, size_bytes: int, seconds: float) -> None:
        """One batch was made durable, here and where answers wait for it; `seconds` is what that took."""
        self._commit_seconds.observe(seconds)
        self._batch_facts.observe(facts)
        self._journal_bytes += size_bytes

    def applied(self, facts: int, seconds: float) -> None:
        """A follower has applied a batch, `seconds` after the primary decided the first of it."""
        self._apply_seconds.observe(seconds)
        self._batch_facts.observe(facts)

    def checkpointed(self, seconds: float) -> None:
        """One checkpoint was written."""
        self._checkpoint_seconds.observe(seconds)

    def render(self) -> bytes:
        """Everything in Prometheus's text format, to be sent as `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _families(self) -> Iterator[Metric]:
        yield from self._http_families()
        commands = CounterMetricFamily(
            "onsale_commands", "Commands decided, by kind and outcome.", labels=("kind", "outcome")
        )
        for (kind, outcome), count in self._commands.items():
            commands.add_metric((_snake(kind.__name__), _outcome(outcome)), count)
        yield commands
        for name, text, histogram in (
            (
                "onsale_commit_seconds",
                "Time until a batch is durable: written and synced here, and on the standbys that answers wait for.",
                self._commit_seconds,
            ),
            ("onsale_batch_facts", "Facts made durable together.", self._batch_facts),
            ("onsale_checkpoint_seconds", "Time to write a checkpoint.", self._checkpoint_seconds),
            (
                "onsale_apply_seconds",
                "On a node that follows: from the primary's decision until it shows here, by the two nodes' clocks.",
                self._apply_seconds,
            ),
        ):
            family = HistogramMetricFamily(name, text)
            histogram.add_to(family)
            yield family
        yield CounterMetricFamily("onsale_journal_bytes", "Bytes appended to the journal.", self._journal_bytes)
        if self._gate is not None:
            yield from _of_gate(self._gate)
        reading = self._read()
        yield from _gauges(reading)
        yield from _of_members(reading)

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
        seconds = HistogramMetricFamily(
            "onsale_http_request_seconds", "Time from a request to its answer, by route.", labels=("route",)
        )
        for name, histogram in by_route.items():
            histogram.add_to(seconds, (name,))
        yield seconds


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


def _gauges(reading: Reading) -> Iterator[Metric]:
    for name, text, value in (
        ("onsale_seq", "Position of the last fact applied.", reading.seq),
        ("onsale_durable_seq", "Everything up to this position is durable.", reading.durable_seq),
        ("onsale_checkpoint_seq", "Position of the last checkpoint.", reading.checkpoint_seq),
        ("onsale_epoch", "Epoch of the journal.", reading.epoch),
        ("onsale_waiting", "Bookings that stand in line.", reading.waiting),
        ("onsale_held", "Tickets on hold.", reading.held),
        ("onsale_events", "Events.", reading.events),
        ("onsale_sync_standbys", "Standbys that answers to writes wait for.", reading.sync_standbys),
        ("onsale_sync_standbys_met", "Standbys in step, that answers can rest on.", reading.sync_standbys_met),
        ("onsale_lag_seconds", "How old what this node shows may be.", reading.lag_ms / 1000),
        ("onsale_streams", "Live updates being followed.", reading.streams),
        ("onsale_queue_waiting", "People in waiting rooms whose turn has not come.", reading.queued),
        ("onsale_queue_inside", "People whose turn it is to book.", reading.inside),
    ):
        yield GaugeMetricFamily(name, text, value)
    bookings = GaugeMetricFamily("onsale_bookings", "Bookings in memory, by status.", labels=("status",))
    for status in dict.fromkeys(BOOKING_NAMES.values()):
        bookings.add_metric((status,), reading.bookings.get(status, 0))
    yield bookings
    owed = GaugeMetricFamily(
        "onsale_owed", "What is still to be asked of the payment provider, or told to somebody.", labels=("kind",)
    )
    given_up = GaugeMetricFamily(
        "onsale_given_up", "What a person must look at: see `onsale outbox`.", labels=("kind",)
    )
    for kind in OWED_KINDS:
        if kind in reading.owed:
            owed.add_metric((kind,), reading.owed[kind])
        if kind in reading.given_up:
            given_up.add_metric((kind,), reading.given_up[kind])
    yield owed
    yield given_up
    roles = GaugeMetricFamily("onsale_role", "1 for the role this node has.", labels=("role",))
    for role in ROLES:
        roles.add_metric((role,), float(role == reading.role))
    yield roles


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


def _of_members(reading: Reading) -> Iterator[Metric]:
    """Members come and go by orders of operators, but their names are not ours: so many and no more."""
    members = sorted(reading.members, key=lambda each: each.name)
    shown, rest = members[:MEMBERS_SHOWN_MAX], members[MEMBERS_SHOWN_MAX:]
    seconds = GaugeMetricFamily(
        "onsale_member_lag_seconds", "How far a member is behind the primary, in time.", labels=("member", "role")
    )
    facts = GaugeMetricFamily(
        "onsale_member_lag_facts", "How far a member is behind the primary, in facts.", labels=("member", "role")
    )
    for each in shown:
        seconds.add_metric((each.name, each.role), each.lag_ms / 1000)
        facts.add_metric((each.name, each.role), each.lag_facts)
    if rest:
        seconds.add_metric((OTHER, OTHER), max(each.lag_ms for each in rest) / 1000)
        facts.add_metric((OTHER, OTHER), max(each.lag_facts for each in rest))
    yield seconds
    yield facts
