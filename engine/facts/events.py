"""Facts about events and their ticket types. Tags 1 to 9.

Owns their shapes; see the package for the rules that hold for all of them.
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
    webhook_url: str | None = None
    challenge: int = 0  # status.CHALLENGE_…
    offer_ms: int | None = None  # how long those in line have, once it is their turn; None: as everybody


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


class ChangeTold(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=5):
    """These bookings' users are told of the event's latest change; `through`: nobody up to this id is left."""

    event_id: int
    booking_ids: tuple[int, ...]
    through: int


class EventWebhookDisabled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=6):
    event_id: int
