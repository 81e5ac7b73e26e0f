"""The promise on disk: kept, replaced as a whole, and never misread."""

import pytest

from onsale.journal.errors import CorruptJournal, JournalFailed
from onsale.journal.segments import remove_leftovers
from onsale.replicas.promise import NAME, NOBODY, Promise, load_promise, save_promise
from onsale.tests.journal.journals import overwrite, whole
from onsale.tests.simulation.disk import Operation, PowerLost, SimulatedDisk

FIRST = Promise(7, b"\x01\x02\x03\x04\x05\x06\x07\x08", "eu-1")
SECOND = Promise(12, b"\xff" * 8, "eu-2")
THIRD = Promise(13, FIRST.node_id, "eu-1")


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(1)


def test_without_a_file_nobody_was_promised_anything(disk: SimulatedDisk) -> None:
    assert load_promise(disk) == NOBODY
    assert str(NOBODY) == "no epoch yet"


@pytest.mark.parametrize("promise", [FIRST, SECOND, Promise(3, b"", "a name, of a replica"), Promise(2**62, b"x", "é")])
def test_it_is_read_as_it_was_kept(disk: SimulatedDisk, promise: Promise) -> None:
    save_promise(disk, promise)
    assert load_promise(disk) == promise


def test_a_later_one_takes_its_place(disk: SimulatedDisk) -> None:
    save_promise(disk, FIRST)
    save_promise(disk, SECOND)
    assert load_promise(disk) == SECOND
    assert str(SECOND) == "epoch 12, led by eu-2"
    assert disk.names() == [NAME]


def test_every_flipped_bit_is_refused(disk: SimulatedDisk) -> None:
    """What can't be read must not look like no promise, nor like another one."""
    save_promise(disk, FIRST)
    intact = whole(disk, NAME)
    for offset in range(len(intact) - 1):  # the last byte is the end of the line
        for bit in range(8):
            flipped = bytearray(intact)
            flipped[offset] ^= 1 << bit
            overwrite(disk, NAME, bytes(flipped))
            try:
                found = load_promise(disk)
            except CorruptJournal:
                continue
            assert found == FIRST, bytes(flipped)  # such as a hex digit in upper case


def test_every_cut_is_refused(disk: SimulatedDisk) -> None:
    save_promise(disk, FIRST)
    intact = whole(disk, NAME)
    for size_bytes in range(len(intact) - 1):
        overwrite(disk, NAME, intact[:size_bytes])
        with pytest.raises(CorruptJournal, match="highest epoch this node has promised"):
            load_promise(disk)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b'{"epoch": 1}', b'{"epoch":1,"node_id":"zz","name":"n","checksum":0}', b"\xff\xfe"],
)
def test_what_is_no_promise_is_refused(disk: SimulatedDisk, content: bytes) -> None:
    save_promise(disk, FIRST)
    overwrite(disk, NAME, content)
    with pytest.raises(CorruptJournal):
        load_promise(disk)


@pytest.mark.parametrize("seed", range(60))
def test_a_crash_leaves_the_earlier_or_the_later_one(seed: int) -> None:
    disk = SimulatedDisk(seed)
    save_promise(disk, FIRST)
    disk.lose_power(after=seed % 6)
    kept = False
    try:
        save_promise(disk, SECOND)
        kept = True
    except PowerLost:
        pass
    disk.crash()
    assert load_promise(disk) in ((SECOND,) if kept else (FIRST, SECOND))
    remove_leftovers(disk)  # as every start does
    save_promise(disk, THIRD)
    assert load_promise(disk) == THIRD


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_folder"])
def test_a_disk_that_fails_has_promised_nothing(disk: SimulatedDisk, operation: Operation) -> None:
    save_promise(disk, FIRST)
    disk.fail(operation)
    with pytest.raises(JournalFailed, match=NAME):
        save_promise(disk, SECOND)


def test_a_disk_that_can_not_be_read_is_no_missing_file(disk: SimulatedDisk) -> None:
    save_promise(disk, FIRST)
    disk.fail("read")
    with pytest.raises(JournalFailed, match=NAME):
        load_promise(disk)
