"""What every version so far wrote is read by this one, and what a later one wrote is refused in words that help.

Whoever changes what is written makes a test here fail, and then: raises the version it is of (FACTS_VERSION,
FORMAT_VERSION, the segments' or SCHEMA_VERSION), adds the new digest behind the old ones, has golden/make.py write
folders of the new version, and adds the hash that today's rows of every older folder add up to.
"""

import json
import struct
import tarfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from onsale.engine import facts as f
from onsale.engine.state import State, state_hash
from onsale.journal import batch as batches
from onsale.journal import segments
from onsale.journal.batch import Position, encode_batch, seal
from onsale.journal.checkpoint import load
from onsale.journal.checkpoint_schema import SCHEMA_VERSION
from onsale.journal.disk import RealDisk
from onsale.journal.errors import CorruptJournal, NewerJournal
from onsale.journal.recovery import create_journal, recover
from onsale.journal.writer import JournalAppender
from onsale.node.commands.verify import verify
from onsale.node.endings import exit_code
from onsale.node.exit_codes import ExitCode
from onsale.node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER, start
from onsale.tests.engine.test_facts import WRITTEN

GOLDEN = Path(__file__).with_name("golden")
FOLDERS = json.loads((GOLDEN / "golden.json").read_text())
JOURNAL_ID = bytes(range(16))

# Of one batch that holds every fact there is. Never change a line; add one.
FACTS = {1: "8007784d8a3ec79492d393d8b206c0c2", 2: "5131337a2b600978b3b5fa1fb6f8f414"}
BATCHES = {1: "0c016e161a1d9c983a1c30671b5c4263"}
SEGMENT_HEADERS = {1: "91360d13b05295f4e1b5ab625967d8cf", 2: "efc75ffadc073c3653bf4f18c6de9486"}


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(GOLDEN / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


# --- what older versions wrote


@pytest.mark.parametrize("name", FOLDERS)
def test_what_a_version_left_behind_is_in_order_and_leads_to_the_same_state(name: str, tmp_path: Path) -> None:
    known, data = FOLDERS[name], unpacked(name, tmp_path)
    report = verify(data, lambda *_: None)
    assert not report.findings
    assert (report.last_seq, report.chain_head) == (known["lastSeq"], known["chainHead"])
    assert report.state_hash == known["stateHashes"][str(SCHEMA_VERSION)]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_start_comes_to_that_state_too_whatever_checkpoint_there_is(name: str, tmp_path: Path) -> None:
    known, data = FOLDERS[name], unpacked(name, tmp_path)
    loaded = load(data / CHECKPOINT_FILE)
    assert (loaded is not None) == name.endswith("primary")
    started = start(data)
    if loaded is not None:
        assert loaded.position.schema_version == known["schema"]
        assert 0 < loaded.position.seq < known["lastSeq"]
        is_used = known["schema"] == SCHEMA_VERSION
        assert (started.checkpoint_seq == loaded.position.seq) == is_used == (data / CHECKPOINT_FILE).exists()
    for batch in started.unapplied:
        play(started.state, [(batch.at_ms, f.decode(batch.payload))])
    assert state_hash(started.state) == known["stateHashes"][str(SCHEMA_VERSION)]


def play(state: State, found: list[tuple[int, list[f.Fact]]]) -> None:
    from onsale.engine.apply import apply

    for at_ms, facts in found:
        for fact in facts:
            apply(state, at_ms, fact)


def test_there_is_a_folder_of_every_version() -> None:
    assert {each["schema"] for each in FOLDERS.values()} == set(range(1, SCHEMA_VERSION + 1))
    kept = {path.name.removesuffix(".tar.gz") for path in GOLDEN.glob("*.tar.gz")}
    assert kept == set(FOLDERS)


def test_both_kinds_of_segments_are_among_them(tmp_path: Path) -> None:
    found = set()
    for name in FOLDERS:
        disk = RealDisk(unpacked(name, tmp_path / name) / JOURNAL_FOLDER)
        found |= {segments.read_header(disk, each).grouped for each in segments.list_segments(disk)}
    assert found == {False, True}


# --- what this version writes is what the golden files were written as


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


PAYLOAD = f.encode([fact for fact, _ in WRITTEN])


def test_the_facts_are_of_their_version() -> None:
    assert digest(PAYLOAD) == FACTS[f.FACTS_VERSION]


def test_a_batch_is_of_its_version() -> None:
    data, _ = encode_batch(
        epoch=3,
        first_seq=7,
        count=5,
        at_ms=1_700_000_000_000,
        durable_seq=6,
        previous_hash=JOURNAL_ID,
        payload=b"facts",
    )
    assert digest(data) == BATCHES[batches.FORMAT_VERSION]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_segment_is_of_its_version(grouped: bool) -> None:
    header = segments.SegmentHeader(JOURNAL_ID, Position(6, JOURNAL_ID, 3, 1_700_000_000_000), grouped)
    version = segments.GROUPED_FORMAT_VERSION if grouped else segments.SINGLE_FORMAT_VERSION
    assert digest(segments.encode_header(header)) == SEGMENT_HEADERS[version]


# --- what a later version wrote


def sold(data: Path, *facts: f.Fact) -> RealDisk:
    """A journal of one batch."""
    disk = RealDisk(data / JOURNAL_FOLDER)
    appender = JournalAppender(disk, create_journal(disk, JOURNAL_ID))
    appender.append(seal(appender.position, epoch=1, at_ms=1, count=len(facts), payload=f.encode(list(facts))))
    appender.close()
    return disk


def rewritten(path: Path, at: int, version: int) -> None:
    """Another format version in the 64 checked bytes that begin at `at`."""
    data = bytearray(path.read_bytes())
    data[at + 6 : at + 8] = struct.pack("<H", version)
    data[at + 64 : at + 68] = struct.pack("<I", crc32(data[at : at + 64]))
    path.write_bytes(data)


def newer_segment(data: Path) -> None:
    disk = sold(data, f.EpochBegun(1, "n1"))
    rewritten(disk.root / segments.segment_name(1), 0, segments.GROUPED_FORMAT_VERSION + 1)


def newer_batch(data: Path) -> None:
    disk = sold(data, f.EpochBegun(1, "n1"))
    rewritten(disk.root / segments.segment_name(1), segments.HEADER_BYTES, batches.FORMAT_VERSION + 1)


def newer_facts(data: Path) -> None:
    sold(data, f.EpochBegun(1, "n1", f.FACTS_VERSION + 1), f.SyncStandbysSet(0), f.SyncStandbysSet(0))
    disk = RealDisk(data / JOURNAL_FOLDER)
    appender = JournalAppender(disk, recover(disk))  # so that the first batch is known to be committed
    appender.append(seal(appender.position, epoch=1, at_ms=2, count=1, payload=f.encode([f.SyncStandbysSet(1)])))
    appender.close()


@pytest.mark.parametrize("make", [newer_segment, newer_batch, newer_facts])
def test_it_is_refused_and_left_alone(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / JOURNAL_FOLDER).iterdir()}
    for read in (start, lambda data: verify(data, lambda *_: None)):
        with pytest.raises(NewerJournal, match=r"A newer version of Onsale wrote .* Start this folder with that") as it:
            read(tmp_path)
        assert exit_code(it.value) == ExitCode.REFUSED
    assert {path: path.read_bytes() for path in (tmp_path / JOURNAL_FOLDER).iterdir()} == before


def test_a_fact_that_nobody_announced_is_told_with_what_may_be_the_matter(tmp_path: Path) -> None:
    disk = sold(tmp_path, f.EpochBegun(1, "n1"), f.SyncStandbysSet(0))
    appender = JournalAppender(disk, recover(disk))
    for seq in (1, 2):
        payload = msgspec.msgpack.encode([[250, seq]])
        appender.append(seal(appender.position, epoch=1, at_ms=2, count=1, payload=payload))
    appender.close()
    with pytest.raises(CorruptJournal, match="If a newer Onsale wrote this journal, start that version"):
        start(tmp_path)
