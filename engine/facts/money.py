"""Facts about payments and refunds, and about what their provider told. Tags 20 to 39.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class PaymentStarted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=20):
    """The provider is to be asked. The hold is pinned until `pinned_ms`."""

    payment_id: int
    booking_id: int
    amount_minor: int
    method: str | None
    pinned_ms: int
    key: bytes | None = None
    fingerprint: bytes | None = None


class PaymentPending(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=21):
    payment_id: int
    requires_action: bool
    client_secret: str
    provider_reference: str | None


class PaymentSucceeded(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=22):
    """The booking is confirmed (one that had lapsed has taken free stock again). `surplus`: there was nothing to
    confirm any more, so the money goes back by the RefundStarted that follows.
    """

    payment_id: int
    provider_reference: str | None
    surplus: bool = False
    seats: tuple[int, ...] = ()  # where its own were gone: those it gets instead


class PaymentFailed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=23):
    payment_id: int
    failure: str
    detail: str = ""


class PaymentAbandoned(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=24):
    """Nobody waits for it any more; should it succeed after all, the money goes back."""

    payment_id: int
    reason: str


class PaymentPrepared(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=25):
    """The provider's name for the attempt. Nothing was charged so far."""

    payment_id: int
    provider_reference: str
    client_secret: str


class PaymentDeclined(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=26):
    """One card was declined; the attempt goes on, with another card or step."""

    payment_id: int
    failure: str
    detail: str


class PaymentAnswered(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=27):
    """Whoever asked was told that it is under way; that stays the answer to their idempotency key."""

    payment_id: int


class RefundStarted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=30):
    """`full`: nothing stays paid, and the tickets are back on sale. `reason`: requested, event_cancelled, surplus.
    `surplus_payment_id`: gives back that payment, which confirmed nothing, rather than the booking's own.
    """

    refund_id: int
    booking_id: int
    amount_minor: int
    full: bool
    reason: str
    key: bytes | None = None
    fingerprint: bytes | None = None
    surplus_payment_id: int = 0
    surplus_reference: str | None = None


class RefundSucceeded(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=31):
    refund_id: int
    provider_reference: str | None


class RefundFailed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=32):
    """The provider refused; the money is still owed and a person must look."""

    refund_id: int
    failure: str


class RefundPending(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=33):
    """The provider has it, and says later what came of it."""

    refund_id: int
    provider_reference: str | None


class RefundAnswered(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=34):
    """As PaymentAnswered."""

    refund_id: int


class RefundRetried(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=35):
    """One that the provider refused is asked for again."""

    refund_id: int


class ProviderEventTaken(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=36):
    """News from the payment provider was taken in; what followed from it are the facts before this one."""

    event_id: str


class ConcernRaised(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=37):
    """Something about money that a person must decide; see commands.RaiseConcern."""

    kind: str
    reference: str
    detail: str
    booking_id: int
    payment_id: int
    refund_id: int
    amount_minor: int
    currency: str


class ConcernClosed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=38):
    concern_id: str
