"""A node with a probe in its event loop, which writes down every turn that took long.

Owns the measuring: `python -m onsale.loadtest.stall_probe FILE serve --data …` is `onsale serve …` with a timer of a
millisecond; each time it comes late is a line in FILE. Bounds can be set for the run, before the command, as in
`onsale.journal.segments.SEGMENT_BYTES_MAX=262144`. The processor time of the loop's own thread tells what the loop
did itself from what it waited for: the interpreter's lock, or a core that somebody else had.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from traceback import extract_stack
from typing import Any, TextIO

import msgspec
import uvloop

INTERVAL_SECONDS = 0.001
NOTED_SECONDS = 0.002
STACK_SECONDS = 0.008
STACKS_KEPT = 3


class Stall(msgspec.Struct, frozen=True):
    """One turn of the loop. Milliseconds."""

    at: float  # seconds since 1970, when it ended
    wall_ms: float
    own_ms: float  # of processor time, by the loop's thread
    others_ms: float  # of processor time, by the node's other threads
    collector_ms: float  # of it, by the garbage collector
    switches: int  # how often a core was taken from the node
    where: str = ""  # what the loop was at, if that was looked at


class _Probe:
    def __init__(self, file: TextIO, *, stacks: bool) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._noted: deque[Stall] = deque()
        self._collecting_since = self._collected = 0.0
        self._where: list[str] = []
        self._read()
        gc.callbacks.append(self._collects)
        if stacks:
            threading.Thread(target=self._look, daemon=True).start()
        self._loop.call_later(INTERVAL_SECONDS, self._tick)
        self._loop.call_later(0.25, self.write)

    def _read(self) -> None:
        self._at, self._own, self._all = time.perf_counter(), time.thread_time(), time.process_time()
        self._switched = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw

    def _tick(self) -> None:
        at, own, everything, switched, collected = self._at, self._own, self._all, self._switched, self._collected
        self._read()
        late = self._at - at - INTERVAL_SECONDS
        if late >= NOTED_SECONDS:
            own_ms, all_ms = (self._own - own) * 1000, (self._all - everything) * 1000
            stall = Stall(
                at=time.time(),
                wall_ms=late * 1000,
                own_ms=own_ms,
                others_ms=max(all_ms - own_ms, 0.0),
                collector_ms=collected * 1000,
                switches=self._switched - switched,
                where=" | ".join(self._where),
            )
            self._noted.append(stall)
        self._collected = 0.0
        self._where = []
        self._loop.call_later(INTERVAL_SECONDS, self._tick)

    def write(self) -> None:
        while self._noted:
            self._file.write(json.dumps(msgspec.to_builtins(self._noted.popleft())) + "\n")
        self._file.flush()
        self._loop.call_later(0.25, self.write)

    def _collects(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._collecting_since

    def _look(self) -> None:
        """From a thread of its own; costs a little, so only where a cause is looked for."""
        while True:
            time.sleep(STACK_SECONDS / 4)
            if time.perf_counter() - self._at < STACK_SECONDS or len(self._where) >= STACKS_KEPT:
                continue
            frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented for this purpose
            if frame is not None:
                places = extract_stack(frame)[-6:]
                self._where.append(" > ".join(f"{Path(p.filename).name}:{p.lineno} {p.name}" for p in places))


def read_stalls(path: Path) -> list[Stall]:
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Stall) for line in path.read_bytes().splitlines()]


def main() -> None:
    path, *arguments = sys.argv[1:]
    while "=" in arguments[0]:
        place, _, number = arguments.pop(0).partition("=")
        module, _, name = place.rpartition(".")
        setattr(import_module(module), name, int(number))
    run = uvloop.run

    def run_with_probe(work: Coroutine[Any, Any, Any], **options: Any) -> Any:
        async def probed() -> Any:
            probe = _Probe(file, stacks=bool(os.environ.get("STALL_STACKS")))
            try:
                return await work
            finally:
                probe.write()

        with Path(path).open("w") as file:
            return run(probed(), **options)

    setattr(uvloop, "run", run_with_probe)  # noqa: B010 - it has another signature
    sys.argv = ["onsale", *arguments]
    from ..node.command_line import main as onsale

    onsale()


if __name__ == "__main__":
    main()
