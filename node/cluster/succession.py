"""Takeover without a person: a voter that does not lead watches the lease, and asks to lead when nobody has it.

Owns when the others are asked, and the two steps: the lease, then the epoch. What is so is decided in
replicas/succession.py, and who may lead in replicas/failover.py.
"""

import logging
from typing import TYPE_CHECKING

from ...replicas.failover import observe
from ...replicas.frames import AskStatus, NodeStatus, Reply, Status
from ...replicas.lease import OutOfReach, Refused, Seen, Taken
from ...replicas.succession import Stay, Try, look, others_would_answer, succeed
from .report import status_of

if TYPE_CHECKING:
    from .member import ClusterMember

log = logging.getLogger("onsale.replication")

STATUS_SECONDS = 0.3
REST_SECONDS = (0.5, 8.0)  # after a try that failed; twice as long after each, up to that: others have their turn
RECENT_MS = 1_200  # reports come twice a second


class Succession:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member
        self._free_since: float | None = None
        self._busy = False
        self._silent = False
        self._short_since: float | None = None  # it leads, and lacks standbys
        self._rests_until = 0.0
        self._rest_seconds = REST_SECONDS[0]
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
        """All who follow, and enough of them, said a moment ago that they can't ask for the lease either."""
        member = self._member
        leading = member.leading
        if leading is None or leading.standbys_needed < 1:
            return False
        reports = [
            member.reports.of(sender.name, age_ms_max=RECENT_MS)
            for sender in member.followers.senders.values()
            if sender.voting
        ]
        enough = leading.leader.standbys_in_step >= leading.standbys_needed
        return enough and all(report is not None and report.lease == "unreached" for report in reports)

    def watch(self) -> None:
        """Called again and again. Calls are for whoever leads next, while this node may not answer."""
        member = self._member
        leading = member.leading
        if leading is None or member.hand_over_under_way is not None:
            self._silent, self._short_since = False, None
            return
        short = leading.leader.standbys_in_step < leading.standbys_needed
        self._short_since = (self._short_since or member.ports.scheduler.time()) if short else None
        if member.right.holds and self._is_of_no_use():
            log.error("%s gives its lease up: it lacks its standbys, and they may do without it", member.name)
            member.right.release()
            leading.watch()
        silent = not member.right.may_answer()
        if silent != self._silent:
            self._silent = silent
            if silent:
                log.error("%s answers nothing: it has no lease any more, so another node may lead", member.name)
                member.surroundings.pauses()
            else:
                log.warning("%s answers again", member.name)
                member.surroundings.leads(leading.loop)

    def _is_of_no_use(self) -> bool:
        """For longer than a lease it could answer nothing, and those whom it lacks may be enough without it."""
        member, seen = self._member, self._member.right.seen
        if self._short_since is None or not isinstance(seen, Seen) or seen.paused or member.right.store is None:
            return False
        if member.ports.scheduler.time() - self._short_since < member.right.store.ttl_seconds:
            return False
        rules = member.copy.rules()
        following = sum(sender.voting for sender in member.followers.senders.values())
        return others_would_answer(len(rules.voters), rules.sync_standbys, following)

    def _leads_without(self, seen: Seen | OutOfReach) -> None:
        """It lost the lease, and asks again and again, unless another one has it, or had better have it."""
        member = self._member
        if member.hand_over_under_way is not None:
            return
        holder = seen.holder if isinstance(seen, Seen) else None
        if holder is not None and holder.node_id != member.settings.node_id:
            member.step_down(f"{holder.name} has the lease.", holder.replication)
        elif not self._is_of_no_use():
            member.right.obtain(self._regained)

    # --- while it does not

    def _seen(self) -> None:
        member = self._member
        own, seen = status_of(member), member.right.seen
        if member.ended or not member.settings.voting or seen is None:
            return
        if member.leading is not None:
            self._leads_without(seen)
            return
        now = member.ports.scheduler.time()
        stay = look(own, seen) or self._served()
        if stay is not None:
            self._free_since = None
            self._say(stay)
            return
        if self._free_since is None:
            self._free_since = now
        if self._busy or now < self._rests_until or member.is_changing:
            return
        self._busy = True
        self._ask(own)

    def _served(self) -> Stay | None:
        """Whoever it follows says that it answers, be it by the right of another store, or of none: so it shall."""
        member = self._member
        following = member.following
        follower = following.follower if following is not None else None
        if follower is None or not follower.accepted:
            return None
        self._rest_seconds = REST_SECONDS[0]
        report = member.reports.of(follower.leader, age_ms_max=RECENT_MS)
        if report is None or report.state != "serving":
            return None
        return Stay(
            f"Nobody has the lease that {member.name} looks at, and {report.name} leads all the same. Should this "
            "last: give all voters the same --etcd and --etcd-prefix.",
        )

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
        if done:
            self._rest_seconds = REST_SECONDS[0]
        else:
            self._rests_until = self._member.ports.scheduler.time() + self._rest_seconds
            self._rest_seconds = min(self._rest_seconds * 2, REST_SECONDS[1])
            self._said = ""

    def _say(self, step: Stay | Try) -> None:
        """Once for each thing to say."""
        if step.sentence != self._said:
            self._said = step.sentence
            urgent = isinstance(step, Stay) and step.urgent
            log.log(logging.ERROR if urgent else logging.WARNING, "%s", step.sentence)
