"""Wishes about payments and refunds, and what the provider said.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec

from ..records import Booking


class StartPayment(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    amount: str  # decimal string; must be the booking's amount
    booking_id: int | None = None
    method: str | None = None


class PaymentPreparedOutcome(msgspec.Struct, gc=False, frozen=True, tag="prepared"):
    """The provider has a name for the attempt; nothing can be charged before that is durable here."""

    provider_reference: str
    client_secret: str


class PaymentSucceededOutcome(msgspec.Struct, gc=False, frozen=True, tag="succeeded"):
    provider_reference: str | None = None


class PaymentPendingOutcome(msgspec.Struct, gc=False, frozen=True, tag="pending"):
    requires_action: bool
    client_secret: str
    provider_reference: str | None = None


class PaymentDeclinedOutcome(msgspec.Struct, gc=False, frozen=True, tag="declined"):
    """One card was declined; the person may try another with the same client secret."""

    failure: str
    detail: str = ""


class PaymentFailedOutcome(msgspec.Struct, gc=False, frozen=True, tag="failed"):
    """Final: this attempt can't succeed any more."""

    failure: str  # the provider's code, such as card_declined
    detail: str = ""


PaymentOutcome = (
    PaymentPreparedOutcome
    | PaymentSucceededOutcome
    | PaymentPendingOutcome
    | PaymentDeclinedOutcome
    | PaymentFailedOutcome
)


class SettlePayment(msgspec.Struct, gc=False, frozen=True):
    """What the provider said of an attempt. May come late, twice, or for an attempt long forgotten."""

    payment_id: int
    outcome: PaymentOutcome
    hold_ms: int


class StopWaiting(msgspec.Struct, gc=False, frozen=True):
    """Nobody waits for the provider's first word any more: whoever asked was told that it is under way, and the same
    idempotency key gives that answer again. One of the two is set.
    """

    payment_id: int = 0
    refund_id: int = 0


class StartRefund(msgspec.Struct, gc=False, frozen=True):
    """With a `user_id`, by that user for themselves, who may until the event begins."""

    booking_id: int
    hold_ms: int
    amount: str | None = None  # None: all that is left
    user_id: str | None = None  # None: on behalf of whoever has it
    past: Booking | None = None  # its row, where it has left memory
    past_read_ms: int = 0  # by the node's clock, before it was read


class SettleRefund(msgspec.Struct, gc=False, frozen=True):
    refund_id: int
    provider_reference: str | None = None
    failure: str | None = None  # set: the provider refused it
    pending: bool = False  # the provider has it, and says later what came of it


class RetryRefund(msgspec.Struct, gc=False, frozen=True):
    """Ask again for one that the provider refused."""

    refund_id: int


class RaiseConcern(msgspec.Struct, gc=False, frozen=True):
    """Something about money that a person must decide. `kind`: dispute, refund_failed, unknown_payment,
    missing_payment, amount_differs, paid_twice, unknown_refund, missing_refund, unexpected_status.
    Raised again under the same kind and reference it changes nothing.
    """

    kind: str
    reference: str  # the provider's name of what it is about
    detail: str
    booking_id: int = 0
    payment_id: int = 0
    refund_id: int = 0
    amount_minor: int = 0
    currency: str = ""
    payment_reference: str = ""  # the provider's name of the payment, where ours is not known yet; not kept


class CloseConcern(msgspec.Struct, gc=False, frozen=True):
    concern_id: str


class TakeProviderEvent(msgspec.Struct, gc=False, frozen=True):
    """News from the payment provider, checked to be its own; `means` what follows from it, if anything."""

    event_id: str
    means: "SettlePayment | SettleRefund | RaiseConcern | None" = None
