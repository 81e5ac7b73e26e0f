"""`onsale verify`: the whole journal read again, and every promise in it checked.

Owns the order of the checks and their report: the bytes and the chain (journal), the promises (an audit with books of
its own), the state (applied anew, its invariants, the checkpoint's hash). Never writes: what it finds stays as it is.
"""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ...engine import facts as f
from ...engine.apply import apply
from ...engine.audit.auditor import Auditor, Money
from ...engine.audit.fairness import FairnessWatch
from ...engine.audit.fairness_report import Fairness
from ...engine.invariants import check
from ...engine.restore import restore
from ...engine.state import State, state_hash
from ...journal.checkpoint import Loaded, load
from ...journal.checkpoint_schema import SCHEMA_VERSION
from ...journal.disk import RealDisk
from ...journal.errors import CheckpointFailed, CorruptCheckpoint, CorruptJournal, NewerJournal
from ...journal.reader import read_batches, walk_batches
from ...journal.recovery import Recovered, recover
from ...journal.segments import HEADER_BYTES as SEGMENT_HEADER_BYTES
from ...journal.segments import list_segments, read_header
from ..recovery import CHECKPOINT_FILE
from .data_folder import journal_of, used_by
from .heads import differences

PROGRESS_FACTS = 50_000
HISTORY_ROWS_MAX = 50_000  # of what the state hands out for checkpoints, which are not written here

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class Finding(msgspec.Struct, frozen=True):
    """A fault and its place: the fact `seq`, in the batch at byte `offset` of `segment`; None for what has no place."""

    what: str
    seq: int | None = None
    at_ms: int | None = None
    segment: str | None = None
    offset: int | None = None


class Report(msgspec.Struct):
    """What was read and found; `findings` are the first of `findings_in_all`."""

    data: Path
    journal_id: str = ""
    segments: int = 0
    size_bytes: int = 0
    first_seq: int = 1
    last_seq: int = 0
    epoch: int = 0
    chain_head: str = ""
    facts: int = 0
    events: int = 0
    bookings: dict[str, int] = {}
    money: dict[str, Money] = {}
    state_hash: str = ""
    checkpoint_seq: int | None = None
    checkpoint_agrees: bool | None = None  # None: it was not compared
    seconds: float = 0.0
    notes: list[str] = []
    findings: list[Finding] = []
    findings_in_all: int = 0
    head_agrees: bool | None = None  # with the one that was given; None: it was not compared
    fairness: Fairness | None = None  # of the event that was asked for; None as well where it is not found

    def fault(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.findings_in_all += 1


def verify(
    data: Path, progress: Progress, *, fairness_of: int | None = None, head: dict[str, Any] | None = None
) -> Report:
    """Read everything and report; what is wrong with the content is in the report. `fairness_of`: an event.

    `head`: one that was published, see heads.read_head.

    Raises NoJournal, NewerJournal, JournalFailed, CheckpointFailed, NewerCheckpoint.
    """
    began = time.perf_counter()
    report = Report(data)
    disk = journal_of(data)
    gc.disable()  # millions of rows and no cycles: looking for some takes longer than the work
    try:
        _Verification(data, disk, report, progress, fairness_of).run()
        if head is not None:
            _compare_head(head, disk, report)
    finally:
        gc.enable()
    report.findings = _placed(disk, report.findings)
    report.seconds = time.perf_counter() - began
    return report


def _compare_head(head: dict[str, Any], disk: RealDisk, report: Report) -> None:
    if report.findings:
        report.notes.append("The head was not compared, as the journal is not in order.")
    elif report.first_seq > 1:
        report.notes.append(
            f"The head was not compared: the journal begins with seq {report.first_seq}. Take a folder that has all."
        )
    else:
        different = differences(head, disk, bytes.fromhex(report.journal_id), report.last_seq)
        report.head_agrees = not different
        for what in different:
            report.fault(Finding(what))


class _Verification:
    def __init__(
        self, data: Path, disk: RealDisk, report: Report, progress: Progress, fairness_of: int | None = None
    ) -> None:
        self.data = data
        self.disk = disk
        self.report = report
        self.progress = progress
        self.state: State | None = State()  # None as soon as a fact could not be applied
        self.watch = None if fairness_of is None else FairnessWatch(fairness_of)
        self.auditor = Auditor(watch=self.watch.see if self.watch is not None else None)
        self.checkpoint: Loaded | None = None
        self.in_use_by = used_by(data)

    def run(self) -> None:
        report = self.report
        if self.in_use_by:
            report.notes.append(
                f"The folder is in use by {self.in_use_by}; what it writes from now on is not looked at."
            )
        self._load_checkpoint()
        recovered = self._check_bytes()
        if recovered is None or not self._begin(recovered):
            return
        self._check_facts(recovered)
        self._check_end()

    def _load_checkpoint(self) -> None:
        report = self.report
        try:
            self.checkpoint = load(self.data / CHECKPOINT_FILE)
        except CorruptCheckpoint as error:
            report.fault(Finding(str(error)))
        if self.checkpoint is not None:
            report.checkpoint_seq = self.checkpoint.position.seq
        elif not report.findings:
            report.notes.append("There is no checkpoint; nothing could be compared with it.")

    def _check_bytes(self) -> Recovered | None:
        """The hash chain, the order of seq, nothing missing: the journal's own recovery, told to leave all as it is."""
        report, position = self.report, self.checkpoint.position if self.checkpoint else None
        try:
            recovered = recover(
                self.disk,
                known_durable_seq=position.seq if position else 0,
                known_hash=position.chain_hash if position else None,
                repair=False,
                progress=lambda done, total: self.progress("bytes and hashes", done, total),
            )
        except NewerJournal:
            raise  # nothing is wrong with it
        except CorruptJournal as error:
            report.fault(Finding(error.reason, error.seq, None, error.segment, error.offset))
            return None
        if recovered.dropped is not None and not self.in_use_by:  # else it is what is being written at this moment
            report.notes.append(str(recovered.dropped))
        if position is not None and position.journal_id != recovered.journal_id:
            report.fault(Finding("the checkpoint belongs to another journal"))
        report.journal_id = recovered.journal_id.hex()
        report.segments = len(recovered.segments)
        report.size_bytes = sum(segment.size_bytes for segment in recovered.segments)
        report.first_seq, report.last_seq = recovered.first_seq, recovered.last_seq
        report.epoch, report.chain_head = recovered.last_epoch, recovered.last_hash.hex()
        return recovered

    def _begin(self, recovered: Recovered) -> bool:
        """Restore the checkpoint's rows, to see that they are what was stored.

        Where the journal's own beginning has been deleted, the facts are read from there on.
        """
        state = self._restore_checkpoint()
        if recovered.first_seq == 1:
            return True
        if state is None:
            self.report.fault(Finding(f"the journal begins with seq {recovered.first_seq}, and there is no checkpoint"))
            return False
        watch = self.watch.see if self.watch is not None else None
        self.state, self.auditor = state, Auditor.opened_at(state, watch=watch)
        self.report.notes.append(
            f"The journal begins with seq {recovered.first_seq}; up to seq {state.seq} the checkpoint is believed."
        )
        return True

    def _restore_checkpoint(self) -> State | None:
        if self.checkpoint is None:
            return None
        try:
            return self.checkpoint.restore_with(restore)
        except CorruptCheckpoint as error:
            self.report.fault(Finding(str(error)))
        except CheckpointFailed:
            if not self.in_use_by:
                raise
            self.report.notes.append("The checkpoint was written meanwhile, so its rows were not compared.")
        return None

    def _check_facts(self, recovered: Recovered) -> None:
        report, auditor = self.report, self.auditor
        first, last = self.state.seq if self.state else 0, recovered.last_seq
        report_at = 0
        for batch in read_batches(self.disk, first, through_seq=last):
            try:
                facts = f.decode(batch.payload)
            except msgspec.MsgspecError as error:
                report.fault(Finding(f"the facts can't be read: {error}", batch.first_seq, batch.at_ms))
                self.state = None
                return
            if len(facts) != batch.count:
                what = f"the batch says that it holds {batch.count} facts, and holds {len(facts)}"
                report.fault(Finding(what, batch.first_seq, batch.at_ms))
            auditor.audit(batch.first_seq, batch.at_ms, facts, epoch=batch.epoch)
            report.facts += len(facts)
            self._apply(batch.at_ms, facts)
            if report.facts >= report_at:
                report_at = report.facts + PROGRESS_FACTS
                self.progress("facts", report.facts, last - first)
        self.progress("facts", last - first, last - first)

    def _apply(self, at_ms: int, facts: list[f.Fact]) -> None:
        state = self.state
        if state is None:
            return
        try:
            for fact in facts:
                apply(state, at_ms, fact)
        except f.NewerFactsError as newer:
            raise NewerJournal("the journal", 0, state.seq, str(newer)) from newer
        except (AssertionError, LookupError) as error:
            what = f"the engine can't apply {type(fact).__name__}: {error!r}"
            self.report.fault(Finding(what, state.seq, at_ms))
            self.state = None
            return
        if len(state.notices) > HISTORY_ROWS_MAX:
            _forget_history(state)
        if state.seq == self.report.checkpoint_seq:
            self._compare_with_checkpoint(state)

    def _compare_with_checkpoint(self, state: State) -> None:
        assert self.checkpoint is not None
        position = self.checkpoint.position
        if position.schema_version != SCHEMA_VERSION:
            self.report.notes.append("The checkpoint is of another version, so its state was not compared.")
            return
        self.report.checkpoint_agrees = state_hash(state) == position.state_hash
        if not self.report.checkpoint_agrees:
            what = "the facts up to here lead to another state than the checkpoint's"
            self.report.fault(Finding(what, state.seq, state.at_ms))

    def _check_end(self) -> None:
        """What holds at the end: the sums, the invariants, and that the books and the engine agree."""
        report, state = self.report, self.state
        summary = self.auditor.finish()
        if self.watch is not None and self.watch.found:
            report.fairness = self.watch.finish()
        report.findings += [Finding(fault.what, fault.seq, fault.at_ms) for fault in summary.faults]
        report.findings_in_all += summary.faults_in_all
        report.events, report.bookings, report.money = summary.events, summary.bookings, summary.money
        if state is None:
            return
        self.progress("state", 0, 1)
        report.state_hash = state_hash(state)
        try:
            check(state)
        except AssertionError as error:
            report.fault(Finding(f"the state contradicts itself: {error}"))
        for difference in self.auditor.differences(state):
            report.fault(Finding(difference))
        self.progress("state", 1, 1)


def _forget_history(state: State) -> None:
    """Let go of what the state keeps for the next checkpoint, as if it had been written."""
    state.notices.clear()
    for table in state.tables.values():
        table.archived.clear()
        table.forgotten.clear()


def _placed(disk: RealDisk, findings: list[Finding]) -> list[Finding]:
    """The findings with the place of the batch that holds their seq."""
    wanted = sorted({finding.seq for finding in findings if finding.seq is not None and finding.segment is None})
    places: dict[int, tuple[str, int]] = {}
    for segment in list_segments(disk) if wanted else []:
        if not wanted or segment.first_seq > wanted[-1]:
            break
        position = read_header(disk, segment).before
        for offset, batch in walk_batches(disk, segment.name, SEGMENT_HEADER_BYTES, segment.size_bytes, position):
            while wanted and batch.count and wanted[0] <= batch.last_seq:
                places[wanted.pop(0)] = (segment.name, offset)
            if not wanted:
                break
    placed = []
    for finding in findings:
        if finding.segment is None and finding.seq in places:
            segment_name, offset = places[finding.seq]
            placed.append(msgspec.structs.replace(finding, segment=segment_name, offset=offset))
        else:
            placed.append(finding)
    return placed
