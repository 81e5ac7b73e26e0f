"""Drives the engine as a node does, with a naive model beside it: every answer and every count must be the same."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Any, NamedTuple
from unittest import mock

import msgspec
from msgspec.msgpack import decode

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies
from onsale.engine.apply import apply
from onsale.engine.audit import line as audit_line
from onsale.engine.audit.auditor import Auditor
from onsale.engine.decide import decide
from onsale.engine.invariants import check
from onsale.engine.records import (
    Booking,
    Challenge,
    Concern,
    Delivery,
    Entry,
    Epoch,
    Event,
    Key,
    Member,
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
from onsale.engine.restore import restore
from onsale.engine.rules import chores, event, past, shared
from onsale.engine.state import State, state_hash
from onsale.engine.status import REFUND_FAILED
from onsale.engine.table import Changes
from onsale.tests.engine.naive_base import NEWS_KNOWN, SOLD
from onsale.tests.engine.naive_model import STATUS_NUMBERS, Answer, Model
from onsale.tests.engine.naive_onsale import PLACE_NUMBERS

START_MS = 1_000_000
RECORDS: dict[str, type[Any]] = {
    "events": Event,
    "ticket_types": TicketType,
    "users": User,
    "bookings": Booking,
    "payments": Payment,
    "refunds": Refund,
    "keys": Key,
    "members": Member,
    "epochs": Epoch,
    "secrets": Secret,
    "entries": Entry,
    "deliveries": Delivery,
    "provider_events": ProviderEvent,
    "concerns": Concern,
    "rooms": Room,
    "places": Place,
    "seat_maps": SeatMap,
    "challenges": Challenge,
}
ORDERED = {  # rows that come back in the order in which they came, which is kept beside them
    "keys": attrgetter("key_order"),
    "provider_events": attrgetter("provider_event_order"),
    "challenges": attrgetter("challenge_order"),
}


def keys_as_stored(state: State, name: str) -> list[Any]:
    """The keys of a table in the order in which a database gives its rows back."""
    rows = state.tables[name].rows
    if name not in ORDERED:
        return sorted(rows)
    keys = {id(row): key for key, row in rows.items()}
    return [keys[id(row)] for row in ORDERED[name](state) if id(row) in keys]


@contextmanager
def ended_at_most(run: "Run", limit: int) -> Iterator[None]:
    """So many bookings that have ended stay in memory for an hour."""
    run.model.ended_max = limit
    with mock.patch.object(past, "ENDED_KEPT_MAX", limit):
        yield


@contextmanager
def promotions_at_most(limit: int) -> Iterator[None]:
    """A step serves so many who wait, and the next steps the rest."""
    with ExitStack() as stack:
        for module in (shared, event, audit_line):
            stack.enter_context(mock.patch.object(module, "PROMOTIONS_PER_STEP_MAX", limit))
        yield


class Stored(NamedTuple):
    counters: dict[str, int]
    hash: str
    rows: dict[str, list[bytes]]

    def restore(self) -> State:
        rows = {name: [decode(row, type=RECORDS[name]) for row in found] for name, found in self.rows.items()}
        return restore(self.counters, **rows, expected_hash=self.hash)


class Database:
    """What a checkpoint does with changes: rows by id, and keys in the order in which they came."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, bytes]] = {name: {} for name in RECORDS}
        self.past: dict[int, bytes] = {}  # bookings

    def write(self, changes: dict[str, Changes[Any, Any]]) -> None:
        for name, changed in changes.items():
            rows = self.tables[name]
            for key in (*changed.forgotten, *changed.archived):
                rows.pop(key, None)
            if name == "bookings":
                for key in changed.recalled:
                    self.past.pop(key, None)
                new = dict(zip(changed.archived, changed.archived_rows, strict=True))
                assert not new.keys() & self.past.keys(), "a row is in two tables"
                self.past.update(new)
            rows.update(zip(changed.changed, changed.changed_rows, strict=True))

    def read(self, state: State) -> Stored:
        rows = {name: list(table.values()) for name, table in self.tables.items()}
        for name in rows.keys() - ORDERED.keys():
            rows[name] = [row for _, row in sorted(self.tables[name].items())]
        return Stored(state.counters(), state_hash(state), rows)


class Run:
    def __init__(self, promotions_max: int, chores_max: int) -> None:
        self.state, self.model = State(), Model(promotions_max)
        self.now_ms = START_MS
        self.chores_max = chores_max
        self.journal: list[tuple[int, bytes]] = []  # of each step: when, and its facts
        self.answers: dict[bytes, replies.Reply] = {}  # to idempotency keys
        self.notices: list[Any] = []  # that checkpoints took
        self.auditor = Auditor()
        self.database = Database()
        self.checkpoints: list[tuple[int, Stored]] = []  # how much of the journal was in it, and what it held

    def ask(self, command: c.Command, key: c.Idempotency | None = None) -> list[f.Fact]:
        state, before = self.state, self.state.seq
        facts, reply, replayed = decide(state, self.now_ms, command, key)
        assert state.seq == before, "deciding changes nothing"
        self._apply(facts)
        expected = self.model.ask(self.now_ms, command, key)
        self._compare(command, expected, facts, reply, replayed, before)
        self._compare_state()
        return facts

    def past(self, booking_id: int) -> Booking | None:
        """As a node finds it that is not in memory any more."""
        if booking_id in self.state.bookings.archived:
            return self.state.bookings.archived[booking_id]
        row = self.database.past.get(booking_id)
        return None if row is None else decode(row, type=Booking)

    def _apply(self, facts: list[f.Fact]) -> None:
        if facts:
            self.journal.append((self.now_ms, f.encode(facts)))
            self.auditor.audit(self.state.seq + 1, self.now_ms, facts)
            assert not self.auditor.faults, f"{self.auditor.faults}\n{facts}"
        for fact in facts:
            apply(self.state, self.now_ms, fact)

    def _compare(
        self,
        command: c.Command,
        expected: Answer,
        facts: list[f.Fact],
        reply: replies.Reply,
        replayed: bool,
        before: int,
    ) -> None:
        context = f"{command}\nexpected {expected}\ngot      {reply}\nfacts    {facts}"
        assert replayed == (expected.replayed is not None), context
        if expected.replayed == NEWS_KNOWN:
            assert isinstance(reply, replies.Done), context
            assert not facts, context
            return
        if expected.replayed is not None:
            assert reply == self.answers[expected.replayed], context
            assert not facts, context
            return
        if expected.kept is not None:
            self.answers[expected.kept] = reply
        if isinstance(command, c.TakeProviderEvent):
            assert facts.pop() == f.ProviderEventTaken(command.event_id), context
            before += not facts  # then it is what the answer rests on
        assert isinstance(facts[-1], f.Keyed) if expected.kept else not any(isinstance(x, f.Keyed) for x in facts), (
            context
        )
        if expected.is_refusal:
            assert isinstance(reply, replies.Refusal), context
            assert reply.code == expected.kind, context
        else:
            assert type(reply).__name__ == expected.kind, context
        for name, value in expected.fields.items():
            if name == "nothing":
                assert all(isinstance(fact, f.Keyed) for fact in facts), context
            elif name == "views":
                assert tuple(msgspec.structs.astuple(view) for view in reply.types) == value, context
            else:
                assert getattr(reply, name) == value, f"{name}\n{context}"
        decided = any(not isinstance(fact, f.Keyed) for fact in facts) or (expected.is_refusal and expected.kept)
        assert reply.seq == before + bool(decided), context
        assert replies.decode(replies.encode(reply)) == reply

    def _compare_state(self) -> None:
        state, model = self.state, self.model
        check(state)
        for number, kind in model.types.items():
            row = state.ticket_types.rows[number]
            assert (row.held, row.sold, row.waiting) == model.counts(kind), number
            assert (row.name, row.price_minor, row.capacity) == (kind["name"], kind["price"], kind["capacity"])
            line = [booking["id"] for booking in model.line(kind)]
            assert list(state.sales[row.event_id].lines[number].bookings()) == line, number
        found = {booking.id: booking.status for booking in state.bookings.rows.values()}
        assert found == {number: STATUS_NUMBERS[row["status"]] for number, row in model.bookings.items()}
        assert state.payments.rows.keys() == model.payments.keys()
        assert state.refunds.rows.keys() == model.refunds.keys()
        self._compare_cluster()
        self._compare_outside()
        self._compare_rooms()
        told = [(notice.user_id, notice.kind, notice.booking_id) for notice in self.notices + state.notices]
        assert told == model.notices

    def _compare_outside(self) -> None:
        state, model = self.state, self.model
        for number, row in model.payments.items():
            found = state.payments.rows[number]
            assert (found.provider_reference, found.answered) == (row["reference"], row["answered"]), number
        for number, row in model.refunds.items():
            refund = state.refunds.rows[number]
            assert (refund.provider_reference, refund.tries) == (row["reference"], row["tries"]), number
            assert (refund.status == REFUND_FAILED) == row["failed"], number
        for number, row in model.bookings.items():
            if row["status"] in SOLD:
                assert state.bookings.rows[number].provider_reference == row.get("reference"), number
        deliveries = {
            number: {"at": d.at_ms, "kind": d.kind, "attempts": d.attempts, "due": d.due_ms, "dead": d.dead}
            for number, d in state.deliveries.rows.items()
        }
        assert deliveries == model.deliveries
        assert state.next_notice_id == model.told + 1
        assert {(entry.booking_id, entry.number) for entry in state.entries.rows.values()} == model.shown
        assert {concern.id: not concern.closed_ms for concern in state.concerns.rows.values()} == model.concerns
        assert state.provider_events.rows.keys() == model.news.keys()

    def _compare_rooms(self) -> None:
        state, model = self.state, self.model
        rooms = {**model.rooms, **model.removed}
        found = {
            number: (row.state, row.opened, row.served_through, row.paced_us, row.forgotten)
            for number, row in state.rooms.rows.items()
        }
        names = ("state", "opened", "through", "paced", "forgotten")
        assert found == {number: tuple(room[name] for name in names) for number, room in rooms.items()}
        places = {(row.event_id, row.arrival): (row.user_id, row.status) for row in state.places.rows.values()}
        assert places == {
            (number, place["arrival"]): (place["user"], PLACE_NUMBERS[place["status"]])
            for number, room in rooms.items()
            for place in room["places"][room["forgotten"] :]
        }
        used = {digest for digest, row in state.challenges.rows.items() if row.expires_ms > self.now_ms}
        assert used <= model.challenges

    def _compare_cluster(self) -> None:
        state, model = self.state, self.model
        members = {name: msgspec.structs.asdict(row) for name, row in state.members.rows.items()}
        for name, row in members.items():
            del row["name"]
            assert row.pop("since_seq") <= state.seq, name
        assert members == model.members
        assert [(row.epoch, row.leader) for row in state.epochs.rows.values()] == model.epochs
        assert (state.epoch, state.leader) == (model.epochs[-1] if model.epochs else (0, ""))
        assert state.sync_standbys == model.sync_standbys
        assert state.ticket_key == model.ticket_key

    def do_chores(self) -> None:
        """All that is due by now."""
        while due := chores.due(self.state, self.now_ms, 300_000, self.chores_max):
            for chore in due:
                assert self.ask(chore), f"{chore} was due and led to nothing"
        overdue = self.model.overdue(self.now_ms)
        assert not overdue
        next_ms = chores.next_due_ms(self.state)
        assert (float("inf") if next_ms is None else next_ms) == self.model.next_due()

    def checkpoint(self) -> None:
        state = self.state
        before = state_hash(state)
        self.database.write({name: table.take_changes() for name, table in state.tables.items()})
        taken, state.notices = state.notices, []
        self.notices += taken
        assert state_hash(state) == before, "taking a checkpoint changes no hash"
        self.checkpoints.append((len(self.journal), self.database.read(state)))

    def replay(self) -> None:
        """The journal from its beginning, and from each checkpoint, leads to the state that is."""
        assert not self.auditor.differences(self.state)
        self._apply_rest(State(), 0)
        for done, stored in self.checkpoints:
            self._apply_rest(stored.restore(), done)

    def _apply_rest(self, state: State, done: int) -> None:
        check(state)
        for at_ms, payload in self.journal[done:]:
            for fact in f.decode(payload):
                apply(state, at_ms, fact)
        check(state)
        assert state_hash(state) == state_hash(self.state)
        assert state.counters() == self.state.counters()
