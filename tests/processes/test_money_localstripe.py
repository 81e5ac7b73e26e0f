"""The whole way of money with localstripe, a Stripe-compatible server that others wrote: hold, pay, webhook, refund.

What it lacks (3-D Secure with test cards, delays, faults) is in test_money_flow.py.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from box_office import BoxOffice

pytest.importorskip("localstripe", reason="localstripe is not installed")
# tests/ is no package (see tests/test_tidy.py), so what its folders share is found by path
sys.path.insert(0, str(Path(__file__).parent.parent / "effects" / "stripe"))

from local_stripe import local_stripe

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk_test_local"
SECRET = "whsec_local"
PAYS = "4242424242424242"
DECLINED = "4000000000000341"
ASKS_FOR_A_STEP = "4000002500003155"


class LocalStripe:
    def __init__(self, server: SimpleNamespace, session: aiohttp.ClientSession) -> None:
        self.base = server.base
        self._session = session

    async def ask(self, method: str, path: str, status: int = 200, **form: Any) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self._session.request(method, self.base + path, json=form or None, headers=headers) as response:
            answer = await response.json(content_type=None) if await response.read() else None
            assert response.status == status, answer
            return answer

    async def card(self, number: str) -> str:
        """A payment method, as Stripe.js makes one of what a person types."""
        card = {"number": number, "exp_month": 12, "exp_year": 2050, "cvc": "123"}
        return str((await self.ask("POST", "/v1/payment_methods", type="card", card=card))["id"])

    async def confirm(self, client_secret: str, number: str) -> None:
        """As Stripe.js does in the browser; localstripe wants the card to be set before."""
        intent = client_secret.partition("_secret_")[0]
        path = f"/v1/payment_intents/{intent}"
        await self.ask("POST", path, payment_method=await self.card(number))
        await self.ask("POST", f"{path}/confirm")

    async def intent(self, booking: Any) -> Any:
        rows = (await self.ask("GET", "/v1/payment_intents"))["data"]
        mine = [each for each in rows if each["metadata"].get("onsale_booking") == str(booking["bookingId"])]
        return mine[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local() -> AsyncIterator[LocalStripe]:
    with pytest.MonkeyPatch.context() as patch:
        async with local_stripe(patch) as server, aiohttp.ClientSession() as session:
            yield LocalStripe(server, session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(local: LocalStripe, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    environment = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": local.base, "STRIPE_WEBHOOK_SECRET": SECRET}
    async with BoxOffice(tmp_path_factory.mktemp("local"), environment=environment) as office:
        url = f"{office.node.url}/webhooks/stripe"
        await local.ask("POST", "/_config/webhooks/onsale", url=url, secret=SECRET)
        yield office
        await office.verified()


async def test_a_card_pays_at_once(office: BoxOffice, local: LocalStripe) -> None:
    paid = await office.paid(await office.event(), "ann", 2, await local.card(PAYS))
    assert (paid["bookingStatus"], paid["amount"], len(paid["tickets"])) == ("confirmed", "25.00", 2)
    intent = await local.intent(paid)
    assert (intent["status"], intent["amount"], intent["currency"]) == ("succeeded", 2500, "eur")


async def test_a_person_pays_in_the_browser_and_the_webhook_says_so(office: BoxOffice, local: LocalStripe) -> None:
    booking = await office.book(await office.event(), "bob")
    await local.confirm(await office.client_secret(booking), PAYS)
    shown = await office.becomes(booking, "confirmed")
    assert len(shown["tickets"]) == 1
    await office.told("bob", "confirmed")


async def test_a_declined_card_and_another_one(office: BoxOffice, local: LocalStripe) -> None:
    booking = await office.book(await office.event(), "cem")
    status, refusal = await office.pay(booking, await local.card(DECLINED))
    assert (status, refusal["code"]) == (402, "payment_declined"), refusal
    assert (await office.shown(booking))["status"] == "held"
    status, paid = await office.pay(booking, await local.card(PAYS))
    assert (status, paid["bookingStatus"]) == (200, "confirmed")


async def test_a_card_that_is_not_known(office: BoxOffice) -> None:
    booking = await office.book(await office.event(), "dan")
    status, refusal = await office.pay(booking, "pm_nobody_knows")
    assert (status, refusal["code"]) == (402, "payment_declined"), refusal
    assert (await office.shown(booking))["status"] == "held"


async def test_a_step_in_the_browser(office: BoxOffice, local: LocalStripe) -> None:
    booking = await office.book(await office.event(), "eva")
    secret = await office.client_secret(booking, await local.card(ASKS_FOR_A_STEP))
    path = f"/v1/payment_intents/{secret.partition('_secret_')[0]}/_authenticate"
    await local.ask("POST", path, client_secret=secret, success=True)
    await office.becomes(booking, "confirmed")


async def test_a_refund(office: BoxOffice, local: LocalStripe) -> None:
    paid = await office.paid(await office.event(), "fay", 1, await local.card(PAYS))
    path = f"/booking/{paid['bookingId']}/refund"
    await office.ask("POST", path, {"amount": "2.50"})
    assert (await office.shown(paid))["status"] == "partially_refunded"
    refund = await office.ask("POST", path)
    assert (refund["status"], refund["amount"], refund["refundedAmount"]) == ("succeeded", "10.00", "12.50")
    assert (await office.shown(paid))["status"] == "refunded"
    intent = await local.intent(paid)
    refunds = (await local.ask("GET", f"/v1/refunds?payment_intent={intent['id']}"))["data"]
    assert sorted(each["amount"] for each in refunds) == [250, 1000]
