"""What holds the event loop up: measured, for the metrics.

Owns a timer that says how late it came, and an ear for Python's garbage collector. Costs some microseconds a second.
`start` and `close` it on the loop's thread.
"""

import asyncio
import gc
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

LOOKED_AT_SECONDS = 0.05


class Meter(Protocol):
    """http.metrics.Metrics."""

    def loop_delayed(self, seconds: float) -> None: ...

    def collected(self, generation: int, seconds: float) -> None: ...


class Pauses:
    def __init__(self, meter: Meter, *, seconds: Callable[[], float] = perf_counter) -> None:
        self._meter = meter
        self._seconds = seconds
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._collection_began = 0.0

    def start(self) -> None:
        gc.callbacks.append(self._collector)
        self._wait()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            gc.callbacks.remove(self._collector)
            self._timer = None

    def _wait(self) -> None:
        self._due = self._seconds() + LOOKED_AT_SECONDS
        self._timer = asyncio.get_running_loop().call_later(LOOKED_AT_SECONDS, self._look)

    def _look(self) -> None:
        self._meter.loop_delayed(max(self._seconds() - self._due, 0.0))
        self._wait()

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        """Told by the interpreter, on whichever thread collects."""
        if phase == "start":
            self._collection_began = self._seconds()
        elif self._collection_began:
            self._meter.collected(info["generation"], self._seconds() - self._collection_began)
