"""What the scaler knows after its restart, whatever has become of the file."""

import os
from pathlib import Path

import pytest

from onsale.node.scaler.decision import Memory, Side
from onsale.node.scaler.running import CannotBegin, known_state
from onsale.node.scaler.state_file import KnownReplica, Process, State, StateFile, TakenStep, replace_file
from onsale.tests.node.scaler.plans import plan

STATE = State(
    Memory(3, "up", 900.0, {"load": Side("up", 880.0, 899.0)}),
    replicas=[KnownReplica("scaled-1", "127.0.0.1:1", 1, 880.0, admitted=True)],
    processes=[Process("scaled-1", 1, "127.0.0.1:1", ["b:7400"], 77, 88, "boot")],
    steps=[TakenStep(900.0, 2, 3, "2 → 3: load is 12, above 10.")],
    decided_at=901.0,
    decided="Stays at 3.",
)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    StateFile(tmp_path).save(STATE)
    assert StateFile(tmp_path).load() == (STATE, "")
    assert known_state(StateFile(tmp_path), plan(), 1000.0) == (STATE, True)
    assert [each.name for each in tmp_path.iterdir()] == ["scaler.json"], "nothing half done is left"


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(STATE)
    file.path.unlink()
    file.save(STATE)
    assert not file.path.exists()


def test_the_first_start_begins_with_the_least(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "none").load() == (None, "")
    assert known_state(StateFile(tmp_path), plan(least=2), 1000.0) == (State(Memory(2)), False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b"{", "is damaged"),
        (b"{}", "is damaged (Object missing required field `memory`)"),
        (b"[" * 100_000, "is damaged"),
        (b'{"memory": {"wanted": "3"}}', "is damaged"),
        (b'{"memory": {"wanted": 3}, "decided": "\xff"}', "is damaged"),
        (b'{"memory": {"wanted": 3}, "version": 2}', "was written by another version (2, not 1)"),
    ],
)
@pytest.mark.parametrize("cool_downs", [(60.0, 300.0, "down"), (60.0, 0.0, "up")])
def test_what_cannot_be_read_is_set_aside_and_nothing_is_done_too_soon(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
    words: str,
    cool_downs: tuple[float, float, str],
) -> None:
    """When the last step was is not known: the longer cool-down begins."""
    file = StateFile(tmp_path)
    file.path.write_bytes(content)
    after_up, after_down, stepped = cool_downs
    the_plan = plan(after_up_seconds=after_up, after_down_seconds=after_down)
    begun = State(Memory(1, stepped, 1000.0)), False
    assert known_state(file, the_plan, 1000.0, changes=False) == begun
    assert file.path.read_bytes() == content, "who only asks changes nothing"
    assert known_state(file, the_plan, 1000.0) == begun
    assert file.path.with_suffix(".damaged").read_bytes() == content
    assert not file.path.exists()
    assert words in caplog.text
    assert "it is set aside as" in caplog.text


def test_a_file_that_must_not_be_read_and_cannot_be_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(tmp_path)
    file.path.mkdir()
    assert file.load() == (None, f"{file.path} can't be read: Is a directory")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CannotBegin, match="can't be read: Is a directory, and it can't be set aside: Read-only file"):
        known_state(file, plan(), 1000.0)


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "read-nodes.conf"
    before = os.umask(0o077)
    try:
        replace_file(file, b"first")
        assert file.stat().st_mode & 0o777 == 0o644, "others read it"
        file.chmod(0o640)
        with file.open("rb") as held:
            replace_file(file, b"second")
            assert held.read() == b"first"
    finally:
        os.umask(before)
    assert file.read_bytes() == b"second"
    assert file.stat().st_mode & 0o777 == 0o640
