"""When a checkpoint is taken, and what of the state it takes.

Owns the changes between the moment they leave the tables and the moment SQLite has them. A checkpoint is of the moment
right behind a batch, and is handed over once that batch is durable, so the database is never ahead of the journal.
Its rows are encoded a few at a time while the loop goes on, so however many there are, none of its turns is long. It
waits for many changes or some time: a booking that is held, paid and confirmed meanwhile is one row, not three.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from ..engine.records import Booking, Notice, Payment, Refund
from ..engine.state import State, hash_of
from ..engine.table import Changes
from ..journal.checkpoint import Position
from .recent import Recent

# applying as many facts again takes a start less than a second; a dict of as many grows in some milliseconds
ROWS_WORTH_A_CHECKPOINT = 160_000
SECONDS_BETWEEN_MAX = 30.0
ROWS_PER_SLICE = 256  # a quarter of a millisecond
SECONDS_BETWEEN_SLICES = 0.002
RELEASED_PER_SLICE = 2_048


class Taken(msgspec.Struct):
    """What one checkpoint writes."""

    epoch: int
    seq: int
    at_ms: int
    counters: dict[str, int]
    tables: dict[str, Changes[Any, Any]]
    notices: list[Notice]
    recent: Recent
    chain_hash: bytes | None = None  # known once the batch that ends here is durable
    handed_over: bool = False  # to the writer, which must have it once

    def encode(self, limit: int) -> bool:
        """Encode about `limit` rows more; whether that was all."""
        for changes in self.tables.values():
            if limit <= 0:
                return False
            if not changes.complete:
                limit -= changes.encode(limit)
        return all(changes.complete for changes in self.tables.values())

    def release(self, limit: int) -> bool:
        """Let go of about `limit` rows, once they are written; whether some are left."""
        left = limit
        for changes in self.tables.values():
            left -= changes.release(left)
        left -= self.recent.release(left)
        del self.notices[max(len(self.notices) - left, 0) :]
        return left <= 0 or bool(self.notices)

    @property
    def state_hash(self) -> str:
        return hash_of(self.counters, {name: changes.hash for name, changes in self.tables.items()})


class Writer(Protocol):
    """journal.checkpoint.CheckpointWriter."""

    @property
    def busy(self) -> bool: ...

    def hand_over(self, changes: dict[str, Changes[Any, Any]], notices: list[Notice], position: Position) -> None: ...


class Checkpointing:
    def __init__(
        self,
        state: State,
        writer: Writer,
        *,
        epoch: Callable[[], int],
        journal_id: bytes,
        seq: int,
        call_later: Callable[[float, Callable[[], None]], object],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`epoch` gives that of the last batch applied."""
        self.seq = seq  # of the last checkpoint that is on disk
        self.patience = 1.0  # how much more than usual it waits for
        self.on_taken: Callable[[int], None] = lambda _seq: None
        self.on_hashed: Callable[[int, str], None] = lambda _seq, _hash: None
        self._state = state
        self._writer = writer
        self._epoch = epoch
        self._journal_id = journal_id
        self._call_later = call_later
        self._seconds = seconds
        self._last_taken = self._handed_over_at = seconds()
        self._taken: Taken | None = None  # until SQLite has it
        self._recent = Recent(state)

    def handed_over(self) -> None:
        """A batch went to the journal, and nothing is staged behind it: the moment to take one, if it is time."""
        self._recent.follow()
        if self._taken is not None or self._writer.busy:
            return
        rows = len(self._state.bookings.changed) + len(self._state.keys.changed)
        waited = self._seconds() - self._last_taken
        if rows >= ROWS_WORTH_A_CHECKPOINT * self.patience or waited >= SECONDS_BETWEEN_MAX * self.patience:
            self._take()
            self._call_later(SECONDS_BETWEEN_SLICES, self._go_on)

    def take_here(self) -> bool:
        """One of this very moment, a batch having just been applied; not if another is under way."""
        self._recent.follow()
        if self._taken is not None or self._writer.busy:
            return False
        self._take()
        self._call_later(SECONDS_BETWEEN_SLICES, self._go_on)
        return True

    def became_durable(self, seq: int, chain_hash: bytes) -> None:
        """The batch at whose end one was taken."""
        taken = self._taken
        if taken is not None and taken.seq == seq and taken.chain_hash is None:
            taken.chain_hash = chain_hash
            self._hand_over_if_whole(taken)

    def take_now(self, chain_hash: bytes) -> None:
        """A last or first one, at once, when nothing is staged or under way and the writer is not busy."""
        if self._state.seq > self.seq:
            taken = self._take()
            taken.chain_hash = chain_hash
            taken.encode(sum(len(changes.changed) for changes in taken.tables.values()) + 1)
            self._hand_over_if_whole(taken)

    def _take(self) -> Taken:
        state = self._state
        self._recent.follow()
        self._last_taken = self._seconds()
        tables = {name: table.take() for name, table in state.tables.items()}
        self._taken = Taken(
            self._epoch(), state.seq, state.at_ms, state.counters(), tables, state.notices, self._recent
        )
        state.notices = []
        self._recent = Recent(state)
        self.on_taken(state.seq)
        return self._taken

    def _go_on(self) -> None:
        taken = self._taken
        if taken is None or taken.handed_over:
            return
        if taken.encode(ROWS_PER_SLICE):
            self._hand_over_if_whole(taken)
        else:
            self._call_later(SECONDS_BETWEEN_SLICES, self._go_on)

    def _hand_over_if_whole(self, taken: Taken) -> None:
        whole = all(changes.complete for changes in taken.tables.values())
        if taken.chain_hash is None or not whole or taken.handed_over:
            return
        taken.handed_over = True
        position = Position(
            epoch=taken.epoch,
            seq=taken.seq,
            at_ms=taken.at_ms,
            chain_hash=taken.chain_hash,
            state_hash=taken.state_hash,
            journal_id=self._journal_id,
            counters=taken.counters,
        )
        self._handed_over_at = self._seconds()
        self._writer.hand_over(taken.tables, taken.notices, position)
        self.on_hashed(taken.seq, position.state_hash)

    @property
    def under_way(self) -> bool:
        """One was taken that SQLite does not have yet."""
        return self._taken is not None

    def done(self, seq: int) -> float:
        """SQLite has it. How many seconds that took."""
        self.seq = seq
        taken, self._taken = self._taken, None
        if taken is not None:
            self._let_go(taken)
        return self._seconds() - self._handed_over_at

    def _let_go(self, taken: Taken) -> None:
        """A little at a time: the memory of all of it takes long to free."""
        if taken.release(RELEASED_PER_SLICE):
            self._call_later(SECONDS_BETWEEN_SLICES, lambda: self._let_go(taken))

    # --- what has not reached the database yet

    def bookings_of(self, user_id: str) -> list[Booking]:
        """New ones, oldest first."""
        self._recent.follow()
        ids = self._recent.booking_ids(user_id)
        if self._taken is not None:
            ids = self._taken.recent.booking_ids(user_id) + ids
        found = (self.booking(booking_id) for booking_id in ids)
        return [booking for booking in found if booking is not None]

    def booking(self, booking_id: int) -> Booking | None:
        """In memory, or so lately retired that the database may not have it."""
        tables: list[Any] = [self._state.bookings]
        if self._taken is not None:
            tables.append(self._taken.tables["bookings"])
        found = self._state.bookings.rows.get(booking_id)
        return found or next((table.archived[booking_id] for table in tables if booking_id in table.archived), None)

    def payments(self, ids: Iterable[int]) -> dict[int, Payment]:
        """Those of them that are in memory, or have left it so lately that the database may not have them."""
        return self._recent_rows("payments", ids)

    def refunds(self, ids: Iterable[int]) -> dict[int, Refund]:
        """The same of refunds."""
        return self._recent_rows("refunds", ids)

    def _recent_rows(self, table: str, ids: Iterable[int]) -> dict[int, Any]:
        own = self._state.tables[table]
        places = [own.rows, own.archived]
        if self._taken is not None:
            places.append(self._taken.tables[table].archived)
        return {number: place[number] for number in ids for place in places if number in place}

    def notices_of(self, user_id: str) -> list[Notice]:
        """Oldest first."""
        self._recent.follow()
        newest = self._recent.notices(user_id)
        return newest if self._taken is None else self._taken.recent.notices(user_id) + newest

    def refunds_of(self, booking_id: int) -> list[Refund]:
        return [refund for refund in self._refunds() if refund.booking_id == booking_id]

    def _refunds(self) -> Iterator[Refund]:
        if self._taken is not None:
            yield from self._taken.tables["refunds"].changed.values()
            yield from self._taken.tables["refunds"].archived.values()
        yield from self._state.refunds.changed.values()
        yield from self._state.refunds.archived.values()
