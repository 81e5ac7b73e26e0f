"""What an audit asks of what keeps bots out: a challenge counts once, and nobody gets by without.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`.
"""

from .. import facts as f
from ..state import State
from ..status import CHALLENGE_NONE
from .books import Books, Show


def needs_challenge(books: Books, show: Show) -> None:
    """Somebody did what takes a solved challenge here; it is among the facts of the same step."""
    if show.challenge != CHALLENGE_NONE:
        books.challenges_needed += 1


def check_challenges(books: Books) -> None:
    """At the end of a batch; one may hold many steps, so they are counted. One that was refused uses one up as well."""
    needed, used = books.challenges_needed, books.challenges_used
    books.challenges_needed = books.challenges_used = 0
    if needed > used:
        books.fault(f"{needed} people came where a challenge is asked for, and {used} challenges were used")


def challenge_used(books: Books, fact: f.ChallengeUsed) -> None:
    books.challenges_used += 1
    known = books.challenges.get(fact.digest)
    if fact.expires_ms <= books.at_ms:
        books.fault(f"challenge {fact.digest.hex()} was used {books.at_ms - fact.expires_ms} ms after its time")
    elif known is not None:
        books.fault(f"challenge {fact.digest.hex()} was used twice")
    books.challenges[fact.digest] = fact.expires_ms
    if len(books.challenges) > 2 * books.challenges_live + 1_000:
        books.challenges = {digest: ends for digest, ends in books.challenges.items() if ends > books.at_ms}
        books.challenges_live = len(books.challenges)


def suspected(books: Books, fact: f.Suspected) -> None:
    show = books.shows[fact.event_id]
    if not 0 < fact.score <= 100:
        books.fault(f"somebody was suspected with a score of {fact.score} at event {show.id}")
    claim = books.claims[fact.booking_id] if fact.booking_id else None
    if claim is not None and (claim.user_id != fact.user_id or claim.stock.show is not show):
        books.fault(f'user "{fact.user_id}" was suspected with booking {claim.id}, which is someone else\'s')


def open_bots(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands."""
    books.challenges = {row.digest: row.expires_ms for row in state.challenges.rows.values()}


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    live = {digest for digest, ends in books.challenges.items() if ends > books.at_ms}
    missing = live - state.challenges.rows.keys()  # the engine forgets the old ones more slowly
    return [f"the engine forgot {len(missing)} challenges too early"] if missing else []
