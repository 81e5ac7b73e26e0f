"""What an operator is told about a failover: one function for each thing there is to say.

Owns the sentences alone; what is so is decided in failover.py. Each says what was found and, where something is
refused, what to do about it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .frames import NodeStatus

if TYPE_CHECKING:
    from .failover import Observed

NO_PRIMARY_TO_HAND_OVER: Final = (
    "No primary answers that could hand over. If it is gone for good, let a standby take over: `onsale failover`."
)
NO_PRIMARY_TO_TELL: Final = (
    "No primary answers, so nothing can be changed now. Start it again, or let a standby take over: `onsale failover`."
)

HAND_OVER_AGAIN: Final = "Look at `onsale status`, then try again."


def names_of(names: Sequence[str], joined: str = "and") -> str:
    """`A, B and C`."""
    return " ".join((", ".join(names[:-1]), joined, names[-1])) if len(names) > 1 else "".join(names)


def count_of(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


# --- what was seen


def seen(observed: "Observed") -> tuple[str, ...]:
    """One sentence for each voter, and each other node that answered."""
    answered = [_answers(status, observed) for status in observed.statuses.values()]
    return (*answered, *(f"{name} does not answer." for name in observed.unreachable))


def _answers(status: NodeStatus, observed: "Observed") -> str:
    if observed.primary is status:
        return f"{status.name} answers and leads in epoch {status.leader_epoch}, at seq {status.received_seq}."
    return f"{status.name} answers: {status.role}, with everything up to seq {status.received_seq} {_epoch(status)}."


def _epoch(status: NodeStatus) -> str:
    return f"of epoch {status.epoch}"


def following(observed: "Observed") -> list[str]:
    """The standbys that follow the primary now."""
    primary = observed.primary
    assert primary is not None
    led = (primary.name, primary.leader_epoch)
    return [each.name for each in observed.counted if each is not primary and (each.leader, each.leader_epoch) == led]


# --- who is to lead


def unknown(name: str, known: Sequence[str]) -> str:
    return f"There is no member called {name}; there is {names_of(sorted(known))}."


def cannot_vote(status: NodeStatus, candidates: Sequence[str]) -> str:
    why = "is a read replica, which has no vote" if not status.voting else "is no member that votes"
    return f"{status.name} {why}, so it cannot lead. {_choose(candidates)}"


def does_not_answer(name: str, candidates: Sequence[str]) -> str:
    return f"{name} does not answer, so it cannot lead now. Start it again, or choose another. {_choose(candidates)}"


def _choose(candidates: Sequence[str]) -> str:
    if not candidates:
        return "No standby answers."
    return f"Leave out --to, or give it {names_of(candidates, 'or')}."


def nobody(observed: "Observed") -> str:
    start = f" Start {names_of(observed.unreachable, 'or')} again." if observed.unreachable else ""
    others = [name for name, status in observed.statuses.items() if status.role not in ("replica", "primary")]
    if start and others:
        start += f" If they are gone for good, --accept-data-loss lets {names_of(others, 'or')} lead."
    return f"No standby answers that could lead.{start}"


def leads_already(status: NodeStatus) -> str:
    return f"{status.name} is the primary already, in epoch {status.leader_epoch}. There is nothing to do."


def primary_answers(primary: NodeStatus, target: NodeStatus) -> str:
    return (
        f"{primary.name} is not gone: hand over with `onsale switchover --to {target.name}`, which loses nothing. If "
        f"{primary.name} must not lead any more and cannot hand over, stop it, or repeat with --accept-data-loss: it "
        f"may lose the answers given after seq {target.received_seq}."
    )


# --- what is kept, and what may be lost


def becomes(target: NodeStatus, epoch: int) -> str:
    return f"{target.name} becomes the primary in epoch {epoch}, and keeps everything up to seq {target.received_seq}."


def nothing_lost(own: NodeStatus, names: Sequence[str], handed_over_by: str) -> str:
    if handed_over_by:
        return f"No answer is lost: {handed_over_by} has stopped, and {own.name} has all that it had."
    members = count_of(len(own.voters), "voting member")
    if own.sync_standbys:
        each = f"every answer is on at least {own.sync_standbys + 1} of the {members}"
    else:
        each = f"all of the {members} are heard"
    agree = f", and of {names_of(names)} it has the most" if len(names) > 1 else ", and it is enough to have one"
    return f"No answer is lost: {each}{agree if own.sync_standbys else ''}."


def has_no_vote(name: str) -> str:
    return f"{name} is no member that votes, so it cannot lead."


def is_a_stranger(own: NodeStatus) -> str:
    return (
        f"{own.name} is none of the voting members that the journal names: a copy that was brought back, or a node "
        f"made anew. Whatever they answered after seq {own.received_seq} it does not have."
    )


def is_behind(own: NodeStatus, other: NodeStatus) -> str:
    if own.epoch == other.epoch:
        more = count_of(other.received_seq - own.received_seq, "fact")
        return (
            f"{own.name} has everything up to seq {own.received_seq}, and {other.name} up to {other.received_seq}: "
            f"{own.name} lacks {more} that may have been answered."
        )
    return (
        f"{own.name} ends with seq {own.received_seq} {_epoch(own)}, and {other.name} with seq {other.received_seq} of "
        f"the later epoch {other.epoch}, in which answers may have been given that {own.name} lacks."
    )


def take_the_one_ahead(own: NodeStatus, other: NodeStatus) -> str:
    return f"Let {other.name} lead: leave out --to, or give it {other.name}. Or {_accept(own)}"


def too_few(own: NodeStatus, names: Sequence[str], lacking: Sequence[str], needed: int) -> str:
    members = count_of(len(own.voters), "voting member")
    if own.sync_standbys:
        rule = (
            f"Answers waited for {count_of(own.sync_standbys, 'standby')}, so {needed} "
            f"of the {members} must agree to lose none"
        )
    else:
        rule = f"Answers waited for no standby, so all of the {members} must agree to lose none"
    return f"{rule}, and only {names_of(names)} can: {names_of(lacking)} may hold answers that {own.name} lacks."


def start_again(own: NodeStatus, lacking: Sequence[str], more: int) -> str:
    which = names_of(lacking, "or") if more == 1 else f"{more} of {names_of(lacking)}"
    if more >= len(lacking):
        which = names_of(lacking)
    return f"Start {which} again, or {_accept(own)}"


def only_by_accepting(own: NodeStatus) -> str:
    return f"This should not be possible. Keep the data folders of all nodes, and find out why; or {_accept(own)}"


def _accept(own: NodeStatus) -> str:
    return f"repeat with --accept-data-loss: it may lose the answers given after seq {own.received_seq}."


def accepted(own: NodeStatus) -> str:
    return f"The answers given after seq {own.received_seq} may be lost, which you accept."


def known_lost(observed: "Observed", target: NodeStatus) -> tuple[str, ...]:
    """What is known to have been committed, and is not in the target's journal."""
    knowing = [
        each
        for each in observed.statuses.values()
        if each.epoch >= target.epoch and each.committed_seq > target.received_seq
    ]
    if not knowing:
        return ()
    most = max(knowing, key=lambda each: each.committed_seq)
    facts = count_of(most.committed_seq - target.received_seq, "fact")
    first = target.received_seq + 1
    return (
        f"{target.name} lacks {facts} that were answered, seq {first} to {most.committed_seq}, as {most.name} knows.",
    )


# --- and then


def outlook(
    observed: "Observed", target: NodeStatus, epoch: int, sync_standbys: int, *, may_lose: bool
) -> tuple[str, ...]:
    """What follows from it, and what the operator still has to do."""
    said = []
    away = list(observed.unreachable)
    if away and may_lose:
        said.append(
            f"{names_of(away)} cannot be told. Make sure that {_each(away)} stopped: a primary that still runs goes on "
            f"answering until it hears of epoch {epoch}, and those answers are lost, too."
        )
    if away:
        said.append(
            f"Whatever {names_of(away, 'or')} may hold behind seq {target.received_seq} is cut off when "
            f"{_it(away)} back, kept in a file there, and the bookings in it are named."
        )
    others = [each.name for each in observed.counted if each.name != target.name]
    if sync_standbys < target.sync_standbys:
        said.append(_lowered(target.sync_standbys, sync_standbys, away))
    if len(others) < sync_standbys:
        more = count_of(sync_standbys - len(others), "more standby")
        said.append(
            f"{target.name} answers no write until {more} "
            f"follow{'s' if sync_standbys - len(others) == 1 else ''} it: start {names_of(away, 'or')}, or wait for "
            f"fewer with `onsale sync-standbys {len(others)}`."
        )
    return tuple(said)


def _each(names: Sequence[str]) -> str:
    return "it is" if len(names) == 1 else "all of them are"


def _it(names: Sequence[str]) -> str:
    return "it is" if len(names) == 1 else "they are"


def _lowered(before: int, after: int, away: Sequence[str]) -> str:
    said = f"Answers wait for {count_of(after, 'standby')} from then on, no longer for {before}."
    if away:
        said += (
            f" {names_of(away)} cannot know that: before it has caught up, {names_of(away, 'or')} must not be let "
            "lead, for the answers given meanwhile would be lost."
        )
    return said


# --- handing over


def does_not_follow(target: NodeStatus, primary: NodeStatus) -> str:
    whom = target.leader or "nobody"
    return (
        f"{target.name} does not follow {primary.name} now, but {whom}. Wait until `onsale status` shows it in step, "
        "or choose another."
    )


def too_far_behind(target: NodeStatus, lag_facts: int) -> str:
    return (
        f"{target.name} is {lag_facts} facts behind, and answers would stop until it has caught up. Wait until "
        "`onsale status` shows that it nearly has."
    )


def too_few_to_hand_over(observed: "Observed", names: Sequence[str], needed: int) -> str:
    return (
        f"{needed} of the {count_of(len(observed.voters), 'voting member')} must agree, and only {names_of(names)} "
        f"can. Start {names_of(observed.unreachable, 'or')} again."
    )


def not_handed_over(own: NodeStatus, by: str) -> str:
    return f"{by} has not promised to stay behind {own.name}, so {own.name} cannot lead."


def hands_over(primary: NodeStatus, target: NodeStatus, lag_facts: int, epoch: int) -> tuple[str, ...]:
    behind = f", once it has the {count_of(lag_facts, 'fact')} it lacks now" if lag_facts > 0 else ""
    return (
        f"{primary.name} stops and hands over to {target.name}, which becomes the primary in epoch {epoch}{behind}.",
        f"Nothing is lost. If {target.name} does not take over in time, {primary.name} goes on.",
    )


# --- how many standbys answers wait for, and who is a member


def more_than_there_are(count: int, standbys: int) -> str:
    return f"Answers cannot wait for {count_of(count, 'standby')}: there {_are(standbys)}. Add standbys first."


def _are(standbys: int) -> str:
    return "are none" if not standbys else f"{'is' if standbys == 1 else 'are'} {standbys}"


def would_stop(count: int, following_now: Sequence[str]) -> str:
    now = f"only {names_of(following_now)} does" if len(following_now) == 1 else f"{names_of(following_now)} do"
    if not following_now:
        now = "none does"
    return f"Answers to writes would stop at once: {count} standbys would have to follow, and {now}. Start them first."


def not_agreed(before: int, there: Sequence[str], away: Sequence[str]) -> str:
    """Why fewer standbys are not enough from now on: too few of those there were know of it."""
    known = f"only {names_of(there)} would" if there else "none would"
    danger = f": {names_of(away, 'or')} could be let lead without what is answered meanwhile" if away else ""
    return (
        f"That fewer standbys will do must itself be known to {count_of(before, 'standby')}, and {known} know of it"
        f"{danger}. Start them first; or repeat with --accept-data-loss, and never let one of them lead before it has "
        "caught up."
    )


def waits_for(observed: "Observed", count: int) -> tuple[str, ...]:
    before = observed.sync_standbys
    if count == before:
        return (f"Answers wait for {count_of(count, 'standby')} already.",)
    if count > before:
        return (f"Answers wait for {count_of(count, 'standby')} from now on, no longer for {before}.",)
    said = [_lowered(before, count, observed.unreachable).replace("from then on", "from now on")]
    if not count:
        said.append(
            "What is answered then is on the primary alone: a failover without it cannot prove to lose nothing."
        )
    return tuple(said)


def cannot_remove_primary(name: str) -> str:
    return f"{name} is the primary. Hand over first: `onsale switchover`, then remove it."


def needed_for_answers(name: str, sync_standbys: int, standbys: int) -> str:
    return (
        f"Answers wait for {count_of(sync_standbys, 'standby')}, and without {name} there {_are(standbys)}: they would "
        f"stop for good. Add another standby, or first wait for fewer: `onsale sync-standbys {standbys}`."
    )


def removed(name: str) -> str:
    return f"{name} is no member any more. Stop it: as long as it runs with this cluster's secret it joins again."
