"""The server answers as Stripe's documents say, seen through Stripe's own library: payments.

https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/api/payment_intents,
https://docs.stripe.com/api/errors, https://docs.stripe.com/testing, https://docs.stripe.com/api/pagination.
"""

from typing import Any

import aiohttp
import pytest
import stripe
from stripe_errors import Refusal
from stripe_library import FORM, Library, secret_of
from stripe_server import StripeServer


async def test_a_payment_is_made_then_confirmed(server: StripeServer, library: Library) -> None:
    made = await library.create()
    assert (made.status, made.amount, made.currency, made.livemode) == ("requires_payment_method", 2500, "eur", False)
    assert made.id.startswith("pi_")
    assert secret_of(made).startswith(f"{made.id}_secret_")
    assert not server.ledger
    paid = await library.confirm(made.id, "pm_card_visa")
    assert (paid.status, paid.amount_received) == ("succeeded", 2500)
    assert paid.payment_method != "pm_card_visa"  # one of its own was made of the test payment method
    assert isinstance(paid.latest_charge, str)
    charge = await library.v1.charges.retrieve_async(paid.latest_charge)
    assert (charge.status, charge.paid, charge.amount, charge.payment_intent) == ("succeeded", True, 2500, made.id)
    [movement] = server.ledger
    assert (movement.kind, movement.intent, movement.amount, movement.currency) == ("charge", made.id, 2500, "eur")
    assert movement.metadata == {"onsale_payment": "7"}
    assert (await library.look(made.id)).to_dict() == paid.to_dict()


async def test_a_payment_made_with_its_method_waits_for_confirmation(library: Library) -> None:
    assert (await library.create(payment_method="pm_card_visa")).status == "requires_confirmation"
    assert (await library.create(payment_method="pm_card_visa", confirm=True)).status == "succeeded"


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_decline_leads_back_and_another_try_is_allowed(
    server: StripeServer, library: Library, method: str, code: str, decline_code: str | None
) -> None:
    """https://docs.stripe.com/declines; https://docs.stripe.com/api/errors: `payment_intent` is in the error."""
    made = await library.create()
    with pytest.raises(stripe.CardError) as raised:
        await library.confirm(made.id, method)
    error = raised.value.error
    assert raised.value.http_status == 402
    assert error is not None
    assert (error.type, error.code, getattr(error, "decline_code", None)) == ("card_error", code, decline_code)
    assert error.payment_intent is not None
    assert error.payment_intent.id == made.id
    assert error.payment_intent.status == "requires_payment_method"
    now = await library.look(made.id)
    assert (now.status, now.payment_method) == ("requires_payment_method", None)
    assert now.last_payment_error is not None
    assert now.last_payment_error.code == code
    assert not server.ledger
    again = await library.confirm(made.id, "pm_card_visa")
    assert (again.status, again.last_payment_error) == ("succeeded", None)


async def test_an_unknown_method_is_no_decline(library: Library) -> None:
    made = await library.create()
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.confirm(made.id, "pm_nobody")
    assert (raised.value.http_status, raised.value.code) == (400, "resource_missing")
    assert raised.value.param == "payment_method"
    assert (await library.look(made.id)).status == "requires_payment_method"


async def test_three_d_secure(server: StripeServer, library: Library) -> None:
    """https://docs.stripe.com/payments/3d-secure/authentication-flow: requires_action, then what the bank says."""
    made = await library.create()
    asked = await library.confirm(made.id, "pm_card_threeDSecure2Required")
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.type == "use_stripe_sdk"
    assert not server.ledger
    assert server.authenticate(secret_of(made), succeed=False)["status"] == "requires_payment_method"
    failed = await library.look(made.id)
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    away = await library.confirm(made.id, "pm_card_authenticationRequired", return_url="https://example.com/back")
    assert away.next_action is not None
    assert away.next_action.type == "redirect_to_url"
    assert server.authenticate(secret_of(made))["status"] == "succeeded"
    assert server.ledger.kept(made.id) == 2500


async def test_a_bank_may_decline_after_three_d_secure(server: StripeServer, library: Library) -> None:
    made = await library.create()
    await library.confirm(made.id, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    with pytest.raises(Refusal, match="insufficient funds"):
        server.authenticate(secret_of(made))
    assert (await library.look(made.id)).status == "requires_payment_method"


async def test_an_action_can_be_refused_beforehand(library: Library) -> None:
    """https://docs.stripe.com/api/payment_intents/confirm, `error_on_requires_action`."""
    made = await library.create()
    with pytest.raises(stripe.CardError) as raised:
        await library.confirm(made.id, "pm_card_authenticationRequired", error_on_requires_action=True)
    assert raised.value.code == "authentication_required"


@pytest.mark.parametrize("succeed", [True, False])
async def test_a_bank_debit_is_processing_for_days(server: StripeServer, library: Library, succeed: bool) -> None:
    """https://docs.stripe.com/payments/ach-direct-debit: a delayed notification method."""
    made = await library.create()
    begun = await library.confirm(made.id, "pm_usBankAccount_processing")
    assert (begun.status, begun.amount_received) == ("processing", 0)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.cancel(made.id)
    assert raised.value.code == "payment_intent_unexpected_state"
    server.settle(made.id, succeed=succeed)
    now = await library.look(made.id)
    assert now.status == ("succeeded" if succeed else "requires_payment_method")
    assert server.ledger.kept() == (2500 if succeed else 0)


async def test_a_browser_confirms_with_the_client_secret(server: StripeServer, library: Library) -> None:
    made = await library.create(automatic_payment_methods={"enabled": True})
    url = f"{server.url}/client/confirm"
    async with aiohttp.ClientSession() as browser:
        asked = {"client_secret": secret_of(made), "payment_method": "pm_card_chargeDeclined"}
        async with browser.post(url, json=asked) as response:
            assert response.status == 402
            assert (await response.json())["error"]["decline_code"] == "generic_decline"
        async with browser.post(url, json=asked | {"client_secret": f"{made.id}_secret_guessed"}) as response:
            assert response.status == 404
        async with browser.post(url, data=asked | {"payment_method": "pm_card_authenticationRequired"}) as response:
            assert (await response.json())["status"] == "requires_action"
        async with browser.post(f"{server.url}/client/authenticate", json=asked | {"succeed": True}) as response:
            assert (await response.json())["status"] == "succeeded"
    assert server.ledger.kept(made.id) == 2500


@pytest.mark.parametrize("method", [None, "pm_card_chargeDeclined", "pm_card_authenticationRequired"])
async def test_what_has_not_succeeded_can_be_canceled(
    server: StripeServer, library: Library, method: str | None
) -> None:
    """https://docs.stripe.com/api/payment_intents/cancel: afterwards no charge is possible."""
    made = await library.create()
    if method == "pm_card_chargeDeclined":
        with pytest.raises(stripe.CardError):
            await library.confirm(made.id, method)
    elif method:
        await library.confirm(made.id, method)
    canceled = await library.cancel(made.id)
    assert canceled.status == "canceled"
    assert canceled.canceled_at is not None
    for attempt in (library.confirm(made.id, "pm_card_visa"), library.cancel(made.id)):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await attempt
        assert raised.value.code == "payment_intent_unexpected_state"
        assert raised.value.error is not None
        assert raised.value.error.payment_intent is not None
        assert raised.value.error.payment_intent.status == "canceled"
    with pytest.raises(Refusal):
        server.authenticate(secret_of(made))
    assert not server.ledger


async def test_what_succeeded_can_be_neither_canceled_nor_confirmed_again(
    server: StripeServer, library: Library
) -> None:
    paid = await library.paid()
    for attempt in (library.cancel(paid.id), library.confirm(paid.id, "pm_card_visa")):
        with pytest.raises(stripe.InvalidRequestError, match="succeeded") as raised:
            await attempt
        assert (raised.value.http_status, raised.value.code) == (400, "payment_intent_unexpected_state")
        assert raised.value.error is not None
        assert raised.value.error.payment_intent is not None
        assert raised.value.error.payment_intent.status == "succeeded"
    assert server.ledger.kept() == 2500


async def test_confirming_needs_a_method_and_a_way_back(library: Library) -> None:
    """https://docs.stripe.com/upgrades, 2023-08-16: methods that redirect are on by default, so `return_url` is due."""
    made = await library.create()
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        await library.v1.payment_intents.confirm_async(made.id)
    redirecting = await library.create(automatic_payment_methods={"enabled": True})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.confirm(redirecting.id, "pm_card_visa")
    assert raised.value.param == "return_url"
    assert (await library.confirm(redirecting.id, "pm_card_visa", return_url="https://a.example")).status == "succeeded"


@pytest.mark.parametrize(
    ("form", "param", "code"),
    [
        ({"amount": 0}, "amount", "parameter_invalid_integer"),
        ({"amount": -5}, "amount", "parameter_invalid_integer"),
        ({"amount": 12.5}, "amount", "parameter_invalid_integer"),
        ({"amount": 49}, "amount", "amount_too_small"),
        ({"amount": 150, "currency": "isk"}, "amount", "invalid_amount"),
        ({"amount": 1001, "currency": "kwd"}, "amount", "invalid_amount"),
        ({"currency": "xxx"}, "currency", None),
        ({"currency": ""}, "currency", "parameter_invalid_empty"),
        ({"colour": "red"}, "colour", "parameter_unknown"),
        ({"receipt_email": "nobody"}, "receipt_email", "email_invalid"),
        ({"metadata": {"k" * 41: "v"}}, "metadata", None),
        ({"payment_method": "pm_nobody"}, "payment_method", "resource_missing"),
        ({"off_session": True}, "off_session", None),
    ],
)
async def test_parameters_are_checked(library: Library, form: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await library.create(**form)
    assert (raised.value.http_status, raised.value.param, raised.value.code) == (400, param, code)


async def test_keys_are_checked(server: StripeServer) -> None:
    """https://docs.stripe.com/api/authentication: Basic with the key as user name, or Bearer; otherwise 401."""
    stranger = Library(server, key="sk_test_stranger")
    with pytest.raises(stripe.AuthenticationError):
        await stranger.create()
    await stranger.close()
    async with aiohttp.ClientSession() as session:
        for headers, status in [
            ({"Authorization": aiohttp.encode_basic_auth(server.key, "")}, 200),
            ({"Authorization": f"Bearer {server.key}"}, 200),
            ({"Authorization": f"Bearer {server.key}", "Stripe-Version": "yesterday"}, 400),
            ({}, 401),
        ]:
            async with session.get(f"{server.url}/v1/refunds", headers=headers) as response:
                assert response.status == status
                assert ("error" in await response.json()) == (status != 200)


async def test_what_is_not_there_is_404(server: StripeServer, library: Library) -> None:
    for attempt in (library.look("pi_none"), library.confirm("pi_none", "pm_card_visa"), library.cancel("pi_none")):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await attempt
        assert (raised.value.http_status, raised.value.code) == (404, "resource_missing")
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.key}"}) as session,
        session.get(f"{server.url}/v1/unheard_of") as response,
    ):
        assert response.status == 404
        assert "Unrecognized request URL" in (await response.json())["error"]["message"]


async def test_lists_are_paged_newest_first() -> None:
    """https://docs.stripe.com/api/pagination and /api/payment_intents/list."""
    seconds = 1_000_000.0

    def now() -> float:
        return seconds

    async with StripeServer(now=now) as server:
        library = Library(server)
        made = []
        for _ in range(7):
            made.append((await library.create()).id)
            seconds += 10
        newest_first = made[::-1]
        page = await library.v1.payment_intents.list_async({"limit": 3})
        assert ([row.id for row in page.data], page.has_more) == (newest_first[:3], True)
        page = await library.v1.payment_intents.list_async({"limit": 4, "starting_after": newest_first[2]})
        assert ([row.id for row in page.data], page.has_more) == (newest_first[3:], False)
        page = await library.v1.payment_intents.list_async({"limit": 2, "ending_before": newest_first[3]})
        assert ([row.id for row in page.data], page.has_more) == (newest_first[1:3], True)
        page = await library.v1.payment_intents.list_async({"created": {"gte": 1_000_050}})
        assert [row.id for row in page.data] == newest_first[:2]
        page = await library.v1.payment_intents.list_async({"created": {"gt": 1_000_050, "lte": 1_000_060}})
        assert [row.id for row in page.data] == newest_first[:1]
        page = await library.v1.payment_intents.list_async({"limit": 2})
        assert [row.id async for row in page.auto_paging_iter()] == newest_first
        for wrong in ({"limit": 101}, {"limit": 0}, {"starting_after": "pi_none"}):
            with pytest.raises(stripe.InvalidRequestError):
                await library.v1.payment_intents.list_async(wrong)  # type: ignore[arg-type]
        await library.close()


async def test_ids_can_be_expanded(library: Library) -> None:
    """https://docs.stripe.com/api/expanding_objects."""
    paid = await library.paid()
    one = await library.v1.payment_intents.retrieve_async(paid.id, {"expand": ["latest_charge", "payment_method"]})
    assert isinstance(one.latest_charge, stripe.Charge)
    assert isinstance(one.payment_method, stripe.PaymentMethod)
    assert one.latest_charge.amount_captured == 2500
    many = await library.v1.payment_intents.list_async({"expand": ["data.latest_charge"]})
    assert isinstance(many.data[0].latest_charge, stripe.Charge)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await library.v1.payment_intents.retrieve_async(paid.id, {"expand": ["amount"]})


async def test_accounts_see_their_own_alone(server: StripeServer, library: Library) -> None:
    made = await library.create(key="same")
    server.add_account("sk_test_other")
    other = Library(server, key="sk_test_other")
    with pytest.raises(stripe.InvalidRequestError):
        await other.look(made.id)
    assert (await other.create(key="same")).id != made.id  # keys are per account, too
    await other.close()
    assert FORM["amount"] == made.amount
