"""The journal alone: batches made durable a second, against the bare system calls on the same disk.

Owns its workload: one batch after the other, as the writer's thread does it.
"""

import os
import tempfile
import time
from pathlib import Path

from ..journal.batch import seal
from ..journal.disk import RealDisk
from ..journal.recovery import create_journal
from ..journal.writer import JournalAppender
from .figures import Figure, median

RUNS = 5
BATCHES = 400


def appended_a_second(folder: Path, payload: bytes) -> float:
    disk = RealDisk(folder)
    appender = JournalAppender(disk, create_journal(disk, b"benchmarkbenchma"))
    began = time.perf_counter()
    for _ in range(BATCHES):
        appender.append(seal(appender.position, epoch=1, at_ms=1, count=1, payload=payload))
    rate = BATCHES / (time.perf_counter() - began)
    appender.close()
    return rate


def bare_a_second(path: Path, payload: bytes) -> float:
    """What the disk gives: append the same bytes and fdatasync."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    offset = 0
    began = time.perf_counter()
    for _ in range(BATCHES):
        offset += os.pwrite(descriptor, payload, offset)
        os.fdatasync(descriptor)
    rate = BATCHES / (time.perf_counter() - began)
    os.close(descriptor)
    return rate


def run(*, full: bool) -> list[Figure]:
    figures = []
    for name, payload in (("128 B", b"x" * 128), ("64 KiB", b"x" * 65_536)):
        rates, ratios = [], []
        for number in range(RUNS if full else 3):
            with tempfile.TemporaryDirectory(dir=".") as folder:
                bare = bare_a_second(Path(folder) / "bare", payload)
                ours = appended_a_second(Path(folder) / f"journal-{number}", payload)
            rates.append(ours)
            ratios.append(ours / bare)
        figures.append(median("journal", f"durable batches of {name}", rates, "/s"))
        figures.append(median("journal", f"the same against bare write + fdatasync, {name}", ratios, "×"))
    return figures
