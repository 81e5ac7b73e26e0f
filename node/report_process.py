"""Reports from a node's journal, made by a process beside it: reports.py starts it with DATA SEQ KIND NUMBER.

Owns what a report holds and how much of it: the words are those of `onsale inspect` and `onsale verify --fairness`.
Reads up to position SEQ, which the node knows to be durable, and never writes. Takes only the time that the machine has
to spare, ends with its node, and gives up rather than take its memory. Each line it prints is a JSON object.
"""

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from ..engine import facts as f
from ..engine.audit.auditor import Auditor, Summary
from ..engine.audit.fairness import FairnessWatch
from ..engine.audit.fairness_report import RULES, Fairness
from ..engine.restore import restore
from ..http.render.reports import (
    ExceptionDocument,
    FairnessDocument,
    RuleDocument,
    StoryDocument,
    SummaryDocument,
    ToldDocument,
)
from ..http.wire.times import format_ms
from ..journal.checkpoint import load
from ..journal.disk import RealDisk
from ..journal.errors import JournalFailed
from ..journal.reader import read_batches
from ..journal.segments import list_segments
from .commands.data_folder import journal_of
from .commands.fairness import SHOWN_MAX, exception_words, summary_lines, verdict
from .commands.inspect import Inspection, NothingFoundError, Told
from .journal_view import type_name
from .recovery import CHECKPOINT_FILE

NEIGHBOURS: Final = 20  # told beside the position that was asked about
TOLD_MAX: Final = 500
PROGRESS_FACTS: Final = 20_000
MEMORY_BYTES_MAX: Final = 3 * 1024**3
_PR_SET_PDEATHSIG: Final = 1

Report = StoryDocument | FairnessDocument
Progress = Callable[[int, int], None]


def story_of_booking(data: Path, through_seq: int, booking_id: int) -> StoryDocument:
    """Raises NothingFoundError, JournalFailed."""
    inspection = _inspection(data, through_seq)
    headline, told = inspection.history(booking_id)
    return _story(inspection, headline, told)


def story_of_seq(data: Path, through_seq: int, seq: int) -> StoryDocument:
    """Raises NothingFoundError, JournalFailed."""
    inspection = _inspection(data, through_seq)
    return _story(inspection, None, inspection.around(seq, NEIGHBOURS))


def _inspection(data: Path, through_seq: int) -> Inspection:
    inspection = Inspection(data)
    inspection.last_seq = min(inspection.last_seq, through_seq)
    return inspection


def _story(inspection: Inspection, headline: str | None, told: list[Told]) -> StoryDocument:
    notes = []
    if inspection.first_seq > 1:
        notes.append(f"This node's journal begins with seq {inspection.first_seq}; what came before is told with less.")
    if len(told) > TOLD_MAX:
        notes.append(f"These are the first {TOLD_MAX} of {len(told)} facts; `onsale inspect` has them all.")
    shown = [
        ToldDocument(each.seq, format_ms(each.at_ms), each.epoch, type_name(type(each.fact)), each.words, each.wanted)
        for each in told[:TOLD_MAX]
    ]
    return StoryDocument(headline, shown, notes, inspection.last_seq)


def fairness_of(data: Path, through_seq: int, event_id: int, progress: Progress) -> FairnessDocument:
    """Raises NothingFoundError, JournalFailed."""
    disk, watch = journal_of(data), FairnessWatch(event_id)
    auditor, after_seq = _auditor(data, disk, watch)
    at_ms = done = 0
    report_at = PROGRESS_FACTS
    for batch in read_batches(disk, after_seq, through_seq=through_seq):
        auditor.audit(batch.first_seq, batch.at_ms, f.decode(batch.payload), epoch=batch.epoch)
        at_ms, done = batch.at_ms, done + batch.count
        if done >= report_at:
            report_at = done + PROGRESS_FACTS
            progress(done, through_seq - after_seq)
    summary = auditor.finish()
    if not watch.found:
        raise NothingFoundError(f"There is no event {event_id}; GET /events lists them.")
    return _fairness(watch.finish(), summary, at_ms)


def _auditor(data: Path, disk: RealDisk, watch: FairnessWatch) -> tuple[Auditor, int]:
    """And the position behind which it is handed facts: the checkpoint's, where the journal's beginning is gone."""
    if list_segments(disk)[0].first_seq == 1:
        return Auditor(watch=watch.see), 0
    checkpoint = load(data / CHECKPOINT_FILE)
    if checkpoint is None:
        raise NothingFoundError("The beginning of this node's journal is gone, and so is its checkpoint.")
    state = checkpoint.restore_with(restore)
    return Auditor.opened_at(state, watch=watch.see), state.seq


def _fairness(report: Fairness, summary: Summary, at_ms: int) -> FairnessDocument:
    worst_first = sorted(report.deviations, key=lambda each: RULES[each.rule][1])
    first = summary.faults[0] if summary.faults else None
    return FairnessDocument(
        report.event_id,
        report.name,
        report.is_fair,
        verdict(report),
        [SummaryDocument(what, words) for what, words in summary_lines(report)],
        [RuleDocument(rule, count, *RULES[rule]) for rule, count in report.by_rule.items()],
        [
            ExceptionDocument(
                each.rule, RULES[each.rule][1], each.user_id, each.place, each.joined_seq, each.seq,
                format_ms(each.at_ms), each.booking_id or None, exception_words(each),
            )
            for each in worst_first[:SHOWN_MAX]
        ],
        len(worst_first),
        summary.faults_in_all,
        None if first is None else f"seq {first.seq}: {first.what}",
        summary.seq,
        format_ms(at_ms) if at_ms else None,
    )  # fmt: skip


def _be_humble() -> None:
    """Whatever the node has to do comes first."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    gc.disable()  # no cycles, and it does not live long


def _say(**what: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main(data: str, through_seq: str, kind: str, number: str) -> None:
    _be_humble()
    folder, through, asked = Path(data), int(through_seq), int(number)
    try:
        report: Report
        if kind == "booking":
            report = story_of_booking(folder, through, asked)
        elif kind == "seq":
            report = story_of_seq(folder, through, asked)
        else:
            report = fairness_of(folder, through, asked, lambda done, total: _say(done=done, total=total))
        _say(report=report)
    except NothingFoundError as nothing:
        _say(nothing=str(nothing))
    except JournalFailed as fault:
        _say(fault=f"This node's journal could not be read: {fault}")
    except MemoryError:
        _say(fault="This journal is too large to be read beside a node; use `onsale verify` or `onsale inspect` on it.")


if __name__ == "__main__":
    main(*sys.argv[1:])
