"""What a standby costs: throughput with and without waiting for it, how far it is behind, and what catching up takes.

Owns the pairing: with and without the standby in turn, everything on this one machine. The primary has a core of its
own; generator and standby share the rest.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .bench_http import SERVER_CPU, create_event, load
from .figures import Figure, median
from .result import Result

START_SECONDS_MAX = 60.0
CAUGHT_UP_SECONDS_MAX = 120.0


class Node:
    """One process, its HTTP port and where other nodes connect."""

    def __init__(self, *arguments: str, on_own_core: bool, nice: int = 0) -> None:
        cpus = os.sched_getaffinity(0)
        if on_own_core:
            os.sched_setaffinity(0, {SERVER_CPU if SERVER_CPU in cpus else min(cpus)})
        elif len(cpus) > 1:
            os.sched_setaffinity(0, cpus - {SERVER_CPU})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "onsale", *arguments, "--listen", "127.0.0.1:0", "--replication", "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        finally:
            os.sched_setaffinity(0, cpus)
        os.setpriority(os.PRIO_PROCESS, self.process.pid, nice)
        self.port, self.replication = self._addresses()

    def _addresses(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        port = 0
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                port = port or int(found.group(1))
            elif found := re.search(r"other nodes connect to (\S+)", line):
                return port, found.group(1)
        raise RuntimeError("the node did not start")

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def members(self) -> dict[str, Any]:
        return {member["name"]: member for member in json.loads(self.get("/cluster"))["members"]}

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def cluster(folder: Path, *, standby: bool, sync_standbys: int) -> Iterator[tuple[Node, Node | None]]:
    flags = ("--name", "primary", "--sync-standbys", str(sync_standbys))
    primary = Node("serve", "--data", str(folder / "primary"), *flags, on_own_core=True)
    second = None
    try:
        if standby:
            second = follow(folder, primary)
        create_event(primary.port)
        yield primary, second
    finally:
        for node in (primary, second):
            if node is not None and node.process.poll() is None:
                node.end()


def follow(folder: Path, primary: Node) -> Node:
    """A standby, once it is in step."""
    node = Node(
        "standby", "--data", str(folder / "standby"), "--name", "standby", "--primary", primary.replication,
        on_own_core=False,
    )  # fmt: skip
    wait(lambda: primary.members().get("standby", {}).get("state") == "following", START_SECONDS_MAX)
    return node


def wait(condition: Any, seconds_max: float) -> float:
    """How long it took."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > seconds_max:
            raise RuntimeError("it takes too long")
        time.sleep(0.02)
    return time.perf_counter() - began


def booked(primary: Node, seconds: float) -> Result:
    result = load(primary.port, seconds, keyed=False)
    if set(result.statuses) != {201} or result.failed:
        raise RuntimeError(f"not every booking was held: {result.statuses}, {result.errors}")
    return result


def applied_ms(node: Node, quantile: float) -> float:
    """From the primary's decision until it shows on `node`: the bound of the bucket that holds the quantile."""
    pattern = r'onsale_apply_seconds_bucket\{le="([^"]+)"\} (\S+)'
    buckets = [(float(bound), float(count)) for bound, count in re.findall(pattern, node.get("/metrics").decode())]
    wanted = quantile * buckets[-1][1]
    return next(bound for bound, count in buckets if count >= wanted) * 1000


def run(*, full: bool) -> list[Figure]:
    runs, seconds = (5, 5.0) if full else (3, 2.0)
    alone, waited, beside, ratios, beside_ratios, p99, lag = [], [], [], [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            with cluster(Path(folder) / "alone", standby=False, sync_standbys=0) as (primary, _none):
                alone.append(booked(primary, seconds).per_second)
            with cluster(Path(folder) / "beside", standby=True, sync_standbys=0) as (primary, second):
                beside.append(booked(primary, seconds).per_second)
            with cluster(Path(folder) / "waited", standby=True, sync_standbys=1) as (primary, second):
                result = booked(primary, seconds)
                assert second is not None
                lag.append(applied_ms(second, 0.99))
        waited.append(result.per_second)
        p99.append(result.latency_ms["p99"])
        ratios.append(waited[-1] / alone[-1])
        beside_ratios.append(beside[-1] / alone[-1])
    where = "256 connections, all on this machine"
    return [
        median("replication", "durable POST /booking, no standby", alone, "/s", "", where),
        median("replication", "with a standby nobody waits for", beside, "/s", "", where),
        median("replication", "waiting for one standby", waited, "/s", "", where),
        median("replication", "waiting for one, p99", p99, "ms", "", where),
        median("replication", "with a standby nobody waits for, against none", beside_ratios, "×", "", where),
        median("replication", "waiting for one standby, against none", ratios, "×", "≥ 0.7", where),
        median("replication", "decided until applied on the standby, p99 (its bucket)", lag, "ms", "", where),
        *_catching_up(facts=1_000_000 if full else 100_000, seconds=seconds),
    ]


def _catching_up(*, facts: int, seconds: float) -> list[Figure]:
    """A standby is stopped for so many facts, and started again under full load."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        cluster(Path(folder), standby=True, sync_standbys=0) as (primary, second),
    ):
        assert second is not None
        second.end()
        written = before = 0.0
        while written < facts:
            before = booked(primary, 5.0).per_second
            written += before * 5.0
        began = time.perf_counter()
        # it stands for a node on another machine: what it takes of the generator's core is no cost of the primary's
        again = Node(
            "standby", "--data", str(Path(folder) / "standby"), "--name", "standby", "--primary", primary.replication,
            on_own_core=False,
            nice=19,
        )  # fmt: skip
        meanwhile = booked(primary, seconds).per_second

        def in_step() -> bool:
            members = primary.members()
            return bool(members.get("standby", {}).get("appliedSeq") == members["primary"]["durableSeq"])

        wait(in_step, CAUGHT_UP_SECONDS_MAX)
        took = time.perf_counter() - began
        after = booked(primary, seconds).per_second
        again.end()
    note = f"{facts} facts missed, full load meanwhile"
    return [
        median("replication", "catching up", [took], "s", "", note),
        median("replication", "primary meanwhile, against with it in step", [meanwhile / after], "×", "≥ 0.9", note),
        median("replication", "primary meanwhile, against without it", [meanwhile / before], "×", "", note),
    ]
