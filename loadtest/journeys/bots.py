"""A bot, which tries to get tickets by cheating, one trick after the other.

Owns the tricks, and how each must be refused. To be refused with the right code is a success; to get a place or a
ticket by a trick is a fault. What a bot may have by the rules, such as the first hold, it is given like anybody.
"""

from collections.abc import Callable
from typing import Final

from . import answers as a
from .client import Told
from .person import Person
from .proof import encoded

ADDRESS: Final = {"X-Forwarded-For": "198.51.100.7"}  # all bots share it
ANYBODY_MAY_BE_TOLD: Final = frozenset({"rate_limited", "overloaded", "not_on_sale", "event_cancelled"})


def cheat(person: Person) -> None:
    tricks: tuple[Callable[[Person], None], ...] = (
        _join_without_challenge, _forge_a_solution, _replay_a_solution, _book_past_the_queue, _hold_too_many,
        _pay_too_little, _take_over,
    )  # fmt: skip
    for trick in person.chance.sample(tricks, len(tricks)):
        trick(person)
        person.thinks(0.5)


def _join_without_challenge(person: Person) -> None:
    _must_be_refused(person, person.join(person.plan.room, None, patient=False), "challenge_required", "missing")


def _forge_a_solution(person: Person) -> None:
    """Of a challenge that is real, with a number that is guessed."""
    challenge = person.challenge(person.plan.room)
    forged = encoded(challenge, challenge["maxnumber"] + 1)  # further than the search goes: never right
    _must_be_refused(person, person.join(person.plan.room, forged, patient=False), "challenge_required", "invalid")


def _replay_a_solution(person: Person) -> None:
    """One solution for two users. The first place is by the rules; and its token does not serve the second."""
    me, room = person.user_id, person.plan.room
    solution = person.solve(room)
    first = person.join(room, solution, patient=False)
    if first.status >= 300:
        _must_be_refused(person, first, "wrong_status", None)
        return
    person.rotates_to(f"{me}-b")
    _must_be_refused(person, person.join(room, solution, patient=False), "challenge_required", "used")
    event = person.look_at_event(room)
    told = person.book(event, 1, token=first.said.token, patient=False)
    _must_be_refused(person, told, "queue_required", "foreign")
    person.rotates_to(me)
    person.leave_queue(room, first.said)


def _book_past_the_queue(person: Person) -> None:
    event = person.look_at_event(person.plan.room)
    _must_be_refused(person, person.book(event, 1, patient=False), "queue_required", "missing")
    told = person.book(event, 1, token=person.user_id, patient=False)
    _must_be_refused(person, told, "queue_required", "missing")


def _hold_too_many(person: Person) -> None:
    """More than the event sells to one user."""
    event = person.look_at_event(person.chance.choice(person.plan.halls))
    me = person.user_id
    person.rotates_to(f"{me}-{person.chance.getrandbits(32):x}")
    held = 0
    for _ in range(4):
        told = person.book(event, max(event.max_per_user // 2, 1), patient=False)
        if told.status == 201:
            held += told.said.quantity
        elif told.status != 429 and told.code not in ("limit_per_user", "sold_out"):
            raise person.fault(f"held {held} tickets, and was refused with {told.code}")
    if held > event.max_per_user:
        raise person.fault(f"holds {held} tickets of an event that sells {event.max_per_user} to a user")
    for booking in [each for each in person.record.bookings.values() if each.status == "held"]:
        person.give_up(booking)
    person.rotates_to(me)


def _pay_too_little(person: Person) -> None:
    event = person.look_at_event(person.chance.choice(person.plan.halls))
    told = person.book(event, 1, patient=False)
    if told.status != 201:
        _must_be_refused(person, told, "limit_per_user", None)
        return
    booking = person.record.bookings[told.said.booking_id]
    expected: a.Expected = {422: {"amount_mismatch"}, 410: {"hold_expired"}}
    person.pay(booking, amount="0.01", expected=expected, may_pay=False)
    person.give_up(booking)


def _take_over(person: Person) -> None:
    """Pay, cheaply or not, for what somebody else holds; one's own name does not fit it."""
    event = person.look_at_event(person.chance.choice(person.plan.halls))
    told = person.book(event, 1, patient=False)
    if told.status != 201:
        return
    booking, me = person.record.bookings[told.said.booking_id], person.user_id
    person.rotates_to(f"{me}-thief")
    expected: a.Expected = {403: {"forbidden"}, 410: {"hold_expired"}}
    person.pay(booking, expected=expected, may_pay=False)
    person.rotates_to(me)
    person.give_up(booking)


def _must_be_refused(person: Person, told: Told, code: str, reason: str | None) -> None:
    if told.status >= 400 and told.code in ANYBODY_MAY_BE_TOLD:
        return
    if told.status < 400:
        raise person.fault(f"cheated and was not refused with {code}, but told {told.said}")
    if told.code != code or reason not in (None, told.said.reason):
        raise person.fault(f"was refused with {told.code} {told.said.reason}, and {code} {reason} is right")
