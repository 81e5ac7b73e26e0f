"""The people in an event's waiting room, as far as it follows from the rows: who has which number, and who is ahead.

Owns the way from an arrival to a number and back, a user's present place, and positions. Numbers only grow, and a
number whose person has left stays empty. Everything costs O(1) or the logarithm of the largest room there may be,
the draw included: those who left are kept in a Fenwick tree (P. Fenwick, "A New Data Structure for Cumulative Frequency
Tables", 1994) that has nodes only where somebody left.

Where a draw gives the numbers, nobody has one before it. Who left before it is entered a few at a time after it; until
then positions count some people too many, and no one too few.
"""

from collections import deque
from collections.abc import Mapping

from .blocks import ByName
from .limits import ADMITTED_PER_STEP_MAX, PLACES_MAX, PLACES_PASSED_PER_STEP_MAX
from .lot import Lot
from .records import Place, Room
from .status import PLACE_WAITING

_TREE_BITS = PLACES_MAX.bit_length()
_TREE_END = 1 << _TREE_BITS
_EARLY_PER_STEP_MAX = 256
_LOOKED_AT_MAX = 2 * ADMITTED_PER_STEP_MAX  # places, in one step


class Queue:
    __slots__ = ("_early", "_left", "_lot", "_tree", "by_user", "due_ms", "room")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.by_user: ByName[Place] = ByName()  # each one's latest place
        self.due_ms: int | None = None  # as it stands in State.rooms_due
        self._left: set[int] = set()  # numbers of those who left before it was their turn
        self._tree: dict[int, int] = {}  # Fenwick tree over the same, by number
        self._early: deque[int] = deque()  # arrivals of those who left before the draw
        self._lot: Lot | None = None

    # --- numbers

    @property
    def drawn(self) -> bool:
        """Whether people have numbers: at once where they stand as they came, else after the draw."""
        return self.room.opened or not self.room.shuffle

    @property
    def base(self) -> int:
        """Nobody up to this number waits any more."""
        room = self.room
        return max(room.served_through, room.forgotten if room.forgotten >= room.shuffled else 0)

    def number_of(self, arrival: int) -> int:
        """0: it has not been drawn yet."""
        if arrival <= self.room.shuffled:
            return self._drawn_lot().number_of(arrival)
        return arrival if self.drawn else 0

    def arrival_of(self, number: int) -> int:
        return self._drawn_lot().arrival_of(number) if number <= self.room.shuffled else number

    def _drawn_lot(self) -> Lot:
        if self._lot is None:
            self._lot = Lot(self.room.lot, self.room.shuffled)
        return self._lot

    # --- who waits

    def position(self, number: int) -> int:
        """Of somebody who waits and has this number: 1 for whoever is next."""
        base = self.base
        return number - base - (self._left_through(number) - self._left_through(base))

    def number_at(self, position: int) -> int:
        """The number of whoever stands at this position, or the last one given out; `base` for 0."""
        base, room = self.base, self.room
        if position <= 0 or position > room.arrivals - base:
            return base if position <= 0 else room.arrivals
        wanted = position + base - self._left_through(base)  # so many are not known to have left, up to there
        number, tree = 0, self._tree
        step = _TREE_END
        while step:
            there = step - tree.get(number + step, 0)
            if there < wanted:
                number += step
                wanted -= there
            step >>= 1
        return min(number + 1, room.arrivals)

    def next_people(self, places: Mapping[int, Place], limit: int) -> tuple[int, list[Place]]:
        """The next who wait, at most `limit`, and the number up to which all have been looked at; one step's worth.

        Finds at least a higher number while anybody waits.
        """
        room, left, found = self.room, self._left, list[Place]()
        event_part = room.event_id << 32
        number = self.base
        last = min(room.arrivals, number + PLACES_PASSED_PER_STEP_MAX)
        looked_at = 0
        while number < last and len(found) < limit and looked_at < _LOOKED_AT_MAX:
            number += 1
            if number in left:
                continue
            looked_at += 1
            place = places.get(event_part | self.arrival_of(number))
            if place is not None and place.status == PLACE_WAITING:
                found.append(place)
        return number, found

    def people_through(self, places: Mapping[int, Place], through: int) -> list[Place]:
        """Those of the numbers up to `through` who still wait, in order."""
        event_part, left = self.room.event_id << 32, self._left
        found = list[Place]()
        for number in range(self.base + 1, through + 1):
            if number in left:
                left.discard(number)  # nobody asks again
                continue
            place = places.get(event_part | self.arrival_of(number))
            if place is not None and place.status == PLACE_WAITING:
                found.append(place)
        return found

    # --- who leaves

    def leave(self, arrival: int) -> None:
        """Somebody who waited is gone."""
        if not self.drawn:
            self._early.append(arrival)
            return
        number = self.number_of(arrival)
        if number <= self.base or number in self._left:
            return
        self._left.add(number)
        tree = self._tree
        while number < _TREE_END << 1:
            tree[number] = tree.get(number, 0) + 1
            number += number & -number

    def settle(self, limit: int = _EARLY_PER_STEP_MAX) -> None:
        """Enter some of those who left before the draw. To be called with every step after it."""
        early = self._early
        if early and self.drawn:
            for _ in range(min(limit, len(early))):
                self.leave(early.popleft())

    def settle_all(self) -> None:
        self.settle(len(self._early))

    def _left_through(self, number: int) -> int:
        tree, count = self._tree, 0
        if tree:
            while number:
                count += tree.get(number, 0)
                number &= number - 1
        return count
