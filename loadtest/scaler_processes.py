"""Processes of the scaler's run: those that are let run for a share of the time alone, and programs with a log.

Owns how they are stopped, continued and ended.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

PERIOD_SECONDS: Final = 0.04


class Throttle(threading.Thread):
    """Lets processes run for a share of the time alone, one after the other. `process_ids`: of whom, asked again and
    again, and at most how many.
    """

    def __init__(self, process_ids: Callable[[], Sequence[int]], most: int, share: float) -> None:
        super().__init__(daemon=True)
        self._process_ids = process_ids
        self._places = most
        self._run_seconds = PERIOD_SECONDS * share
        self._ended = threading.Event()

    def run(self) -> None:
        stopped: set[int] = set()
        while not self._ended.is_set():
            found = self._process_ids()
            for process_id in stopped.difference(found):
                send(process_id, signal.SIGCONT)
            stopped = set(found)
            for process_id in found[: self._places]:
                send(process_id, signal.SIGCONT)
                time.sleep(self._run_seconds)
                send(process_id, signal.SIGSTOP)
                time.sleep(PERIOD_SECONDS / self._places - self._run_seconds)
            time.sleep(PERIOD_SECONDS * max(self._places - len(found), 0) / self._places)
        for process_id in stopped:
            send(process_id, signal.SIGCONT)

    def end(self) -> None:
        self._ended.set()
        self.join()


def send(process_id: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process_id, number)


class Program:
    """A balancer, Prometheus or a scaler, with its output in a file."""

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def lines(self, *texts: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if all(text in line for text in texts)]
