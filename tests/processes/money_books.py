"""The provider's ledger and ours, side by side, to the cent; and who was told what.

Ours is read from the journal's facts with bookkeeping of its own; the provider's is the one of the fake Stripe.
"""

import asyncio
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from money import Outside, Taken
from money_people import Person
from nodes import Client

from onsale.engine.notices import KINDS

AT_ONCE = 20
MINOR = 100  # of the currency that all events here have


class Paid(NamedTuple):
    """A payment that succeeded here."""

    booking_id: int
    amount_minor: int
    reference: str


class Returned(NamedTuple):
    """A refund that succeeded here."""

    booking_id: int
    amount_minor: int
    intent: str


class OurBooks:
    """What the facts say of money, and nothing else."""

    def __init__(self) -> None:
        self.paid: dict[int, Paid] = {}
        self.returned: dict[int, Returned] = {}
        self._started: dict[int, tuple[int, int]] = {}  # by payment: booking and amount
        self._refunds: dict[int, Returned] = {}
        self._reference: dict[int, str] = {}  # by booking: of the payment that it rests on

    def read(self, facts: list[dict[str, Any]]) -> None:
        for fact in facts:
            match fact["type"]:
                case "payment_started":
                    self._started[fact["paymentId"]] = fact["bookingId"], fact["amountMinor"]
                case "payment_succeeded":
                    self._take(fact)
                case "refund_started":
                    booking_id = fact["bookingId"]
                    intent = fact["surplusReference"] if fact["surplusPaymentId"] else self._reference[booking_id]
                    self._refunds[fact["refundId"]] = Returned(booking_id, fact["amountMinor"], intent)
                case "refund_succeeded":
                    assert fact["refundId"] not in self.returned, f"given back twice: {fact}"
                    self.returned[fact["refundId"]] = self._refunds[fact["refundId"]]

    def _take(self, fact: dict[str, Any]) -> None:
        payment_id = fact["paymentId"]
        assert payment_id not in self.paid, f"paid twice: {fact}"
        booking_id, amount_minor = self._started[payment_id]
        self.paid[payment_id] = Paid(booking_id, amount_minor, fact["providerReference"])
        if not fact["surplus"]:
            self._reference[booking_id] = fact["providerReference"]

    def kept_minor(self, booking_id: int) -> int:
        paid = sum(each.amount_minor for each in self.paid.values() if each.booking_id == booking_id)
        return paid - sum(each.amount_minor for each in self.returned.values() if each.booking_id == booking_id)


def compare(ours: OurBooks, outside: Outside) -> None:
    """Every charge is a payment of ours and every refund one of ours, and the other way round."""
    charged: dict[int, Paid] = {}
    returned: dict[int, Returned] = {}
    for movement in outside.stripe.ledger:
        booking_id = int(movement.metadata["onsale_booking"])
        if movement.kind == "charge":
            payment_id = int(movement.metadata["onsale_payment"])
            assert payment_id not in charged, f"charged twice for one payment: {movement}"
            charged[payment_id] = Paid(booking_id, movement.amount, movement.intent)
        elif movement.kind == "refund":
            refund_id = int(movement.metadata["onsale_refund"])
            assert refund_id not in returned, f"given back twice: {movement}"
            returned[refund_id] = Returned(booking_id, movement.amount, movement.intent)
        else:
            raise AssertionError(f"nobody asked for this: {movement}")
    assert charged == ours.paid, f"theirs only, ours only: {_differences(charged, ours.paid)}"
    assert returned == ours.returned, f"theirs only, ours only: {_differences(returned, ours.returned)}"
    for row in outside.stripe.rows("charge"):
        assert row["amount_refunded"] <= row["amount_captured"], row


def _differences(theirs: dict[int, Any], ours: dict[int, Any]) -> tuple[dict[int, Any], dict[int, Any]]:
    return dict(theirs.items() - ours.items()), dict(ours.items() - theirs.items())


class Accounts:
    """What each person has in the end: their booking, what was kept of their money, and what they were told."""

    def __init__(self, client: Client, outside: Outside, ours: OurBooks) -> None:
        self._client = client
        self._outside = outside
        self._ours = ours
        self._mails = _by_receiver(outside.mail.taken)
        self._calls = _by_receiver(outside.webhooks.taken)

    async def check(self, persons: list[Person]) -> None:
        assert not self._outside.webhooks.faults, self._outside.webhooks.faults
        check_repeats(self._outside.mail.taken)
        check_repeats(self._outside.webhooks.taken)
        waiting = iter(persons)

        async def check_one_after_the_other() -> None:
            for person in waiting:
                await self._check(person)

        await asyncio.gather(*(check_one_after_the_other() for _ in range(AT_ONCE)))

    async def _check(self, person: Person) -> None:
        status, booking, _ = await self._client.call("GET", f"/booking/{person.booking_id}")
        assert status == 200, booking
        assert booking["status"] in person.may_be, f"{person}: {booking}"
        paid = booking["status"] in ("confirmed", "partially_refunded", "refunded")
        should_keep = _minor(booking["amount"]) - _minor(booking["refundedAmount"]) if paid else 0
        kept = self._ours.kept_minor(person.booking_id)
        assert kept == should_keep, f"{person}: {kept} kept of {booking}"
        if booking["status"] == "refunded":
            assert kept == 0, f"{person}: {kept} kept of {booking}"
        elif person.tickets:
            assert [ticket["code"] for ticket in booking["tickets"]] == person.tickets, f"{person}: {booking}"
        await self._check_messages(person)

    async def _check_messages(self, person: Person) -> None:
        """Each notice has reached everyone it is for."""
        status, notices, _ = await self._client.call("GET", f"/users/{person.user_id}/notifications?limit=100")
        assert status == 200, notices
        known = person.way != "shops"  # they gave no address
        kinds = Counter(notice["kind"] for notice in notices)
        if person.tickets:
            assert kinds["confirmed"] == 1, f"{person}: {notices}"
        for notice in notices:
            kind, name = KINDS[notice["kind"]], f"{person} was not told of {notice}"
            if known:
                self._find_call(person.user_id, notice, name)
            if kind.for_organiser:
                self._find_call(person.organiser, notice, name)
            if known and kind.mailed:
                (mail, *_) = [
                    text
                    for message_id, text in self._mails[person.email].items()
                    if message_id.split("@")[0].endswith(f".{notice['id']}")
                ] or [None]
                assert mail is not None, name
                if notice["kind"] == "confirmed":
                    assert all(code in mail for code in person.tickets), f"{person}: {mail}"

    def _find_call(self, who: str, notice: dict[str, Any], otherwise: str) -> None:
        found = [
            body for message_id, body in self._calls[who].items() if message_id.rpartition("_")[2] == str(notice["id"])
        ]
        assert len(found) == 1, otherwise
        data = found[0]["data"]
        assert found[0]["type"] == f"booking.{notice['kind']}", found
        assert (data["bookingId"], data["noticeId"]) == (notice["bookingId"], notice["id"]), found


def _by_receiver(taken: list[Taken]) -> dict[str, dict[str, Any]]:
    """By receiver and id, what it said."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for each in taken:
        found[each.to][each.message_id] = each.content
    return found


def check_repeats(taken: list[Taken]) -> None:
    """What comes again with the same id says the same; and what says something else has another id."""
    said: dict[tuple[str, str], Any] = {}
    for each in taken:
        first = said.setdefault((each.to, each.message_id), each.content)
        assert first == each.content, f"{each.message_id} says {first} and {each.content}"
    by_id: dict[str, set[str]] = defaultdict(set)
    for to, message_id in said:
        by_id[message_id].add(to)
    # a person's and their organiser's are about the same notice
    assert all(len(receivers) <= 2 for receivers in by_id.values()), by_id


def _minor(amount: str) -> int:
    return int(Decimal(amount) * MINOR)
