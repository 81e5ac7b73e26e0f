"""A node's data folder as the real engine fills it, and its backup."""

from contextlib import closing
from pathlib import Path

from onsale.engine.apply import apply
from onsale.engine.state import State, state_hash
from onsale.journal.checkpoint import Checkpoint, Position
from onsale.journal.disk import RealDisk
from onsale.node.backup.copies import make_copy
from onsale.node.backup.target import Target
from onsale.tests.engine.histories import JOURNAL_ID, History, busy_history
from onsale.tests.node.backup.archives import archive

SMALL = 3000  # bytes of a segment


class Node:
    """A data folder with a history in it, and its backup."""

    def __init__(self, folder: Path, target: Target) -> None:
        self.data = folder
        self.target = target
        self.history: History = busy_history(3, 150)
        self.hashes = self.history.write(self.data, segment_bytes_max=SMALL)
        self.disk = RealDisk(self.data / "journal")
        self.last_seq = len(self.history.facts)
        self._state, self._played = State(), 0

    @property
    def middle(self) -> int:
        return len(self.history.batches) // 2

    @property
    def checkpoint(self) -> Path:
        return self.data / "checkpoint.sqlite"

    def take_checkpoint(self, batches: int, *, change: bool = False) -> int:
        """A first one: what a node would have written behind so many batches. `change`: what did not happen."""
        self.checkpoint.unlink(missing_ok=True)
        self._state, self._played = State(), 0
        return self.add_checkpoint(batches, change=change)

    def add_checkpoint(self, batches: int, *, change: bool = False) -> int:
        """The next one, in the same database."""
        state = self._state
        for _, at_ms, facts in self.history.batches[self._played : batches]:
            for fact in facts:
                apply(state, at_ms, fact)
        self._played = batches
        if change:
            state.bookings.rows[1].user_id = "somebody else"
        changes = {name: table.take_changes() for name, table in state.tables.items()}
        notices, state.notices = state.notices, []
        position = Position(
            epoch=state.epoch,
            seq=state.seq,
            at_ms=state.at_ms,
            chain_hash=self.hashes[state.seq],
            state_hash=state_hash(state),
            journal_id=JOURNAL_ID,
            counters=state.counters(),
        )
        with closing(Checkpoint(self.checkpoint)) as checkpoint:
            checkpoint.write(changes, notices, position)
        return state.seq

    def copy(self, batches: int, *, change: bool = False) -> int:
        seq = self.take_checkpoint(batches, change=change)
        make_copy(self.checkpoint, self.target, lambda *_: None)
        return seq

    def archive(self) -> None:
        archive(self.disk, self.target)
