"""One warning for each connection that was refused, and never so many that they fill the log.

Owns what is written about connections that did not belong here. Promises at most LINES_MAX lines in PERIOD_SECONDS,
whatever comes; that the same line is not repeated within them; that what is left out is counted in a line later; and
that nothing a stranger sends can forge a line or go on without end. The log alone is for people: nothing depends on it.
"""

import logging
from collections.abc import Callable
from typing import Final

LINES_MAX: Final = 10
PERIOD_SECONDS: Final = 10.0
SENTENCE_CHARACTERS_MAX: Final = 300

log = logging.getLogger("onsale.replication")


class RefusalLog:
    """One for all connections of a node."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds`: any monotonic time, such as `Scheduler.time`."""
        self._seconds = seconds
        self._began = seconds()
        self._written: set[tuple[str, str]] = set()  # host and sentence, in this period
        self._left_out = 0

    def note(self, peer: str, sentence: str) -> None:
        """`peer`: "host:port" at the other end; `sentence`: what was wrong, and what to do."""
        now = self._seconds()
        if now - self._began >= PERIOD_SECONDS:
            if self._left_out:
                log.warning("%d more replication connections were refused meanwhile.", self._left_out)
            self._began = now
            self._written.clear()
            self._left_out = 0
        line = (peer.rpartition(":")[0], sentence)
        if line in self._written or len(self._written) >= LINES_MAX:
            self._left_out += 1
            return
        self._written.add(line)
        log.warning("Replication with %s refused: %s.", peer, printable(sentence).rstrip("."))


def printable(text: str) -> str:
    """On one line, without control characters, cut to SENTENCE_CHARACTERS_MAX."""
    if len(text) > SENTENCE_CHARACTERS_MAX:
        text = text[:SENTENCE_CHARACTERS_MAX] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
