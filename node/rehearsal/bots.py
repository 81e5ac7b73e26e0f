"""The bots of a rehearsal: they push in, and what every node has against that stops them.

Owns what they try: joining under many names without a challenge's solution, or with one that was used; booking without
a place in line, with a forged one, or before their turn; and asking much too often. Counted is what each was refused
for.
"""

import asyncio
import random
from typing import Any, Final, Protocol

from .people import Door, prove
from .plan import Told

PAUSE_SECONDS: Final = (0.5, 2.0)
FLOODS_EVERY: Final = 10  # one of so many asks much too often, the others only try
FLOOD: Final = 150  # requests in a wave: more than the sample lets a user have at once
FLOOD_AT_ONCE: Final = 10  # so that people find a connection, too
FLOOD_PAUSE_SECONDS: Final = (15.0, 25.0)
PROTECTIONS: Final = ("challenge_required", "queue_required", "rate_limited")


class HastyDoor(Door, Protocol):
    async def once(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Whatever comes, a refusal for a moment too; status 503 for no answer at all."""


class Bots:
    """All of them. `event`: as the API shows it."""

    def __init__(
        self, door: HastyDoor, event: dict[str, Any], chance: random.Random, told: Told, pace: float = 1.0
    ) -> None:
        self._door, self._chance, self._told, self._pace = door, chance, told, pace
        self._event = event
        self._queue = f"/events/{event['id']}/queue"
        self._types = [each["id"] for each in event["ticketTypes"]]

    async def bot(self, number: int, *, comes_seconds: float) -> None:
        """Until the rehearsal is over, or, if it waits for its turn after all, until it has bought."""
        await asyncio.sleep(comes_seconds)
        user_id = f"rehearsal-bot-{number}"
        try:
            await (self._flood(user_id) if number % FLOODS_EVERY == 0 else self._push_in(user_id))
        except Exception as error:  # noqa: BLE001 - what one is told wrongly is told, and the others go on
            self._told.fault = self._told.fault or f"A bot: {error!r}"

    async def _flood(self, user_id: str) -> None:
        while not self._told.over:
            for _ in range(FLOOD // FLOOD_AT_ONCE):
                await asyncio.gather(*(self._book(user_id, "") for _ in range(FLOOD_AT_ONCE)))
            await self._rest(FLOOD_PAUSE_SECONDS)

    async def _push_in(self, user_id: str) -> None:
        proof = await prove(self._door, self._event)
        _, place = await self._door.ask("POST", self._queue, {"userId": user_id, **proof})
        own = place.get("token", "")
        while not self._told.over:
            await self._rest(PAUSE_SECONDS)
            token = self._chance.choice((None, "", own[:-4] + "AAAA", own))
            if token is None:
                await self._join_again(user_id, proof)
                continue
            status, booking = await self._book(user_id, token)
            if status < 300 and token == own:
                self._told.bots_in_turn += 1  # as anybody
                wish = {"userId": user_id, "eventId": self._event["id"], "bookingId": booking["bookingId"]}
                await self._door.ask("POST", "/pay", wish | {"amount": booking["amount"]})
                return
            self._told.bots_passed += status < 300

    async def _join_again(self, user_id: str, proof: dict[str, str]) -> None:
        """A second place in line for the same bot, under another name."""
        if not proof:
            return  # where nobody has to prove anything, anybody may join
        name = f"{user_id}-{self._chance.getrandbits(32):08x}"
        wish = {"userId": name, **self._chance.choice(({}, proof))}
        status, told = await self._door.once("POST", self._queue, wish)
        self._count(status, told)
        self._told.bots_passed += status < 300

    async def _book(self, user_id: str, token: str) -> tuple[int, dict[str, Any]]:
        wish = {"userId": user_id, "eventId": self._event["id"], "ticketType": self._chance.choice(self._types)}
        wish |= {"quantity": 1, "waitlist": False} | ({"queueToken": token} if token else {})
        status, told = await self._door.once("POST", "/booking", wish)
        self._count(status, told)
        return status, told

    def _count(self, status: int, told: dict[str, Any]) -> None:
        code = told.get("code", "")
        if status >= 300 and code in PROTECTIONS:
            self._told.bots_refused += 1
            by = self._told.bots_refused_by
            by[code] = by.get(code, 0) + 1

    async def _rest(self, between_seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._pace * self._chance.uniform(*between_seconds))
