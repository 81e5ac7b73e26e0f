"""Everything that can have happened, with stable numbers: what the journal holds.

Owns the facts' shapes and their encoding (MessagePack arrays, the tag first). Written once, read forever: a number is
never used twice, a field is never removed or reordered; new fields go at the end, with a default.
The time of a fact is its batch's `at_ms`; its position (`seq`) is its place in the journal.
"""

from collections.abc import Callable

import msgspec

from .bookings import (
    Archived,
    BookingCancelled,
    CheckedIn,
    Held,
    Lapsed,
    LapseWarned,
    Promoted,
    Recalled,
    Retired,
    Waited,
)
from .cluster import (
    EpochBegun,
    MemberRemoved,
    MemberSaved,
    SyncStandbysSet,
    TicketKeySaved,
)
from .events import (
    ChangeTold,
    EventCancelled,
    EventChanged,
    EventCreated,
    EventDetails,
    EventWebhookDisabled,
    SaleClosed,
    TypeDetails,
)
from .money import (
    ConcernClosed,
    ConcernRaised,
    PaymentAbandoned,
    PaymentAnswered,
    PaymentDeclined,
    PaymentFailed,
    PaymentPending,
    PaymentPrepared,
    PaymentStarted,
    PaymentSucceeded,
    ProviderEventTaken,
    RefundAnswered,
    RefundFailed,
    RefundPending,
    RefundRetried,
    RefundStarted,
    RefundSucceeded,
)
from .onsale import (
    ChallengeUsed,
    LeftLine,
    PlacesForgotten,
    QueueAdmitted,
    QueueJoined,
    QueueLeft,
    RoomOpened,
    RoomRemoved,
    RoomSet,
    RoomStateSet,
    SeatMapSet,
    Suspected,
    TurnsLapsed,
)
from .people import (
    Delivered,
    DeliveryDropped,
    DeliveryFailed,
    DeliveryRetried,
    Keyed,
    MailSet,
    UserSaved,
    UserWebhookDisabled,
)
from .version import FACTS_VERSION, NewerFactsError

__all__ = [
    "FACTS_VERSION",
    "Archived",
    "BookingCancelled",
    "ChallengeUsed",
    "ChangeTold",
    "CheckedIn",
    "ConcernClosed",
    "ConcernRaised",
    "Delivered",
    "DeliveryDropped",
    "DeliveryFailed",
    "DeliveryRetried",
    "EpochBegun",
    "EventCancelled",
    "EventChanged",
    "EventCreated",
    "EventDetails",
    "EventWebhookDisabled",
    "Fact",
    "Held",
    "Keyed",
    "LapseWarned",
    "Lapsed",
    "LeftLine",
    "MailSet",
    "MemberRemoved",
    "MemberSaved",
    "NewerFactsError",
    "PaymentAbandoned",
    "PaymentAnswered",
    "PaymentDeclined",
    "PaymentFailed",
    "PaymentPending",
    "PaymentPrepared",
    "PaymentStarted",
    "PaymentSucceeded",
    "PlacesForgotten",
    "Promoted",
    "ProviderEventTaken",
    "QueueAdmitted",
    "QueueJoined",
    "QueueLeft",
    "Recalled",
    "RefundAnswered",
    "RefundFailed",
    "RefundPending",
    "RefundRetried",
    "RefundStarted",
    "RefundSucceeded",
    "Retired",
    "RoomOpened",
    "RoomRemoved",
    "RoomSet",
    "RoomStateSet",
    "SaleClosed",
    "SeatMapSet",
    "Suspected",
    "SyncStandbysSet",
    "TicketKeySaved",
    "TurnsLapsed",
    "TypeDetails",
    "UserSaved",
    "UserWebhookDisabled",
    "Waited",
    "decode",
    "encode",
    "encode_one",
    "join",
]

Fact = (
    EventCreated
    | EventChanged
    | EventCancelled
    | SaleClosed
    | ChangeTold
    | EventWebhookDisabled
    | Held
    | Waited
    | Promoted
    | LapseWarned
    | Lapsed
    | BookingCancelled
    | Retired
    | CheckedIn
    | PaymentStarted
    | PaymentPending
    | PaymentSucceeded
    | PaymentFailed
    | PaymentAbandoned
    | PaymentPrepared
    | PaymentDeclined
    | PaymentAnswered
    | RefundStarted
    | RefundSucceeded
    | RefundFailed
    | RefundPending
    | RefundAnswered
    | RefundRetried
    | ProviderEventTaken
    | ConcernRaised
    | ConcernClosed
    | UserSaved
    | UserWebhookDisabled
    | Keyed
    | EpochBegun
    | MemberSaved
    | MemberRemoved
    | SyncStandbysSet
    | TicketKeySaved
    | MailSet
    | Delivered
    | DeliveryFailed
    | DeliveryRetried
    | DeliveryDropped
    | RoomSet
    | RoomRemoved
    | RoomStateSet
    | QueueJoined
    | RoomOpened
    | QueueAdmitted
    | QueueLeft
    | TurnsLapsed
    | PlacesForgotten
    | SeatMapSet
    | ChallengeUsed
    | Suspected
    | LeftLine
    | Archived
    | Recalled
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Fact])


def encode(facts: list[Fact]) -> bytes:
    """The payload of a batch."""
    return _encoder.encode(facts)


# One fact's part of a payload; `join` makes a payload of them.
encode_one: Callable[[Fact], bytes] = _encoder.encode


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
