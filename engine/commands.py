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
    webhook_url: str | None = None


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
    webhook_url: str | UnsetType | None = UNSET
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


class CheckIn(msgspec.Struct, gc=False, frozen=True):
    """A ticket is shown at the door."""

    event_id: int
    booking_id: int
    number: int  # of the booking's tickets, from 1
    place: str = ""
    by: str = ""


# What became of messages.


class SettleDelivery(msgspec.Struct, gc=False, frozen=True):
    """`failure` None: it was sent. Else it was not: `retry_ms` says when to try again, 0 that it is given up."""

    delivery_id: int
    failure: str | None = None
    retry_ms: int = 0


class DropDelivery(msgspec.Struct, gc=False, frozen=True):
    """There is nobody to send it to any more."""

    delivery_id: int


class RetryDelivery(msgspec.Struct, gc=False, frozen=True):
    """Send one that was given up, after all."""

    delivery_id: int


class DisableWebhook(msgspec.Struct, gc=False, frozen=True):
    """Whoever is there said that it is gone (410). One of the two is set; `url` is what was called."""

    url: str
    user_id: str | None = None
    event_id: int = 0


class SetMail(msgspec.Struct, gc=False, frozen=True):
    """Whether e-mail is sent, as this node is configured."""

    on: bool


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


class TellOfChange(msgspec.Struct, gc=False, frozen=True):
    """Tell some more of those who have tickets that their event has changed."""

    event_id: int


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
