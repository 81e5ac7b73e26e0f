"""What the engine answers to a command: the substance, not the JSON.

Owns the replies' shapes and encoding. A reply is stored with its idempotency key, so the same rules hold as for
facts: numbers stay, fields are only added at the end with a default. Whoever renders a reply must need nothing
beyond it, so that the same answer can be given again, byte for byte.
"""

from typing import Any

import msgspec

from .codes import Code


class Booked(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=1):
    """Tickets are held for the user."""

    seq: int
    booking_id: int
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    amount_minor: int
    currency: str
    at_ms: int
    expires_ms: int
    seats: tuple[str, ...] = ()


class InLine(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=2):
    """Nothing is free now; the user waits at this position."""

    seq: int
    booking_id: int
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    amount_minor: int
    currency: str
    at_ms: int
    position: int


class Paid(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=3):
    seq: int
    payment_id: int
    booking_id: int
    event_id: int
    ticket_type: str
    quantity: int
    amount_minor: int
    currency: str
    seats: tuple[str, ...] = ()


class PaymentUnderway(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=4):
    """Not settled yet. `started` alone: the provider has not answered; the rest is what it said."""

    seq: int
    payment_id: int
    booking_id: int
    amount_minor: int
    currency: str
    requires_action: bool = False
    client_secret: str | None = None
    expires_ms: int = 0


class RefundReply(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=5):
    seq: int
    refund_id: int
    booking_id: int
    amount_minor: int
    currency: str
    status: int  # status.REFUND_…
    booking_status: int
    refunded_minor: int  # in all, once this one has succeeded
    failure: str | None = None


class BookingReply(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=6):
    """The booking as it is after the command."""

    seq: int
    booking_id: int
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    amount_minor: int
    currency: str
    status: int
    seats: tuple[str, ...] = ()


class TypeView(msgspec.Struct, array_like=True, gc=False, frozen=True):
    id: int
    name: str
    price_minor: int
    capacity: int
    held: int
    sold: int
    waiting: int


class RoomView(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A waiting room's rules."""

    admit_per_minute: int
    max_inside: int | None
    opens_ms: int | None
    shuffle: bool
    by_stock: bool
    turn_ms: int
    state: int  # status.ROOM_…


class EventReply(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=7):
    """The event as it is after the command. `created`: by this command."""

    seq: int
    created: bool
    event_id: int
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
    cancelled: bool
    closed: bool
    types: tuple[TypeView, ...]
    at_ms: int  # for what depends on the time, such as whether it is on sale
    webhook_url: str | None = None
    challenge: int = 0
    offer_ms: int | None = None
    room: RoomView | None = None
    seats: int = 0  # in its seat map; 0: it has none


class UserReply(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=8):
    seq: int
    user_id: str
    name: str | None
    email: str | None
    webhook_url: str | None


class Admitted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=11):
    """Whoever showed this ticket may come in."""

    seq: int
    event_id: int
    booking_id: int
    number: int
    ticket_type: str
    user_id: str
    at_ms: int
    place: str


class Queued(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=12):
    """The user's place in a waiting room. `joined`: by this command; else they had it before."""

    seq: int
    event_id: int
    user_id: str
    arrival: int
    number: int  # 0: it is drawn at the opening
    now_serving: int
    position: int  # among those who wait; 0: not known yet, or they do not wait
    wait_seconds: int | None  # an estimate
    servable: bool
    status: int  # status.PLACE_…
    expires_ms: int  # when the turn ends; 0: it has not begun
    joined: bool = True


class Done(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=9):
    """To the engine's own chores and to news that changes nothing."""

    seq: int


class Refusal(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=10):
    """Why not. `extra` holds fields that help the caller act, by their public names."""

    seq: int
    code: Code
    detail: str
    extra: dict[str, Any] | None = None


Reply = (
    Booked
    | InLine
    | Paid
    | PaymentUnderway
    | RefundReply
    | BookingReply
    | EventReply
    | UserReply
    | Admitted
    | Queued
    | Done
    | Refusal
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(reply: Reply) -> bytes:
    return _encoder.encode(reply)


def decode(data: bytes) -> Reply:
    """Raises msgspec.DecodeError or msgspec.ValidationError for what was not written by `encode`."""
    return _decoder.decode(data)
