"""Litestream's configuration, and the real binaries of both versions against a folder and an S3 server."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from onsale.journal.checkpoint import load
from onsale.journal.checkpoint_database import litestream_attached, open_to_write
from onsale.node.backup.layout import contents_of
from onsale.node.backup.litestream import (
    MARK,
    Binary,
    LitestreamFailed,
    configuration,
    environment,
    find_binary,
    restore,
    write_configuration,
)
from onsale.node.backup.replication import Replication
from onsale.node.backup.restore import Restored
from onsale.node.backup.restore import restore as restore_all
from onsale.node.backup.s3 import S3Target
from onsale.node.backup.target import FolderTarget, Target, open_target
from onsale.node.commands.verify import verify
from onsale.tests.node.backup.backed_up import Node
from onsale.tests.node.backup.litestreams import until
from onsale.tests.node.backup.s3_server import BUCKET


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A folder; with the parameter "s3", a server."""
    if getattr(request, "param", "folder") == "folder":
        return open_target(str(tmp_path / "a $HOME: 'quoted' \"backup\""))
    return open_target(f"s3://{BUCKET}/{uuid4().hex}", request.getfixturevalue("s3_endpoint"))


@pytest.fixture
def node(tmp_path: Path, target: Target) -> Node:
    return Node(tmp_path / "node", target)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def replication(node: Node, litestream: Binary, tmp_path: Path, clock: Clock, said: list[str]) -> Iterator[Replication]:
    made = Replication(
        litestream,
        tmp_path / "litestream.yml",
        node.checkpoint,
        node.target,
        interval_seconds=0.05,
        tell=said.append,
        seconds=clock,
    )
    yield made
    made.stop()


def seq_of(path: Path) -> int:
    loaded = load(path)
    return 0 if loaded is None else loaded.position.seq


def brought_back(node: Node, binary: Binary, epoch: int, path: Path) -> int:
    """The seq of the checkpoint that Litestream gives back; -1 when it can't."""
    path.unlink(missing_ok=True)
    try:
        restore(binary, node.target, epoch, path)
    except LitestreamFailed:
        return -1
    return seq_of(path)


# --- the real thing


@pytest.mark.parametrize("target", ["folder", "s3"], indirect=True)
def test_each_epoch_has_a_replica_of_its_own(
    node: Node, litestream: Binary, replication: Replication, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    seqs = [node.take_checkpoint(node.middle)]
    replication.follow(3)
    assert replication.state == "running"
    until(lambda: brought_back(node, litestream, 3, copy) == seqs[0])
    seqs.append(node.add_checkpoint(node.middle + 10))
    replication.stop()  # it copies what is left before it ends
    assert brought_back(node, litestream, 3, copy) == seqs[1]
    seqs.append(node.add_checkpoint(node.middle + 20))
    replication.follow(4)
    until(lambda: brought_back(node, litestream, 4, copy) == seqs[2])
    seqs.append(node.add_checkpoint(node.middle + 30))
    replication.stop()
    assert brought_back(node, litestream, 4, copy) == seqs[3]
    assert brought_back(node, litestream, 3, copy) == seqs[1], "the replica of the epoch before is left as it was"
    contents = contents_of(node.target.list(""))
    assert contents.checkpoints == [4, 3]
    assert contents.litestream_format == dict.fromkeys((3, 4), litestream.format)
    assert replication.state == "off"


def test_its_tables_are_in_nobody_s_way(node: Node, replication: Replication) -> None:
    """`load`, `verify` and the writer take no notice, and the write-ahead log is left to Litestream."""
    seq = node.take_checkpoint(node.middle)
    replication.follow(1)
    until(lambda: bool(node.target.list("epoch-0000000001/checkpoint/")))
    with closing(open_to_write(node.checkpoint)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {"_litestream_seq", "_litestream_lock"} <= tables
        assert litestream_attached(database, node.checkpoint)
    assert seq_of(node.checkpoint) == seq
    later = node.add_checkpoint(node.middle + 10)
    report = verify(node.data, lambda *_: None)
    assert not report.findings
    assert report.checkpoint_agrees
    assert report.checkpoint_seq == later


def test_it_is_started_again_when_it_dies(
    node: Node, litestream: Binary, replication: Replication, clock: Clock, said: list[str], tmp_path: Path
) -> None:
    node.take_checkpoint(node.middle)
    replication.follow(1)
    until(lambda: bool(node.target.list("epoch-0000000001/checkpoint/")))
    waits = []
    for _ in range(3):
        replication.tend()
        process_id = replication.process_id
        assert process_id is not None
        os.kill(process_id, 9)
        until(lambda: replication.state == "waiting")
        replication.tend()
        began = clock.now
        while replication.state != "running":
            clock.now += 0.5
            replication.tend()
        waits.append(clock.now - began)
    assert waits == [1.0, 2.0, 4.0]
    assert len(said) == 3
    assert "killed by signal 9" in said[0]
    assert "started again in 1 s" in said[0]
    seq = node.add_checkpoint(node.middle + 10)
    until(lambda: brought_back(node, litestream, 1, tmp_path / "copy.sqlite") == seq)


def test_a_restore_falls_back_to_the_replica_of_an_earlier_epoch(
    node: Node, litestream: Binary, replication: Replication, tmp_path: Path
) -> None:
    def bring_back(name: str) -> Restored:
        return restore_all(
            node.target,
            tmp_path / name,
            epoch_max=None,
            binary=litestream,
            accept_data_loss=False,
            progress=lambda *_: None,
        )

    node.archive()
    seqs = {2: node.take_checkpoint(node.middle), 3: 0}
    replication.follow(2)
    until(lambda: brought_back(node, litestream, 2, tmp_path / "copy.sqlite") == seqs[2])
    replication.stop()
    seqs[3] = node.add_checkpoint(node.middle + 20)
    replication.follow(3)
    until(lambda: brought_back(node, litestream, 3, tmp_path / "copy.sqlite") == seqs[3])
    replication.stop()
    restored = bring_back("whole")
    assert restored.checkpoint_from == "Litestream, epoch 3"
    assert (restored.report.checkpoint_seq, restored.end.seq) == (seqs[3], node.last_seq)
    assert restored.notes == []
    with closing(sqlite3.connect(tmp_path / "whole" / "checkpoint.sqlite")) as database:
        left = database.execute("SELECT name FROM sqlite_master WHERE name GLOB '_litestream_*'").fetchall()
    assert left == [], "else the node would leave its log to a Litestream that is not there"
    for stored in node.target.list("epoch-0000000003/checkpoint/"):
        node.target.put(stored.name, b"damaged")
    restored = bring_back("earlier")
    assert restored.checkpoint_from == "Litestream, epoch 2"
    assert (restored.report.checkpoint_seq, restored.end.seq) == (seqs[2], node.last_seq)
    assert "Litestream, epoch 3 was not used" in restored.notes[0]


def test_a_replica_of_0_5_needs_0_5(node: Node, litestream: Binary, tmp_path: Path) -> None:
    node.target.put("epoch-0000000001/checkpoint/ltx/0/0000000000000001-0000000000000001.ltx", b"?")
    with pytest.raises(LitestreamFailed, match=rf"Litestream {litestream.version} could not restore: .+"):
        restore(litestream, node.target, 1, tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()


def test_a_bundle_of_certificates_has_another_name_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.5 ends with "unable to add custom RootCAs" where the SDK's own variable is set."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/bundle.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = environment()
    assert "AWS_CA_BUNDLE" not in found
    assert found["SSL_CERT_FILE"] == "/etc/bundle.pem"
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/other.pem")
    assert environment()["SSL_CERT_FILE"] == "/etc/other.pem"


# --- the configuration


def test_a_folder_s_configuration(tmp_path: Path) -> None:
    target = FolderTarget(Path("/mnt/backup"))
    text = configuration(Path("/var/lib/onsale/checkpoint.sqlite"), target, 3, "0.5")
    assert text.startswith(MARK)
    lines = text.splitlines()
    assert '  - path: "/var/lib/onsale/checkpoint.sqlite"' in lines
    assert "    replica:" in lines
    assert '      path: "/mnt/backup/epoch-0000000003/checkpoint"' in lines
    old = configuration(Path("/var/lib/onsale/checkpoint.sqlite"), target, 3, "0.3", 2.5).splitlines()
    assert "    replicas:" in old
    assert '      - type: "file"' in old
    assert '        path: "/mnt/backup/epoch-0000000003/checkpoint"' in old
    assert '        sync-interval: "2500ms"' in old
    assert not [line for line in old if "meta-path" in line or "auto-recover" in line], "0.3 does not know them"


def test_no_secret_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    target = S3Target("bucket", "shows", "http://127.0.0.1:9000")
    text = configuration(Path("/data/checkpoint.sqlite"), target, 12, "0.5")
    assert "AKIA-KEY" not in text
    assert "very secret" not in text
    lines = [line.strip() for line in text.splitlines()]
    assert 'path: "shows/epoch-0000000012/checkpoint"' in lines
    assert 'endpoint: "http://127.0.0.1:9000"' in lines
    assert "force-path-style: true" in lines
    assert 'region: "eu-central-1"' in lines


def test_litestream_s_own_notes_are_apart_for_each_replica() -> None:
    checkpoint = Path("/data/checkpoint.sqlite")

    def notes(folder: str, epoch: int) -> str:
        text = configuration(checkpoint, FolderTarget(Path(folder)), epoch, "0.5")
        return next(line for line in text.splitlines() if "meta-path" in line)

    assert len({notes("/a", 1), notes("/a", 2), notes("/b", 1)}) == 3
    assert notes("/a", 1) == notes("/a", 1)
    assert "/data/.checkpoint.sqlite-litestream/" in notes("/a", 1), "where the checkpoint's writer looks for it"


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "litestream.yml"
    path.write_text("dbs: []\n")
    with pytest.raises(LitestreamFailed, match="--litestream-config"):
        write_configuration(path, MARK)
    assert path.read_text() == "dbs: []\n"
    path.unlink()
    write_configuration(path, f"{MARK}\n1")
    write_configuration(path, f"{MARK}\n2")
    assert path.read_text() == f"{MARK}\n2"
    assert [each.name for each in tmp_path.iterdir()] == ["litestream.yml"]


# --- the binary


def test_none_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert find_binary() is None


@pytest.mark.parametrize(("said", "known"), [("0.5.17", "0.5"), ("v0.3.13", "0.3"), ("0.7.1", ""), ("hello", "")])
def test_what_it_says_its_version_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, known: str) -> None:
    binary = tmp_path / "litestream"
    binary.write_text(f"#!/bin/sh\necho {said}\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if not known:
        with pytest.raises(LitestreamFailed, match="its version is"):
            find_binary()
        return
    found = find_binary()
    assert found is not None
    assert (found.path, found.version, found.format) == (str(binary), said.removeprefix("v"), known)


def test_a_checkpoint_is_a_database_that_sqlite_reads(node: Node) -> None:
    node.take_checkpoint(node.middle)
    with closing(sqlite3.connect(node.checkpoint)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
