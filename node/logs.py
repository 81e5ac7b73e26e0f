"""What the process says: one line a message, for people or (JSON) for programs. Goes to standard error.

Owns the set-up of logging, and the lines of the access log, which come in thousands a second: they are gathered, and
written by a thread of their own. Promises that the event loop never waits for them: while nobody takes them, further
ones are dropped and counted.
"""

import atexit
import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

import orjson

LINES_MAX = 20_000  # that wait to be written
GATHERED_SECONDS = 0.1
ACCESS = "onsale.access"


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _at(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def set_up(log_format: str) -> None:
    """`log_format`: human or json."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class AccessLines:
    """`write` is called on one thread, the event loop's. What waits is written at the latest when the process ends."""

    def __init__(
        self,
        log_format: str,
        dropped: Callable[[int], None],
        *,
        stream: TextIO | None = None,
        lines_max: int = LINES_MAX,
    ) -> None:
        """`dropped` is told how many lines came too fast."""
        self._format = _as_json if log_format == "json" else _for_people
        self._dropped = dropped
        self._stream = stream or sys.stderr
        self._lines_max = lines_max
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def write(self, line: dict[str, Any]) -> None:
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
            self._thread.start()
            atexit.register(self.close)
        if len(self._waiting) >= self._lines_max:
            self._dropped(1)
            return
        self._waiting.append((time.time(), line))
        if not self._wanted.is_set():
            self._wanted.set()

    def close(self) -> None:
        """Write what waits. Blocks for as long as that takes."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing = True
            self._wanted.set()
            thread.join()
            atexit.unregister(self.close)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wanted.wait()
            if not self._closing:
                time.sleep(GATHERED_SECONDS)
            self._wanted.clear()
            closing = self._closing  # whatever came before it was said is taken now
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                self._stream.write("".join(f"{self._format(at, line)}\n" for at, line in lines))
                self._stream.flush()
            except (OSError, ValueError, TypeError):  # nobody reads it any more, or it can't be said: the node goes on
                self._dropped(len(lines))


def _as_json(at: float, line: dict[str, Any]) -> str:
    return orjson.dumps({"at": _at(at), "level": "info", "logger": ACCESS} | line).decode()


def _for_people(at: float, line: dict[str, Any]) -> str:
    rest = " ".join(f"{name}={_quoted(value)}" for name, value in line.items() if value not in ("", 0))
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} ACCESS  {rest}"


def _quoted(value: object) -> str:
    """One word, whatever is in it: a user's id may hold spaces, line breaks, and what turns a terminal's text round."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & {" ", '"', "="}
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
