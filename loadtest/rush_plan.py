"""What a rush is: how many people for how many tickets, how fast, and what each of them is going to do.

Owns the numbers of a run and the characters of people. Everything about a person is drawn beforehand from the seed,
whatever becomes of them; 500,000 of them take a few bytes each.
"""

from collections.abc import Mapping
from enum import IntEnum
from random import Random
from typing import Any, Final

import msgspec


class Character(IntEnum):
    """What somebody makes of their turn."""

    PAYS = 0
    PAYS_WITH_SECOND_CARD = 1
    GIVES_UP = 2  # the hold
    LETS_HOLD_LAPSE = 3
    LETS_TURN_PASS = 4


SHARES: Final = {
    Character.PAYS: 195,
    Character.PAYS_WITH_SECOND_CARD: 10,
    Character.GIVES_UP: 15,
    Character.LETS_HOLD_LAPSE: 23,
    Character.LETS_TURN_PASS: 13,
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    people: int = 500_000
    tickets: int = 20_000
    admit_per_minute: int = 24_000
    arrive_seconds: float = 60.0  # people come evenly within this time
    share_before_opening: float = 0.7  # the doors open when so many should have joined
    hold_seconds: int = 10
    turn_seconds: int = 12
    thinks_seconds: float = 2.0  # at most: from seeing one's turn to booking, and from there to paying
    looks_again_seconds: float = 2.0  # inside, when others hold all there is
    shares: dict[Character, int] = msgspec.field(default_factory=lambda: dict(SHARES))  # out of 256
    connections: int = 512  # of all generator processes
    pipeline: int = 4  # people who may share a connection at a time
    generators: int = 1  # processes
    seed: int = 1
    seconds_max: float = 1200.0

    @property
    def opens_after_seconds(self) -> float:
        return self.arrive_seconds * self.share_before_opening

    def people_of(self, generator: int) -> int:
        """How many there are of one generator: person `local` of it is person `local * generators + generator`."""
        return (self.people - generator + self.generators - 1) // self.generators


_QUANTITIES: Final = {1: 64, 2: 115, 3: 26, 4: 51}


def characters_of(plan: Plan, generator: int) -> tuple[bytes, bytes, bytes]:
    """Of each person: the character, how many tickets they want, and a byte of chance for whatever they do."""
    count, chance = plan.people_of(generator), Random(f"{plan.seed} {generator}")
    drawn = (_table(plan.shares), _table(_QUANTITIES), None)
    characters, quantities, rest = (chance.randbytes(count).translate(table) for table in drawn)
    return characters, quantities, rest


def _table(shares: Mapping[Any, int]) -> bytes:
    """What each byte of chance stands for."""
    table = b"".join(bytes([value]) * share for value, share in shares.items())
    assert len(table) == 256, "shares are out of 256"
    return table


def user_id(person: int) -> str:
    return f"person-{person}"
