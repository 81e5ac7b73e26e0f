"""The primary is killed or paused under load, a standby takes over, the old primary comes back and follows.

`ONSALE_FAILOVER_ROUNDS=100 make test ARGS="-s tests/processes/test_failover.py"` runs the long form. Every round prints
how long it took from the failover command, its own start included, to the first write that was answered.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from load import Crowd, Ledger, facts_after
from nodes import Client

ROUNDS = int(os.environ.get("ONSALE_FAILOVER_ROUNDS", "3"))
SEED = int(os.environ.get("ONSALE_FAILOVER_SEED", "1"))
VERIFIED_EVERY_ROUNDS = 10
PROBED_SECONDS = 0.01
HOLD_SECONDS = "2"
TICKETS = 20_000


class Probes:
    """One new user after the other, whatever becomes of those before, until one is answered."""

    def __init__(
        self, clients: Sequence[Client], ledger: Ledger, chance: random.Random, seconds: float = PROBED_SECONDS
    ) -> None:
        """`seconds`: between one and the next."""
        self._pause_seconds = seconds
        self.began = time.monotonic()
        self._clients = clients
        self._ledger = ledger
        self._chance = chance
        self._answered = asyncio.Event()
        self._first = 0.0
        self._asked: set[asyncio.Task[None]] = set()
        self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        while not self._answered.is_set():
            self._asked.add(asyncio.create_task(self._probe()))
            await asyncio.sleep(self._pause_seconds)

    async def _probe(self) -> None:
        path = f"/users/p-{self._chance.randrange(10**12)}"
        await self._ledger.ask(self._clients, self._chance, "PUT", path, {"name": "Probe"})
        if not self._answered.is_set():
            self._first = time.monotonic()
            self._answered.set()

    async def seconds(self) -> float:
        """From their start to the first answer."""
        await self._answered.wait()
        return self._first - self.began

    async def end(self) -> None:
        """All are answered."""
        await self._asking
        await asyncio.gather(*self._asked)


class Round:
    """One primary that is gone, and comes back."""

    def __init__(self, cluster: Cluster, event_id: int, number: int, chance: random.Random) -> None:
        self.cluster = cluster
        self.event_id = event_id
        self.chance = chance
        self.ledger = Ledger()
        self.how = ("SIGSTOP", "kill -9")[number % 2]

    async def run(self) -> float:
        """The seconds from the failover command to the first answered write."""
        cluster, chance = self.cluster, self.chance
        old = await cluster.primary()
        crowd = Crowd(list(cluster.clients.values()), self.ledger, self.event_id, chance)
        await asyncio.sleep(chance.uniform(0.1, 0.6))  # the random moment
        node = cluster.nodes[old]
        if self.how == "SIGSTOP":
            node.pause()
        else:
            node.kill()
        others = [name for name in cluster.nodes if name != old]
        probes = Probes([cluster.clients[name] for name in others], self.ledger, chance)
        ended = await cluster.order(chance.choice(others), "failover")
        assert ended.code == 0, f"{ended}\n{cluster.told()}"
        seconds = await probes.seconds()
        new = await cluster.primary(among=others)
        assert ended.document["primary"] == new
        await asyncio.sleep(chance.uniform(0, 0.8))
        if self.how == "SIGSTOP":
            node.wake()
        else:
            await cluster.start_node(old)
        await asyncio.sleep(chance.uniform(0, 0.3))
        await probes.end()
        await crowd.end()
        await cluster.settle()
        assert await cluster.primary() == new
        await self.ledger.check(cluster.clients[chance.choice(list(cluster.nodes))])
        return seconds


def check_nobody_booked_twice(facts: list[dict[str, Any]]) -> None:
    """Every request came from another user."""
    booked = Counter(fact["userId"] for fact in facts if fact["type"] in ("held", "waited"))
    assert {user_id: count for user_id, count in booked.items() if count > 1} == {}


async def until_nothing_is_held(cluster: Cluster, event_id: int) -> None:
    """Then no fact comes by itself any more."""
    client = cluster.clients["a"]

    async def nothing() -> bool:
        _, event, _ = await client.call("GET", f"/events/{event_id}")
        return not any(kind["held"] + kind["waiting"] for kind in event["ticketTypes"])

    await cluster.until(nothing, "holds lapse")
    await cluster.settle()


@pytest.mark.timeout(60 + 15 * ROUNDS)
async def test_what_was_answered_outlives_every_primary(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    seconds: list[float] = []
    ledgers: list[Ledger] = []
    async with Cluster(tmp_path, flags=("--hold-seconds", HOLD_SECONDS), seconds=1) as cluster:
        seq = 0
        for number in range(1, ROUNDS + 1):
            if number % VERIFIED_EVERY_ROUNDS == 1 or ROUNDS == 1:
                event = await cluster.clients["a"].create_event(
                    name=f"Round {number}", ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": TICKETS}]
                )
            this = Round(cluster, event["id"], number, chance)
            seconds.append(await this.run())
            ledgers.append(this.ledger)
            facts = await facts_after(cluster.clients["a"], seq)
            seq = facts[-1]["seq"]
            check_nobody_booked_twice(facts)
            print(
                f"round {number}, {this.how}: {seconds[-1] * 1000:.0f} ms to the first answer, "
                f"{len(this.ledger.answers)} answers; tried again: {this.ledger.troubles}",
                flush=True,
            )
            if number % VERIFIED_EVERY_ROUNDS == 0 or number == ROUNDS:
                await until_nothing_is_held(cluster, event["id"])
                for ledger in ledgers:
                    await ledger.check_some(cluster.clients["b"], chance, 20)
                await cluster.stop()
                await cluster.verified()
                if number < ROUNDS:
                    await cluster.start()
    assert sum(len(ledger.answers) for ledger in ledgers) > 50 * ROUNDS, "the load was too small to show anything"
    print_distribution("from the failover command to the first answered write", seconds)


def print_distribution(what: str, seconds: list[float]) -> None:
    ordered = sorted(round(each * 1000) for each in seconds)
    median, p99 = ordered[len(ordered) // 2], ordered[max(-(-len(ordered) * 99 // 100) - 1, 0)]
    print(f"{what}, {len(ordered)} rounds: median {median} ms, p99 {p99} ms, longest {ordered[-1]} ms")
