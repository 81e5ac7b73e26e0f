"""Does what is owed to the outside, one kind of it: each item at its time, so many at once, again when it failed.

Owns which items wait, until when, and which are being worked on; nothing of what they mean. What an item owes follows
from the state whenever its turn comes, so items are numbers and nothing of this is kept anywhere.

Promises: an item is never worked on twice at once; one that is added meanwhile is worked on again afterwards. When
whoever is asked is down, the whole lane pauses with growing gaps, then a single item tries whether that has changed (or
a new one does at once, for somebody waits for it), and the others follow, twice as many after each success. One item
that fails for itself only waits longer itself. A waiting item costs about 150 bytes and no task, and no turn of the
event loop starts or looks at more than a few.
"""

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from heapq import heappop, heappush

from .provider import ProviderUnavailable

log = logging.getLogger("onsale.lanes")

RETRY_SECONDS_FIRST = 0.5
RETRY_SECONDS_MAX = 60.0
RETRY_SECONDS_MAX_IF_DOWN = 15.0  # of one item, beside the pause of all
RETRY_AFTER_SECONDS_MAX = 3600.0  # of what the other side may ask for
LOOKED_AT_PER_TURN_MAX = 100  # items, before the event loop has its turn
WAKE_SECONDS_MAX = 60.0  # a timer is never cancelled: one that is not needed any more must not stay for long


class Lane:
    def __init__(
        self,
        name: str,
        work: Callable[[int], Awaitable[None]],
        *,
        at_once: int,
        a_second_max: float = math.inf,
        call_later: Callable[[float, Callable[[], None]], object],
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.monotonic,
        group: Callable[[int], Hashable] | None = None,
        at_once_per_group: int = 0,
    ) -> None:
        """`work` looks at the state itself: for an item that is not owed any more it just returns. It raises
        ProviderUnavailable; whatever else it raises is logged, and the item waits as if it had failed for itself.
        `a_second_max`: how many are begun in a second. `group`: what an item belongs to (None: nothing), of which no
        more than `at_once_per_group` are worked on.
        """
        assert at_once > 0
        assert (group is None) == (at_once_per_group == 0)
        self.name = name
        self.last_failure = ""
        self.failing_since_seconds: float | None = None  # by the clock `seconds`; None once anything succeeded again
        self._work = work
        self._at_once = at_once
        self._gap_seconds = 1.0 / a_second_max
        self._next_begin = 0.0  # no item is begun before
        self._call_later = call_later
        self._chance = chance
        self._seconds = seconds
        self._group = group
        self._at_once_per_group = at_once_per_group
        self._due: dict[int, float] = {}  # items that wait, until when
        self._queue: list[tuple[float, int]] = []  # a heap of them; an entry that `_due` does not confirm is void
        self._flights: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, int] = {}  # by item, since it last succeeded
        self._in_group: dict[Hashable, int] = {}  # in flight
        self._parked: dict[Hashable, deque[int]] = {}  # due, and their group has no room
        self._paused_until = 0.0  # 0: not paused
        self._told_to_wait = False  # by whoever is asked
        self._pauses = 0  # how long the next pause may be: one more for each, half of it gone with each success
        self._period = 0  # a pause ends one and begins the next: what was begun before tells nothing of it
        self._width = at_once  # how many of this period may be in flight …
        self._begun = 0  # … and how many are
        self._wake_at: float | None = None  # of the next timer
        self._idlers: list[asyncio.Future[None]] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        return len(self._due)

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    @property
    def resumes_in_seconds(self) -> float:
        """How long the whole lane still pauses; 0: it does not."""
        return max(0.0, self._paused_until - self._seconds()) if self._paused_until else 0.0

    def add(self, item: int, delay_seconds: float = 0.0) -> None:
        """Work on it then. One that waits already keeps the earlier of the two times; one that is being worked on is
        worked on again afterwards, and not before that time.
        """
        if self._closed:
            return
        in_flight = item in self._flights
        nothing_waits = not self._due and not self._paused_until and self._has_room() and not self._is_too_fast()
        if not (delay_seconds or in_flight) and (nothing_waits or self._may_probe(item)):
            self._begin(item)
            return
        due = self._seconds() + delay_seconds
        known = self._due.get(item)
        if known is not None and known <= due:
            return
        self._due[item] = due
        if not in_flight:
            heappush(self._queue, (due, item))
            self._pump()

    def hurry(self, item: int) -> None:
        """Work on it as soon as there is room, whether it waits or not."""
        self._failures.pop(item, None)
        self.add(item)

    async def idle(self) -> None:
        """Return when nothing is being worked on, and whatever waits does so for its time to come."""
        if not self._is_idle():
            self._idlers.append(asyncio.get_running_loop().create_future())
            await self._idlers[-1]

    async def close(self) -> None:
        """Begin nothing more, and cancel what is being worked on."""
        self._closed = True
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        for each in (self._due, self._queue, self._flights, self._failures, self._in_group, self._parked):
            each.clear()
        self._tell_idlers()

    def _has_room(self) -> bool:
        return self._begun < self._width and len(self._flights) < self._at_once

    def _is_too_fast(self) -> bool:
        return self._gap_seconds > 0 and self._seconds() < self._next_begin

    def _may_probe(self, item: int) -> bool:
        """Whether a new item may try, in the midst of a pause, if whoever is asked is back: somebody waits for it. One
        at a time, and never where the other side said how long it wants to be left alone.
        """
        return (
            self._paused_until > 0
            and not self._told_to_wait
            and not self._begun
            and len(self._flights) < self._at_once
            and item not in self._due
        )

    def _pump(self) -> None:
        """Begin what is due and has room, and see to it that the rest has its turn."""
        if self._closed:
            return
        now = self._seconds()
        if self._paused_until:
            if now < self._paused_until:
                self._wake(now, self._paused_until)
                return
            self._paused_until = 0.0
        for _ in range(LOOKED_AT_PER_TURN_MAX):
            if not self._queue or not self._has_room():
                return  # what lands makes room
            if self._is_too_fast():
                self._wake(now, self._next_begin)
                return
            due, item = self._queue[0]
            if item in self._flights or self._due.get(item) != due:
                heappop(self._queue)
            elif due > now:
                self._wake(now, due)
                return
            else:
                heappop(self._queue)
                self._begin(item)
        self._wake(now, now)

    def _wake(self, now: float, at: float) -> None:
        at = min(at, now + WAKE_SECONDS_MAX)
        if self._wake_at is None or at < self._wake_at:
            self._wake_at = at
            self._call_later(at - now, partial(self._woken, at))

    def _woken(self, at: float) -> None:
        if at == self._wake_at:  # else another timer took its place
            self._wake_at = None
            self._pump()
            self._tell_idlers()

    def _begin(self, item: int) -> None:
        """Start working on it, or park it while its group has no room."""
        group = None if self._group is None else self._group(item)
        if group is not None:
            taken = self._in_group.get(group, 0)
            if taken >= self._at_once_per_group:
                self._due.setdefault(item, self._seconds())
                self._parked.setdefault(group, deque()).append(item)
                return
            self._in_group[group] = taken + 1
        self._due.pop(item, None)
        if self._gap_seconds:
            self._next_begin = max(self._seconds(), self._next_begin) + self._gap_seconds
        self._begun += 1
        self._flights[item] = asyncio.get_running_loop().create_task(self._fly(item, group, self._period))

    async def _fly(self, item: int, group: Hashable, period: int) -> None:
        try:
            await self._work(item)
        except ProviderUnavailable as error:
            self._failed(item, str(error), error.retry_after_seconds, down_in=period if error.down else None)
        except asyncio.CancelledError:
            if self._closed:
                raise
            self._failed(item, "it was interrupted")
        except Exception as error:
            log.exception("%s: the work on %d went wrong", self.name, item)
            self._failed(item, f"{type(error).__name__}: {error}")
        else:
            self._succeeded(item, period)
        self._land(item, group, period)

    def _land(self, item: int, group: Hashable, period: int) -> None:
        """It is not in flight any more: there is room for another one."""
        del self._flights[item]
        if period == self._period:
            self._begun -= 1
        if group is not None:
            self._leave(group)
        if item in self._due:
            heappush(self._queue, (self._due[item], item))
        if self._queue:
            self._pump()
        if self._idlers:
            self._tell_idlers()

    def _leave(self, group: Hashable) -> None:
        left = self._in_group[group] - 1
        if left:
            self._in_group[group] = left
        else:
            del self._in_group[group]
        parked = self._parked.get(group)
        if parked:
            item = parked.popleft()
            heappush(self._queue, (self._due[item], item))
            if not parked:
                del self._parked[group]

    def _succeeded(self, item: int, period: int) -> None:
        self.failing_since_seconds = None
        if period == self._period:  # begun since the last pause began
            self._paused_until = 0.0
        if self._failures:
            self._failures.pop(item, None)
        self._pauses //= 2  # single failures far apart are no long outage
        if self._width < self._at_once and not self._paused_until:
            self._width = min(self._width * 2, self._at_once)

    def _failed(
        self, item: int, reason: str, retry_after_seconds: float | None = None, *, down_in: int | None = None
    ) -> None:
        """It is tried again later, all the more the oftener it failed. `down_in`: the period it was begun in, if the
        reason is that nobody can be asked now.
        """
        now = self._seconds()
        self.last_failure = reason
        if self.failing_since_seconds is None:
            self.failing_since_seconds = now
        if retry_after_seconds is not None:
            retry_after_seconds = min(max(retry_after_seconds, 0.0), RETRY_AFTER_SECONDS_MAX)
        before = self._failures.get(item, 0)
        self._failures[item] = before + 1
        wait_seconds = self._back_off_seconds(before)
        if down_in is not None:
            wait_seconds = min(wait_seconds, RETRY_SECONDS_MAX_IF_DOWN)  # the fault is hardly its own
            self._pause(now, retry_after_seconds, down_in)
        else:
            if retry_after_seconds is not None:
                wait_seconds = retry_after_seconds
            log.warning("%s: %s; trying %d again in %.1f s", self.name, reason, item, wait_seconds)
        self._due[item] = min(self._due.get(item, math.inf), now + wait_seconds)

    def _pause(self, now: float, retry_after_seconds: float | None, period: int) -> None:
        """All wait, then one of them tries. Those begun before a pause are no reason for another one."""
        if period == self._period:
            self._period += 1
            self._begun = 0
            self._width = 1
            self._paused_until = now + (
                self._back_off_seconds(self._pauses) if retry_after_seconds is None else retry_after_seconds
            )
            self._told_to_wait = retry_after_seconds is not None
            self._pauses += 1
            log.warning("%s: %s; all wait for %.1f s", self.name, self.last_failure, self._paused_until - now)
        elif retry_after_seconds is not None:
            self._paused_until = max(self._paused_until, now + retry_after_seconds)
            self._told_to_wait = True

    def _back_off_seconds(self, failures: int) -> float:
        """Full jitter, so that those who failed together do not come again together."""
        return self._chance() * min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2.0 ** min(failures, 10))

    def _is_idle(self) -> bool:
        if self._flights:
            return False
        now = self._seconds()
        return now < self._paused_until or self._is_too_fast() or not self._queue or self._queue[0][0] > now

    def _tell_idlers(self) -> None:
        if self._closed or self._is_idle():
            for idler in self._idlers:
                if not idler.done():
                    idler.set_result(None)
            self._idlers.clear()
