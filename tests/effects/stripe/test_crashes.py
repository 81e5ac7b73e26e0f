"""Payments and refunds driven as the node does it, with faults and crashes by chance: the money comes out even.

A crash loses what was told but not what is durable: the name of an attempt, and that it was given up.
"""

import asyncio
import random
from typing import Any

import pytest
from stripe_errors import Refusal
from stripe_server import StripeServer

from onsale.effects.provider import ProviderUnavailable
from onsale.effects.stripe.provider import StripeProvider
from onsale.engine.commands import (
    PaymentFailedOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
)
from onsale.tests.effects.stripe.orders import charge, refund_order

FAULTS = ("error", "cut", "html", "unavailable", "rate_limit", "lock_timeout")
METHODS = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_threeDSecureRequiredChargeDeclined",
    "pm_unknown",
    None,
)


class Clock:
    now_seconds = 0.0

    def __call__(self) -> float:
        return self.now_seconds


class Attempt:
    """What the journal would hold of one."""

    def __init__(self, chance: random.Random, payment_id: int) -> None:
        self.chance = chance
        self.payment_id = payment_id
        self.method = chance.choice(METHODS)
        self.name: str | None = None
        self.secret = ""
        self.under_way = False
        self.abandoned = False
        self.outcome: object = None

    async def step(self, provider: StripeProvider) -> None:
        mine = charge(self.payment_id, method=self.method, known=self.name)
        if self.abandoned:
            outcome = await provider.cancel(mine)
        elif self.name is None:
            outcome = await provider.begin(mine)
        elif self.under_way:
            outcome = await provider.look(mine)
        else:
            outcome = await provider.confirm(mine)
        if self.chance.random() < 0.2:
            return  # the node died before this was durable
        if isinstance(outcome, PaymentPreparedOutcome) and not self.abandoned:
            self.name, self.secret = outcome.provider_reference, outcome.client_secret
        elif isinstance(outcome, PaymentPendingOutcome) and not self.abandoned:
            self.name, self.secret, self.under_way = outcome.provider_reference, outcome.client_secret, True
        elif isinstance(outcome, PaymentSucceededOutcome | PaymentFailedOutcome):
            self.outcome = outcome

    def person(self, server: StripeServer) -> None:
        """Does something on their side, now and then."""
        if not self.secret or self.chance.random() < 0.5:
            return
        try:
            if self.method is None:
                server.confirm_in_browser(self.secret, self.chance.choice(["pm_card_visa", "pm_card_chargeDeclined"]))
            else:
                server.authenticate(self.secret, succeed=self.chance.random() < 0.7)
        except Refusal:
            pass


def disturb(chance: random.Random, server: StripeServer) -> None:
    if chance.random() < 0.4:
        kind: Any = chance.choice(FAULTS)
        server.fail(kind, after=chance.random() < 0.5, times=chance.randint(1, 3))
    if chance.random() < 0.1:
        server.forget_idempotency_keys()


@pytest.mark.parametrize("seed", range(25))
async def test_payments(seed: int) -> None:
    chance = random.Random(seed)
    async with StripeServer(seed=seed) as server:
        provider = StripeProvider(server.key, server.url)
        attempts = [Attempt(chance, number) for number in range(1, 6)]
        for turn in range(200):
            if turn > 100:
                server.heal()
            left = [attempt for attempt in attempts if attempt.outcome is None]
            if not left:
                break
            if turn <= 100:
                disturb(chance, server)
            for attempt in left:
                attempt.person(server)
                attempt.abandoned |= chance.random() < 0.05
            for raised in await asyncio.gather(*(each.step(provider) for each in left), return_exceptions=True):
                if raised is not None and not isinstance(raised, ProviderUnavailable):
                    raise raised
        else:
            raise AssertionError("not all came to an end")
        await provider.close()
        for attempt in attempts:
            charged = [
                movement for movement in server.ledger if movement.metadata["onsale_payment"] == str(attempt.payment_id)
            ]
            if isinstance(attempt.outcome, PaymentSucceededOutcome):
                assert [each.intent for each in charged] == [attempt.outcome.provider_reference]
                assert charged[0].amount == 4990
            else:
                assert not charged
        for attempt in attempts:  # told as failed, it can't succeed any more
            row = next((row for row in server.rows() if row["id"] == attempt.name), None)
            if row is not None and isinstance(attempt.outcome, PaymentFailedOutcome):
                assert row["status"] == "canceled"


@pytest.mark.parametrize("seed", range(20))
async def test_refunds(seed: int) -> None:
    chance = random.Random(seed)
    clock = Clock()
    async with StripeServer(seed=seed) as server:
        provider = StripeProvider(server.key, server.url, seconds=clock)
        begun = await provider.begin(charge())
        assert isinstance(begun, PaymentPreparedOutcome)
        reference = begun.provider_reference
        await provider.confirm(charge(known=reference))
        orders = {number: chance.choice([500, 990, 1000]) for number in range(1, 6)}
        told: dict[int, object] = {}
        for turn in range(300):
            if turn > 60:
                server.heal()
            else:
                disturb(chance, server)
            number = chance.choice([number for number in orders if number not in told])
            try:
                result = await provider.refund(refund_order(reference, number, amount_minor=orders[number]))
            except ProviderUnavailable:
                clock.now_seconds += chance.choice([1.0, 100.0])
            else:
                if chance.random() < 0.7:  # else the node died before this was durable
                    assert result.failure is None
                    told[number] = result.provider_reference
            if chance.random() < 0.05:  # the process is another one
                await provider.close()
                provider = StripeProvider(server.key, server.url, seconds=clock)
            if len(told) == len(orders):
                break
        else:
            raise AssertionError("not all came to an end")
        await provider.close()
        made = {int(row["metadata"]["onsale_refund"]): row["id"] for row in server.rows("refund")}
        assert made == told
        assert len(server.rows("refund")) == len(orders)
        assert server.ledger.kept() == 4990 - sum(orders.values())
