"""What keeps bots out, as far as it takes the state: a challenge counts once.

Owns when a challenge is asked for, and what is written down of it. A solved challenge buys one decided try: whatever
the answer to that is, the challenge is used then, unless the answer asks to try the same again (codes.TRANSIENT).
That a solution is ours and right was checked before; see http/access.
"""

from ..codes import TRANSIENT, Code
from ..commands import Book, JoinQueue, Proof
from ..facts import ChallengeUsed, Fact, Held, QueueJoined, Suspected, Waited
from ..limits import CHALLENGES_MAX
from ..records import Event
from ..replies import Refusal
from ..state import State
from ..status import CHALLENGE_NAMES, CHALLENGE_NONE
from .shared import Decision, overloaded, refuse

CHALLENGE_REASONS = {
    "missing": "This event asks for a solved challenge: GET /challenge, and send its solution as `challenge`.",
    "expired": "The challenge was solved too late; GET /challenge gives another one.",
    "used": "This challenge was used before, and each counts once; GET /challenge gives another one.",
}


def refused(state: State, now_ms: int, event: Event, proof: Proof | None) -> Decision | None:
    """Why this must not be decided: there is no challenge though the event asks for one, or none that still counts.

    `challenge` in the refusal says which kind is asked for, `reason` is missing, expired or used.
    """
    if event.challenge == CHALLENGE_NONE:
        return None
    if proof is None:
        return _required(state, event, "missing")
    if proof.expires_ms <= now_ms:
        return _required(state, event, "expired")
    if proof.digest in state.challenges.rows:
        return _required(state, event, "used")
    if len(state.challenges.rows) >= CHALLENGES_MAX and state.challenge_order[0].expires_ms > now_ms:
        return overloaded(state, "challenges")
    return None


def settled(state: State, event: Event, command: Book | JoinQueue, decision: Decision) -> Decision:
    """The decision on what came with a challenge that `refused` found nothing against, with what is written down of
    the challenge and of the evidence.
    """
    if command.proof is None and command.evidence is None:  # by far the most
        return decision
    facts, reply = decision
    more: list[Fact] = []
    if isinstance(reply, Refusal):
        if reply.code in TRANSIENT:
            return decision
    elif facts and command.evidence is not None:
        more += _suspected(event, command, facts)
    if command.proof is not None and event.challenge != CHALLENGE_NONE:
        more.append(ChallengeUsed(command.proof.digest, command.proof.expires_ms))
        if isinstance(reply, Refusal):  # it rests on the challenge being used
            reply = Refusal(state.seq + 1, reply.code, reply.detail, reply.extra)
    return [*facts, *more], reply


def _suspected(event: Event, command: Book | JoinQueue, facts: list[Fact]) -> list[Fact]:
    """Of a booking or a place that was made."""
    made, evidence = facts[0], command.evidence
    assert evidence is not None
    if not isinstance(made, Held | Waited | QueueJoined):
        return []
    booking_id = 0 if isinstance(made, QueueJoined) else made.booking_id
    return [Suspected(event.id, command.user_id, booking_id, evidence.score, evidence.signals)]


def _required(state: State, event: Event, reason: str) -> Decision:
    kind = CHALLENGE_NAMES[event.challenge]
    return refuse(state, Code.CHALLENGE_REQUIRED, CHALLENGE_REASONS[reason], challenge=kind, reason=reason)
