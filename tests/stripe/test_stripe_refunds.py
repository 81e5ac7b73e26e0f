"""Refunds and disputes: https://docs.stripe.com/api/refunds, https://docs.stripe.com/refunds, /api/disputes."""

import pytest
import stripe
from stripe_library import Library
from stripe_server import StripeServer


async def test_in_parts_until_nothing_is_left(server: StripeServer, library: Library) -> None:
    """/api/refunds/create: "You can do so multiple times, until the entire charge has been refunded"; an error "when
    called on an already-refunded charge, or when trying to refund more money than is left on a charge".
    """
    paid = await library.paid(2500)
    first = await library.refund(paid.id, 1000)
    assert (first.status, first.amount, first.currency, first.payment_intent) == ("succeeded", 1000, "eur", paid.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount on charge") as raised:
        await library.refund(paid.id, 1501)
    assert (raised.value.http_status, raised.value.param) == (400, "amount")
    rest = await library.refund(paid.id)  # no amount: all that is left
    assert rest.amount == 1500
    for amount in (None, 1):
        with pytest.raises(stripe.InvalidRequestError, match="already been refunded") as raised:
            await library.refund(paid.id, amount)
        assert raised.value.code == "charge_already_refunded"
    charge = await library.v1.charges.retrieve_async(str(paid.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    assert (await library.look(paid.id)).status == "succeeded"  # a refund is no state of the intent
    assert server.ledger.kept(paid.id) == 0
    assert server.ledger.total("refund") == 2500
    assert [movement.metadata for movement in server.ledger.of(paid.id)][1] == {"onsale_refund": "3"}
    listed = await library.v1.refunds.list_async({"payment_intent": paid.id})
    assert [row.id for row in listed.data] == [rest.id, first.id]
    assert (await library.v1.refunds.retrieve_async(first.id)).amount == 1000


@pytest.mark.parametrize("method", [None, "pm_card_authenticationRequired", "pm_usBankAccount_processing"])
async def test_only_what_succeeded_is_refunded(server: StripeServer, library: Library, method: str | None) -> None:
    made = await library.create()
    if method:
        await library.confirm(made.id, method)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge to refund"):
        await library.refund(made.id)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.refund("pi_none")
    assert raised.value.code == "resource_missing"
    assert not server.ledger


async def test_wrong_parameters(library: Library) -> None:
    paid = await library.paid()
    for amount in (0, -1):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await library.refund(paid.id, amount)
        assert raised.value.code == "parameter_invalid_integer"
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        await library.v1.refunds.create_async({"amount": 5})


@pytest.mark.parametrize("succeed", [True, False])
async def test_one_may_be_pending(server: StripeServer, library: Library, succeed: bool) -> None:
    """/testing#refunds: pm_card_pendingRefund. What a failed one gave back is there again (/refunds#failed-refunds)."""
    paid = await library.paid(2500, "pm_card_pendingRefund")
    pending = await library.refund(paid.id)
    assert pending.status == "pending"
    server.settle_refund(pending.id, succeed=succeed)
    now = await library.v1.refunds.retrieve_async(pending.id)
    assert now.status == ("succeeded" if succeed else "failed")
    assert server.ledger.kept() == (0 if succeed else 2500)
    if not succeed:
        assert now.failure_reason == "expired_or_canceled_card"
        assert (await library.refund(paid.id)).amount == 2500


async def test_all_may_be_kept_pending(server: StripeServer, library: Library) -> None:
    paid = await library.paid()
    server.keep_refunds_pending()
    assert (await library.refund(paid.id, 100)).status == "pending"
    server.keep_refunds_pending(pending=False)
    assert (await library.refund(paid.id, 100)).status == "succeeded"


async def test_one_may_fail_after_it_succeeded(server: StripeServer, library: Library) -> None:
    """/testing#refunds: pm_card_refundFail: "begins as succeeded. Some time later … failed"."""
    paid = await library.paid(2500, "pm_card_refundFail")
    refund = await library.refund(paid.id, 2000)
    assert refund.status == "succeeded"
    server.settle_refund(refund.id, succeed=False, reason="lost_or_stolen_card")
    assert (await library.v1.refunds.retrieve_async(refund.id)).failure_reason == "lost_or_stolen_card"
    assert [movement.kind for movement in server.ledger] == ["charge", "refund", "refund_failed"]
    assert server.ledger.kept() == 2500
    assert [event["type"] for event in server.webhooks.events][-3:] == [
        "refund.failed",
        "refund.updated",
        "charge.refund.updated",
    ]


async def test_a_disputed_charge_is_not_refunded(server: StripeServer, library: Library) -> None:
    """/error-codes: charge_disputed; /disputes/how-disputes-work: the amount is withdrawn at once."""
    paid = await library.paid()
    dispute = server.dispute(paid.id, reason="product_not_received")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.refund(paid.id)
    assert raised.value.code == "charge_disputed"
    assert server.ledger.kept() == 0
    found = await library.v1.disputes.retrieve_async(dispute["id"])
    assert (found.status, found.reason, found.payment_intent) == ("needs_response", "product_not_received", paid.id)
    server.close_dispute(dispute["id"], won=True)
    assert (await library.refund(paid.id)).status == "succeeded"
    assert server.ledger.kept() == 0
    types = [event["type"] for event in server.webhooks.events]
    assert "charge.dispute.created" in types
    assert "charge.dispute.closed" in types


async def test_a_card_that_disputes_at_once(server: StripeServer, library: Library) -> None:
    await library.paid(2500, "pm_card_createDispute")
    assert [movement.kind for movement in server.ledger] == ["charge", "dispute"]
