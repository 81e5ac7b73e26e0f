"""Data folders made without a server: journal and checkpoint by the product's own code, as fast as facts are applied.

Owns the writing, and what a crowd's bookings look like in facts. A node that is started on such a folder finds what it
would have written itself.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.state import State, state_hash
from ..journal.batch import seal
from ..journal.checkpoint import Checkpoint, Position
from ..journal.disk import RealDisk, RealFile
from ..journal.recovery import create_journal
from ..journal.writer import JournalAppender
from ..node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER

JOURNAL_ID = b"benchmarkbenchma"
FACTS_PER_BATCH = 120  # about what gathers while one batch is being synced
FACTS_PER_CHECKPOINT = 60_000
HOLD_MS = 300_000
PRICE_MINOR = 4990


class _UnsyncedFile(RealFile):
    def sync(self) -> None:
        pass


class _Unsynced(RealDisk):
    def open(self, name: str) -> RealFile:
        return _UnsyncedFile(self.root / name, 0)


class FilledFolder:
    """A context: what `add` was given is in the journal, and in the checkpoint unless it is `journal_alone`."""

    def __init__(self, data: Path, *, journal_alone: bool = False, synced: bool = False) -> None:
        """`synced`: each batch, as a node does; else when the system likes: the folder need not survive a crash."""
        (data / JOURNAL_FOLDER).mkdir(parents=True)
        disk = (RealDisk if synced else _Unsynced)(data / JOURNAL_FOLDER)
        self.state = State()
        self._appender = JournalAppender(disk, create_journal(disk, JOURNAL_ID))
        self._checkpoint = None if journal_alone else Checkpoint(data / CHECKPOINT_FILE)
        self._since_checkpoint = 0

    def add(self, at_ms: int, facts: Iterable[f.Fact]) -> None:
        """All at one moment, in batches of the usual size."""
        left = iter(facts)
        while batch := list(islice(left, FACTS_PER_BATCH)):
            for fact in batch:
                apply(self.state, at_ms, fact)
            appender = self._appender
            appender.append(seal(appender.position, epoch=1, at_ms=at_ms, count=len(batch), payload=f.encode(batch)))
            self._since_checkpoint += len(batch)
            if self._since_checkpoint >= FACTS_PER_CHECKPOINT:
                self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        state = self.state
        self._since_checkpoint = 0
        changes = {name: table.take_changes() for name, table in state.tables.items()}
        notices, state.notices = state.notices, []
        if self._checkpoint is not None:
            position = Position(
                epoch=1, seq=state.seq, at_ms=state.at_ms, chain_hash=self._appender.position.hash,
                state_hash=state_hash(state), journal_id=JOURNAL_ID, counters=state.counters(),
            )  # fmt: skip
            self._checkpoint.write(changes, notices, position)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write_checkpoint()
        if self._checkpoint is not None:
            self._checkpoint.close()
        self._appender.close()


def event(event_id: int, starts_ms: int, capacity: int, *, ends_ms: int | None = None, name: str = "Hot") -> f.Fact:
    """On sale from the start, one ticket type with the id of the event."""
    details = f.EventDetails(name, starts_ms, ends_ms, "Hall", "Berlin", "DE", "Concert", "", "EUR", None, 10, None, 1)
    return f.EventCreated(event_id, details, (f.TypeDetails(event_id, "Standing", PRICE_MINOR, capacity),))


def held(ids: Iterable[int], event_id: int, expires_ms: int) -> Iterator[f.Fact]:
    """One ticket each, every booking another user's."""
    for number in ids:
        yield f.Held(number, f"user-{number:08d}", event_id, event_id, 1, PRICE_MINOR, expires_ms)


def confirmed(ids: Iterable[int], event_id: int, at_ms: int) -> Iterator[f.Fact]:
    """Held, and paid at once."""
    for number in ids:
        yield f.Held(number, f"user-{number:08d}", event_id, event_id, 1, PRICE_MINOR, at_ms + HOLD_MS)
        yield f.PaymentStarted(number, number, PRICE_MINOR, None, at_ms + 3 * HOLD_MS)
        yield f.PaymentSucceeded(number, f"pi_test_{number}")
