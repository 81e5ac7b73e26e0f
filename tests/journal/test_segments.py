"""Segment files: names, headers, creation."""

from contextlib import suppress
from zlib import crc32

import msgspec
import pytest

from onsale.journal.batch import Position
from onsale.journal.errors import CorruptJournal, JournalFailed
from onsale.journal.segments import (
    GROUPED_FORMAT_VERSION,
    HEADER_BYTES,
    Segment,
    SegmentHeader,
    create_segment,
    encode_header,
    list_segments,
    read_header,
    remove_leftovers,
    segment_name,
)
from onsale.tests.journal.journals import JOURNAL_ID, overwrite, whole
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk

HEADER = SegmentHeader(JOURNAL_ID, Position(seq=41, hash=b"h" * 16, epoch=2, at_ms=99))


def test_a_header_is_read_as_it_was_written():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    assert segment == Segment("00000000000000000042.segment", 42, HEADER_BYTES)
    assert list_segments(disk) == [segment]
    assert read_header(disk, segment) == HEADER


def test_a_header_says_of_which_kind_the_segment_is():
    disk = SimulatedDisk(1)
    grouped = msgspec.structs.replace(HEADER, grouped=True)
    assert read_header(disk, create_segment(disk, grouped)) == grouped
    assert encode_header(grouped) != encode_header(HEADER)


def test_a_segment_of_the_same_name_is_replaced_as_a_whole():
    """That is how one without facts becomes one of the other kind."""
    grouped = msgspec.structs.replace(HEADER, grouped=True)
    found = set()
    for step in range(6):
        for seed in range(20):
            disk = SimulatedDisk(seed)
            segment = create_segment(disk, HEADER)
            disk.lose_power(after=step)
            with suppress(PowerLost):
                assert create_segment(disk, grouped) == segment
            disk.crash()
            assert list_segments(disk) == [segment]
            found.add(read_header(disk, segment).grouped)
            assert read_header(disk, segment).before == HEADER.before
            remove_leftovers(disk)
            assert disk.names() == [segment.name]
    assert found == {False, True}


def test_names_sort_as_their_seqs_do():
    seqs = [1, 9, 10, 99, 100, 2**62]
    assert sorted(segment_name(seq) for seq in seqs) == [segment_name(seq) for seq in seqs]


def test_other_files_are_not_segments():
    disk = SimulatedDisk(1)
    for name in ("1.segment", "x", segment_name(7) + ".torn-1", segment_name(7) + ".temporary", "lock"):
        disk.create(name)
    assert list_segments(disk) == []


def test_only_leftovers_are_removed():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    disk.create(segment_name(50) + ".temporary")
    disk.create(segment_name(42) + ".torn-1")
    remove_leftovers(disk)
    assert disk.names() == [segment.name, segment.name + ".torn-1"]


def test_every_flipped_bit_of_a_header_is_noticed():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    for offset in range(HEADER_BYTES):
        for bit in range(8):
            disk.flip_bit(segment.name, offset, bit)
            with pytest.raises(CorruptJournal):
                read_header(disk, segment)
            disk.flip_bit(segment.name, offset, bit)


def test_every_cut_header_is_noticed():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    data = whole(disk, segment.name)
    for length in range(HEADER_BYTES):
        overwrite(disk, segment.name, data[:length])
        with pytest.raises(CorruptJournal, match="shorter"):
            read_header(disk, segment)


def test_a_segment_under_another_name_is_refused():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    disk.rename(segment.name, segment_name(43))
    with pytest.raises(CorruptJournal, match="not what its name says"):
        read_header(disk, list_segments(disk)[0])


def test_a_later_format_asks_for_a_newer_program():
    disk = SimulatedDisk(1)
    segment = create_segment(disk, HEADER)
    data = bytearray(encode_header(HEADER))
    data[6] = GROUPED_FORMAT_VERSION + 1
    overwrite(disk, segment.name, bytes(data[:64]) + crc32(data[:64]).to_bytes(4, "little"))
    with pytest.raises(CorruptJournal, match="newer version"):
        read_header(disk, segment)


def test_a_segment_appears_whole_or_not_at_all():
    """The power goes in each step of its creation, in many ways."""
    appeared = 0
    for step in range(5):
        for seed in range(50):
            disk = SimulatedDisk(seed)
            disk.lose_power(after=step)
            with pytest.raises(PowerLost):
                create_segment(disk, HEADER)
            disk.crash()
            for segment in list_segments(disk):
                assert read_header(disk, segment) == HEADER
                appeared += 1
    assert appeared


def test_a_created_segment_survives_a_crash():
    for seed in range(50):
        disk = SimulatedDisk(seed)
        segment = create_segment(disk, HEADER)
        disk.crash()
        assert disk.names() == [segment.name]
        assert read_header(disk, segment) == HEADER


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_folder"])
def test_a_failing_disk_is_a_failed_journal(operation):
    disk = SimulatedDisk(1)
    disk.fail(operation)
    with pytest.raises(JournalFailed, match=r"beginning 0{18}42\.segment"):
        create_segment(disk, HEADER)
