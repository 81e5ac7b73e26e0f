"""An event with thousands of paid bookings is cancelled, and the node killed half way: everybody gets their money once.

`ONSALE_CANCEL_BOOKINGS=50000 make test ARGS="-s tests/processes/test_cancellation.py"` runs the long form.
"""

import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from box_office import BoxOffice, Row, until
from money import Outside
from stripe_intents import create

from onsale.engine.facts import UserSaved
from onsale.loadtest.bench_cancel import CANCELLED_ID, JOURNAL_ID, PRICE_MINOR, write_paid_bookings

BOOKINGS = int(os.environ.get("ONSALE_CANCEL_BOOKINGS", "2000"))
SEED = int(os.environ.get("ONSALE_CANCEL_SEED", "1"))
KILLS = 2
ADDRESS_EVERY = 20
ASKED_MAX = 100
SECONDS_MAX = 30 + BOOKINGS / 20  # however slow the machine is

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120 + 4 * SECONDS_MAX)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    fast = {"ONSALE_REFUNDS_PER_SECOND": "5000"}
    async with BoxOffice(tmp_path_factory.mktemp("office"), prepare=sell_out, environment=fast) as office:
        yield office


def user_of(number: int) -> str:
    return f"u{number}"


def has_address(number: int) -> bool:
    return number % ADDRESS_EVERY == 0


def sell_out(outside: Outside, data: Path) -> None:
    """Everybody has paid, at the provider and in the node's journal; some have an address and a webhook."""
    (account,) = outside.stripe.accounts.values()
    intents = []
    for number in range(BOOKINGS):
        booking = {"onsale_booking": str(number + 1), "onsale_journal": JOURNAL_ID.hex()}
        form = {"amount": str(PRICE_MINOR), "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
        automatic = {"automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"}}
        intents.append(create(account, form | automatic | {"metadata": booking})["id"])
    users = [
        UserSaved(user_of(number), None, f"{user_of(number)}@people.test", outside.webhooks.url_of(user_of(number)))
        for number in range(BOOKINGS)
        if has_address(number)
    ]
    write_paid_bookings(data, intents, users)


async def test_everybody_gets_their_money_back_once_though_the_node_is_killed_half_way(office: BoxOffice) -> None:
    chance, began = random.Random(SEED), time.monotonic()
    event: Row = await office.ask("GET", f"/events/{CANCELLED_ID}")
    for user_id in map(user_of, filter(has_address, range(BOOKINGS))):
        user = await office.ask("GET", f"/users/{user_id}")
        office.outside.webhooks.secrets[user_id] = user["webhookSecret"]
    unpaid = await office.book(event, "unpaid")
    paying = await office.book(event, "paying")
    secret = await office.client_secret(paying, "pm_card_authenticationRequired")
    path = f"/events/{CANCELLED_ID}/cancel"
    answer = await office.ask("POST", path, key="cancel")
    assert answer["status"] == "cancelled"
    for share in sorted(chance.uniform(0.1, 0.9) for _ in range(KILLS)):
        await _until_refunded(office, int(share * BOOKINGS))
        await office.restart(kill=True)
    progress = await until(lambda: _even(office), "all is settled", seconds=SECONDS_MAX)
    print(f"\n{BOOKINGS} bookings: all settled {time.monotonic() - began:.1f} s after the beginning: {progress}")
    assert office.stripe.ledger.kept(secret.partition("_secret_")[0]) == 0
    _check_ledger(office)
    _check_messages(office)
    await _check_people(office, chance)
    for booking in (unpaid, paying):
        assert (await office.shown(booking))["status"] == "cancelled"
    assert (await office.ask("POST", path, key="cancel")) == answer
    await office.verified()


async def _until_refunded(office: BoxOffice, count: int) -> None:
    def refunds() -> int:
        return sum(each.kind == "refund" for each in office.stripe.ledger)

    async def enough() -> bool:
        return refunds() >= count

    await until(enough, f"{count} refunds", seconds=SECONDS_MAX)


async def _even(office: BoxOffice) -> Row | None:
    progress: Row = await office.ask("GET", f"/events/{CANCELLED_ID}/progress")
    left = ("bookingsLeft", "refundsOwed", "messagesOwed")
    return None if any(progress[name] for name in left) else progress


def _check_ledger(office: BoxOffice) -> None:
    charged, refunded = Counter[str](), Counter[str]()
    for each in office.stripe.ledger:
        assert each.amount == PRICE_MINOR
        (charged if each.kind == "charge" else refunded)[each.metadata["onsale_booking"]] += 1
    assert charged == refunded == Counter(str(number + 1) for number in range(BOOKINGS))
    assert office.stripe.ledger.kept() == 0


def _check_messages(office: BoxOffice) -> None:
    """Whoever has an address was told there, and whatever came twice has the same id."""
    assert not office.outside.webhooks.faults
    told: dict[tuple[str, str], set[str]] = {}
    for mail in office.outside.mail.taken:
        kind = "cancelled" if "has been cancelled" in mail.content else "refunded"
        told.setdefault((mail.to.partition("@")[0], f"mail {kind}"), set()).add(mail.message_id)
    for call in office.outside.webhooks.taken:
        told.setdefault((call.to, call.content["type"]), set()).add(call.message_id)
    kinds = ("mail cancelled", "mail refunded", "booking.event_cancelled", "booking.refunded")
    addressed = [user_of(number) for number in range(BOOKINGS) if has_address(number)]
    assert {of: len(ids) for of, ids in told.items()} == {(user, kind): 1 for user in addressed for kind in kinds}


async def _check_people(office: BoxOffice, chance: random.Random) -> None:
    for number in chance.sample(range(BOOKINGS), min(ASKED_MAX, BOOKINGS)):
        kinds = await office.kinds_told(user_of(number))
        assert (kinds.count("event_cancelled"), kinds.count("refunded")) == (1, 1), number
        shown = await office.shown({"bookingId": number + 1})
        assert (shown["status"], shown["refundedAmount"]) == ("refunded", "12.50")
    availability = await office.ask("GET", f"/events/{CANCELLED_ID}/availability")
    assert all(each["sold"] == 0 for each in availability["ticketTypes"]), availability
