"""People who book and pay, each in a way of their own, for tests about money.

Owns what each does, and what they may rely on afterwards. Whatever they ask for they ask again, with the same key,
until it is answered, through whichever node lives.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from load import Ledger
from money import Outside
from nodes import Client
from stripe_errors import Refusal

SEEN_WITHIN_SECONDS = 90.0  # a provider that is unwell fails some of them several times in a row
LOOKED_AT_SECONDS = 0.05

PAID = frozenset({"confirmed"})


@dataclass
class Person:
    """`may_be`: what their booking may have become."""

    user_id: str
    way: str
    booking: dict[str, Any] = field(default_factory=dict)
    may_be: frozenset[str] = frozenset()
    tickets: list[str] = field(default_factory=list)  # codes they were told of
    organiser: str = ""  # of the event, as their webhook is called
    event_id: int = 0

    @property
    def booking_id(self) -> int:
        return int(self.booking["bookingId"])

    @property
    def email(self) -> str:
        return f"{self.user_id}@people.test"


class People:
    """All of one round, at one event."""

    def __init__(
        self,
        clients: Sequence[Client],
        outside: Outside,
        ledger: Ledger,
        event: dict[str, Any],
        organiser: str,
        chance: random.Random,
    ) -> None:
        self.persons: list[Person] = []
        self.chance = chance
        self._clients = clients
        self._outside = outside
        self._ledger = ledger
        self._event = event
        self._organiser = organiser

    async def come(self, number: int, ways: Sequence[str]) -> None:
        """Everybody at once, and until everybody has what they came for."""
        async with asyncio.TaskGroup() as everybody:
            for way in ways:
                person = self._person(f"r{number}-{len(self.persons)}-{way}", way)
                self.persons.append(person)
                everybody.create_task(self._live(person))

    async def shop(self, number: int, name: int, enough: asyncio.Event) -> None:
        """Load: nobody told who this is, and each booking is by somebody else."""
        count = 0
        while not enough.is_set():
            count += 1
            person = self._person(f"r{number}-s{name}-{count}", "shops")
            await self._book(person)
            self.persons.append(person)
            wish = self.chance.random()
            if wish < 0.5:
                await self.pays(person)
            elif wish < 0.7:
                await self.leaves(person)
            else:
                await self._ask("DELETE", f"/booking/{person.booking_id}")
                person.may_be = frozenset({"cancelled"})

    def _person(self, user_id: str, way: str) -> Person:
        return Person(user_id, way, organiser=self._organiser, event_id=self._event["id"])

    async def _live(self, person: Person) -> None:
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        webhook_url = self._outside.webhooks.url_of(person.user_id)
        about = {"name": person.user_id, "email": person.email, "webhookUrl": webhook_url}
        status, user = await self._ask("PUT", f"/users/{person.user_id}", about)
        assert status == 200, user
        self._outside.webhooks.secrets[person.user_id] = user["webhookSecret"]
        if person.way == "is_called_off":
            await self._plan(person)
        await self._book(person)
        await WAYS[person.way](self, person)

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self._ledger.ask(self._clients, self.chance, method, path, body)

    async def _plan(self, person: Person) -> None:
        """An event of their own."""
        person.organiser = f"organiser-of-{person.user_id}"
        status, event = await self._ask(
            "POST",
            "/events",
            {
                "name": person.user_id,
                "startsAt": "2099-01-01T20:00:00Z",
                "ticketTypes": [{"name": "Standing", "price": "12.34", "capacity": 10}],
                "webhookUrl": self._outside.webhooks.url_of(person.organiser),
            },
        )
        assert status == 201, event
        person.event_id = event["id"]
        self._outside.webhooks.secrets[person.organiser] = event["webhookSecret"]

    async def _book(self, person: Person) -> None:
        body = {"userId": person.user_id, "eventId": person.event_id, "quantity": self.chance.choice((1, 2, 3))}
        status, person.booking = await self._ask("POST", "/booking", body)
        assert status == 201, person

    async def _pay(self, person: Person, method: str | None = None) -> tuple[int, Any]:
        body = {"userId": person.user_id, "eventId": person.event_id, "amount": person.booking["amount"]}
        if method is not None:
            body["paymentMethod"] = method
        return await self._ask("POST", "/pay", body)

    async def _until(self, person: Person, seen: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Until any node shows it."""
        given_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
        found: Any = None
        while True:
            found = await self.chance.choice(self._clients).try_call("GET", f"/booking/{person.booking_id}")
            if found is not None and found[0] == 200 and seen(found[1]):
                return found[1]  # type: ignore[no-any-return]
            assert time.monotonic() < given_up_at, f"{person}: not {what}, but {found}"
            await asyncio.sleep(LOOKED_AT_SECONDS)

    async def _until_at_provider(self, intent: str, status: str) -> None:
        given_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
        while (row := next(row for row in self._outside.stripe.rows() if row["id"] == intent))["status"] != status:
            assert time.monotonic() < given_up_at, f"not {status}, but {row}"
            await asyncio.sleep(LOOKED_AT_SECONDS)

    async def _until_paid(self, person: Person) -> None:
        shown = await self._until(person, lambda booking: booking["status"] == "confirmed", "confirmed")
        self._has(person, shown)

    def _has(self, person: Person, told: dict[str, Any]) -> None:
        person.tickets = [ticket["code"] for ticket in told["tickets"]]
        assert len(person.tickets) == person.booking["quantity"], told
        person.may_be = PAID

    async def _secret(self, person: Person, answer: tuple[int, Any]) -> str:
        """The client secret, which comes later when the provider was slow."""
        status, body = answer
        assert status == 202, f"{person}: {answer}"
        if body["clientSecret"] is None:
            shown = await self._until(
                person, lambda booking: bool((booking["payment"] or {}).get("clientSecret")), "given a client secret"
            )
            body = shown["payment"]
        return str(body["clientSecret"])

    async def _declined(self, person: Person, answer: tuple[int, Any]) -> None:
        if answer[0] == 202:  # they were told that it takes longer
            await self._until(person, lambda booking: booking["status"] == "held", "held again")
        else:
            assert answer[0] == 402, f"{person}: {answer}"

    async def _confirm(self, secret: str, method: str) -> bool:
        """In the browser, at the provider. Whether it did not refuse."""
        await asyncio.sleep(self.chance.uniform(0, 0.1))
        try:
            self._outside.stripe.confirm_in_browser(secret, method)
        except Refusal:
            return False
        return True

    # --- the ways

    async def pays(self, person: Person, method: str = "pm_card_visa") -> None:
        status, body = await self._pay(person, method)
        if status == 200:
            self._has(person, body)
        else:
            assert status == 202, f"{person}: {status} {body}"
            await self._until_paid(person)

    async def pays_in_browser(self, person: Person) -> None:
        secret = await self._secret(person, await self._pay(person))
        assert await self._confirm(secret, "pm_card_visa")
        await self._until_paid(person)

    async def is_declined(self, person: Person) -> None:
        await self._declined(person, await self._pay(person, "pm_card_chargeDeclined"))
        await self.pays(person)

    async def is_declined_in_browser(self, person: Person) -> None:
        secret = await self._secret(person, await self._pay(person))
        assert not await self._confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        assert await self._confirm(secret, "pm_card_visa")
        await self._until_paid(person)

    async def proves_who_they_are(self, person: Person) -> None:
        secret = await self._secret(person, await self._pay(person, "pm_card_authenticationRequired"))
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        self._outside.stripe.authenticate(secret)
        await self._until_paid(person)

    async def pays_by_bank(self, person: Person) -> None:
        status, body = await self._pay(person, "pm_usBankAccount_success")
        assert status == 202, f"{person}: {status} {body}"
        intent = (await self._secret(person, (status, body))).partition("_secret_")[0]
        await self._until(person, lambda booking: booking["payment"]["status"] == "processing", "processing")
        await self._until_at_provider(intent, "processing")
        self._outside.stripe.settle(intent)
        await self._until_paid(person)

    async def pays_twice(self, person: Person) -> None:
        """In the browser and with a card that was kept, at the same time."""
        secret = await self._secret(person, await self._pay(person))
        _, (status, body) = await asyncio.gather(self._confirm(secret, "pm_card_visa"), self._pay(person, "pm_card_us"))
        # 402: the card was not charged any more, since they had paid in the browser
        assert status in (200, 202, 402, 409), f"{person}: {status} {body}"
        await self._until_paid(person)

    async def gives_up(self, person: Person) -> None:
        """While they pay."""
        secret = await self._secret(person, await self._pay(person))
        give_up = self._ask("DELETE", f"/booking/{person.booking_id}")
        _, (status, body) = await asyncio.gather(self._confirm(secret, "pm_card_visa"), give_up)
        assert status in (200, 409), f"{person}: {status} {body}"
        person.may_be = frozenset({"cancelled"}) if status == 200 else PAID

    async def leaves(self, person: Person) -> None:
        """Before they pay, and what was prepared for it has to be withdrawn."""
        secret = await self._secret(person, await self._pay(person))
        status, body = await self._ask("DELETE", f"/booking/{person.booking_id}")
        assert status == 200, f"{person}: {status} {body}"
        person.may_be = frozenset({"cancelled"})
        intent = secret.partition("_secret_")[0]
        await self._until_at_provider(intent, "canceled")

    async def is_called_off(self, person: Person) -> None:
        """Their event, when they have paid or while they do."""
        call_off = ("POST", f"/events/{person.event_id}/cancel")
        if self.chance.random() < 0.5:
            await self.pays(person)
            status, body = await self._ask(*call_off)
        else:
            secret = await self._secret(person, await self._pay(person))
            _, (status, body) = await asyncio.gather(self._confirm(secret, "pm_card_visa"), self._ask(*call_off))
        assert status == 200, f"{person}: {status} {body}"
        person.may_be = frozenset({"refunded", "cancelled"})
        await self._until(person, lambda booking: booking["status"] in person.may_be, "over")

    async def is_given_back(self, person: Person) -> None:
        await self.pays(person)
        await self._refund(person)
        await self._until(person, lambda booking: booking["status"] == "refunded", "refunded")
        person.may_be = frozenset({"refunded"})

    async def is_given_back_in_parts(self, person: Person) -> None:
        await self.pays(person)
        parts = [self._refund(person, amount="3.00"), self._refund(person, amount="4.50")]
        await asyncio.gather(*parts)
        await self._until(person, lambda booking: booking["status"] == "partially_refunded", "partially refunded")
        person.may_be = frozenset({"partially_refunded"})
        if self.chance.random() < 0.5:
            await self._refund(person)
            await self._until(person, lambda booking: booking["status"] == "refunded", "refunded")
            person.may_be = frozenset({"refunded"})

    async def is_given_back_late(self, person: Person) -> None:
        """The provider takes its time with the refund."""
        await self.pays(person, "pm_card_pendingRefund")
        await self._refund(person)
        stripe = self._outside.stripe
        rows = [row for row in stripe.rows("refund") if row["metadata"]["onsale_booking"] == str(person.booking_id)]
        while not rows:
            await asyncio.sleep(LOOKED_AT_SECONDS)
            rows = [row for row in stripe.rows("refund") if row["metadata"]["onsale_booking"] == str(person.booking_id)]
        stripe.settle_refund(rows[0]["id"])
        await self._until(person, lambda booking: booking["status"] == "refunded", "refunded")
        person.may_be = frozenset({"refunded"})

    async def _refund(self, person: Person, **amount: str) -> None:
        status, body = await self._ask("POST", f"/booking/{person.booking_id}/refund", amount)
        assert status in (200, 202), f"{person}: {status} {body}"


WAYS: dict[str, Callable[[People, Person], Awaitable[None]]] = {
    "pays": People.pays,
    "pays_in_browser": People.pays_in_browser,
    "is_declined": People.is_declined,
    "is_declined_in_browser": People.is_declined_in_browser,
    "proves": People.proves_who_they_are,
    "pays_by_bank": People.pays_by_bank,
    "pays_twice": People.pays_twice,
    "gives_up": People.gives_up,
    "leaves": People.leaves,
    "is_called_off": People.is_called_off,
    "is_given_back": People.is_given_back,
    "is_given_back_in_parts": People.is_given_back_in_parts,
    "is_given_back_late": People.is_given_back_late,
}
