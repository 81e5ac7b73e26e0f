"""The port to whoever takes the money.

Owns what is asked of a payment provider, and nothing about how. Every call names the attempt it is for, and asking
again about the same attempt must never charge or refund twice: a node that crashed asks again.
"""

from typing import Protocol

import msgspec

from ..engine.commands import PaymentFailedOutcome, PaymentOutcome


class ProviderUnavailable(Exception):
    """The provider did not answer, or not in a way that settles anything; ask again later."""


class Charge(msgspec.Struct, frozen=True):
    """`reference` names the attempt, for the provider's own idempotency."""

    reference: str
    payment_id: int
    booking_id: int
    amount_minor: int
    currency: str
    method: str | None


class RefundOrder(msgspec.Struct, frozen=True):
    reference: str
    refund_id: int
    payment_id: int
    payment_reference: str | None
    amount_minor: int
    currency: str


class RefundResult(msgspec.Struct, frozen=True):
    """`failure` set: the provider refused for good."""

    provider_reference: str | None = None
    failure: str | None = None


class PaymentProvider(Protocol):
    name: str

    async def charge(self, charge: Charge) -> PaymentOutcome:
        """Raises ProviderUnavailable."""

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        """Withdraw an attempt nobody waits for; what came of it. Raises ProviderUnavailable."""

    async def refund(self, order: RefundOrder) -> RefundResult:
        """Raises ProviderUnavailable."""


CANCELED = PaymentFailedOutcome("canceled", "The attempt was withdrawn.")
