"""Batches to one follower: from memory while it keeps up, from the segments while it catches up.

Owns what was sent and what was acknowledged on one link. Promises bounded memory (what is on its way to a follower that
does not read stays small) and bounded work a turn, so that nobody who lags slows the leader. A follower that does not
vote is sent only what is committed.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..journal.batch import EpochStart, Sealed
from ..journal.errors import HistoryGone, JournalError
from .backlog import Backlog
from .frames import BatchSent, Committed, Frame

UNSENT_BYTES_MAX = 4 * 1024 * 1024
READ_BYTES = 512 * 1024
BATCHES_PER_TURN = 64  # a millisecond's worth: who catches up has thousands before it
WINDOW_FACTS = 200_000  # sent and not yet on the follower's disk, or there and not yet applied
WINDOW_BYTES = 32 * 1024 * 1024  # sent and not yet on the follower's disk: its writer takes twice as much


class Outlet(Protocol):
    """A link, as far as a sender is concerned."""

    @property
    def unsent_bytes(self) -> int: ...

    def send(self, frame: Frame) -> None: ...

    def close(self, reason: str = "") -> None: ...


class Reader(Protocol):
    """journal.reader.SealedReader."""

    def read(self, through_seq: int, bytes_max: int) -> list[Sealed]: ...


Background = Callable[[Callable[[], list[Sealed]], Callable[[list[Sealed] | Exception], None]], None]
"""`run(work, done)`: does `work` where it holds up nobody, then calls `done(result or what it raised)` on the loop."""


class Available:
    """What this node has and can send: shared by all its senders, kept up by whoever adds batches."""

    def __init__(
        self,
        *,
        last_seq: int,
        committed_seq: int,
        epochs: list[EpochStart],
        open_reader: Callable[[int], Reader],
        background: Background,
    ) -> None:
        self.backlog = Backlog()
        self.epochs = epochs  # where each began; see history.py
        self.backlog.durable(last_seq)
        self.last_seq = last_seq  # handed to this node's disk
        self.durable_seq = last_seq  # on this node's disk
        self.committed_seq = committed_seq
        self.epoch = 0  # of the leader these come from
        self.open_reader = open_reader
        self.background = background

    def add(self, sealed: Sealed) -> None:
        """A batch that was handed to this node's disk."""
        epoch = sealed.position.epoch
        if not self.epochs or self.epochs[-1].epoch != epoch:
            self.epochs.append(EpochStart(epoch, sealed.first_seq, sealed.position.hash))
        self.backlog.add(sealed)
        self.last_seq = sealed.position.seq

    def became_durable(self, seq: int) -> None:
        self.durable_seq = seq
        self.backlog.durable(seq)


class Sender:
    def __init__(
        self,
        outlet: Outlet,
        available: Available,
        *,
        name: str,
        voting: bool,
        after_seq: int,
        at_ms: Callable[[], int],
    ) -> None:
        """`voting`: send what is not committed yet, too. `at_ms`: the leader's time."""
        self.name = name
        self.voting = voting
        self.sent_seq = after_seq
        self.received_seq = 0  # on the follower's disk, by its own word: what it has in memory does not count
        self.applied_seq = 0
        self._outlet = outlet
        self._available = available
        self._at_ms = at_ms
        self._told_seq = -1  # that it is committed
        self._under_way: deque[tuple[int, int]] = deque()  # of each batch not acknowledged: its last seq, its size
        self._under_way_bytes = 0
        self._reader: Reader | None = None
        self._found: deque[Sealed] = deque()  # read from the segments, and not yet sent
        self._away = False  # reading, or giving others their turn
        self._closed = False

    @property
    def outlet(self) -> Outlet:
        return self._outlet

    def close(self, reason: str) -> None:
        self._closed = True
        self._reader = None
        self._found.clear()
        self._outlet.close(reason)

    def acked(self, received_seq: int, applied_seq: int) -> None:
        """The follower's word. Raises ValueError for what was never sent."""
        if received_seq > self.sent_seq or applied_seq > received_seq:
            raise ValueError(f"seq {received_seq} is acknowledged, and seq {self.sent_seq} was the last one sent")
        self.received_seq = max(self.received_seq, received_seq)
        self.applied_seq = max(self.applied_seq, applied_seq)
        while self._under_way and self._under_way[0][0] <= self.received_seq:
            self._under_way_bytes -= self._under_way.popleft()[1]
        if self.sent_seq < self._limit:
            self.pump()

    @property
    def _limit(self) -> int:
        available = self._available
        return available.last_seq if self.voting else min(available.committed_seq, available.durable_seq)

    def _has_room(self) -> bool:
        if self._outlet.unsent_bytes >= UNSENT_BYTES_MAX or self._under_way_bytes >= WINDOW_BYTES:
            return False
        behind = min(self._available.committed_seq, self.received_seq) - self.applied_seq
        return max(self.sent_seq - self.received_seq, behind) < WINDOW_FACTS

    def pump(self) -> None:
        """Send what there is, as far as there is room, some of it in turns to come. Called whenever either changes."""
        if self._away or self._closed:
            return
        for _ in range(BATCHES_PER_TURN):
            if self.sent_seq >= self._limit or not self._has_room():
                break
            sealed = self._next()
            if sealed is None:
                self._read()
                return
            self._send(sealed)
        else:
            self._away = True
            self._available.background(list, self._is_back)
            return
        if self.sent_seq >= self._limit:
            self.tell_committed()

    def _next(self) -> Sealed | None:
        """What follows on what was sent; None when it is on disk alone."""
        while self._found:
            sealed = self._found.popleft()
            if sealed.first_seq == self.sent_seq + 1:
                return sealed
        found = self._available.backlog.after(self.sent_seq)
        if found is not None:
            self._reader = None
        return found

    def _is_back(self, _nothing: list[Sealed] | Exception) -> None:
        self._away = False
        self.pump()

    def tell_committed(self) -> None:
        """Said once for each position; while batches flow, each of them says it of the one before."""
        seq = min(self._available.committed_seq, self.sent_seq)
        if seq > self._told_seq:
            self._told_seq = seq
            self.heartbeat()

    def heartbeat(self) -> None:
        available = self._available
        self._outlet.send(Committed(available.epoch, min(available.committed_seq, self.sent_seq), self._at_ms()))

    def _send(self, sealed: Sealed) -> None:
        self._outlet.send(BatchSent(sealed.data))
        self._under_way.append((sealed.position.seq, len(sealed.data)))
        self._under_way_bytes += len(sealed.data)
        self.sent_seq = sealed.position.seq
        self._told_seq = max(self._told_seq, sealed.first_seq - 1)  # its header says that all before is committed

    def _read(self) -> None:
        available = self._available
        after_seq, through_seq = self.sent_seq, min(self._limit, available.durable_seq)
        if through_seq <= after_seq:
            return  # it is in the backlog as soon as it is anywhere
        self._away = True

        def work() -> list[Sealed]:
            if self._reader is None:
                self._reader = available.open_reader(after_seq)
            return self._reader.read(through_seq, READ_BYTES)

        available.background(work, self._was_read)

    def _was_read(self, found: list[Sealed] | Exception) -> None:
        self._away = False
        if self._closed:
            return
        if isinstance(found, HistoryGone):
            self.close(f"it is at seq {self.sent_seq}, and the journal here begins later: {found}")
            return
        if isinstance(found, Exception):
            if not isinstance(found, JournalError):
                raise found
            self.close(f"reading the journal for it failed: {found}")
            return
        if not found:
            self.close(f"seq {self.sent_seq + 1} could not be found in the journal here")
            return
        self._found.extend(found)
        self.pump()
