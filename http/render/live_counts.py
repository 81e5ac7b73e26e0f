"""The live counts of events, kept for those who ask before anything has changed.

Owns `LiveCounts`. In the first minute of an onsale everybody asks for the same event; between two facts and two turns
of its status the answer is one and the same.
"""

from typing import Final

from ...engine.state import State
from ..caching import LIVE, Reading
from .event_rows import span_of_status
from .events import availability
from .replies import encode

EVENTS_MAX: Final = 4_096  # of about a kilobyte each


class _Counts:
    __slots__ = ("from_ms", "reading", "seq", "state", "until_ms")

    def __init__(self, state: State, reading: Reading, from_ms: int, until_ms: int) -> None:
        self.state = state
        self.seq = state.seq
        self.reading = reading
        self.from_ms = from_ms
        self.until_ms = until_ms


class LiveCounts:
    """By event, what was answered last."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._kept: dict[str, _Counts] = {}
        self._events_max = events_max

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, state: State, event_id: str, now_ms: int) -> Reading | None:
        """What `make` made, if it is still so. `event_id` as in the path."""
        kept = self._kept.get(event_id)
        if kept is None or kept.seq != state.seq or kept.state is not state:
            return None
        return kept.reading if kept.from_ms <= now_ms < kept.until_ms else None

    def make(self, state: State, event_id: str, number: int, now_ms: int) -> Reading:
        """The counts of an event that there is."""
        sale, all_kept = state.sales[number], self._kept
        body = encode(availability(sale, now_ms))
        before = all_kept.pop(event_id, None)
        reading = before.reading if before is not None and before.reading.body == body else Reading.of(body, LIVE)
        if len(all_kept) >= self._events_max:
            del all_kept[next(iter(all_kept))]
        all_kept[event_id] = _Counts(state, reading, *span_of_status(sale, now_ms))
        return reading
