"""From a data folder to a state: the checkpoint's rows, then the journal's facts behind them.

Owns the order of a start: read the checkpoint, verify the whole journal against it, restore the rows, apply the rest.
Nothing is served before it is through, and what does not fit together is refused rather than mended.

Rows of an older version say nothing in columns that are new, where the facts do: a node that went on from them would
come to another state than one that did not. So they are left, and all facts are applied, where the journal has them.
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
from ..journal.batch import Batch
from ..journal.checkpoint import Loaded, load
from ..journal.checkpoint_copy import remove_checkpoint
from ..journal.checkpoint_schema import SCHEMA_VERSION
from ..journal.disk import Disk, RealDisk
from ..journal.errors import CorruptCheckpoint, CorruptJournal, HistoryGone, NewerJournal
from ..journal.reader import read_batches
from ..journal.recovery import Recovered, create_journal, recover
from ..journal.segments import list_segments, read_header

log = logging.getLogger("onsale.recovery")

JOURNAL_FOLDER = "journal"
CHECKPOINT_FILE = "checkpoint.sqlite"

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class Started(msgspec.Struct):
    """`unapplied`: the journal's end, which other nodes may not have, and may cut off."""

    state: State
    recovered: Recovered
    unapplied: list[Batch]
    disk: RealDisk
    checkpoint_seq: int


def start(data: Path, progress: Progress | None = None) -> Started:
    """Raises NoJournal, NewerJournal, CorruptJournal, CorruptCheckpoint, NewerCheckpoint, CheckpointFailed,
    JournalFailed.

    Needs the lock.
    """
    disk = RealDisk(data / JOURNAL_FOLDER)
    gc.disable()  # a million new rows are not garbage; looking for some takes seconds
    try:
        loaded = load(data / CHECKPOINT_FILE)
        if loaded is not None:
            _refuse_a_strange_checkpoint(disk, loaded)
        recovered = _recover(disk, loaded, progress)
        outdated = loaded is not None and loaded.position.schema_version < SCHEMA_VERSION and recovered.first_seq == 1
        state = State() if loaded is None or outdated else loaded.restore_with(restore)
        unapplied = apply_committed(state, disk, recovered, progress)
        if loaded is not None and outdated:
            log.info("%s is of an older version: it is made anew, from all facts", loaded.path)
            remove_checkpoint(loaded.path)
            loaded = None
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()  # what was loaded stays; the collector need not look at it again
    gc.set_threshold(
        10_000, 50, 100
    )  # nor look at everything so often: records are not tracked, and requests make few cycles
    return Started(state, recovered, unapplied, disk, 0 if loaded is None else loaded.position.seq)


def _recover(disk: RealDisk, loaded: Loaded | None, progress: Progress | None) -> Recovered:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("verifying the journal", done, total)

    recovered = recover(
        disk,
        known_durable_seq=0 if loaded is None else loaded.position.seq,
        known_hash=None if loaded is None else loaded.position.chain_hash,
        progress=report,
    )
    if recovered.dropped is not None:
        log.warning("%s", recovered.dropped)
    return recovered


def _refuse_a_strange_checkpoint(disk: RealDisk, loaded: Loaded) -> None:
    """Looked at first of all: held against another journal's position, a sound journal would look damaged."""
    segments = list_segments(disk)
    if segments and read_header(disk, segments[0]).journal_id != loaded.position.journal_id:
        raise CorruptCheckpoint(
            f"{loaded.path} belongs to another journal than the one in {disk.root}. Bring back the two that belong "
            "together; or, if it is the journal that is right and it begins with seq 1, move the checkpoint (and its "
            "-wal file) away: it is made anew."
        )


def begin(data: Path, journal_id: bytes | None = None) -> None:
    """A new journal, when there is none; `journal_id` of the cluster it belongs to, or none yet."""
    disk = RealDisk(data / JOURNAL_FOLDER)
    if not list_segments(disk):
        log.info("there is no journal in %s yet: a new one begins", disk.root)
        create_journal(disk, journal_id or secrets.token_bytes(16))


def apply_committed(state: State, disk: Disk, recovered: Recovered, progress: Progress | None = None) -> list[Batch]:
    """Apply what the journal itself shows to be committed; the batches behind that are returned.

    A leader writes a batch only when the one before is committed, but for the first of its epoch.
    """
    first, last = state.seq, recovered.last_seq
    unapplied: list[Batch] = []
    if first >= last:
        return unapplied
    report_at = 0
    try:
        batches = read_batches(disk, first, through_seq=last)
    except HistoryGone as gone:
        reason = f"the journal begins there, and no checkpoint holds what came before: seq {first + 1} is needed"
        raise CorruptJournal(recovered.segments[0].name, 0, gone.first_seq, reason) from gone
    began = {start.epoch: start.first_seq for start in recovered.epochs}
    for batch in batches:
        if batch.durable_seq >= began.get(batch.epoch, 0):
            for committed in unapplied:
                _apply(state, committed, recovered)
            unapplied.clear()
        unapplied.append(batch)
        if progress is not None and state.seq >= report_at:
            report_at = state.seq + 50_000
            progress("applying the journal", state.seq - first, last - first)
    if progress is not None:
        progress("applying the journal", last - first, last - first)
    return unapplied


def _apply(state: State, batch: Batch, recovered: Recovered) -> None:
    """The bytes are those that were written, so what can't be done here was done by another version of the rules."""
    seq = batch.first_seq
    try:
        for seq, fact in enumerate(f.decode(batch.payload), batch.first_seq):  # noqa: B007 - told below
            apply(state, batch.at_ms, fact)
    except (msgspec.MsgspecError, AssertionError, LookupError, ValueError) as error:
        name = next(segment.name for segment in reversed(recovered.segments) if segment.first_seq <= batch.first_seq)
        if isinstance(error, f.NewerFactsError):
            raise NewerJournal(name, 0, seq, str(error)) from error
        raise CorruptJournal(
            name,
            0,
            seq,
            f"the fact there is intact, but this version can't apply it ({type(error).__name__}: {error})",
            "If a newer Onsale wrote this journal, start that version. Otherwise keep the data folder as it is and "
            f"report this; `onsale inspect --data DIR --seq {seq}` shows the place.",
        ) from error
