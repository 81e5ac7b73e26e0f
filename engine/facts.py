"""Everything that can have happened, with stable numbers: what the journal holds.

Owns the facts' shapes and their encoding (MessagePack arrays, the tag first). Written once, read forever: a number is
never used twice, a field is never removed or reordered; new fields go at the end, with a default.
The time of a fact is its batch's `at_ms`; its position (`seq`) is its place in the journal.
"""

import msgspec


class EventDetails(msgspec.Struct, array_like=True, gc=False, frozen=True):
    name: str
    starts_ms: int
    ends_ms: int | None
    venue: str
    city: str
    country: str
    category: str
    description: str
    currency: str
    on_sale_ms: int | None
    max_per_user: int
    max_holds_per_user: int | None
    waitlist: int


class TypeDetails(msgspec.Struct, array_like=True, gc=False, frozen=True):
    ticket_type_id: int
    name: str
    price_minor: int
    capacity: int


class EventCreated(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=1):
    event_id: int
    details: EventDetails
    types: tuple[TypeDetails, ...]


class EventChanged(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=2):
    """`details` is the event as it is from now on; `types` those that are new or changed."""

    event_id: int
    details: EventDetails
    types: tuple[TypeDetails, ...]


class EventCancelled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=3):
    """Its bookings are ended one by one in the steps that follow."""

    event_id: int


class SaleClosed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=4):
    event_id: int


class Held(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=10):
    booking_id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    expires_ms: int


class Waited(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=11):
    """Joined the line, at its end."""

    booking_id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int


class Promoted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=12):
    """From the line into a hold."""

    booking_id: int
    expires_ms: int


class LapseWarned(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=13):
    booking_id: int


class Lapsed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=14):
    """A hold ran out, or the sale was over before someone's turn came."""

    booking_id: int


class BookingCancelled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=15):
    """`reason`: given_up, event_cancelled, or capacity (a group larger than the whole capacity has become)."""

    booking_id: int
    reason: str


class Retired(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=16):
    """Ended long enough ago to leave memory for the checkpoint."""

    booking_ids: tuple[int, ...]


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


class PaymentFailed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=23):
    payment_id: int
    failure: str
    detail: str = ""


class PaymentAbandoned(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=24):
    """Nobody waits for it any more; should it succeed after all, the money goes back."""

    payment_id: int
    reason: str


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


class UserSaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=40):
    user_id: str
    name: str | None
    email: str | None
    webhook_url: str | None


class Keyed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=50):
    """An idempotency key and what was answered to it; written again when an outcome arrives later."""

    digest: bytes
    fingerprint: bytes
    reply: bytes


class EpochBegun(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=60):
    """`leader`, a member's name, decides from here on. The first fact of the epoch's first batch."""

    epoch: int
    leader: str


class MemberSaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=61):
    name: str
    node_id: bytes
    voting: bool
    replication: str
    http: str


class MemberRemoved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=62):
    name: str


class SyncStandbysSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=63):
    count: int


class TicketKeySaved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=64):
    """A secret: whatever shows facts must leave it out."""

    key: bytes

    def __repr__(self) -> str:
        return "TicketKeySaved(…)"


Fact = (
    EventCreated
    | EventChanged
    | EventCancelled
    | SaleClosed
    | Held
    | Waited
    | Promoted
    | LapseWarned
    | Lapsed
    | BookingCancelled
    | Retired
    | PaymentStarted
    | PaymentPending
    | PaymentSucceeded
    | PaymentFailed
    | PaymentAbandoned
    | RefundStarted
    | RefundSucceeded
    | RefundFailed
    | UserSaved
    | Keyed
    | EpochBegun
    | MemberSaved
    | MemberRemoved
    | SyncStandbysSet
    | TicketKeySaved
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Fact])


def encode(facts: list[Fact]) -> bytes:
    """The payload of a batch."""
    return _encoder.encode(facts)


def encode_one(fact: Fact) -> bytes:
    """One fact's part of a payload; `join` makes a payload of them."""
    return _encoder.encode(fact)


def join(parts: list[bytes]) -> bytes:
    """The same bytes as `encode` gives for all the facts at once: MessagePack's array header, then the elements."""
    count = len(parts)
    if count < 16:
        header = bytes((0x90 | count,))
    elif count < 2**16:
        header = b"\xdc" + count.to_bytes(2, "big")
    else:
        header = b"\xdd" + count.to_bytes(4, "big")
    return header + b"".join(parts)


def decode(payload: bytes) -> list[Fact]:
    """Raises msgspec.DecodeError or msgspec.ValidationError for what was not written by `encode`."""
    return _decoder.decode(payload)
