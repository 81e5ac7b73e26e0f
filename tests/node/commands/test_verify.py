"""`onsale verify` on journals made by the real engine and the real writer, whole, damaged and dishonest."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.state import State, state_hash
from onsale.journal.batch import HEADER_BYTES, seal
from onsale.journal.checkpoint import Checkpoint, Position
from onsale.journal.disk import RealDisk, lock_folder
from onsale.journal.recovery import recover
from onsale.journal.segments import HEADER_BYTES as SEGMENT_HEADER_BYTES
from onsale.journal.writer import JournalAppender
from onsale.node.command_line import main
from onsale.node.commands.verify import Report, verify
from onsale.tests.engine.histories import HOLD_MS, JOURNAL_ID, History, busy_history

CORRUPT = 6


def run(data: Path, *flags: str) -> Result:
    return CliRunner().invoke(main, ["verify", "--data", str(data), *flags])


def report_of(data: Path) -> Report:
    return verify(data, lambda *_: None)


def contents(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


def segments(data: Path) -> list[Path]:
    return sorted((data / "journal").glob("*.segment"))


def take_checkpoint(
    data: Path, history: History, hashes: dict[int, bytes], batches: int, *, change: bool = False
) -> int:
    """What a node would have written behind so many batches; `change`: with a row that is not what happened."""
    state = State()
    for _, at_ms, facts in history.batches[:batches]:
        for fact in facts:
            apply(state, at_ms, fact)
    if change:
        state.bookings.rows[1].user_id = "somebody else"
    changes = {name: table.take_changes() for name, table in state.tables.items()}
    position = Position(
        epoch=1,
        seq=state.seq,
        at_ms=state.at_ms,
        chain_hash=hashes[state.seq],
        state_hash=state_hash(state),
        journal_id=JOURNAL_ID,
        counters=state.counters(),
    )
    checkpoint = Checkpoint(data / "checkpoint.sqlite")
    checkpoint.write(changes, state.notices, position)
    checkpoint.close()
    return state.seq


@pytest.fixture
def history() -> History:
    return busy_history(3, 150)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# --- whole


def test_a_whole_journal(history: History, data: Path) -> None:
    history.write(data, segment_bytes_max=2048)
    assert len(segments(data)) > 3
    before = contents(data)
    report = report_of(data)
    assert not report.findings
    assert contents(data) == before, "verify writes nothing"
    assert report.facts == report.last_seq == len(history.facts)
    assert report.segments == len(segments(data))
    assert report.events == len(history.state.events.rows)
    assert sum(report.bookings.values()) == sum(isinstance(fact, f.Held | f.Waited) for fact in history.facts)
    assert report.state_hash == state_hash(history.state)
    assert report.notes == ["There is no checkpoint; nothing could be compared with it."]


def test_the_report_for_people(history: History, data: Path) -> None:
    history.write(data)
    result = run(data)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert f"facts       {len(history.facts)} (seq 1 to {len(history.facts)}, epoch {history.state.epoch})" in lines
    assert lines[-1].startswith("No fault: ")
    assert not result.stderr


def test_the_report_for_programs(data: Path) -> None:
    history = History()
    history.event()
    history.book("ada", quantity=2)
    history.confirm(1)
    history.refund(1, "9.90")
    hashes = history.write(data)
    result = run(data, "--format", "json")
    assert result.exit_code == 0
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["ok"] is True
    assert report["money"] == {"EUR": {"paid": "99.80", "refunded": "0.00", "refunding": "9.90"}}
    assert report["bookings"] == {"refund_pending": 1}
    assert report["chainHead"] == hashes[len(history.facts)].hex()
    assert report["faults"] == []


def test_the_flags_stand_in_the_environment_too(history: History, data: Path) -> None:
    history.write(data)
    result = CliRunner().invoke(main, ["verify"], env={"ONSALE_DATA": str(data), "ONSALE_FORMAT": "json"})
    assert result.exit_code == 0
    assert json.loads(result.stdout)["lastSeq"] == len(history.facts)


def test_a_folder_that_is_in_use_is_read_and_a_note_says_so(history: History, data: Path) -> None:
    history.write(data)
    with lock_folder(data):
        report = report_of(data)
    assert not report.findings
    assert "in use by process" in report.notes[0]
    assert "in use" not in " ".join(report_of(data).notes)


def test_what_is_being_written_at_this_moment_is_no_torn_tail(history: History, data: Path) -> None:
    history.write(data)
    path = segments(data)[-1]
    path.write_bytes(path.read_bytes()[:-10])
    with lock_folder(data):
        report = report_of(data)
    assert not report.findings
    assert "was being written" not in " ".join(report.notes)


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_a_journal(tmp_path: Path, made: bool) -> None:
    if made:
        (tmp_path / "journal").mkdir()
    before = sorted(tmp_path.rglob("*"))
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "There is no journal in" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


# --- damaged bytes


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_corruption_and_has_a_place(history: History, data: Path, place: float) -> None:
    history.write(data, segment_bytes_max=2048)
    path = segments(data)[1]
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x20
    path.write_bytes(content)
    result = run(data, "--format", "json")
    assert result.exit_code == CORRUPT
    (fault,) = json.loads(result.stdout)["faults"]
    assert fault["segment"] == path.name
    assert 0 <= fault["offset"] <= len(content) * place
    assert fault["seq"] >= int(path.name.split(".")[0])
    assert path.name in result.stderr
    assert path.read_bytes() == content


def test_a_missing_segment(history: History, data: Path) -> None:
    history.write(data, segment_bytes_max=2048)
    gone = segments(data)[2]
    gone.unlink()
    result = run(data)
    assert result.exit_code == CORRUPT
    assert segments(data)[2].name in result.stderr, "the one that does not follow is named"
    assert "missing" in result.stderr


def test_a_torn_tail_is_a_note_and_stays_as_it_is(history: History, data: Path) -> None:
    history.write(data)
    path = segments(data)[-1]
    content = path.read_bytes()[:-10]
    path.write_bytes(content)
    result = run(data)
    assert result.exit_code == 0
    assert "was being written when the node stopped" in result.stdout
    assert path.read_bytes() == content


def test_a_payload_that_is_no_list_of_facts(data: Path) -> None:
    history = History()
    history.event()
    history.write(data)
    append(data, b"\x93\x01\x02\x03", count=1)
    (finding,) = report_of(data).findings
    assert "the facts can't be read" in finding.what
    assert (finding.seq, finding.segment) == (2, segments(data)[0].name)


def test_a_batch_with_fewer_facts_than_it_says(data: Path) -> None:
    history = History()
    history.event()
    history.write(data)
    append(data, f.encode([f.UserSaved("ada", None, None, None)]), count=2)
    assert "says that it holds 2 facts, and holds 1" in report_of(data).findings[0].what


# --- dishonest facts, well written


def append(data: Path, payload: bytes, count: int) -> int:
    """One more batch, with a chain as it should be; the offset at which it begins."""
    disk = RealDisk(data / "journal")
    recovered = recover(disk)
    offset = recovered.segments[-1].size_bytes
    appender = JournalAppender(disk, recovered)
    at_ms = recovered.last_at_ms + 1
    appender.append(seal(recovered.position, epoch=recovered.last_epoch, at_ms=at_ms, count=count, payload=payload))
    appender.close()
    return offset


def test_a_ticket_sold_twice_is_told_with_its_place(data: Path) -> None:
    history = History()
    history.event(("Standing", "10.00", 1))
    history.book("ada")
    history.write(data)
    offset = append(data, f.encode([f.Held(2, "ben", 1, 1, 1, 1000, history.now_ms + HOLD_MS)]), 1)
    result = run(data, "--format", "json")
    assert result.exit_code == CORRUPT
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert {(fault["seq"], fault["segment"], fault["offset"]) for fault in report["faults"]} == {
        (3, segments(data)[0].name, offset)
    }
    assert report["faults"][-1]["what"] == (
        'sold twice: 2 tickets "Standing" of event 1 are taken, and there are 1 in all'
    )
    table = run(data)
    assert table.exit_code == CORRUPT
    assert "sold twice" in table.stdout
    assert "2 faults; the first in" in table.stderr


def test_a_newcomer_who_passed_the_line_is_found_though_the_engine_would_apply_it(data: Path) -> None:
    history = History()
    history.event(("Standing", "10.00", 3))
    history.book("ada", quantity=2)
    history.book("ben", quantity=2)
    history.write(data)
    append(data, f.encode([f.Held(3, "cleo", 1, 1, 1, 1000, history.now_ms + HOLD_MS)]), 1)
    (finding,) = report_of(data).findings
    assert finding.seq == 4
    assert finding.what.startswith("booking 3 took 1 of")


# --- checkpoints


def test_a_checkpoint_that_agrees(history: History, data: Path) -> None:
    hashes = history.write(data)
    seq = take_checkpoint(data, history, hashes, len(history.batches) // 2)
    report = report_of(data)
    assert not report.findings
    assert (report.checkpoint_seq, report.checkpoint_agrees) == (seq, True)
    assert f"at seq {seq}, agrees" in run(data).stdout


def test_a_checkpoint_of_another_state(history: History, data: Path) -> None:
    hashes = history.write(data)
    seq = take_checkpoint(data, history, hashes, len(history.batches) // 2, change=True)
    (finding,) = report_of(data).findings
    assert finding.seq == seq
    assert finding.what == "the facts up to here lead to another state than the checkpoint's"
    assert finding.segment == segments(data)[0].name
    assert run(data).exit_code == CORRUPT


def test_a_checkpoint_of_another_history(history: History, data: Path) -> None:
    hashes = history.write(data)
    others = {seq: bytes(16) for seq in hashes}
    take_checkpoint(data, history, others, len(history.batches) // 2)
    result = run(data)
    assert result.exit_code == CORRUPT
    assert "another history" in result.stderr


def test_a_checkpoint_whose_rows_were_changed(history: History, data: Path) -> None:
    hashes = history.write(data)
    take_checkpoint(data, history, hashes, len(history.batches) // 2)
    with sqlite3.connect(data / "checkpoint.sqlite") as database:
        database.execute("UPDATE bookings SET quantity = quantity + 1 WHERE id = (SELECT max(id) FROM bookings)")
    database.close()
    result = run(data)
    assert result.exit_code == CORRUPT
    assert "hash" in result.stderr


def test_a_checkpoint_that_is_no_database(history: History, data: Path) -> None:
    history.write(data)
    (data / "checkpoint.sqlite").write_bytes(b"this is no database" * 100)
    result = run(data)
    assert result.exit_code == CORRUPT
    assert "checkpoint" in result.stderr


def test_a_journal_whose_beginning_was_deleted_goes_on_from_the_checkpoint(history: History, data: Path) -> None:
    hashes = history.write(data, segment_bytes_max=2048)
    seq = take_checkpoint(data, history, hashes, len(history.batches) * 2 // 3)
    gone, *kept = segments(data)
    gone.unlink()
    assert int(kept[0].name.split(".")[0]) <= seq
    report = report_of(data)
    assert not report.findings
    assert report.facts == len(history.facts) - seq
    assert report.state_hash == state_hash(history.state)
    assert any("the checkpoint is believed" in sentence for sentence in report.notes)


def test_a_journal_whose_beginning_was_deleted_without_a_checkpoint(history: History, data: Path) -> None:
    history.write(data, segment_bytes_max=2048)
    segments(data)[0].unlink()
    (finding,) = report_of(data).findings
    assert "there is no checkpoint" in finding.what


def test_places_are_those_of_the_batch(history: History, data: Path) -> None:
    """The offset in a report is where the batch's header stands."""
    hashes = history.write(data, segment_bytes_max=2048)
    take_checkpoint(data, history, hashes, len(history.batches) // 2, change=True)
    (finding,) = report_of(data).findings
    assert finding.segment is not None
    assert finding.offset is not None
    content = (data / "journal" / finding.segment).read_bytes()
    assert finding.offset >= SEGMENT_HEADER_BYTES
    assert content[finding.offset : finding.offset + HEADER_BYTES].startswith(b"\xf5OSB\r\n")
    first_seq = int.from_bytes(content[finding.offset + 24 : finding.offset + 32], "little")
    assert first_seq in [first for first, _, _ in history.batches]
    assert (
        msgspec.structs.astuple(finding)[1]
        == first_seq + len(next(facts for first, _, facts in history.batches if first == first_seq)) - 1
    )
