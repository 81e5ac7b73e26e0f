"""The best available seats of a venue with 20,000: how long it takes to find them, and to show them all.

Owns the venue and how full it is. Where it stays as full as it was, what is found is taken, and as many others are
given back anywhere, as when holds lapse all the time; in the empty one nothing is given back, as when a sale begins.
Where it sells out, groups of all sizes take the best there is, and every fifth hold lapses some time later. The seat
map is shown as `GET /events/{eventId}/seats` shows it: what counts is the longest turn of the loop.
"""

import gc
import statistics
import time
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from ..engine.records import Event, TicketType
from ..engine.sale import Sale
from ..engine.seats import FREE, HELD, Row, Seating, Section, encode_layout
from ..http.caching import LIVE, read_answer
from ..http.call import Call
from ..http.render.seats import SeatMap
from .figures import Figure, median

SEATS_PER_ROW: Final = 40
ROWS_PER_SECTION: Final = 50
SECTIONS: Final = 10
GROUPS: Final = range(1, 9)
SHARES_TAKEN: Final = (0.0, 0.5, 0.9, 0.98)
RUNS: Final = 5
AIM: Final = "≤ 50"
LAPSE_SHARE: Final = 0.2
LAPSING_AT_ONCE: Final = 200
_TYPE: Final = 1
_EVENT: Final = Event(1, "Opera", 10**13, None, "", "", "", "", "", "EUR", None, 10, None, 1)


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


def sell_out_us(chance: Random) -> dict[int, list[float]]:
    """Microseconds of each look by size of the group, until nothing is left."""
    seating, looks = venue(), {group: list[float]() for group in GROUPS}
    lapsing: deque[tuple[int, ...]] = deque()
    free = seating.seats
    while free:
        group = min(chance.choice(GROUPS), free)
        began = time.perf_counter_ns()
        best = seating.best(_TYPE, group)
        looks[group].append((time.perf_counter_ns() - began) / 1000)
        if best is None:
            raise RuntimeError(f"no {group} seats are free, of {free}")
        seating.mark(best, HELD)
        free -= group
        if chance.random() < LAPSE_SHARE:
            lapsing.append(best)
        if len(lapsing) > LAPSING_AT_ONCE:
            seats = lapsing.popleft()
            seating.mark(seats, FREE)
            free += len(seats)
    return looks


def sell_out() -> list[Figure]:
    gc.collect()
    runs = [sell_out_us(Random(number)) for number in range(RUNS)]
    figures = []
    for group in GROUPS:
        medians = [statistics.median(looks[group]) for looks in runs]
        figures.append(median("seats", f"best {group} while 20,000 sell out", medians, "µs", AIM))
    by_run = [sorted(look for looks in run.values() for look in looks) for run in runs]
    figures.append(median("seats", "best of any size: median", [statistics.median(each) for each in by_run], "µs", AIM))
    slowest = f"slowest {max(each[-1] for each in by_run):.0f} µs"
    p99 = [each[len(each) * 99 // 100] for each in by_run]
    return [*figures, median("seats", "best of any size: p99", p99, "µs", "", slowest)]


def show_map() -> list[Figure]:
    """The longest turn of making the map for the first time, and of showing it again after some seats changed."""
    first, again, chance = list[float](), list[float](), Random(5)
    call = Call("GET", "/events/1/seats", "", CIMultiDictProxy(CIMultiDict()), b"")
    for _ in range(RUNS):
        sale = Sale(_EVENT)
        sale.seating = venue()
        sale.add_type(TicketType(_TYPE, 1, "Seat", 4990, sale.seating.seats))
        seat_map = SeatMap(sale.seating)
        gc.collect()
        first.append(max(_turns_ms(seat_map, sale, call)))
        for _ in range(20):
            for seat in chance.sample(range(sale.seating.seats), 200):
                sale.seating.mark((seat,), FREE if sale.seating.status(seat) else HELD)
            again.append(max(_turns_ms(seat_map, sale, call)))
    return [
        median("seats", "map of 20,000: longest turn, first time", first, "ms", "≤ 5"),
        median("seats", "map of 20,000: longest turn, 200 changed", again, "ms", "≤ 5"),
    ]


def _turns_ms(seat_map: SeatMap, sale: Sale, call: Call) -> Iterator[float]:
    began = time.perf_counter()
    for _ in seat_map.refresh():
        yield (time.perf_counter() - began) * 1000
        began = time.perf_counter()
    read_answer(call, seat_map.body(sale, 1), 1, LIVE)
    yield (time.perf_counter() - began) * 1000


def run(*, full: bool) -> list[Figure]:
    count, chance = 2_000 if full else 400, Random(5)
    figures = [*sell_out(), *show_map()]
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
