"""What a member says of itself: to other nodes that ask, and in the reports that everyone passes on.

Owns these words. Never changes anything.
"""

from typing import TYPE_CHECKING

from ...replicas.frames import MemberReport, NodeStatus

if TYPE_CHECKING:
    from .member import ClusterMember


def status_of(member: "ClusterMember") -> NodeStatus:
    """Where this node stands, by what is synced in its journal."""
    copy, rules = member.copy, member.copy.rules()
    settings = member.settings
    follower = member.following.follower if member.following is not None else None
    leader, leader_epoch = "", 0
    if member.leading is not None:
        leader, leader_epoch = settings.name, member.leading.epoch
    elif follower is not None and follower.accepted:
        leader, leader_epoch = follower.leader, follower.epoch
    return NodeStatus(
        name=settings.name,
        node_id=settings.node_id,
        voting=settings.voting and rules.node_ids.get(settings.name) == settings.node_id,
        role=role_of(member),
        journal_id=copy.journal_id,
        epoch=copy.durable.epoch,
        promised_epoch=member.promise.epoch,
        promised_to=member.promise.name,
        received_seq=copy.durable.seq,
        received_hash=copy.durable.hash,
        committed_seq=min(copy.available.committed_seq, copy.durable.seq),
        applied_seq=copy.state.seq,
        leader=leader,
        leader_epoch=leader_epoch,
        sync_standbys=rules.sync_standbys,
        voters=member.addresses.voters(),
    )


def role_of(member: "ClusterMember") -> str:
    if member.leading is not None:
        return "primary"
    if not member.settings.voting:
        return "replica"
    return "standby" if member.following is not None else "candidate"


def state_of(member: "ClusterMember") -> str:
    """One word for lists."""
    if member.leading is not None:
        if not member.right.may_answer():
            return "without_lease"
        return "serving" if member.leads else "handing_over"
    if member.following is None:
        return "starting"
    if not member.following.streaming:
        return "searching"
    return "following" if member.following.is_fresh else "catching_up"


def is_settled(member: "ClusterMember") -> bool:
    """It leads and has made that durable, or lacks standbys for it; or it follows somebody."""
    leading = member.leading
    if leading is not None:
        short = leading.leader.standbys_in_step < leading.standbys_needed
        return short or member.copy.available.committed_seq >= leading.first_seq
    return member.following is not None and member.following.streaming


def lag_ms_of(member: "ClusterMember") -> int:
    """How old what this node shows may be."""
    following = member.following
    if member.leading is not None:
        return round(member.right.silent_seconds * 1000)
    if following is not None and following.is_fresh:
        return 0
    seen_at = following.in_step_at if following is not None and following.in_step_at else member.began_at
    return max(round((member.ports.scheduler.time() - seen_at) * 1000), 1)


def own_report(member: "ClusterMember") -> MemberReport:
    me, copy = member.introduction(), member.copy
    return MemberReport(
        name=me.name,
        voting=me.voting,
        role=role_of(member),
        state=state_of(member),
        epoch=member.leading.epoch if member.leading is not None else copy.available.epoch,
        received_seq=copy.durable.seq,
        applied_seq=copy.state.seq,
        committed_seq=min(copy.available.committed_seq, copy.durable.seq),
        lag_ms=lag_ms_of(member),
        replication=me.replication,
        http=me.http,
        age_ms=0,
        lease=member.right.standing,
    )
