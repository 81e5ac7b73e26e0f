"""Events as JSON documents: in lists, in full, and their live counts alone.

Owns an event's public status and field names. Renders from the state (lists, counts) or from an `EventReply` (in full),
so that what a write answers and what a read shows are one and the same.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ...engine.money import format_minor
from ...engine.replies import EventReply
from ...engine.sale import Sale
from ...engine.status import CHALLENGE_NAMES, WAITLIST_NAMES
from ..wire.times import format_ms, format_ms_or_none
from .rooms import RoomDocument, room_document

UPCOMING: Final = "upcoming"  # before onSaleAt
ON_SALE: Final = "on_sale"
SOLD_OUT: Final = "sold_out"  # nothing is free now
ENDED: Final = "ended"
CANCELLED: Final = "cancelled"


class EventItem(msgspec.Struct, rename="camel", gc=False):
    """An event in a list."""

    id: int
    name: str
    starts_at: str
    ends_at: str | None
    venue: str
    city: str
    country: str
    category: str
    status: str
    currency: str
    price_from: str
    available: int


class TypeDocument(msgspec.Struct, rename="camel"):
    id: int
    name: str
    price: str
    capacity: int
    available: int
    held: int
    sold: int
    waiting: int


class EventDocument(EventItem, rename="camel", kw_only=True, gc=True):
    description: str
    on_sale_at: str | None
    max_per_user: int
    max_holds_per_user: int | None
    waitlist: str
    challenge: str
    offer_seconds: int | None  # how long those in line have, once it is their turn; null: as everybody
    ticket_types: list[TypeDocument]
    waiting_room: RoomDocument | None
    seats: int  # in its seat map; 0: it has none
    webhook_url: str | UnsetType | None = UNSET  # this and the next are for organisers: in answers to writes alone
    webhook_secret: str | UnsetType | None = UNSET  # what calls to it are signed with
    seq: int | UnsetType = UNSET  # in answers to writes


class ProgressDocument(msgspec.Struct, rename="camel"):
    """What is still to be done for those who booked an event."""

    event_id: int
    status: str
    bookings_left: int  # still to be ended, where it is cancelled or over; those of one user count as one
    refunds_owed: int  # asked for, and the provider has not had its last word
    refunds_failed: int
    messages_owed: int
    messages_dead: int
    telling_of_change: bool
    told_through: int  # of the latest change: nobody up to this booking id is left
    tell_through: int  # and this is the last one who is told
    webhook_disabled: bool  # whoever is there said that it is gone


class TypeCounts(msgspec.Struct, rename="camel", gc=False):
    id: int
    name: str
    available: int
    held: int
    sold: int
    waiting: int


class AvailabilityDocument(msgspec.Struct, rename="camel", gc=False):
    event_id: int
    status: str
    available: int
    ticket_types: list[TypeCounts]


def event_item(sale: Sale, now_ms: int) -> EventItem:
    event, types = sale.event, sale.types.values()
    available = sum([each.capacity - each.held - each.sold for each in types])
    return EventItem(
        event.id,
        event.name,
        format_ms(event.starts_ms),
        format_ms_or_none(event.ends_ms),
        event.venue,
        event.city,
        event.country,
        event.category,
        sale_status(sale, available, now_ms),
        event.currency,
        format_minor(min([each.price_minor for each in types]), event.currency),
        available,
    )


def availability(sale: Sale, now_ms: int) -> AvailabilityDocument:
    counts = [
        TypeCounts(each.id, each.name, each.capacity - each.held - each.sold, each.held, each.sold, each.waiting)
        for each in sale.types.values()
    ]
    available = sum([each.available for each in counts])
    return AvailabilityDocument(sale.event.id, sale_status(sale, available, now_ms), available, counts)


def event_document(reply: EventReply) -> EventDocument:
    """The event in full, as everybody may see it at the reply's time."""
    types = [
        TypeDocument(
            each.id,
            each.name,
            format_minor(each.price_minor, reply.currency),
            each.capacity,
            each.capacity - each.held - each.sold,
            each.held,
            each.sold,
            each.waiting,
        )
        for each in reply.types
    ]
    available = sum(each.available for each in types)
    closes_ms = reply.starts_ms if reply.ends_ms is None else reply.ends_ms
    return EventDocument(
        id=reply.event_id,
        name=reply.name,
        starts_at=format_ms(reply.starts_ms),
        ends_at=format_ms_or_none(reply.ends_ms),
        venue=reply.venue,
        city=reply.city,
        country=reply.country,
        category=reply.category,
        status=_status(
            cancelled=reply.cancelled,
            ended=reply.closed or reply.at_ms >= closes_ms,
            upcoming=reply.on_sale_ms is not None and reply.at_ms < reply.on_sale_ms,
            available=available,
        ),
        currency=reply.currency,
        price_from=format_minor(min(each.price_minor for each in reply.types), reply.currency),
        available=available,
        description=reply.description,
        on_sale_at=format_ms_or_none(reply.on_sale_ms),
        max_per_user=reply.max_per_user,
        max_holds_per_user=reply.max_holds_per_user,
        waitlist=WAITLIST_NAMES[reply.waitlist],
        challenge=CHALLENGE_NAMES[reply.challenge],
        offer_seconds=None if reply.offer_ms is None else reply.offer_ms // 1000,
        ticket_types=types,
        waiting_room=None if reply.room is None else room_document(reply.room),
        seats=reply.seats,
    )


def progress_document(sale: Sale, now_ms: int, *, telling: bool) -> ProgressDocument:
    event, owed = sale.event, sale.owed
    if event.cancelled:
        bookings_left = len(sale.claims)
    else:
        bookings_left = sum(line.count for line in sale.lines.values()) if event.closed else 0
    return ProgressDocument(
        event.id,
        sale_status(sale, sum(each.available for each in sale.types.values()), now_ms),
        bookings_left,
        owed.refunds,
        owed.refunds_failed,
        owed.deliveries,
        owed.deliveries_dead,
        telling,
        event.told,
        max(event.tell_below - 1, 0),
        event.webhook_disabled,
    )


def sale_status(sale: Sale, available: int, now_ms: int) -> str:
    event = sale.event
    return _status(
        cancelled=event.cancelled,
        ended=event.closed or now_ms >= sale.closes_ms,
        upcoming=event.on_sale_ms is not None and now_ms < event.on_sale_ms,
        available=available,
    )


def _status(*, cancelled: bool, ended: bool, upcoming: bool, available: int) -> str:
    """The first that applies."""
    if cancelled:
        return CANCELLED
    if ended:
        return ENDED
    if upcoming:
        return UPCOMING
    return ON_SALE if available > 0 else SOLD_OUT
