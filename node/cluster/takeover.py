"""How leadership passes: taken over by a standby, or handed over by the one who has it.

Owns the two procedures, step by step, each bounded in time. Promises that a hand-over either completes or leaves the
leader leading; that a takeover leads only with the promises that failover.py asks for; and that both tell in sentences
what became of them, once.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...replicas.campaign import Campaign, Lost, Won
from ...replicas.failover import is_ahead, may_lead, promises_needed
from ...replicas.frames import AskLead, NodeStatus, Outcome, Reply
from ...replicas.lease import OutOfReach, Refused, Taken
from ...replicas.sender import Sender
from .report import status_of
from .right import WITHOUT

if TYPE_CHECKING:
    from .member import ClusterMember

log = logging.getLogger("onsale.replication")

PROMISES_SECONDS = 0.4
SERVING_SECONDS = 1.5  # to have the beginning of the epoch on enough standbys; said if it takes longer
CAUGHT_UP_SECONDS = 1.5
HANDED_OVER_SECONDS = 2.0
LOOKED_AT_SECONDS = 0.002

Told = Callable[[bool, list[str], int], None]
"""`told(done, sentences, epoch)`."""


class Takeover:
    """A standby that asks to lead."""

    def __init__(
        self,
        member: "ClusterMember",
        *,
        epoch: int,
        accept_data_loss: bool,
        handed_over: bool,
        sync_standbys: int | None,
        told: Told,
    ) -> None:
        """The epoch is promised to this node already, and it follows nobody."""
        self.epoch = epoch
        self._member = member
        self._accept_data_loss = accept_data_loss
        self._handed_over = handed_over
        self._sync_standbys = sync_standbys
        self._told: Told | None = told
        self._sentences: list[str] = []
        self._began = False
        self._by_order = not member.right.holds  # who tries by itself has it by now, and may lose it meanwhile
        self._campaign: Campaign | None = None

    def begin_when_synced(self) -> None:
        """What was received is to be on disk before anybody is asked: it counts."""
        if not self._began and not self._member.copy.writer.pending_batches:
            self._began = True
            self._member.right.obtain(self._obtained, by_order=self._by_order)

    def _obtained(self, reply: Taken | Refused | OutOfReach) -> None:
        """An operator's order, and the word of a leader that hands over, stand above whoever has the lease."""
        if self._told is None:
            return
        if isinstance(reply, Taken):
            self._ask()
        else:
            self._tell(done=False, sentences=[f"{reply.sentence} {WITHOUT}"])
            self._member.takeover_lost()

    def _ask(self) -> None:
        member = self._member
        rules = member.copy.rules()
        others = [voter for voter in member.addresses.voters() if voter.name != member.name]
        succeeds = self._handed_over and self.epoch == member.copy.position.epoch + 1
        needed = promises_needed(len(rules.voters), rules.sync_standbys, handed_over=succeeds) - 1

        def ended(outcome: Won | Lost) -> None:
            member.ports.scheduler.call_soon(lambda: self._counted(outcome))

        own = status_of(member)
        insists = self._accept_data_loss or succeeds

        def is_passed_over(other: NodeStatus) -> bool:
            return not insists and is_ahead(other, own)

        self._campaign = Campaign(
            member.peers,
            epoch=self.epoch,
            node_name=member.name,
            replication=member.introduction().replication,
            others=others,
            needed=0 if self._accept_data_loss else max(needed, 0),
            hear_all=self._accept_data_loss,
            must_include=rules.leader if succeeds else "",
            is_passed_over=is_passed_over,
            timeout_seconds=PROMISES_SECONDS,
            done=ended,
        )

    def _counted(self, outcome: Won | Lost) -> None:
        member = self._member
        if self._told is None:
            return
        if isinstance(outcome, Lost):
            unreachable = [f"No answer from {', '.join(outcome.unreachable)}."] if outcome.unreachable else []
            self._lost([*outcome.sentences, *unreachable])
            return
        verdict = may_lead(
            status_of(member),
            outcome.granted,
            epoch=self.epoch,
            handed_over_by=member.copy.rules().leader if self._handed_over else "",
            accept_data_loss=self._accept_data_loss,
        )
        self._sentences = list(verdict.sentences)
        if not verdict.leads or member.promise.epoch != self.epoch:
            self._lost(self._sentences)
            return
        member.takeover_won(self.epoch, self._sync_standbys, at_once=self._accept_data_loss)
        self._await_serving(member.ports.scheduler.time() + SERVING_SECONDS)

    def _lost(self, sentences: list[str]) -> None:
        self._tell(
            done=False,
            sentences=[
                f"{self._member.name} does not lead: the promises it needs were not given.",
                *sentences,
                "Nobody may lead now, for some have promised this epoch: look at `onsale status`, then try again.",
            ],
        )
        self._member.takeover_lost()

    def _await_serving(self, until: float) -> None:
        member = self._member
        leading = member.leading
        if leading is None or leading.epoch != self.epoch:
            self._tell(done=False, sentences=[f"{member.name} led for a moment, and then another node did."])
        elif member.copy.available.committed_seq >= leading.first_seq:
            served = f"{member.name} leads in epoch {self.epoch} and answers, from seq {leading.first_seq} on."
            self._tell(done=True, sentences=[*self._sentences, served])
        elif member.ports.scheduler.time() >= until:
            short = (
                f"{member.name} leads in epoch {self.epoch}, but answers wait for {leading.standbys_needed} standbys, "
                f"and {leading.leader.standbys_in_step} are there: writes are answered not_durable until more come. "
                "`onsale sync-standbys` says that fewer will do."
            )
            self._tell(done=True, sentences=[*self._sentences, short])
        else:
            member.ports.scheduler.call_later(LOOKED_AT_SECONDS, self._await_serving, until)

    def cancel(self, sentence: str) -> None:
        if self._campaign is not None:
            self._campaign.cancel()
        self._tell(done=False, sentences=[sentence])

    def _tell(self, *, done: bool, sentences: list[str]) -> None:
        told, self._told = self._told, None
        if told is not None:
            for sentence in sentences:
                log.warning("takeover: %s", sentence)
            told(done, sentences, self.epoch)


class HandOver:
    """A primary that lets another one lead."""

    def __init__(self, member: "ClusterMember", sender: Sender, address: str, epoch: int, told: Told) -> None:
        self._member = member
        self._sender = sender
        self._address = address
        self._epoch = epoch
        self._told: Told | None = told
        self._began_at = member.ports.scheduler.time()

    def begin(self) -> None:
        """Take nothing more, then wait until everything taken is safe and with the next one."""
        leading = self._member.leading
        assert leading is not None
        leading.pause("This node is handing over to another one; ask again in a moment.")
        self._wait()

    def _wait(self) -> None:
        member = self._member
        if self._told is None:
            return
        if member.leading is None:
            gone = f"{member.name} leads no more, and so can't hand over: `onsale status` tells who does."
            self._tell(done=False, sentences=[gone], epoch=self._epoch)
            return
        scheduler, seq = member.ports.scheduler, member.copy.position.seq
        if member.leading.loop.idle and self._sender.received_seq == seq and member.copy.at_rest:
            question = AskLead(0, self._epoch, accept_data_loss=False, handed_over=True)
            member.peers.ask(self._address, question, HANDED_OVER_SECONDS, self._answered)
        elif scheduler.time() - self._began_at > CAUGHT_UP_SECONDS:
            lacks = seq - self._sender.received_seq
            self._roll_back(
                f"{self._sender.name} did not catch up within {CAUGHT_UP_SECONDS:g} s: it lacks {lacks} facts."
            )
        else:
            scheduler.call_later(LOOKED_AT_SECONDS, self._wait)

    def _answered(self, reply: Reply | None) -> None:
        member = self._member
        if isinstance(reply, Outcome) and reply.done:
            if member.hand_over_under_way is self:  # it leads without this node's promise
                member.hand_over_under_way = None
            self._tell(done=True, sentences=reply.sentences, epoch=reply.epoch)
            self._member.heard_of(reply.epoch, self._sender.name, self._address)
            return
        why = reply.sentences if isinstance(reply, Outcome) else [f"{self._sender.name} did not answer in time."]
        self._roll_back(*why)

    def _roll_back(self, *sentences: str) -> None:
        member = self._member
        if member.leading is not None and member.hand_over_under_way is self:
            member.handed_over_not()
            self._tell(
                done=False,
                sentences=[*sentences, f"{member.name} goes on leading; nothing was lost."],
                epoch=self._epoch,
            )
        else:
            self._tell(
                done=False,
                sentences=[*sentences, "It has been promised the lead, and may have it: `onsale status` tells."],
                epoch=self._epoch,
            )

    def _tell(self, *, done: bool, sentences: list[str], epoch: int) -> None:
        told, self._told = self._told, None
        if told is not None:
            for sentence in sentences:
                log.warning("hand-over: %s", sentence)
            told(done, sentences, epoch)


class NewEpoch:
    """A primary that goes on in a later epoch, for a voter can't follow it in this one."""

    def __init__(self, member: "ClusterMember", reason: str) -> None:
        self._member = member
        self._reason = reason
        self._began_at = member.ports.scheduler.time()

    def begin(self) -> None:
        """Not while it hands over: whoever comes next has a later epoch."""
        member = self._member
        if member.leading is None or member.hand_over_under_way is not None:
            return
        member.hand_over_under_way = self
        member.surroundings.pauses()
        member.leading.pause("This node begins a new epoch; ask again in a moment.")
        self._wait()

    def _wait(self) -> None:
        """Nothing may have to be taken back."""
        member = self._member
        if member.leading is None or member.hand_over_under_way is not self:
            return
        scheduler = member.ports.scheduler
        if not member.right.may_answer():
            member.step_down(self._reason)  # whoever has the lease leads next
        elif member.leading.loop.idle and member.copy.at_rest:
            log.warning("%s asks for a later epoch: %s", member.name, self._reason)
            member.step_aside("This node begins a new epoch")
            member.overtake()
        elif member.leading.leader.standbys_in_step < member.leading.standbys_needed or self._is_late():
            member.step_down(self._reason)  # what it holds can't be made safe in this epoch
        else:
            scheduler.call_later(LOOKED_AT_SECONDS, self._wait)

    def _is_late(self) -> bool:
        return self._member.ports.scheduler.time() - self._began_at > CAUGHT_UP_SECONDS


def nobody_asked(_done: bool, _sentences: list[str], _epoch: int) -> None:  # noqa: FBT001 - `Told`
    """It is in the log."""
