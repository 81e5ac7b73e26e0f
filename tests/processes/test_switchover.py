"""Leadership is handed over under load: no client that asks again once, with its key, sees an error.

`ONSALE_SWITCHOVER_ROUNDS=30` hands over more often. The longest time without any answer is printed.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cluster import Cluster
from load import Asked, Ledger
from nodes import Client, new_key

ROUNDS = int(os.environ.get("ONSALE_SWITCHOVER_ROUNDS", "4"))
SHOPPERS = 12
BETWEEN_SECONDS = 0.4  # of load
REFUSED = 4

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60 + 5 * ROUNDS)]


class Impatient:
    """Shoppers who ask twice at most, each time through any node."""

    def __init__(self, clients: Sequence[Client], event_id: int, chance: random.Random) -> None:
        self.ledger = Ledger()
        self.failed: list[str] = []
        self.asked_again = 0
        self._clients = clients
        self._event_id = event_id
        self._chance = chance
        self._enough = asyncio.Event()
        self._tasks = [asyncio.create_task(self._shop()) for _ in range(SHOPPERS)]

    async def _shop(self) -> None:
        while not self._enough.is_set():
            body = {"userId": new_key(), "eventId": self._event_id}
            booking = await self._ask("POST", "/booking", body)
            if booking is not None and self._chance.random() < 0.5:
                await self._ask("DELETE", f"/booking/{booking['bookingId']}", None)

    async def _ask(self, method: str, path: str, body: object) -> dict[str, object] | None:
        key, told = new_key(), []
        for _ in range(2):
            answer = await self._chance.choice(self._clients).try_raw(method, path, body, key=key)
            if answer is not None and answer.status < 300:
                self.ledger.answers[key] = Asked(method, path, body, answer)
                self.ledger.answered_at.append(time.monotonic())
                return json.loads(answer.body)  # type: ignore[no-any-return]
            told.append(str(answer))
            self.asked_again += 1
        self.failed.append(f"{method} {path}: {', then '.join(told)}")
        return None

    async def end(self) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)


async def test_nobody_who_asks_again_once_sees_an_error(trio: Cluster) -> None:
    chance = random.Random(3)
    clients = list(trio.clients.values())
    event = await clients[0].create_event(ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 100_000}])
    await trio.settle()
    crowd = Impatient(clients, event["id"], chance)
    for _ in range(ROUNDS):
        await asyncio.sleep(BETWEEN_SECONDS)
        old = await trio.primary()
        ended = await trio.order(chance.choice(list(trio.nodes)), "switchover")
        assert ended.code == 0, f"{ended}\n{trio.told()}"
        assert await trio.primary() == ended.document["primary"] != old
    await asyncio.sleep(BETWEEN_SECONDS)
    await crowd.end()
    assert crowd.failed == []
    await trio.settle()
    await crowd.ledger.check(clients[1])
    print(
        f"switchover, {ROUNDS} times: {len(crowd.ledger.answers)} answers, {crowd.asked_again} asked for again; the "
        f"longest pause was {crowd.ledger.longest_pause_seconds * 1000:.0f} ms"
    )


async def test_the_one_that_is_named_leads_then(trio: Cluster) -> None:
    old = await trio.primary()
    for name in sorted(trio.nodes, key=lambda name: name == old):
        ended = await trio.order(old, "switchover", "--to", name)
        assert (ended.code, ended.document["primary"]) == (0, name), ended
        assert await trio.primary() == name
        await trio.settle()


async def test_what_cannot_lead_is_refused_and_the_primary_goes_on(trio: Cluster) -> None:
    old = await trio.primary()
    for name in (old, "nobody"):
        refused = await trio.order(old, "switchover", "--to", name)
        assert refused.code == REFUSED, refused
        assert refused.document["sentences"]
    assert await trio.primary() == old
    await trio.clients[trio.other_than(old)].create_event()


async def test_a_target_that_does_not_take_it_leaves_the_primary_leading(trio: Cluster) -> None:
    """Paused a moment ago: it is still taken for one that follows."""
    old = await trio.primary()
    target = trio.other_than(old)
    trio.nodes[target].pause()
    try:
        refused = await trio.order(old, "switchover", "--to", target)
        assert refused.code == REFUSED, refused
        status, _, _ = await trio.clients[old].call("PUT", "/users/u", {"name": "U"}, key=new_key())
        assert status == 200
    finally:
        trio.nodes[target].wake()
    await trio.settle()
    assert await trio.primary() == old


async def test_alone_there_is_nobody_to_hand_over_to(tmp_path: Path) -> None:
    async with Cluster(tmp_path, standbys=0, sync_standbys=0) as cluster:
        refused = await cluster.order("a", "switchover")
        assert refused.code == REFUSED, refused
        assert await cluster.primary() == "a"
