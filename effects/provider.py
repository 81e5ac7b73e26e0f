"""The port to whoever takes the money.

Owns what is asked of a payment provider, and nothing about how. Every call names the attempt it is for, and asking
again about the same attempt must never charge or refund twice: a node that crashed asks again.

An attempt goes through `begin` first. A provider that can charge at once without the risk of doing it twice says there
what came of it; another one says `PaymentPreparedOutcome`: it has a name for the attempt, and nothing was charged. That
name is durable in our journal before `confirm` is called, so whatever crashes when, it is known which attempt at the
provider may have taken money.
"""

from typing import Protocol

import msgspec

from ..engine.commands import PaymentFailedOutcome, PaymentOutcome


class ProviderUnavailable(Exception):
    """The provider did not answer, or not in a way that settles anything; ask again later.

    `retry_after_seconds`: what it asked for, if it did. `down`: it is not this attempt alone, others need not be tried
    at once either.
    """

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None, down: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.down = down


class Charge(msgspec.Struct, frozen=True):
    """`reference` names the attempt, for the provider's own idempotency. `journal_id` says whose attempt it is.

    `provider_reference`: the provider's name for it, once it is known. `method` None: the person confirms it on their
    side, with the client secret.
    """

    reference: str
    journal_id: str
    payment_id: int
    booking_id: int
    amount_minor: int
    currency: str
    method: str | None
    provider_reference: str | None = None
    description: str = ""  # for the person's bank statement and the provider's dashboard
    receipt_email: str | None = None


class RefundOrder(msgspec.Struct, frozen=True):
    """`reference` names this try. `payment_reference`: the provider's name of the payment it gives back.

    `provider_reference`: the provider's name of the refund, once it is known. Unless it `is_young`, it may have been
    made before, under a key that is forgotten by now.
    """

    reference: str
    journal_id: str
    refund_id: int
    booking_id: int
    payment_id: int
    payment_reference: str | None
    amount_minor: int
    currency: str
    provider_reference: str | None = None
    is_young: bool = False  # the first try, and no older than a provider keeps an idempotency key


class RefundResult(msgspec.Struct, frozen=True, tag="refund"):
    """`failure` set: the provider refused for good. `pending`: it has it, and says later what came of it."""

    provider_reference: str | None = None
    failure: str | None = None
    pending: bool = False


class ListedPayment(msgspec.Struct, frozen=True):
    """A payment as the provider lists it. `payment_id` 0, `journal_id` "": it does not say that it is ours."""

    reference: str
    status: str  # succeeded, canceled, open (may still succeed)
    amount_minor: int
    currency: str
    created_ms: int
    refunded_minor: int = 0
    payment_id: int = 0
    booking_id: int = 0
    journal_id: str = ""


class ListedRefund(msgspec.Struct, frozen=True):
    """A refund as the provider lists it. `refund_id` 0, `journal_id` "": it does not say that it is ours."""

    reference: str
    payment_reference: str
    status: str  # succeeded, failed, pending
    amount_minor: int
    currency: str
    created_ms: int
    refund_id: int = 0
    journal_id: str = ""
    failure: str | None = None


class PaymentPage(msgspec.Struct, frozen=True, tag="payments"):
    """Newest first. `cursor` None: there are no more."""

    payments: tuple[ListedPayment, ...]
    cursor: str | None


class RefundPage(msgspec.Struct, frozen=True, tag="refunds"):
    refunds: tuple[ListedRefund, ...]
    cursor: str | None


class PaymentProvider(Protocol):
    """Everything here raises ProviderUnavailable."""

    name: str  # "test", "stripe"

    async def begin(self, charge: Charge) -> PaymentOutcome:
        """Charge at once, or prepare to. Where the person confirms on their side: pending, with the client secret."""

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        """Charge what was prepared, with `charge.method`. A failure is final: the attempt is withdrawn before it is
        told.
        """

    async def look(self, charge: Charge) -> PaymentOutcome:
        """What has become of one that is under way."""

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        """Withdraw an attempt nobody waits for; what came of it: failed for good, or succeeded before."""

    async def refund(self, order: RefundOrder) -> RefundResult: ...

    async def look_at_refund(self, order: RefundOrder) -> RefundResult:
        """What has become of one that is pending; `order.provider_reference` is set."""

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:
        """What was begun since then; a page at a time."""

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage: ...


CANCELED = PaymentFailedOutcome("canceled", "The attempt was withdrawn.")
