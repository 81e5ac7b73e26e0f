"""Troubles said loudly: when they begin, at intervals while they last, and when they are over.

Owns which trouble was said when. Pure but for the log.
"""

import logging
from collections.abc import Callable

log = logging.getLogger("onsale.scaler")


class Reminders:
    def __init__(self, again_seconds: float, clock: Callable[[], float]) -> None:
        self._again_seconds = again_seconds
        self._clock = clock
        self._said: dict[str, tuple[float, str]] = {}

    def trouble(self, about: str, sentence: str) -> None:
        """`about`: what it is one trouble of. Said again at once when the sentence is another one."""
        now, (said_at, said) = self._clock(), self._said.get(about, (0.0, ""))
        if sentence != said or now - said_at >= self._again_seconds:
            log.warning("%s", sentence)
            self._said[about] = (now, sentence)

    def over(self, about: str, sentence: str) -> None:
        if self._said.pop(about, None) is not None:
            log.info("%s", sentence)
