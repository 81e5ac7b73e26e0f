"""Reports that a process beside the node makes of its journal: in the words of the command line, of what is durable."""

import asyncio
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from onsale.engine import facts as f
from onsale.http.gateway import NothingThereError, UnavailableError
from onsale.http.render.reports import FairnessDocument, StoryDocument
from onsale.journal.disk import RealDisk
from onsale.node import reports as module
from onsale.node.commands.inspect import Inspection
from onsale.node.journal_view import JournalView
from onsale.node.reports import Reports
from onsale.tests.engine.histories import History

T = TypeVar("T")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def history_of(data: Path) -> History:
    """Ada has the one ticket and gives it up; ben and cleo wait."""
    history = History()
    history.event(("Standing", "10.00", 1))
    for user_id in ("ada", "ben", "cleo"):
        history.book(user_id)
    history.pass_time(1)
    history.give_up(1)
    history.write(data)
    return history


def reports_of(data: Path, durable_seq: int) -> Reports:
    return Reports(JournalView(RealDisk(data / "journal")), lambda: durable_seq)


async def made(reports: Reports, kind: str, number: int, of: type[T]) -> T:
    while True:
        report = await reports.report(kind, number)
        if report.document is not None:
            return msgspec.json.decode(report.document, type=of)


async def test_the_words_are_those_of_the_command_line(data: Path) -> None:
    history = history_of(data)
    reports = reports_of(data, history.state.seq)
    story = await made(reports, "booking", 2, StoryDocument)
    headline, told = Inspection(data).history(2)
    assert (story.headline, [each.words for each in story.told]) == (headline, [each.words for each in told])
    assert any("because booking 1 was given up in the same step" in each.words for each in story.told)
    around = await made(reports, "seq", told[0].seq, StoryDocument)
    assert [each.seq for each in around.told if each.wanted] == [told[0].seq]
    fairness = await made(reports, "fairness", 1, FairnessDocument)
    assert fairness.fair
    assert fairness.verdict.startswith("Fair: the order of service is the order of arrival, but for 1 exceptions")
    assert [each.rule for each in fairness.rules] == ["still_waiting"]
    assert (fairness.faults, fairness.through_seq) == (0, history.state.seq)


async def test_nothing_is_told_that_is_not_durable(data: Path) -> None:
    history = history_of(data)
    before = history.batches[-1][0] - 1  # the batch with what was given up
    story = await made(reports_of(data, before), "booking", 2, StoryDocument)
    assert story.through_seq == before
    assert len(story.told) == 1
    assert "stands in line" in story.told[0].words


async def test_an_unfair_event_and_its_first_broken_place(data: Path) -> None:
    history = history_of(data)
    facts = history.batches[-1][2]
    index = next(index for index, fact in enumerate(facts) if isinstance(fact, f.Promoted))
    promoted = facts[index]
    assert isinstance(promoted, f.Promoted)
    facts[index] = f.Promoted(3, promoted.expires_ms)  # instead of booking 2, which is ahead
    other = data.parent / "other"
    history.write(other)
    fairness = await made(reports_of(other, history.state.seq), "fairness", 1, FairnessDocument)
    assert not fairness.fair
    assert fairness.verdict.startswith("NOT fair: 1 exceptions that no rule allows; the first at seq ")
    assert fairness.exceptions[0].user_id == "ben"
    assert fairness.faults
    assert fairness.first_fault is not None
    assert fairness.first_fault.startswith("seq ")


@pytest.mark.parametrize(
    ("kind", "told"), [("booking", "no booking 9"), ("seq", "no seq 9"), ("fairness", "no event 9")]
)
async def test_what_is_not_there(data: Path, kind: str, told: str) -> None:
    reports = reports_of(data, history_of(data).state.seq)
    with pytest.raises(NothingThereError, match=told):
        await made(reports, kind, 9_000, StoryDocument)


async def test_one_that_nobody_asks_for_any_more_is_ended(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.05)
    reports = reports_of(data, history_of(data).state.seq)
    assert (await reports.report("booking", 1)).document is None
    (job,) = reports._jobs.values()
    assert job.task is not None
    with pytest.raises(asyncio.CancelledError):
        await job.task
    assert not reports._jobs


async def test_so_many_at_a_time_and_no_more(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.0)
    reports = reports_of(data, history_of(data).state.seq)
    for number in range(module.JOBS_MAX):
        assert (await reports.report("seq", number + 1)).document is None
    with pytest.raises(UnavailableError, match="making other reports"):
        await reports.report("seq", 99)
    tasks = [job.task for job in reports._jobs.values() if job.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
