"""A checkpoint from another node comes whole or not at all, and takes its place whatever happens meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import pytest

from onsale.engine.state import state_hash
from onsale.journal.batch import Position, seal
from onsale.journal.checkpoint import load
from onsale.journal.checkpoint_copy import copy_checkpoint
from onsale.journal.disk import RealDisk
from onsale.journal.errors import BadSnapshot
from onsale.journal.incoming import Incoming, install_incoming
from onsale.journal.reader import read_batches
from onsale.journal.recovery import recover
from onsale.journal.segments import GROUPED_FORMAT_VERSION
from onsale.journal.writer import JournalAppender
from onsale.tests.engine.histories import JOURNAL_ID
from onsale.tests.engine.rich_histories import rich_history
from onsale.tests.journal.checkpoints import restored, store
from onsale.tests.journal.journals import filled

CHECKPOINT = "checkpoint.sqlite"
JOURNAL = "journal"
PART_BYTES = 10_000


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint as another node sends it."""
    folder = tmp_path_factory.mktemp("sender")
    store(folder / CHECKPOINT, rich_history(1).state)
    copy_checkpoint(folder / CHECKPOINT, folder / "copy.sqlite")
    return (folder / "copy.sqlite").read_bytes()


@pytest.fixture(scope="module")
def seq() -> int:
    return rich_history(1).state.seq


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a journal, a checkpoint and its log, and files of other parts."""
    data = tmp_path / "data"
    filled(RealDisk(data / JOURNAL), *range(5))
    (data / JOURNAL / "promise").write_bytes(b"epoch 7")
    (data / JOURNAL / "diverged-1.batches").write_bytes(b"kept")
    store(data / CHECKPOINT, rich_history(2).state)
    (data / f"{CHECKPOINT}-wal").write_bytes(b"of the old one")
    (data / f".{CHECKPOINT}-litestream").mkdir()
    (data / "lock").touch()
    return data


def digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=32).digest()


def receive(data: Path, content: bytes, seq: int) -> Incoming:
    incoming = Incoming(data)
    incoming.begin(len(content), seq)
    for start in range(0, len(content), PART_BYTES):
        incoming.add(content[start : start + PART_BYTES])
    return incoming


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- it comes


def test_what_came_whole_is_put_in_place(data: Path, sent: bytes, seq: int) -> None:
    before = tree(data)
    incoming = receive(data, sent, seq)
    assert incoming.received_bytes == len(sent)
    position = incoming.finish(digest(sent))
    assert position.seq == seq
    assert {name: content for name, content in tree(data).items() if not name.startswith("incoming/")} == before
    assert install_incoming(data, JOURNAL, CHECKPOINT, keep=("promise", "not there"))
    check_installed(data, seq)
    assert not install_incoming(data, JOURNAL, CHECKPOINT)


def check_installed(data: Path, seq: int, *, aside: str = "aside-1") -> None:
    """The new ones are in place, the old ones aside and whole, and the rest as it was."""
    assert sorted(path.name for path in data.iterdir()) == [aside, CHECKPOINT, JOURNAL, "lock"]
    assert sorted(path.name for path in (data / aside).iterdir()) == sorted(
        [CHECKPOINT, f"{CHECKPOINT}-wal", f".{CHECKPOINT}-litestream", JOURNAL]
    )
    loaded = load(data / CHECKPOINT)
    recovered = recover(
        RealDisk(data / JOURNAL), known_durable_seq=loaded.position.seq, known_hash=loaded.position.chain_hash
    )
    expected = Position(seq, loaded.position.chain_hash, loaded.position.epoch, loaded.position.at_ms)
    assert recovered.position == recovered.before == expected
    assert recovered.journal_id == JOURNAL_ID
    assert state_hash(restored(data / CHECKPOINT)) == state_hash(rich_history(1).state)
    assert (data / JOURNAL / "promise").read_bytes() == b"epoch 7"
    assert recover(RealDisk(data / aside / JOURNAL)).last_seq > 0
    assert (data / aside / JOURNAL / "diverged-1.batches").exists()


def test_the_journal_goes_on_from_there(data: Path, sent: bytes, seq: int) -> None:
    receive(data, sent, seq).finish(digest(sent))
    install_incoming(data, JOURNAL, CHECKPOINT)
    disk = RealDisk(data / JOURNAL)
    appender = JournalAppender(disk, recover(disk))
    at_ms = appender.position.at_ms
    appender.append_received([seal(appender.position, epoch=3, at_ms=at_ms, count=2, payload=b"x")])
    appender.close()
    recovered = recover(disk)
    assert [(start.epoch, start.first_seq) for start in recovered.epochs] == [(3, seq + 1)]
    assert [batch.payload for batch in read_batches(disk, seq)] == [b"x"]
    (segment,) = recovered.segments
    assert disk.read(segment.name, 6, 1)[0] == GROUPED_FORMAT_VERSION


def test_a_blank_folder_has_nothing_to_set_aside(tmp_path: Path, sent: bytes, seq: int) -> None:
    receive(tmp_path / "new", sent, seq).finish(digest(sent))
    assert install_incoming(tmp_path / "new", JOURNAL, CHECKPOINT, keep=("promise",))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [CHECKPOINT, JOURNAL]


def test_a_second_one_sets_the_first_aside(data: Path, sent: bytes, seq: int) -> None:
    for _ in range(2):
        receive(data, sent, seq).finish(digest(sent))
        install_incoming(data, JOURNAL, CHECKPOINT)
    assert {path.name for path in data.iterdir()} == {"aside-1", "aside-2", CHECKPOINT, JOURNAL, "lock"}
    assert tree(data / "aside-2")[CHECKPOINT] == sent


# --- it does not come whole


def test_without_an_end_it_is_removed_at_the_next_start(data: Path, sent: bytes, seq: int) -> None:
    before = tree(data)
    interrupted = receive(data, sent, seq)
    assert not install_incoming(data, JOURNAL, CHECKPOINT)
    assert tree(data) == before
    interrupted.abandon()  # or the file would stay open


def test_there_may_be_nothing(data: Path) -> None:
    before = tree(data)
    assert not install_incoming(data, JOURNAL, CHECKPOINT)
    assert tree(data) == before


def test_what_is_not_what_was_sent_is_refused(data: Path, sent: bytes, seq: int) -> None:
    before = tree(data)
    flipped = bytearray(sent)
    flipped[len(sent) // 2] ^= 1
    for content, size_bytes, announced_seq, sent_digest, reason in (
        (bytes(flipped), len(sent), seq, digest(sent), "digest"),
        (sent[:-1], len(sent), seq, digest(sent[:-1]), "were announced"),
        (sent, len(sent), seq + 1, digest(sent), f"stands at seq {seq}"),
        (b"no database" * 100, 1100, seq, digest(b"no database" * 100), "corrupt"),
        (b"", 0, seq, digest(b""), "holds nothing"),
    ):
        incoming = Incoming(data)
        incoming.begin(size_bytes, announced_seq)
        incoming.add(content)
        with pytest.raises(BadSnapshot, match=reason):
            incoming.finish(sent_digest)
        assert tree(data) == before


def test_more_than_was_announced_is_refused(data: Path) -> None:
    before = tree(data)
    incoming = Incoming(data)
    incoming.begin(10, 1)
    incoming.add(b"x" * 10)
    with pytest.raises(BadSnapshot, match="More came"):
        incoming.add(b"x")
    assert tree(data) == before
    with pytest.raises(BadSnapshot, match="none was announced"):
        incoming.add(b"x")
    with pytest.raises(BadSnapshot, match="none was announced"):
        incoming.finish(digest(b""))


def test_it_may_be_begun_again_and_given_up(data: Path, sent: bytes, seq: int) -> None:
    before = tree(data)
    incoming = receive(data, sent[:-PART_BYTES], seq)
    incoming.begin(len(sent), seq)
    incoming.add(sent)
    incoming.finish(digest(sent))
    incoming.abandon()
    assert tree(data) == before
    assert not install_incoming(data, JOURNAL, CHECKPOINT)


# --- interrupted

CHANGES = ("rename", "fsync", "fdatasync", "unlink", "mkdir", "rmdir", "pwrite")


class Killed(BaseException):
    pass


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End everything just before, or just behind, one of the calls that change the folder."""
    calls = 0

    def interrupted(call):
        def wrapper(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == step:
                raise Killed
            done = call(*arguments, **options)
            calls += 1
            if calls == step:
                raise Killed
            return done

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, interrupted(getattr(os, name)))
        yield


def test_it_is_put_in_place_however_often_that_is_interrupted(data: Path, sent: bytes, seq: int) -> None:
    """Each start is killed one step later than the one before."""
    receive(data, sent, seq).finish(digest(sent))
    installed, step, last_step = False, 0, 0
    while not installed and step < 300:
        step += 1
        with suppress(Killed), killed_at(step):
            install_incoming(data, JOURNAL, CHECKPOINT, keep=("promise",))
            installed = True
            last_step = step
    assert installed
    assert last_step > 10, "it was interrupted"
    check_installed(data, seq)


@pytest.mark.parametrize("step", range(1, 110, 3))
def test_one_interruption_anywhere_does_no_harm(data: Path, sent: bytes, seq: int, step: int) -> None:
    receive(data, sent, seq).finish(digest(sent))
    with suppress(Killed), killed_at(step):
        install_incoming(data, JOURNAL, CHECKPOINT, keep=("promise",))
    install_incoming(data, JOURNAL, CHECKPOINT, keep=("promise",))
    check_installed(data, seq)


def test_an_interrupted_end_is_no_end_or_the_whole(data: Path, sent: bytes, seq: int) -> None:
    before, outcomes = tree(data), set()
    for step in range(1, 40):
        incoming = receive(data, sent, seq)
        with suppress(Killed), killed_at(step):
            incoming.finish(digest(sent))
        complete = (data / "incoming" / "complete").exists()
        outcomes.add(complete)
        if complete:
            assert install_incoming(data, JOURNAL, CHECKPOINT, keep=("promise",))
            check_installed(data, seq)
            break
        assert not install_incoming(data, JOURNAL, CHECKPOINT)
        assert tree(data) == before
    assert outcomes == {False, True}
