"""Token buckets: how often each of many may ask.

Owns the arithmetic. A bucket holds `burst` tokens, gains `rate` a second, and each call takes one; who is refused takes
none. It is kept as one number, the moment at which it is full again (the "theoretical arrival time" of the generic cell
rate algorithm), so a full bucket and an unknown one are the same, and need no memory. Integers alone: nothing drifts.
"""

import math
import re
from typing import NamedTuple

from .recent import Recent

KEYS_MAX = 200_000  # of each table; some 100 bytes each
RATE_MAX = 1_000_000
BURST_MAX = 1_000_000
_RATE_MIN = 0.001
_SECOND_NS = 1_000_000_000
_LIMIT = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)/([0-9]{1,7})", re.ASCII)


class Limit(NamedTuple):
    rate: float  # tokens a second
    burst: int


def parse_limit(text: str) -> Limit | None:
    """RATE/BURST, such as 20/100; none: no limit. Raises ValueError with a sentence that says what to write."""
    text = text.strip().lower()
    if text == "none":
        return None
    match = _LIMIT.fullmatch(text)
    limit = Limit(float(match[1]), int(match[2])) if match else None
    if limit is None or not _RATE_MIN <= limit.rate <= RATE_MAX or not 1 <= limit.burst <= BURST_MAX:
        raise ValueError(f"{text!r} is no limit; write calls a second and how many at once, such as 20/100, or none.")
    return limit


class Buckets:
    """One bucket for each key. Time is whatever clock `now_ns` is of, as long as it never runs backwards."""

    __slots__ = ("_full_ns", "_interval_ns", "_recent")

    def __init__(self, limit: Limit, keys_max: int = KEYS_MAX) -> None:
        self._interval_ns = max(round(_SECOND_NS / limit.rate), 1)
        self._full_ns = self._interval_ns * limit.burst  # from empty to full
        self._recent: Recent[int] = Recent(self._full_ns, keys_max)

    def take(self, key: str, now_ns: int) -> int:
        """0: a token was taken. Else how long until there is one, in nanoseconds."""
        full_at_ns = self._recent.get(key, now_ns)
        if full_at_ns is None or full_at_ns < now_ns:
            full_at_ns = now_ns
        full_at_ns += self._interval_ns
        wait_ns = full_at_ns - now_ns - self._full_ns
        if wait_ns > 0:
            return wait_ns
        self._recent.put(key, full_at_ns, now_ns)
        return 0

    def __len__(self) -> int:
        """How many keys are remembered at most."""
        return len(self._recent)


def whole_seconds(wait_ns: int) -> int:
    """For Retry-After: at least one."""
    return max(math.ceil(wait_ns / _SECOND_NS), 1)
