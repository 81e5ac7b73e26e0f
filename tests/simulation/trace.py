"""What happened in a simulation, line by line, and one hash over all of it.

Owns the record that makes a failing seed readable, and by which two runs of one seed are shown to be the same.
"""

import logging
from collections import deque
from collections.abc import Callable
from hashlib import blake2b

LINES_KEPT = 400


class Trace:
    def __init__(self, lines_kept: int | None = LINES_KEPT) -> None:
        """`lines_kept` None keeps all."""
        self.lines: deque[str] = deque(maxlen=lines_kept)
        self._whole = blake2b(digest_size=16)

    def note(self, now_us: int, who: str, what: str) -> None:
        line = f"{now_us / 1_000_000:10.6f} {who:9} {what}"
        self.lines.append(line)
        self._whole.update(line.encode())

    @property
    def hash(self) -> str:
        """Of every line so far, those too that are not kept."""
        return self._whole.hexdigest()


class TracedLog(logging.Handler):
    """What the product writes to its log, as lines of the trace, while the block lasts."""

    def __init__(self, note: Callable[[str, str], None]) -> None:
        super().__init__(logging.INFO)
        self._note = note
        self._log = logging.getLogger("onsale")

    def emit(self, record: logging.LogRecord) -> None:
        self._note("log", record.getMessage())

    def __enter__(self) -> None:
        self._level, self._propagates = self._log.level, self._log.propagate
        self._log.addHandler(self)
        self._log.propagate = False
        self._log.setLevel(logging.INFO)

    def __exit__(self, *_error: object) -> None:
        self._log.removeHandler(self)
        self._log.propagate = self._propagates
        self._log.setLevel(self._level)
