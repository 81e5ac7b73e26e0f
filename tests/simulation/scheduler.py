"""Simulated time: one heap of what is due, and for each process a scheduler that can be stopped, killed and skewed.

Owns the order in which everything in a simulation happens. Promises that equal calls give an equal order: time is a
whole number of microseconds, and what is due at one moment happens in the order in which it was asked for.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

Callback = Callable[..., object]


class Due:
    """One call that is due; a `Timer`."""

    __slots__ = ("arguments", "callback", "cancelled", "scheduler")

    def __init__(self, scheduler: "NodeScheduler | None", callback: Callback, arguments: tuple[object, ...]) -> None:
        self.scheduler = scheduler
        self.callback = callback
        self.arguments = arguments
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SimulatedTime:
    """The world's own clock and what is due in it. `now_us` moves only in `step`."""

    def __init__(self) -> None:
        self.now_us = 0
        self.steps = 0
        self._heap: list[tuple[int, int, Due]] = []
        self._number = 0

    def call_at(
        self, at_us: int, callback: Callback, *arguments: object, scheduler: "NodeScheduler | None" = None
    ) -> Due:
        due = Due(scheduler, callback, arguments)
        self._number += 1
        heappush(self._heap, (max(at_us, self.now_us), self._number, due))
        return due

    def call_in(self, delay_us: int, callback: Callback, *arguments: object) -> Due:
        return self.call_at(self.now_us + delay_us, callback, *arguments)

    def step(self, until_us: int) -> Due | None:
        """Do the next thing that is due by `until_us`, and say what it was; None, with the time set, if there is none.

        What it raises is raised here.
        """
        heap = self._heap
        while heap and heap[0][0] <= until_us:
            self.now_us, _, due = heappop(heap)
            scheduler = due.scheduler
            if due.cancelled or (scheduler is not None and scheduler.withholds(due)):
                continue
            self.steps += 1
            due.callback(*due.arguments)
            return due
        self.now_us = max(self.now_us, until_us)
        return None

    def run(self, until_us: int) -> None:
        while self.step(until_us) is not None:
            pass


class NodeScheduler:
    """One process's `Scheduler`. `rate` is how fast its clock runs: 1.02 gains 2 %."""

    def __init__(self, time: SimulatedTime, *, rate: float = 1.0, starts_at_seconds: float = 0.0) -> None:
        self._time = time
        self._rate = rate
        self._born_us = time.now_us
        self._starts_at_seconds = starts_at_seconds
        self._waiting: deque[Due] = deque()
        self.paused = False
        self.dead = False

    # The port

    def time(self) -> float:
        return self._starts_at_seconds + (self._time.now_us - self._born_us) * self._rate / 1_000_000

    def call_soon(self, callback: Callback, *arguments: object) -> Due:
        return self._time.call_at(self._time.now_us, callback, *arguments, scheduler=self)

    def call_later(self, delay: float, callback: Callback, *arguments: object) -> Due:
        at_us = self._time.now_us + max(0, round(delay * 1_000_000 / self._rate))
        return self._time.call_at(at_us, callback, *arguments, scheduler=self)

    # What happens to a process

    def pause(self) -> None:
        """SIGSTOP: nothing runs; its clock goes on."""
        self.paused = True

    def resume(self) -> None:
        """SIGCONT: what became due meanwhile runs now, in order."""
        self.paused = False
        waiting, self._waiting = self._waiting, deque()
        for due in waiting:
            self._time.call_at(self._time.now_us, self._do, due, scheduler=self)

    def kill(self) -> None:
        """SIGKILL: nothing of it ever runs again."""
        self.dead = True
        self._waiting.clear()

    def withholds(self, due: Due) -> bool:
        """Whether what is due must not run now."""
        if self.paused and not self.dead:
            self._waiting.append(due)
            return True
        return self.dead

    @staticmethod
    def _do(due: Due) -> None:
        if not due.cancelled:
            due.callback(*due.arguments)
