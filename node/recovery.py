"""From a data folder to a state: the checkpoint's rows, then the journal's facts behind them.

Owns the order of a start: read the checkpoint, verify the whole journal against it, restore the rows, apply the rest.
Nothing is served before it is through, and what does not fit together is refused rather than mended.
"""

import gc
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.restore import restore
from ..engine.state import State
from ..journal.checkpoint import Loaded, load
from ..journal.disk import RealDisk
from ..journal.errors import CorruptCheckpoint, NoJournal
from ..journal.reader import read_batches
from ..journal.recovery import Recovered, create_journal, recover

log = logging.getLogger("onsale.recovery")

JOURNAL_FOLDER = "journal"
CHECKPOINT_FILE = "checkpoint.sqlite"

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class Started(msgspec.Struct):
    state: State
    recovered: Recovered
    disk: RealDisk
    checkpoint_seq: int


def start(data: Path, progress: Progress | None = None) -> Started:
    """Raises CorruptJournal, CorruptCheckpoint, JournalFailed. Needs the folder's lock."""
    disk = RealDisk(data / JOURNAL_FOLDER)
    gc.disable()  # a million new rows are not garbage; looking for some takes seconds
    try:
        loaded = load(data / CHECKPOINT_FILE)
        recovered = _recover(disk, loaded, progress)
        state = State() if loaded is None else loaded.restore_with(restore)
        _apply_rest(state, disk, recovered, progress)
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()  # what was loaded stays; the collector need not look at it again
    gc.set_threshold(
        10_000, 50, 100
    )  # nor look at everything so often: records are not tracked, and requests make few cycles
    return Started(state, recovered, disk, 0 if loaded is None else loaded.position.seq)


def _recover(disk: RealDisk, loaded: Loaded | None, progress: Progress | None) -> Recovered:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("verifying the journal", done, total)

    try:
        recovered = recover(
            disk,
            known_durable_seq=0 if loaded is None else loaded.position.seq,
            known_hash=None if loaded is None else loaded.position.chain_hash,
            progress=report,
        )
    except NoJournal:
        return create_journal(disk, secrets.token_bytes(16))
    if recovered.dropped is not None:
        log.warning("%s", recovered.dropped)
    if loaded is not None and loaded.position.journal_id != recovered.journal_id:
        raise CorruptCheckpoint(
            f"{CHECKPOINT_FILE} belongs to another journal than the one beside it. Bring back the two that belong "
            "together, or move the checkpoint away: it is made anew from the journal."
        )
    return recovered


def _apply_rest(state: State, disk: RealDisk, recovered: Recovered, progress: Progress | None) -> None:
    first, last = state.seq, recovered.last_seq
    if first >= last:
        return
    report_at = 0
    for batch in read_batches(disk, first, through_seq=last):
        for fact in f.decode(batch.payload):
            apply(state, batch.at_ms, fact)
        if progress is not None and state.seq >= report_at:
            report_at = state.seq + 50_000
            progress("applying the journal", state.seq - first, last - first)
    if progress is not None:
        progress("applying the journal", last - first, last - first)
