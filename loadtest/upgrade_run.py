"""An upgrade with load running, and back again: `python -m onsale.loadtest.upgrade_run --old COMMIT`.

Three nodes of the old version; standbys are started with the new one, the primary hands over, and is started with it,
too: as docs/OPERATIONS.md says, with the same commands. Then the same backwards. Meanwhile people book, pay and give up
through all nodes, and ask again with the same key until they are answered. At the end everything that was answered is
asked for again, and every journal is verified. Exits with 1 when anything was lost or told otherwise.

Owns the course of the run and what is reported of it. With --forward it does not go back.
"""

import asyncio
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

import aiohttp
import click

from .bench_replication import wait
from .rush_nodes import START_SECONDS_MAX, RushNode, onsale, other_cpus

REPOSITORY: Final = str(Path(__file__).resolve().parent.parent)
AGAIN_SECONDS: Final = 0.02
ANSWERED_WITHIN_SECONDS: Final = 20.0
BETWEEN_STEPS_SECONDS: Final = 1.0
STARTS_AT: Final = "2099-01-01T20:00:00Z"


class Asked(NamedTuple):
    """One write, and what came of it. `at`: seconds of the monotonic clock."""

    method: str
    path: str
    body: dict[str, Any] | None
    status: int
    answer: Any
    at: float


class People:
    """Who books, pays and gives up, through any node, and does not give up asking."""

    def __init__(self, urls: list[str], event_id: int, size: int) -> None:
        self.answers: dict[str, Asked] = {}
        self.asked_again = 0
        self._urls = urls
        self._event_id = event_id
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWERED_WITHIN_SECONDS))
        self._enough = asyncio.Event()
        self._tasks = [asyncio.create_task(self._shop(Random(f"{event_id} {each}"))) for each in range(size)]

    async def _shop(self, chance: Random) -> None:
        while not self._enough.is_set():
            user_id = f"u-{chance.getrandbits(60)}"
            booking = {"userId": user_id, "eventId": self._event_id}
            held = await self._ask(chance, "POST", "/booking", booking)
            if held.status != 201:
                continue
            if chance.random() < 0.5:
                pay = {"userId": user_id, "eventId": self._event_id, "amount": held.answer["amount"]}
                await self._ask(chance, "POST", "/pay", pay)
            else:
                await self._ask(chance, "DELETE", f"/booking/{held.answer['bookingId']}", None)

    async def _ask(self, chance: Random, method: str, path: str, body: dict[str, Any] | None) -> Asked:
        key = str(UUID(int=chance.getrandbits(128)))
        given_up_at = time.monotonic() + ANSWERED_WITHIN_SECONDS
        while time.monotonic() < given_up_at:
            asked = await self._try(chance.choice(self._urls), key, method, path, body)
            if asked is not None and asked.status not in (429, 503):
                self.answers[key] = asked
                return asked
            self.asked_again += 1
            await asyncio.sleep(AGAIN_SECONDS)
        raise RuntimeError(f"{method} {path} was not answered for {ANSWERED_WITHIN_SECONDS} s")

    async def _try(self, url: str, key: str, method: str, path: str, body: dict[str, Any] | None) -> Asked | None:
        try:
            async with self._session.request(
                method, url + path, json=body, headers={"Idempotency-Key": key}
            ) as response:
                answer = await response.json(content_type=None)
                return Asked(method, path, body, response.status, answer, time.monotonic())
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None

    async def end(self) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)

    async def differences(self, url: str) -> list[str]:
        """What is answered otherwise now. A field that one of the versions has in its answers is no difference."""
        found, waiting = [], iter(self.answers.items())

        async def compare() -> None:
            for key, was in waiting:
                now = await self._try(url, key, was.method, was.path, was.body)
                if now is None or now.status != was.status or not agrees(now.answer, was.answer):
                    found.append(f"{was.method} {was.path}: {was.status} {was.answer}, and now {now}")

        await asyncio.gather(*(compare() for _ in range(20)))
        return found

    async def close(self) -> None:
        await self._session.close()


def agrees(now: Any, was: Any) -> bool:
    """Whether both say the same, as far as both know it."""
    if isinstance(was, dict):
        return isinstance(now, dict) and all(agrees(now[key], was[key]) for key in now.keys() & was.keys())
    if isinstance(was, list):
        return isinstance(now, list) and len(now) == len(was) and all(map(agrees, now, was))
    return bool(now == was)


class Upgrade:
    """The cluster. `trees`: where each version is imported from, by its label; "" is this one."""

    def __init__(self, folder: Path, trees: dict[str, str]) -> None:
        self._trees = trees
        cpus = other_cpus()
        self.nodes = {"a": RushNode(folder, "a", "serve", "--sync-standbys", "1", cpus=cpus)}
        self._folder = folder

    def start(self, label: str) -> None:
        first = self.nodes["a"]
        first.environment = self._environment(label)
        first.start()
        for name in ("b", "c"):
            node = RushNode(self._folder, name, "standby", "--primary", first.replication, cpus=other_cpus())
            node.environment = self._environment(label)
            self.nodes[name] = node
            node.start()
        self.wait_until_whole()

    def _environment(self, label: str) -> dict[str, str]:
        return {"PYTHONPATH": self._trees[label]}

    def primary(self) -> str:
        return next((name for name, node in self.nodes.items() if _leads(node)), "")

    def wait_until_whole(self) -> None:
        """One leads, and answers can rest on both others."""

        def whole() -> bool:
            leader = self.primary()
            return (
                bool(leader) and self.nodes[leader].call("GET", "/cluster")[1]["syncStandbysMet"] == len(self.nodes) - 1
            )

        wait(whole, START_SECONDS_MAX)

    def renew(self, name: str, label: str, *, without_checkpoint: bool) -> None:
        """`without_checkpoint`: of a layout that an older version does not read; it is made anew from the journal."""
        node = self.nodes[name]
        node.stop()
        for file in node.data.glob("checkpoint.sqlite*") if without_checkpoint else ():
            file.unlink()
        node.environment = self._environment(label)
        node.start()
        self.wait_until_whole()

    def hand_over(self, old: str) -> None:
        code, _, said = onsale("switchover", "--node", self.nodes[old].url, "--yes")
        if code:
            raise RuntimeError(f"onsale switchover ended with {code}: {said}")

    def stop(self) -> None:
        leader = self.primary()
        for name in sorted(self.nodes, key=lambda name: name != leader):
            self.nodes[name].stop()

    def verified(self) -> list[str]:
        """What is wrong with the journals."""
        reports, found = {}, []
        for name, node in self.nodes.items():
            code, reports[name], said = onsale("verify", "--data", str(node.data))
            if code:
                found.append(f"{name}: onsale verify ended with {code}: {said}")
        if len({(each.get("lastSeq"), each.get("chainHead"), each.get("stateHash")) for each in reports.values()}) != 1:
            found.append(f"the journals differ: {json.dumps(reports)}")
        return found


def _leads(node: RushNode) -> bool:
    try:
        return node.call("GET", "/primary")[0] == 200
    except (OSError, ValueError):
        return False


async def _round(cluster: Upgrade, label: str, size: int, *, back: bool) -> tuple[People, str]:
    """All nodes to this version, standbys first. What was found, in words."""
    urls = [node.url for node in cluster.nodes.values()]
    event = cluster.nodes[cluster.primary()].call("POST", "/events", {
        "name": label, "startsAt": STARTS_AT, "ticketTypes": [{"name": "A", "price": "10.00", "capacity": 1_000_000}],
    })[1]  # fmt: skip
    people = People(urls, event["id"], size)
    began = time.monotonic()
    await asyncio.sleep(BETWEEN_STEPS_SECONDS)
    old = cluster.primary()
    marks = {}
    for name in [*(each for each in cluster.nodes if each != old), old]:
        if name == old:
            marks["switchover"] = time.monotonic()
            await asyncio.to_thread(cluster.hand_over, old)
            await asyncio.sleep(BETWEEN_STEPS_SECONDS)
        marks[f"restart of {name}"] = time.monotonic()
        await asyncio.to_thread(cluster.renew, name, label, without_checkpoint=back)
        await asyncio.sleep(BETWEEN_STEPS_SECONDS)
    await people.end()
    return people, _words(label, people, marks, time.monotonic() - began)


def _words(label: str, people: People, marks: dict[str, float], seconds: float) -> str:
    times = sorted(each.at for each in people.answers.values())
    pauses: dict[str, float] = {}
    for earlier, later in pairwise(times):
        step = next((name for name, at in reversed(marks.items()) if at <= later), "start")
        pauses[step] = max(pauses.get(step, 0.0), later - earlier)
    longest = ", ".join(f"{step} {pause * 1000:.0f} ms" for step, pause in pauses.items())
    return (
        f"{label}: {len(times)} writes answered in {seconds:.0f} s, {people.asked_again} asked again. "
        f"Longest time without an answer, by step: {longest}"
    )


async def _run(folder: Path, trees: dict[str, str], labels: list[str], size: int) -> list[str]:
    cluster, wrong = Upgrade(folder, trees), list[str]()
    crowds: list[People] = []
    try:
        await asyncio.to_thread(cluster.start, labels[0])
        for label in labels[1:]:
            people, words = await _round(cluster, label, size, back=bool(crowds))
            crowds.append(people)
            print(words, flush=True)
        cluster.wait_until_whole()
        for people in crowds:
            wrong += await people.differences(cluster.nodes[cluster.primary()].url)
        await asyncio.to_thread(cluster.stop)
    finally:
        for people in crowds:
            await people.close()
        for node in cluster.nodes.values():
            node.stop()
    return wrong + cluster.verified()


def unpack(commit: str, folder: Path) -> str:
    """A folder to import that version from."""
    command = [shutil.which("git") or "git", "-C", REPOSITORY, "archive", commit]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder / "onsale", filter="data")
    return str(folder)


@click.command()
@click.option("--old", default="HEAD", metavar="COMMIT", help="The version to begin with.", show_default=True)
@click.option("--new", metavar="COMMIT", help="The version to go to.  [default: what is here]")
@click.option("--forward", is_flag=True, help="Do not go back.")
@click.option("--people", default=8, help="How many ask at a time.", show_default=True)
def main(old: str, new: str | None, people: int, *, forward: bool) -> None:
    """Upgrade a cluster with load running, and go back; exit code 1 says what was lost."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        trees = {
            f"to {old}": unpack(old, folder / "old"),
            f"to {new or 'this'}": unpack(new, folder / "new") if new else "",
        }
        back, forth = trees
        labels = [back, forth] if forward else [back, forth, back]
        wrong = asyncio.run(_run(folder, trees, labels, people))
    for each in wrong[:10]:
        print(each[:1000])
    print(
        f"{len(wrong)} faults"
        if wrong
        else "Nothing is lost: every answer is given again, and every journal is in order."
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
