"""Tables, failures and their exit codes."""

import errno

import pytest

from onsale.journal.errors import CheckpointFailed, CorruptCheckpoint, CorruptJournal, FolderLocked, JournalFailed
from onsale.node.commands.output import Bars, CommandFailed, failures_told, print_json, print_table
from onsale.node.exit_codes import ExitCode


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CorruptJournal("1.segment", 7, 3, "it is bad"), ExitCode.CORRUPT),
        (CorruptCheckpoint("it is bad"), ExitCode.CORRUPT),
        (JournalFailed("writing", OSError(5, "Input/output error")), ExitCode.DISK),
        (CheckpointFailed("no space"), ExitCode.DISK),
        (FolderLocked("data", 7), ExitCode.ERROR),
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.DISK),
        (PermissionError(errno.EACCES, "Permission denied", "events.csv"), ExitCode.ERROR),
    ],
)
def test_failures_become_a_sentence_and_an_exit_code(error: Exception, code: ExitCode) -> None:
    with pytest.raises(CommandFailed) as caught, failures_told():
        raise error
    assert caught.value.exit_code == code
    assert caught.value.message.endswith((".", "bad", "space"))


def test_a_failure_names_the_file() -> None:
    with pytest.raises(CommandFailed, match=r"^events\.csv: Permission denied\.$"), failures_told():
        raise PermissionError(errno.EACCES, "Permission denied", "events.csv")


def test_other_errors_are_ours_and_stay_loud() -> None:
    with pytest.raises(ZeroDivisionError), failures_told():
        raise ZeroDivisionError


def test_a_table_away_from_a_terminal_is_aligned_and_unbroken(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("seq", "what"), [("7", "short"), ("1234", "long " * 60)], numbers=(0,))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [" seq  what", "   7  short"]
    assert lines[2] == "1234  " + ("long " * 60).rstrip()


def test_a_table_without_a_head_and_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((), [("facts", "7"), ("id", "x")])
    print_table((), [])
    print_table(("a", "b"), [])
    assert capsys.readouterr().out.splitlines() == ["facts  7", "id     x", "a  b"]


def test_what_would_move_the_cursor_is_shown_as_a_mark(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((), [("a\x1b[2Jb\nc",)])
    assert capsys.readouterr().out == "a\ufffd[2Jb\ufffdc\n"


def test_json_for_programs_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, "ü"]})
    assert capsys.readouterr().out == '{"a":[1,"ü"]}\n'


def test_bars_are_silent_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        bars("counting", 1, 2)
    assert capsys.readouterr().err == ""
