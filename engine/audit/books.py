"""The auditor's own books: what it knows of events, stock, bookings and money, kept apart from the engine's state.

Owns their shapes, and the counting that follows from a booking's status. It shares with the engine the tables of
status.py (what is allowed) and nothing that is derived. What is wrong is noted as a fault, and the audit goes on.
"""

from collections import Counter, deque

import msgspec

from ..limits import KEY_KEPT_MS
from ..status import (
    BOOKING_FOLLOWERS,
    BOOKING_NAMES,
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    NEW,
    PLACE_ADMITTED,
    PLACE_HOLDING,
    PLACE_INSIDE,
    PLACE_LAPSED,
    PLACE_SERVED,
    PLACE_WAITING,
    WAITING,
    WAITLIST_STRICT,
)

STATUS_NAMES = {NEW: "new"} | BOOKING_NAMES
# 1 where a booking of that status counts, by status
AS_HELD = tuple(int(status in COUNTS_AS_HELD) for status in range(len(STATUS_NAMES)))
AS_SOLD = tuple(int(status in COUNTS_AS_SOLD) for status in range(len(STATUS_NAMES)))
FOR_USER = tuple(int(status in COUNTS_FOR_USER) for status in range(len(STATUS_NAMES)))

assert set(STATUS_NAMES) == set(range(len(STATUS_NAMES)))


class Fault(msgspec.Struct, frozen=True):
    """A promise that the fact at `seq` breaks."""

    seq: int
    at_ms: int
    what: str


class Visit(msgspec.Struct, gc=False):
    """Somebody's place in a waiting room."""

    arrival: int
    user_id: str
    seq: int
    status: int = PLACE_WAITING
    expires_ms: int = 0  # when the turn ends
    holds: int = 0  # bookings held in it
    claims: int = 0  # bookings made in it that have not ended


class RoomBook(msgspec.Struct, gc=False):
    """A waiting room."""

    admit_per_minute: int
    max_inside: int | None
    opens_ms: int
    shuffle: bool
    turn_ms: int
    state: int
    seed: bytes
    opened: bool = False
    visits: dict[int, Visit] = msgspec.field(default_factory=dict)  # by arrival, those who are not forgotten
    visit_of: dict[str, Visit] = msgspec.field(default_factory=dict)  # by user, the latest
    arrivals: int = 0
    digest: bytes = b""  # over all who came before the opening
    order: list[int] = msgspec.field(default_factory=list)  # the arrivals drawn by lot, by number
    numbers: dict[int, int] = msgspec.field(default_factory=dict)  # the other way round
    through: int = 0  # numbers up to here were admitted
    inside: int = 0
    paced_us: int = 0  # up to when the rate is used up

    def number_of(self, arrival: int) -> int:
        """0: it has none before the opening."""
        if self.shuffle and not self.opened:
            return 0
        return self.numbers.get(arrival, arrival)

    def draw(self, order: list[int]) -> None:
        self.order = order
        self.numbers = {arrival: number for number, arrival in enumerate(order, 1)}


class Show(msgspec.Struct, gc=False):
    """An event, and its money."""

    id: int
    currency: str
    waitlist: int
    opens_ms: int
    closes_ms: int
    max_per_user: int
    max_holds_per_user: int | None
    cancelled: bool = False
    closed: bool = False
    stock_ids: list[int] = msgspec.field(default_factory=list)
    archived: int = 0  # tickets whose bookings were, for it is over
    booked: bool = False  # someone has booked, so its currency is settled
    tickets_of: dict[str, int] = msgspec.field(default_factory=dict)  # by user, what counts against the limit
    holds_of: dict[str, int] = msgspec.field(default_factory=dict)  # by user, bookings held
    paid_minor: int = 0  # for bookings
    refunding_minor: int = 0  # of that, asked for and not back yet
    refunded_minor: int = 0
    surplus_minor: int = 0  # paid for nothing
    surplus_refunding_minor: int = 0
    surplus_refunded_minor: int = 0
    known: tuple[object, ...] = ()  # what those who have tickets must know of it
    told: int = 0  # bookings up to this one know what has changed
    tell_below: int = 0  # and those below this one are to
    webhook_url: str | None = None  # of its organiser
    webhook_disabled: bool = False
    challenge: int = 0
    offer_ms: int | None = None
    room: RoomBook | None = None
    removed_room: RoomBook | None = None  # nobody needs it any more, and its places are being forgotten
    seat_types: list[int] = msgspec.field(default_factory=list)  # of each seat, the ticket type
    seat_counts: dict[int, int] = msgspec.field(default_factory=dict)  # by ticket type, how many seats
    taken: "dict[int, Claim]" = msgspec.field(default_factory=dict)  # by seat, who has it

    @property
    def strict(self) -> bool:
        return self.waitlist == WAITLIST_STRICT


class Stock(msgspec.Struct, gc=False):
    """A ticket type and its line."""

    id: int
    show: Show
    name: str
    price_minor: int
    capacity: int
    held: int = 0
    sold: int = 0
    waiting: int = 0
    # by quantity, in the order of joining; who has left stays in there until they come to the front
    queues: "dict[int, deque[Claim]]" = msgspec.field(default_factory=dict)

    @property
    def free(self) -> int:
        return self.capacity - self.held - self.sold

    def __str__(self) -> str:
        return f'"{self.name}" of event {self.show.id}'


class Claim(msgspec.Struct, gc=False):
    """A booking."""

    id: int
    user_id: str
    stock: Stock
    quantity: int
    amount_minor: int
    seq: int
    status: int = NEW
    held_ms: int = 0
    expires_ms: int = 0
    pinned_ms: int = 0
    payment_id: int = 0
    paid_minor: int = 0
    refunding_minor: int = 0
    refunded_minor: int = 0
    unsettled: int = 0  # payments and refunds without the provider's last word
    keyed: bool = False  # an idempotency key answers for it
    shown: int = 0  # a bit for each of its tickets that admitted somebody
    also: list[Stock] = msgspec.field(default_factory=list)  # while it waits, the further lines it stands in
    seats: tuple[int, ...] = ()
    offered: bool = False  # its tickets came from the line
    visit: Visit | None = None  # the turn in which it was made

    def waits_for(self, stock: Stock) -> bool:
        return self.status == WAITING and (self.stock is stock or stock in self.also)


class Attempt(msgspec.Struct, gc=False):
    """A payment without the provider's last word."""

    id: int
    claim: Claim
    amount_minor: int
    status: int
    reference: str | None = None  # the provider's name for it
    answered: bool = False  # whoever asked was told that it is under way


class MoneyBack(msgspec.Struct, gc=False):
    """A refund that is not back yet."""

    id: int
    claim: Claim
    amount_minor: int
    surplus: bool
    failed: bool = False  # refused by the provider, and not asked for again


class UsedKey(msgspec.Struct, gc=False):
    """An idempotency key, and what its request made: the kind of thing and its id."""

    fingerprint: bytes
    made: tuple[str, int] | None
    at_ms: int


class Node(msgspec.Struct, gc=False, frozen=True):
    """A member of the cluster, as it was saved last."""

    node_id: bytes
    voting: bool
    replication: str
    http: str


class Books:
    def __init__(self, faults_max: int) -> None:
        self.seq = 0
        self.at_ms = 0
        self.shows: dict[int, Show] = {}
        self.stocks: dict[int, Stock] = {}
        self.claims: dict[int, Claim] = {}
        self.away: dict[int, Claim] = {}  # paid, of events that are over: archived by the engine
        self.opened_midway = False  # what came before is not known
        self.attempts: dict[int, Attempt] = {}
        self.refunds: dict[int, MoneyBack] = {}
        self.keys: dict[bytes, UsedKey] = {}
        self.key_order: deque[tuple[int, bytes]] = deque()  # (when used, digest), oldest first
        self.last_claim_id = 0
        self.last_attempt_id = 0
        self.last_refund_id = 0
        self.nodes: dict[str, Node] = {}
        self.epochs: dict[int, tuple[int, str]] = {}  # where each began and who leads in it, in order
        self.epoch = 0  # the last of them
        self.sync_standbys = 0
        self.has_ticket_key = False
        self.challenges: dict[bytes, int] = {}  # that were used: until when each would be taken
        self.challenges_live = 0  # of them, those that were live when the others were forgotten last
        self.challenges_used = 0  # in the batch that is being audited
        self.challenges_needed = 0
        self.provider_events: dict[str, int] = {}  # when they were taken, oldest first
        self.concerns: dict[str, bool] = {}  # whether they are open
        self.reachable: dict[str, int] = {}  # by user, who can be reached: see messages.py
        self.mail = False  # messages are owed by e-mail
        self.last_notice_id = 0
        self.owed: set[int] = set()  # messages, by number
        self.given_up: set[int] = set()
        self.batch_epoch: int | None = None  # what the batch says that is being audited; None: that is not known
        self.batch_first_seq = 0
        self.retired: Counter[int] = Counter()  # bookings that have left the books, by status
        # what the last facts leave to be done by the very next one
        self.due: dict[int, Stock] = {}  # free tickets of these belong to the next in line
        self.due_since_seq = 0
        self.served = 0  # promoted, or told that they never can be, one after the other
        self.due_refund: Attempt | None = None  # it paid for nothing, and goes back
        self.faults: list[Fault] = []
        self.faults_in_all = 0
        self._faults_max = faults_max

    def fault(self, what: str) -> None:
        self.faults_in_all += 1
        if len(self.faults) < self._faults_max:
            self.faults.append(Fault(self.seq, self.at_ms, what))

    def become(self, claim: Claim, status: int) -> None:
        """Count a booking under its new status. Faults: it may not follow on the old one, or there is no stock."""
        before = claim.status
        if status not in BOOKING_FOLLOWERS[before]:
            self.fault(f"booking {claim.id}, {STATUS_NAMES[before]}, can't become {STATUS_NAMES[status]}")
        self.place(claim, status)
        if claim.visit is not None:
            self._follow_turn(claim, claim.visit, before)
        stock = claim.stock
        taken = stock.held + stock.sold
        if taken > stock.capacity:
            self.fault(f"sold twice: {taken} tickets {stock} are taken, and there are {stock.capacity} in all")

    def place(self, claim: Claim, status: int) -> None:
        """Count a booking under this status, no longer under the one it had."""
        before, claim.status = claim.status, status
        stock = claim.stock
        held, sold = AS_HELD[status] - AS_HELD[before], AS_SOLD[status] - AS_SOLD[before]
        stock.held += held * claim.quantity
        stock.sold += sold * claim.quantity
        if WAITING in (before, status):
            for each in (stock, *claim.also):
                each.waiting += 1 if status == WAITING else -1
        if claim.seats and held + sold:
            self._occupy(claim, free=held + sold < 0)
        if held:
            _count(stock.show.holds_of, claim.user_id, held)
        counts = FOR_USER[status] - FOR_USER[before]
        if counts:
            _count(stock.show.tickets_of, claim.user_id, counts * claim.quantity)

    def _follow_turn(self, claim: Claim, visit: Visit, before: int) -> None:
        """What becomes of a turn in the waiting room with a booking that was made in it.

        Whoever has tickets, or waits in line, and holds nothing more needs the turn no longer.
        """
        show, status = claim.stock.show, claim.status
        visit.holds += AS_HELD[status] - AS_HELD[before]
        visit.claims += FOR_USER[status] - FOR_USER[before]
        room = show.room
        if room is None or room.visits.get(visit.arrival) is not visit:
            return
        if visit.status == PLACE_LAPSED and AS_SOLD[status] > AS_SOLD[before]:
            visit.status = PLACE_SERVED
        if visit.status not in PLACE_INSIDE:
            return
        if visit.holds:
            visit.status = PLACE_HOLDING
        else:
            self.turn_becomes(room, visit, PLACE_SERVED if visit.claims else PLACE_ADMITTED)

    def turn_becomes(self, room: RoomBook, visit: Visit, status: int) -> None:
        room.inside += (status in PLACE_INSIDE) - (visit.status in PLACE_INSIDE)
        visit.status = status

    def _occupy(self, claim: Claim, *, free: bool) -> None:
        taken = claim.stock.show.taken
        for seat in claim.seats:
            has = taken.get(seat)
            if free and has is claim:
                del taken[seat]
            elif not free:
                if has is not None and has is not claim:
                    self.fault(f"seat {seat} went to booking {claim.id}, and booking {has.id} has it")
                taken[seat] = claim

    def use_key(self, digest: bytes, fingerprint: bytes, made: tuple[str, int] | None) -> None:
        """Faults: the key, while it is kept, names two requests, or made two things."""
        known = self.kept_key(digest)
        if known is None:
            self.keys[digest] = UsedKey(fingerprint, made, self.at_ms)
            self.key_order.append((self.at_ms, digest))
            self._forget_keys()
            return
        if known.fingerprint != fingerprint:
            self.fault(f"idempotency key {digest.hex()} answers two different requests")
        if known.made is not None and made is not None and known.made != made:
            first, second = (f"{kind} {number}" for kind, number in (known.made, made))
            self.fault(f"idempotency key {digest.hex()} was applied twice: it made {first} and {second}")
        known.made = known.made or made
        known.at_ms = self.at_ms

    def kept_key(self, digest: bytes) -> UsedKey | None:
        known = self.keys.get(digest)
        return known if known is not None and known.at_ms + KEY_KEPT_MS > self.at_ms else None

    def _forget_keys(self) -> None:
        order = self.key_order
        while order and order[0][0] + KEY_KEPT_MS <= self.at_ms:
            used_ms, digest = order.popleft()
            if self.kept_key(digest) is None:
                self.keys.pop(digest, None)
            elif self.keys[digest].at_ms > used_ms:
                order.append((self.keys[digest].at_ms, digest))


def _count(counts: dict[str, int], user_id: str, more: int) -> None:
    count = counts.get(user_id, 0) + more
    if count:
        counts[user_id] = count
    else:
        counts.pop(user_id, None)
