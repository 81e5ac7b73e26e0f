"""The cluster as operators see it: members, and what is wrong with it in sentences.

Owns the words for its health. `down`: writes are not answered; `degraded`: they are, and something needs looking at.
Judges by the view alone, so every node says the same of the same news.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ..gateway import ClusterView, Member

LAG_MS_MAX: Final = 10_000
NEWS_AGE_MS_MAX: Final = 5_000
_TAKE_OVER: Final = "If it is gone, `onsale failover` lets a standby take over."

HEALTHS: Final = ("ok", "degraded", "down")


class ClusterDocument(msgspec.Struct, rename="camel"):
    members: list[Member]
    node: str  # the one that answers
    role: str
    seq: int  # what it has made durable
    epoch: int
    sync_standbys: int
    sync_standbys_met: int
    primary: str | None
    primary_address: str | None
    health: str
    takeover: str  # by_operator, by_lease, paused
    problems: list[str]


class ChangeDocument(msgspec.Struct, rename="camel"):
    """An order that was carried out; with dryRun, one that can be."""

    done: bool
    epoch: int
    primary: str
    sentences: list[str]
    seq: int


def cluster_document(view: ClusterView) -> ClusterDocument:
    primary = next((each for each in view.members if each.name == view.primary), None)
    stops = list(_stops(view, primary))
    problems = [*stops, *view.problems, *_of_members(view, primary)]
    return ClusterDocument(
        members=view.members,
        node=view.name,
        role=view.role,
        seq=view.durable_seq,
        epoch=view.epoch,
        sync_standbys=view.sync_standbys,
        sync_standbys_met=in_step(view),
        primary=view.primary or None,
        primary_address=(primary.address or None) if primary is not None else None,
        health="down" if stops else "degraded" if problems else "ok",
        takeover=view.takeover,
        problems=problems,
    )


def in_step(view: ClusterView) -> int:
    """How many standbys answers can rest on now."""
    return sum(each.sync and not _is_away(each) for each in view.members)


def _stops(view: ClusterView, primary: Member | None) -> Iterator[str]:
    """What keeps writes from being answered."""
    if not view.primary:
        yield f"No primary is known, so writes are not answered. {_TAKE_OVER}"
    elif primary is not None and _is_away(primary):
        yield f"The primary {primary.name} does not answer. {_TAKE_OVER}"
    elif (met := in_step(view)) < view.sync_standbys:
        wanted = "1 standby" if view.sync_standbys == 1 else f"{view.sync_standbys} standbys"
        yield (
            f"Answers wait for {wanted} and {met} {'is' if met == 1 else 'are'} in step, so writes are answered "
            f"`not_durable`. Start standbys, or wait for fewer: `onsale sync-standbys {met}`."
        )


def _of_members(view: ClusterView, primary: Member | None) -> Iterator[str]:
    for each in view.members:
        if each is primary and _is_away(each):
            continue  # said above
        if _is_away(each):
            remove = f"`onsale members remove {each.name}`"
            yield f"{each.name} does not answer. Start it again, or take it off the list: {remove}."
        elif each.state == "failed":
            yield f"{each.name} has taken itself out; its log says why."
        elif each is not primary and each.epoch < view.epoch:
            yield f"{each.name} is still in epoch {each.epoch}, and the cluster is in {view.epoch}."
        elif each.lag_ms > LAG_MS_MAX and primary is not None and not _is_away(primary):
            yield f"{each.name} is {each.lag_ms / 1000:.1f} s behind the primary."


def _is_away(member: Member) -> bool:
    return member.state == "unreachable" or member.age_ms > NEWS_AGE_MS_MAX
