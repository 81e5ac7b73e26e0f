"""One node following another: batches come in, go to disk, are acknowledged, and are applied once they are committed.

Owns what was received on one link and is not applied yet. Promises that only what is synced here is acknowledged, that
only what is synced here and committed is applied, and that nothing is taken that does not follow on what is here. It
never cuts anything: where the journals differ it says from where on, and ends.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..journal.batch import BadBatch, Batch, unseal, why_not_next
from .frames import Accepted, Acked, BatchSent, CheckpointTaken, Committed, Follow, Frame, StateHashed
from .leader import Writer
from .sender import Available

APPLIED_FACTS_PER_TURN = 2_000
APPLIED_FACTS_PER_ACK = 20_000  # while it catches up; else the next batch's acknowledgement says it


class Host(Protocol):
    """Who this follower applies facts for, and tells what it can't mend itself."""

    def apply(self, batch: Batch) -> bool:
        """False: it can't be, and nothing more is to be."""

    def accepted(self, accepted: Accepted) -> None:
        """The source's first word; its epoch is not below what was promised. To be promised before anything else."""

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of the batch that ends at `seq` in this node's journal; None where none does."""

    def diverged(self, seq: int) -> None:
        """What is in this journal behind `seq` was never committed, and must be cut off before anything follows."""

    def damaged(self, sentence: str) -> None:
        """The copy here is not what it should be."""

    def checkpoint_taken(self, seq: int) -> None: ...

    def state_hashed(self, seq: int, state_hash: str) -> None: ...


class Outlet(Protocol):
    def send(self, frame: Frame) -> None: ...

    def close(self, reason: str = "") -> None: ...


class Follower:
    def __init__(
        self,
        outlet: Outlet,
        writer: Writer,
        available: Available,
        host: Host,
        *,
        voting: bool,
        applied_seq: int,
        unapplied: deque[Batch],
        call_soon: Callable[[Callable[[], None]], object],
        seconds: Callable[[], float],
    ) -> None:
        """`unapplied`: the batches of the journal behind `applied_seq`, which may not be committed."""
        self.applied_seq = applied_seq
        self.epoch = 0  # the source's, once it has accepted
        self.leader = ""
        self.in_step_at = 0.0  # when it had last applied all it knew to be committed
        self._outlet = outlet
        self._writer = writer
        self._available = available
        self._host = host
        self._voting = voting
        self._position = writer.last
        self._unapplied = unapplied
        self._call_soon = call_soon
        self._seconds = seconds
        self._applying = False
        self._acked_applied = applied_seq
        self._ended = False

    @property
    def accepted(self) -> bool:
        return self.epoch > 0

    @property
    def in_step(self) -> bool:
        """Everything that is known to be committed is applied."""
        return self.accepted and self.applied_seq >= self._available.committed_seq

    def begin(self, promised_epoch: int, promised_to: bytes = b"") -> None:
        position = self._position
        self._outlet.send(
            Follow(
                seq=position.seq,
                hash=position.hash,
                epoch=position.epoch,
                epochs=self._available.epochs,
                promised_epoch=promised_epoch,
                voting=self._voting,
                blank=False,
                promised_to=promised_to,
            )
        )

    def end(self) -> None:
        """Take nothing more; what is here and not applied yet stays in `unapplied`."""
        self._ended = True

    # --- what the source sends

    def received(self, frame: Frame) -> bool:
        """Whether the frame was one of a stream. Whatever does not belong here closes the link."""
        match frame:
            case Accepted():
                self._begun(frame)
            case BatchSent() if self.accepted:
                self._batch(frame.data)
            case Committed() if self.accepted:
                self._committed(frame.seq if frame.epoch == self.epoch else 0)
            case CheckpointTaken() if self.accepted:
                self._host.checkpoint_taken(frame.seq)
            case StateHashed() if self.accepted:
                self._host.state_hashed(frame.seq, frame.state_hash)
            case _:
                return False
        return True

    def _begun(self, accepted: Accepted) -> None:
        if self.accepted:
            self._outlet.close("it accepted twice")
            return
        common = accepted.common_seq
        if common > self._position.seq or self._host.hash_at(common) != accepted.common_hash:
            self.end()
            self._host.damaged(
                f"The journal here and that of {accepted.leader} should be the same up to seq {common}, and are not. "
                "One of them is damaged; `onsale verify` tells which."
            )
        elif common < self._position.seq:
            self.end()
            self._host.diverged(common)
        else:
            self.epoch, self.leader = accepted.epoch, accepted.leader
            self._available.epoch = accepted.epoch
            self._host.accepted(accepted)
            self._ack(self._available.durable_seq)
            # an earlier source, further ahead, may have told of more than this one has committed
            self._available.committed_seq = min(self._available.committed_seq, self._position.seq)
            self._committed(accepted.committed_seq)

    def _batch(self, data: bytes) -> None:
        try:
            sealed, batch = unseal(data)
            wrong = why_not_next(batch, self._position)
            if wrong or batch.epoch > self.epoch or batch.is_mark:
                raise BadBatch(wrong or "it is of an epoch that its sender does not know, or no batch of facts")
        except BadBatch as bad:
            self._outlet.close(f"a batch that can't be taken: {bad}")
            return
        self._position = sealed.position
        self._writer.append_received(sealed)
        self._available.add(sealed)
        self._unapplied.append(batch)
        # a leader hands a batch over only when the one before is committed, but for the first of its epoch: what that
        # one follows on was taken over from another leader
        if batch.durable_seq >= self._available.epochs[-1].first_seq:
            self._committed(batch.durable_seq)

    def became_durable(self) -> None:
        """More is on this node's disk."""
        if self._ended:
            return
        if self.accepted:
            self._ack(self._available.durable_seq)
        self._apply_some()

    def _ack(self, received_seq: int) -> None:
        self._acked_applied = self.applied_seq
        self._outlet.send(Acked(self.epoch, received_seq, self.applied_seq))

    # --- applying

    def _committed(self, seq: int) -> None:
        self._available.committed_seq = max(self._available.committed_seq, seq)
        self._apply_some()

    def _apply_some(self) -> None:
        if not self._applying and not self._ended:
            self._apply_turn()

    def _apply_turn(self) -> None:
        """Whole batches, so that nobody sees half of what one command did."""
        self._applying = False
        if self._ended:
            return
        until = min(self._available.durable_seq, self._available.committed_seq)
        left = APPLIED_FACTS_PER_TURN
        unapplied = self._unapplied
        while unapplied and unapplied[0].last_seq <= until:
            if left <= 0:
                self._applying = True
                self._call_soon(self._apply_turn)
                break
            batch = unapplied.popleft()
            left -= batch.count
            if not self._host.apply(batch):
                return
            self.applied_seq = batch.last_seq
        if self.accepted and self.applied_seq >= self._available.committed_seq:
            self.in_step_at = self._seconds()
        if self.accepted and self.applied_seq - self._acked_applied >= APPLIED_FACTS_PER_ACK:
            self._ack(self._available.durable_seq)
