"""Takeover without a person, with a real etcd: the primary is killed, stopped for a while or cut off, under load.

`ONSALE_TAKEOVER_ROUNDS=100 make test ARGS="-s tests/processes/test_takeover.py"` runs the long form, with the lease of
ONSALE_TAKEOVER_LEASE_SECONDS (2). Every round prints how long it took from the fault to the first answered write.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cluster import Cluster, command
from etcd import FIRST_GROUP, PROGRAM, CutOff, Etcd, can_cut_off
from load import Crowd, Ledger, facts_after
from test_failover import Probes, check_nobody_booked_twice, print_distribution, until_nothing_is_held

ROUNDS = int(os.environ.get("ONSALE_TAKEOVER_ROUNDS", "3"))
LEASE_SECONDS = int(os.environ.get("ONSALE_TAKEOVER_LEASE_SECONDS", "2"))
SEED = int(os.environ.get("ONSALE_TAKEOVER_SEED", "1"))
VERIFIED_EVERY_ROUNDS = 10
TICKETS = 20_000
PROBED_SECONDS = 0.01 * LEASE_SECONDS
FAULTS = ("kill -9", "SIGSTOP", "cut off") if can_cut_off() else ("kill -9", "SIGSTOP")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="etcd is not installed")


@asynccontextmanager
async def led_by_lease(folder: Path, lease_seconds: int = LEASE_SECONDS) -> AsyncIterator[tuple[Cluster, Etcd]]:
    with Etcd(folder) as etcd:
        flags = ("--hold-seconds", "2", "--etcd", etcd.flag, "--lease-seconds", str(lease_seconds))
        cluster = Cluster(folder, flags=flags, seconds=1)
        for number, node in enumerate(cluster.nodes.values()):
            node.group = FIRST_GROUP + number if can_cut_off() else None
        async with cluster:
            yield cluster, etcd


class Watch:
    """Asks every node again and again whether it leads: once another one does, the one before must not say so."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._since: dict[str, float] = {}  # when each first said so
        self._latest = ""
        self.faults: list[str] = []
        self._asking = [asyncio.create_task(self._ask(name)) for name in cluster.nodes]

    async def _ask(self, name: str) -> None:
        while True:
            asked_at = time.monotonic()
            if await self._cluster.leads(name):
                if self._latest != name and name not in self._since:
                    self._latest, self._since[name] = name, time.monotonic()
                elif self._latest != name and asked_at > self._since[self._latest]:
                    self.faults.append(f"{name} says that it leads, though {self._latest} did before it was asked")
            elif self._latest != name:
                self._since.pop(name, None)  # it may lead again later
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        assert not self.faults


async def one_round(cluster: Cluster, event_id: int, how: str, chance: random.Random, ledger: Ledger) -> float:
    """The seconds from the fault to the first answered write."""
    old = await cluster.primary()
    crowd = Crowd(list(cluster.clients.values()), ledger, event_id, chance)
    watch = Watch(cluster)
    await asyncio.sleep(chance.uniform(0.1, 0.6))  # the random moment
    node = cluster.nodes[old]
    others = [name for name in cluster.nodes if name != old]
    cut = CutOff(node.group or 0)
    match how:
        case "kill -9":
            node.kill()
        case "SIGSTOP":
            node.pause()
        case _:
            cut.__enter__()
    try:
        probes = Probes([cluster.clients[name] for name in others], ledger, chance, PROBED_SECONDS)
        async with asyncio.timeout(LEASE_SECONDS * 3 + 10):
            seconds = await probes.seconds()
        new = await cluster.primary(among=others)
        await asyncio.sleep(chance.uniform(0, 0.8))
    finally:
        cut.mend()
    if how == "SIGSTOP":
        node.wake()
    elif how == "kill -9":
        await cluster.start_node(old)
    await asyncio.sleep(chance.uniform(0, 0.3))
    await probes.end()
    await crowd.end()
    await cluster.settle()
    await watch.end()
    assert await cluster.primary() == new
    await ledger.check(cluster.clients[chance.choice(list(cluster.nodes))])
    return seconds


async def stop(cluster: Cluster) -> None:
    """All of it, at one position: else a standby takes over from the primary that stops."""
    assert (await command("pause", "--node", cluster.url("b"))).code == 0

    async def known() -> bool:
        views = [await cluster.view(name) for name in cluster.nodes]
        return all(view is not None and view["takeover"] == "paused" for view in views)

    await cluster.until(known, "all know that takeover is paused")
    await cluster.stop()


@pytest.mark.timeout(90 + (20 + 4 * LEASE_SECONDS) * ROUNDS)
async def test_what_was_answered_outlives_every_primary(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    seconds: dict[str, list[float]] = {how: [] for how in FAULTS}
    ledgers: list[Ledger] = []
    async with led_by_lease(tmp_path) as (cluster, _):
        seq = 0
        for number in range(1, ROUNDS + 1):
            if number % VERIFIED_EVERY_ROUNDS == 1:
                event = await cluster.clients["a"].create_event(
                    name=f"Round {number}", ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": TICKETS}]
                )
            how = FAULTS[number % len(FAULTS)]
            ledger = Ledger(answered_within_seconds=LEASE_SECONDS * 4 + 15)
            ledgers.append(ledger)
            seconds[how].append(await one_round(cluster, event["id"], how, chance, ledger))
            facts = await facts_after(cluster.clients["a"], seq)
            seq = facts[-1]["seq"]
            check_nobody_booked_twice(facts)
            print(f"round {number}, {how}: {seconds[how][-1] * 1000:.0f} ms, {len(ledger.answers)} answers", flush=True)
            if number % VERIFIED_EVERY_ROUNDS == 0 or number == ROUNDS:
                await until_nothing_is_held(cluster, event["id"])
                for each in ledgers:
                    await each.check_some(cluster.clients["b"], chance, 20)
                await stop(cluster)
                await cluster.verified()
                if number < ROUNDS:
                    await cluster.start()
                    assert (await command("resume", "--node", cluster.url("b"))).code == 0
    assert sum(len(ledger.answers) for ledger in ledgers) > 50 * ROUNDS, "the load was too small to show anything"
    for how in FAULTS:
        print_distribution(f"{how}, lease {LEASE_SECONDS} s: from the fault to the first answered write", seconds[how])


async def test_etcd_may_lose_a_member_and_without_a_majority_nobody_new_leads(tmp_path: Path) -> None:
    async with led_by_lease(tmp_path) as (cluster, etcd):
        event = await cluster.clients["b"].create_event(name="x", maxPerUser=4)
        etcd.kill(0)
        await asyncio.sleep(LEASE_SECONDS * 1.5)
        body = {"userId": "ada", "eventId": event["id"]}
        assert (await cluster.clients["a"].call("POST", "/booking", body))[0] == 201
        assert await cluster.primary() == "a", "one member of etcd is not missed"

        etcd.kill(1)
        await asyncio.sleep(LEASE_SECONDS * 2)  # longer than any lease
        await cluster.until_line(cluster.nodes["a"], "can't be asked for")
        body["userId"] = "bob"
        assert (await cluster.clients["c"].call("POST", "/booking", body))[0] == 201, "who leads goes on"
        view = await cluster.view("b")
        assert view is not None
        assert any("can't ask for the lease" in problem for problem in view["problems"])

        cluster.nodes["a"].kill()
        await asyncio.sleep(LEASE_SECONDS * 2)
        assert not [name for name in ("b", "c") if await cluster.leads(name)], "nobody new leads"
        refused = await cluster.order("b", "failover")
        assert refused.code == 4, refused
        assert "nobody leads without its lease" in refused.output

        etcd.start(1)
        new = await cluster.primary(among=["b", "c"])
        body["userId"] = "cyd"
        assert (await cluster.clients[new].call("POST", "/booking", body))[0] == 201


async def test_maintenance_and_orders(tmp_path: Path) -> None:
    async with led_by_lease(tmp_path) as (cluster, _):
        url = cluster.url("b")
        paused = await command("pause", "--node", url, "--format", "json")
        assert (paused.code, paused.document["done"]) == (0, True)

        async def shown(takeover: str) -> bool:
            views = [await cluster.view(name) for name in cluster.running]
            return all(view is not None and view["takeover"] == takeover for view in views)

        await cluster.until(lambda: shown("paused"), "all know of it")
        cluster.nodes["a"].kill()
        await asyncio.sleep(LEASE_SECONDS * 2)
        assert not [name for name in ("b", "c") if await cluster.leads(name)], "takeover is paused"
        failed_over = await cluster.order("b", "failover", "--to", "c")
        assert failed_over.code == 0, failed_over
        assert await cluster.primary(among=["b", "c"]) == "c"
        await cluster.start_node("a")
        await cluster.settle()
        assert (await command("resume", "--node", url)).code == 0
        await cluster.until(lambda: shown("by_lease"), "all know of it")

        handed_over = await cluster.order("c", "switchover", "--to", "a")
        assert handed_over.code == 0, handed_over
        await cluster.settle()
        assert await cluster.primary() == "a"
        began = time.monotonic()
        assert await asyncio.to_thread(cluster.nodes["a"].stop) == 0
        await cluster.primary(among=["b", "c"])
        assert time.monotonic() - began < LEASE_SECONDS + 5, "who stops gives its lease back"
        await cluster.start_node("a")
        await cluster.settle()


async def test_an_empty_folder_does_not_become_another_cluster(tmp_path: Path) -> None:
    async with led_by_lease(tmp_path) as (cluster, _):
        etcd = cluster.nodes["a"].flags[cluster.nodes["a"].flags.index("--etcd") + 1]
        stranger = cluster.add("d", "serve", "--etcd", etcd)
        with suppress(AssertionError):
            await asyncio.to_thread(stranger.start)
        await cluster.until_line(stranger, "etcd knows of another journal")
        assert not await cluster.leads("d")
        stranger.end()
        del cluster.nodes["d"]
