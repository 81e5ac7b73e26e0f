"""A node's own copy: its journal, the state that follows from it, and how far each of them reaches.

Owns what stays when the node's role changes. Promises that the state holds what is committed, and nothing that comes
behind it in the journal before `adopt` was called.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ...engine import facts as f
from ...engine.apply import apply
from ...engine.state import State
from ...journal.batch import Batch, Position, unseal
from ...journal.disk import Disk
from ...journal.errors import CorruptJournal, JournalFailed
from ...journal.reader import SealedReader, position_at
from ...journal.recovery import Recovered
from ...replicas.history import vector
from ...replicas.leader import Writer
from ...replicas.sender import Available, Background

MakeWriter = Callable[[Recovered, Callable[[Position], None], Callable[[JournalFailed], None]], Writer]
"""`make_writer(recovered, on_durable, on_failure)`; both are called on the node's own thread."""


@dataclass(frozen=True)
class Rules:
    """Who votes, who led last, and how many standbys answers wait for, as a journal says to its very end."""

    voters: Mapping[str, str]  # by name, where it is reached
    node_ids: Mapping[str, bytes]  # of the voters: one that was made anew under an old name is another node
    sync_standbys: int
    leader: str  # "": the journal is older than epochs are

    def led_by(self, node_id: bytes, name: str) -> bool:
        """Whether this node led last, be it under another name."""
        return self.node_ids[self.leader] == node_id if self.leader in self.node_ids else self.leader == name


class OwnCopy:
    def __init__(
        self,
        state: State,
        recovered: Recovered,
        unapplied: list[Batch],
        disk: Disk,
        make_writer: MakeWriter,
        background: Background,
        on_durable: Callable[[Position], None],
        on_failure: Callable[[JournalFailed], None],
    ) -> None:
        """`unapplied`: the end of the journal, which may not be committed."""
        self.state = state
        self.disk = disk
        self.journal_id = recovered.journal_id
        self.base = recovered.before
        self.unapplied = deque(unapplied)  # shared with who follows
        self.durable = recovered.position  # the end of what is synced
        self.available = Available(
            last_seq=recovered.position.seq,
            committed_seq=state.seq,
            epochs=vector(recovered.before, recovered.epochs),
            open_reader=lambda after_seq: SealedReader(disk, after_seq),
            background=background,
        )
        self._on_durable = on_durable
        self.writer = make_writer(recovered, self._became_durable, on_failure)

    def _became_durable(self, position: Position) -> None:
        self.durable = position
        self.available.became_durable(position.seq)
        self._on_durable(position)

    @property
    def position(self) -> Position:
        """The end of the journal, synced or not."""
        return self.writer.last

    @property
    def at_rest(self) -> bool:
        """The journal, its synced part and the state all end at the same place, and all of it is committed."""
        seq = self.position.seq
        return self.state.seq == self.durable.seq == self.available.committed_seq == seq

    def apply(self, batch: Batch) -> list[f.Fact]:
        """Its facts, applied; it comes next. The leader has applied them, so what can't be done is this copy's fault.

        Raises CorruptJournal.
        """
        seq = batch.first_seq
        try:
            assert seq == self.state.seq + 1, f"seq {self.state.seq + 1} comes next"
            facts = f.decode(batch.payload)
            for seq, fact in enumerate(facts, batch.first_seq):  # noqa: B007 - told below
                apply(self.state, batch.at_ms, fact)
        except (msgspec.MsgspecError, ValueError, AssertionError, LookupError) as error:
            raise CorruptJournal(
                "the stream",
                0,
                seq,
                f"the fact there is intact, but it can't be applied here ({type(error).__name__}: {error})",
                "Either this node's version differs from the primary's, or its copy is not what it should be. "
                "`onsale verify` tells; `onsale standby --rebuild` makes it anew.",
            ) from error
        return facts

    def adopt(self) -> None:
        """Take what is at the journal's end for true: this node leads now."""
        while self.unapplied:
            self.apply(self.unapplied.popleft())
        # a leader further ahead may have told of more; what comes behind here is not that
        self.available.committed_seq = min(self.available.committed_seq, self.position.seq)

    def rules(self) -> Rules:
        """As the journal says to its very end, applied or not."""
        voters = {member.name: member.replication for member in self.state.voters}
        node_ids = {member.name: member.node_id for member in self.state.voters}
        sync_standbys, leader = self.state.sync_standbys, self.state.leader
        for batch in self.unapplied:
            for fact in f.decode(batch.payload):
                match fact:
                    case f.MemberSaved(name=name, voting=True):
                        voters[name], node_ids[name] = fact.replication, fact.node_id
                    case f.MemberSaved(name=name) | f.MemberRemoved(name=name):
                        voters.pop(name, None)
                        node_ids.pop(name, None)
                    case f.SyncStandbysSet(count=count):
                        sync_standbys = count
                    case f.EpochBegun(leader=name):
                        leader = name
                    case _:
                        pass
        return Rules(voters, node_ids, sync_standbys, leader)

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of the batch that ends at `seq`; None where none ends there, or it is no longer kept."""
        if seq == self.position.seq:
            return self.position.hash
        if seq == self.base.seq:
            return self.base.hash
        following = self.available.backlog.after(seq)
        if following is not None:
            return unseal(following.data)[1].previous_hash
        found = position_at(self.disk, seq) if self.base.seq < seq < self.durable.seq else None
        return None if found is None else found.hash
