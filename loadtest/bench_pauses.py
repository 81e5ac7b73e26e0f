"""How long the longest turn of a node's event loop is under steady load, for each cause that could make one long.

Owns the causes: checkpoints, new segments, holds that lapse all at once, standbys that join, scrapes, the garbage
collector. Each is given twice: as the clock had it, where the rest of the machine counts too (the idle node tells how
much), and as processor time of the loop's own thread, which is what the node itself can be blamed for.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..engine import facts as f
from . import filled
from .bench_http import GENERATOR_CPU, SERVER_CPU
from .figures import Figure
from .stall_probe import Stall, read_stalls

RATE = 3_000
STORM_HOLDS = 100_000
AIM = "≤ 10"
WAIT_SECONDS_MAX = 120.0
FAR_MS = 10**10


class ProbedNode:
    """A node with the probe in it, on a core of its own."""

    def __init__(self, folder: Path, *bounds: str, flags: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.stalls = folder.with_suffix(".stalls")
        self.process = _pinned(
            SERVER_CPU, "onsale.loadtest.stall_probe", str(self.stalls), *bounds, "serve", "--data", str(folder),
            "--name", "primary", "--listen", "127.0.0.1:0", "--replication", "127.0.0.1:0", *flags,
        )  # fmt: skip
        self.port, self.replication = _addresses(self.process)

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        family = re.match(r"\w+", name)
        assert family is not None
        text = self.get(f"/metrics?names={family.group()}").decode()  # the others would be part of what is measured
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def end(self) -> None:
        _end(self.process)


def _pinned(cpu: int, module: str, *arguments: str) -> "subprocess.Popen[str]":
    cpus = os.sched_getaffinity(0)
    with suppress(OSError):  # a machine with one core
        os.sched_setaffinity(0, {cpu})
    try:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    finally:
        os.sched_setaffinity(0, cpus)


def _addresses(process: "subprocess.Popen[str]") -> tuple[int, str]:
    assert process.stdout is not None
    port = 0
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            port = port or int(found.group(1))
        elif found := re.search(r"other nodes connect to (\S+)", line):
            return port, found.group(1)
    raise RuntimeError("the node did not start")


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait(60)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def _load(node: ProbedNode) -> Iterator[None]:
    """Bookings at a steady rate by ever new users."""
    prefix = f"{time.monotonic_ns():x}"
    body = json.dumps({"userId": prefix + "-{n}", "eventId": 1})
    process = _pinned(
        GENERATOR_CPU, "onsale.loadtest.generator", f"http://127.0.0.1:{node.port}/booking", "-X", "POST", "-d", body,
        "--rate", str(RATE), "--seconds", "600", "--format", "json",
    )  # fmt: skip
    time.sleep(1.0)
    try:
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Report:
    """What each cause led to."""

    def __init__(self) -> None:
        self.windows: list[tuple[str, Path, float, float, str]] = []

    @contextmanager
    def during(self, cause: str, node: ProbedNode, note: str = "") -> Iterator[None]:
        began = time.time()
        yield
        time.sleep(0.1)  # a turn that has just begun
        self.windows.append((cause, node.stalls, began, time.time(), note))

    def figures(self) -> list[Figure]:
        found: list[Figure] = []
        measured: list[Stall] = []
        everything: dict[Path, list[Stall]] = {path: read_stalls(path) for _, path, *_ in self.windows}
        for cause, path, began, ended, size in self.windows:
            stalls = [stall for stall in everything[path] if began <= stall.at <= ended]
            measured += stalls
            wall = max((stall.wall_ms for stall in stalls), default=0.0)
            own = max(stalls, key=lambda stall: stall.own_ms, default=None)
            over = sum(stall.wall_ms > 10 for stall in stalls)
            notes = [size, f"{over} over 10 ms in {ended - began:.1f} s", own.where if own is not None else ""]
            note = "; ".join(each for each in notes if each)
            found.append(Figure("pauses", f"{cause}: longest turn", wall, "ms", "", (), note))
            own_ms = 0.0 if own is None else own.own_ms
            found.append(Figure("pauses", f"{cause}: longest of the loop's own", own_ms, "ms", AIM, (), note))
        collector = max((stall.collector_ms for stall in measured), default=0)
        found.append(Figure("pauses", "the garbage collector, in any turn of these", collector, "ms", AIM))
        return found


def _wait(condition: Callable[[], Any], seconds_max: float = WAIT_SECONDS_MAX) -> None:
    given_up_at = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > given_up_at:
            raise RuntimeError("it takes too long")
        time.sleep(0.2)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def quiet(report: Report, folder: Path, seconds: float) -> None:
    """The baselines, scrapes, and a new segment every second."""
    with filled.FilledFolder(folder) as there:
        there.add(_now_ms(), [filled.event(1, _now_ms() + FAR_MS, 10_000_000)])
    node = ProbedNode(folder, f"onsale.journal.segments.SEGMENT_BYTES_MAX={RATE * 128}")
    try:
        time.sleep(1.0)
        with report.during("idle", node, "the machine's own noise"):
            time.sleep(seconds)
        with _load(node):
            with report.during("a new segment every second", node, f"{RATE:,} bookings/s, as in all that follow"):
                time.sleep(seconds)
            with report.during("scrapes of /metrics", node, "ten a second"):
                for _ in range(int(seconds * 10)):
                    node.get("/metrics")
                    time.sleep(0.1)
    finally:
        node.end()


def checkpoint(report: Report, folder: Path, rows: int, seconds: float) -> None:
    """The first one after so many rows changed."""
    with filled.FilledFolder(folder, journal_alone=True) as there:
        at_ms = _now_ms()
        there.add(at_ms, [filled.event(1, at_ms + FAR_MS, 10_000_000)])
        there.add(at_ms, filled.confirmed(range(1, rows + 1), 1, at_ms))
    node = ProbedNode(folder, "onsale.node.instance.ROWS_WORTH_ONE_AT_START=1000000000")
    try:
        note = f"{rows:,} rows changed"
        with _load(node):
            with report.during("a checkpoint", node, note):
                _wait(lambda: node.metric("onsale_checkpoint_seq") >= 3 * rows)
            with report.during("steady load", node, f"right behind it, {rows:,} bookings in memory"):
                time.sleep(seconds)
    finally:
        node.end()


def storm(report: Report, folder: Path, *, line: bool) -> None:
    """Holds that are warned of, and that lapse, within one second; a line behind them takes their place, or nobody."""
    lasts_ms = 40_000  # warned of eight seconds before the end
    with filled.FilledFolder(folder) as there:
        at_ms = _now_ms()
        there.add(at_ms, [filled.event(1, at_ms + FAR_MS, 10_000_000), filled.event(2, at_ms + FAR_MS, STORM_HOLDS)])
        for part in range(10):
            ids = range(part * STORM_HOLDS // 10 + 1, (part + 1) * STORM_HOLDS // 10 + 1)
            there.add(at_ms + part * 100, filled.held(ids, 2, at_ms + part * 100 + lasts_ms))
        if line:
            first = STORM_HOLDS + 1
            there.add(
                at_ms + 1000,
                (f.Waited(number, f"line-{number}", 2, 2, 1, filled.PRICE_MINOR) for number in range(first, 2 * first)),
            )
    node = ProbedNode(folder)
    try:
        with _load(node):
            now = time.time()
            warned_at, lapsed_at = at_ms / 1000 + 0.8 * lasts_ms / 1000, at_ms / 1000 + lasts_ms / 1000
            assert now < warned_at, "the node took too long to start"
            time.sleep(warned_at - now)
            with report.during("holds about to lapse", node, f"{STORM_HOLDS:,} within one second"):
                time.sleep(6)
            time.sleep(max(lapsed_at - time.time(), 0))
            what = "holds that lapse to a line" if line else "holds that lapse"
            with report.during(what, node, f"{STORM_HOLDS:,} within one second"):
                _wait(lambda: node.metric(r'onsale_bookings\{status="expired"\}') >= STORM_HOLDS)
    finally:
        node.end()


def newcomer(report: Report, folder: Path, bookings: int, cause: str) -> None:
    """A standby with an empty folder, until it is in step and one checkpoint was compared."""
    with filled.FilledFolder(folder) as there:
        at_ms = _now_ms()
        there.add(at_ms, [filled.event(1, at_ms + FAR_MS, 10_000_000)])
        there.add(at_ms, filled.confirmed(range(1, bookings + 1), 1, at_ms))
    node = ProbedNode(folder, "onsale.node.checkpointing.SECONDS_BETWEEN_MAX=5")
    standby = None
    try:
        with _load(node):
            time.sleep(1)
            with report.during(cause, node, f"{3 * bookings:,} facts behind; hashes compared every 5 s"):
                standby = _pinned(
                    GENERATOR_CPU, "onsale", "standby", "--data", str(folder) + "-standby", "--name", "standby",
                    "--primary", node.replication, "--listen", "127.0.0.1:0", "--replication", "127.0.0.1:0",
                )  # fmt: skip
                os.setpriority(os.PRIO_PROCESS, standby.pid, 10)  # it stands for one on another machine
                _wait(lambda: _following(node))
                time.sleep(8)
    finally:
        if standby is not None:
            _end(standby)
        node.end()


def _following(node: ProbedNode) -> bool:
    members = {member["name"]: member for member in json.loads(node.get("/cluster"))["members"]}
    return bool(members.get("standby", {}).get("state") == "following")


def run(*, full: bool, only: str = "") -> list[Figure]:
    rows, seconds = (1_000_000, 10.0) if full else (200_000, 4.0)
    report = Report()
    with tempfile.TemporaryDirectory(dir=".") as root:
        causes: dict[str, Callable[[Path], None]] = {
            "quiet": lambda folder: quiet(report, folder, seconds),
            "checkpoint": lambda folder: checkpoint(report, folder, rows, seconds),
            "storm": lambda folder: storm(report, folder, line=False),
            "line": lambda folder: storm(report, folder, line=True),
            "segments": lambda folder: newcomer(report, folder, 60_000, "a standby that joins, from segments"),
            "snapshot": lambda folder: newcomer(report, folder, rows, "a standby that joins, from a checkpoint"),
        }
        for name, measure in causes.items():
            if not only or name in only.split(","):
                measure(Path(root) / name)
        return report.figures()


if __name__ == "__main__":
    for figure in run(full="--full" in sys.argv, only=sys.argv[1] if len(sys.argv) > 1 else ""):
        print(f"{figure.name:60} {figure.value:8.2f} {figure.unit}  {figure.note}")
