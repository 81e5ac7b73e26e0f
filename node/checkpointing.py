"""When a checkpoint is taken, and what of the state it takes.

Owns the changes between the moment they leave the tables and the moment SQLite has them. A checkpoint is taken right
behind a batch and handed over once that batch is durable, so the database is never ahead of the journal. Taking is
bounded: many small checkpoints instead of a rare long one.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from ..engine.records import Booking, Notice, Refund
from ..engine.state import State, state_hash
from ..engine.table import Changes
from ..journal.checkpoint import Position

ROWS_WORTH_A_CHECKPOINT = 8_192
SECONDS_BETWEEN_MAX = 30.0


class Taken(msgspec.Struct):
    """What one checkpoint writes."""

    seq: int
    at_ms: int
    state_hash: str
    counters: dict[str, int]
    tables: dict[str, Changes[Any, Any]]
    notices: list[Notice]


class Writer(Protocol):
    """journal.checkpoint.CheckpointWriter."""

    @property
    def busy(self) -> bool: ...

    def hand_over(self, changes: dict[str, Changes[Any, Any]], notices: list[Notice], position: Position) -> None: ...


def take(state: State) -> Taken:
    """Everything that changed since the last call."""
    tables = {name: table.take_changes() for name, table in state.tables.items()}
    notices, state.notices = state.notices, []
    return Taken(state.seq, state.at_ms, state_hash(state), state.counters(), tables, notices)


class Checkpointing:
    def __init__(
        self,
        state: State,
        writer: Writer,
        *,
        epoch: int,
        journal_id: bytes,
        seq: int,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seq = seq  # of the last checkpoint that is on disk
        self._state = state
        self._writer = writer
        self._epoch = epoch
        self._journal_id = journal_id
        self._seconds = seconds
        self._last_taken = self._handed_over_at = seconds()
        self._taken: Taken | None = None  # until SQLite has it

    def handed_over(self) -> None:
        """A batch went to the journal, and nothing is staged behind it: the moment to take one, if it is time."""
        if self._taken is not None or self._writer.busy:
            return
        state = self._state
        rows = len(state.bookings.changed) + len(state.keys.changed) + len(state.notices)
        if rows >= ROWS_WORTH_A_CHECKPOINT or self._seconds() - self._last_taken >= SECONDS_BETWEEN_MAX:
            self._last_taken = self._seconds()
            self._taken = take(state)

    def became_durable(self, seq: int, chain_hash: bytes) -> None:
        """Hand over what was taken at this batch's end."""
        taken = self._taken
        if taken is not None and taken.seq == seq:
            self._hand_over(taken, chain_hash)

    def take_now(self, chain_hash: bytes) -> None:
        """A last one, when nothing is staged or under way and the writer is not busy."""
        if self._state.seq > self.seq:
            self._taken = take(self._state)
            self._hand_over(self._taken, chain_hash)

    def done(self, seq: int) -> float:
        """SQLite has it. How many seconds that took."""
        self.seq = seq
        self._taken = None
        return self._seconds() - self._handed_over_at

    def _hand_over(self, taken: Taken, chain_hash: bytes) -> None:
        position = Position(
            epoch=self._epoch,
            seq=taken.seq,
            at_ms=taken.at_ms,
            chain_hash=chain_hash,
            state_hash=taken.state_hash,
            journal_id=self._journal_id,
            counters=taken.counters,
        )
        self._handed_over_at = self._seconds()
        self._writer.hand_over(taken.tables, taken.notices, position)

    # --- what has not reached the database yet

    def recent_bookings(self) -> Iterator[Booking]:
        """Bookings that are newer in memory than in the database."""
        if self._taken is not None:
            yield from self._taken.tables["bookings"].changed.values()
            yield from self._taken.tables["bookings"].archived.values()
        yield from self._state.bookings.changed.values()
        yield from self._state.bookings.archived.values()

    def recent_refunds(self) -> Iterator[Refund]:
        if self._taken is not None:
            yield from self._taken.tables["refunds"].changed.values()
            yield from self._taken.tables["refunds"].archived.values()
        yield from self._state.refunds.changed.values()
        yield from self._state.refunds.archived.values()

    def recent_notices(self) -> Iterator[Notice]:
        if self._taken is not None:
            yield from self._taken.notices
        yield from self._state.notices
