"""Whether a node takes over by itself now: the rule, and the words for it.

Pure: what the lease's store and the other voters said comes in, a step comes out, with a sentence for the operator.
Takes nothing from the promises: what this lets a node try, failover.py must still let it finish.
"""

from typing import Final

import msgspec

from .failover import Observed, counted, is_ahead, promises_needed
from .frames import NodeStatus
from .lease import OutOfReach, Seen

TURN_SECONDS: Final = 1.0
"""How long each voter that may go first is waited for: whoever has more goes first, then by name."""

PASSED_OVER_SECONDS: Final = 5.0
"""How long those who have more are waited for: they may be unable to lead. What enough others lack was not answered."""


class Try(msgspec.Struct, frozen=True):
    """Ask for the lease, then for an epoch above `above_epoch`."""

    above_epoch: int
    sentence: str


class Stay(msgspec.Struct, frozen=True):
    """Nothing to be done by this node now. `urgent`: nobody leads, and nobody will unless a person helps."""

    sentence: str
    urgent: bool = False


def others_would_answer(voters: int, answers_wait_for: int, following: int) -> bool:
    """Whether those who don't follow the one that leads could lead, and answer, without it and who follows it."""
    missing = voters - 1 - following
    return missing >= max(promises_needed(voters, answers_wait_for), answers_wait_for + 1)


def look(own: NodeStatus, lease: Seen | OutOfReach) -> Stay | None:
    """What the lease alone says; None: nobody has it, so ask the others."""
    if isinstance(lease, OutOfReach):
        return Stay(f"Nobody new leads while the lease can't be asked for: {lease.sentence}", urgent=True)
    if lease.holder is not None and lease.holder.node_id != own.node_id:
        return Stay(f"{lease.holder.name} has the lease.")
    if lease.paused:
        return Stay("Nobody has the lease, and takeover is paused: `onsale resume`, or `onsale failover`.", urgent=True)
    return None


def succeed(own: NodeStatus, observed: Observed, *, free_seconds: float) -> Try | Stay:
    """The lease has been nobody's for `free_seconds`; `observed` has this node's own status, too."""
    voters, answers_wait_for = own.voters, own.sync_standbys
    there = counted(observed.statuses.values(), voters)
    if own.name not in {each.name for each in there}:
        return Stay(f"{own.name} has no vote by its own journal, so it can't lead.", urgent=True)
    needed = promises_needed(len(voters), answers_wait_for)
    if len(there) < needed:
        missing = sorted({voter.name for voter in voters} - {each.name for each in there})
        return Stay(
            f"Nobody leads. Answers waited for {answers_wait_for} of {len(voters) - 1} standbys, so {needed} voters "
            f"must agree that nothing is lost, and {len(there)} answer: bring back {' or '.join(missing)}, or let "
            "`onsale failover` say what it takes.",
            urgent=True,
        )
    turn_seconds = [each.name for each in there].index(own.name) * TURN_SECONDS
    first = there[0]
    if is_ahead(first, own):
        turn_seconds += PASSED_OVER_SECONDS
        if free_seconds < turn_seconds:
            return Stay(f"{first.name} has more than {own.name}, and goes first.")
        there = [each for each in there if not is_ahead(each, own)]
        if len(there) < needed:
            return Stay(
                f"Nobody leads. {first.name} has more than {own.name}, and nothing is lost for certain if it leads: "
                "look at its log for why it does not, or let `onsale failover` say what it takes.",
                urgent=True,
            )
    elif free_seconds < turn_seconds:
        return Stay(f"{first.name} goes first.")
    return Try(
        observed.highest_epoch,
        f"Nobody has the lease. {own.name} has everything up to seq {own.received_seq}, and of {len(voters)} voters "
        f"{len(there)} answer ({needed} must agree): it asks to lead.",
    )
