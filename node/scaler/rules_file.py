"""Rules as they are written: a TOML file, read strictly.

Owns the names, defaults and bounds of all settings, and which of them contradict each other. Raises BadRules, whose
text names file, line, key and remedy; nothing is guessed and nothing is passed over. Samples are in deploy/scaler.
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ...http.gateway import ROLES
from ..options import parse_address, parse_host, parse_name
from .rules import (
    Balancer,
    Driver,
    DryDriver,
    HaproxyBalancer,
    HookBalancer,
    HookDriver,
    NginxBalancer,
    NoBalancer,
    NodeMetric,
    Nodes,
    Plan,
    ProcessesDriver,
    PrometheusQuery,
    PrometheusServer,
    Rule,
    Rules,
)
from .toml_table import BadRules, Table, read_toml

MOST_MAX = 100
DAY_SECONDS = 24 * 3600
_QUANTILE = re.compile(r"p([0-9]{1,2}(\.[0-9]+)?)")
_AGGREGATES = ("rate", "rate_per_node", "mean", "max", "sum")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

__all__ = ["BadRules", "read_rules"]


def read_rules(path: Path) -> Rules:
    """Raises BadRules, OSError."""
    file = read_toml(path)
    every_seconds = file.number("every_seconds", 15.0, least=0.05, most=3600)
    nodes = _nodes(file.table("nodes"))
    prometheus_table = file.table("prometheus")
    prometheus = _prometheus(prometheus_table) if "prometheus" in file else None
    plan = _plan(file, every_seconds, nodes, has_prometheus=prometheus is not None)
    rules = Rules(
        path=path,
        every_seconds=every_seconds,
        state=_path(file, "state"),
        plan=plan,
        driver=_driver(file.table("driver"), plan, nodes),
        balancer=_balancer(file.table("balancer")),
        max_lag_seconds=file.number("max_lag_seconds", 5.0, least=0.05, most=3600),
        join_seconds=file.number("join_seconds", 120.0, least=0, most=DAY_SECONDS),
        remind_seconds=file.number("remind_seconds", 300.0, least=1, most=DAY_SECONDS),
        prometheus=prometheus,
        nodes=nodes,
    )
    file.done()
    return rules


def _plan(file: Table, every_seconds: float, nodes: Nodes, *, has_prometheus: bool) -> Plan:
    limits = file.table("limits")
    least = limits.whole("least", least=0, most=MOST_MAX)
    most = limits.whole("most", least=1, most=MOST_MAX)
    if least > most:
        raise limits.wrong("least", f"it is above most ({most}); write at most {most}, or raise most.")
    limits.done()
    cool_down = file.table("cool_down")
    after_up = cool_down.number("after_up_seconds", 60.0, least=0, most=DAY_SECONDS)
    after_down = cool_down.number("after_down_seconds", 300.0, least=0, most=DAY_SECONDS)
    cool_down.done()
    stale = file.number("stale_seconds", max(60.0, 2 * every_seconds), least=0.1, most=DAY_SECONDS)
    if stale < every_seconds:
        raise file.wrong(
            "stale_seconds", f"it is below every_seconds ({every_seconds:g}): all readings would be stale."
        )
    rules: list[Rule] = []
    for table in file.tables("rule"):
        rule = _rule(table, every_seconds, nodes, has_prometheus=has_prometheus)
        if any(rule.name == each.name for each in rules):
            raise table.wrong("name", f"two rules are called {rule.name!r}; give each a name of its own.")
        rules.append(rule)
    if not rules:
        raise file.wrong("rule", "there are no rules; write at least one, beginning with a line `[[rule]]`.")
    return Plan(tuple(rules), least, most, after_up, after_down, stale, 3 * every_seconds + 5)


def _rule(table: Table, every_seconds: float, nodes: Nodes, *, has_prometheus: bool) -> Rule:
    name = table.text("name")
    kind = table.one_of("source", ("prometheus", "nodes"))
    up, down = table.number("up_above"), table.number("down_below")
    if not down < up:
        fault = f"it must be below up_above ({up:g}), well below where one replica more or less moves the reading."
        raise table.wrong("down_below", fault)
    if kind == "prometheus":
        if not has_prometheus:
            raise table.wrong("source", 'which one? Add a table [prometheus] with `url = "http://127.0.0.1:9090"`.')
        source: PrometheusQuery | NodeMetric = PrometheusQuery(table.text("query"))
    else:
        if not nodes.addresses:
            raise table.wrong("source", 'which ones? Add a table [nodes] with `addresses = ["http://…"]`.')
        source = _node_metric(table, every_seconds)
    rule = Rule(
        name,
        source,
        up,
        down,
        for_up_seconds=table.number("for_up_seconds", 0.0, least=0, most=DAY_SECONDS),
        for_down_seconds=table.number("for_down_seconds", 0.0, least=0, most=DAY_SECONDS),
        step_up=table.whole("step_up", 1, least=1, most=MOST_MAX),
        step_down=table.whole("step_down", 1, least=1, most=MOST_MAX),
        nan_means=table.number("nan_means") if "nan_means" in table else None,
    )
    table.done()
    return rule


def _node_metric(table: Table, every_seconds: float) -> NodeMetric:
    metric = table.text("metric")
    if not _METRIC.fullmatch(metric):
        raise table.wrong("metric", f"{metric!r} is no name of a metric; see GET /metrics of a node for all of them.")
    aggregate = table.text("aggregate")
    quantile = _QUANTILE.fullmatch(aggregate)
    if not quantile and aggregate not in _AGGREGATES:
        raise table.wrong("aggregate", f"{aggregate!r} is none of p50, p99, p99.9 …, {', '.join(_AGGREGATES)}.")
    if quantile and not 0 < float(quantile[1]) < 100:
        raise table.wrong("aggregate", f"{aggregate!r} is no quantile; write p1 to p99.99.")
    window = table.number("window_seconds", max(60.0, 2 * every_seconds), least=0.1, most=3600)
    if window < every_seconds:
        raise table.wrong("window_seconds", f"it is below every_seconds ({every_seconds:g}); write that or more.")
    roles = table.texts("roles", ())
    for role in roles:
        if role not in ROLES:
            raise table.wrong("roles", f"{role!r} is none of {', '.join(ROLES)}.")
    return NodeMetric(metric, aggregate, window, table.labels("where"), roles)


def _nodes(table: Table) -> Nodes:
    addresses = tuple(_url(table, "addresses", each) for each in table.texts("addresses", ()))
    nodes = Nodes(
        addresses,
        table.flag("discover", default=True),
        table.number("timeout_seconds", 3.0, least=0.1, most=60),
    )
    table.done()
    return nodes


def _prometheus(table: Table) -> PrometheusServer:
    server = PrometheusServer(
        _url(table, "url", table.text("url")),
        table.number("timeout_seconds", 5.0, least=0.1, most=60),
        _path(table, "token_file") if "token_file" in table else None,
        _path(table, "targets_file") if "targets_file" in table else None,
    )
    table.done()
    return server


def _url(table: Table, key: str, text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise table.wrong(key, f"{text!r} is no address; write for example http://10.0.0.11:8080.")
    return text.rstrip("/")


# --- drivers


def _driver(table: Table, plan: Plan, nodes: Nodes) -> Driver:
    kind = table.one_of("kind", ("processes", "hook", "dry_run"))
    driver: Driver
    if kind == "processes":
        driver = _processes(table, plan, nodes)
    elif kind == "hook":
        timeout = table.number("timeout_seconds", 60.0, least=0.1, most=DAY_SECONDS)
        up, down, listing = (_command(table, key) for key in ("up", "down", "list"))
        driver = HookDriver(up, down, listing, timeout)
    else:
        driver = DryDriver()
    table.done()
    return driver


def _processes(table: Table, plan: Plan, nodes: Nodes) -> ProcessesDriver:
    host = _checked(table, "host", table.text("host", "127.0.0.1"), parse_host)
    first_port = table.whole("first_port", least=1, most=65_535)
    if first_port + plan.most - 1 > 65_535:
        raise table.wrong("first_port", f"{plan.most} ports from there on are more than there are; write a lower one.")
    sources = table.texts("sources", ())
    for each in sources:
        _checked(table, "sources", each, parse_address)
    if not sources and not nodes.addresses:
        fault = 'write `sources = ["HOST:PORT"]`, the --replication of a standby, or a table [nodes] to find one.'
        raise table.wrong("sources", fault)
    command = _command(table, "command") if "command" in table else (sys.executable, "-m", "onsale")
    drain_seconds = table.number("drain_seconds", 10.0, least=0, most=3600)
    return ProcessesDriver(
        host=host,
        first_port=first_port,
        prefix=_checked(table, "prefix", table.text("prefix", "scaled-"), lambda prefix: parse_name(f"{prefix}1")),
        command=command,
        arguments=table.texts("arguments", ()),
        sources=sources,
        primary_feeds_most=table.whole("primary_feeds_most", 1, least=0, most=MOST_MAX),
        drain_seconds=drain_seconds,
        stop_seconds=table.number("stop_seconds", 30.0, least=0.1, most=3600),
        stop_with_scaler=table.flag("stop_with_scaler", default=False),
    )


# --- balancers


def _balancer(table: Table) -> Balancer:
    kind = table.one_of("kind", ("nginx", "haproxy", "hook", "none"), "none")
    make: dict[str, Callable[[Table], Balancer]] = {
        "nginx": _nginx,
        "haproxy": _haproxy,
        "hook": _hook_balancer,
        "none": lambda _table: NoBalancer(),
    }
    balancer = make[kind](table)
    table.done()
    return balancer


def _nginx(table: Table) -> NginxBalancer:
    always = table.texts("always")  # nginx refuses an upstream without servers
    for each in always:
        _checked(table, "always", each, parse_address)
    options = table.text("options", "")
    if re.search(r"[;{}\n]", options):
        raise table.wrong("options", "it goes behind `server HOST:PORT` and must hold none of ; { } nor a line break.")
    return NginxBalancer(
        _path(table, "file"),
        always,
        options.strip(),
        _command(table, "reload"),
        table.number("timeout_seconds", 30.0, least=0.1, most=600),
    )


def _haproxy(table: Table) -> HaproxyBalancer:
    words = {}
    for key, default in (("backend", "reads"), ("slots", "replica")):
        words[key] = table.text(key, default)
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", words[key]):
            raise table.wrong(key, f"{words[key]!r} is no name in HAProxy: letters, digits and _ . : - alone.")
    return HaproxyBalancer(
        _path(table, "socket"),
        words["backend"],
        words["slots"],
        table.number("drain_seconds", 30.0, least=0, most=3600),
        table.number("timeout_seconds", 5.0, least=0.1, most=600),
    )


def _hook_balancer(table: Table) -> HookBalancer:
    admit, drain = _command(table, "admit"), _command(table, "drain")
    release = _command(table, "release") if "release" in table else ()
    return HookBalancer(admit, drain, release, table.number("timeout_seconds", 60.0, least=0.1, most=DAY_SECONDS))


# --- parts


def _command(table: Table, key: str) -> tuple[str, ...]:
    command = table.texts(key)
    if shutil.which(command[0]) is None:
        if " " in command[0]:
            written = ", ".join(f'"{part}"' for part in command[0].split())
            raise table.wrong(key, f"a command is a list of its words: write [{written}].")
        raise table.wrong(key, f"there is no program {command[0]!r} that can be run here; write where it is.")
    return command


def _path(table: Table, key: str) -> Path:
    """Relative to the file of rules."""
    return (table.file.parent / Path(table.text(key)).expanduser()).absolute()


def _checked(table: Table, key: str, text: str, parse: Callable[[str], object]) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise table.wrong(key, str(error)) from error
    return text
