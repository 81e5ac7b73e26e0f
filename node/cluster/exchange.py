"""What a member answers to other nodes, and what they tell each other of themselves.

Owns the meaning of every frame that is no part of a stream this node follows. Decides nothing itself: whom to follow,
what to promise and when to lead are the member's.
"""

import logging
from typing import TYPE_CHECKING

from ...replicas.frames import (
    FACTS,
    Acked,
    Announce,
    AskLead,
    AskPromise,
    AskStatus,
    Follow,
    Frame,
    Introduction,
    MemberReport,
    Outcome,
    Promise,
    Reports,
    Status,
)
from ...replicas.link import Link
from .followers import ANOTHER_TIME, NAME_TAKEN, NOT_LEADING, OUTDATED
from .report import own_report, status_of
from .takeover import NewEpoch

if TYPE_CHECKING:
    from .member import ClusterMember

log = logging.getLogger("onsale.replication")


class Exchange:
    def __init__(self, member: "ClusterMember") -> None:
        self._member = member
        self._downstream: set[str] = set()  # of whom only this node hears

    def accepted(self) -> Link:
        """The link of a connection that another node opened."""
        member = self._member
        return member.links.accepted(self.received, member.followers.drained, self.closed)

    def received(self, link: Link, frame: Frame) -> None:
        member = self._member
        match frame:
            case Acked():
                self._acked(link, frame)
            case Follow():
                self._follow(link, frame)
            case AskStatus():
                link.send(Status(frame.id, status_of(member)))
            case AskPromise():
                self._promise(link, frame)
            case AskLead():
                self._lead(link, frame)
            case Announce():
                member.announced(frame.epoch, frame.leader, frame.replication, frame.http)
            case Reports():
                self._reports(link, frame)
            case _:
                link.close(f"a {type(frame).__name__} was not expected here")

    def closed(self, link: Link, reason: str) -> None:
        member = self._member
        if member.followers.closed(link, reason) is not None and member.leading is not None:
            member.leading.watch()

    # --- following this node

    def _follow(self, link: Link, follow: Follow) -> None:
        member, peer = self._member, link.peer
        assert peer is not None
        refuse = member.followers.refuse
        if member.followers.of(link) is not None:
            link.close("it asked to follow twice")
            return
        if follow.voting and not follow.blank:
            if refusal := self._of_another_time(peer, follow):
                refuse(link, ANOTHER_TIME, refusal)
                return
            member.heard_of(follow.promised_epoch, peer.name)
            self._part_from_rival(peer.name, follow)
        following = member.following
        if member.leading is not None:
            epoch, leader = member.leading.epoch, member.name
        elif not follow.voting and following is not None and following.follower is not None and following.streaming:
            epoch, leader = following.follower.epoch, following.follower.leader
        else:
            where = following.source if following is not None and following.streaming else member.known_leader
            refuse(link, NOT_LEADING, f"{member.name} does not lead.", epoch=member.promise.epoch, leader=where)
            return
        if taken := member.followers.name_taken(peer):
            member.links.refusals.note(link.wire.peer if link.wire else peer.name, taken)
            refuse(link, NAME_TAKEN, taken)
            return
        if peer.facts_version < FACTS:  # it would skip what it does not know, and come to another state
            outdated = (
                f"{peer.name} knows facts of version {peer.facts_version}, and {member.name} writes version {FACTS}: "
                f"start {peer.name} with the version of Onsale that {member.name} runs"
            )
            member.links.refusals.note(link.wire.peer if link.wire else peer.name, outdated)
            refuse(link, OUTDATED, outdated)
            return
        if follow.blank:
            log.info("%s has no copy yet, and is given one", peer.name)
            member.surroundings.newcomer(link)
            return
        if peer.asks_nobody and not member.settings.asks_nobody:
            log.warning(
                "%s shows every booking to whoever asks, and this node does not: give it the same ONSALE_JWT_KEY or "
                "ONSALE_JWKS_URL",
                peer.name,
            )
        sender = member.followers.admit(link, follow, epoch, leader, leads=member.leading is not None)
        if sender is not None and member.leading is not None:
            if follow.voting:
                member.leading.save_member(peer)
            member.leading.watch()

    def _of_another_time(self, peer: Introduction, follow: Follow) -> str:
        """Why a node that is no member can't join with the promise it has; else empty.

        A member's promise ends this node's leadership; a stranger's must not, be it ever so high.
        """
        member = self._member
        rules = member.copy.rules()
        if member.leading is None or rules.node_ids.get(peer.name) == peer.node_id:
            return ""
        if follow.promised_epoch <= member.leading.epoch:
            return ""
        return (
            f"{peer.name} has promised epoch {follow.promised_epoch}, which this cluster has not come to: it has taken "
            "part in another one. Make it anew with --rebuild."
        )

    def _part_from_rival(self, name: str, follow: Follow) -> None:
        """A voter that promised this very epoch to another candidate can only follow in a later one."""
        member = self._member
        leading, promised_to = member.leading, follow.promised_to
        if leading is None or follow.promised_epoch != leading.epoch:
            return
        if promised_to and promised_to != member.settings.node_id:
            NewEpoch(member, f"{name} has promised epoch {leading.epoch} to another node").begin()

    def _acked(self, link: Link, frame: Acked) -> None:
        member = self._member
        if frame.epoch != member.copy.available.epoch:
            link.close(f"it acknowledges what came in epoch {frame.epoch}")
            return
        known = member.followers.of(link)
        is_first = known is not None and not known.received_seq
        sender = member.followers.acked(link, frame)
        if sender is not None and member.leading is not None:
            member.leading.leader.acked(sender)
            if is_first:
                member.leading.watch()

    # --- questions

    def _promise(self, link: Link, asked: AskPromise) -> None:
        assert link.peer is not None
        refusal = self._led_already(link.peer.name, asked.epoch) if asked.resumes else ""
        if not refusal:
            refusal = self._member.promised(
                asked.epoch, link.peer.node_id, asked.candidate, asked.candidate_replication
            )
        link.send(Promise(asked.id, not refusal, refusal, status_of(self._member)))

    def _led_already(self, candidate: str, epoch: int) -> str:
        """One that led before has nothing to resume where somebody leads; empty: nobody does, or that very one."""
        member = self._member
        follower = member.following.follower if member.following is not None else None
        if member.leading is not None:
            return f"it leads, in epoch {member.leading.epoch}"
        if follower is not None and follower.accepted and follower.leader != candidate:
            return f"it follows {follower.leader}, in epoch {follower.epoch}"
        if member.led_last and member.copy.position.epoch == epoch - 1:
            return f"it led epoch {epoch - 1} itself"
        return ""

    def _lead(self, link: Link, asked: AskLead) -> None:
        def told(done: bool, sentences: list[str], epoch: int) -> None:  # noqa: FBT001 - takeover.Told
            link.send(Outcome(asked.id, done, [sentence[:2000] for sentence in sentences], epoch))

        if refusal := self._member.right.refusal:  # before it promises anything, for that would end who leads
            told(False, [refusal], self._member.promise.epoch)  # noqa: FBT003
            return
        self._member.take_over(
            asked.epoch,
            accept_data_loss=asked.accept_data_loss,
            handed_over=asked.handed_over,
            sync_standbys=asked.sync_standbys,
            told=told,
        )

    # --- what is known of everyone

    def announce(self) -> None:
        """Tell all members that don't follow who leads: one of them may still take itself for the leader."""
        member = self._member
        assert member.leading is not None
        me = member.introduction()
        news = Announce(member.leading.epoch, me.name, me.replication, me.http)
        for each in member.copy.state.members.rows.values():
            if each.name != member.name and each.replication and each.name not in member.followers.senders:
                member.peers.tell(member.addresses.of(each.node_id, each.replication), news)

    def report(self) -> None:
        """Up to whom this node follows: itself, and those behind it. Down to its followers: everyone."""
        member = self._member
        own, known = own_report(member), member.reports.known()
        if member.followers.senders:
            member.followers.report([own, *known])
        following = member.following
        if following is not None and following.streaming and following.link is not None:
            behind = [report for report in known if report.name in self._downstream]
            following.link.send(Reports([own, *behind]))

    def _reports(self, link: Link, frame: Reports) -> None:
        member = self._member
        if member.followers.of(link) is not None:
            self._downstream |= {report.name for report in frame.reports}
        member.reports.heard(frame.reports, member.name)

    def known(self) -> list[MemberReport]:
        """Everyone, this node first."""
        return [own_report(self._member), *self._member.reports.known()]
