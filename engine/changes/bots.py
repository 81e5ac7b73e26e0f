"""What is remembered of what keeps bots out.

Owns the facts about challenges that were used, and about who was taken for a program. A challenge is remembered until
it would not be taken any more anyway, and forgotten a few at a time, faster than others can be used.
"""

from .. import facts as f
from ..limits import CHALLENGES_FORGOTTEN_PER_STEP_MAX
from ..records import Challenge
from ..state import State


def challenge_used(state: State, fact: f.ChallengeUsed) -> None:
    challenges, order = state.challenges, state.challenge_order
    for _ in range(CHALLENGES_FORGOTTEN_PER_STEP_MAX):
        if not order or order[0].expires_ms > state.at_ms:
            break
        challenges.drop(order.popleft().digest, archive=False)
    assert fact.digest not in challenges.rows, "a challenge counts once"
    challenge = Challenge(fact.digest, fact.expires_ms)
    challenges.add(fact.digest, challenge)
    order.append(challenge)


def suspected(_state: State, _fact: f.Suspected) -> None:
    """For whoever reads the journal; nothing follows from it by itself."""
