"""The simulated disk must be at least as nasty as it says, or the tests that stand on it prove nothing."""

import errno
from collections.abc import Callable

import pytest

from onsale.journal.disk import publish, write_fully
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk

SEEDS = range(200)


def synced_file(seed: int, data: bytes = b"") -> SimulatedDisk:
    disk = SimulatedDisk(seed)
    publish(disk, "a", data)
    return disk


def after_crash(seed: int, act: Callable[[SimulatedDisk], None], data: bytes = b"") -> SimulatedDisk:
    disk = synced_file(seed, data)
    act(disk)
    disk.crash()
    return disk


def test_what_is_synced_survives_every_crash():
    for seed in SEEDS:
        disk = after_crash(seed, lambda _: None, b"x" * 5000)
        assert disk.read("a", 0, 9999) == b"x" * 5000


def test_unsynced_bytes_are_kept_lost_torn_and_reordered():
    def write(disk: SimulatedDisk) -> None:
        file = disk.open("a")
        for index in range(4):
            write_fully(file, index * 1024, bytes([index + 1]) * 1024)

    found = [after_crash(seed, write).read("a", 0, 9999) for seed in SEEDS]
    whole = b"".join(bytes([index + 1]) * 1024 for index in range(4))
    assert b"" in found
    assert whole in found
    assert any(0 < len(data) < 4096 and whole.startswith(data) for data in found)
    assert any(data[3072:] == whole[3072:] and data[:1024] != whole[:1024] for data in found), "later without earlier"
    assert any(not set(data) <= {0, 1, 2, 3, 4} for data in found), "what was on the platter before"


def test_an_overwritten_sector_holds_the_old_or_the_new():
    def overwrite(disk: SimulatedDisk) -> None:
        write_fully(disk.open("a"), 0, b"n" * 1024)

    found = {after_crash(seed, overwrite, b"o" * 1024).read("a", 0, 9999) for seed in SEEDS}
    assert {b"o" * 1024, b"n" * 1024} <= found
    assert all(len(data) == 1024 and set(data) <= set(b"on") for data in found)


def test_an_unsynced_truncation_may_be_undone():
    found = {after_crash(seed, lambda disk: disk.open("a").truncate(3), b"x" * 9).read("a", 0, 99) for seed in SEEDS}
    assert found == {b"xxx", b"x" * 9}


def test_names_wait_for_the_folder_to_be_synced():
    def act(disk: SimulatedDisk) -> None:
        disk.create("new").sync()
        disk.rename("a", "moved")

    found = {tuple(after_crash(seed, act).names()) for seed in SEEDS}
    assert found == {("a",), ("a", "new"), ("moved",), ("moved", "new")}


def test_a_failed_sync_forgets_and_the_next_one_lies():
    lost_at_crash = lost_at_kill = 0
    for seed in SEEDS:
        for stop in ("crash", "kill"):
            disk = synced_file(seed)
            file = disk.open("a")
            write_fully(file, 0, b"x" * 2000)
            disk.fail("sync")
            with pytest.raises(OSError, match="Input/output error"):
                file.sync()
            assert disk.read("a", 0, 9999) == b"x" * 2000, "still in the cache"
            file.sync()  # says yes
            getattr(disk, stop)()
            lost = disk.read("a", 0, 9999) != b"x" * 2000
            lost_at_crash += lost and stop == "crash"
            lost_at_kill += lost and stop == "kill"
    assert lost_at_crash > len(SEEDS) / 4
    assert 0 < lost_at_kill < lost_at_crash


def test_a_killed_process_loses_its_files_but_not_its_writes():
    disk = synced_file(1)
    file = disk.open("a")
    write_fully(file, 0, b"written")
    disk.kill()
    assert disk.read("a", 0, 99) == b"written"
    with pytest.raises(OSError, match="before the process stopped"):
        file.write(0, b"x")


def test_a_full_disk_takes_what_fits_and_then_nothing():
    disk = SimulatedDisk(1, capacity_bytes=10)
    file = disk.create("a")
    assert file.write(0, b"x" * 8) == 8
    assert file.write(8, b"y" * 8) == 2
    with pytest.raises(OSError, match="No space left") as raised:
        file.write(10, b"z")
    assert raised.value.errno == errno.ENOSPC
    assert file.write(0, b"over") == 4, "what is there can be overwritten"
    disk.capacity_bytes = 11
    assert file.write(10, b"zz") == 1


def test_a_planned_failure_comes_once_and_when_it_was_planned():
    disk = synced_file(1)
    disk.fail("write", after=1)
    file = disk.open("a")
    assert file.write(0, b"one") == 3
    with pytest.raises(OSError, match="Input/output error"):
        file.write(3, b"two")
    assert file.write(3, b"two") == 3


@pytest.mark.parametrize("operation", ["create", "rename", "remove", "truncate", "sync_folder", "read", "open"])
def test_every_operation_can_fail_and_then_does_nothing(operation: str):
    disk = synced_file(1, b"data")
    calls = {
        "create": lambda: disk.create("b"),
        "rename": lambda: disk.rename("a", "b"),
        "remove": lambda: disk.remove("a"),
        "truncate": lambda: disk.open("a").truncate(0),
        "sync_folder": disk.sync_folder,
        "read": lambda: disk.read("a", 0, 1),
        "open": lambda: disk.open("a"),
    }
    disk.fail(operation)
    with pytest.raises(OSError, match="Input/output error"):
        calls[operation]()
    assert disk.names() == ["a"]
    assert disk.read("a", 0, 9) == b"data"


def test_power_is_lost_in_the_middle_and_comes_back_with_crash():
    disk = synced_file(1)
    file = disk.open("a")
    disk.lose_power(after=1)
    write_fully(file, 0, b"x")
    with pytest.raises(PowerLost):
        file.sync()
    with pytest.raises(PowerLost):
        disk.names()
    disk.crash()
    assert disk.names() == ["a"]


def test_a_flipped_bit_stays_flipped():
    disk = synced_file(1, b"\x00\x00")
    disk.flip_bit("a", 1, 7)
    disk.crash()
    assert disk.read("a", 0, 9) == b"\x00\x80"


def test_equal_seeds_give_equal_disks():
    def run(seed: int) -> tuple[list[str], bytes]:
        disk = SimulatedDisk(seed, short_write_probability=0.3)
        publish(disk, "a", b"x" * 3000)
        write_fully(disk.open("a"), 3000, b"y" * 3000)
        disk.create("b")
        disk.crash()
        return disk.names(), disk.read("a", 0, 9999)

    assert run(7) == run(7)
    assert len({run(seed)[1] for seed in SEEDS}) > 10
