"""A bar while a start takes long, on a terminal; a line in the log where nobody watches.

Owns how a start shows that it is alive. Says nothing when it is quick.
"""

import logging
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

log = logging.getLogger("onsale.recovery")

QUIET_SECONDS = 1.0
LOG_SECONDS = 5.0


class StartProgress:
    """Called with (what, done, total)."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._began < QUIET_SECONDS:
            return
        if not self._terminal:
            if now - self._said >= LOG_SECONDS:
                self._said = now
                log.info("%s: %d of %d", what, done, total)
            return
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done)
