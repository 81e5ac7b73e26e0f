"""Setting a folder's content aside for a new copy: everything of it, but for the promise, and safe against a crash."""

from contextlib import suppress
from pathlib import Path

import pytest

from onsale.journal.disk import RealDisk
from onsale.journal.recovery import create_journal
from onsale.journal.segments import list_segments
from onsale.node.newcomer import set_aside
from onsale.node.recovery import CHECKPOINT_FILE, JOURNAL_FOLDER
from onsale.replicas.promise import NOBODY, Promise, load_promise, save_promise

PROMISE = Promise(7, b"b" * 8, "bob")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    disk = RealDisk(tmp_path / JOURNAL_FOLDER)
    create_journal(disk, b"j" * 16)
    save_promise(disk, PROMISE)
    for suffix in ("", "-wal"):
        (tmp_path / f"{CHECKPOINT_FILE}{suffix}").write_text(f"checkpoint{suffix}")
    (tmp_path / "node.json").write_text("who it is")
    return tmp_path


def journal(data: Path) -> RealDisk:
    return RealDisk(data / JOURNAL_FOLDER)


def is_aside(folder: Path) -> bool:
    return (folder / CHECKPOINT_FILE).read_text() == "checkpoint" and bool(
        list_segments(RealDisk(folder / JOURNAL_FOLDER))
    )


def test_all_is_set_aside_but_who_it_is_and_what_it_promised(data: Path) -> None:
    aside = set_aside(data)
    assert aside == data / "aside-1"
    assert is_aside(data / "aside-1")
    assert not list_segments(journal(data))
    assert load_promise(journal(data)) == PROMISE, "it must not be given twice"
    assert not list(data.glob(f"{CHECKPOINT_FILE}*"))
    assert (data / "node.json").read_text() == "who it is"


def test_what_is_aside_already_is_left_there(data: Path) -> None:
    set_aside(data)
    create_journal(journal(data), b"k" * 16)
    assert set_aside(data) == data / "aside-2"
    assert is_aside(data / "aside-1")
    assert load_promise(journal(data)) == PROMISE


def test_an_empty_folder_has_nothing_to_set_aside(tmp_path: Path) -> None:
    assert set_aside(tmp_path) is None
    assert load_promise(journal(tmp_path)) == NOBODY


def test_what_was_set_aside_is_not_set_aside_again(data: Path) -> None:
    """Whoever starts again and again with --rebuild does not fill the disk."""
    set_aside(data)
    assert set_aside(data) is None
    assert load_promise(journal(data)) == PROMISE


@pytest.mark.parametrize("renames", range(5))
def test_one_that_was_interrupted_is_finished_by_the_next(
    data: Path, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(BaseException):
        pass

    left, rename = [renames], Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.parent == data:
            if not left[0]:
                raise Interrupted
            left[0] -= 1
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with suppress(Interrupted):
        set_aside(data)
    monkeypatch.setattr(Path, "rename", rename)
    set_aside(data)
    assert load_promise(journal(data)) == PROMISE
    assert not list_segments(journal(data))
    assert not list(data.glob(f"{CHECKPOINT_FILE}*"))
    kept = [path.read_text() for path in data.glob(f"aside-*/{CHECKPOINT_FILE}")]
    assert kept == ["checkpoint"]
    assert sum(bool(list_segments(RealDisk(path))) for path in data.glob(f"aside-*/{JOURNAL_FOLDER}")) == 1
