"""What a booking asks for: which ticket types would do, and which seats.

Owns how a wish is matched with an event's types and seat map, apart from whether it may be served now.
"""

from collections import Counter
from collections.abc import Iterable

from ..commands import Book
from ..records import TicketType
from ..sale import Sale
from ..seats import FREE, Seating
from .shared import InvalidFieldError


class WrongSeatsError(Exception):
    """These seats make no sense: the text says why, `seats` which."""

    def __init__(self, detail: str, seats: Iterable[str]) -> None:
        super().__init__(detail)
        self.seats = list(seats)


class TakenSeatsError(Exception):
    """The seats that were asked for are not free."""

    def __init__(self, detail: str, seats: Iterable[str]) -> None:
        super().__init__(detail)
        self.seats = list(seats)


def wanted_types(sale: Sale, command: Book) -> list[TicketType]:
    """The types that would do, in the order in which they are wanted. Raises InvalidFieldError, WrongSeatsError."""
    if command.seats:
        return [_type_of_seats(sale, command)]
    if command.ticket_types:
        if command.ticket_type is not None:
            raise InvalidFieldError("ticketTypes", "Send either ticketType or ticketTypes.")
        types = [_find(sale, wanted, "ticketTypes") for wanted in command.ticket_types]
        if len({each.id for each in types}) < len(types):
            raise InvalidFieldError("ticketTypes", "A ticket type is listed twice.")
    else:
        types = [_find(sale, command.ticket_type, "ticketType")]
    if command.accessible:
        seating = sale.seating
        if seating is None or not all(seating.count(each.id) for each in types):
            raise InvalidFieldError("accessible", "Only where there is a seat map can accessible seats be asked for.")
        if command.accessible > command.quantity:
            raise InvalidFieldError("accessible", f"There are {command.quantity} tickets for these seats.")
    return types


def _find(sale: Sale, wanted: int | str | None, field: str) -> TicketType:
    found = sale.find_type(wanted)
    if found is not None:
        return found
    names = ", ".join(sale.types_by_name)
    if wanted is None:
        raise InvalidFieldError(field, f"The event has several ticket types; name one of: {names}.")
    raise InvalidFieldError(field, f"The event has no such ticket type; it has: {names}.")


def _type_of_seats(sale: Sale, command: Book) -> TicketType:
    """The ticket type of the seats that were named."""
    names, seating = command.seats, sale.seating
    if seating is None:
        raise WrongSeatsError("This event has no seat map; leave seats out.", names)
    unknown = [name for name in names if seating.find(name) is None]
    if unknown:
        raise WrongSeatsError(f"There is no such seat; GET /events/{sale.event.id}/seats lists them.", unknown)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise WrongSeatsError("A seat is listed twice.", twice)
    if command.quantity != len(names):
        raise WrongSeatsError(f"{len(names)} seats are listed for {command.quantity} tickets.", names)
    types = {seating.type_of(seat) for name in names if (seat := seating.find(name)) is not None}
    if len(types) > 1:
        raise WrongSeatsError("These seats are of several ticket types; book each type on its own.", names)
    (type_id,) = types
    wanted = [command.ticket_type] if command.ticket_type is not None else list(command.ticket_types)
    if wanted and sale.types[type_id] not in [sale.find_type(each) for each in wanted]:
        raise WrongSeatsError(f'These seats are of the ticket type "{sale.types[type_id].name}".', names)
    return sale.types[type_id]


def taken_among(seating: Seating, command: Book) -> list[str]:
    """Which of the seats that were named are not free."""
    return [name for name in command.seats if (seat := seating.find(name)) is None or seating.status(seat) != FREE]


def seats_for(seating: Seating, ticket_type: TicketType, command: Book) -> tuple[int, ...]:
    """The seats for this booking, () where the type has none; there are enough tickets. Raises TakenSeatsError."""
    if command.seats:
        seats = tuple(seat for name in command.seats if (seat := seating.find(name)) is not None)
        taken = taken_among(seating, command)
        if taken:
            raise TakenSeatsError(f"Not free any more: {', '.join(taken)}.", taken)
        return tuple(sorted(seats))
    if not seating.count(ticket_type.id):
        return ()
    best = seating.best(ticket_type.id, command.quantity, accessible=command.accessible)
    if best is None:
        raise TakenSeatsError("There are not so many accessible seats free.", ())
    return best
