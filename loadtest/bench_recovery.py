"""How long a start takes with a million bookings: from the checkpoint, and from the journal alone.

Owns its workload: confirmed bookings of as many users, three facts each, in batches of about a hundred.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.state import state_hash
from ..journal.batch import seal
from ..journal.checkpoint import Checkpoint, Position
from ..journal.disk import RealDisk
from ..journal.recovery import create_journal
from ..journal.writer import JournalAppender
from ..node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, start
from .bench_engine import HOLD_MS, NOW_MS, hot_event
from .figures import Figure, median

BOOKINGS_PER_BATCH = 40
JOURNAL_ID = b"benchmarkbenchma"


def fill(data: Path, bookings: int) -> None:
    """A data folder with a journal and a checkpoint at its end."""
    (data / JOURNAL_FOLDER).mkdir(parents=True)
    disk = RealDisk(data / JOURNAL_FOLDER)
    appender = JournalAppender(disk, create_journal(disk, JOURNAL_ID))
    state = hot_event(bookings)
    first = f.EventCreated(1, *_hot_event_details(bookings))
    appender.append(seal(appender.position, epoch=1, at_ms=NOW_MS, count=1, payload=f.encode([first])))
    checkpoint = Checkpoint(data / CHECKPOINT_FILE)
    for start_at in range(0, bookings, BOOKINGS_PER_BATCH):
        at_ms = NOW_MS + start_at // BOOKINGS_PER_BATCH
        facts: list[f.Fact] = []
        for number in range(start_at, min(start_at + BOOKINGS_PER_BATCH, bookings)):
            facts.append(f.Held(number + 1, f"user-{number:08d}", 1, 1, 1, 4990, at_ms + HOLD_MS))
            facts.append(f.PaymentStarted(number + 1, number + 1, 4990, None, at_ms + 3 * HOLD_MS))
            facts.append(f.PaymentSucceeded(number + 1, f"pi_test_{number + 1}"))
        for fact in facts:
            apply(state, at_ms, fact)
        appender.append(seal(appender.position, epoch=1, at_ms=at_ms, count=len(facts), payload=f.encode(facts)))
        if start_at % (BOOKINGS_PER_BATCH * 500) == 0 or start_at + BOOKINGS_PER_BATCH >= bookings:
            position = Position(
                epoch=1, seq=state.seq, at_ms=state.at_ms, chain_hash=appender.position.hash,
                state_hash=state_hash(state), journal_id=JOURNAL_ID, counters=state.counters(),
            )  # fmt: skip
            checkpoint.write(
                {name: table.take_changes() for name, table in state.tables.items()}, state.notices, position
            )
            state.notices = []
    checkpoint.close()
    appender.close()


def _hot_event_details(capacity: int) -> tuple[f.EventDetails, tuple[f.TypeDetails, ...]]:
    details = f.EventDetails("Hot", NOW_MS + 10**9, None, "", "", "", "", "", "EUR", None, 10, None, 1)
    return details, (f.TypeDetails(1, "Standing", 4990, capacity),)


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
