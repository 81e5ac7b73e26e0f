"""The contract of the `Disk` port, held against the real folder and the simulated one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onsale.journal.disk import TEMPORARY_SUFFIX, Disk, RealDisk, publish, publish_parts, write_fully
from onsale.tests.simulation.disk import SimulatedDisk

Reopen = Callable[[], Disk]


@pytest.fixture(params=["real", "simulated", "simulated with short writes"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Gives the same folder as the process before left it, at each call."""
    if request.param == "real":
        return lambda: RealDisk(tmp_path / "missing" / "folder")
    short_write_probability = 0.5 if "short" in request.param else 0.0
    disk = SimulatedDisk(seed=1, short_write_probability=short_write_probability)

    def again() -> Disk:
        disk.kill()
        return disk

    return again


@pytest.fixture
def disk(reopen: Reopen) -> Disk:
    return reopen()


def put(disk: Disk, name: str, data: bytes) -> None:
    file = disk.create(name)
    write_fully(file, 0, data)
    file.sync()
    file.close()


def test_a_new_folder_is_empty(disk: Disk):
    assert disk.names() == []


def test_what_was_written_can_be_read(disk: Disk):
    put(disk, "a", b"0123456789")
    assert disk.read("a", 0, 10) == b"0123456789"
    assert disk.read("a", 3, 4) == b"3456"
    assert disk.size_bytes("a") == 10


def test_a_read_ends_with_the_file(disk: Disk):
    put(disk, "a", b"0123456789")
    assert disk.read("a", 8, 100) == b"89"
    assert disk.read("a", 10, 1) == b""
    assert disk.read("a", 99, 1) == b""


def test_a_write_says_how_much_it_took(disk: Disk):
    file = disk.create("a")
    taken = file.write(0, b"x" * 5000)
    assert 0 < taken <= 5000
    assert disk.size_bytes("a") == taken


def test_writes_append_overwrite_and_leave_zeros_between(disk: Disk):
    file = disk.create("a")
    write_fully(file, 0, b"aaaa")
    write_fully(file, 4, b"bbbb")
    write_fully(file, 2, b"--")
    write_fully(file, 10, b"c")
    assert disk.read("a", 0, 100) == b"aa--bbbb\0\0c"


def test_a_memoryview_can_be_written(disk: Disk):
    file = disk.create("a")
    assert file.write(0, memoryview(b"xyz")[1:2]) == 1
    assert disk.read("a", 0, 9) == b"y"


def test_it_is_readable_before_it_is_synced(disk: Disk):
    write_fully(disk.create("a"), 0, b"now")
    assert disk.read("a", 0, 3) == b"now"


def test_an_opened_file_keeps_its_content(disk: Disk):
    put(disk, "a", b"0123")
    file = disk.open("a")
    write_fully(file, 4, b"45")
    assert disk.read("a", 0, 9) == b"012345"


def test_truncate_shortens_and_lengthens(disk: Disk):
    put(disk, "a", b"0123456789")
    file = disk.open("a")
    file.truncate(4)
    assert disk.read("a", 0, 100) == b"0123"
    file.truncate(6)
    assert disk.read("a", 0, 100) == b"0123\0\0"


def test_names_are_sorted(disk: Disk):
    for name in ("b", "c", "a"):
        put(disk, name, b"")
    assert disk.names() == ["a", "b", "c"]


def test_create_refuses_a_taken_name(disk: Disk):
    put(disk, "a", b"kept")
    with pytest.raises(FileExistsError):
        disk.create("a")
    assert disk.read("a", 0, 9) == b"kept"


@pytest.mark.parametrize(
    "call",
    [
        lambda disk: disk.open("missing"),
        lambda disk: disk.read("missing", 0, 1),
        lambda disk: disk.size_bytes("missing"),
        lambda disk: disk.rename("missing", "other"),
        lambda disk: disk.remove("missing"),
    ],
    ids=["open", "read", "size_bytes", "rename", "remove"],
)
def test_a_missing_file_is_said_to_be_missing(disk: Disk, call: Callable[[Disk], object]):
    with pytest.raises(FileNotFoundError):
        call(disk)
    assert disk.names() == []


def test_rename_moves_and_replaces(disk: Disk):
    put(disk, "a", b"new")
    put(disk, "b", b"old")
    disk.rename("a", "b")
    assert disk.names() == ["b"]
    assert disk.read("b", 0, 9) == b"new"


def test_remove_removes(disk: Disk):
    put(disk, "a", b"")
    disk.remove("a")
    assert disk.names() == []


def test_a_closed_file_takes_nothing_and_can_be_closed_again(disk: Disk):
    file = disk.create("a")
    file.close()
    file.close()
    with pytest.raises(OSError, match=r"closed|descriptor"):
        file.write(0, b"x")
    with pytest.raises(OSError, match=r"closed|descriptor"):
        file.sync()


def test_what_is_synced_is_there_for_the_next_process(reopen: Reopen):
    disk = reopen()
    put(disk, "a", b"kept")
    put(disk, "b", b"gone")
    disk.rename("a", "c")
    disk.remove("b")
    disk.sync_folder()
    disk = reopen()
    assert disk.names() == ["c"]
    assert disk.read("c", 0, 9) == b"kept"


def test_publish_leaves_one_file_and_nothing_temporary(reopen: Reopen):
    publish(reopen(), "a", b"x" * 100_000)
    disk = reopen()
    assert disk.names() == ["a"]
    assert disk.read("a", 0, 200_000) == b"x" * 100_000


def test_parts_are_published_as_one_file(reopen: Reopen):
    publish_parts(reopen(), "a", (bytes([number]) * number * 1000 for number in range(5)))
    publish_parts(reopen(), "empty", ())
    disk = reopen()
    assert disk.names() == ["a", "empty"]
    assert disk.read("a", 0, 20_000) == b"".join(bytes([number]) * number * 1000 for number in range(5))
    assert disk.size_bytes("empty") == 0


def test_nothing_is_published_when_a_part_can_not_be_made(disk: Disk):
    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("damaged")

    with pytest.raises(RuntimeError):
        publish_parts(disk, "a", parts())
    assert disk.names() == ["a" + TEMPORARY_SUFFIX]


def test_publish_replaces(disk: Disk):
    put(disk, "a", b"old and longer")
    publish(disk, "a", b"new")
    assert disk.read("a", 0, 99) == b"new"


def test_publish_does_not_hide_a_leftover(disk: Disk):
    put(disk, "a" + TEMPORARY_SUFFIX, b"from a crash")
    with pytest.raises(FileExistsError):
        publish(disk, "a", b"x")
    assert disk.names() == ["a" + TEMPORARY_SUFFIX]
