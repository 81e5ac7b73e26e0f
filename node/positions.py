"""Reads that wait for the journal to reach a position.

Owns who waits, in the order of the positions. Bounded, and whoever stops waiting leaves nothing behind: positions can
be asked for that never come.
"""

import asyncio
import heapq
import itertools

WAITING_MAX = 1_000


class Positions:
    def __init__(self, seq: int) -> None:
        self.seq = seq
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap
        self._tickets = itertools.count()  # so that futures are never compared

    def __len__(self) -> int:
        return len(self._waiting)

    def reached(self, seq: int) -> None:
        self.seq = seq
        while self._waiting and self._waiting[0][0] <= seq:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    async def wait_for(self, seq: int, timeout_seconds: float) -> bool:
        """Whether `seq` was reached in time; False at once when too many wait already."""
        if self.seq >= seq:
            return True
        if len(self._waiting) >= WAITING_MAX:
            return False
        entry = (seq, next(self._tickets), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, entry)
        try:
            async with asyncio.timeout(timeout_seconds):
                await entry[2]
        except TimeoutError:
            return False
        finally:
            if self.seq < seq:  # given up
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
        return True
