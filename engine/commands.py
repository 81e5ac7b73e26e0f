"""Everything that can be asked of the engine.

Owns the commands' shapes. A command is a wish: `decide` answers it with facts or a refusal. It is never stored, so
its shape may change between versions. Values arrive checked for type and range (the wire does that); whether they
make sense against the state is for `decide` to say.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from .codes import Code
from .limits import HOLD_MS_DEFAULT


class TypeSpec(msgspec.Struct, gc=False, frozen=True):
    name: str
    price: str  # decimal string in the event's currency
    capacity: int


class TypeChange(msgspec.Struct, gc=False, frozen=True):
    """A change to the ticket type with this id or name; a name nobody has adds a type (price and capacity needed)."""

    id: int | None = None
    name: str | None = None
    price: str | None = None
    capacity: int | None = None


class CreateEvent(msgspec.Struct, gc=False, frozen=True):
    name: str
    starts_ms: int
    types: tuple[TypeSpec, ...]
    ends_ms: int | None = None
    venue: str = ""
    city: str = ""
    country: str = ""
    category: str = ""
    description: str = ""
    currency: str = "EUR"
    on_sale_ms: int | None = None
    max_per_user: int = 10
    max_holds_per_user: int | None = None
    waitlist: int = 1


class ChangeEvent(msgspec.Struct, gc=False, frozen=True):
    """What is left UNSET stays as it is."""

    event_id: int
    name: str | UnsetType = UNSET
    starts_ms: int | UnsetType = UNSET
    ends_ms: int | UnsetType | None = UNSET
    venue: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    on_sale_ms: int | UnsetType | None = UNSET
    max_per_user: int | UnsetType = UNSET
    max_holds_per_user: int | UnsetType | None = UNSET
    waitlist: int | UnsetType = UNSET
    types: tuple[TypeChange, ...] = ()
    hold_ms: int = HOLD_MS_DEFAULT  # of those in line who get what is added


class CancelEvent(msgspec.Struct, gc=False, frozen=True):
    event_id: int


class SaveUser(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    name: str | None = None
    email: str | None = None
    webhook_url: str | None = None


class Book(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    hold_ms: int
    ticket_type: int | str | None = None  # id or name; None: the event has only one
    quantity: int = 1
    waitlist: bool = True  # stand in line if nothing is free


class GiveUp(msgspec.Struct, gc=False, frozen=True):
    """Let go of a hold or of a place in line. `user_id` None: on behalf of whoever has it."""

    booking_id: int
    hold_ms: int
    user_id: str | None = None


class StartPayment(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    amount: str  # decimal string; must be the booking's amount
    booking_id: int | None = None
    method: str | None = None


class PaymentSucceededOutcome(msgspec.Struct, gc=False, frozen=True):
    provider_reference: str | None = None


class PaymentPendingOutcome(msgspec.Struct, gc=False, frozen=True):
    requires_action: bool
    client_secret: str
    provider_reference: str | None = None


class PaymentFailedOutcome(msgspec.Struct, gc=False, frozen=True):
    failure: str  # the provider's code, such as card_declined
    detail: str = ""


PaymentOutcome = PaymentSucceededOutcome | PaymentPendingOutcome | PaymentFailedOutcome


class SettlePayment(msgspec.Struct, gc=False, frozen=True):
    """What the provider said of an attempt. May come late, twice, or for an attempt long forgotten."""

    payment_id: int
    outcome: PaymentOutcome
    hold_ms: int


class StartRefund(msgspec.Struct, gc=False, frozen=True):
    """With a `user_id`, by that user for themselves, who may until the event begins."""

    booking_id: int
    hold_ms: int
    amount: str | None = None  # None: all that is left
    user_id: str | None = None  # None: on behalf of whoever has it


class SettleRefund(msgspec.Struct, gc=False, frozen=True):
    refund_id: int
    provider_reference: str | None = None
    failure: str | None = None  # set: the provider refused it


# What the engine asks of itself when its time has come; `chores.due` lists them.


class Lapse(msgspec.Struct, gc=False, frozen=True):
    booking_id: int
    hold_ms: int


class Warn(msgspec.Struct, gc=False, frozen=True):
    booking_id: int


class Retire(msgspec.Struct, gc=False, frozen=True):
    booking_ids: tuple[int, ...]


class CloseSale(msgspec.Struct, gc=False, frozen=True):
    event_id: int


class Sweep(msgspec.Struct, gc=False, frozen=True):
    """End one booking of an event that is cancelled, or whose sale is over."""

    booking_id: int


class Promote(msgspec.Struct, gc=False, frozen=True):
    """Serve the line further: more was freed than one step passes on."""

    ticket_type_id: int
    hold_ms: int


class Refuse(msgspec.Struct, gc=False, frozen=True):
    """Refuse what was found wrong before it could become a command of its own; only of use with an idempotency key,
    which is then kept as it would be for any other refusal. `extra` as in `replies.Refusal`.
    """

    code: Code
    detail: str
    extra: dict[str, Any] | None = None


# What the cluster says of itself. The leader submits these; nothing that a caller sends becomes one by itself.


class BeginEpoch(msgspec.Struct, gc=False, frozen=True):
    """From here on `leader` decides. Refused unless the epoch is higher than every one before."""

    epoch: int
    leader: str  # a member's name


class SaveMember(msgspec.Struct, gc=False, frozen=True):
    """A node that takes part, or what is new about it. Leads to no fact when nothing is."""

    name: str
    node_id: bytes
    voting: bool  # it counts: its promise in a takeover, its acknowledgement of a write
    replication: str  # host:port, "" when it takes no followers
    http: str  # url, "" when it serves none


class RemoveMember(msgspec.Struct, gc=False, frozen=True):
    name: str


class SetSyncStandbys(msgspec.Struct, gc=False, frozen=True):
    """How many standbys must have a write on disk before it is answered."""

    count: int


class SaveTicketKey(msgspec.Struct, gc=False, frozen=True):
    """The key that signs ticket codes, once and for ever: with another one the printed codes would not be known."""

    key: bytes

    def __repr__(self) -> str:
        return "SaveTicketKey(…)"


Command = (
    Book
    | StartPayment
    | SettlePayment
    | GiveUp
    | StartRefund
    | SettleRefund
    | CreateEvent
    | ChangeEvent
    | CancelEvent
    | SaveUser
    | Lapse
    | Warn
    | Retire
    | CloseSale
    | Sweep
    | Promote
    | Refuse
    | BeginEpoch
    | SaveMember
    | RemoveMember
    | SetSyncStandbys
    | SaveTicketKey
)


class Idempotency(msgspec.Struct, gc=False, frozen=True):
    """Names a request, so that asking again gives the first answer again."""

    digest: bytes  # 16 bytes over caller and key
    fingerprint: bytes  # 16 bytes over method, path and body
