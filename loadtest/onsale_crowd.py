"""People in an onsale, in simulated time: what each of them asks of the node, and what they make of the answers.

Owns the visitors and what they do next, never the clock: `Onsale` (onsale_run.py) calls what is due. An answer that
breaks a promise to the one who asked is a fault in the ledger.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..engine import facts as f
from ..engine.codes import Code
from ..engine.commands import (
    Book,
    Command,
    GiveUp,
    JoinQueue,
    LeaveQueue,
    PaymentFailedOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    StartPayment,
)
from ..engine.money import format_minor
from ..engine.replies import Booked, InLine, PaymentUnderway, Queued, Refusal, Reply
from ..engine.state import State, place_id
from ..engine.status import PLACE_INSIDE
from .onsale_ledger import Ledger
from .onsale_node import HOLD_MS
from .onsale_people import Hold, Person, Trick, Turn

RETRIES_MS = (15_000, 45_000, 120_000)  # of who finds nothing, and does not stand in line
TRICK_MS = 5_000
CARD_MS = 2_000  # until the provider has spoken
OTHER_CARD_MS = 20_000
RETURNS_MS = 10_000
PRICE_MINOR = 4_990


class Clock(Protocol):
    now_ms: int
    opening_ms: int

    def ask(self, command: Command) -> Reply: ...
    def later(self, delay_ms: int, action: Callable[["Visitor"], None], visitor: "Visitor") -> None: ...


@dataclass(slots=True, eq=False)
class Visitor:
    """A person on the way, and what came of it."""

    person: Person
    arrival: int = 0  # of the present place; 0: none
    number: int = 0
    joined_ms: int = 0
    waits: bool = False  # for a turn
    inside: bool = False
    turns: int = 0
    tried: int = 0  # to book, in a turn
    first_tried_ms: int = 0
    given: bool = False  # held tickets, at least for a while
    booking_id: int = 0
    bought: int = 0  # bookings
    in_line: bool = False
    left: bool = False  # gave up waiting, or the turn
    told_ms: int | None = None  # since when they know that tickets will not reach them
    told: int = 0  # how often that changed
    over_ms: int | None = None  # when they knew that there is nothing, whatever they were told
    second_try: bool = False
    card_declined: bool = False


class Crowd:
    def __init__(self, people: list[Person], clock: Clock, ledger: Ledger) -> None:
        self.visitors = [Visitor(person) for person in people]
        self.by_number: list[Visitor | None] = [None]  # from 1
        self.by_arrival: dict[int, Visitor] = {}
        self.refusals: Counter[str] = Counter()
        self.tricks: Counter[str] = Counter()  # refused as they should be
        self._by_user = {each.person.user_id: each for each in self.visitors}
        self._inside: dict[str, Visitor] = {}
        self._clock = clock
        self._ledger = ledger
        self._bookings: dict[int, Visitor] = {}
        self._payers: dict[int, Visitor] = {}
        self._seen_through = 0

    def come(self) -> None:
        """To be called once, at the start: everybody comes at their time."""
        clock = self._clock
        for visitor in self.visitors:
            clock.later(clock.opening_ms + visitor.person.comes_ms - clock.now_ms, self._joins, visitor)

    # --- the waiting room

    def _joins(self, visitor: Visitor) -> None:
        person, clock, event_id = visitor.person, self._clock, self._ledger.event_id
        reply = clock.ask(JoinQueue(person.user_id, event_id))
        if not isinstance(reply, Queued):
            self._refused(reply)
            return
        if not reply.joined:  # the turn lasts, after a hold that lapsed
            if visitor.inside:
                clock.later(1, self._books, visitor)
            return
        visitor.arrival, visitor.number, visitor.waits, visitor.left = reply.arrival, reply.number, True, False
        visitor.joined_ms, visitor.told_ms = clock.now_ms, None if reply.servable else clock.now_ms
        visitor.told += not reply.servable
        self._ledger.promise(person.user_id, reply.arrival, reply.number)
        self.by_arrival[reply.arrival] = visitor
        if reply.arrival != len(self.by_arrival):
            self._ledger.fault(f'"{person.user_id}" is arrival {reply.arrival}, and should be {len(self.by_arrival)}')
        if reply.number:
            self._has_number(visitor)
            self.heeds(visitor)
        from_ms = max(clock.opening_ms - clock.now_ms, 0)
        if person.joins_twice_ms is not None:
            clock.later(person.joins_twice_ms, self._joins_twice, visitor)
        if person.leaves_ms is not None:
            clock.later(from_ms + person.leaves_ms, self._leaves, visitor)
        if person.trick is Trick.NO_TURN:
            clock.later(from_ms + TRICK_MS, self._books_without_turn, visitor)
        elif person.trick is Trick.FOREIGN_PLACE:
            clock.later(from_ms + TRICK_MS, self._books_with_foreign_place, visitor)

    def _has_number(self, visitor: Visitor) -> None:
        while len(self.by_number) <= visitor.number:
            self.by_number.append(None)
        if self.by_number[visitor.number] is not None:
            self._ledger.fault(f"number {visitor.number} was given twice")
        self.by_number[visitor.number] = visitor

    def drawn(self, numbers: dict[int, int]) -> None:
        """The lot gave numbers to those who came before the opening, by arrival."""
        for arrival, number in numbers.items():
            visitor = self.by_arrival.get(arrival)
            if visitor is None:
                self._ledger.fault(f"arrival {arrival} drew number {number}, and nobody was told that they came")
                continue
            self._ledger.promise(visitor.person.user_id, arrival, number)
            if visitor.arrival == arrival:
                visitor.number = number
                self._has_number(visitor)

    def _joins_twice(self, visitor: Visitor) -> None:
        if not visitor.waits and not visitor.inside:
            return
        reply = self._clock.ask(JoinQueue(visitor.person.user_id, self._ledger.event_id))
        if not isinstance(reply, Queued) or reply.joined or reply.arrival != visitor.arrival:
            self._ledger.fault(f'"{visitor.person.user_id}" joined again as arrival {visitor.arrival} and got {reply}')
        self.tricks["joined twice: the same place"] += 1

    def heeds(self, visitor: Visitor) -> None:
        """Somebody who waits may leave for what they were told just now."""
        if visitor.told_ms is not None and visitor.person.heeds_ms is not None:
            self._clock.later(visitor.person.heeds_ms, self._leaves_as_told, visitor)

    def _leaves_as_told(self, visitor: Visitor) -> None:
        if visitor.told_ms is not None:
            self._leaves(visitor)

    def _leaves(self, visitor: Visitor) -> None:
        """For good, unless they are gone already, or it is their turn."""
        if visitor.waits and visitor.over_ms is None:
            self._clock.ask(LeaveQueue(self._ledger.event_id, visitor.arrival))

    def _gives_turn_up(self, visitor: Visitor) -> None:
        if visitor.inside:
            self._clock.ask(LeaveQueue(self._ledger.event_id, visitor.arrival))

    # --- tricks

    def _books_without_turn(self, visitor: Visitor) -> None:
        if visitor.waits:
            self._must_be_refused(visitor, visitor.arrival, "waiting")
        self._must_be_refused(visitor, 0, "missing")

    def _books_with_foreign_place(self, visitor: Visitor) -> None:
        other = next((each for each in reversed(self._inside.values()) if each is not visitor), None)
        if other is not None:
            self._must_be_refused(visitor, other.arrival, "foreign")

    def _must_be_refused(self, visitor: Visitor, arrival: int, reason: str) -> None:
        event_id = self._ledger.event_id
        place = place_id(event_id, arrival) if arrival else 0
        reply = self._clock.ask(Book(visitor.person.user_id, event_id, HOLD_MS, place_id=place))
        if not isinstance(reply, Refusal) or reply.code is not Code.QUEUE_REQUIRED:
            self._ledger.fault(f'"{visitor.person.user_id}" booked with a place that is {reason} and got {reply}')
        elif (reply.extra or {}).get("reason") != reason:
            self._ledger.fault(f'"{visitor.person.user_id}" was refused for {reply.extra}, and not as {reason}')
        else:
            self.tricks[f"booked with a place that is {reason}: refused"] += 1

    def _books_too_many(self, visitor: Visitor) -> None:
        reply = self._book(visitor, self._ledger.max_per_user + 1, waitlist=True)
        if not isinstance(reply, Refusal) or reply.code is not Code.LIMIT_PER_USER:
            self._ledger.fault(f'"{visitor.person.user_id}" asked for more than allowed and got {reply}')
        else:
            self.tricks["booked too many: refused"] += 1

    # --- a turn

    def _looks(self, visitor: Visitor) -> None:
        """Sees that it is their turn."""
        person = visitor.person
        if person.turn is Turn.BOOKS or visitor.second_try:
            self._clock.later(person.chooses_ms, self._books, visitor)
        elif person.turn is Turn.LEAVES:
            self._clock.later(person.chooses_ms, self._gives_turn_up, visitor)

    def _book(self, visitor: Visitor, quantity: int, *, waitlist: bool) -> Reply:
        event_id = self._ledger.event_id
        place = place_id(event_id, visitor.arrival)
        command = Book(visitor.person.user_id, event_id, HOLD_MS, quantity=quantity, waitlist=waitlist, place_id=place)
        return self._clock.ask(command)

    def _books(self, visitor: Visitor) -> None:
        person = visitor.person
        if visitor.booking_id or visitor.over_ms is not None:
            return
        if person.trick is Trick.TOO_MANY and not visitor.tried and visitor.inside:
            self._books_too_many(visitor)
        reply = self._book(visitor, person.quantity, waitlist=False)
        if not visitor.tried:
            visitor.first_tried_ms = self._clock.now_ms
        visitor.tried += 1
        if isinstance(reply, Refusal) and reply.code is Code.SOLD_OUT:
            free = int((reply.extra or {}).get("available", 0))
            if person.takes_fewer and 0 < free < person.quantity:
                reply = self._book(visitor, free, waitlist=False)
            if isinstance(reply, Refusal) and person.stands_in_line:
                reply = self._book(visitor, person.quantity, waitlist=True)
        if isinstance(reply, Booked | InLine):
            visitor.booking_id = reply.booking_id
            if isinstance(reply, InLine):
                visitor.in_line = True
                self._goes_out(visitor)  # who waits in line needs no turn
            else:
                visitor.given = True
                self._decides(visitor, reply.booking_id, Hold.PAYS if visitor.second_try else person.hold)
            return
        self._refused(reply)
        code = reply.code if isinstance(reply, Refusal) else None
        if code is not Code.SOLD_OUT:
            return
        if visitor.tried <= len(RETRIES_MS):
            self._clock.later(RETRIES_MS[visitor.tried - 1], self._books, visitor)
        else:
            visitor.over_ms = self._clock.now_ms

    def _refused(self, reply: Reply) -> None:
        if isinstance(reply, Refusal):
            reason = (reply.extra or {}).get("reason")
            self.refusals[f"{reply.code}, {reason}" if reason else str(reply.code)] += 1
        else:
            self._ledger.fault(f"nobody expected this answer: {reply}")

    # --- a hold, or an offer

    def _decides(self, visitor: Visitor, booking_id: int, hold: Hold) -> None:
        if hold is Hold.PAYS:
            self._clock.later(visitor.person.decides_ms, lambda payer: self._pays(payer, booking_id), visitor)
        elif hold is Hold.GIVES_UP:
            self._clock.later(visitor.person.decides_ms, lambda holder: self._gives_up(holder, booking_id), visitor)

    def _gives_up(self, visitor: Visitor, booking_id: int) -> None:
        if visitor.booking_id == booking_id:
            self._clock.ask(GiveUp(booking_id, HOLD_MS, visitor.person.user_id))

    def _pays(self, visitor: Visitor, booking_id: int) -> None:
        clock, event_id = self._clock, self._ledger.event_id
        if visitor.booking_id != booking_id:
            return  # lapsed before
        tickets = self._ledger.bookings[booking_id].quantity
        amount = format_minor(tickets * PRICE_MINOR, "EUR")
        reply = clock.ask(StartPayment(visitor.person.user_id, event_id, amount, booking_id))
        if isinstance(reply, PaymentUnderway):
            payment_id = reply.payment_id
            self._payers[payment_id] = visitor
            clock.later(CARD_MS, lambda payer: self._card_says(payer, payment_id, booking_id), visitor)
        else:
            self._refused(reply)

    def _card_says(self, visitor: Visitor, payment_id: int, booking_id: int) -> None:
        if visitor.person.card_declined and not visitor.card_declined:
            visitor.card_declined = True
            self._clock.ask(SettlePayment(payment_id, PaymentFailedOutcome("card_declined"), HOLD_MS))
            self._clock.later(OTHER_CARD_MS, lambda payer: self._pays(payer, booking_id), visitor)
        else:
            self._clock.ask(SettlePayment(payment_id, PaymentSucceededOutcome(f"pi_{payment_id}"), HOLD_MS))

    # --- what people see of the facts

    def see(self, state: State, _at_ms: int, fact: f.Fact) -> None:
        match fact:
            case f.QueueAdmitted():
                self._admitted(state, fact)
            case f.QueueLeft():
                visitor = self.by_arrival[fact.arrival]
                visitor.waits, visitor.left = False, True
                self._goes_out(visitor)
            case f.TurnsLapsed():
                for arrival in fact.arrivals:
                    self._turn_lapsed(self.by_arrival[arrival])
            case f.Held() | f.Waited():
                self._bookings[fact.booking_id] = self._by_user[fact.user_id]
            case f.Promoted():
                visitor = self._bookings[fact.booking_id]
                visitor.in_line, visitor.given = False, True
                self._decides(visitor, fact.booking_id, visitor.person.offer)
            case f.Lapsed():
                visitor = self._hold_over(fact.booking_id)
                if visitor.person.joins_again and not visitor.second_try:
                    visitor.second_try = True
                    self._clock.later(RETURNS_MS, self._joins, visitor)
            case f.BookingCancelled():
                self._hold_over(fact.booking_id)
            case f.PaymentSucceeded():
                visitor = self._payers[fact.payment_id]
                visitor.bought += 1
                self._goes_out(visitor)
            case _:
                pass

    def _admitted(self, state: State, fact: f.QueueAdmitted) -> None:
        """Those who are inside from now on, as their own places say."""
        number = self._seen_through
        while number < fact.through:
            number += 1
            visitor = self.by_number[number]
            if visitor is None or not visitor.waits or visitor.number != number:
                continue
            place = state.places.rows.get(place_id(self._ledger.event_id, visitor.arrival))
            if place is not None and place.status in PLACE_INSIDE:
                visitor.waits, visitor.inside, visitor.tried = False, True, 0
                visitor.told_ms = None  # being called in says otherwise
                visitor.turns += 1
                self._inside[visitor.person.user_id] = visitor
                self._clock.later(visitor.person.notices_ms, self._looks, visitor)
        self._seen_through = number

    def _goes_out(self, visitor: Visitor) -> None:
        visitor.inside = False
        self._inside.pop(visitor.person.user_id, None)

    def _turn_lapsed(self, visitor: Visitor) -> None:
        self._goes_out(visitor)
        sought = visitor.booking_id or visitor.given or visitor.tried
        if not sought and visitor.person.joins_again and not visitor.second_try:
            visitor.second_try = True
            self._clock.later(RETURNS_MS, self._joins, visitor)

    def _hold_over(self, booking_id: int) -> Visitor:
        visitor = self._bookings[booking_id]
        if visitor.booking_id == booking_id:
            visitor.booking_id, visitor.in_line = 0, False
        return visitor

    # --- what the room says to all

    def told(self, now_ms: int, before: int, through: int) -> None:
        """Tickets are expected to reach the numbers up to `through`, and were up to `before`."""
        for number in range(min(before, through) + 1, min(max(before, through), len(self.by_number) - 1) + 1):
            visitor = self.by_number[number]
            if visitor is None or visitor.number != number or not visitor.waits:
                continue
            servable = number <= through
            if servable is not (visitor.told_ms is None):
                visitor.told_ms = None if servable else now_ms
                visitor.told += 1
                if visitor.over_ms is None:
                    self.heeds(visitor)

    def sold_out(self, now_ms: int) -> None:
        """Whoever still hopes for a ticket is told that all are sold, and sees it when they look next."""
        for visitor in self.visitors:
            hopes = visitor.waits or visitor.in_line or (visitor.inside and not visitor.booking_id)
            if hopes and visitor.over_ms is None and visitor.joined_ms:
                visitor.over_ms = now_ms + visitor.person.notices_ms
