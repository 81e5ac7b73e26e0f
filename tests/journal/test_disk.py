"""The folder lock; the port itself is held to its contract in tests/contracts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onsale.journal.disk import LOCK_NAME, RealDisk, lock_folder, write_fully
from onsale.journal.errors import FolderLocked
from onsale.tests.simulation.disk import SimulatedDisk, SimulatedFile

HOLD = """
import sys
from pathlib import Path
from onsale.journal.disk import lock_folder

lock = lock_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_names_who_holds_it(tmp_path: Path):
    with lock_folder(tmp_path / "data") as lock:
        assert lock.path == tmp_path / "data"
        with pytest.raises(FolderLocked, match=f"in use by process {os.getpid()}.*--data") as raised:
            lock_folder(tmp_path / "data")
        assert raised.value.pid == os.getpid()
    lock_folder(tmp_path / "data").release()


def test_a_lock_can_be_released_twice(tmp_path: Path):
    lock = lock_folder(tmp_path)
    lock.release()
    lock.release()
    assert (tmp_path / LOCK_NAME).exists()


def test_an_unreadable_holder_is_another_process(tmp_path: Path):
    with lock_folder(tmp_path):
        (tmp_path / LOCK_NAME).write_text("")
        with pytest.raises(FolderLocked, match="in use by another process") as raised:
            lock_folder(tmp_path)
        assert raised.value.pid is None


def test_another_process_is_kept_out_until_this_one_is_gone(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLocked, match=f"process {holder.pid}"):
            lock_folder(tmp_path)
        holder.kill()
        holder.wait(10)
        with lock_folder(tmp_path):
            assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_folder_is_made_with_its_parents(tmp_path: Path):
    RealDisk(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_disk_that_takes_nothing_is_not_asked_for_ever():
    class Stuck(SimulatedFile):
        def write(self, offset: int, data: bytes | memoryview) -> int:
            return 0

    disk = SimulatedDisk(1)
    disk.create("a")
    with pytest.raises(OSError, match="no more bytes"):
        write_fully(Stuck(disk, disk._find("a")), 0, b"x")


def test_folders_are_no_files(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert RealDisk(tmp_path).names() == []


def test_a_lock_knows_that_its_folder_was_moved_away(tmp_path: Path):
    with lock_folder(tmp_path / "data") as lock:
        assert lock.is_in_place()
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        assert not lock.is_in_place()
        with lock_folder(tmp_path / "data"):
            assert not lock.is_in_place()
