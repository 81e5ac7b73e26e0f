"""The log of a leader: every batch goes to its own disk and to the standbys at the same time.

Owns when a batch is committed, and so when what rests on it may be answered. Promises that this is never before it is
on the leader's disk and, synced, on as many standbys as are needed; and that a lack of standbys only ever stops
answers. The command loop knows it as its `Log`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from ..engine.records import Member
from ..journal.batch import Position, Sealed, seal
from ..journal.errors import JournalFailed
from .commit import committed_seq
from .sender import Available, Sender

IN_STEP_FACTS = 20_000  # a standby that lags further is catching up, and nobody's answer should wait for that


class Writer(Protocol):
    """journal.writer.JournalWriter, or the simulation's."""

    @property
    def last(self) -> Position: ...

    @property
    def pending_batches(self) -> int: ...

    @property
    def failure(self) -> JournalFailed | None:
        """Nothing is written any more."""

    def append(self, sealed: Sealed) -> None: ...

    def append_received(self, sealed: Sealed) -> None: ...

    def close(self) -> None: ...


class Leader:
    def __init__(
        self,
        writer: Writer,
        available: Available,
        senders: Mapping[str, Sender],
        *,
        epoch: int,
        node_name: str,
        members: Mapping[str, Member],
        needed: Callable[[], int],
        on_committed: Callable[[Position], None],
        seconds: Callable[[], float] = lambda: 0.0,
        on_synced: Callable[[float], None] = lambda _seconds: None,
        on_replicated: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`senders`: to whom it goes, by the followers' names. `members` and `needed` (how many standbys answers wait
        for) are the state's, as they are at each moment. `on_synced` and `on_replicated` are told how many `seconds`
        the last batch took to this node's disk, and to each standby's.
        """
        self.epoch = epoch
        self.position = writer.last  # of the last batch handed over
        self.senders = senders
        self._writer = writer
        self._available = available
        self._node_name = node_name
        self._members = members
        self._needed = needed
        self._on_committed = on_committed
        self._seconds = seconds
        self._on_synced = on_synced
        self._on_replicated = on_replicated
        self._handed_over_at = 0.0
        self._ended = False

    def end(self) -> None:
        """Another node leads: nothing is committed from here on."""
        self._ended = True

    @property
    def committed_seq(self) -> int:
        return self._available.committed_seq

    # --- the command loop's log

    def append(self, at_ms: int, count: int, payload: bytes) -> int:
        """Hand one batch over. Nothing happens once another node leads."""
        if self._ended:
            return self.position.seq
        sealed = seal(self.position, epoch=self.epoch, at_ms=at_ms, count=count, payload=payload)
        self.position = sealed.position
        self._handed_over_at = self._seconds()
        self._writer.append(sealed)
        self._available.add(sealed)
        for sender in self.senders.values():
            if sender.voting:
                sender.pump()
        return sealed.position.seq

    # --- what makes it safe

    def became_durable(self) -> None:
        """More is on this node's disk."""
        if self._available.durable_seq == self.position.seq:
            self._on_synced(self._seconds() - self._handed_over_at)
        self._advance()

    def reconsider(self) -> None:
        """How many standbys are needed, or which of them count, may have changed."""
        self._advance()

    def acked(self, sender: Sender) -> None:
        """More is on a follower's disk."""
        if sender.voting:
            if sender.received_seq == self.position.seq:
                self._on_replicated(self._seconds() - self._handed_over_at)
            self._advance()

    def _advance(self) -> None:
        # what an earlier leader left is committed by the first batch of this epoch, never by its own copies
        if self._ended or self.position.epoch != self.epoch:
            return
        needed = self._needed()
        acked = [sender.received_seq for sender in self._counted(needed)] if needed else []
        seq = committed_seq(self._available.durable_seq, acked, needed)
        # one batch is under way at a time, and what is committed always ends with one
        if seq < self.position.seq or seq <= self._available.committed_seq:
            return
        self._available.committed_seq = seq
        self._on_committed(self.position)  # hands the next batch over, if one has gathered
        for sender in list(self.senders.values()):
            if not sender.voting:
                sender.pump()
            elif sender.sent_seq == self._available.committed_seq:
                sender.tell_committed()

    def _counted(self, needed: int) -> list[Sender]:
        """Those whose acknowledgements count.

        A member that joined by a fact that is not committed yet does not: a failover among the others could know
        nothing of it. Where there are fewer members than answers need, nothing can have been committed without
        them all, and so a new one counts at once.
        """
        committed = self._available.committed_seq
        voters = [member for member in self._members.values() if member.voting and member.name != self._node_name]
        settled = {member.name for member in voters if member.since_seq <= committed}
        counted = settled if len(settled) >= needed else {member.name for member in voters}
        return [sender for sender in self.senders.values() if sender.voting and sender.name in counted]

    @property
    def standbys_in_step(self) -> int:
        """How many standbys are there that count and are not far behind."""
        return self.in_step_of(self._needed())

    def in_step_of(self, needed: int) -> int:
        """As `standbys_in_step`, were so many needed."""
        least = self._available.committed_seq - IN_STEP_FACTS
        return sum(sender.received_seq >= least for sender in self._counted(needed))
