"""The provider's webhooks at a real node: only genuine news are taken, each once, in whatever order they come."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from box_office import BoxOffice, Row, until
from nodes import free_port
from stripe_errors import Refusal
from stripe_webhooks import Delivery, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    async with BoxOffice(tmp_path_factory.mktemp("office")) as office:
        yield office
        await office.verified()


async def paid_unheard(office: BoxOffice, user_id: str) -> tuple[Row, Row]:
    """A booking paid in the browser, and the news of its success, which has not been sent."""
    booking = await office.book(await office.event(), user_id)
    secret = await office.client_secret(booking)
    office.stripe.webhooks.hold()
    office.stripe.confirm_in_browser(secret, "pm_card_visa")
    news = office.stripe.webhooks.of_type("payment_intent.succeeded")[-1]
    assert news["data"]["object"]["client_secret"] == secret
    return booking, news


async def post(office: BoxOffice, body: bytes, signature: str | None) -> tuple[int, Row]:
    headers = {"Content-Type": "application/json"} | ({} if signature is None else {"Stripe-Signature": signature})
    async with office.client._session.post(f"{office.node.url}/webhooks/stripe", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_news_that_are_not_genuine_are_refused_and_change_nothing(office: BoxOffice) -> None:
    booking, news = await paid_unheard(office, "ann")
    body, secret, now = json.dumps(news).encode(), office.stripe.webhook_secret, int(time.time())
    genuine = sign(body, secret, now)
    forged: dict[str, tuple[bytes, str | None]] = {
        "no signature": (body, None),
        "another secret": (body, sign(body, "whsec_another", now)),
        "signed too long ago": (body, sign(body, secret, now - 301)),
        "another body": (body.replace(b'"succeeded"', b'"succeeded" '), genuine),
        "the time changed": (body, genuine.replace(f"t={now}", f"t={now - 1}")),
        "nonsense": (body, "v1=,t=,"),
    }
    for what, (sent, signature) in forged.items():
        status, answer = await post(office, sent, signature)
        assert (status, answer["code"]) == (400, "invalid_signature"), what
    assert (await office.shown(booking))["status"] == "paying"
    status, answer = await post(office, body, genuine)
    assert (status, answer["received"]) == (200, True)
    assert (await office.shown(booking))["status"] == "confirmed"
    office.stripe.webhooks.release()


async def test_news_of_another_account_or_another_installation_are_taken_and_mean_nothing(office: BoxOffice) -> None:
    booking, news = await paid_unheard(office, "bob")
    intent = news["data"]["object"]
    strangers = [
        news | {"id": "evt_account", "account": "acct_another"},
        _with_metadata(news, "evt_journal", intent["metadata"] | {"onsale_journal": "0" * 32}),
        _with_metadata(news, "evt_none", {}),
    ]
    for each in strangers:
        body = json.dumps(each).encode()
        status, answer = await post(office, body, sign(body, office.stripe.webhook_secret, int(time.time())))
        assert (status, answer["received"]) == (200, True)
    assert (await office.shown(booking))["status"] == "paying"
    office.stripe.webhooks.release()
    await office.becomes(booking, "confirmed")


def _with_metadata(news: Row, news_id: str, metadata: Row) -> Row:
    return news | {"id": news_id, "data": {"object": news["data"]["object"] | {"metadata": metadata}}}


async def test_the_same_news_again_change_nothing(office: BoxOffice) -> None:
    booking, news = await paid_unheard(office, "cem")
    office.stripe.webhooks.release()
    await office.becomes(booking, "confirmed")
    await office.ask("POST", f"/booking/{booking['bookingId']}/refund")
    before = len(office.stripe.webhooks.deliveries)
    office.stripe.webhooks.send_again([news["id"]], times=5)
    answers = await _answered(office, news["id"], before, 5)
    assert {each.status for each in answers} == {200}
    assert (await office.shown(booking))["status"] == "refunded"
    told = await office.kinds_told("cem")
    assert (told.count("confirmed"), told.count("refunded")) == (1, 1)


async def _answered(office: BoxOffice, news_id: str, before: int, count: int) -> list[Delivery]:
    async def look() -> list[Delivery]:
        found = [each for each in office.stripe.webhooks.deliveries[before:] if each.event_id == news_id]
        return found if len(found) >= count else []

    found: list[Delivery] = await until(look, f"{news_id} was sent {count} times")
    return found


async def test_news_in_the_wrong_order(office: BoxOffice) -> None:
    """Declined, then paid, with the news the other way round; and a refund's before the payment's."""
    booking = await office.book(await office.event(), "dan")
    secret = await office.client_secret(booking)
    office.stripe.webhooks.hold()
    with pytest.raises(Refusal):
        office.stripe.confirm_in_browser(secret, "pm_card_chargeDeclined")
    office.stripe.confirm_in_browser(secret, "pm_card_visa")
    assert office.stripe.webhooks.release("reversed") >= 3
    await office.becomes(booking, "confirmed")
    await asyncio.wait_for(office.stripe.webhooks.idle(), 10)
    assert (await office.shown(booking))["status"] == "confirmed"
    office.stripe.webhooks.hold()
    await office.ask("POST", f"/booking/{booking['bookingId']}/refund", {"amount": "1.00"})
    await office.ask("POST", f"/booking/{booking['bookingId']}/refund")
    office.stripe.webhooks.release("reversed")
    await asyncio.wait_for(office.stripe.webhooks.idle(), 10)
    shown = await office.shown(booking)
    assert (shown["status"], shown["refundedAmount"]) == ("refunded", "12.50")
    assert (await office.kinds_told("dan")).count("refunded") == 2


async def test_a_failure_told_after_success_takes_nothing_away(office: BoxOffice) -> None:
    booking, news = await paid_unheard(office, "eva")
    office.stripe.webhooks.release()
    await office.becomes(booking, "confirmed")
    intent = news["data"]["object"]
    error = {"code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}
    late = {
        "payment_intent.payment_failed": {"status": "requires_payment_method", "last_payment_error": error},
        "payment_intent.canceled": {"status": "canceled"},
        "payment_intent.processing": {"status": "processing"},
    }
    for kind, fields in late.items():
        object_then = intent | fields | {"amount_received": 0}
        body = json.dumps(news | {"id": f"evt_{kind}", "type": kind, "data": {"object": object_then}}).encode()
        status, _ = await post(office, body, sign(body, office.stripe.webhook_secret, int(time.time())))
        assert status == 200
    await office.nothing_owed()
    assert (await office.shown(booking))["status"] == "confirmed"
    assert "payment_failed" not in await office.kinds_told("eva")


async def test_a_refund_that_fails_at_the_bank_is_for_an_operator(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "fay", method="pm_card_pendingRefund")
    status, refund, _ = await office.client.call("POST", f"/booking/{paid['bookingId']}/refund")
    assert (status, refund["bookingStatus"]) == (202, "refund_pending")
    (theirs,) = [
        row for row in office.stripe.rows("refund") if row["metadata"]["onsale_booking"] == str(paid["bookingId"])
    ]
    office.stripe.settle_refund(theirs["id"], succeed=False, reason="lost_or_stolen_card")

    async def failed() -> list[Row]:
        listed: list[Row] = (await office.ask("GET", "/outbox"))["refundsFailed"]
        return [each for each in listed if each["bookingId"] == paid["bookingId"]]

    (listed,) = await until(failed, "the refund is listed as failed")
    assert (listed["amount"], listed["tries"]) == ("12.50", 1)
    assert listed["failure"]
    retried = await office.ask("POST", "/outbox/retry", {"refundIds": [listed["refundId"]]})
    assert (retried["refundsRetried"], retried["refundsFailed"]) == (1, 0)

    async def second() -> list[Row]:
        rows = office.stripe.rows("refund")
        mine = [row for row in rows if row["metadata"]["onsale_booking"] == str(paid["bookingId"])]
        return mine[1:]

    (theirs,) = await until(second, "the refund is asked for again")
    office.stripe.settle_refund(theirs["id"])
    await office.becomes(paid, "refunded")
    assert office.stripe.ledger.kept(theirs["payment_intent"]) == 0


async def test_a_dispute_is_listed_once_until_somebody_closes_it(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "gus")
    (intent,) = [row for row in office.stripe.rows() if row["metadata"]["onsale_booking"] == str(paid["bookingId"])]
    dispute = office.stripe.dispute(intent["id"])

    async def listed() -> list[Row]:
        concerns: list[Row] = (await office.ask("GET", "/outbox"))["concerns"]
        return [each for each in concerns if each["reference"] == dispute["id"]]

    (concern,) = await until(listed, "the dispute is listed")
    assert (concern["kind"], concern["amount"], concern["currency"]) == ("dispute", "12.50", "EUR")
    assert intent["id"] in concern["detail"]
    (news,) = office.stripe.webhooks.of_type("charge.dispute.created")
    before = len(office.stripe.webhooks.deliveries)
    office.stripe.webhooks.send_again([news["id"]], times=2)
    await _answered(office, news["id"], before, 2)
    assert len(await listed()) == 1
    await office.ask("POST", "/outbox/concerns/close", {"id": concern["id"]})
    assert await listed() == []


async def test_news_wait_at_the_provider_while_the_node_is_gone(office: BoxOffice) -> None:
    booking, _ = await paid_unheard(office, "hal")
    await asyncio.to_thread(office.node.kill)
    office.stripe.webhooks.release()

    async def tried() -> bool:
        return office.stripe.webhooks.deliveries[-1].status != 200

    await until(tried, "the provider has tried in vain")
    await asyncio.to_thread(office.node.start)
    await office.becomes(booking, "confirmed")


async def test_a_node_without_stripe_says_what_to_set(
    office: BoxOffice, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from nodes import Client, Node

    with Node(tmp_path_factory.mktemp("plain") / "data", port=free_port()) as node:
        async with Client(node.url) as client:
            status, answer, _ = await client.call("POST", "/webhooks/stripe", {"id": "evt_1"})
    assert (status, answer["code"]) == (403, "forbidden")
    assert "STRIPE_WEBHOOK_SECRET" in answer["detail"]
