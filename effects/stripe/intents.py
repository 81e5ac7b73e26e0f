"""Attempts to pay, as Stripe's PaymentIntents.

Owns which requests an attempt takes, and what comes of each answer. What keeps money safe: an intent is made first and
confirmed only when its name is durable in our journal, and Stripe charges one intent at most once. So making one again
(the key is forgotten after a day, or spent on an error of Stripe's) costs nothing, and confirming again, under whatever
key, charges nothing twice. A decline is told only when the intent can't succeed any more.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from ...engine.commands import (
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
)
from ..provider import CANCELED, Charge, ProviderUnavailable
from .amounts import to_stripe
from .client import Client
from .declines import NOT_BEGUN, Decline, explain, of_a_refusal
from .faults import Declined, KeySpent, Refused, log, nonsense
from .objects import BOOKING, JOURNAL, PAYMENT, Intent, journal_of, named

KEYS_MAX = 8  # each is spent on one of Stripe's own errors; they are forgotten after a day

_METHOD = re.compile(r"(pm|card|src)_[A-Za-z0-9_]{1,200}", re.ASCII)
_AUTOMATIC = "automatic_payment_methods"
_DISPENSABLE = ("description", "receipt_email", _AUTOMATIC)
_NO_SUCH_METHOD = explain("no_such_payment_method")
_AMOUNT = Decline("invalid_amount", "This amount can't be paid in this currency; ask the organiser how to pay.")


class Intents:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, charge: Charge) -> PaymentOutcome:
        try:
            intent = await self._create(charge)
        except Refused as refusal:
            return _failed(_why(refusal, charge))
        except Declined as decline:
            return _failed(explain(decline.code, decline.decline_code))
        if not intent.client_secret:
            raise nonsense(f"{intent.id} has no client secret")
        if charge.method is None:
            return PaymentPendingOutcome(
                requires_action=True, client_secret=intent.client_secret, provider_reference=intent.id
            )
        return PaymentPreparedOutcome(intent.id, intent.client_secret)

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        """Charge it. Whatever is not a plain answer is settled by what the intent itself says then."""
        intent_id = _known(charge)
        for number in range(1, KEYS_MAX + 1):
            try:
                intent = await self._client.confirm_intent(intent_id, _key(f"{charge.reference}-confirm", number))
            except Declined as declined:
                return await self._withdraw(charge, _failed(explain(declined.code, declined.decline_code)))
            except Refused as refusal:
                return await self._confirm_refused(charge, refusal)
            except KeySpent:
                intent = await self._retrieve(charge)
                if intent.status == "requires_confirmation":
                    continue
            return await self._told(charge, _checked(intent, charge))
        raise ProviderUnavailable("Stripe keeps failing to confirm this payment.", down=False)

    async def look(self, charge: Charge) -> PaymentOutcome:
        return await self._told(charge, await self._retrieve(charge))

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        """One whose name is not known here can't have been charged: it is only tidied away."""
        if charge.provider_reference is None:
            try:
                intent_id = (await self._create(charge)).id
            except (Refused, Declined):
                return CANCELED
        else:
            intent_id = charge.provider_reference
        return await self._withdraw(charge, CANCELED, intent_id)

    async def _create(self, charge: Charge) -> Intent:
        """Not confirmed, so nothing is charged. The same parameters whenever a key is the same; what Stripe does not
        take and can be done without (a receipt's address, say) is left out then.
        """
        amount = to_stripe(charge.amount_minor, charge.currency)
        if amount is None:
            raise Refused("invalid_amount", "amount", "the currency has no such amount at Stripe", 400)
        if charge.method is not None and _METHOD.fullmatch(charge.method) is None:
            raise Refused("resource_missing", "payment_method", "not the name of a payment method", 404)
        params: dict[str, Any] = {
            "amount": amount,
            "currency": charge.currency.lower(),
            "metadata": {
                JOURNAL: charge.journal_id,
                PAYMENT: str(charge.payment_id),
                BOOKING: str(charge.booking_id),
            },
        }
        if charge.method is not None:  # whoever wants to be sent to their bank's pages uses the client secret
            params |= {"payment_method": charge.method, _AUTOMATIC: {"enabled": True, "allow_redirects": "never"}}
        if charge.description:
            params["description"] = charge.description
        if charge.receipt_email:
            params["receipt_email"] = charge.receipt_email
        reference = charge.reference
        while True:
            try:
                return await self._create_under(charge, params, reference)
            except Refused as refusal:
                said = f"{refusal.param} {refusal.message}"
                refused = [name for name in _DISPENSABLE if name in params and name in said]
                if not refused:
                    raise
            params = {name: value for name, value in params.items() if name not in refused}
            if _AUTOMATIC in refused:
                params["payment_method_types"] = ["card"]
            reference += "-plain"

    async def _create_under(self, charge: Charge, params: dict[str, Any], reference: str) -> Intent:
        for number in range(1, KEYS_MAX + 1):
            try:
                return _checked(await self._client.create_intent(params, _key(reference, number)), charge)
            except KeySpent:  # an intent that was made nevertheless is never confirmed
                continue
        raise ProviderUnavailable("Stripe keeps failing to begin this payment.", down=False)

    async def _retrieve(self, charge: Charge) -> Intent:
        return _checked(await self._existing(self._client.retrieve_intent, _known(charge)), charge)

    async def _existing(self, ask: Callable[[str], Awaitable[Intent]], intent_id: str) -> Intent:
        """One that we made: when Stripe does not know it, we ask the wrong account, and money may be in another."""
        try:
            return await ask(intent_id)
        except Refused as refusal:
            if refusal.status != 404 and refusal.code != "resource_missing":
                raise
            log.error("Stripe does not know %s: was STRIPE_API_KEY changed to another account or mode?", intent_id)
            reason = f"Stripe does not know {intent_id}; check that STRIPE_API_KEY is of the account that made it."
            raise ProviderUnavailable(reason, down=False) from refusal

    async def _confirm_refused(self, charge: Charge, refusal: Refused) -> PaymentOutcome:
        intent = await self._retrieve(charge)
        if intent.status in {"requires_confirmation", "requires_payment_method"}:  # so nothing was charged
            error = intent.last_payment_error
            decline = _why(refusal, charge) if error is None else explain(error.code, error.decline_code)
            return await self._withdraw(charge, _failed(decline))
        return await self._told(charge, intent)

    async def _told(self, charge: Charge, intent: Intent) -> PaymentOutcome:
        """What the intent says has become of it."""
        error = intent.last_payment_error
        if intent.status == "requires_payment_method" and error is not None:
            decline = explain(error.code, error.decline_code)
            if charge.method is None:
                return PaymentDeclinedOutcome(*decline)
            return await self._withdraw(charge, _failed(decline), intent.id)
        if intent.status == "canceled" and error is not None:
            return _failed(explain(error.code, error.decline_code))
        return _settled(intent)

    async def _withdraw(self, charge: Charge, withdrawn: PaymentOutcome, intent_id: str = "") -> PaymentOutcome:
        """`withdrawn` once it is certain that it can't succeed; else what it has come to, or is on its way to."""
        intent_id = intent_id or _known(charge)
        try:
            intent = await self._existing(self._client.cancel_intent, intent_id)
        except Refused:  # in a state in which it can't be: ended, or being processed
            intent = await self._existing(self._client.retrieve_intent, intent_id)
        except (Declined, KeySpent) as error:
            raise nonsense(f"to the withdrawal of {intent_id}: {error}") from error
        outcome = _settled(_checked(intent, charge))
        return withdrawn if isinstance(outcome, PaymentFailedOutcome) else outcome


def _settled(intent: Intent) -> PaymentOutcome:
    match intent.status:
        case "succeeded":
            if intent.amount_received is not None and intent.amount_received != intent.amount:
                raise nonsense(f"{intent.id} succeeded with {intent.amount_received} of {intent.amount}")
            return PaymentSucceededOutcome(intent.id)
        case "canceled":
            return CANCELED
        case "processing":
            return PaymentPendingOutcome(
                requires_action=False, client_secret=intent.client_secret or "", provider_reference=intent.id
            )
        case "requires_action" | "requires_confirmation" | "requires_payment_method":
            return PaymentPendingOutcome(
                requires_action=True, client_secret=intent.client_secret or "", provider_reference=intent.id
            )
    raise nonsense(f"{intent.id} is {intent.status!r}")


def _checked(intent: Intent, charge: Charge) -> Intent:
    """That it is the attempt we mean, with the amount we asked for."""
    wanted = (to_stripe(charge.amount_minor, charge.currency), charge.currency.lower())
    if (intent.amount, intent.currency.lower()) != wanted:
        raise nonsense(f"{intent.id} is of {intent.amount} {intent.currency}, and {wanted} was asked for")
    if (journal_of(intent.metadata), named(intent.metadata, PAYMENT)) != (charge.journal_id, charge.payment_id):
        raise nonsense(f"{intent.id} is not of payment {charge.payment_id}")
    return intent


def _why(refusal: Refused, charge: Charge) -> Decline:
    if refusal.param == "amount" and refusal.code == "invalid_amount":
        return _AMOUNT
    decline = of_a_refusal(refusal.code, refusal.param, refusal.status) if charge.method is not None else None
    if decline is None:
        if refusal.code in {"amount_too_small", "amount_too_large"}:
            return explain(refusal.code)
        log.error("Stripe refused payment %d (%s): %s", charge.payment_id, refusal.code, refusal.message)
        return NOT_BEGUN
    return decline


def _known(charge: Charge) -> str:
    assert charge.provider_reference is not None, "an attempt that Stripe has no name for yet"
    return charge.provider_reference


def _failed(decline: Decline) -> PaymentFailedOutcome:
    return PaymentFailedOutcome(decline.code, decline.sentence)


def _key(reference: str, number: int) -> str:
    return reference if number == 1 else f"{reference}-{number}"
