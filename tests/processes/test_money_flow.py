"""Paying, as people see it, with a real node and a Stripe-compatible server: localstripe, and one of our own for the
rest. What people get is looked at from outside, and the provider's ledger to the cent.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from box_office import BoxOffice, Row, new_key, until
from stripe_errors import Refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    async with BoxOffice(tmp_path_factory.mktemp("office")) as office:
        yield office
        await office.verified()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    """Holds last a second."""
    async with BoxOffice(tmp_path_factory.mktemp("hasty"), "--hold-seconds", "1") as office:
        yield office
        await office.verified()


def intent_of(client_secret: str) -> str:
    return client_secret.partition("_secret_")[0]


def never_withdrawn(office: BoxOffice, client_secret: str) -> None:
    """Until `heal`: the provider says each time that something else is going on with this one."""
    path = f"/v1/payment_intents/{intent_of(client_secret)}/cancel"
    office.stripe.fail("lock_timeout", times=None, path=path, retry_after_seconds=0.2)


def movements(office: BoxOffice, booking: Row) -> list[tuple[str, int]]:
    """Of the provider's ledger, those of one booking."""
    booking_id = str(booking["bookingId"])
    return [
        (each.kind, each.amount) for each in office.stripe.ledger if each.metadata.get("onsale_booking") == booking_id
    ]


# --- what usually happens


async def test_a_card_pays_at_once(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "ann", 2)
    assert (paid["status"], paid["bookingStatus"], paid["amount"], paid["provider"]) == (
        "succeeded", "confirmed", "25.00", "stripe",
    )  # fmt: skip
    assert len({ticket["code"] for ticket in paid["tickets"]}) == 2
    assert movements(office, paid) == [("charge", 2500)]


async def test_a_declined_card_keeps_the_hold_and_another_one_pays(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "bob")
    status, refusal = await office.pay(booking, "pm_card_chargeDeclinedInsufficientFunds")
    assert (status, refusal["code"], refusal["declineCode"]) == (402, "payment_declined", "insufficient_funds")
    assert (await office.shown(booking))["status"] == "held"
    status, paid = await office.pay(booking, "pm_card_visa")
    assert (status, len(paid["tickets"])) == (200, 1)


async def test_a_person_pays_in_the_browser(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "cem")
    office.stripe.confirm_in_browser(await office.client_secret(booking), "pm_card_visa")
    shown = await office.becomes(booking, "confirmed")
    assert len(shown["tickets"]) == 1
    assert shown["payment"]["status"] == "succeeded"


async def test_a_card_declined_in_the_browser_and_another_one(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "dan")
    secret = await office.client_secret(booking)
    with pytest.raises(Refusal):
        office.stripe.confirm_in_browser(secret, "pm_card_chargeDeclinedExpiredCard")
    await office.told("dan", "payment_failed")
    shown = await office.shown(booking)
    assert (shown["status"], shown["payment"]["failure"]) == ("paying", "expired_card")
    assert shown["payment"]["clientSecret"] == secret
    office.stripe.confirm_in_browser(secret, "pm_card_mastercard")
    await office.becomes(booking, "confirmed")


async def test_the_bank_asks_for_a_step(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "eva")
    secret = await office.client_secret(booking, "pm_card_authenticationRequired")
    assert (await office.shown(booking))["status"] == "paying"
    office.stripe.authenticate(secret)
    await office.becomes(booking, "confirmed")


async def test_who_does_not_prove_who_they_are_has_not_paid(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "fay")
    secret = await office.client_secret(booking, "pm_card_authenticationRequired")
    office.stripe.authenticate(secret, succeed=False)
    await office.becomes(booking, "held")
    await office.told("fay", "payment_failed")
    assert (await office.pay(booking, "pm_card_visa"))[0] == 200
    assert office.stripe.ledger.kept(intent_of(secret)) == 0


async def test_a_refund_gives_the_money_back_and_the_tickets_to_the_head_of_the_line(office: BoxOffice) -> None:
    event = await office.event(capacity=1)
    paid = await office.paid(event, "gus")
    waiting = await office.book(event, "hal", status=202)
    refund = await office.ask("POST", f"/booking/{paid['bookingId']}/refund")
    assert (refund["status"], refund["amount"]) == ("succeeded", "12.50")
    assert (await office.shown(paid))["status"] == "refunded"
    assert (await office.shown(waiting))["status"] == "held"
    await office.told("gus", "refunded")


async def test_no_more_is_given_back_than_was_paid(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "ida")
    path = f"/booking/{paid['bookingId']}/refund"
    refused = await office.ask("POST", path, {"amount": "12.51"}, status=422)
    assert (refused["code"], refused["available"]) == ("amount_mismatch", "12.50")
    await office.ask("POST", path, {"amount": "10.00"})
    refused = await office.ask("POST", path, {"amount": "2.51"}, status=422)
    assert refused["available"] == "2.50"
    await office.ask("POST", path, {"amount": "2.50"})
    shown = await office.shown(paid)
    assert (shown["status"], shown["refundedAmount"]) == ("refunded", "12.50")
    assert [each["amount"] for each in shown["refunds"]] == ["10.00", "2.50"]


async def test_two_parts_asked_for_at_the_same_moment_are_not_more_than_the_whole(office: BoxOffice) -> None:
    paid = await office.paid(await office.event(), "jan")
    path = f"/booking/{paid['bookingId']}/refund"
    answers = await asyncio.gather(*(office.client.call("POST", path, {"amount": "8.00"}) for _ in range(8)))
    assert sorted(status for status, _, _ in answers) == [200] + 7 * [422]
    assert (await office.shown(paid))["refundedAmount"] == "8.00"
    assert movements(office, paid) == [("charge", 1250), ("refund", 800)]


# --- what happens too late, twice, or in another order


async def test_who_gave_up_and_pays_after_all_gets_the_money_back_by_itself(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "kai")
    secret = await office.client_secret(booking, "pm_card_authenticationRequired")
    never_withdrawn(office, secret)
    assert (await office.ask("DELETE", f"/booking/{booking['bookingId']}"))["status"] == "cancelled"
    office.stripe.authenticate(secret)
    office.stripe.heal()
    await office.told("kai", "paid_too_late")
    await office.told("kai", "refunded")
    assert [each.kind for each in office.stripe.ledger.of(intent_of(secret))] == ["charge", "refund"]
    assert office.stripe.ledger.kept(intent_of(secret)) == 0
    assert (await office.shown(booking))["status"] == "cancelled"


async def test_who_gave_up_can_not_pay_any_more(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "leo")
    secret = await office.client_secret(booking, "pm_card_authenticationRequired")
    await office.ask("DELETE", f"/booking/{booking['bookingId']}")
    intent = intent_of(secret)
    rows = {row["id"]: row for row in office.stripe.rows()}

    async def canceled() -> bool:
        return bool(rows[intent]["status"] == "canceled")

    await until(canceled, "the intent is withdrawn")
    with pytest.raises(Refusal):
        office.stripe.authenticate(secret)


async def test_a_payment_under_way_keeps_the_hold_from_lapsing(hasty: BoxOffice) -> None:
    booking = await hasty.book(await hasty.event(), "mia")
    secret = await hasty.client_secret(booking, "pm_card_authenticationRequired")
    await asyncio.sleep(1.2)  # longer than the hold
    assert (await hasty.shown(booking))["status"] == "paying"
    hasty.stripe.authenticate(secret)
    await hasty.becomes(booking, "confirmed")


async def test_a_declined_card_after_the_hold_has_lapsed_ends_the_booking(hasty: BoxOffice) -> None:
    booking = await hasty.book(await hasty.event(), "ned")
    secret = await hasty.client_secret(booking, "pm_card_authenticationRequired")
    await asyncio.sleep(1.2)
    hasty.stripe.authenticate(secret, succeed=False)
    await hasty.becomes(booking, "expired")
    status, refusal = await hasty.pay(booking, "pm_card_visa")
    assert (status, refusal["code"]) == (410, "hold_expired")


async def test_success_after_the_hold_has_lapsed_takes_the_tickets_again_if_some_are_free(hasty: BoxOffice) -> None:
    """The first attempt is given up for a second one, which fails; then the first succeeds after all."""
    first, booking = await _lapsed_with_an_attempt_that_may_succeed(hasty, "ola", capacity=1)
    hasty.stripe.authenticate(first)
    hasty.stripe.heal()
    shown = await hasty.becomes(booking, "confirmed")
    assert len(shown["tickets"]) == 1
    assert hasty.stripe.ledger.kept(intent_of(first)) == 1250


async def test_success_after_the_hold_has_lapsed_goes_back_if_somebody_else_has_the_tickets(hasty: BoxOffice) -> None:
    first, booking = await _lapsed_with_an_attempt_that_may_succeed(hasty, "pia", capacity=1)
    other = {"userId": "quy", "eventId": booking["eventId"]}
    other = await hasty.ask("POST", "/booking", other, status=201)
    assert (await hasty.pay(other, "pm_card_visa"))[0] == 200
    hasty.stripe.authenticate(first)
    hasty.stripe.heal()
    await hasty.told("pia", "paid_too_late")
    await hasty.told("pia", "refunded")
    assert (await hasty.shown(booking))["status"] == "expired"
    assert hasty.stripe.ledger.kept(intent_of(first)) == 0


async def _lapsed_with_an_attempt_that_may_succeed(
    office: BoxOffice, user_id: str, *, capacity: int
) -> tuple[str, Row]:
    booking = await office.book(await office.event(capacity=capacity), user_id)
    first = await office.client_secret(booking, "pm_card_authenticationRequired")
    never_withdrawn(office, first)
    status, _ = await office.pay(booking, "pm_card_chargeDeclined")
    assert status == 402
    await office.becomes(booking, "expired")
    return first, booking


async def test_both_attempts_succeed_and_one_is_given_back(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "rex")
    first = await office.client_secret(booking)
    office.stripe.webhooks.hold()
    never_withdrawn(office, first)
    status, paid = await office.pay(booking, "pm_card_visa")
    assert (status, paid["bookingStatus"]) == (200, "confirmed")
    office.stripe.confirm_in_browser(first, "pm_card_visa")
    office.stripe.webhooks.release()
    office.stripe.heal()
    await office.told("rex", "paid_too_late")
    await office.nothing_owed()
    assert (await office.shown(booking))["status"] == "confirmed"
    assert office.stripe.ledger.kept(intent_of(first)) == 0
    assert sorted(movements(office, booking)) == [("charge", 1250), ("charge", 1250), ("refund", 1250)]


# --- the provider is in trouble


async def test_a_provider_that_answers_500_is_asked_until_it_pays_once(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "sam")
    office.stripe.fail("error", path="/v1/payment_intents", after=True)
    office.stripe.fail("error", path="/v1/payment_intents/*/confirm", after=True)
    status, _ = await office.pay(booking, "pm_card_visa")
    assert status in (200, 202)
    await office.becomes(booking, "confirmed")
    assert movements(office, booking) == [("charge", 1250)]


async def test_a_provider_that_is_down_for_a_moment_is_waited_for(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "una")
    office.stripe.go_down()
    paying = asyncio.create_task(office.pay(booking, "pm_card_visa"))

    async def failing() -> bool:
        lanes = (await office.ask("GET", "/outbox"))["lanes"]
        return any(lane["failingSince"] and lane["lastFailure"] for lane in lanes)

    await until(failing, "operators see that the provider can't be asked")
    office.stripe.come_back()
    status, paid = await paying
    assert (status, paid["bookingStatus"]) == (200, "confirmed")
    assert not await failing(), (await office.ask("GET", "/outbox"))["lanes"]
    assert movements(office, booking) == [("charge", 1250)]


async def test_who_waits_too_long_is_told_so_and_everything_is_even_afterwards(office: BoxOffice) -> None:
    event = await office.event()
    bookings = [await office.book(event, f"tom-{number}") for number in range(5)]
    keys = [new_key() for _ in bookings]
    returned = await office.paid(event, "tom-back")
    office.stripe.fail("hang", times=None)
    asked = [office.pay_raw(booking, "pm_card_visa", key=key) for booking, key in zip(bookings, keys, strict=True)]
    refund = office.client.call("POST", f"/booking/{returned['bookingId']}/refund")
    said, (refund_status, refunded, _) = await asyncio.gather(asyncio.gather(*asked), refund)
    assert [each.status for each in said] == [202] * 5, said
    assert (refund_status, refunded["bookingStatus"]) == (202, "refund_pending")
    shown = await office.shown(bookings[0])
    assert (shown["status"], shown["payment"]["status"], shown["tickets"]) == ("paying", "processing", [])
    assert (await office.ask("GET", "/outbox"))["totals"]["payments"] == 5
    office.stripe.heal()
    for booking in bookings:
        await office.becomes(booking, "confirmed")
    await office.becomes(returned, "refunded")
    for booking, key, first in zip(bookings, keys, said, strict=True):
        assert await office.pay_raw(booking, "pm_card_visa", key=key) == first
        assert movements(office, booking) == [("charge", 1250)]
    assert movements(office, returned) == [("charge", 1250), ("refund", 1250)]
    await office.nothing_owed()
