"""Which free seats are best: the search, over one ticket type's rows.

Owns the gaps between taken seats, as one integer a row whose bits are free seats, and what is known of rows that have
no gap of some width. Pure arithmetic; knows nothing of bookings, names or statuses.
"""

from bisect import bisect_right
from collections.abc import Collection

_ROWS_AHEAD = 8  # looked at for a place that leaves no single seat behind
_ROWS_AROUND = 10  # looked at for the rest of a group that must be split


class RowGaps:
    """One row: seats `first` to `first + count - 1`, which are bits 0 to `count - 1` here."""

    __slots__ = ("accessible", "companions", "count", "first", "free", "standard")

    def __init__(
        self, first: int, count: int, accessible: Collection[int] = (), companions: Collection[int] = ()
    ) -> None:
        """`accessible` and `companions`: numbers from 1."""
        self.first = first
        self.count = count
        self.free = (1 << count) - 1
        self.accessible = sum(1 << number - 1 for number in set(accessible))
        self.companions = sum(1 << number - 1 for number in set(companions))
        self.standard = self.free & ~self.accessible & ~self.companions


def starts_of(free: int, width: int) -> int:
    """The bits from which on `width` bits of `free` are set."""
    missing, shift = width - 1, 1
    while missing > 0 and free:
        step = min(shift, missing)
        free &= free >> step
        missing -= step
        shift <<= 1
    return free


def tidy(free: int, starts: int, width: int) -> int:
    """Of these starts, those after which no single free seat is left beside the ones that are taken."""
    single_before = (free << 1) & ~(free << 2)
    single_after = (free >> width) & ~(free >> width + 1)
    return starts & ~single_before & ~single_after


def gap_around(free: int, position: int) -> int:
    """How many set bits lie side by side around this one; 0: it is not set."""
    if not free >> position & 1:
        return 0
    before = ~free & ((1 << position) - 1)
    after = ~free >> position + 1
    return position - before.bit_length() + (after & -after).bit_length()


def nearest(starts: int, wanted: int) -> int:
    """The set bit that is nearest to `wanted`."""
    below = (starts & ((1 << wanted + 1) - 1)).bit_length() - 1
    above = starts >> wanted
    if not above:
        return below
    first_above = wanted + (above & -above).bit_length() - 1
    return below if below >= 0 and wanted - below <= first_above - wanted else first_above


class Gaps:
    """The rows of one ticket type, best first."""

    def __init__(self) -> None:
        self.rows: list[RowGaps] = []
        self.free: list[int] = []  # by row: bits of free seats
        self._firsts: list[int] = []
        # by width, and whether other than standard seats count: rows before this one have no such gap
        self.known: dict[tuple[int, bool], int] = {}
        self.free_standard = 0
        self.free_others = 0

    def add(self, row: RowGaps) -> None:
        self.rows.append(row)
        self.free.append(row.free)
        self._firsts.append(row.first)
        self.free_standard += row.standard.bit_count()
        self.free_others += row.count - row.standard.bit_count()

    def locate(self, seat: int) -> tuple[int, int]:
        """Row and bit of a seat."""
        row = bisect_right(self._firsts, seat) - 1
        return row, 1 << seat - self._firsts[row]

    def take(self, seat: int) -> None:
        row, bit = self.locate(seat)
        self.free[row] &= ~bit
        if self.rows[row].standard & bit:
            self.free_standard -= 1
        else:
            self.free_others -= 1

    def take_all(self, seats: Collection[int]) -> None:
        for seat in seats:
            self.take(seat)

    def give_back(self, seat: int) -> None:
        row, bit = self.locate(seat)
        self.free[row] |= bit
        if self.rows[row].standard & bit:
            self.free_standard += 1
        else:
            self.free_others += 1
        position = bit.bit_length() - 1
        gaps = {others: gap_around(self._bits(row, others=others), position) for others in (False, True)}
        for (width, others), begin in self.known.items():
            if begin > row and width <= gaps[others]:
                self.known[width, others] = row

    # --- the search

    def best(self, quantity: int) -> tuple[int, ...] | None:
        if quantity <= self.free_standard:
            return self.side_by_side(quantity, others=False) or self._in_pieces(quantity, others=False)
        if quantity <= self.free_standard + self.free_others:
            return self.side_by_side(quantity, others=True) or self._in_pieces(quantity, others=True)
        return None

    def _bits(self, row: int, *, others: bool) -> int:
        return self.free[row] if others else self.free[row] & self.rows[row].standard

    def side_by_side(self, width: int, *, others: bool) -> tuple[int, ...] | None:
        found: tuple[int, int] | None = None  # row and start
        rows_left = len(self.rows)
        for row in range(self.known.get((width, others), 0), len(self.rows)):
            bits = self._bits(row, others=others)
            starts = starts_of(bits, width) if bits else 0
            if starts:
                if found is None:
                    self.known[width, others] = row
                    rows_left = _ROWS_AHEAD
                good = tidy(bits, starts, width)
                if good:
                    return self._seats(row, nearest(good, (self.rows[row].count - width) // 2), width)
                if found is None:
                    found = row, nearest(starts, (self.rows[row].count - width) // 2)
            rows_left -= 1
            if found is not None and rows_left <= 0:
                break
        if found is None:
            self.known[width, others] = len(self.rows)
            return None
        return self._seats(*found, width)

    def _seats(self, row: int, start: int, width: int) -> tuple[int, ...]:
        first = self.rows[row].first + start
        return tuple(range(first, first + width))

    def _in_pieces(self, quantity: int, *, others: bool) -> tuple[int, ...]:
        """There are enough, and nowhere so many side by side: the widest gaps first make the fewest pieces."""
        width, first = quantity - 1, None
        while first is None:
            first = self.side_by_side(width, others=others)  # what is learned about the rows stays known
            width -= first is None
        rest, found, anchor = self.copy(), [*first], self.locate(first[0])[0]
        rest.take_all(first)
        while len(found) < quantity:
            width = min(width, quantity - len(found))
            piece = rest.near(anchor, width, others=others) or rest.side_by_side(width, others=others)
            if piece is None:
                width -= 1
                continue
            found += piece
            rest.take_all(piece)
        return tuple(sorted(found))

    def copy(self) -> "Gaps":
        copy = Gaps()
        copy.rows, copy._firsts, copy.free, copy.known = self.rows, self._firsts, self.free.copy(), self.known.copy()
        copy.free_standard, copy.free_others = self.free_standard, self.free_others
        return copy

    def near(self, anchor: int, width: int, *, others: bool) -> tuple[int, ...] | None:
        """So many side by side, in the row nearest to another one, if that is not far; of two, in the better."""
        for distance in range(_ROWS_AROUND):
            for row in dict.fromkeys((anchor - distance, anchor + distance)):
                if not 0 <= row < len(self.rows):
                    continue
                bits = self._bits(row, others=others)
                starts = starts_of(bits, width)
                if starts:
                    good = tidy(bits, starts, width) or starts
                    return self._seats(row, nearest(good, (self.rows[row].count - width) // 2), width)
        return None

    def best_accessible(self, quantity: int, accessible: int) -> tuple[int, ...] | None:
        """So many seats for wheelchair users, each with companions near, in one row if any has enough."""
        places = [(row, self.free[row] & each.accessible) for row, each in enumerate(self.rows)]
        places = [(row, bits) for row, bits in places if bits]
        if sum(bits.bit_count() for _, bits in places) < accessible:
            return None
        if quantity - accessible > self.free_standard + self.free_others - accessible:
            return None
        found: list[int] = []
        enough = [place for place in places if place[1].bit_count() >= accessible]
        with_room = [place for place in enough if self.free[place[0]].bit_count() >= quantity]
        for row, bits in with_room[:1] or enough[:1] or places:
            found += self._lowest(row, bits, accessible - len(found))
        rest = self.copy()
        rest.take_all(found)
        rest_of_group = quantity - accessible
        near = rest.beside(found, rest_of_group)
        rest.take_all(near)
        found += near
        missing = quantity - len(found)
        if missing:
            more = rest.best(missing)
            if more is None:
                return None
            found += more
        return tuple(sorted(found))

    def beside(self, seats: list[int], wanted: int) -> list[int]:
        """Free seats in the rows of these, companions' first, nearest first."""
        near: list[tuple[bool, int, int]] = []
        for row in {self.locate(seat)[0] for seat in seats}:
            each = self.rows[row]
            for seat in self._lowest(row, self.free[row] & ~each.accessible, each.count):
                is_companion = bool(each.companions & 1 << seat - each.first)
                near.append((not is_companion, min(abs(seat - other) for other in seats), seat))
        return [seat for _, _, seat in sorted(near)[:wanted]]

    def _lowest(self, row: int, bits: int, limit: int) -> list[int]:
        """The first seats of a row, of those whose bits are set."""
        found: list[int] = []
        while bits and len(found) < limit:
            lowest = bits & -bits
            found.append(self.rows[row].first + lowest.bit_length() - 1)
            bits ^= lowest
        return found
