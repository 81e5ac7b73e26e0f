"""Creating, changing and cancelling events.

Order of refusals for a change: no_such_event, event_cancelled, invalid_field (by field, as listed in `_check_details`,
then the ticket types in the order given).
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import asdict, replace

from ..codes import Code
from ..commands import CancelEvent, ChangeEvent, CreateEvent, TypeChange
from ..facts import (
    BookingCancelled,
    EventCancelled,
    EventChanged,
    EventCreated,
    EventDetails,
    Fact,
    Promoted,
    TypeDetails,
)
from ..limits import EVENTS_MAX, PRICE_MINOR_MAX, PROMOTIONS_PER_STEP_MAX, TICKET_TYPES_MAX
from ..money import EXPONENTS, format_minor, parse_minor
from ..records import Booking, Event, TicketType
from ..replies import EventReply, TypeView
from ..state import Sale, State
from ..status import WAITLIST_STRICT
from .shared import Changed, Decision, no_such_event, overloaded, pass_on, refuse


class _InvalidFieldError(Exception):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


def create_event(state: State, now_ms: int, command: CreateEvent) -> Decision:
    details = EventDetails(
        **{name: getattr(command, name) for name in EventDetails.__struct_fields__},
    )
    types: list[TypeDetails] = []
    try:
        _check_details(details)
        for index, spec in enumerate(command.types):
            if any(known.name == spec.name for known in types):
                raise _InvalidFieldError(f"ticketTypes[{index}].name", f'two ticket types are called "{spec.name}"')
            price_minor = _price_minor(spec.price, details.currency, f"ticketTypes[{index}].price")
            types.append(TypeDetails(state.next_ticket_type_id + index, spec.name, price_minor, spec.capacity))
        if not 1 <= len(types) <= TICKET_TYPES_MAX:
            raise _InvalidFieldError("ticketTypes", f"must list 1 to {TICKET_TYPES_MAX} ticket types")
    except _InvalidFieldError as fault:
        return refuse(state, Code.INVALID_FIELD, f"{fault.field}: {fault.detail}.", field=fault.field)
    if len(state.events.rows) >= EVENTS_MAX:
        return overloaded(state, "events")
    created = EventCreated(state.next_event_id, details, tuple(types))
    views = tuple(TypeView(each.ticket_type_id, each.name, each.price_minor, each.capacity, 0, 0, 0) for each in types)
    return [created], _reply(state.seq + 1, created.event_id, details, views, now_ms, created=True)


def change_event(state: State, now_ms: int, command: ChangeEvent) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    event = sale.event
    if event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {event.id} is cancelled and stays as it is.")
    changes = {
        name: getattr(command, name) for name in EventDetails.__struct_fields__ if getattr(command, name) is not UNSET
    }
    details = replace(_details_of(event), **changes)
    try:
        _check_details(details)
        if details.currency != event.currency and event.booked:
            raise _InvalidFieldError("currency", "cannot change once there are bookings")
        types = _changed_types(state, sale, command.types, details.currency)
        if details.currency != event.currency and not _all_priced(sale, command.types):
            raise _InvalidFieldError("currency", "changes only together with the price of every ticket type")
    except _InvalidFieldError as fault:
        return refuse(state, Code.INVALID_FIELD, f"{fault.field}: {fault.detail}.", field=fault.field)
    closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    served: list[Promoted | BookingCancelled] = []
    if closes_ms > now_ms:
        served = _serve(sale, types, details, now_ms, command.hold_ms)
    views = _views(sale, types, [(state.bookings.rows[fact.booking_id], type(fact) is Promoted) for fact in served])
    closed = event.closed and closes_ms <= now_ms
    reply = _reply(state.seq + 1, event.id, details, views, now_ms, closed=closed)
    return [EventChanged(event.id, details, tuple(types.values())), *served], reply


def _serve(
    sale: Sale, types: dict[int, TypeDetails], details: EventDetails, now_ms: int, hold_ms: int
) -> list[Promoted | BookingCancelled]:
    """Who gets the tickets that a change adds, in the very step that adds them."""
    strict, served = details.waitlist == WAITLIST_STRICT, list[Promoted | BookingCancelled]()
    for known in sale.types.values():
        capacity = types[known.id].capacity if known.id in types else known.capacity
        changed = Changed(capacity, strict, PROMOTIONS_PER_STEP_MAX - len(served))
        served += pass_on(sale, known, now_ms, hold_ms, changed=changed)
    return served


def _all_priced(sale: Sale, changes: tuple[TypeChange, ...]) -> bool:
    """Whether every ticket type gets a price."""
    priced = {change.name if change.id is None else change.id for change in changes if change.price is not None}
    return all(known.id in priced or known.name in priced for known in sale.types.values())


def _details_of(event: Event) -> EventDetails:
    fields = asdict(event)
    return EventDetails(**{name: fields[name] for name in EventDetails.__struct_fields__})


def _check_details(details: EventDetails) -> None:
    if details.currency not in EXPONENTS:
        raise _InvalidFieldError("currency", "must be an ISO 4217 code such as EUR")
    if details.ends_ms is not None and details.ends_ms < details.starts_ms:
        raise _InvalidFieldError("endsAt", "must not be before startsAt")
    closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    if details.on_sale_ms is not None and details.on_sale_ms > closes_ms:
        raise _InvalidFieldError("onSaleAt", "must not be after the event")


def _price_minor(price: str, currency: str, field: str) -> int:
    price_minor = parse_minor(price, currency)
    if price_minor is None or price_minor > PRICE_MINOR_MAX:
        raise _InvalidFieldError(
            field, f"must be a decimal string in {currency} such as {format_minor(4990, currency)}"
        )
    return price_minor


def _changed_types(state: State, sale: Sale, changes: tuple[TypeChange, ...], currency: str) -> dict[int, TypeDetails]:
    """The types that are new or different, by id."""
    found: dict[int, TypeDetails] = {}
    next_id = state.next_ticket_type_id
    for index, change in enumerate(changes):
        field = f"ticketTypes[{index}]"
        if change.id is not None:
            known = sale.types.get(change.id)
            if known is None:
                raise _InvalidFieldError(f"{field}.id", "is no ticket type of this event")
        elif change.name is not None:
            known = sale.types_by_name.get(change.name)
        else:
            raise _InvalidFieldError(field, "needs the id or the name of a ticket type")
        details = _changed_type(known, change, next_id, currency, field)
        if known is None:
            next_id += 1
        if details.ticket_type_id in found:
            raise _InvalidFieldError(field, "is listed twice")
        found[details.ticket_type_id] = details
    names = [each.name for each in found.values()]
    names += [known.name for known in sale.types.values() if known.id not in found]
    if len(set(names)) < len(names):
        raise _InvalidFieldError("ticketTypes", "would leave two ticket types with one name")
    if len(names) > TICKET_TYPES_MAX:
        raise _InvalidFieldError("ticketTypes", f"would leave more than {TICKET_TYPES_MAX} ticket types")
    return found


def _changed_type(known: TicketType | None, change: TypeChange, next_id: int, currency: str, field: str) -> TypeDetails:
    price_minor = None if change.price is None else _price_minor(change.price, currency, f"{field}.price")
    if known is None:
        if change.name is None or price_minor is None or change.capacity is None:
            raise _InvalidFieldError(field, "is a new ticket type and needs name, price and capacity")
        return TypeDetails(next_id, change.name, price_minor, change.capacity)
    taken = known.held + known.sold
    if change.capacity is not None and change.capacity < taken:
        raise _InvalidFieldError(f"{field}.capacity", f"cannot be less than the {taken} that are sold or held")
    return TypeDetails(
        known.id,
        known.name if change.name is None else change.name,
        known.price_minor if price_minor is None else price_minor,
        known.capacity if change.capacity is None else change.capacity,
    )


def cancel_event(state: State, now_ms: int, command: CancelEvent) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    if sale.event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {sale.event.id} is cancelled already.")
    facts: list[Fact] = [EventCancelled(sale.event.id)]
    details = _details_of(sale.event)
    reply = _reply(
        state.seq + 1, sale.event.id, details, _views(sale, {}), now_ms, cancelled=True, closed=sale.event.closed
    )
    return facts, reply


def event_reply(sale: Sale, seq: int, at_ms: int) -> EventReply:
    """The event as it is now."""
    event = sale.event
    return _reply(
        seq, event.id, _details_of(event), _views(sale, {}), at_ms, cancelled=event.cancelled, closed=event.closed
    )


def _views(
    sale: Sale, changed: dict[int, TypeDetails], left_line: Sequence[tuple[Booking, bool]] = ()
) -> tuple[TypeView, ...]:
    """`left_line`: who leaves the line in this step, and whether it is into a hold."""
    held, left = Counter[int](), Counter[int]()  # by ticket type: tickets, and bookings
    for booking, holds in left_line:
        held[booking.ticket_type_id] += booking.quantity if holds else 0
        left[booking.ticket_type_id] += 1
    views = []
    for known in sale.types.values():
        now = changed.get(known.id) or TypeDetails(known.id, known.name, known.price_minor, known.capacity)
        held_now, waiting = known.held + held[known.id], known.waiting - left[known.id]
        views.append(TypeView(known.id, now.name, now.price_minor, now.capacity, held_now, known.sold, waiting))
    views += [
        TypeView(new.ticket_type_id, new.name, new.price_minor, new.capacity, 0, 0, 0)
        for new in changed.values()
        if new.ticket_type_id not in sale.types
    ]
    return tuple(views)


def _reply(
    seq: int,
    event_id: int,
    details: EventDetails,
    types: tuple[TypeView, ...],
    at_ms: int,
    *,
    created: bool = False,
    cancelled: bool = False,
    closed: bool = False,
) -> EventReply:
    return EventReply(
        seq=seq,
        created=created,
        event_id=event_id,
        **asdict(details),
        cancelled=cancelled,
        closed=closed,
        types=types,
        at_ms=at_ms,
    )
