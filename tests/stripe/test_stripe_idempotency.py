"""Idempotency keys: https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/error-low-level."""

import asyncio

import pytest
import stripe
from stripe_library import Library, headers_of
from stripe_server import StripeServer


async def test_the_same_key_gives_the_same_answer(server: StripeServer, library: Library) -> None:
    """The status and body of the first one, whatever has become of the object since."""
    made = await library.create(key="k")
    assert "Idempotent-Replayed" not in headers_of(made)
    await library.confirm(made.id, "pm_card_visa")
    again = await library.create(key="k")
    assert (again.id, again.status) == (made.id, "requires_payment_method")
    assert headers_of(again)["Idempotent-Replayed"] == "true"
    assert headers_of(again)["Original-Request"] == headers_of(made)["Request-Id"]
    assert headers_of(again)["Request-Id"] != headers_of(made)["Request-Id"]
    assert len(server.rows()) == 1


async def test_a_decline_is_kept(server: StripeServer, library: Library) -> None:
    made = await library.create()
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await library.confirm(made.id, "pm_card_chargeDeclined", key="k")
    assert len(server.rows("charge")) == 1


async def test_a_refund_is_made_once(server: StripeServer, library: Library) -> None:
    paid = await library.paid()
    first = await library.refund(paid.id, 1000, key="k")
    second = await library.refund(paid.id, 1000, key="k")
    assert first.id == second.id
    assert server.ledger.kept() == 1500
    assert (await library.refund(paid.id, 1000)).id != first.id


async def test_other_parameters_are_refused(library: Library) -> None:
    """Stripe: "The idempotency layer compares incoming parameters to those of the original request and errors if
    they're not the same to prevent accidental misuse".
    """
    made = await library.create(key="k")
    for attempt in (library.create(key="k", amount=2600), library.confirm(made.id, "pm_card_visa", key="k")):
        with pytest.raises(stripe.IdempotencyError, match="Keys for idempotent requests can only be used") as raised:
            await attempt
        assert raised.value.http_status == 400
        assert raised.value.error is not None
        assert raised.value.error.type == "idempotency_error"


async def test_one_in_progress_is_409(server: StripeServer, library: Library) -> None:
    """/error-codes: idempotency_key_in_use."""
    server.fail("delay", seconds=0.5)
    first = asyncio.create_task(library.create(key="k"))
    await server.faults.struck.wait()
    with pytest.raises(stripe.StripeError, match="currently another in-progress request") as raised:
        await library.create(key="k")
    assert raised.value.http_status == 409
    assert (await library.create(key="k2")).id != (await first).id
    assert (await library.create(key="k")).id == (await first).id


async def test_a_caller_that_gives_up_does_not_stop_it(server: StripeServer, library: Library) -> None:
    """/error-low-level#network-errors: the result is unknown; asking again with the same key tells it."""
    made = await library.create()
    hasty = Library(server, timeout_seconds=0.05)
    server.fail("delay", seconds=0.5)
    with pytest.raises(stripe.APIConnectionError):
        await hasty.confirm(made.id, "pm_card_visa", key="k")
    await hasty.close()
    assert not server.ledger
    statuses = set()
    while not server.ledger:
        try:
            await library.confirm(made.id, "pm_card_visa", key="k")
        except stripe.StripeError as error:
            statuses.add(error.http_status)
    assert statuses == {409}
    assert (await library.confirm(made.id, "pm_card_visa", key="k")).status == "succeeded"
    assert server.ledger.kept() == 2500


async def test_what_never_began_is_not_kept(server: StripeServer, library: Library) -> None:
    """Stripe: "If incoming parameters fail validation … we don't save the idempotent result": the key is free again."""
    with pytest.raises(stripe.InvalidRequestError):
        await library.create(key="k", amount=0)
    assert (await library.create(key="k")).status == "requires_payment_method"
    server.fail("rate_limit", retry_after_seconds=3)
    with pytest.raises(stripe.RateLimitError) as raised:
        await library.create(key="k2")
    assert raised.value.headers is not None
    assert raised.value.headers["Retry-After"] == "3"
    assert (await library.create(key="k2")).status == "requires_payment_method"


async def test_a_refusal_of_the_state_of_things_is_kept(library: Library) -> None:
    """/error-low-level: "A request that returns a 400 sends back the same 400 if followed by a new request with the
    same idempotency key", except for invalid parameters.
    """
    made = await library.create()
    with pytest.raises(stripe.InvalidRequestError):
        await library.refund(made.id, key="k")
    await library.confirm(made.id, "pm_card_visa")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        await library.refund(made.id, key="k")


@pytest.mark.parametrize("after", [False, True])
async def test_a_500_is_kept_too(server: StripeServer, library: Library, after: bool) -> None:
    """Stripe: "… including 500 errors". Whether it was executed is not told."""
    made = await library.create()
    server.fail("error", after=after, path="/v1/payment_intents/*/confirm")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as raised:
            await library.confirm(made.id, "pm_card_visa", key="k")
        assert raised.value.http_status == 500
    assert raised.value.headers is not None
    assert raised.value.headers["Idempotent-Replayed"] == "true"
    assert (await library.look(made.id)).status == ("succeeded" if after else "requires_payment_method")
    assert server.ledger.kept() == (2500 if after else 0)


async def test_keys_are_forgotten_after_a_day() -> None:
    """Stripe: "You can remove keys from the system automatically after they're at least 24 hours old. We generate a
    new request if a key is reused after the original is pruned".
    """
    seconds = 1_000_000.0

    def now() -> float:
        return seconds

    async with StripeServer(now=now) as server:
        library = Library(server)
        made = await library.create(key="k")
        seconds += 24 * 3600 - 1
        assert (await library.create(key="k")).id == made.id
        seconds += 1
        later = await library.create(key="k")
        assert later.id != made.id
        server.forget_idempotency_keys()
        assert (await library.create(key="k")).id != later.id
        with pytest.raises(stripe.InvalidRequestError, match="255"):
            await library.create(key="k" * 256)
        await library.close()
