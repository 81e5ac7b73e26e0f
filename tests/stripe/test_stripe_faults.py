"""Faults to order: each hits whom it should, and is told truly by the state and the ledger afterwards."""

import asyncio

import pytest
import stripe
from stripe_library import Library
from stripe_process import StripeProcess
from stripe_server import StripeServer


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_cut(server: StripeServer, library: Library, after: bool) -> None:
    made = await library.create()
    server.fail("cut", after=after)
    with pytest.raises(stripe.APIConnectionError):
        await library.confirm(made.id, "pm_card_visa", key="k")
    assert server.requests[-1].status == 0
    assert server.ledger.kept() == (2500 if after else 0)
    paid = await library.confirm(made.id, "pm_card_visa", key="k")
    assert paid.status == "succeeded"
    assert server.ledger.kept() == 2500
    assert server.requests[-1].replayed == after


@pytest.mark.parametrize("after", [False, True])
async def test_nonsense(server: StripeServer, library: Library, after: bool) -> None:
    server.fail("html", after=after)
    with pytest.raises(stripe.APIError, match="Invalid response body"):
        await library.create(key="k")
    assert len(server.rows()) == after
    await library.create(key="k")
    assert len(server.rows()) == 1


async def test_hanging_until_the_caller_gives_up(server: StripeServer) -> None:
    library = Library(server, timeout_seconds=0.1)
    server.fail("hang")
    with pytest.raises(stripe.APIConnectionError):
        await library.create(key="k")
    assert (await library.create(key="k")).status == "requires_payment_method"
    await library.close()


async def test_one_that_hangs_is_cut_when_released(server: StripeServer, library: Library) -> None:
    server.fail("hang")
    hanging = asyncio.create_task(library.create())
    await server.faults.struck.wait()
    server.release_hanging()
    with pytest.raises(stripe.APIConnectionError):
        await hanging


async def test_down_and_up_again(server: StripeServer, library: Library) -> None:
    server.go_down()
    for _ in range(2):
        with pytest.raises(stripe.APIConnectionError):
            await library.create(key="k")
    server.come_back()
    assert (await library.create(key="k")).status == "requires_payment_method"


async def test_refused_for_a_while(server: StripeServer, library: Library) -> None:
    """https://docs.stripe.com/rate-limits: 429; with lock_timeout when an object is in use."""
    server.fail("lock_timeout", retry_after_seconds=0.5)
    with pytest.raises(stripe.RateLimitError) as limited:
        await library.create()
    assert limited.value.error is not None
    assert limited.value.error.code == "lock_timeout"
    server.fail("unavailable")
    with pytest.raises(stripe.APIError) as raised:
        await library.create()
    assert raised.value.http_status == 503


async def test_a_key_without_permission(server: StripeServer, library: Library) -> None:
    server.fail("error", status=403)
    with pytest.raises(stripe.PermissionError):
        await library.create(key="k")
    assert (await library.create(key="k")).status == "requires_payment_method"


async def test_a_fault_hits_its_own_path_its_own_times(server: StripeServer, library: Library) -> None:
    server.fail("error", path="/v1/payment_intents/*/confirm", times=2)
    made = await library.create()
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await library.confirm(made.id, "pm_card_visa")
    assert (await library.confirm(made.id, "pm_card_visa")).status == "succeeded"


async def test_by_chance_but_the_same_with_the_same_seed() -> None:
    async def run(seed: int) -> list[int]:
        async with StripeServer(seed=seed) as server:
            library = Library(server)
            server.fail("error", chance=0.5, times=None)
            for _ in range(20):
                await asyncio.gather(library.create(), return_exceptions=True)
            await library.close()
            return [seen.status for seen in server.requests]

    first = await run(1)
    assert first == await run(1)
    assert first != await run(2)
    assert {200, 500} == set(first)


async def test_healed(server: StripeServer, library: Library) -> None:
    server.fail("error", times=None)
    server.go_down()
    server.heal()
    assert (await library.create()).status == "requires_payment_method"


async def test_a_fault_there_is_not(server: StripeServer) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        server.fail("earthquake")  # type: ignore[arg-type]


async def test_as_a_process_of_its_own() -> None:
    async with StripeProcess() as process:
        http = stripe.AIOHTTPClient(timeout=5)
        client = stripe.StripeClient(process.key, base_addresses={"api": process.url}, http_client=http)
        made = await client.v1.payment_intents.create_async({"amount": 900, "currency": "usd"})
        assert made.client_secret is not None
        declined = await process.confirm_in_browser(made.client_secret, "pm_card_chargeDeclined")
        assert declined["error"]["code"] == "card_declined"
        asked = await process.confirm_in_browser(made.client_secret, "pm_card_authenticationRequired")
        assert asked["status"] == "requires_action"
        assert (await process.authenticate(made.client_secret))["status"] == "succeeded"
        await process.order("fail", kind="error", after=True, path="/v1/refunds")
        with pytest.raises(stripe.APIError):
            await client.v1.refunds.create_async({"payment_intent": made.id, "amount": 300})
        ledger = await process.ledger()
        assert [(movement.kind, movement.amount) for movement in ledger] == [("charge", 900), ("refund", 300)]
        assert ledger.kept(made.id) == 600
        assert (await process.order("state"))["faults_hit"] == 1
        assert [row["id"] for row in await process.order("rows")] == [made.id]
        with pytest.raises(ValueError, match="settle"):
            await process.order("settle", intent=made.id)
        with pytest.raises(ValueError, match="no-such-order"):
            await process.order("no-such-order")
        await http.close_async()  # type: ignore[no-untyped-call]
