"""The bodies that create and change events, as commands.

Owns which fields they take (those of waiting rooms and seat maps: rooms.py, seats.py). Checks type and range; the
engine says what makes sense together.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...engine.commands import ChangeEvent, CreateEvent, TypeChange, TypeSpec
from ...engine.limits import (
    CAPACITY_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    HOLD_MS_MAX,
    MAX_PER_USER_DEFAULT,
    NAME_CHARACTERS_MAX,
    OFFER_MS_MIN,
    QUANTITY_MAX,
)
from ...engine.status import CHALLENGE_NAMES, WAITLIST_FIRST_FIT, WAITLIST_OFF, WAITLIST_STRICT
from .body import BodyDecoder, Id, Instant, Money, Url, check_text, check_web_url, invalid_field, to_id, to_ms
from .rooms import RoomBody, RoomChangeBody, room_change, room_spec
from .seats import SeatMapBody, section_specs

CHALLENGES: Final = {name: kind for kind, name in CHALLENGE_NAMES.items()}
WAITLISTS: Final = {"off": WAITLIST_OFF, "strict": WAITLIST_STRICT, "first_fit": WAITLIST_FIRST_FIT}

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_CHARACTERS_MAX,
        description=f"a string of 1 to {NAME_CHARACTERS_MAX} characters",
    ),
]
Label = Annotated[
    str, Meta(max_length=NAME_CHARACTERS_MAX, description=f"a string of at most {NAME_CHARACTERS_MAX} characters")
]
Description = Annotated[
    str,
    Meta(
        max_length=DESCRIPTION_CHARACTERS_MAX,
        description=f"a string of at most {DESCRIPTION_CHARACTERS_MAX} characters",
    ),
]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="an ISO 4217 code such as EUR")]
Capacity = Annotated[int, Meta(ge=0, le=CAPACITY_MAX, description=f"a whole number from 0 to {CAPACITY_MAX}")]
PerUser = Annotated[int, Meta(ge=1, le=QUANTITY_MAX, description=f"a whole number from 1 to {QUANTITY_MAX}")]
Waitlist = Annotated[Literal["strict", "first_fit", "off"], Meta(description='one of "strict", "first_fit" and "off"')]
Challenge = Annotated[
    Literal["none", "proof_of_work", "outside"], Meta(description='one of "none", "proof_of_work" and "outside"')
]
OfferSeconds = Annotated[
    int, Meta(ge=OFFER_MS_MIN // 1000, le=HOLD_MS_MAX // 1000, description="a whole number of seconds from 10 to 86400")
]


class TicketTypeBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: Name
    price: Money
    capacity: Capacity


class TicketTypeChangeBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    id: Id | None = None
    name: Name | None = None
    price: Money | None = None
    capacity: Capacity | None = None


class CreateEventBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: Name
    starts_at: Instant
    ticket_types: Annotated[list[TicketTypeBody], Meta(description="a list of ticket types")]
    ends_at: Instant | None = None
    venue: Label | None = None
    city: Label | None = None
    country: Label | None = None
    category: Label | None = None
    description: Description | None = None
    currency: Currency = "EUR"
    on_sale_at: Instant | None = None
    max_per_user: PerUser = MAX_PER_USER_DEFAULT
    max_holds_per_user: PerUser | None = None
    waitlist: Waitlist = "strict"
    webhook_url: Url | None = None
    challenge: Challenge = "none"
    offer_seconds: OfferSeconds | None = None
    waiting_room: RoomBody | None = None
    seat_map: SeatMapBody | None = None


class ChangeEventBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is left out stays; null clears what may be empty."""

    name: Name | UnsetType = UNSET
    starts_at: Instant | UnsetType = UNSET
    ticket_types: Annotated[list[TicketTypeChangeBody], Meta(description="a list of changes to ticket types")] = []
    ends_at: Instant | UnsetType | None = UNSET
    venue: Label | UnsetType | None = UNSET
    city: Label | UnsetType | None = UNSET
    country: Label | UnsetType | None = UNSET
    category: Label | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    currency: Currency | UnsetType = UNSET
    on_sale_at: Instant | UnsetType | None = UNSET
    max_per_user: PerUser | UnsetType = UNSET
    max_holds_per_user: PerUser | UnsetType | None = UNSET
    waitlist: Waitlist | UnsetType = UNSET
    webhook_url: Url | UnsetType | None = UNSET
    challenge: Challenge | UnsetType = UNSET
    offer_seconds: OfferSeconds | UnsetType | None = UNSET
    waiting_room: RoomChangeBody | UnsetType | None = UNSET
    seat_map: SeatMapBody | UnsetType | None = UNSET


_create = BodyDecoder(CreateEventBody)
_change = BodyDecoder(ChangeEventBody)


def create_event_command(body: bytes, seed: bytes) -> CreateEvent:
    """`seed`: by chance, for a waiting room's lot."""
    asked = _create.decode(body)
    return CreateEvent(
        _name(asked.name, "name"),
        to_ms(asked.starts_at, "startsAt"),
        tuple(
            TypeSpec(_name(each.name, f"ticketTypes[{index}].name"), each.price, each.capacity)
            for index, each in enumerate(asked.ticket_types)
        ),
        ends_ms=_to_ms_or_none(asked.ends_at, "endsAt"),
        venue=check_text(asked.venue or "", "venue"),
        city=check_text(asked.city or "", "city"),
        country=check_text(asked.country or "", "country"),
        category=check_text(asked.category or "", "category"),
        description=check_text(asked.description or "", "description", lines=True),
        currency=asked.currency,
        on_sale_ms=_to_ms_or_none(asked.on_sale_at, "onSaleAt"),
        max_per_user=asked.max_per_user,
        max_holds_per_user=asked.max_holds_per_user,
        waitlist=WAITLISTS[asked.waitlist],
        webhook_url=None if asked.webhook_url is None else check_web_url(asked.webhook_url, "webhookUrl"),
        challenge=CHALLENGES[asked.challenge],
        offer_ms=_offer_ms(asked.offer_seconds),
        room=None if asked.waiting_room is None else room_spec(asked.waiting_room),
        seat_map=() if asked.seat_map is None else section_specs(asked.seat_map),
        seed=seed,
    )


def change_event_command(body: bytes, event_id: int, hold_ms: int, seed: bytes) -> ChangeEvent:
    asked = _change.decode(body)
    return ChangeEvent(
        event_id,
        hold_ms=hold_ms,
        name=UNSET if asked.name is UNSET else _name(asked.name, "name"),
        starts_ms=UNSET if asked.starts_at is UNSET else to_ms(asked.starts_at, "startsAt"),
        ends_ms=UNSET if asked.ends_at is UNSET else _to_ms_or_none(asked.ends_at, "endsAt"),
        venue=_label(asked.venue, "venue"),
        city=_label(asked.city, "city"),
        country=_label(asked.country, "country"),
        category=_label(asked.category, "category"),
        description=_label(asked.description, "description", lines=True),
        currency=asked.currency,
        on_sale_ms=UNSET if asked.on_sale_at is UNSET else _to_ms_or_none(asked.on_sale_at, "onSaleAt"),
        max_per_user=asked.max_per_user,
        max_holds_per_user=asked.max_holds_per_user,
        waitlist=UNSET if asked.waitlist is UNSET else WAITLISTS[asked.waitlist],
        webhook_url=check_web_url(asked.webhook_url, "webhookUrl")
        if isinstance(asked.webhook_url, str)
        else asked.webhook_url,
        challenge=UNSET if asked.challenge is UNSET else CHALLENGES[asked.challenge],
        offer_ms=UNSET if asked.offer_seconds is UNSET else _offer_ms(asked.offer_seconds),
        room=room_change(asked.waiting_room) if isinstance(asked.waiting_room, RoomChangeBody) else asked.waiting_room,
        seat_map=UNSET if asked.seat_map is UNSET else () if asked.seat_map is None else section_specs(asked.seat_map),
        seed=seed,
        types=tuple(_type_change(each, f"ticketTypes[{index}]") for index, each in enumerate(asked.ticket_types)),
    )


def _type_change(change: TicketTypeChangeBody, field: str) -> TypeChange:
    return TypeChange(
        None if change.id is None else to_id(change.id, f"{field}.id"),
        None if change.name is None else _name(change.name, f"{field}.name"),
        change.price,
        change.capacity,
    )


def _offer_ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _name(name: str, field: str) -> str:
    if name.isspace():
        raise invalid_field(field, "must not be blank")
    return check_text(name, field)


def _label(label: str | UnsetType | None, field: str, *, lines: bool = False) -> str | UnsetType:
    return UNSET if label is UNSET else check_text(label or "", field, lines=lines)


def _to_ms_or_none(instant: str | None, field: str) -> int | None:
    return None if instant is None else to_ms(instant, field)
