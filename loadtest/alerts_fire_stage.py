"""Where alerts are made to fire: real nodes, a real Prometheus that scrapes them, etcd, and disks to fill and hang.

Owns the processes and mounts, which all end with the stage, and what is noted of each alert: its cause, when that
began, and when it fired. Nodes belong to clusters, which Prometheus tells apart by their label; one cluster's faults
are no other's.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from .rush_nodes import RushNode

RULES: Final = Path(__file__).resolve().parent.parent / "deploy" / "prometheus"
LOOKED_AT_SECONDS: Final = 0.2
PROMETHEUS: Final = """
global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 500ms}
rule_files: ["*.rules.yml"]
scrape_configs:
  - job_name: onsale
    file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]
"""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def shortened(rules: str, factor: float) -> str:
    """The same rules, with every window and every `for` so many times shorter. Nothing else is another."""

    def shorter(found: re.Match[str]) -> str:
        before, number, unit, behind = found.groups()
        return f"{before}{round(int(number) * _SECONDS[unit] * 1000 / factor)}ms{behind}"

    return re.sub(r"(\[|\bfor: )(\d+)([smhd])(\]|$)", shorter, rules, flags=re.MULTILINE)


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


@dataclass
class Fired:
    """What was done to make one alert fire, and what came of it."""

    alert: str
    cluster: str
    cause: str
    began: float
    too_early: bool  # it had fired before anything was done
    seconds: float | None = None  # from the cause until it fired
    summary: str = ""  # as whoever is called reads it


@dataclass
class Stage:
    folder: Path
    factor: float
    told: list[Fired] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._stack = ExitStack()
        self._targets: dict[str, list[str]] = {}
        self._firing: set[tuple[str, str]] = set()
        self._changed = asyncio.Condition()
        for file in RULES.glob("*.rules.yml"):
            (self.folder / file.name).write_text(shortened(file.read_text(), self.factor))
        (self.folder / "prometheus.yml").write_text(PROMETHEUS)
        self.clusters = self.folder / "clusters"
        with suppress(OSError):  # else what others do to this machine's disk fires, too
            self.memory_disk(self.clusters, "2g")
        self._write_targets()
        address = f"127.0.0.1:{free_port()}"
        self._alerts = f"http://{address}/api/v1/alerts"
        self.process(
            "prometheus", "prometheus", f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/prometheus", f"--web.listen-address={address}",
        )  # fmt: skip
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=0)
        )
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await self.session.close()
        await asyncio.to_thread(self._stack.close)

    # --- what there is

    def process(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Ends with the stage. Its output is in a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    async def node(self, cluster: str, name: str, kind: str, *flags: str, **environment: str) -> RushNode:
        """Started, ready, and scraped from now on."""
        folder = self.clusters / cluster
        folder.mkdir(exist_ok=True)
        node = RushNode(folder, name, kind, *flags, cpus=os.sched_getaffinity(0))
        node.environment = {"ONSALE_CLUSTER_SECRET": "alerts"} | environment
        self._stack.callback(_end, node)
        await asyncio.to_thread(node.start)
        await self.until_answered(node, "GET", "/readyz")
        self._targets.setdefault(cluster, []).append(f"127.0.0.1:{node.port}")
        self._write_targets()
        return node

    async def pair(self, cluster: str) -> tuple[RushNode, RushNode]:
        """A primary whose answers wait for a standby, with an event that is hardly ever sold out."""
        primary = await self.node(cluster, "a", "serve", "--sync-standbys", "1")
        standby = await self.node(cluster, "b", "standby", "--primary", primary.replication)
        await self.event(primary)
        return primary, standby

    async def event(self, node: RushNode, **fields: Any) -> None:
        tickets = [{"name": "Standing", "price": "10.00", "capacity": 5_000_000}]
        body = {"name": "Rehearsal", "startsAt": "2099-01-01T20:00:00Z", "ticketTypes": tickets} | fields
        await self.until_answered(node, "POST", "/events", body)

    def no_targets(self) -> None:
        self._targets.clear()
        self._write_targets()

    def _write_targets(self) -> None:
        groups = [{"targets": nodes, "labels": {"cluster": name}} for name, nodes in self._targets.items()]
        written = self.folder / "targets.new"
        written.write_text(json.dumps(groups))
        written.rename(self.folder / "targets.json")

    # --- disks

    def memory_disk(self, folder: Path, size: str) -> None:
        """Raises OSError where this is not allowed."""
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
        self._stack.callback(_run, "umount", "--lazy", str(folder))

    def real_disk(self, folder: Path, size: str) -> None:
        """One that `freeze` can make hang. Raises OSError where this is not allowed."""
        folder.mkdir()
        image = folder.with_suffix(".image")
        _run("truncate", "--size", size, str(image))
        _run("mkfs.ext4", "-q", str(image))
        _run("mount", "-o", "loop", str(image), str(folder))
        self._stack.callback(_run, "umount", "--lazy", str(folder))

    def freeze(self, folder: Path) -> None:
        """Whoever writes there waits, until the stage ends."""
        _run("fsfreeze", "--freeze", str(folder))
        self._stack.callback(_run, "fsfreeze", "--unfreeze", str(folder))

    # --- what is asked of nodes

    async def ask(self, node: RushNode, method: str, path: str, body: Any = None) -> int:
        """The status; 0: there was no answer."""
        try:
            async with self.session.request(method, node.url + path, json=body) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0

    async def until_answered(self, node: RushNode, method: str, path: str, body: Any = None) -> None:
        """Until it is done. Raises RuntimeError."""
        for _ in range(300):
            if await self.ask(node, method, path, body) in (200, 201):
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{node.name} of {node.data.parent.name} does not do {method} {path}")

    # --- what fires

    def cause(self, alert: str, cluster: str, text: str) -> Fired:
        """It begins now."""
        fired = Fired(alert, cluster, text, time.monotonic(), (alert, cluster) in self._firing)
        self.told.append(fired)
        return fired

    async def until_fired(self, *causes: Fired, seconds_max: float = 60.0) -> None:
        """Returns when all have, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_max), self._changed:
                await self._changed.wait_for(lambda: all(each.seconds is not None for each in causes))

    async def until_silent(self, alert: str, cluster: str) -> None:
        """Returns when it does not fire, or when half a minute is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(30), self._changed:
                await self._changed.wait_for(lambda: (alert, cluster) not in self._firing)

    async def quiet(self, seconds: float, seconds_max: float) -> list[str]:
        """Waits until nothing has fired for so long. Returns what still does when the time is over."""
        given_up_at, since = time.monotonic() + seconds_max, time.monotonic()
        while (now := time.monotonic()) < given_up_at and now - since < seconds:
            since = now if self._firing else since
            await asyncio.sleep(LOOKED_AT_SECONDS)
        return sorted(f"{alert} ({cluster})" for alert, cluster in self._firing)

    async def _watch(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self.session.get(self._alerts) as answer:
                    alerts = (await answer.json())["data"]["alerts"]
                await self._note({_name(each["labels"]): each for each in alerts if each["state"] == "firing"})
            await asyncio.sleep(LOOKED_AT_SECONDS)

    async def _note(self, firing: dict[tuple[str, str], Any]) -> None:
        self._firing = set(firing)
        for each in self.told:
            fires = firing.get((each.alert, each.cluster))
            if each.seconds is None and fires is not None:
                each.seconds = time.monotonic() - each.began
                each.summary = fires["annotations"]["summary"]
        async with self._changed:
            self._changed.notify_all()


def _name(labels: dict[str, str]) -> tuple[str, str]:
    return labels["alertname"], labels.get("cluster", "")


def alerts() -> dict[str, str]:
    """Every alert of the rules, and its severity."""
    rules = (RULES / "alerts.rules.yml").read_text()
    return dict(re.findall(r"- alert: (\w+)[\s\S]+?severity: (\w+)", rules))


def _run(*command: str) -> None:
    """Raises OSError with what it said."""
    if shutil.which(command[0]) is None:
        raise OSError(f"{command[0]} is not installed")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if ended.returncode:
        raise OSError(ended.stderr.strip() or f"{command[0]} ended with {ended.returncode}")


def _end(node: RushNode) -> None:
    if node.process is not None:
        node.process.kill()
        node.process.wait()


@asynccontextmanager
async def hanging(node: RushNode, stopped_seconds: float, running_seconds: float) -> AsyncIterator[None]:
    """The process is stopped (SIGSTOP) and goes on (SIGCONT) in turn."""

    async def stop_and_go() -> None:
        assert node.process is not None
        try:
            while True:
                node.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(stopped_seconds)
                node.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(running_seconds)
        finally:
            node.process.send_signal(signal.SIGCONT)

    task = asyncio.create_task(stop_and_go())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Etcd:
    """Three members on loopback."""

    def __init__(self, stage: Stage) -> None:
        ports = [(free_port(), free_port()) for _ in range(3)]
        self.urls = [f"http://127.0.0.1:{client}" for client, _ in ports]
        cluster = ",".join(f"m{number}=http://127.0.0.1:{peer}" for number, (_, peer) in enumerate(ports))
        self._members = [
            stage.process(
                f"etcd-{number}", "etcd", "--name", f"m{number}", "--data-dir", str(stage.clusters / f"etcd-{number}"),
                "--listen-client-urls", f"http://127.0.0.1:{client}",
                "--advertise-client-urls", f"http://127.0.0.1:{client}",
                "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                "--initial-cluster", cluster, "--log-level", "error",
            )
            for number, (client, peer) in enumerate(ports)
        ]  # fmt: skip

    def kill(self, number: int) -> None:
        self._members[number].kill()
