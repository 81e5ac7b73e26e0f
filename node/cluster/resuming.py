"""A node that was the last to lead, as far as it knows, and asks whether it may go on.

Owns that question. Promises to ask for no later epoch than the one behind its own: who was promised a later one may
have answered what is not in this journal. Within it, everything answered is.
"""

import logging
from typing import TYPE_CHECKING

from ...replicas.campaign import Campaign, Lost, Won
from ...replicas.failover import is_ahead
from ...replicas.frames import NodeStatus
from ...replicas.lease import OutOfReach, Refused, Taken
from .report import status_of

if TYPE_CHECKING:
    from .member import ClusterMember

log = logging.getLogger("onsale.replication")

CAMPAIGN_SECONDS = 0.5


class Resuming:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member
        self._cancelled = False

    def begin(self) -> None:
        """The lease first, where there is one: whoever has it may be about to lead."""
        self._member.right.obtain(self._obtained)

    def _obtained(self, reply: Taken | Refused | OutOfReach) -> None:
        if self._cancelled:
            return
        if isinstance(reply, Taken):
            self._ask()
            return
        log.warning("this node can't lead yet: %s", reply.sentence)
        holder = reply.holder if isinstance(reply, Refused) else None
        self._member.not_resumed(holder.replication if holder is not None else "", overtake=False)

    def _ask(self) -> None:
        member = self._member
        rules = member.copy.rules()
        others = [voter for voter in member.addresses.voters() if voter.name != member.name]
        epoch = member.copy.position.epoch + 1

        def ended(outcome: Won | Lost) -> None:
            member.ports.scheduler.call_soon(lambda: self._ended(epoch, outcome))

        Campaign(
            member.peers,
            epoch=epoch,
            node_name=member.name,
            replication=member.introduction().replication,
            others=others,
            needed=min(rules.sync_standbys, len(others)),
            hear_all=True,
            resumes=True,
            timeout_seconds=CAMPAIGN_SECONDS,
            done=ended,
        )

    def cancel(self) -> None:
        self._cancelled = True

    def _ended(self, epoch: int, outcome: Won | Lost) -> None:
        member = self._member
        if self._cancelled:
            return
        if isinstance(outcome, Won):
            ahead = [each.name for each in outcome.granted if is_ahead(each, status_of(member))]
            if not ahead:
                member.resumed(epoch)
                return
            log.warning("this node can't lead: %s has what it lacks", " and ".join(ahead))
            member.not_resumed("", overtake=False)
            return
        for sentence in outcome.sentences:
            log.warning("this node can't lead yet: %s", sentence)
        member.heard_of(outcome.epoch, "another node")
        leader = outcome.leader(member.addresses.voters(), without=member.name)
        if leader:
            log.warning("another node leads by now, at %s: this one follows it", leader)
        elif not outcome.sentences:
            log.warning("this node can't lead yet: no answer from %s", ", ".join(outcome.unreachable))
        # a later epoch that was promised to somebody who does not lead in it may be overtaken, by the rule for all; but
        # who led as lately, or has more, is not pushed aside unless a person says so
        own = status_of(member)
        rivals = [each.name for each in outcome.answered if is_ahead(each, own) or _led(each, own.epoch)]
        if rivals and not leader:
            log.error("%s led as lately as this node, or has more: `onsale failover` decides", " and ".join(rivals))
        member.not_resumed(leader, overtake=bool(outcome.sentences) and not leader and not rivals)


def _led(status: NodeStatus, epoch: int) -> bool:
    """Whether it led in that epoch itself, going by its journal and its promise."""
    return status.epoch == status.promised_epoch == epoch and status.promised_to == status.name
