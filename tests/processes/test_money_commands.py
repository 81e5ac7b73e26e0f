"""`onsale reconcile`, `outbox`, `tickets` and `events cancel`, as those who run them see them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from box_office import BoxOffice, Row, until
from money import Outside
from nodes import onsale
from stripe_intents import create

from onsale.engine import facts as f
from onsale.loadtest.bench_cancel import CANCELLED_ID, JOURNAL_ID, PRICE_MINOR, write_paid_bookings

DONE, ERROR, USAGE, UNREACHABLE, UNHEALTHY = 0, 1, 2, 3, 5
OLD_MS = 12 * 60_000  # enough to be compared, and a payment under way is still waited for
PAYING_MS = 15 * 60_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    async with BoxOffice(tmp_path_factory.mktemp("office")) as office:
        yield office
        await office.verified()


# --- outbox


async def test_an_outbox_with_nothing_in_it(office: BoxOffice) -> None:
    shown = await office.command("outbox")
    assert (shown.returncode, shown.stderr) == (DONE, "")
    assert "Nothing waits for a person." in shown.stdout
    document = json.loads((await office.command("outbox", "--format", "json")).stdout)
    assert document["totals"] == dict.fromkeys(document["totals"], 0)
    assert {lane["name"] for lane in document["lanes"]} >= {"payments", "refunds", "mail", "webhooks"}


async def test_what_failed_is_listed_and_tried_again_by_name(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "ann", method="pm_card_pendingRefund")
    await office.client.call("POST", f"/booking/{paid['bookingId']}/refund")
    (theirs,) = office.stripe.rows("refund")
    office.stripe.settle_refund(theirs["id"], succeed=False)
    await until(lambda: _given_up(office), "the refund is given up")
    listed = await office.command("outbox")
    assert listed.returncode == UNHEALTHY
    assert "refund-1" in listed.stdout
    assert "12.50 EUR" in listed.stdout
    retried = await office.command("outbox", "retry", "refund-1")
    assert retried.returncode == DONE, retried.stderr
    assert "1 refund and 0 messages" in retried.stdout

    async def again() -> list[Row]:
        return office.stripe.rows("refund")[1:]

    (theirs,) = await until(again, "the refund is asked for again")
    office.stripe.settle_refund(theirs["id"])
    await office.becomes(paid, "refunded")
    assert (await office.command("outbox")).returncode == DONE


async def _given_up(office: BoxOffice) -> int:
    return int((await office.ask("GET", "/outbox"))["totals"]["refundsFailed"])


async def test_what_is_not_there_can_not_be_retried_or_closed(office: BoxOffice) -> None:
    for arguments, code in (
        (("retry", "refund-99"), ERROR),
        (("retry", "something"), USAGE),
        (("retry",), USAGE),
        (("close", "dispute:dp_99"), ERROR),
    ):
        done = await office.command("outbox", *arguments)
        assert done.returncode == code, (arguments, done)
        assert done.stderr
        assert "Traceback" not in done.stderr


async def test_a_dispute_is_closed_by_name(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "bob")
    rows = [row for row in office.stripe.rows() if row["metadata"]["onsale_booking"] == str(paid["bookingId"])]
    dispute = office.stripe.dispute(rows[0]["id"])

    async def concerns() -> int:
        return int((await office.ask("GET", "/outbox"))["totals"]["concerns"])

    await until(concerns, "the dispute is listed")
    name = f"dispute:{dispute['id']}"
    listed = await office.command("outbox")
    assert (listed.returncode, name in listed.stdout) == (UNHEALTHY, True)
    closed = await office.command("outbox", "close", name)
    assert (closed.returncode, closed.stdout) == (DONE, f"{name} is closed.\n")
    assert (await office.command("outbox")).returncode == DONE


async def test_a_node_that_is_not_there() -> None:
    for arguments in (("outbox",), ("reconcile",), ("tickets", "key"), ("events", "progress", "1")):
        done = await asyncio.to_thread(onsale, *arguments, "--node", "http://127.0.0.1:9")
        assert done.returncode == UNREACHABLE, done
        assert "Traceback" not in done.stderr


# --- reconcile


async def test_books_that_agree(office: BoxOffice) -> None:
    done = await office.command("reconcile", "--since", "1h")
    assert (done.returncode, "all is even" in done.stdout) == (DONE, True), done
    document = json.loads((await office.command("reconcile", "--format", "json")).stdout)
    assert (document["provider"], document["findings"]) == ("stripe", [])
    assert (await office.command("reconcile", "--since", "tomorrow")).returncode == USAGE


async def test_what_is_plain_is_mended_and_the_rest_is_listed(tmp_path_factory: pytest.TempPathFactory) -> None:
    intents: dict[str, Row] = {}

    def prepare(outside: Outside, data: Path) -> None:
        intents.update(_books_that_differ(outside, data))

    async with BoxOffice(tmp_path_factory.mktemp("differs"), prepare=prepare) as office:
        done = await office.command("reconcile", "--format", "json")
        assert done.returncode == UNHEALTHY, done.stderr
        document = json.loads(done.stdout)
        found = {(each["kind"], each["reference"]): each["mended"] for each in document["findings"]}
        assert found == {
            ("settled", intents["unheard"]["id"]): True,
            ("missing_payment", "pi_of_nobody"): False,
            ("unknown_payment", intents["unknown"]["id"]): False,
        }
        shown = await office.shown({"bookingId": 3})
        assert (shown["status"], len(shown["tickets"])) == ("confirmed", 1)
        table = await office.command("reconcile")
        assert table.returncode == UNHEALTHY
        assert "pi_of_nobody" in table.stdout
        for reference in ("missing_payment:pi_of_nobody", f"unknown_payment:{intents['unknown']['id']}"):
            assert (await office.command("outbox", "close", reference)).returncode == DONE
        again = await office.command("reconcile")
        assert (await office.command("outbox")).returncode == DONE, again.stdout
        await office.verified()


def _books_that_differ(outside: Outside, data: Path) -> dict[str, Row]:
    """Booking 1 is paid in both, 2 here alone, 3 is under way here and paid there; and one nobody knows."""
    intents = {}
    for payment_id, name in ((1, "both"), (3, "unheard"), (77, "unknown")):
        form = {"amount": str(PRICE_MINOR), "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
        automatic = {"automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"}}
        ids = {"onsale_payment": str(payment_id), "onsale_booking": str(payment_id)}
        (account,) = outside.stripe.accounts.values()
        row = create(account, form | automatic | {"metadata": ids | {"onsale_journal": JOURNAL_ID.hex()}})
        row["created"] -= OLD_MS // 1000
        intents[name] = row
    at_ms = time.time_ns() // 1_000_000 - OLD_MS
    unheard = intents["unheard"]
    under_way = (
        f.Held(3, "u3", CANCELLED_ID, CANCELLED_ID, 1, PRICE_MINOR, at_ms + PAYING_MS),
        f.PaymentStarted(3, 3, PRICE_MINOR, None, at_ms + PAYING_MS),
        f.PaymentPending(3, requires_action=True, client_secret="secret", provider_reference=unheard["id"]),
    )
    write_paid_bookings(data, [intents["both"]["id"], "pi_of_nobody"], under_way, ago_ms=OLD_MS)
    return intents


# --- tickets


async def test_a_ticket_admits_once_and_the_second_time_says_when_and_where(office: BoxOffice) -> None:
    event = await office.event()
    paid = await office.paid(event, "cem")
    code = paid["tickets"][0]["code"]
    path = f"/tickets/{code}/check-in"
    admitted = await office.ask("POST", path, {"place": "Gate 3"})
    refused = await office.ask("POST", path, {"place": "Gate 5"}, status=409)
    assert (refused["code"], refused["redeemedAt"]) == ("already_redeemed", admitted["checkedInAt"])
    assert refused["place"] == "Gate 3"
    await office.restart(kill=True)
    refused = await office.ask("POST", path, {"place": "Gate 6"}, status=409)
    assert refused["place"] == "Gate 3"
    returned = await office.paid(event, "cem-back")
    await office.ask("POST", f"/booking/{returned['bookingId']}/refund")
    await office.ask("POST", f"/tickets/{returned['tickets'][0]['code']}/check-in", status=409)


async def test_tickets_are_checked_where_there_is_no_node(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "dan", 2)
    codes = [ticket["code"] for ticket in paid["tickets"]]
    key = await office.command("tickets", "key")
    assert key.returncode == DONE
    public_key = key.stdout.strip()
    done = await asyncio.to_thread(onsale, "tickets", "check", *codes, "--key", public_key)
    wanted = [f"event {paid['eventId']}, booking {paid['bookingId']}, ticket {number}" for number in (1, 2)]
    assert done.returncode == DONE, done.stderr
    assert [line.partition(" ")[2].strip() for line in done.stdout.splitlines()] == wanted
    forged = ("B" if codes[0][-10] == "A" else "A").join((codes[0][:-10], codes[0][-9:]))
    done = await asyncio.to_thread(
        onsale, "tickets", "check", forged, codes[1], "--key", public_key, "--format", "json"
    )
    assert done.returncode == ERROR
    assert [json.loads(line)["genuine"] for line in done.stdout.splitlines()] == [False, True]
    done = await asyncio.to_thread(onsale, "tickets", "check", codes[0], "--key", "not a key")
    assert (done.returncode, "Traceback" in done.stderr) == (USAGE, False)


# --- cancelling


async def test_cancelling_is_watched_until_everybody_has_their_money(office: BoxOffice) -> None:
    event = await office.event()
    for number in range(20):
        await office.paid(event, f"e{number}")
    asked = await office.command("events", "cancel", str(event["id"]))
    assert asked.returncode != DONE  # nobody was there to say yes
    assert (await office.ask("GET", f"/events/{event['id']}"))["status"] != "cancelled"
    done = await office.command("events", "cancel", str(event["id"]), "--yes", "--watch")
    assert done.returncode == DONE, done.stderr
    assert {(await office.kinds_told(f"e{number}"))[0] for number in range(20)} == {"refunded"}
    progress = await office.command("events", "progress", str(event["id"]), "--format", "json")
    document = json.loads(progress.stdout)
    assert (progress.returncode, document["bookingsLeft"], document["refundsOwed"]) == (DONE, 0, 0)
    missing = await office.command("events", "cancel", "999", "--yes")
    assert (missing.returncode, "Traceback" in missing.stderr) == (ERROR, False)
