"""What a member does with what it is sent while it follows.

Owns the answers to a follower's questions: whether a source may be followed, how a batch is applied, and what happens
where this copy can't simply go on.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...journal.batch import Batch
from ...journal.divergence import cut_after
from ...journal.errors import JournalError
from ...replicas.frames import Accepted, Frame
from ...replicas.link import Link

if TYPE_CHECKING:
    from .member import ClusterMember


class StreamHost:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member

    # --- whom to follow

    def sources(self) -> Iterable[str]:
        """The known leader, then where this node was told to look, then every member."""
        member = self._member
        own = self.own_address()
        rows = member.copy.state.members.rows.values()
        members = [member.addresses.of(each.node_id, each.replication) for each in rows]
        known = [member.known_leader, *member.settings.sources, *members]
        if not member.settings.voting:  # what it was told to follow comes first: the leader serves few
            known = [*member.settings.sources, *known]
        return [address for address in dict.fromkeys(known) if address and address != own]

    def own_address(self) -> str:
        return self._member.introduction().replication

    def promised(self) -> tuple[int, bytes]:
        promise = self._member.promise
        return promise.epoch, promise.node_id

    def may_follow(self, accepted: Accepted, link: Link) -> bool:
        assert link.peer is not None
        if not self._member.accepted_by(accepted.epoch, link.peer.node_id, accepted.leader):
            return False
        if accepted.epoch != self._member.copy.available.epoch:
            self._member.followers.drop_all("another epoch has begun")
        return True

    def accepted(self, accepted: Accepted) -> None: ...

    def hash_at(self, seq: int) -> bytes | None:
        return self._member.copy.hash_at(seq)

    # --- what comes

    def apply(self, batch: Batch) -> bool:
        member = self._member
        try:
            facts = member.copy.apply(batch)
        except JournalError as error:
            member.end()
            member.surroundings.damaged(str(error))
            return False
        member.leader_said_ms = max(member.leader_said_ms, batch.at_ms)
        member.surroundings.applied(batch, facts)
        member.followers.pump()  # they are sent what is committed
        return True

    def checkpoint_taken(self, seq: int) -> None:
        self._member.surroundings.checkpoint_taken(seq)
        self._member.followers.checkpoint_taken(seq)

    def state_hashed(self, seq: int, state_hash: str) -> None:
        self._member.surroundings.state_hashed(seq, state_hash)
        self._member.followers.state_hashed(seq, state_hash)

    def other_frame(self, link: Link, frame: Frame) -> None:
        self._member.exchange.received(link, frame)

    # --- what this copy can't simply go on with

    def diverged(self, seq: int) -> None:
        """What is behind `seq` was never committed: nobody was told of it. It is cut off, and kept."""
        member = self._member
        member.end()
        try:
            is_too_little = member.surroundings.before_cut(seq)
            member.copy.writer.close()
            if member.copy.writer.failure is not None:
                raise member.copy.writer.failure  # what comes before the cut is not all on disk
            part = cut_after(member.copy.disk, seq)
        except JournalError as error:
            member.surroundings.failed(error)
            return
        if part is not None:
            member.surroundings.cut(part)
        if is_too_little:
            member.surroundings.rebuild(f"the journal was cut behind seq {seq}, and its beginning is not kept here")
        else:
            member.surroundings.restart(f"the journal was cut behind seq {seq}")

    def damaged(self, sentence: str) -> None:
        self._member.end()
        self._member.surroundings.damaged(sentence)

    def history_gone(self, sentence: str) -> None:
        self._member.end()
        self._member.surroundings.rebuild(sentence)
