"""Who comes to a rehearsal: people who queue, hold and pay, and some who refresh without end.

Owns how each of them behaves, a task for each; what they ask goes through a `Door`. They are simulated, but what they
do is real: every ticket they hold is one that nobody else has.
"""

import asyncio
import random
from typing import Any, Final, Protocol

from .plan import Told
from .proof import solution

THINKS_SECONDS: Final = (1.0, 8.0)
PAYS_SECONDS: Final = (2.0, 15.0)
POLL_SECONDS: Final = 3.0
POLL_SECONDS_MAX: Final = 10.0
GIVES_UP_HOPE: Final = 0.1  # at each look, once told that tickets will not reach so far
REFRESHES_SECONDS: Final = 0.7
OF_HOLDERS: Final = {"pays": 0.8, "is declined first": 0.08, "gives up": 0.06, "lets it lapse": 0.06}
GROUPS: Final = (1, 1, 2, 2, 2, 3, 4)
ENDS: Final = ("served", "lapsed", "left")


class Door(Protocol):
    """The way to the nodes. A write has a key, so that asking again at another node does nothing twice."""

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and document, once there is one for good."""


class Crowd:
    """Everybody, and the counts of where they stand. `event`: as the API shows it."""

    def __init__(self, door: Door, event: dict[str, Any], chance: random.Random, told: Told, pace: float = 1.0) -> None:
        self._door, self._chance, self.told, self._pace = door, chance, told, pace
        self._event, self._event_id = event, event["id"]
        self._types = [each["id"] for each in event["ticketTypes"]]

    async def person(self, number: int, *, comes_seconds: float, refreshes: bool) -> None:
        """From coming to one of the ends."""
        told = self.told
        told.coming += 1
        await asyncio.sleep(comes_seconds)
        told.coming -= 1
        try:
            await self._queue_and_book(f"rehearsal-{number}", refreshes=refreshes)
        except Exception as error:  # noqa: BLE001 - what one is told wrongly is told, and the others go on
            told.faulty += 1
            told.fault = told.fault or (str(error) if isinstance(error, Unexpected) else repr(error))

    async def _queue_and_book(self, user_id: str, *, refreshes: bool) -> None:
        told, path = self.told, f"/events/{self._event_id}/queue"
        proof = await prove(self._door, self._event)
        status, place = await self._door.ask("POST", path, {"userId": user_id, **proof})
        if status >= 300:
            raise Unexpected("POST", path, status, place)
        began = asyncio.get_running_loop().time()
        told.joined += 1
        told.in_room += 1
        try:
            while not place.get("admitted"):
                if refreshes:
                    await self._door.ask("GET", f"/events/{self._event_id}/availability")
                    await asyncio.sleep(REFRESHES_SECONDS)
                else:
                    asked_seconds = min(place.get("refreshIntervalSeconds") or POLL_SECONDS, POLL_SECONDS_MAX)
                    await self._take((asked_seconds, asked_seconds * 1.2))
                status, document = await self._door.ask("GET", f"{path}/{place['token']}")
                if status != 200:
                    raise Unexpected("GET", path, status, document)
                place |= document
                if place.get("admitted"):
                    break
                hopeless = place.get("servable") is False and self._chance.random() < GIVES_UP_HOPE
                if hopeless:
                    await self._door.ask("DELETE", f"{path}/{place['token']}")
                    told.left_line += 1
                    return
                if place["status"] in ENDS:
                    told.sold_out += 1
                    return
        finally:
            told.in_room -= 1
        told.longest_wait_seconds = max(told.longest_wait_seconds, asyncio.get_running_loop().time() - began)
        await self._book(user_id, place["token"])

    async def _book(self, user_id: str, token: str) -> None:
        told = self.told
        told.admitted += 1
        try:
            await self._take(THINKS_SECONDS)
            types = self._chance.sample(self._types, len(self._types))  # rather another than none
            wish = {"userId": user_id, "eventId": self._event_id, "ticketTypes": types}
            wish |= {"quantity": self._chance.choice(GROUPS), "waitlist": False, "queueToken": token}
            status, booking = await self._door.ask("POST", "/booking", wish)
        finally:
            told.admitted -= 1
        if status == 201 and booking["status"] == "held":
            told.holding += 1
            try:
                end = await self._pay(user_id, booking)
            finally:
                told.holding -= 1
            setattr(told, end, getattr(told, end) + 1)
        elif status in (409, 410):
            told.sold_out += 1  # or its turn was over
        else:
            raise Unexpected("POST", "/booking", status, booking)

    async def _pay(self, user_id: str, booking: dict[str, Any]) -> str:
        """Which count it ends in."""
        (way,) = self._chance.choices(tuple(OF_HOLDERS), tuple(OF_HOLDERS.values()))
        await self._take(PAYS_SECONDS)
        path = f"/booking/{booking['bookingId']}"
        if way == "gives up":
            await self._door.ask("DELETE", path)
            return "gave_up"
        if way == "lets it lapse":
            await asyncio.sleep(booking.get("expiresInSeconds") or 300)
            return "lapsed"
        cards = ["pm_card_chargeDeclined", "pm_card_visa"] if way == "is declined first" else ["pm_card_visa"]
        status, document = 0, booking
        for card in cards:
            wish = {"userId": user_id, "eventId": self._event_id, "bookingId": booking["bookingId"]}
            wish |= {"amount": booking["amount"], "paymentMethod": card}
            status, document = await self._door.ask("POST", "/pay", wish)
        if status in (200, 201, 202):
            self.told.tickets_paid += booking["quantity"]
            return "paid"
        if status in (409, 410):
            return "lapsed"
        raise Unexpected("POST", "/pay", status, document)

    async def _take(self, between_seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._pace * self._chance.uniform(*between_seconds))


async def prove(door: Door, event: dict[str, Any]) -> dict[str, str]:
    """The field `challenge`, where the event asks for one."""
    if event["challenge"] != "proof_of_work":
        return {}
    path = f"/challenge?event_id={event['id']}"
    status, challenge = await door.ask("GET", path)
    if status != 200:
        raise Unexpected("GET", path, status, challenge)
    return {"challenge": solution(challenge)}


class Unexpected(Exception):
    """An answer that nobody in a rehearsal should get."""

    def __init__(self, method: str, path: str, status: int, document: dict[str, Any]) -> None:
        super().__init__(f"{method} {path}: {status} {document.get('code', '')} {document.get('detail', '')}".strip())
