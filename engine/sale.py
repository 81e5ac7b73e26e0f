"""An event with everything a booking needs to look up: its ticket types, lines, seats, and who has what.

Owns the indexes of one event, derived from the rows of its bookings; changes/ keeps them exact.
"""

from collections.abc import Iterable

from .blocks import ByName
from .limits import PAID_KEPT_MS
from .line import Line
from .queue import Queue
from .records import Booking, Event, TicketType
from .seats import Seating
from .status import WAITLIST_STRICT


class Claims:
    """What one user has at one event, where it is more than one booking."""

    __slots__ = ("bookings", "tickets")

    def __init__(self, first: Booking) -> None:
        self.bookings: dict[int, Booking] = {first.id: first}
        self.tickets = first.quantity


class Owed:
    """What is still owed to those who booked an event, counted."""

    __slots__ = ("deliveries", "deliveries_dead", "refunds", "refunds_failed")

    def __init__(self) -> None:
        self.refunds = 0  # asked for, and the provider has not had its last word
        self.refunds_failed = 0  # the provider refused: a person must look
        self.deliveries = 0  # messages to be sent
        self.deliveries_dead = 0  # given up: a person must look


class Sale:
    """An event with everything a booking needs to look up."""

    __slots__ = (
        "archive_ms",
        "archived",
        "claims",
        "event",
        "lapsed",
        "lines",
        "owed",
        "queue",
        "seating",
        "settled",
        "types",
        "types_by_name",
    )

    def __init__(self, event: Event) -> None:
        self.event = event
        self.types: dict[int, TicketType] = {}
        self.types_by_name: dict[str, TicketType] = {}
        self.lines: dict[int, Line] = {}
        # by user, what counts against the limit; nearly always one booking, so it stands there itself
        self.claims: ByName[Booking | Claims] = ByName()
        self.lapsed: ByName[int] = ByName()  # by user, the booking that lapsed last and is still in memory
        self.settled = 0  # bookings in memory with `is_settled`
        self.archived = 0  # tickets sold whose bookings have left memory
        self.archive_ms = 0  # when the next of them may; 0: there are none, or the sale is not over
        self.owed = Owed()
        self.queue: Queue | None = None  # None: it has no waiting room
        self.seating: Seating | None = None  # None: it has no seat map

    @property
    def closes_ms(self) -> int:
        return self.event.starts_ms if self.event.ends_ms is None else self.event.ends_ms

    @property
    def over_ms(self) -> int:
        return self.closes_ms + PAID_KEPT_MS

    def is_over(self, now_ms: int) -> bool:
        """Nobody is let in any more, and paid bookings leave memory; see rules/past.py."""
        return self.over_ms <= now_ms

    @property
    def strict(self) -> bool:
        return self.event.waitlist == WAITLIST_STRICT

    def add_type(self, ticket_type: TicketType) -> None:
        self.types[ticket_type.id] = ticket_type
        self.types_by_name[ticket_type.name] = ticket_type
        self.lines[ticket_type.id] = Line()

    def find_type(self, wanted: int | str | None) -> TicketType | None:
        """By id or name; None finds the only one there is."""
        if wanted is None:
            return next(iter(self.types.values())) if len(self.types) == 1 else None
        if isinstance(wanted, int):
            return self.types.get(wanted)
        named = self.types_by_name.get(wanted)
        if named is None and wanted.isascii() and wanted.isdigit() and len(wanted) < 20:
            return self.types.get(int(wanted))
        return named

    def claim(self, booking: Booking) -> None:
        held = self.claims.setdefault(booking.user_id, booking)
        if held is booking:  # by far the most
            return
        if isinstance(held, Booking):
            claims = self.claims[booking.user_id] = Claims(held)
            claims.bookings[booking.id] = booking
            claims.tickets += booking.quantity
        else:
            held.bookings[booking.id] = booking
            held.tickets += booking.quantity

    def unclaim(self, booking: Booking) -> None:
        user_id = booking.user_id
        held = self.claims[user_id]
        if isinstance(held, Booking):
            assert held is booking
            if (self.event.cancelled or self.event.closed) and next(reversed(self.claims)) == user_id:
                self.claims.popitem()  # leaves no hole at the end, where chores look for the next
            else:
                del self.claims[user_id]
            return
        del held.bookings[booking.id]
        held.tickets -= booking.quantity
        if len(held.bookings) == 1:
            (self.claims[user_id],) = held.bookings.values()

    def tickets_of(self, user_id: str) -> int:
        held = self.claims.get(user_id)
        if held is None:
            return 0
        return held.quantity if isinstance(held, Booking) else held.tickets

    def lines_of(self, booking: Booking) -> list[tuple[TicketType, int]]:
        """The lines in which someone waits, with the number there; one, but for those who take any of several types."""
        lines = [(self.types[booking.ticket_type_id], booking.line_number)]
        for place in booking.also.split(",") if booking.also else ():
            type_id, number = place.split(":")
            lines.append((self.types[int(type_id)], int(number)))
        return lines

    def position_of(self, booking: Booking) -> int:
        """Of someone who waits: 1 at the head; in the line where fewest are ahead."""
        if not booking.also:
            return self.lines[booking.ticket_type_id].position(booking.line_number)
        return min(self.lines[each.id].position(number) for each, number in self.lines_of(booking))

    def seat_names(self, seats: Iterable[int]) -> tuple[str, ...]:
        return () if self.seating is None else tuple(self.seating.name(seat) for seat in seats)

    def bookings_of(self, user_id: str) -> list[Booking]:
        held = self.claims.get(user_id)
        if held is None:
            return []
        return [held] if isinstance(held, Booking) else list(held.bookings.values())
