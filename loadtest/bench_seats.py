"""The best available seats of a venue with 20,000: how long it takes to find them for groups of one to eight.

Owns the venue and how full it is. What is found is taken, and as many others are given back anywhere, as when holds
lapse all the time: so the venue stays as full as it was, and what is known of its rows does not. In the empty one
nothing is given back, as when a sale begins.
"""

import gc
import statistics
import time
from collections.abc import Iterator
from random import Random
from typing import Final

from ..engine.seats import FREE, HELD, Row, Seating, Section, encode_layout
from .figures import Figure, median

SEATS_PER_ROW: Final = 40
ROWS_PER_SECTION: Final = 50
SECTIONS: Final = 10
GROUPS: Final = range(1, 9)
SHARES_TAKEN: Final = (0.0, 0.5, 0.9, 0.98)
RUNS: Final = 5
AIM: Final = "≤ 50"
_TYPE: Final = 1


def venue() -> Seating:
    """20,000 seats of one ticket type, in rows with two places for wheelchair users and their companions each."""
    row_names = [str(number) for number in range(1, ROWS_PER_SECTION + 1)]
    rows = tuple(Row(name, SEATS_PER_ROW, (1, SEATS_PER_ROW), (2, SEATS_PER_ROW - 1)) for name in row_names)
    return Seating(encode_layout(tuple(Section(chr(65 + number), _TYPE, rows) for number in range(SECTIONS))))


def taken_by_chance(share: float, chance: Random) -> Seating:
    """So large a share of the seats is taken, wherever."""
    seating = venue()
    seating.mark(chance.sample(range(seating.seats), int(share * seating.seats)), HELD)
    return seating


def looks_us(seating: Seating, group: int, count: int, chance: Random) -> Iterator[float]:
    """Microseconds of each look for so many seats. What is found is taken, and as many others are given back."""
    taken = [seat for seat in range(seating.seats) if seating.status(seat) != FREE]
    taken_before = len(taken)
    for _ in range(count):
        began = time.perf_counter_ns()
        best = seating.best(_TYPE, group)
        yield (time.perf_counter_ns() - began) / 1000
        if best is None:
            raise RuntimeError(f"no {group} seats are free")
        seating.mark(best, HELD)
        taken += best
        while taken_before and len(taken) > taken_before:
            place = chance.randrange(len(taken))
            taken[place], taken[-1] = taken[-1], taken[place]
            seating.mark([taken.pop()], FREE)


def run(*, full: bool) -> list[Figure]:
    count, chance = 2_000 if full else 400, Random(5)
    figures = []
    for share in SHARES_TAKEN:
        slowest = 0.0
        for group in GROUPS:
            medians = []
            for _ in range(RUNS):
                seating = taken_by_chance(share, chance)
                gc.collect()
                looks = list(looks_us(seating, group, count, chance))
                medians.append(statistics.median(looks))
                slowest = max(slowest, *looks)
            name = f"best {group} of 20,000, {share:.0%} taken"
            figures.append(median("seats", name, medians, "µs", AIM, f"slowest look so far {slowest:.0f} µs"))
    return figures
