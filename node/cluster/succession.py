"""Takeover without a person: a voter that does not lead watches the lease, and asks to lead when nobody has it.

Owns when the others are asked, and the two steps: the lease, then the epoch. What is so is decided in
replicas/succession.py, and who may lead in replicas/failover.py.
"""

import logging
from typing import TYPE_CHECKING

from ...replicas.failover import observe
from ...replicas.frames import AskStatus, NodeStatus, Reply, Status
from ...replicas.lease import OutOfReach, Refused, Taken
from ...replicas.succession import Stay, Try, look, succeed
from .report import status_of

if TYPE_CHECKING:
    from .member import ClusterMember

log = logging.getLogger("onsale.replication")

STATUS_SECONDS = 0.3
REST_SECONDS = 0.5  # after a try that failed


class Succession:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member
        self._free_since: float | None = None
        self._busy = False
        self._silent = False
        self._rests_until = 0.0
        self._said = ""
        member.right.on_seen = self._seen
        member.right.on_lost = self._lost
        member.right.is_confirmed = self._confirmed

    # --- while this node leads

    def _lost(self) -> None:
        """Ask for it again: where nobody has taken it there is no need for another leader."""
        member = self._member
        if member.leading is not None and member.hand_over_under_way is None:
            member.leading.watch()
            member.right.obtain(self._regained)

    def _regained(self, reply: Taken | Refused | OutOfReach) -> None:
        member = self._member
        if member.leading is None or isinstance(reply, Taken):
            return
        if isinstance(reply, Refused):
            where = reply.holder.replication if reply.holder is not None else ""
            member.step_down(reply.sentence, where)

    def _confirmed(self) -> bool:
        """All who follow, and enough of them, said lately that they can't ask for the lease either."""
        member = self._member
        leading = member.leading
        if leading is None or leading.standbys_needed < 1:
            return False
        followers = [sender.name for sender in member.followers.senders.values() if sender.voting]
        lease = [report.lease for name in followers if (report := member.reports.of(name)) is not None]
        enough = leading.leader.standbys_in_step >= leading.standbys_needed
        return enough and len(lease) == len(followers) and all(each == "unreached" for each in lease)

    def fall_silent_or_speak(self) -> None:
        """Calls are for whoever leads next, while this node may not answer."""
        member = self._member
        leading, silent = member.leading, not member.right.may_answer()
        if leading is None or member.hand_over_under_way is not None:
            self._silent = False
        elif silent != self._silent:
            self._silent = silent
            if silent:
                log.error("%s answers nothing: its lease has run out, so another node may lead", member.name)
                member.surroundings.pauses()
            else:
                log.warning("%s answers again", member.name)
                member.surroundings.leads(leading.loop)

    # --- while it does not

    def _seen(self) -> None:
        member = self._member
        own, seen = status_of(member), member.right.seen
        if member.ended or not member.settings.voting or seen is None:
            return
        if member.leading is not None:  # it lost the lease, and asks again and again
            member.right.obtain(self._regained)
            return
        stay = look(own, seen)
        if stay is not None:
            self._free_since = None
            self._say(stay)
            return
        now = member.ports.scheduler.time()
        if self._free_since is None:
            self._free_since = now
        if self._busy or now < self._rests_until or member.is_changing:
            return
        self._busy = True
        self._ask(own)

    def _ask(self, own: NodeStatus) -> None:
        member = self._member
        statuses = [own]
        others = [voter for voter in own.voters if voter.name != own.name]
        left = len(others)

        def answered(reply: Reply | None) -> None:
            nonlocal left
            left -= 1
            if isinstance(reply, Status):
                statuses.append(reply.status)
            if not left:
                self._decide(statuses)

        for voter in others:
            member.peers.ask(voter.replication, AskStatus(), STATUS_SECONDS, answered)
        if not others:
            member.ports.scheduler.call_soon(self._decide, statuses)

    def _decide(self, statuses: list[NodeStatus]) -> None:
        member = self._member
        if member.ended or member.leading is not None or member.is_changing or self._free_since is None:
            self._busy = False
            return
        own = status_of(member)
        statuses[0] = own
        free_seconds = member.ports.scheduler.time() - self._free_since
        step = succeed(own, observe(statuses), free_seconds=free_seconds)
        self._say(step)
        if isinstance(step, Stay):
            self._busy = False
            return
        member.right.obtain(lambda reply: self._obtained(step, reply))

    def _obtained(self, step: Try, reply: Taken | Refused | OutOfReach) -> None:
        """An epoch of the lease's own number, unless one as high was seen: such as an operator's, from before."""
        member = self._member
        self._busy = False
        if not isinstance(reply, Taken):
            self._say(Stay(reply.sentence))
        elif member.ended or member.leading is not None or member.is_changing:
            member.right.release()
        else:
            epoch = max(reply.revision, step.above_epoch + 1, member.promise.epoch + 1)
            member.take_over(epoch, accept_data_loss=False, handed_over=False, sync_standbys=None, told=self._told)

    def _told(self, done: bool, _sentences: list[str], _epoch: int) -> None:  # noqa: FBT001 - takeover.Told
        """The takeover itself has logged its sentences."""
        self._free_since = None
        if not done:
            self._rests_until = self._member.ports.scheduler.time() + REST_SECONDS
            self._said = ""

    def _say(self, step: Stay | Try) -> None:
        """Once for each thing to say."""
        if step.sentence != self._said:
            self._said = step.sentence
            urgent = isinstance(step, Stay) and step.urgent
            log.log(logging.ERROR if urgent else logging.WARNING, "%s", step.sentence)
