"""The engine's time: never runs backwards, never jumps with the wall clock.

Owns the mapping from the monotonic clock to milliseconds since 1970. It starts at the wall clock (or at the journal's
last time, if that is later), runs with the monotonic clock, and is led towards the wall clock by at most 5 % of the
time that passed, so that setting the wall clock lapses no hold.
"""

import time
from collections.abc import Callable

_SLEW = 0.05  # of the time passed


class Clock:
    def __init__(
        self,
        not_before_ms: int = 0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._last = monotonic()
        self._now_ms = max(wall() * 1000, float(not_before_ms))

    def now_ms(self) -> int:
        now = self._monotonic()
        passed_ms = (now - self._last) * 1000
        self._last = now
        self._now_ms += passed_ms
        off_ms = self._wall() * 1000 - self._now_ms
        allowed_ms = passed_ms * _SLEW
        if off_ms > allowed_ms:  # min() and max() take thrice as long, and everybody asks
            off_ms = allowed_ms
        elif off_ms < -allowed_ms:
            off_ms = -allowed_ms
        self._now_ms += off_ms
        return int(self._now_ms)
