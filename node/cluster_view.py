"""The cluster as this node knows it, for `GET /cluster` and what is made of it.

Owns how reports, the journal's members and this node's own troubles become one picture. Changes nothing.
"""

from collections.abc import Iterator

from ..http.gateway import ClusterView, Member
from ..replicas.frames import MemberReport
from ..replicas.lease import OutOfReach, Seen
from ..replicas.reports import SILENT_MS
from .cluster.member import ClusterMember
from .cluster.report import role_of

UNREACHABLE = "unreachable"


def cluster_view(member: ClusterMember) -> ClusterView:
    reports = {report.name: report for report in member.exchange.known()}
    members = [_shown(report, member) for report in reports.values()]
    members += [
        Member(
            name=each.name,
            role="standby",
            state=UNREACHABLE,
            epoch=0,
            received_seq=0,
            applied_seq=0,
            durable_seq=0,
            lag_ms=0,
            address=each.http,
            replication=each.replication,
        )
        for each in member.copy.state.voters
        if each.name not in reports
    ]
    order = {"primary": 0, "candidate": 1, "standby": 2, "replica": 3}
    members.sort(key=lambda each: (order[each.role], each.name))
    copy = member.copy
    return ClusterView(
        name=member.name,
        role=role_of(member),
        epoch=member.leading.epoch if member.leading is not None else copy.available.epoch or copy.position.epoch,
        durable_seq=min(copy.available.committed_seq, copy.durable.seq),
        sync_standbys=copy.state.sync_standbys,
        primary=_primary(members),
        members=members,
        problems=list(_problems(member)),
        takeover=_takeover(member),
    )


def _primary(members: list[Member]) -> str:
    """Of two that say so, the one of the later epoch: the other has not heard of it yet."""
    leading = [each for each in members if each.role == "primary" and each.state != UNREACHABLE]
    return max(leading, key=lambda each: each.epoch).name if leading else ""


def primary_address(member: ClusterMember) -> str:
    """The URL of the node that leads, as far as is known; empty: nobody is known to."""
    if member.leads:
        return member.introduction().http
    following = member.following
    follower = following.follower if following is not None else None
    if follower is not None and follower.accepted:
        report = member.reports.of(follower.leader)
        if report is not None and report.http:
            return report.http
        known = member.copy.state.members.rows.get(follower.leader)
        return known.http if known is not None else ""
    return member.announced_http


def _shown(report: MemberReport, member: ClusterMember) -> Member:
    role, state = report.role, report.state
    if report.age_ms > SILENT_MS:
        state = UNREACHABLE
    return Member(
        name=report.name,
        role=role,
        state=state,
        epoch=report.epoch,
        received_seq=report.received_seq,
        applied_seq=report.applied_seq,
        durable_seq=report.committed_seq,
        lag_ms=report.lag_ms,
        address=report.http,
        replication=report.replication,
        sync=role == "standby" and state == "following" and report.voting and _is_current(report, member),
        age_ms=report.age_ms,
    )


def _is_current(report: MemberReport, member: ClusterMember) -> bool:
    """The leader knows at once who has gone; the others go by what was said last."""
    gone = member.leading is not None and report.name not in member.followers.senders
    return report.epoch >= member.promise.epoch and not gone


def _takeover(member: ClusterMember) -> str:
    if member.right.store is None:
        return "by_operator"
    return "paused" if isinstance(member.right.seen, Seen) and member.right.seen.paused else "by_lease"


def _problems(member: ClusterMember) -> Iterator[str]:
    """What this node alone knows of."""
    seen = member.right.seen
    if isinstance(seen, OutOfReach):
        yield f"{member.name} can't ask for the lease, so it takes over from nobody by itself: {seen.sentence}"
    if member.leading is not None and not member.right.may_answer():
        yield f"{member.name} answers nothing: its lease has run out."
    following = member.following
    if member.leading is None and following is None:
        yield f"{member.name} asks the other nodes whether it may lead; too few have answered yet."
    elif following is not None and not following.streaming:
        trouble = following.trouble.rstrip(".") or "it is looking for the primary"
        yield f"{member.name} follows nobody: {trouble}."
