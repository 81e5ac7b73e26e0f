"""All that is known, in memory: the tables, and the indexes derived from them.

Owns the shape of the state and how an index follows from a row; sale.py has what is of one event. Only `apply` (and
`restore`, at start) changes it; everything else reads. What it holds follows from the facts alone.
"""

from collections import deque
from hashlib import blake2b

from .blocks import ByDigest, ByName, Numbered
from .deadlines import Deadlines
from .limits import ENDED_KEPT_MS, QUANTITY_MAX, WARN_BEFORE_MS_MAX
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
from .sale import Sale
from .status import BOOKING_NAMES, CONFIRMED, ENDED, HELD, PAYING
from .table import Table

TICKET_KEY = "ticket_key"  # the name of the secret
TICKETS_PER_BOOKING = 65_536
assert QUANTITY_MAX < TICKETS_PER_BOOKING


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
        "retirings",
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
        self.users: Table[str, User] = Table("users", ByName)
        self.bookings: Table[int, Booking] = Table("bookings", Numbered)
        self.payments: Table[int, Payment] = Table("payments", Numbered)
        self.refunds: Table[int, Refund] = Table("refunds", Numbered)
        self.keys: Table[bytes, Key] = Table("keys", ByDigest, ordered=True)
        self.members: Table[str, Member] = Table("members")
        self.epochs: Table[int, Epoch] = Table("epochs")  # in their order, the last EPOCHS_KEPT of them
        self.secrets: Table[str, Secret] = Table("secrets")
        self.entries: Table[int, Entry] = Table("entries")  # by entry_id
        self.deliveries: Table[int, Delivery] = Table("deliveries", Numbered)
        self.provider_events: Table[str, ProviderEvent] = Table("provider_events", ByName, ordered=True)
        self.concerns: Table[str, Concern] = Table("concerns")
        self.rooms: Table[int, Room] = Table("rooms")  # by event
        self.places: Table[int, Place] = Table("places", Numbered)  # by place_id
        self.seat_maps: Table[int, SeatMap] = Table("seat_maps")  # by event
        self.challenges: Table[bytes, Challenge] = Table("challenges", ByDigest, ordered=True)
        self.notices: list[Notice] = []  # made since the last checkpoint took them
        # derived
        self.sales: dict[int, Sale] = {}
        self.deadlines = Deadlines()  # of bookings that have not ended
        self.retirings = Deadlines()  # of those that have: when they leave memory
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
    if status in ENDED:
        return 0 if booking.unsettled else booking.ended_ms + ENDED_KEPT_MS
    return 0


def deadlines_of(state: State, booking: Booking) -> Deadlines:
    """Where `deadline_of` stands for a booking in this status."""
    return state.retirings if booking.status in ENDED else state.deadlines
