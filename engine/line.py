"""The people waiting for one ticket type, in order.

Owns places in line: joining at the end, leaving from anywhere, one's position, and who would be served by so many
free tickets. Numbers only grow; a place that was left stays empty. Positions come from a Fenwick tree (P. Fenwick,
"A New Data Structure for Cumulative Frequency Tables", 1994), so all is O(log n) or O(number of distinct quantities);
an empty place is looked at once more, when all before it have left.
"""

from array import array
from collections import deque
from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heapreplace, merge
from itertools import islice


class Line:
    __slots__ = ("_base", "_bookings", "_queues", "_tree", "count")

    def __init__(self) -> None:
        self.count = 0
        self._base = 1  # the number of the first place kept
        self._bookings = array("q")  # booking id by place, 0 where someone left
        self._tree = array("q")  # Fenwick tree over "someone is there", 1-based behind a dummy
        self._queues: dict[int, deque[int]] = {}  # numbers by quantity; the first of each is never an empty place

    def join(self, number: int, booking_id: int, quantity: int) -> None:
        """`number` must be above every number before."""
        if not self.count:
            self._base, self._bookings, self._tree = number, array("q"), array("q", [0])
            self._queues = {}
        while self._base + len(self._bookings) < number:
            self._append(0)
        self._append(booking_id)
        self.count += 1
        queue = self._queues.get(quantity)
        if queue is None:
            queue = self._queues[quantity] = deque()
        queue.append(number)

    def _append(self, booking_id: int) -> None:
        self._bookings.append(booking_id)
        place = len(self._bookings)
        total = 1 if booking_id else 0
        below, stop = place - 1, place - (place & -place)
        while below > stop:
            total += self._tree[below]
            below -= below & -below
        self._tree.append(total)

    def leave(self, number: int, quantity: int) -> None:
        place = number - self._base + 1
        assert self._bookings[place - 1], "left twice"
        self._bookings[place - 1] = 0
        self.count -= 1
        while place < len(self._tree):
            self._tree[place] -= 1
            place += place & -place
        queue, bookings, base = self._queues[quantity], self._bookings, self._base
        while queue and not bookings[queue[0] - base]:
            queue.popleft()
        if not queue:
            del self._queues[quantity]

    def position(self, number: int) -> int:
        """1 for the head of the line."""
        place, ahead = number - self._base + 1, 0
        while place:
            ahead += self._tree[place]
            place &= place - 1
        return ahead

    def next_number(self, available: int, *, strict: bool) -> int | None:
        """The number of whom `available` tickets would go to next, if anyone."""
        if strict:
            quantity, queue = min(self._queues.items(), key=lambda item: item[1][0], default=(0, None))
            return queue[0] if queue is not None and quantity <= available else None
        return min((queue[0] for quantity, queue in self._queues.items() if quantity <= available), default=None)

    def takers(
        self, available: int, capacity: int, limit: int, *, strict: bool, without: Collection[int] = ()
    ) -> list[int]:
        """Booking ids that `available` tickets go to, in order: groups whole, the head first; without `strict`
        those who fit pass a group that does not. Left out are groups larger than `capacity`, who can never be served,
        and the bookings in `without`, who are just leaving.
        """
        heads = [
            (queue[0], quantity, self._live(queue)) for quantity, queue in self._queues.items() if quantity <= capacity
        ]
        heapify(heads)
        found: list[int] = []
        while heads and len(found) < limit:
            number, quantity, following = heads[0]
            booking_id = self._bookings[number - self._base]
            if booking_id not in without:
                if quantity > available:
                    if strict:
                        break
                    heappop(heads)
                    continue
                available -= quantity
                found.append(booking_id)
            after = next(following, None)
            if after is None:
                heappop(heads)
            else:
                heapreplace(heads, (after, quantity, following))
        return found

    def _live(self, queue: deque[int]) -> Iterator[int]:
        """The numbers of a queue behind its head that are still there."""
        numbers = iter(queue)
        next(numbers)
        return (number for number in numbers if self._bookings[number - self._base])

    def larger_than(self, capacity: int, limit: int) -> list[int]:
        """Booking ids of groups that can never be served, in order, at most `limit`."""
        queues = (queue for quantity, queue in self._queues.items() if quantity > capacity)
        bookings = (self._bookings[number - self._base] for number in merge(*queues))
        return list(islice((booking_id for booking_id in bookings if booking_id), limit))

    def has_larger_than(self, capacity: int) -> bool:
        return any(quantity > capacity for quantity in self._queues)

    def bookings(self) -> Iterator[int]:
        """Booking ids from head to end, without looking at the places that were left."""
        return (self._bookings[self._place_of(position) - 1] for position in range(1, self.count + 1))

    def _place_of(self, position: int) -> int:
        tree, place = self._tree, 0
        step = 1 << len(self._bookings).bit_length() >> 1
        while step:
            if place + step < len(tree) and tree[place + step] < position:
                place += step
                position -= tree[place]
            step >>= 1
        return place + 1
