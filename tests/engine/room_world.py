"""Drives the engine with one event that has a waiting room, as a node does, and checks it after every step.

Every chore that is due must lead to a fact, whatever is due by itself is done, and the state put together again from
its rows must go on as this one does.
"""

from typing import Any

from msgspec.msgpack import decode as unpack
from msgspec.msgpack import encode as pack

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies as r
from onsale.engine.apply import apply
from onsale.engine.decide import decide
from onsale.engine.invariants import check
from onsale.engine.money import format_minor
from onsale.engine.queue import Queue
from onsale.engine.records import Place, Room
from onsale.engine.restore import restore
from onsale.engine.rules.chores import due, next_due_ms
from onsale.engine.sale import Sale
from onsale.engine.state import State, place_id, state_hash
from onsale.engine.status import HELD, PLACE_WAITING
from onsale.tests.engine.run import RECORDS, keys_as_stored

START_MS = 1_000_000
DAY_MS = 24 * 3600 * 1000
HOLD_MS = 300_000
SEED = bytes(range(32))


def stored_and_restored(state: State) -> State:
    rows: dict[str, Any] = {}
    for name, table in state.tables.items():
        keys = keys_as_stored(state, name)
        rows[name] = [unpack(pack(table.rows[key]), type=RECORDS[name]) for key in keys]
    return restore(state.counters(), **rows, expected_hash=state_hash(state))


class World:
    def __init__(
        self, *, capacity: int = 100, checked: bool = True, room: c.RoomSpec | None = None, **event: Any
    ) -> None:
        self.state = State()
        self.now_ms = START_MS
        self.checked = checked
        self.facts: list[f.Fact] = []
        self.history: list[tuple[int, f.Fact]] = []  # with the time of each
        self.admitted: list[int] = []  # numbers, in the order in which they were let in
        types = (c.TypeSpec("Standing", "10.00", capacity),)
        starts_ms = event.pop("starts_ms", START_MS + DAY_MS)
        self.ask(c.CreateEvent("Jazz", starts_ms, types, room=room, seed=SEED, **event))
        self.do_chores()

    @property
    def sale(self) -> Sale:
        return self.state.sales[1]

    @property
    def queue(self) -> Queue:
        assert self.sale.queue is not None
        return self.sale.queue

    @property
    def room(self) -> Room:
        return self.queue.room

    def ask(self, command: c.Command) -> r.Reply:
        facts, reply, _ = decide(self.state, self.now_ms, command)
        for fact in facts:
            if isinstance(fact, f.QueueAdmitted):
                self._note_admitted(fact)
            apply(self.state, self.now_ms, fact)
        self.facts += facts
        self.history += [(self.now_ms, fact) for fact in facts]
        assert not isinstance(reply, r.Refusal) or not any(isinstance(fact, f.QueueJoined) for fact in facts)
        assert r.decode(r.encode(reply)) == reply
        if self.checked:
            check(self.state)
        return reply

    def _note_admitted(self, fact: f.QueueAdmitted) -> None:
        rows = self.state.places.rows
        for number in range(self.room.served_through + 1, fact.through + 1):
            place = rows.get(place_id(1, self.queue.arrival_of(number)))
            if place is not None and place.status == PLACE_WAITING:
                self.admitted.append(number)

    def do_chores(self) -> None:
        for _ in range(10_000):
            chores = due(self.state, self.now_ms, HOLD_MS, 100)
            if not chores:
                break
            for chore in chores:
                before = len(self.facts)
                self.ask(chore)
                assert len(self.facts) > before, f"{chore} was due and led to nothing"
        else:
            raise AssertionError("chores without an end")
        next_ms = next_due_ms(self.state)
        assert next_ms is None or next_ms > self.now_ms

    def wait(self, ms: int) -> None:
        """Time passes, and what becomes due meanwhile is done when it is due."""
        until_ms = self.now_ms + ms
        while True:
            next_ms = next_due_ms(self.state)
            if next_ms is None or next_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, next_ms)
            self.do_chores()
        self.now_ms = until_ms

    def join(self, user_id: str) -> Any:
        reply = self.ask(c.JoinQueue(user_id, 1))
        self.do_chores()
        return reply

    def leave(self, user_id: str) -> Any:
        reply = self.ask(c.LeaveQueue(1, self.place(user_id).arrival))
        self.do_chores()
        return reply

    def book(self, user_id: str, quantity: int = 1, *, as_of: str | None = None, waitlist: bool = True) -> Any:
        """`as_of`: whose place it is that they show."""
        place = self.queue.by_user.get(as_of or user_id) if self.sale.queue is not None else None
        number = 0 if place is None else place.id
        reply = self.ask(c.Book(user_id, 1, HOLD_MS, quantity=quantity, place_id=number, waitlist=waitlist))
        self.do_chores()
        return reply

    def pay(self, user_id: str) -> Any:
        """Pays for the first hold, if there is one."""
        held = [booking for booking in self.sale.bookings_of(user_id) if booking.status == HELD]
        if not held:
            return None
        started = self.ask(c.StartPayment(user_id, 1, format_minor(held[0].amount_minor, "EUR"), held[0].id))
        assert isinstance(started, r.PaymentUnderway)
        paid = self.ask(c.SettlePayment(started.payment_id, c.PaymentSucceededOutcome("pi"), HOLD_MS))
        self.do_chores()
        return paid

    def change(self, **changes: Any) -> Any:
        reply = self.ask(c.ChangeEvent(1, seed=SEED[::-1], **changes))
        self.do_chores()
        return reply

    def place(self, user_id: str) -> Place:
        return self.queue.by_user[user_id]

    def check_restored(self) -> None:
        """What follows from the rows is what `apply` made of the facts."""
        again = stored_and_restored(self.state)
        assert state_hash(again) == state_hash(self.state)
        assert sorted(again.rooms_due.pairs()) == sorted(self.state.rooms_due.pairs())
        assert sorted(again.room_turns.pairs()) == sorted(self.state.room_turns.pairs())
        assert again.rooms_emptying == self.state.rooms_emptying
        mine, theirs = self.sale.queue, again.sales[1].queue
        assert (mine is None) == (theirs is None)
        if mine is None or theirs is None:
            return
        assert {user: place.id for user, place in mine.by_user.items()} == {
            user: place.id for user, place in theirs.by_user.items()
        }
        mine.settle_all()
        for arrival in range(mine.room.forgotten + 1, mine.room.arrivals + 1):
            place = self.state.places.rows[place_id(1, arrival)]
            number = mine.number_of(arrival)
            assert theirs.number_of(arrival) == number
            if place.status == PLACE_WAITING and number:
                assert theirs.position(number) == mine.position(number)
