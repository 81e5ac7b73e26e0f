"""Time that passes when it is told to, for what waits in lanes."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from onsale.effects.lane import Lane


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def seconds(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        assert delay >= 0
        heappush(self.timers, (self.now + delay, next(self._numbers), callback))
        return None

    def ring(self) -> None:
        """The next timer's time has come."""
        at, _, callback = heappop(self.timers)
        self.now = max(self.now, at)
        callback()

    async def pass_seconds(self, seconds: float, *lanes: Lane) -> None:
        """Everything due meanwhile is done, each at its time."""
        end = self.now + seconds
        await all_idle(*lanes)
        while self.timers and self.timers[0][0] <= end:
            self.ring()
            await all_idle(*lanes)
        self.now = end


async def all_idle(*lanes: Lane) -> None:
    """What one lane did may have given another something to do."""
    while True:
        for lane in lanes:
            await lane.idle()
        await asyncio.sleep(0)
        if not any(lane.in_flight for lane in lanes):
            return
