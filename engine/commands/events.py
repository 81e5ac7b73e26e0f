"""Wishes about events and their ticket types.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec
from msgspec import UNSET, UnsetType

from ..limits import HOLD_MS_DEFAULT
from .onsale import RoomChange, RoomSpec, SectionSpec


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
    challenge: int = 0
    offer_ms: int | None = None
    room: RoomSpec | None = None
    seat_map: tuple[SectionSpec, ...] = ()
    seed: bytes = b""  # by chance, for the room's lot; needed where it shuffles


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
    challenge: int | UnsetType = UNSET
    offer_ms: int | UnsetType | None = UNSET
    room: RoomChange | UnsetType | None = UNSET  # None: it has none any more
    seat_map: tuple[SectionSpec, ...] | UnsetType = UNSET  # (): it has none any more
    seed: bytes = b""  # as in CreateEvent
    types: tuple[TypeChange, ...] = ()
    hold_ms: int = HOLD_MS_DEFAULT  # of those in line who get what is added


class CancelEvent(msgspec.Struct, gc=False, frozen=True):
    event_id: int
