"""All that is known, in memory: the tables, and the indexes derived from them.

Owns the shape of the state and how an index follows from a row. Only `apply` (and `restore`, at start) changes it;
everything else reads. What it holds follows from the facts alone.
"""

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b

from .deadlines import Deadlines
from .limits import ENDED_KEPT_MS, PAID_KEPT_MS, QUANTITY_MAX, WARN_BEFORE_MS_MAX
from .line import Line
from .numbered import Numbered
from .queue import Queue
from .records import (
    Booking,
    Challenge,
    Concern,
    Delivery,
    Entry,
    Epoch,
    Event,
    Key,
    Member,
    Notice,
    Payment,
    Place,
    ProviderEvent,
    Refund,
    Room,
    SeatMap,
    Secret,
    TicketType,
    User,
)
from .seats import Seating
from .status import BOOKING_NAMES, CANCELLED, CONFIRMED, EXPIRED, HELD, PAYING, REFUNDED, WAITLIST_STRICT
from .table import Table

TICKET_KEY = "ticket_key"  # the name of the secret
TICKETS_PER_BOOKING = 65_536
assert QUANTITY_MAX < TICKETS_PER_BOOKING


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
        self.claims: dict[str, Booking | Claims] = {}
        self.lapsed: dict[str, int] = {}  # by user, the booking that lapsed last and is still in memory
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
        held = self.claims.get(booking.user_id)
        if held is None:
            self.claims[booking.user_id] = booking
        elif isinstance(held, Booking):
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


class State:
    __slots__ = (
        "archivings",
        "at_ms",
        "bookings",
        "challenge_order",
        "challenges",
        "closings",
        "concerns",
        "concerns_open",
        "deadlines",
        "deliveries",
        "deliveries_dead",
        "entries",
        "epochs",
        "events",
        "key_order",
        "keys",
        "mail",
        "members",
        "next_booking_id",
        "next_event_id",
        "next_notice_id",
        "next_payment_id",
        "next_refund_id",
        "next_ticket_type_id",
        "notices",
        "payments",
        "places",
        "promotable",
        "provider_event_order",
        "provider_events",
        "refunds",
        "refunds_failed",
        "room_turns",
        "rooms",
        "rooms_due",
        "rooms_emptying",
        "sales",
        "seat_maps",
        "secrets",
        "seq",
        "status_counts",
        "sweeping",
        "sync_standbys",
        "telling",
        "ticket_types",
        "users",
    )

    def __init__(self) -> None:
        self.seq = 0  # of the last fact applied
        self.at_ms = 0  # its time
        self.next_event_id = 1
        self.next_ticket_type_id = 1
        self.next_booking_id = 1
        self.next_payment_id = 1
        self.next_refund_id = 1
        self.next_notice_id = 1
        self.sync_standbys = 0  # that must have a write on disk before it is answered
        self.mail = 0  # 1: notices are owed by e-mail
        self.events: Table[int, Event] = Table("events")
        self.ticket_types: Table[int, TicketType] = Table("ticket_types")
        self.users: Table[str, User] = Table("users")
        self.bookings: Table[int, Booking] = Table("bookings", Numbered)
        self.payments: Table[int, Payment] = Table("payments")
        self.refunds: Table[int, Refund] = Table("refunds")
        self.keys: Table[bytes, Key] = Table("keys")
        self.members: Table[str, Member] = Table("members")
        self.epochs: Table[int, Epoch] = Table("epochs")  # in their order, the last EPOCHS_KEPT of them
        self.secrets: Table[str, Secret] = Table("secrets")
        self.entries: Table[int, Entry] = Table("entries")  # by entry_id
        self.deliveries: Table[int, Delivery] = Table("deliveries")
        self.provider_events: Table[str, ProviderEvent] = Table("provider_events")
        self.concerns: Table[str, Concern] = Table("concerns")
        self.rooms: Table[int, Room] = Table("rooms")  # by event
        self.places: Table[int, Place] = Table("places", Numbered)  # by place_id
        self.seat_maps: Table[int, SeatMap] = Table("seat_maps")  # by event
        self.challenges: Table[bytes, Challenge] = Table("challenges")
        self.notices: list[Notice] = []  # made since the last checkpoint took them
        # derived
        self.sales: dict[int, Sale] = {}
        self.deadlines = Deadlines()  # of bookings
        self.closings = Deadlines()  # of events' sales
        self.archivings = Deadlines()  # of events: when paid bookings leave memory
        # the rows of `keys`, oldest first; one that was used anew since is not in the table any more
        self.key_order: deque[Key] = deque()
        self.promotable: dict[int, None] = {}  # ticket types whose line can be served further
        self.status_counts: dict[int, int] = dict.fromkeys(BOOKING_NAMES, 0)  # of the bookings in memory
        self.sweeping: dict[int, None] = {}  # events with bookings that must be ended
        self.deliveries_dead: dict[int, None] = {}  # given up: a person must look
        self.concerns_open = 0
        self.refunds_failed: dict[int, None] = {}  # refused by the provider: a person must look
        self.telling: dict[int, None] = {}  # events of whose change not everybody has been told
        self.provider_event_order: deque[ProviderEvent] = deque()  # the rows, oldest first
        self.challenge_order: deque[Challenge] = deque()  # the rows, in the order in which they were used
        self.rooms_due = Deadlines()  # of waiting rooms, by event: when they open, or admit the next
        self.room_turns = Deadlines()  # of places: when a turn ends
        self.rooms_emptying: dict[int, None] = {}  # events whose waiting room has places to be forgotten

    @property
    def tables(self) -> dict[str, Table]:  # type: ignore[type-arg]  # of different rows
        return {
            "events": self.events,
            "ticket_types": self.ticket_types,
            "users": self.users,
            "bookings": self.bookings,
            "payments": self.payments,
            "refunds": self.refunds,
            "keys": self.keys,
            "members": self.members,
            "epochs": self.epochs,
            "secrets": self.secrets,
            "entries": self.entries,
            "deliveries": self.deliveries,
            "provider_events": self.provider_events,
            "concerns": self.concerns,
            "rooms": self.rooms,
            "places": self.places,
            "seat_maps": self.seat_maps,
            "challenges": self.challenges,
        }

    @property
    def epoch(self) -> int:
        """The last one that began; 0: none was ever journaled."""
        rows = self.epochs.rows
        assert isinstance(rows, dict), "in their order"
        return next(reversed(rows), 0)

    @property
    def leader(self) -> str:
        """The name of the member who leads since the last epoch began; "" when none was ever journaled."""
        last = self.epochs.rows.get(self.epoch)
        return "" if last is None else last.leader

    @property
    def voters(self) -> list[Member]:
        """The members that count, the leader among them, by name."""
        return sorted((each for each in self.members.rows.values() if each.voting), key=lambda each: each.name)

    @property
    def ticket_key(self) -> bytes:
        """What signs ticket codes; b"" while none is saved."""
        secret = self.secrets.rows.get(TICKET_KEY)
        return b"" if secret is None else secret.value

    def counters(self) -> dict[str, int]:
        """The numbers that no table holds."""
        return {
            "seq": self.seq,
            "at_ms": self.at_ms,
            "next_event_id": self.next_event_id,
            "next_ticket_type_id": self.next_ticket_type_id,
            "next_booking_id": self.next_booking_id,
            "next_payment_id": self.next_payment_id,
            "next_refund_id": self.next_refund_id,
            "next_notice_id": self.next_notice_id,
            "sync_standbys": self.sync_standbys,
            "mail": self.mail,
        }


def place_id(event_id: int, arrival: int) -> int:
    """Of the n-th who came to an event's waiting room."""
    return event_id << 32 | arrival


def entry_id(booking_id: int, number: int) -> int:
    """Of one of a booking's tickets. There are at most QUANTITY_MAX of them."""
    return booking_id * TICKETS_PER_BOOKING + number


def state_hash(state: State) -> str:
    """32 hex digits over every row and counter: equal on every node that applied the same facts."""
    return hash_of(state.counters(), {name: table.hash() for name, table in state.tables.items()})


def hash_of(counters: dict[str, int], tables: dict[str, int]) -> str:
    """The state's hash, from its counters and the hashes of its tables."""
    whole = blake2b(digest_size=16)
    for name, value in (*counters.items(), *tables.items()):
        whole.update(f"{name}={value};".encode())
    return whole.hexdigest()


def warning_of(held_ms: int, expires_ms: int) -> int:
    """When the user of a hold is told that it is about to lapse."""
    lasts_ms = expires_ms - held_ms
    if lasts_ms >= 5 * WARN_BEFORE_MS_MAX:
        return expires_ms - WARN_BEFORE_MS_MAX
    return expires_ms - max(lasts_ms, 0) // 5


def is_settled(booking: Booking) -> bool:
    """It is paid, and nothing about it is on its way."""
    return booking.status == CONFIRMED and not booking.unsettled


def deadline_of(booking: Booking) -> int:
    """When something is due to happen to a booking by itself; 0: never."""
    status = booking.status
    if status == HELD:
        return booking.expires_ms if booking.warned else warning_of(booking.held_ms, booking.expires_ms)
    if status == PAYING:
        return booking.pinned_ms
    if status in (EXPIRED, CANCELLED, REFUNDED):
        return 0 if booking.unsettled else booking.ended_ms + ENDED_KEPT_MS
    return 0
