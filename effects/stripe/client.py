"""The requests to Stripe, one method each, through the stripe library.

Owns the library's client and the session beneath it. Every method answers with an object whose shape was checked, or
raises `Declined`, `Refused`, `KeySpent` or ProviderUnavailable. The idempotency keys are the callers': who asks again
under one asks with the same parameters.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar, cast

import msgspec
import stripe

from .connection import Connection
from .faults import nonsense, translate
from .objects import Intent, IntentPage, Refund, RefundsPage

PAGE_ROWS = 100

T = TypeVar("T")


class Client:
    """`base`: where Stripe is, "" for the real one."""

    def __init__(self, key: str, base: str) -> None:
        stripe.enable_telemetry = False
        stripe.set_app_info("Onsale")
        self._connection = Connection()
        self._v1 = stripe.StripeClient(
            key.strip(),
            base_addresses={"api": base.strip().rstrip("/")} if base else None,
            http_client=self._connection,
            max_network_retries=0,  # when to ask again is for the lanes to say
        ).v1

    async def close(self) -> None:
        await self._connection.close_async()

    async def create_intent(self, params: Mapping[str, Any], key: str) -> Intent:
        return await self._ask(
            self._v1.payment_intents.create_async(cast("Any", params), {"idempotency_key": key}), Intent
        )

    async def retrieve_intent(self, intent_id: str) -> Intent:
        return _same(await self._ask(self._v1.payment_intents.retrieve_async(intent_id), Intent), intent_id)

    async def confirm_intent(self, intent_id: str, key: str) -> Intent:
        asked = self._v1.payment_intents.confirm_async(intent_id, {}, {"idempotency_key": key})
        return _same(await self._ask(asked, Intent), intent_id)

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Under a new key each time: it can be done only once anyway."""
        return _same(await self._ask(self._v1.payment_intents.cancel_async(intent_id), Intent), intent_id)

    async def list_intents(self, after: str | None) -> IntentPage:
        params: dict[str, Any] = {"limit": PAGE_ROWS, "expand": ["data.latest_charge"]}
        if after:
            params["starting_after"] = after
        return await self._ask(self._v1.payment_intents.list_async(cast("Any", params)), IntentPage)

    async def create_refund(self, params: Mapping[str, Any], key: str) -> Refund:
        return await self._ask(self._v1.refunds.create_async(cast("Any", params), {"idempotency_key": key}), Refund)

    async def retrieve_refund(self, refund_id: str) -> Refund:
        return _same(await self._ask(self._v1.refunds.retrieve_async(refund_id), Refund), refund_id)

    async def list_refunds(self, after: str | None, *, intent_id: str | None = None) -> RefundsPage:
        params: dict[str, Any] = {"limit": PAGE_ROWS}
        if intent_id:
            params["payment_intent"] = intent_id
        if after:
            params["starting_after"] = after
        return await self._ask(self._v1.refunds.list_async(cast("Any", params)), RefundsPage)

    async def _ask(self, request: Awaitable[stripe.StripeObject], shape: type[T]) -> T:
        try:
            answer = await request
            response = answer.last_response
            assert response is not None
            body: str = response.body
        except Exception as error:  # the library raises whatever its own code runs into when an answer is nonsense
            raise translate(error) from error
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise nonsense(f"not a {shape.__name__}: {error}") from error


_Named = TypeVar("_Named", Intent, Refund)


def _same(answer: _Named, asked_for: str) -> _Named:
    if answer.id != asked_for:
        raise nonsense(f"{asked_for} was asked for, {answer.id} came")
    return answer
