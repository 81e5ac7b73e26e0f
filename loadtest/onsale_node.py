"""A node in simulated time, as far as the engine goes: it decides, applies, journals, restarts and fails over.

Owns one state and the journal that led to it. Facts of one moment are one batch, encoded as the journal has them; what
is stored for a restart is rows, encoded as a checkpoint has them. No disk, no network, no clock: time is handed in.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.msgpack import decode, encode

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.commands import Command
from ..engine.decide import decide
from ..engine.limits import HOLD_MS_DEFAULT
from ..engine.replies import Reply
from ..engine.restore import restore
from ..engine.rules import chores
from ..engine.sale import Sale
from ..engine.state import State, state_hash
from ..journal.checkpoint_schema import LIVE

HOLD_MS = HOLD_MS_DEFAULT
CHORES_PER_SLICE = 256
Watch = Callable[[State, int, f.Fact], None]


class DivergedError(Exception):
    """A state that was put together again is another one."""


class Batch(NamedTuple):
    first_seq: int
    at_ms: int
    payload: bytes


class Node:
    def __init__(self, watches: tuple[Watch, ...] = ()) -> None:
        """Each of `watches` is called with every fact right after it is applied."""
        self.state = State()
        self.journal: list[Batch] = []
        self.facts = 0
        self._watches = watches
        self._pending: list[f.Fact] = []

    def sale(self, event_id: int) -> Sale:
        """Look it up each time: after a restart it is another one."""
        return self.state.sales[event_id]

    def ask(self, now_ms: int, command: Command) -> Reply:
        decided = decide(self.state, now_ms, command)
        for fact in decided.facts:
            apply(self.state, now_ms, fact)
            self._pending.append(fact)
            for watch in self._watches:
                watch(self.state, now_ms, fact)
        return decided.reply

    def do_chores(self, now_ms: int) -> None:
        """Everything that is due by now.

        Raises DivergedError when what is due leads to nothing: then what the engine says is due is not.
        """
        while due := chores.due(self.state, now_ms, HOLD_MS, CHORES_PER_SLICE):
            before = self.state.seq
            for command in due:
                self.ask(now_ms, command)
            if self.state.seq == before:
                raise DivergedError(f"{due[0]} and {len(due) - 1} more are due, and lead to no fact")

    def next_due_ms(self) -> int | None:
        return chores.next_due_ms(self.state)

    def commit(self, now_ms: int) -> None:
        """What was decided at this moment is durable: to be called before time goes on."""
        if self._pending:
            self.facts += len(self._pending)
            self.journal.append(Batch(self.state.seq - len(self._pending) + 1, now_ms, f.encode(self._pending)))
            self._pending = []
            self.state.notices.clear()

    def restart(self) -> None:
        """Throw the state away and put it together again from stored rows.

        Raises InconsistentRowsError, DivergedError.
        """
        assert not self._pending, "a node restarts between two moments"
        before, due_ms = state_hash(self.state), self.next_due_ms()
        counters = self.state.counters()
        stored = {name: [encode(row) for row in _in_order(self.state, name)] for name in LIVE}
        self.state = State()
        rows = {name: [decode(row, type=LIVE[name].record) for row in found] for name, found in stored.items()}
        self.state = restore(counters, **rows, expected_hash=before)
        if self.next_due_ms() != due_ms:
            raise DivergedError(f"after a restart something is due at {self.next_due_ms()} ms, and was at {due_ms} ms")

    def fail_over(self) -> None:
        """A standby, which has the journal alone, goes on in this one's place. Raises DivergedError."""
        standby = State()
        for batch in self.journal:
            for fact in f.decode(batch.payload):
                apply(standby, batch.at_ms, fact)
        standby.notices.clear()
        here, there = state_hash(standby), state_hash(self.state)
        if here != there:
            raise DivergedError(f"the standby's state is {here}, the primary's {there}")
        due_ms = self.next_due_ms()
        self.state = standby
        if self.next_due_ms() != due_ms:
            raise DivergedError(f"at the standby something is due at {self.next_due_ms()} ms, and was at {due_ms} ms")


def _in_order(state: State, name: str) -> list[object]:
    """As a checkpoint gives them: by key, or in the order in which they came."""
    rows = state.tables[name].rows
    if LIVE[name].order_by == "place":
        return [*rows.values()]
    return [row for _, row in sorted(rows.items())]
