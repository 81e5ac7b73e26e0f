"""A cluster goes from one version to the next with load running: replicas and standbys first, then the primary.

The next version is this one, copied and changed: its facts are of the next version, and a hold has a field more. The
long form, between commits, forward and back: `python -m onsale.loadtest.upgrade_run --old COMMIT`.
"""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import Cluster
from load import Crowd, Ledger

import onsale
from onsale.engine.facts import FACTS_VERSION

ROOT = Path(onsale.__file__).parent
PACKAGES = ("effects", "engine", "http", "journal", "node", "replicas")
REFUSED = 4
OUTDATED = re.compile(
    rf"knows facts of version {FACTS_VERSION}, and \w+ writes version {FACTS_VERSION + 1}: start \w+ with the version"
)


def changed(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{path.name} is not what this test takes it for: {old}"
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where to import it from."""
    folder = tmp_path_factory.mktemp("next")
    package = folder / "onsale"
    package.mkdir()
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(ROOT / name, package)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    facts = package / "engine" / "facts"
    changed(
        facts / "version.py", (f"FACTS_VERSION: Final = {FACTS_VERSION}", f"FACTS_VERSION: Final = {FACTS_VERSION + 1}")
    )
    seats = "    seats: tuple[int, ...] = ()  # numbers in the seat map\n"
    changed(facts / "bookings.py", (seats, seats + '    channel: str = "web"\n'))
    return str(folder)


def verified(data: Path, tree: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": tree} if tree else {})
    command = [sys.executable, "-m", "onsale", "verify", "--data", str(data), "--format", "json"]
    return subprocess.run(command, env=environment, cwd=data, capture_output=True, text=True, check=False)


class Renewed:
    """A cluster whose nodes are started with another version, one after the other, while people book."""

    def __init__(self, cluster: Cluster, tree: str) -> None:
        self.cluster = cluster
        self._tree = tree

    async def whole(self, standbys: int) -> None:
        async def found() -> bool:
            view = await self.cluster.view(await self.cluster.primary())
            return view is not None and view["syncStandbysMet"] == standbys

        await self.cluster.until(found, f"{standbys} standbys are in step")

    async def renew(self, name: str) -> None:
        node = self.cluster.nodes[name]
        assert await asyncio.to_thread(node.stop) == 0
        node.environment["PYTHONPATH"] = self._tree
        await self.cluster.start_node(name)

    async def until_refused(self, name: str) -> None:
        """By `onsale status` of the node itself, and in its log."""

        async def told() -> bool:
            view = await self.cluster.view(name)
            return view is not None and any(OUTDATED.search(problem) for problem in view["problems"])

        await self.cluster.until(told, f"{name} says that it is outdated")
        assert any("can't follow" in line and OUTDATED.search(line) for line in self.cluster.nodes[name].lines)


async def test_standbys_first_then_the_primary_and_nothing_is_lost(tmp_path: Path, next_version: str) -> None:
    chance, ledger = random.Random(7), Ledger()
    async with Cluster(tmp_path) as cluster:
        renewed = Renewed(cluster, next_version)
        event = await cluster.clients["a"].create_event(
            ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 100_000}]
        )
        crowd = Crowd(list(cluster.clients.values()), ledger, event["id"], chance, size=4)
        for name in ("b", "c"):
            await renewed.renew(name)
            await renewed.whole(standbys=2)  # the old primary feeds the new version
        ended = await cluster.order("a", "switchover")
        assert ended.code == 0, ended
        await renewed.until_refused("a")  # the new primary does not feed the old version
        await renewed.whole(standbys=1)
        await renewed.renew("a")
        await renewed.whole(standbys=2)
        await crowd.end()
        await cluster.settle()
        await ledger.check(cluster.clients["a"])
        print(f"{len(ledger.answers)} answers; the longest pause was {ledger.longest_pause_seconds * 1000:.0f} ms")
        await cluster.stop()
    reports = [json.loads(verified(node.data, next_version).stdout) for node in cluster.nodes.values()]
    assert all(report["ok"] for report in reports)
    assert len({(report["lastSeq"], report["chainHead"], report["stateHash"]) for report in reports}) == 1

    refused = verified(cluster.nodes["a"].data, "")  # with the old version there is no way back behind that
    assert refused.returncode == REFUSED
    assert "A newer version of Onsale wrote" in refused.stderr


async def test_until_the_new_version_leads_going_back_is_free(tmp_path: Path, next_version: str) -> None:
    async with Cluster(tmp_path, standbys=1) as cluster:
        renewed = Renewed(cluster, next_version)
        await cluster.clients["a"].create_event()
        await renewed.renew("b")
        await renewed.whole(standbys=1)
        await cluster.clients["a"].create_event()
        await Renewed(cluster, "").renew("b")
        await cluster.settle()
        await cluster.stop()
        await cluster.verified()
