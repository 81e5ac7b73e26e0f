"""Load for process tests: shoppers who note every answer, so that it can be asked for again."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from nodes import Client, Said, new_key

ANSWERED_WITHIN_SECONDS = 20.0
AGAIN_SECONDS = 0.02
AT_ONCE = 20


class Asked(NamedTuple):
    method: str
    path: str
    body: Any
    answer: Said


class Ledger:
    """What the clients were told, by key."""

    def __init__(self, answered_within_seconds: float = ANSWERED_WITHIN_SECONDS) -> None:
        self._answered_within_seconds = answered_within_seconds
        self.answers: dict[str, Asked] = {}
        self.answered_at: list[float] = []  # seconds, of time.monotonic()
        self.troubles: dict[str, int] = {}  # what a first try met with instead of an answer

    async def ask(
        self, clients: Sequence[Client], chance: random.Random, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """Ask any of the nodes, and again with the same key until there is an answer."""
        key, given_up_at = new_key(), time.monotonic() + self._answered_within_seconds
        while True:
            answer = await chance.choice(clients).try_raw(method, path, body, key=key)
            if answer is not None and answer.status not in (429, 503):
                self.answers[key] = Asked(method, path, body, answer)
                self.answered_at.append(time.monotonic())
                return answer.status, json.loads(answer.body)
            trouble = "no answer" if answer is None else str(json.loads(answer.body)["code"])
            self.troubles[trouble] = self.troubles.get(trouble, 0) + 1
            assert time.monotonic() < given_up_at, f"{method} {path} {body} is not answered: {answer}"
            await asyncio.sleep(AGAIN_SECONDS)

    @property
    def longest_pause_seconds(self) -> float:
        """Between two answers."""
        times = sorted(self.answered_at)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    async def check(self, client: Client) -> None:
        """Every answer is given again, byte for byte."""
        await self._check(client, list(self.answers.items()))

    async def check_some(self, client: Client, chance: random.Random, count: int) -> None:
        await self._check(client, chance.sample(list(self.answers.items()), min(count, len(self.answers))))

    async def _check(self, client: Client, entries: list[tuple[str, Asked]]) -> None:
        waiting = iter(entries)

        async def check_one_after_the_other() -> None:
            for key, asked in waiting:
                again = await client.try_raw(asked.method, asked.path, asked.body, key=key)
                assert again == asked.answer, f"{asked} is answered {again} now"

        await asyncio.gather(*(check_one_after_the_other() for _ in range(AT_ONCE)))


async def shop(
    clients: Sequence[Client], ledger: Ledger, event_id: int, chance: random.Random, enough: asyncio.Event
) -> None:
    """Books, pays and gives up, each time as another user and through another node."""
    while not enough.is_set():
        user_id = f"u-{chance.randrange(10**12)}"
        body = {"userId": user_id, "eventId": event_id, "quantity": chance.choice((1, 1, 2, 3))}
        status, booking = await ledger.ask(clients, chance, "POST", "/booking", body)
        if status != 201:
            continue
        wish = chance.random()
        if wish < 0.5:
            pay = {"userId": user_id, "eventId": event_id, "amount": booking["amount"]}
            if chance.random() < 0.2:
                pay["paymentMethod"] = "pm_card_chargeDeclined"
            await ledger.ask(clients, chance, "POST", "/pay", pay)
        elif wish < 0.9:
            await ledger.ask(clients, chance, "DELETE", f"/booking/{booking['bookingId']}")


class Crowd:
    """Shoppers who go on until told that it is enough."""

    def __init__(
        self, clients: Sequence[Client], ledger: Ledger, event_id: int, chance: random.Random, *, size: int = 8
    ) -> None:
        self._enough = asyncio.Event()
        self._shoppers = [
            asyncio.create_task(shop(clients, ledger, event_id, random.Random(chance.random()), self._enough))
            for _ in range(size)
        ]

    async def end(self) -> None:
        """Everyone gets the answer that they wait for."""
        self._enough.set()
        await asyncio.gather(*self._shoppers)


async def facts_after(client: Client, seq: int) -> list[dict[str, Any]]:
    """Of the journal, as operators see it."""
    found: list[dict[str, Any]] = []
    while True:
        status, page, _ = await client.call("GET", f"/journal?after_seq={seq}&limit=100")
        assert status == 200, page
        if not page:
            return found
        found += page
        seq = page[-1]["seq"]
