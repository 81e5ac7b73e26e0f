"""What is due when, in O(1) to add and to remove, O(log n) where a new moment is the earliest.

Owns a set of (time, id) pairs: the ids by moment, and a heap over the moments. Never looks at a clock: the time comes
in as an argument. Promises that what is due is found without looking at what is not, however much falls on one moment.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import islice

from .blocks import Scattered


class Deadlines:
    __slots__ = ("_heap", "_moments", "count")

    def __init__(self) -> None:
        # by time: the id that is due then, or several in the order in which they were added
        self._moments: Scattered[int | dict[int, None]] = Scattered()
        # every moment, and some that are empty by now; the first is never empty
        self._heap: list[int] = []
        self.count = 0

    def add(self, at_ms: int, key: int) -> None:
        there = self._moments.get(at_ms)
        if there is None:
            self._moments[at_ms] = key
            heappush(self._heap, at_ms)
        elif isinstance(there, int):
            self._moments[at_ms] = {there: None, key: None}
        else:
            there[key] = None
        self.count += 1

    def remove(self, at_ms: int, key: int) -> None:
        """Raises KeyError unless `add` was called with the same pair."""
        moments = self._moments
        there = moments[at_ms]
        if isinstance(there, int):
            if there != key:
                raise KeyError(key)
            del moments[at_ms]
        else:
            del there[key]
            if not there:
                del moments[at_ms]
        self.count -= 1
        heap = self._heap
        while heap and heap[0] not in moments:
            heappop(heap)
        if len(heap) > 64 and len(heap) > 4 * len(moments):
            heap[:] = moments
            heapify(heap)

    def next_ms(self) -> int | None:
        """The earliest time anything is due, or None."""
        return self._heap[0] if self._heap else None

    def due(self, now_ms: int, limit: int) -> list[int]:
        """Ids whose time has come, earliest first, at most `limit`."""
        found: list[int] = []
        for at_ms in self._moments_until(now_ms):
            there = self._moments[at_ms]
            if isinstance(there, int):
                found.append(there)
            else:
                found += islice(there, limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _moments_until(self, now_ms: int) -> Iterator[int]:
        """The moments up to `now_ms` in order, by walking down the heap from its top and leaving it as it is."""
        heap, last_ms = self._heap, None
        places = [(heap[0], 0)] if heap and heap[0] <= now_ms else []
        while places:
            at_ms, place = heappop(places)
            if at_ms != last_ms and at_ms in self._moments:
                yield at_ms
            last_ms = at_ms
            for below in (2 * place + 1, 2 * place + 2):
                if below < len(heap) and heap[below] <= now_ms:
                    heappush(places, (heap[below], below))

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every (time, id), in no particular order."""
        for at_ms, there in self._moments.items():
            for key in (there,) if isinstance(there, int) else there:
                yield at_ms, key
