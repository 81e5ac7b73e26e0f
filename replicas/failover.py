"""Who may lead next, whether that can lose an answer, and the words for it.

Owns every decision of a failover, a hand-over and a change of how many standbys answers wait for. Pure: what was
observed comes in, a `Plan` or a `Refusal` comes out, each with sentences for the operator; failover_words.py has them.
Promises that a plan, or a `Verdict` that lets a node lead, that did not need `accept_data_loss` loses nothing that was
answered. Never asks, waits or writes.

Why that holds. M members vote, the primary among them; an answer is given when its facts are on the primary and on K
standbys, so on K + 1 voters. A voter that promised an epoch to one leader takes nothing from an earlier one, and
promises no number twice. M − K of them, therefore,
- hold every answered fact between them: (M − K) + (K + 1) > M. The one with the highest (epoch, seq) holds all;
- leave an earlier primary with K voters at most, itself included, so it can answer nothing any more.
A primary that hands over has stopped first, and gives the next one all that it has. Then K + 1 promises for the epoch
right after its own, its own among them, do as well: no M − K others are left to give that epoch to anybody else.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from . import failover_words as words
from .frames import NodeStatus, Voter

PRIMARY: Final = "primary"
REPLICA: Final = "replica"
HANDED_OVER_LAG_FACTS_MAX: Final = 100_000  # a hand-over stops the primary until the next one has caught up


class Observed(msgspec.Struct, frozen=True):
    """What was seen of a cluster: the nodes that answered, and what the one furthest ahead says of the rest."""

    statuses: Mapping[str, NodeStatus]  # by name
    voters: tuple[Voter, ...]
    sync_standbys: int

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Voters that did not answer."""
        return tuple(voter.name for voter in self.voters if voter.name not in self.statuses)

    @property
    def counted(self) -> list[NodeStatus]:
        """Those who answered and whose promise counts, the one furthest ahead first."""
        return counted(self.statuses.values(), self.voters)

    @property
    def primary(self) -> NodeStatus | None:
        """The one that leads, as far as is known; an earlier one may not have heard of it."""
        leaders = [status for status in self.statuses.values() if status.role == PRIMARY]
        return max(leaders, key=lambda status: status.leader_epoch, default=None)

    @property
    def highest_epoch(self) -> int:
        """That anybody has heard of."""
        return max(
            (max(each.epoch, each.promised_epoch, each.leader_epoch) for each in self.statuses.values()), default=0
        )


class Plan(msgspec.Struct, frozen=True):
    """Let `to` lead in `epoch`. `sentences`: what was seen, what is kept, what may be lost, what is to be done then."""

    to: str
    address: str  # of its replication
    epoch: int
    promises_needed: int  # its own included
    keeps_seq: int  # it has everything up to here
    may_lose: bool  # it is not proven that no answer is lost
    sentences: tuple[str, ...]
    handed_over: bool = False


class Change(msgspec.Struct, frozen=True):
    """A change to the members or the rule that can be made. `sentences`: what it means."""

    sentences: tuple[str, ...]


class Refusal(msgspec.Struct, frozen=True):
    """`sentences`: what was seen, why not, and what to do."""

    sentences: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """Whether a candidate leads now."""

    leads: bool
    may_lose: bool
    sentences: tuple[str, ...]


def observe(statuses: Iterable[NodeStatus]) -> Observed:
    """Of the nodes that answered; those without a journal, or of another cluster's, are left out.

    Who votes, and how many standbys answers wait for, is taken from the voter that is furthest ahead.
    """
    known = {status.name: status for status in statuses if status.journal_id}
    ahead = max(known.values(), key=lambda status: (status.voting, *_standing(status)), default=None)
    if ahead is None:
        return Observed({}, (), 0)
    ours = {name: status for name, status in known.items() if status.journal_id == ahead.journal_id}
    return Observed(ours, tuple(ahead.voters), ahead.sync_standbys)


def counted(statuses: Iterable[NodeStatus], voters: Iterable[Voter]) -> list[NodeStatus]:
    """Those that vote by their own word and are among `voters`, the one furthest ahead first.

    A member that was made anew under its old name does not vote until its own journal says so: its earlier
    acknowledgements are worth nothing.
    """
    names = {voter.name for voter in voters}
    found = [status for status in statuses if status.voting and status.name in names]
    return sorted(found, key=_order)


def promises_needed(voters: int, sync_standbys: int, *, handed_over: bool = False) -> int:
    """How many of the voters must promise an epoch to a node before it leads in it, itself included."""
    needed = max(1, voters - sync_standbys)
    return min(needed, sync_standbys + 1) if handed_over else needed


def is_ahead(one: NodeStatus, other: NodeStatus) -> bool:
    """Whether the first journal goes on where the second ends, or is of a later epoch."""
    return _standing(one) > _standing(other)


def may_lead(
    own: NodeStatus,
    promised: Iterable[NodeStatus],
    *,
    epoch: int,
    handed_over_by: str = "",
    accept_data_loss: bool = False,
) -> Verdict:
    """Whether the candidate `own` leads in `epoch`, which the nodes in `promised` have promised to it.

    `own.voters` and `own.sync_standbys` must be as its journal says to the very end, applied or not; `promised` as
    those nodes stood when they promised. `handed_over_by`: the primary that has stopped at what `own` has; it goes on
    by itself unless it is among `promised`.
    """
    promises = counted([own, *(each for each in promised if each.name != own.name)], own.voters)
    names = sorted(each.name for each in promises)
    if own.name not in names:
        if accept_data_loss and own.role != REPLICA:  # a copy brought back from a backup, where all else is gone
            return Verdict(leads=True, may_lose=True, sentences=(words.is_a_stranger(own), words.accepted(own)))
        return Verdict(leads=False, may_lose=False, sentences=(words.has_no_vote(own.name),))
    succeeds = handed_over_by in names and epoch == own.epoch + 1
    needed = promises_needed(len(own.voters), own.sync_standbys, handed_over=succeeds)
    lacking = [voter.name for voter in own.voters if voter.name not in names]
    if is_ahead(promises[0], own):
        fault, remedy = words.is_behind(own, promises[0]), words.take_the_one_ahead(own, promises[0])
    elif len(promises) < needed:
        fault, remedy = words.too_few(own, names, lacking, needed), words.start_again(own, lacking, needed - len(names))
        if handed_over_by and not succeeds:
            fault, remedy = words.not_handed_over(own, handed_over_by), words.HAND_OVER_AGAIN
    else:
        return Verdict(
            leads=True, may_lose=False, sentences=(words.nothing_lost(own, names, handed_over_by if succeeds else ""),)
        )
    if accept_data_loss:
        return Verdict(leads=True, may_lose=True, sentences=(fault, words.accepted(own)))
    return Verdict(leads=False, may_lose=True, sentences=(fault, remedy))


def plan_failover(
    observed: Observed, to: str | None, *, accept_data_loss: bool = False, sync_standbys: int | None = None
) -> Plan | Refusal:
    """Who leads next when the primary is gone. `to`: only this one; None: the one furthest ahead.

    `sync_standbys`: how many standbys answers shall wait for from then on; None: as now.
    """
    seen = words.seen(observed)
    primary = observed.primary
    without = primary.name if primary is not None else None
    target = _target(observed, to, without=without, strangers=accept_data_loss)
    if isinstance(target, Refusal):
        return Refusal((*seen, *target.sentences))
    if target is primary:
        return Refusal((*seen, words.leads_already(target)))
    if primary is not None and not accept_data_loss:
        return Refusal((*seen, words.primary_answers(primary, target)))
    lost = words.known_lost(observed, target)
    epoch = observed.highest_epoch + 1
    verdict = may_lead(target, observed.counted, epoch=epoch, accept_data_loss=accept_data_loss)
    if lost and not verdict.may_lose:  # what is promised here was broken before
        verdict = Verdict(leads=accept_data_loss, may_lose=True, sentences=(words.only_by_accepting(target),))
    if not verdict.leads:
        return Refusal((*seen, *lost, *verdict.sentences))
    wanted = target.sync_standbys if sync_standbys is None else sync_standbys
    fault = _too_many(wanted, len(observed.voters) - 1)
    if fault:
        return Refusal((*seen, fault))
    there = [each.name for each in observed.counted if each is not target and each is not primary]
    if wanted < target.sync_standbys and len(there) < target.sync_standbys and not accept_data_loss:
        return Refusal((*seen, words.not_agreed(target.sync_standbys, there, observed.unreachable)))
    outlook = words.outlook(observed, target, epoch, wanted, may_lose=verdict.may_lose)
    return Plan(
        to=target.name,
        address=_address(observed, target.name),
        epoch=epoch,
        promises_needed=promises_needed(len(target.voters), target.sync_standbys),
        keeps_seq=target.received_seq,
        may_lose=verdict.may_lose,
        sentences=(*seen, words.becomes(target, epoch), *lost, *verdict.sentences, *outlook),
    )


def plan_switchover(observed: Observed, to: str | None) -> Plan | Refusal:
    """Who leads next when the primary hands over. Nothing is lost: it stops, and goes on itself if that fails."""
    seen = words.seen(observed)
    primary = observed.primary
    if primary is None:
        return Refusal((*seen, words.NO_PRIMARY_TO_HAND_OVER))
    target = _target(observed, to, without=primary.name)
    if isinstance(target, Refusal):
        return Refusal((*seen, *target.sentences))
    if target is primary:
        return Refusal((*seen, words.leads_already(target)))
    if (target.leader, target.leader_epoch) != (primary.name, primary.leader_epoch):
        return Refusal((*seen, words.does_not_follow(target, primary)))
    lag_facts = primary.received_seq - target.received_seq
    if lag_facts > HANDED_OVER_LAG_FACTS_MAX:
        return Refusal((*seen, words.too_far_behind(target, lag_facts)))
    succeeds = observed.highest_epoch == primary.leader_epoch
    needed = promises_needed(len(observed.voters), observed.sync_standbys, handed_over=succeeds)
    names = [each.name for each in observed.counted]
    if len(names) < needed:
        return Refusal((*seen, words.too_few_to_hand_over(observed, names, needed)))
    return Plan(
        to=target.name,
        address=_address(observed, target.name),
        epoch=observed.highest_epoch + 1,
        promises_needed=needed,
        keeps_seq=primary.received_seq,
        may_lose=False,
        sentences=(*seen, *words.hands_over(primary, target, lag_facts, observed.highest_epoch + 1)),
        handed_over=True,
    )


def plan_sync_standbys(observed: Observed, count: int, *, accept_data_loss: bool = False) -> Change | Refusal:
    """Whether answers may wait for `count` standbys from now on.

    Fewer than before is itself to be on as many standbys as before: a node that does not know of it may lead by the
    promises of voters none of which has what was answered since.
    """
    standbys = len(observed.voters) - 1
    if observed.primary is None:
        return Refusal((words.NO_PRIMARY_TO_TELL,))
    fault = _too_many(count, standbys)
    if fault:
        return Refusal((fault,))
    following = words.following(observed)
    if count > len(following) and count > observed.sync_standbys:
        return Refusal((words.would_stop(count, following),))
    if count < observed.sync_standbys and len(following) < observed.sync_standbys and not accept_data_loss:
        return Refusal((words.not_agreed(observed.sync_standbys, following, observed.unreachable),))
    return Change(words.waits_for(observed, count))


def plan_removal(observed: Observed, name: str) -> Change | Refusal:
    """Whether a member may be forgotten."""
    primary = observed.primary
    if primary is None:
        return Refusal((words.NO_PRIMARY_TO_TELL,))
    if name == primary.name:
        return Refusal((words.cannot_remove_primary(name),))
    if any(voter.name == name for voter in observed.voters):
        standbys = len(observed.voters) - 2
        if observed.sync_standbys > standbys:
            return Refusal((words.needed_for_answers(name, observed.sync_standbys, standbys),))
    return Change((words.removed(name),))


def _target(
    observed: Observed, to: str | None, *, without: str | None, strangers: bool = False
) -> NodeStatus | Refusal:
    """The node that was named; or the one furthest ahead, but not the one that leads.

    `strangers`: where no voter answers, a node will do that is none: a copy brought back from a backup.
    """
    candidates = [status for status in observed.counted if status.name != without]
    if strangers and not candidates:
        others = [each for each in observed.statuses.values() if each.role != REPLICA and each.name != without]
        candidates = sorted(others, key=_order)
        if candidates and to in (None, candidates[0].name):
            return candidates[0]
    if to is None:
        return candidates[0] if candidates else Refusal((words.nobody(observed),))
    status = observed.statuses.get(to)
    if status is not None and any(status is each for each in observed.counted):
        return status
    names = [each.name for each in candidates]
    if status is not None:
        return Refusal((words.cannot_vote(status, names),))
    if to in observed.unreachable:
        return Refusal((words.does_not_answer(to, names),))
    return Refusal((words.unknown(to, [*observed.statuses, *observed.unreachable]),))


def _too_many(count: int, standbys: int) -> str:
    return words.more_than_there_are(count, standbys) if count > max(standbys, 0) else ""


def _address(observed: Observed, name: str) -> str:
    """Empty for a node that is no voter: it is the one that was asked."""
    return next((voter.replication for voter in observed.voters if voter.name == name), "")


def _standing(status: NodeStatus) -> tuple[int, int]:
    return status.epoch, status.received_seq


def _order(status: NodeStatus) -> tuple[int, int, int, str]:
    """Furthest ahead first; of equals, who has applied most leads soonest."""
    return -status.epoch, -status.received_seq, -status.applied_seq, status.name
