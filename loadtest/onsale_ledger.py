"""A ledger beside a simulated onsale: who was promised what, and whether it was kept.

Owns books of its own, kept from facts and from what people were told, and held against the engine's rows: everybody is
let in by number unless they left, nobody books without a turn, nobody has more than allowed, no ticket is sold twice,
no place is lost. A fault is noted, and the simulation goes on.
"""

from dataclasses import dataclass, field

from ..engine import facts as f
from ..engine.audit.room import drawn
from ..engine.lot import commitment_of, digest_with
from ..engine.state import State, place_id
from ..engine.status import PLACE_ADMITTED, PLACE_LEFT, PLACE_NAMES, PLACE_WAITING

FAULTS_SHOWN_MAX = 20
WAITS, INSIDE, OVER = "waits", "is inside", "is gone"


@dataclass(slots=True)
class Stand:
    """Somebody's place."""

    arrival: int
    user_id: str
    where: str = WAITS
    expires_ms: int = 0


@dataclass(slots=True)
class Tickets:
    user_id: str
    quantity: int
    held: bool  # else in line


@dataclass
class Ledger:
    event_id: int
    capacity: int
    max_per_user: int
    seed: bytes  # of the lot; b"" where none is drawn
    faults: list[str] = field(default_factory=list)
    faults_in_all: int = 0
    stands: list[Stand] = field(default_factory=list)  # by arrival, from 1
    stand_of: dict[str, Stand] = field(default_factory=dict)  # by user, the latest
    promised: dict[int, tuple[str, int]] = field(default_factory=dict)  # by arrival: user, number
    order: list[int] = field(default_factory=list)  # arrivals by number, of those who drew lots
    digest: bytes = b""
    opened: bool = False
    through: int = 0
    waiting: int = 0
    bookings: dict[int, Tickets] = field(default_factory=dict)
    tickets_of: dict[str, int] = field(default_factory=dict)
    taken: int = 0  # tickets, held and sold
    sold: int = 0
    _payments: dict[int, int] = field(default_factory=dict)  # booking by payment

    def fault(self, what: str) -> None:
        self.faults_in_all += 1
        if len(self.faults) < FAULTS_SHOWN_MAX:
            self.faults.append(what)

    def promise(self, user_id: str, arrival: int, number: int) -> None:
        """Somebody was told their place; `number` 0: it is to be drawn."""
        known = self.promised.get(arrival)
        if known is not None and (known[0] != user_id or known[1] not in (0, number)):
            self.fault(f'"{user_id}" was told number {number} for arrival {arrival}, and {known} before')
        self.promised[arrival] = (user_id, number)

    def see(self, state: State, at_ms: int, fact: f.Fact) -> None:
        """A fact that the engine has just applied."""
        match fact:
            case f.QueueJoined():
                self._joined(fact.user_id)
            case f.RoomOpened():
                self._opened(fact.seed)
            case f.QueueAdmitted():
                self._admitted(state, fact)
            case f.QueueLeft():
                self._gone(fact.arrival)
            case f.TurnsLapsed():
                for arrival in fact.arrivals:
                    if self.stands[arrival - 1].expires_ms > at_ms:
                        self.fault(f"the turn of arrival {arrival} ended before its time")
                    self._gone(arrival)
            case f.Held():
                self._check_turn(at_ms, fact.user_id, fact.booking_id)
                self._booked(fact.booking_id, Tickets(fact.user_id, fact.quantity, held=True))
            case f.Waited():
                self._check_turn(at_ms, fact.user_id, fact.booking_id)
                self._booked(fact.booking_id, Tickets(fact.user_id, fact.quantity, held=False))
            case f.Promoted():
                booking = self.bookings[fact.booking_id]
                booking.held = True
                self._take(booking.quantity)
            case f.Lapsed() | f.BookingCancelled():
                self._ended(fact.booking_id)
            case f.PaymentStarted():
                self._payments[fact.payment_id] = fact.booking_id
            case f.PaymentSucceeded():
                self._paid(self._payments[fact.payment_id])
            case _:
                pass

    # --- the waiting room

    def _joined(self, user_id: str) -> None:
        known = self.stand_of.get(user_id)
        if known is not None and known.where == WAITS:
            self.fault(f'"{user_id}" has arrival {known.arrival} and got a second place')
        stand = Stand(len(self.stands) + 1, user_id)
        self.stands.append(stand)
        self.stand_of[user_id] = stand
        self.waiting += 1
        if not self.opened:
            self.digest = digest_with(self.digest, user_id)

    def _opened(self, seed: bytes) -> None:
        if commitment_of(seed) != commitment_of(self.seed):
            self.fault("the lot was drawn from another seed than the one that was committed to")
        self.opened = True
        if not self.seed:
            return
        self.order = drawn(self.seed, self.digest, len(self.stands))
        if sorted(self.order) != list(range(1, len(self.stands) + 1)):
            self.fault("the lot does not give everybody one number")

    def arrival_of(self, number: int) -> int:
        return self.order[number - 1] if number <= len(self.order) else number

    def _admitted(self, state: State, fact: f.QueueAdmitted) -> None:
        """Exactly those who waited with these numbers are inside now."""
        if fact.through < self.through:
            self.fault(f"numbers up to {fact.through} are let in after {self.through}")
        for number in range(self.through + 1, fact.through + 1):
            stand = self.stands[self.arrival_of(number) - 1]
            place = state.places.rows.get(place_id(self.event_id, stand.arrival))
            if place is None:
                self.fault(f'"{stand.user_id}", number {number}, has lost the place')
                continue
            status = PLACE_ADMITTED if stand.where == WAITS else PLACE_LEFT
            if (place.user_id, place.status) != (stand.user_id, status):
                self.fault(
                    f'"{stand.user_id}", number {number}, should be {PLACE_NAMES[status]} when numbers up to '
                    f"{fact.through} are let in, and is {PLACE_NAMES[place.status]}"
                )
            if stand.where == WAITS:
                stand.where, stand.expires_ms = INSIDE, fact.expires_ms
                self.waiting -= 1
        self.through = fact.through
        waiting = state.rooms.rows[self.event_id].waiting
        if waiting != self.waiting:
            self.fault(f"{self.waiting} people wait behind number {self.through}, and the engine says {waiting}")

    def _gone(self, arrival: int) -> None:
        stand = self.stands[arrival - 1]
        if stand.where == OVER:
            self.fault(f"arrival {arrival} is gone, and goes again")
        self.waiting -= stand.where == WAITS
        stand.where = OVER

    def _check_turn(self, at_ms: int, user_id: str, booking_id: int) -> None:
        stand = self.stand_of.get(user_id)
        if stand is None or stand.where != INSIDE or stand.expires_ms <= at_ms:
            where = "never came" if stand is None else stand.where
            self.fault(f'booking {booking_id} was taken without a turn: "{user_id}" {where}')

    # --- tickets

    def _booked(self, booking_id: int, tickets: Tickets) -> None:
        self.bookings[booking_id] = tickets
        has = self.tickets_of[tickets.user_id] = self.tickets_of.get(tickets.user_id, 0) + tickets.quantity
        if has > self.max_per_user:
            self.fault(f'"{tickets.user_id}" has {has} tickets, and may have {self.max_per_user}')
        if tickets.held:
            self._take(tickets.quantity)

    def _take(self, quantity: int) -> None:
        self.taken += quantity
        if self.taken > self.capacity:
            self.fault(f"{self.taken} tickets are taken, and there are {self.capacity}")

    def _ended(self, booking_id: int) -> None:
        tickets = self.bookings.pop(booking_id)
        self.tickets_of[tickets.user_id] -= tickets.quantity
        if tickets.held:
            self.taken -= tickets.quantity

    def _paid(self, booking_id: int) -> None:
        tickets = self.bookings[booking_id]
        self.sold += tickets.quantity
        stand = self.stand_of[tickets.user_id]
        if stand.where == INSIDE:
            stand.where = OVER  # whoever has tickets needs the turn no more

    # --- held against the rows

    def check_places(self, state: State, when: str) -> None:
        """Everybody who was told a place has it, with the number they were told."""
        queue = state.sales[self.event_id].queue
        assert queue is not None
        for arrival, (user_id, number) in self.promised.items():
            place = state.places.rows.get(place_id(self.event_id, arrival))
            if place is None or place.user_id != user_id:
                self.fault(f'{when}: "{user_id}" has lost the place of arrival {arrival}')
            elif number and queue.number_of(arrival) != number:
                self.fault(f'{when}: "{user_id}" was told number {number}, and has {queue.number_of(arrival)}')
            elif (place.status == PLACE_WAITING) != (self.stands[arrival - 1].where == WAITS):
                self.fault(f'{when}: "{user_id}" {self.stands[arrival - 1].where}, and is {PLACE_NAMES[place.status]}')

    def check_order(self, state: State) -> None:
        """By the rows alone: whoever has a lower number was let in no later, or had left before."""
        room = state.rooms.rows[self.event_id]
        latest_ms = 0
        for number in range(1, room.arrivals + 1):
            place = state.places.rows.get(place_id(self.event_id, self.arrival_of(number)))
            if place is None:
                self.fault(f"number {number} has lost the place")
                continue
            who = f'"{place.user_id}", number {number},'
            if number > room.served_through:
                if place.admitted_ms:
                    self.fault(f"{who} was let in, and only numbers up to {room.served_through} were")
            elif place.admitted_ms:
                if place.admitted_ms < latest_ms:
                    self.fault(f"{who} was let in at {place.admitted_ms} ms, and somebody behind at {latest_ms} ms")
                latest_ms = max(latest_ms, place.admitted_ms)
            elif place.status != PLACE_LEFT:
                self.fault(f"{who} was passed, and is {PLACE_NAMES[place.status]}")

    def check_stock(self, state: State) -> None:
        """The engine counts what these books count."""
        types = state.sales[self.event_id].types.values()
        sold, held = sum(each.sold for each in types), sum(each.held for each in types)
        if (sold, sold + held) != (self.sold, self.taken):
            self.fault(f"{self.sold} are sold of {self.taken} taken, and the engine says {sold} of {sold + held}")
