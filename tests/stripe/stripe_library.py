"""Stripe's own library, talking to the server under test; what the tests here ask it for again and again."""

from typing import Any

import stripe
from stripe_errors import Json
from stripe_server import StripeServer

FORM: Json = {
    "amount": 2500,
    "currency": "eur",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    "metadata": {"onsale_payment": "7"},
}


class Library:
    """The `stripe` library without retries of its own: what is asked here is one request."""

    def __init__(self, server: StripeServer, *, key: str | None = None, timeout_seconds: float = 5.0) -> None:
        self.http = stripe.AIOHTTPClient(timeout=timeout_seconds)
        bases: Any = {"api": server.url}
        self.v1 = stripe.StripeClient(
            key or server.key, base_addresses=bases, http_client=self.http, max_network_retries=0
        ).v1

    async def close(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call]

    async def create(self, key: str | None = None, **form: Any) -> stripe.PaymentIntent:
        params: Any = FORM | form
        return await self.v1.payment_intents.create_async(params, _options(key))

    async def confirm(self, intent: str, method: str, key: str | None = None, **form: Any) -> stripe.PaymentIntent:
        params: Any = {"payment_method": method, **form}
        return await self.v1.payment_intents.confirm_async(intent, params, _options(key))

    async def look(self, intent: str) -> stripe.PaymentIntent:
        return await self.v1.payment_intents.retrieve_async(intent)

    async def cancel(self, intent: str, key: str | None = None) -> stripe.PaymentIntent:
        return await self.v1.payment_intents.cancel_async(intent, None, _options(key))

    async def refund(self, intent: str, amount: int | None = None, key: str | None = None) -> stripe.Refund:
        params: Any = {"payment_intent": intent, "metadata": {"onsale_refund": "3"}}
        if amount is not None:
            params["amount"] = amount
        return await self.v1.refunds.create_async(params, _options(key))

    async def paid(self, amount: int = 2500, method: str = "pm_card_visa") -> stripe.PaymentIntent:
        return await self.confirm((await self.create(amount=amount)).id, method)


def _options(key: str | None) -> Any:
    return {} if key is None else {"idempotency_key": key}


def headers_of(found: stripe.PaymentIntent | stripe.Refund) -> Any:
    assert found.last_response is not None
    return found.last_response.headers


def secret_of(intent: stripe.PaymentIntent) -> str:
    assert intent.client_secret is not None
    return intent.client_secret
