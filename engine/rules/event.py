"""Creating, changing and cancelling events.

Order of refusals for a change: no_such_event, event_cancelled, invalid_field (by field, as listed in `_check_details`,
then the ticket types in the order given).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

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
    LeftLine,
    Promoted,
    RoomRemoved,
    RoomSet,
    RoomStateSet,
    SeatMapSet,
    TypeDetails,
)
from ..limits import EVENTS_MAX, MOVED_BACK_MS_MAX, PRICE_MINOR_MAX, PROMOTIONS_PER_STEP_MAX, TICKET_TYPES_MAX
from ..money import EXPONENTS, format_minor, parse_minor
from ..records import Event, TicketType
from ..replies import EventReply, RoomView, TypeView
from ..sale import Sale
from ..seats import Seating
from ..state import State
from ..status import ROOM_BEFORE, WAITLIST_STRICT
from .room import room_facts
from .seat_map import check_capacities, layout_of
from .shared import Changed, Decision, InvalidFieldError, no_such_event, overloaded, pass_on, refuse


def create_event(state: State, now_ms: int, command: CreateEvent) -> Decision:
    details = EventDetails(
        **{name: getattr(command, name) for name in EventDetails.__struct_fields__},
    )
    types: list[TypeDetails] = []
    try:
        _check_details(details)
        for index, spec in enumerate(command.types):
            if any(known.name == spec.name for known in types):
                raise InvalidFieldError(f"ticketTypes[{index}].name", f'two ticket types are called "{spec.name}"')
            price_minor = _price_minor(spec.price, details.currency, f"ticketTypes[{index}].price")
            types.append(TypeDetails(state.next_ticket_type_id + index, spec.name, price_minor, spec.capacity))
        if not 1 <= len(types) <= TICKET_TYPES_MAX:
            raise InvalidFieldError("ticketTypes", f"must list 1 to {TICKET_TYPES_MAX} ticket types")
        more = _room_and_seats(state, None, state.next_event_id, command, types)
    except InvalidFieldError as fault:
        return refuse(state, Code.INVALID_FIELD, f"{fault.field}: {fault.detail}.", field=fault.field)
    if len(state.events.rows) >= EVENTS_MAX:
        return overloaded(state, "events")
    created = EventCreated(state.next_event_id, details, tuple(types))
    views = tuple(TypeView(each.ticket_type_id, each.name, each.price_minor, each.capacity, 0, 0, 0) for each in types)
    reply = _reply(state, state.seq + 1, created.event_id, details, views, now_ms, created=True)
    return [created, *more], _with(reply, more)


def _room_and_seats(
    state: State, sale: Sale | None, event_id: int, command: CreateEvent | ChangeEvent, types: Iterable[TypeDetails]
) -> list[Fact]:
    """What a command says of waiting room and seats, as facts. `types`: all of the event's.

    Raises InvalidFieldError.
    """
    facts: list[Fact] = []
    if command.room is not UNSET and (command.room is not None or sale is not None):
        facts += room_facts(state, sale, event_id, command.room, command.seed)
    by_id = {each.ticket_type_id: (each.name, each.capacity) for each in types}
    if command.seat_map is UNSET:
        if sale is not None and sale.seating is not None:
            check_capacities(sale.seating, by_id)
    elif command.seat_map or (sale is not None and sale.seating is not None):
        if sale is not None and sale.event.booked:
            raise InvalidFieldError("seatMap", "cannot change once there are bookings")
        facts.append(SeatMapSet(event_id, layout_of(command.seat_map, by_id) if command.seat_map else b""))
    return facts


def _with(reply: EventReply, facts: list[Fact]) -> EventReply:
    """The reply, with what these facts say of waiting room and seats."""
    for fact in facts:
        if isinstance(fact, SeatMapSet):
            reply = replace(reply, seats=Seating(fact.layout).seats if fact.layout else 0)
        elif isinstance(fact, RoomRemoved):
            reply = replace(reply, room=None)
        elif isinstance(fact, RoomSet):
            state = ROOM_BEFORE if reply.room is None else reply.room.state
            rules = (fact.admit_per_minute, fact.max_inside, fact.opens_ms, fact.shuffle, fact.by_stock, fact.turn_ms)
            reply = replace(reply, room=RoomView(*rules, state))
        elif isinstance(fact, RoomStateSet) and reply.room is not None:
            reply = replace(reply, room=replace(reply.room, state=fact.state))
    return reply


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
        _check_moved(sale, details, now_ms)
        if details.currency != event.currency and event.booked:
            raise InvalidFieldError("currency", "cannot change once there are bookings")
        types = _changed_types(state, sale, command.types, details.currency)
        if details.currency != event.currency and not _all_priced(sale, command.types):
            raise InvalidFieldError("currency", "changes only together with the price of every ticket type")
        more = _room_and_seats(state, sale, event.id, command, _all_types(sale, types))
    except InvalidFieldError as fault:
        return refuse(state, Code.INVALID_FIELD, f"{fault.field}: {fault.detail}.", field=fault.field)
    closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    served: list[Promoted | BookingCancelled | LeftLine] = []
    if closes_ms > now_ms:
        served = _serve(state, sale, types, details, now_ms, command.hold_ms)
    views = _views(state, sale, types, served)
    closed = event.closed and closes_ms <= now_ms
    reply = _reply(state, state.seq + 1, event.id, details, views, now_ms, closed=closed)
    return [EventChanged(event.id, details, tuple(types.values())), *served, *more], _with(reply, more)


def _check_moved(sale: Sale, details: EventDetails, now_ms: int) -> None:
    """Where bookings have left memory nobody could tell who has what if the event began again. And a year typed wrong
    must not make them leave before anybody sees it.
    """
    event = sale.event
    closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    for name, field in (("starts_ms", "startsAt"), ("ends_ms", "endsAt")):
        if getattr(event, name) == getattr(details, name):
            continue
        if sale.archived:
            raise InvalidFieldError(field, f"cannot change: event {event.id} is long over; create another one")
        if event.booked and closes_ms != sale.closes_ms and closes_ms < now_ms - MOVED_BACK_MS_MAX:
            days = MOVED_BACK_MS_MAX // (24 * 3600 * 1000)
            raise InvalidFieldError(field, f"would end an event that has bookings more than {days} days ago")


def _all_types(sale: Sale, changed: dict[int, TypeDetails]) -> list[TypeDetails]:
    """Every type as it is after this step."""
    same = [
        TypeDetails(known.id, known.name, known.price_minor, known.capacity)
        for known in sale.types.values()
        if known.id not in changed
    ]
    return [*same, *changed.values()]


def _serve(
    state: State, sale: Sale, types: dict[int, TypeDetails], details: EventDetails, now_ms: int, hold_ms: int
) -> list[Promoted | BookingCancelled | LeftLine]:
    """Who gets the tickets that a change adds, in the very step that adds them."""
    strict, served = details.waitlist == WAITLIST_STRICT, list[Promoted | BookingCancelled | LeftLine]()
    for known in sale.types.values():
        capacity = types[known.id].capacity if known.id in types else known.capacity
        changed = Changed(capacity, strict, PROMOTIONS_PER_STEP_MAX - len(served), details.offer_ms)
        served += pass_on(state, sale, known, now_ms, hold_ms, changed=changed, earlier=served)
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
        raise InvalidFieldError("currency", "must be an ISO 4217 code such as EUR")
    if details.ends_ms is not None and details.ends_ms < details.starts_ms:
        raise InvalidFieldError("endsAt", "must not be before startsAt")
    closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    if details.on_sale_ms is not None and details.on_sale_ms > closes_ms:
        raise InvalidFieldError("onSaleAt", "must not be after the event")


def _price_minor(price: str, currency: str, field: str) -> int:
    price_minor = parse_minor(price, currency)
    if price_minor is None or price_minor > PRICE_MINOR_MAX:
        raise InvalidFieldError(field, f"must be a decimal string in {currency} such as {format_minor(4990, currency)}")
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
                raise InvalidFieldError(f"{field}.id", "is no ticket type of this event")
        elif change.name is not None:
            known = sale.types_by_name.get(change.name)
        else:
            raise InvalidFieldError(field, "needs the id or the name of a ticket type")
        details = _changed_type(known, change, next_id, currency, field)
        if known is None:
            next_id += 1
        if details.ticket_type_id in found:
            raise InvalidFieldError(field, "is listed twice")
        found[details.ticket_type_id] = details
    names = [each.name for each in found.values()]
    names += [known.name for known in sale.types.values() if known.id not in found]
    if len(set(names)) < len(names):
        raise InvalidFieldError("ticketTypes", "would leave two ticket types with one name")
    if len(names) > TICKET_TYPES_MAX:
        raise InvalidFieldError("ticketTypes", f"would leave more than {TICKET_TYPES_MAX} ticket types")
    return found


def _changed_type(known: TicketType | None, change: TypeChange, next_id: int, currency: str, field: str) -> TypeDetails:
    price_minor = None if change.price is None else _price_minor(change.price, currency, f"{field}.price")
    if known is None:
        if change.name is None or price_minor is None or change.capacity is None:
            raise InvalidFieldError(field, "is a new ticket type and needs name, price and capacity")
        return TypeDetails(next_id, change.name, price_minor, change.capacity)
    taken = known.held + known.sold
    if change.capacity is not None and change.capacity < taken:
        raise InvalidFieldError(f"{field}.capacity", f"cannot be less than the {taken} that are sold or held")
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
    if sale.archived:
        detail = f"Event {sale.event.id} is long over and can't be cancelled; refund its bookings one by one."
        return refuse(state, Code.WRONG_STATUS, detail)
    facts: list[Fact] = [EventCancelled(sale.event.id)]
    details = _details_of(sale.event)
    reply = _reply(
        state,
        state.seq + 1,
        sale.event.id,
        details,
        _views(state, sale, {}),
        now_ms,
        cancelled=True,
        closed=sale.event.closed,
    )
    return facts, reply


def event_reply(state: State, sale: Sale, seq: int, at_ms: int) -> EventReply:
    """The event as it is now."""
    event = sale.event
    return _reply(
        state,
        seq,
        event.id,
        _details_of(event),
        _views(state, sale, {}),
        at_ms,
        cancelled=event.cancelled,
        closed=event.closed,
    )


def _views(
    state: State,
    sale: Sale,
    changed: dict[int, TypeDetails],
    served: Sequence[Promoted | BookingCancelled | LeftLine] = (),
) -> tuple[TypeView, ...]:
    """The types as they are after this step, in which `served` leave the line."""
    held, left = Counter[int](), set[tuple[int, int]]()  # by ticket type: tickets; who leaves which line
    for fact in served:
        booking = state.bookings.rows[fact.booking_id]
        if isinstance(fact, LeftLine):
            left.add((booking.id, fact.ticket_type_id))
            continue
        left.update((booking.id, each.id) for each, _ in sale.lines_of(booking))
        if isinstance(fact, Promoted):
            held[fact.ticket_type_id or booking.ticket_type_id] += booking.quantity
    leave = Counter(type_id for _, type_id in left)
    views = []
    for known in sale.types.values():
        now = changed.get(known.id) or TypeDetails(known.id, known.name, known.price_minor, known.capacity)
        held_now, waiting = known.held + held[known.id], known.waiting - leave[known.id]
        views.append(TypeView(known.id, now.name, now.price_minor, now.capacity, held_now, known.sold, waiting))
    views += [
        TypeView(new.ticket_type_id, new.name, new.price_minor, new.capacity, 0, 0, 0)
        for new in changed.values()
        if new.ticket_type_id not in sale.types
    ]
    return tuple(views)


def _reply(
    state: State,
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
    sale, room = state.sales.get(event_id), state.rooms.rows.get(event_id)
    view = None
    if room is not None and not room.removed:
        view = RoomView(
            room.admit_per_minute, room.max_inside, room.opens_ms, room.shuffle, room.by_stock, room.turn_ms, room.state
        )
    return EventReply(
        seq=seq,
        created=created,
        event_id=event_id,
        **asdict(details),
        cancelled=cancelled,
        closed=closed,
        types=types,
        at_ms=at_ms,
        room=view,
        seats=0 if sale is None or sale.seating is None else sale.seating.seats,
    )
