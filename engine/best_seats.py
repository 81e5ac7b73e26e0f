"""Which free seats are best: the search, over one ticket type's rows.

Owns the free seats as one integer a row, whose bits they are, and how wide the widest gap of each row is: one byte a
row, so that the first row with room for so many is found without looking at the others. Pure arithmetic; knows nothing
of bookings, names or statuses. `others` says whether seats for wheelchair users and companions count as well.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from heapq import nsmallest
from itertools import islice
from typing import Final

_ROWS_AHEAD: Final = 8  # looked at for a place that leaves no single seat behind
_ROWS_AROUND: Final = 10  # looked at, to each side, for the rest of a group that must be split
_ANCHORS_MAX: Final = 8  # of a row: seats for wheelchair users around which a group is tried
_WIDEST: Final = 255  # and wider
_AT_LEAST: Final = [bytes(width) + b"\1" * (_WIDEST + 1 - width) for width in range(_WIDEST + 1)]


class RowGaps:
    """One row: seats `first` to `first + count - 1`, which are bits 0 to `count - 1` here."""

    __slots__ = ("accessible", "companions", "count", "first", "standard")

    def __init__(
        self, first: int, count: int, accessible: Collection[int] = (), companions: Collection[int] = ()
    ) -> None:
        """`accessible` and `companions`: numbers from 1."""
        self.first = first
        self.count = count
        self.accessible = sum(1 << number - 1 for number in set(accessible))
        self.companions = sum(1 << number - 1 for number in set(companions))
        self.standard = (1 << count) - 1 & ~self.accessible & ~self.companions


def starts_of(free: int, width: int) -> int:
    """The bits from which on `width` bits of `free` are set."""
    missing, shift = width - 1, 1
    while missing > 0 and free:
        step = min(shift, missing)
        free &= free >> step
        missing -= step
        shift <<= 1
    return free


def widest_gap(free: int) -> int:
    """How many bits are set side by side at most."""
    if not free:
        return 0
    starts = [free]  # of gaps of 1, 2, 4, … bits
    while following := starts[-1] & starts[-1] >> (1 << len(starts) - 1):
        starts.append(following)
    here = starts.pop()
    width = 1 << len(starts)
    while starts:
        longer = here & starts.pop() >> width
        if longer:
            here = longer
            width += 1 << len(starts)
    return width


def tidy(free: int, starts: int, width: int) -> int:
    """Of these starts, those after which no single free seat is left beside the ones that are taken."""
    single_before = (free << 1) & ~(free << 2)
    single_after = (free >> width) & ~(free >> width + 1)
    return starts & ~single_before & ~single_after


def nearest(starts: int, wanted: int) -> int:
    """The set bit that is nearest to `wanted`."""
    below = (starts & ((1 << wanted + 1) - 1)).bit_length() - 1
    above = starts >> wanted
    if not above:
        return below
    first_above = wanted + (above & -above).bit_length() - 1
    return below if below >= 0 and wanted - below <= first_above - wanted else first_above


def positions(bits: int) -> Iterator[int]:
    """Those of the set bits, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Gaps:
    """The rows of one ticket type, best first."""

    __slots__ = ("_firsts", "_widest", "_widest_standard", "free", "free_others", "free_standard", "rows")

    def __init__(self) -> None:
        self.rows: list[RowGaps] = []
        self.free: list[int] = []  # by row: bits of free seats
        self.free_standard = 0
        self.free_others = 0
        self._firsts: list[int] = []
        self._widest = bytearray()  # by row: of its gaps
        self._widest_standard = bytearray()  # where standard seats alone count

    def add(self, row: RowGaps) -> None:
        self.rows.append(row)
        self._firsts.append(row.first)
        self.free.append(0)
        self._widest.append(0)
        self._widest_standard.append(0)
        self._put(len(self.rows) - 1, (1 << row.count) - 1)

    def take_all(self, seats: Iterable[int]) -> None:
        for row, bits in self._by_row(seats).items():
            self._put(row, self.free[row] & ~bits)

    def give_back_all(self, seats: Iterable[int]) -> None:
        for row, bits in self._by_row(seats).items():
            self._put(row, self.free[row] | bits)

    def _by_row(self, seats: Iterable[int]) -> dict[int, int]:
        """The bits of these seats."""
        found: dict[int, int] = {}
        for seat in seats:
            row = self._row_of(seat)
            found[row] = found.get(row, 0) | 1 << seat - self._firsts[row]
        return found

    def copy(self) -> "Gaps":
        copy = Gaps()
        copy.rows, copy._firsts, copy.free = self.rows, self._firsts, self.free.copy()
        copy._widest, copy._widest_standard = self._widest.copy(), self._widest_standard.copy()
        copy.free_standard, copy.free_others = self.free_standard, self.free_others
        return copy

    def _row_of(self, seat: int) -> int:
        return bisect_right(self._firsts, seat) - 1

    def _put(self, row: int, free: int) -> None:
        """These seats of a row are free now, and no others."""
        before, standard = self.free[row], self.rows[row].standard
        more_standard = (free & standard).bit_count() - (before & standard).bit_count()
        self.free_standard += more_standard
        self.free_others += free.bit_count() - before.bit_count() - more_standard
        self.free[row] = free
        self._widest[row] = min(widest_gap(free), _WIDEST)
        self._widest_standard[row] = min(widest_gap(free & standard), _WIDEST)

    # --- the search

    def best(self, quantity: int) -> tuple[int, ...] | None:
        """See `Seating.best`."""
        if quantity <= self.free_standard:
            return self.side_by_side(quantity, others=False) or self._in_pieces(quantity, others=False)
        if quantity <= self.free_standard + self.free_others:
            return self.side_by_side(quantity, others=True) or self._in_pieces(quantity, others=True)
        return None

    def side_by_side(self, width: int, *, others: bool) -> tuple[int, ...] | None:
        """So many in one row: the first that has them or, where a single seat would be left there, one near behind."""
        widest, at_least = self._widest if others else self._widest_standard, min(width, _WIDEST)
        has_room = widest.translate(_AT_LEAST[at_least])
        row = has_room.find(1)
        while row >= 0 and width > _WIDEST and not starts_of(self._bits(row, others=others), width):
            row = has_room.find(1, row + 1)
        if row < 0:
            return None
        for other in range(row, min(row + _ROWS_AHEAD, len(self.rows))):
            if has_room[other]:
                bits = self._bits(other, others=others)
                good = tidy(bits, starts_of(bits, width), width)
                if good:
                    return self._seats(other, good, width)
        return self._seats(row, starts_of(self._bits(row, others=others), width), width)

    def _bits(self, row: int, *, others: bool) -> int:
        return self.free[row] if others else self.free[row] & self.rows[row].standard

    def _seats(self, row: int, starts: int, width: int) -> tuple[int, ...]:
        """From one of these starts on: that in the middle of the row."""
        each = self.rows[row]
        first = each.first + nearest(starts, (each.count - width) // 2)
        return tuple(range(first, first + width))

    def _in_pieces(self, quantity: int, *, others: bool) -> tuple[int, ...]:
        """There are enough, and nowhere so many side by side: the widest gaps first make the fewest pieces."""
        rest, width, anchor, found = self.copy(), quantity - 1, -1, list[int]()
        while True:
            piece = rest.side_by_side(width, others=others)
            if piece is None:
                width -= 1
                continue
            if anchor < 0:
                anchor = self._row_of(piece[0])
            else:
                piece = rest.near(anchor, width, others=others) or piece
            found += piece
            if len(found) == quantity:
                return tuple(sorted(found))
            rest.take_all(piece)
            width = min(width, quantity - len(found))

    def near(self, anchor: int, width: int, *, others: bool) -> tuple[int, ...] | None:
        """So many side by side, in the row nearest to another one, if that is not far; of two, in the better."""
        widest, at_least = self._widest if others else self._widest_standard, min(width, _WIDEST)
        for distance in range(_ROWS_AROUND):
            for row in (anchor - distance, anchor + distance):
                if 0 <= row < len(widest) and widest[row] >= at_least:
                    bits = self._bits(row, others=others)
                    starts = starts_of(bits, width)
                    if starts:
                        return self._seats(row, tidy(bits, starts, width) or starts, width)
        return None

    # --- wheelchair users and those who come with them

    def best_accessible(self, quantity: int, accessible: int) -> tuple[int, ...] | None:
        """So many seats for wheelchair users, the others of the group beside them, in one row where one has room."""
        company = quantity - accessible
        if quantity > self.free_standard + self.free_others:
            return None
        places: list[tuple[int, int]] = []  # rows, and the bits of such seats
        enough: int | None = None  # the first row that has so many of them
        for row, each in enumerate(self.rows):
            here = self.free[row] & each.accessible
            if here and here.bit_count() >= accessible:
                if (self.free[row] & ~each.accessible).bit_count() >= company:
                    return self._group_in(row, accessible, company)
                enough = row if enough is None else enough
            if here:
                places.append((row, here))
        if sum(here.bit_count() for _, here in places) < accessible:
            return None
        if enough is not None:
            found = [*self._group_in(enough, accessible, 0)]
        else:
            found = [*islice((seat for row, here in places for seat in self._free_of(row, here)), accessible)]
        rest = self.copy()
        rest.take_all(found)
        beside = rest.beside(found, company)
        rest.take_all(beside)
        return tuple(sorted((*found, *beside, *rest.more(company - len(beside)))))

    def _group_in(self, row: int, accessible: int, company: int) -> tuple[int, ...]:
        """In a row that has enough of both: as many companions' seats as can be, and all as near as can be."""
        each, first = self.rows[row], self._firsts[row]
        here, around = self.free[row] & each.accessible, self.free[row] & ~each.accessible
        beside_company = here & (around << 1 | around >> 1)
        best: tuple[int, list[int]] | None = None
        for anchor in islice((*positions(beside_company), *positions(here & ~beside_company)), _ANCHORS_MAX):
            wheelchairs = sorted(nsmallest(accessible, positions(here), key=partial(_distance, anchor)))
            near = nsmallest(company, ((not each.companions >> other & 1, _apart(wheelchairs, other), other)
                                       for other in positions(around)))  # fmt: skip
            apart = sum(distance for _, distance, _ in near) + wheelchairs[-1] - wheelchairs[0]
            if best is None or apart < best[0]:
                best = apart, [*wheelchairs, *(other for _, _, other in near)]
        assert best is not None
        return tuple(sorted(first + position for position in best[1]))

    def _free_of(self, row: int, kinds: int) -> list[int]:
        """The free seats of a row, of those whose bits are set in `kinds`."""
        return [self._firsts[row] + position for position in positions(self.free[row] & kinds)]

    def beside(self, seats: list[int], wanted: int) -> list[int]:
        """Free seats in the rows of these (ascending), companions' first, nearest first; none accessible."""
        near: list[tuple[bool, int, int]] = []
        for row in dict.fromkeys(map(self._row_of, seats)):
            each, first = self.rows[row], self._firsts[row]
            near += [
                (not each.companions >> position & 1, _apart(seats, first + position), first + position)
                for position in positions(self.free[row] & ~each.accessible)
            ]
        return [seat for _, _, seat in nsmallest(wanted, near)]

    def more(self, missing: int) -> tuple[int, ...]:
        """So many more, anywhere; there are enough. Of those for wheelchair users, as few as can be."""
        if not missing:
            return ()
        others = self.copy()
        others.take_all([seat for row, each in enumerate(self.rows) for seat in self._free_of(row, each.accessible)])
        found = others.best(missing)
        if found is None:  # all of them
            found = tuple([seat for row, each in enumerate(self.rows) for seat in self._free_of(row, ~each.accessible)])
            wheelchairs = self.copy()
            wheelchairs.take_all(found)
            rest = wheelchairs.best(missing - len(found))
            assert rest is not None, "there are enough in all"
            found += rest
        return found


def _distance(one: int, other: int) -> int:
    return abs(one - other)


def _apart(seats: list[int], other: int) -> int:
    """How far the nearest of these, ascending, is."""
    place = bisect_left(seats, other)
    return min(abs(seat - other) for seat in seats[max(place - 1, 0) : place + 1])
