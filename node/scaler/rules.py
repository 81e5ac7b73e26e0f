"""What a rules file says: when to scale, what with, and between which bounds.

Owns these records, all of them plain values. How they are written down, and what is refused there, is rules_file.py.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class PrometheusQuery:
    """PromQL whose result is one number."""

    query: str

    def __str__(self) -> str:
        return self.query


@dataclass(frozen=True)
class NodeMetric:
    """A metric of the nodes' own /metrics, made one number.

    `aggregate`: p50, p99.9 and so on of a histogram; rate or rate_per_node of a counter, per second; mean of a
    histogram; max, mean or sum of a gauge. `where`: labels that must be so. `roles`: of which nodes.
    """

    metric: str
    aggregate: str
    window_seconds: float
    where: tuple[tuple[str, str], ...] = ()
    roles: tuple[str, ...] = ()

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{value}"' for name, value in self.where)
        return f"{self.aggregate} of {self.metric}{f'{{{labels}}}' if labels else ''}"


@dataclass(frozen=True)
class Rule:
    """More are wanted while the reading is above `up_above`, fewer while it is below `down_below`.

    Either must be so for a while first. `nan_means`: what a NaN is taken for, which is what Prometheus makes of a
    quantile over no requests; None: nothing is known then.
    """

    name: str
    source: PrometheusQuery | NodeMetric
    up_above: float
    down_below: float
    for_up_seconds: float
    for_down_seconds: float
    step_up: int = 1
    step_down: int = 1
    nan_means: float | None = None


@dataclass(frozen=True)
class Plan:
    """What the decision goes by. A reading older than `stale_seconds` is none.

    `gap_seconds`: rules that were not looked at for so long have not held meanwhile.
    """

    rules: tuple[Rule, ...]
    least: int
    most: int
    after_up_seconds: float
    after_down_seconds: float
    stale_seconds: float
    gap_seconds: float


@dataclass(frozen=True)
class PrometheusServer:
    """`targets_file`: where replicas that serve are written down for its file_sd_configs; None: nowhere."""

    url: str
    timeout_seconds: float
    token_file: Path | None
    targets_file: Path | None


@dataclass(frozen=True)
class Nodes:
    """Where nodes are asked. `discover`: ask the first that answers for its cluster's members."""

    addresses: tuple[str, ...]
    discover: bool
    timeout_seconds: float


@dataclass(frozen=True)
class ProcessesDriver:
    """Replicas as processes of this machine, at `host` and the ports from `first_port` on, called `prefix`1 and so on.

    `sources`: what they follow; empty: standbys and replicas that are found, then the primary, for `primary_feeds_most`
    of them. `stop_with_scaler`: else they go on when the scaler ends, and are found again.
    """

    host: str
    first_port: int
    prefix: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    sources: tuple[str, ...]
    primary_feeds_most: int
    drain_seconds: float
    stop_seconds: float
    stop_with_scaler: bool


@dataclass(frozen=True)
class HookDriver:
    """Commands of an orchestrator. See hooks.py for what they are told."""

    up: tuple[str, ...]
    down: tuple[str, ...]
    list: tuple[str, ...]
    timeout_seconds: float


@dataclass(frozen=True)
class DryDriver:
    """Nothing is started or stopped."""


@dataclass(frozen=True)
class NginxBalancer:
    """`file` holds `server HOST:PORT;` lines alone: of `always` and the replicas. `reload` has nginx read it."""

    file: Path
    always: tuple[str, ...]
    options: str
    reload: tuple[str, ...]
    timeout_seconds: float


@dataclass(frozen=True)
class HaproxyBalancer:
    """Replica number N has the place `slots`N of `backend`."""

    socket: Path
    backend: str
    slots: str
    drain_seconds: float
    timeout_seconds: float


@dataclass(frozen=True)
class HookBalancer:
    admit: tuple[str, ...]
    drain: tuple[str, ...]
    release: tuple[str, ...]
    timeout_seconds: float


@dataclass(frozen=True)
class NoBalancer:
    """Replicas are found in some other way, or by nobody."""


Driver = ProcessesDriver | HookDriver | DryDriver
Balancer = NginxBalancer | HaproxyBalancer | HookBalancer | NoBalancer


@dataclass(frozen=True)
class Rules:
    """All of a file. `max_lag_seconds`: a replica is let in once it is at most so far behind; `join_seconds`: how long
    the next step waits for that.
    """

    path: Path
    every_seconds: float
    state: Path
    plan: Plan
    driver: Driver
    balancer: Balancer
    max_lag_seconds: float
    join_seconds: float
    remind_seconds: float
    prometheus: PrometheusServer | None = None
    nodes: Nodes = field(default_factory=lambda: Nodes((), discover=False, timeout_seconds=5.0))
