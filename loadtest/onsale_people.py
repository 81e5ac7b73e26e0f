"""The people who come to a simulated onsale, and what each of them is going to do.

Owns their characters. Everything is drawn beforehand from one seed, whatever becomes of them, so that the same people
can be sent into differently run waiting rooms. Times are milliseconds; those of coming count from the opening.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final, TypeVar

T = TypeVar("T", bound=Enum)

QUANTITY_MAX: Final = 4  # what most ask for
MAX_PER_USER: Final = 4
SHARE_BEFORE_OPENING: Final = 0.7
PRE_QUEUE_MS: Final = 30 * 60_000
COMING_MS: Final = 4 * 60_000  # after the opening they come ever more seldom; this long on average


class Trick(Enum):
    """What somebody tries besides."""

    NONE = auto()
    NO_TURN = auto()  # to book without waiting for a turn
    FOREIGN_PLACE = auto()  # to book with the place of somebody whose turn it is
    TOO_MANY = auto()  # to book more than one user may have


class Turn(Enum):
    """What somebody makes of their turn."""

    BOOKS = auto()
    LAPSES = auto()
    LEAVES = auto()


class Hold(Enum):
    """What somebody makes of tickets they hold, or are offered."""

    PAYS = auto()
    LAPSES = auto()
    GIVES_UP = auto()


@dataclass(slots=True, frozen=True)
class Person:
    user_id: str
    comes_ms: int
    quantity: int
    joins_twice_ms: int | None  # so long after joining
    leaves_ms: int | None  # loses patience so long after the opening, or after joining if that is later
    heeds_ms: int | None  # leaves so long after being told that tickets will not reach them
    trick: Trick
    turn: Turn
    notices_ms: int  # until they see that it is their turn
    chooses_ms: int  # from then until they book, give up the turn
    takes_fewer: bool  # if there are not as many as they want
    stands_in_line: bool  # if there are none
    hold: Hold
    decides_ms: int  # from the hold until they pay, or give it up
    card_declined: bool  # the first time they pay
    offer: Hold  # of tickets offered to them in line; giving up is declining
    joins_again: bool  # once their turn or their hold has lapsed


def people_of(seed: int, count: int) -> list[Person]:
    """In the order in which they come."""
    chance = Random(seed)
    times = sorted(_comes_ms(chance) for _ in range(count))
    return [_person(chance, f"user-{number:06d}", comes_ms) for number, comes_ms in enumerate(times, 1)]


def _comes_ms(chance: Random) -> int:
    """Most come before the opening, and most of those in the last minutes."""
    if chance.random() < SHARE_BEFORE_OPENING:
        return -1 - int(PRE_QUEUE_MS * chance.random() ** 3)
    return int(chance.expovariate(1 / COMING_MS))


def _person(chance: Random, user_id: str, comes_ms: int) -> Person:
    return Person(
        user_id,
        comes_ms,
        quantity=chance.choices((1, 2, 3, 4), (25, 45, 10, 20))[0],
        joins_twice_ms=_maybe(chance, 0.10, 60_000),
        leaves_ms=_maybe(chance, 0.25, 12 * 60_000),
        heeds_ms=_maybe(chance, 0.20, 2 * 60_000),
        trick=_of(chance, {Trick.NONE: 94, Trick.NO_TURN: 3, Trick.FOREIGN_PLACE: 2, Trick.TOO_MANY: 1}),
        turn=_of(chance, {Turn.BOOKS: 88, Turn.LAPSES: 9, Turn.LEAVES: 3}),
        notices_ms=int(chance.uniform(500, 10_000)),
        chooses_ms=_lasts_ms(chance, 25_000),
        takes_fewer=chance.random() < 0.5,
        stands_in_line=chance.random() < 0.6,
        hold=_of(chance, {Hold.PAYS: 85, Hold.LAPSES: 10, Hold.GIVES_UP: 5}),
        decides_ms=_lasts_ms(chance, 60_000),
        card_declined=chance.random() < 0.05,
        offer=_of(chance, {Hold.PAYS: 70, Hold.LAPSES: 10, Hold.GIVES_UP: 20}),
        joins_again=chance.random() < 0.3,
    )


def _maybe(chance: Random, share: float, mean_ms: int) -> int | None:
    """The same number of draws, whatever comes of them: a changed share leaves everybody else as they were."""
    drawn, lasts_ms = chance.random(), int(chance.expovariate(1 / mean_ms))
    return 1_000 + lasts_ms if drawn < share else None


def _lasts_ms(chance: Random, median_ms: int) -> int:
    """Most are quick and a few take very long."""
    return int(median_ms * math.exp(chance.gauss(0, 0.6)))


def _of(chance: Random, shares: dict[T, int]) -> T:
    options: Sequence[T] = list(shares)
    return chance.choices(options, list(shares.values()))[0]
