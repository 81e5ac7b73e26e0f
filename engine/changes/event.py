"""What becomes of an event and its ticket types.

Owns the facts about events. Bookings of a cancelled event are ended by facts of their own.
"""

from .. import facts as f
from ..records import Event, TicketType
from ..sale import Sale
from ..state import State
from .room import track_room
from .shared import track_archiving, track_promotable, track_sweep, track_telling

_NOTEWORTHY = ("name", "starts_ms", "ends_ms", "venue", "city", "country")  # to those who have tickets


def event_created(state: State, fact: f.EventCreated) -> None:
    details = fact.details
    event = Event(
        id=fact.event_id,
        name=details.name,
        starts_ms=details.starts_ms,
        ends_ms=details.ends_ms,
        venue=details.venue,
        city=details.city,
        country=details.country,
        category=details.category,
        description=details.description,
        currency=details.currency,
        on_sale_ms=details.on_sale_ms,
        max_per_user=details.max_per_user,
        max_holds_per_user=details.max_holds_per_user,
        waitlist=details.waitlist,
        created_ms=state.at_ms,
        webhook_url=details.webhook_url,
        challenge=details.challenge,
        offer_ms=details.offer_ms,
    )
    state.next_event_id = max(state.next_event_id, event.id + 1)
    state.events.add(event.id, event)
    sale = state.sales[event.id] = Sale(event)
    state.closings.add(sale.closes_ms, event.id)
    for details_of_type in fact.types:
        _add_type(state, sale, details_of_type)


def _add_type(state: State, sale: Sale, details: f.TypeDetails) -> None:
    ticket_type = TicketType(details.ticket_type_id, sale.event.id, details.name, details.price_minor, details.capacity)
    state.next_ticket_type_id = max(state.next_ticket_type_id, ticket_type.id + 1)
    state.ticket_types.add(ticket_type.id, ticket_type)
    sale.add_type(ticket_type)


def event_changed(state: State, fact: f.EventChanged) -> None:
    sale = state.sales[fact.event_id]
    event = sale.event
    state.events.touch(event.id, event)
    if not event.closed:
        state.closings.remove(sale.closes_ms, event.id)
    old_webhook_url = event.webhook_url
    noteworthy = any(getattr(event, name) != getattr(fact.details, name) for name in _NOTEWORTHY)
    for name in fact.details.__struct_fields__:
        setattr(event, name, getattr(fact.details, name))
    if event.webhook_url != old_webhook_url:
        event.webhook_disabled = False
    if noteworthy and event.booked:
        event.told, event.tell_below = 0, state.next_booking_id
    track_telling(state, sale)
    if sale.closes_ms > state.at_ms:
        event.closed = False
    if not event.closed:
        state.closings.add(sale.closes_ms, event.id)
    track_archiving(state, sale)
    track_sweep(state, sale)
    for details in fact.types:
        ticket_type = sale.types.get(details.ticket_type_id)
        if ticket_type is None:
            _add_type(state, sale, details)
            continue
        assert ticket_type.held + ticket_type.sold <= details.capacity
        state.ticket_types.touch(ticket_type.id, ticket_type)
        ticket_type.name = details.name
        ticket_type.price_minor = details.price_minor
        ticket_type.capacity = details.capacity
    sale.types_by_name = {ticket_type.name: ticket_type for ticket_type in sale.types.values()}
    _track(state, sale)


def _track(state: State, sale: Sale) -> None:
    """What may be served now, in line and in the waiting room, follows anew from the event."""
    for ticket_type in sale.types.values():
        track_promotable(state, sale, ticket_type)
    if sale.queue is not None:
        track_room(state, sale)


def event_cancelled(state: State, fact: f.EventCancelled) -> None:
    sale = state.sales[fact.event_id]
    state.events.touch(sale.event.id, sale.event)
    sale.event.cancelled = True
    track_archiving(state, sale)
    track_sweep(state, sale)
    track_telling(state, sale)
    _track(state, sale)


def sale_closed(state: State, fact: f.SaleClosed) -> None:
    sale = state.sales[fact.event_id]
    state.events.touch(sale.event.id, sale.event)
    state.closings.remove(sale.closes_ms, sale.event.id)
    sale.event.closed = True
    track_archiving(state, sale)
    track_sweep(state, sale)
    _track(state, sale)
