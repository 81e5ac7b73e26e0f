"""The primary is killed at each point between "pay asked" and "tickets sent"; afterwards the books agree to the cent.

`ONSALE_MONEY_ROUNDS=200 make test ARGS="-s tests/processes/test_money_rounds.py"` runs the long form. Every round
prints the point at which the primary was killed; a failure names it, with the seed (`ONSALE_MONEY_SEED`). In some
rounds the next primary is killed as well, in some the provider is unwell, and in some the primary is not killed but
paused, so that it wakes up and goes on with what is another's by then.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, command
from load import Ledger, facts_after
from money import POINTS, Outside, Trap
from money_books import Accounts, OurBooks, compare
from money_people import WAYS, People

ROUNDS = int(os.environ.get("ONSALE_MONEY_ROUNDS", "4"))
SEED = int(os.environ.get("ONSALE_MONEY_SEED", "1"))
VERIFIED_EVERY_ROUNDS = 20
SHOPPERS = 2
REACHED_SECONDS_MAX = 10.0
AGAIN_REACHED_SECONDS_MAX = 1.0
CLIENT_SECONDS = 3.0  # until one asks again
OWED_SECONDS_MAX = 60.0
SKIPPED_MAX = 2
TWICE_EVERY, ROUGH_EVERY, PAUSED_EVERY = 5, 8, 11  # rounds
NEWS_AGAIN = 10  # events of the provider's that come again in each round, in any order
SHOWN = 40  # requests and news, with a failure
ORGANISER = "organiser"


class Round:
    """One primary that is killed at one point, and comes back as a standby."""

    def __init__(self, cluster: Cluster, outside: Outside, number: int) -> None:
        self.cluster = cluster
        self.outside = outside
        self.number = number
        self.chance = random.Random(f"{SEED}-{number}")
        self.point = POINTS[(number - 1) % len(POINTS)]
        self.ledger = Ledger()
        self.seconds = 0.0
        self.owed_seconds = 0.0  # of them, until nothing was owed any more when everybody was served
        self.was_reached = False
        self.answers = 0
        self.is_twice = number % TWICE_EVERY == 0
        self.is_rough = number % ROUGH_EVERY == 0
        self.is_paused = number % PAUSED_EVERY == 0

    async def run(self, ours: OurBooks, seq: int) -> int:
        """The position up to which the books have been compared, from where they were."""
        began = time.monotonic()
        cluster, outside = self.cluster, self.outside
        old = await cluster.primary()
        event = await cluster.clients[old].create_event(
            name=f"Round {self.number}",
            ticketTypes=[{"name": "Standing", "price": "12.34", "capacity": 10_000}],
            webhookUrl=outside.webhooks.url_of(f"{ORGANISER}-{self.number}"),
        )
        outside.webhooks.secrets[f"{ORGANISER}-{self.number}"] = event["webhookSecret"]
        clients = list(cluster.clients.values())
        people = People(clients, outside, self.ledger, event, f"{ORGANISER}-{self.number}", self.chance)
        if self.is_rough:
            make_rough(outside)
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as going_on:
            shoppers = [going_on.create_task(people.shop(self.number, each, enough)) for each in range(SHOPPERS)]
            coming = going_on.create_task(people.come(self.number, list(WAYS)))
            await self._strike(old, self.point, REACHED_SECONDS_MAX)
            if self.is_twice:
                await cluster.settle()
                point = self.chance.choice(POINTS)
                await self._strike(await cluster.primary(), point, AGAIN_REACHED_SECONDS_MAX, again=True)
            await coming
            enough.set()
            await asyncio.gather(*shoppers)
        outside.stripe.heal()
        outside.set(None)
        await cluster.settle()
        self._send_news_again()
        served = time.monotonic()
        await self._until_nothing_is_owed()
        self.owed_seconds = time.monotonic() - served
        seq = await self._check(ours, seq, people)
        self.answers = len(self.ledger.answers)
        self.seconds = time.monotonic() - began
        return seq

    async def _strike(self, old: str, point: str, seconds_max: float, *, again: bool = False) -> None:
        """The primary is gone at this point; another one leads, and it is a standby."""
        node = self.cluster.nodes[old]
        paused = self.is_paused and not again
        skipped = 0 if again else self.chance.randrange(SKIPPED_MAX + 1)
        trap = Trap(point, node.pause if paused else node.kill, self.chance, skipped=skipped)
        self.outside.set(trap)
        reached = await self._until_sprung(trap, seconds_max)
        self.was_reached = reached or again
        new = next(name for name in self.cluster.nodes if name != old)
        ended = await self.cluster.order(new, "failover")
        assert ended.code == 0, f"{ended}\n{self.cluster.told()}"
        if paused:
            node.wake()
        else:
            await self.cluster.start_node(old)

    async def _until_sprung(self, trap: Trap, seconds_max: float) -> bool:
        """Whether the point was reached often enough before time was up; then it happens anyhow."""
        any_moment = trap.point == "any moment"
        try:
            async with asyncio.timeout(self.chance.uniform(0.1, 1.5) if any_moment else seconds_max):
                await trap.sprung.wait()
        except TimeoutError:
            trap.spring()
            return any_moment
        return True

    def _send_news_again(self) -> None:
        webhooks = self.outside.stripe.webhooks
        events = [event["id"] for event in webhooks.events]
        webhooks.send_again(self.chance.sample(events, min(NEWS_AGAIN, len(events))))

    async def _until_nothing_is_owed(self) -> None:
        client = self.cluster.clients[await self.cluster.primary()]

        async def nothing() -> bool:
            answer = await client.try_call("GET", "/outbox")
            return (
                answer is not None
                and answer[1]["leads"]
                and not any(answer[1]["totals"].values())
                and not self.outside.stripe.webhooks.waiting
            )

        await self.cluster.until(nothing, "nothing is owed", OWED_SECONDS_MAX)

    async def _check(self, ours: OurBooks, seq: int, people: People) -> int:
        await self.cluster.settle()
        client = self.cluster.clients[self.chance.choice(list(self.cluster.clients))]
        facts = await facts_after(client, seq)
        ours.read(facts)
        compare(ours, self.outside)
        await Accounts(client, self.outside, ours).check(people.persons)
        await self.ledger.check(client)
        return int(facts[-1]["seq"])

    async def told(self) -> str:
        """What a failure is to be looked into with."""
        answers = [await client.try_call("GET", "/outbox") for client in self.cluster.clients.values()]
        stripe = self.outside.stripe
        seen = [each._replace(params={}) for each in stripe.requests[-SHOWN:]]
        parts = [*answers, *seen, *stripe.webhooks.deliveries[-SHOWN:]]
        return "\n".join([f"{self}", *map(str, parts), self.cluster.told()])

    def __str__(self) -> str:
        how = {"not reached": not self.was_reached, "twice": self.is_twice, "rough": self.is_rough}
        how["paused"] = self.is_paused
        more = "".join(f", {what}" for what, so in how.items() if so)
        return f"round {self.number}: {self.point}{more}, seed {SEED}"


def make_rough(outside: Outside) -> None:
    """The provider is unwell, until it heals."""
    fail = outside.stripe.fail
    fail("delay", times=None, chance=0.2, seconds=0.2)
    fail("cut", times=None, chance=0.04)
    fail("cut", after=True, times=None, chance=0.04)
    fail("rate_limit", times=None, chance=0.04, retry_after_seconds=0.2)
    fail("lock_timeout", times=None, chance=0.04)
    fail("unavailable", times=None, chance=0.02)
    for after in (False, True):  # a refund that failed over this is left to the provider for minutes
        fail("error", after=after, times=None, chance=0.04, path="/v1/payment_intents*")


async def reconcile(cluster: Cluster) -> dict[str, Any]:
    """What the product itself says when it compares the books."""
    ended = await command("reconcile", "--node", cluster.url(await cluster.primary()), "--format", "json")
    assert ended.code == 0, ended
    found = ended.document
    assert found["findings"] == [], found
    return found  # type: ignore[no-any-return]


@asynccontextmanager
async def surrounded(folder: Path) -> AsyncIterator[tuple[Cluster, Outside]]:
    """A primary and a standby, and the world outside of them."""
    cluster = Cluster(folder, standbys=1, seconds=CLIENT_SECONDS)
    async with Outside(lambda: [cluster.url(name) for name in cluster.running], random.Random(SEED)) as outside:
        for node in cluster.nodes.values():
            node.environment |= outside.environment
        async with cluster:
            yield cluster, outside


def print_table(rounds: list[Round], outside: Outside) -> None:
    print(f"\n{'point':20}{'rounds':>8}{'reached':>9}{'seconds, median':>17}")
    for point in POINTS:
        of_it = [each for each in rounds if each.point == point]
        if of_it:
            seconds = sorted(each.seconds for each in of_it)[len(of_it) // 2]
            print(f"{point:20}{len(of_it):8}{sum(each.was_reached for each in of_it):9}{seconds:17.1f}")
    ledger, stripe = outside.stripe.ledger, outside.stripe
    troubles = sum((Counter(each.ledger.troubles) for each in rounds), Counter())
    print(
        f"{sum(each.answers for each in rounds)} answers; asked again after: {dict(troubles)}\n"
        f"{ledger.total('charge') / 100:.2f} charged by {sum(m.kind == 'charge' for m in ledger)} charges, "
        f"{ledger.total('refund') / 100:.2f} given back by {sum(m.kind == 'refund' for m in ledger)} refunds; "
        f"{len(stripe.requests)} requests, {sum(seen.replayed for seen in stripe.requests)} of them known already\n"
        f"{len(outside.mail.taken)} mails and {len(outside.webhooks.taken)} calls to webhooks; "
        f"came again: {outside.repeated()}",
        flush=True,
    )


@pytest.mark.timeout(60 + 90 * ROUNDS)
async def test_the_books_agree_to_the_cent_wherever_the_primary_is_killed(tmp_path: Path) -> None:
    rounds: list[Round] = []
    ours = OurBooks()
    async with surrounded(tmp_path) as (cluster, outside):
        seq = 0
        for number in range(1, ROUNDS + 1):
            this = Round(cluster, outside, number)
            try:
                seq = await this.run(ours, seq)
            except BaseException as error:
                error.add_note(await this.told())
                print(this, "failed", flush=True)
                raise
            rounds.append(this)
            print(f"{this}: {this.seconds:.1f} s ({this.owed_seconds:.1f} s owing), {this.answers} answers", flush=True)
            if number % VERIFIED_EVERY_ROUNDS == 0 or number == ROUNDS:
                await reconcile(cluster)
                await cluster.stop()
                await cluster.verified()
                if number < ROUNDS:
                    await cluster.start()
        print_table(rounds, outside)
    assert outside.stripe.ledger.kept() == sum(map(ours.kept_minor, {paid.booking_id for paid in ours.paid.values()}))
    assert sum(each.was_reached for each in rounds) >= 0.9 * ROUNDS, "too few points were reached to show anything"
