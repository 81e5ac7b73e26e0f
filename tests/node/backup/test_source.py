"""A checkpoint is read as it is at one moment, and its folder stays as it was."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from onsale.journal.checkpoint import Checkpoint, load
from onsale.journal.errors import CorruptCheckpoint
from onsale.node.backup import source
from onsale.node.backup.source import copy_out, position_of
from onsale.tests.node.backup.archives import MemoryTarget
from onsale.tests.node.backup.backed_up import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node", MemoryTarget())


def seen(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def seq_of(path: Path) -> int:
    loaded = load(path)
    assert loaded is not None
    return loaded.position.seq


def test_at_rest(node: Node, tmp_path: Path) -> None:
    seq = node.take_checkpoint(node.middle)
    before = seen(node.data)
    assert list(before) == ["checkpoint.sqlite"]
    position = position_of(node.checkpoint)
    assert position is not None
    assert position.seq == seq
    assert copy_out(node.checkpoint, tmp_path / "copy", lambda *_: None) == position
    assert seen(node.data) == before
    assert seq_of(tmp_path / "copy") == seq
    assert not (tmp_path / "copy.raw").exists()


def test_in_use(node: Node, tmp_path: Path) -> None:
    """What is in the log alone is in the copy too."""
    node.take_checkpoint(node.middle)
    with closing(Checkpoint(node.checkpoint)):
        seq = node.add_checkpoint(node.middle + 5)
        assert (node.data / "checkpoint.sqlite-wal").stat().st_size > 0
        names = set(seen(node.data))
        position = position_of(node.checkpoint)
        assert position is not None
        assert position.seq == seq
        assert copy_out(node.checkpoint, tmp_path / "copy", lambda *_: None) == position
        assert set(seen(node.data)) == names
    assert seq_of(tmp_path / "copy") == seq


def test_left_by_a_kill(node: Node, tmp_path: Path) -> None:
    node.take_checkpoint(node.middle)
    killed = tmp_path / "killed"
    with closing(Checkpoint(node.checkpoint)):
        seq = node.add_checkpoint(node.middle + 5)
        shutil.copytree(node.data, killed)
    position = position_of(killed / "checkpoint.sqlite")
    assert position is not None
    assert position.seq == seq


def test_a_node_that_starts_meanwhile(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node.take_checkpoint(node.middle)
    seqs = []
    copyfile = shutil.copyfile

    def copy_while_it_is_written(origin: Path, to: Path) -> None:
        copyfile(origin, to)
        if not seqs:
            seqs.append(node.add_checkpoint(node.middle + 5))  # it was opened, written and closed

    monkeypatch.setattr(source.shutil, "copyfile", copy_while_it_is_written)
    position = copy_out(node.checkpoint, tmp_path / "copy", lambda *_: None)
    assert position is not None
    assert [position.seq] == seqs


def test_none(tmp_path: Path) -> None:
    assert position_of(tmp_path / "checkpoint.sqlite") is None
    assert copy_out(tmp_path / "checkpoint.sqlite", tmp_path / "copy", lambda *_: None) is None
    assert not list(tmp_path.iterdir())


def test_an_empty_one(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "checkpoint.sqlite").close()
    assert position_of(tmp_path / "checkpoint.sqlite") is None
    assert copy_out(tmp_path / "checkpoint.sqlite", tmp_path / "copy", lambda *_: None) is None


def test_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(CorruptCheckpoint):
        position_of(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
