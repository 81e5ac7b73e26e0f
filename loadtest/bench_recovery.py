"""How long a start takes with a million bookings: from the checkpoint, and from the journal alone.

Owns its workload: confirmed bookings of as many users, three facts each, in batches of about a hundred.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, start
from . import filled
from .bench_engine import NOW_MS
from .figures import Figure, median

BOOKINGS_PER_MS = 40


def fill(data: Path, bookings: int) -> None:
    """A data folder with a journal and a checkpoint at its end."""
    with filled.FilledFolder(data) as there:
        there.add(NOW_MS, [filled.event(1, NOW_MS + 10**9, bookings)])
        for first in range(1, bookings + 1, BOOKINGS_PER_MS):
            at_ms = NOW_MS + first // BOOKINGS_PER_MS
            there.add(at_ms, filled.confirmed(range(first, min(first + BOOKINGS_PER_MS, bookings + 1)), 1, at_ms))


def seconds_of_a_start(data: Path) -> float:
    """In a process of its own, as a start is."""
    done = subprocess.run(
        [sys.executable, "-m", "onsale.loadtest.bench_recovery", str(data)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def run(*, full: bool) -> list[Figure]:
    bookings = 1_000_000 if full else 100_000
    with tempfile.TemporaryDirectory(dir=".") as folder:
        data = Path(folder) / "data"
        fill(data, bookings)
        with_checkpoint = [seconds_of_a_start(data) for _ in range(3)]
        for path in data.glob(f"{CHECKPOINT_FILE}*"):
            path.unlink()
        alone = [seconds_of_a_start(data) for _ in range(3)]
        megabytes = sum(path.stat().st_size for path in (data / JOURNAL_FOLDER).iterdir()) / 1e6
        shutil.rmtree(data)
    what = f"{bookings:,} confirmed bookings"
    note = f"journal of {megabytes:,.0f} MB"
    return [
        median("recovery", f"start with {what}", with_checkpoint, "s", "≤ 10", note),
        median("recovery", f"start with {what}, journal alone", alone, "s", "", note),
    ]


if __name__ == "__main__":
    began = time.perf_counter()
    start(Path(sys.argv[1]))
    print(time.perf_counter() - began)
