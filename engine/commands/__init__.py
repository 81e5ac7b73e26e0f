"""Everything that can be asked of the engine.

Owns the commands' shapes. A command is a wish: `decide` answers it with facts or a refusal. It is never stored, so
its shape may change between versions. Values arrive checked for type and range (the wire does that); whether they
make sense against the state is for `decide` to say.
"""

from typing import Any

import msgspec

from ..codes import Code
from .bookings import Book, CheckIn, GiveUp
from .chores import Archive, CloseSale, Lapse, Promote, Retire, Sweep, TellOfChange, Warn
from .cluster import BeginEpoch, RemoveMember, SaveMember, SaveTicketKey, SetSyncStandbys
from .events import CancelEvent, ChangeEvent, CreateEvent, TypeChange, TypeSpec
from .money import (
    CloseConcern,
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    RaiseConcern,
    RetryRefund,
    SettlePayment,
    SettleRefund,
    StartPayment,
    StartRefund,
    StopWaiting,
    TakeProviderEvent,
)
from .onsale import (
    Admit,
    Evidence,
    ForgetPlaces,
    JoinQueue,
    LapseTurns,
    LeaveQueue,
    OpenRoom,
    Proof,
    RoomChange,
    RoomSpec,
    RowSpec,
    SectionSpec,
)
from .people import DisableWebhook, DropDelivery, RetryDelivery, SaveUser, SetMail, SettleDelivery

__all__ = [
    "Admit",
    "Archive",
    "BeginEpoch",
    "Book",
    "CancelEvent",
    "ChangeEvent",
    "CheckIn",
    "CloseConcern",
    "CloseSale",
    "Command",
    "CreateEvent",
    "DisableWebhook",
    "DropDelivery",
    "Evidence",
    "ForgetPlaces",
    "GiveUp",
    "Idempotency",
    "JoinQueue",
    "Lapse",
    "LapseTurns",
    "LeaveQueue",
    "OpenRoom",
    "PaymentDeclinedOutcome",
    "PaymentFailedOutcome",
    "PaymentOutcome",
    "PaymentPendingOutcome",
    "PaymentPreparedOutcome",
    "PaymentSucceededOutcome",
    "Promote",
    "Proof",
    "RaiseConcern",
    "Refuse",
    "RemoveMember",
    "Retire",
    "RetryDelivery",
    "RetryRefund",
    "RoomChange",
    "RoomSpec",
    "RowSpec",
    "SaveMember",
    "SaveTicketKey",
    "SaveUser",
    "SectionSpec",
    "SetMail",
    "SetSyncStandbys",
    "SettleDelivery",
    "SettlePayment",
    "SettleRefund",
    "StartPayment",
    "StartRefund",
    "StopWaiting",
    "Sweep",
    "TakeProviderEvent",
    "TellOfChange",
    "TypeChange",
    "TypeSpec",
    "Warn",
]


class Refuse(msgspec.Struct, gc=False, frozen=True):
    """Refuse what was found wrong before it could become a command of its own; only of use with an idempotency key,
    which is then kept as it would be for any other refusal. `extra` as in `replies.Refusal`.
    """

    code: Code
    detail: str
    extra: dict[str, Any] | None = None


Command = (
    Book
    | StartPayment
    | SettlePayment
    | GiveUp
    | StartRefund
    | SettleRefund
    | StopWaiting
    | RetryRefund
    | RaiseConcern
    | CloseConcern
    | TakeProviderEvent
    | CheckIn
    | SettleDelivery
    | DropDelivery
    | RetryDelivery
    | DisableWebhook
    | SetMail
    | TellOfChange
    | CreateEvent
    | ChangeEvent
    | CancelEvent
    | SaveUser
    | Lapse
    | Warn
    | Retire
    | Archive
    | CloseSale
    | Sweep
    | Promote
    | Refuse
    | BeginEpoch
    | SaveMember
    | RemoveMember
    | SetSyncStandbys
    | SaveTicketKey
    | JoinQueue
    | LeaveQueue
    | OpenRoom
    | Admit
    | LapseTurns
    | ForgetPlaces
)


class Idempotency(msgspec.Struct, gc=False, frozen=True):
    """Names a request, so that asking again gives the first answer again."""

    digest: bytes  # 16 bytes over caller and key
    fingerprint: bytes  # 16 bytes over method, path and body
