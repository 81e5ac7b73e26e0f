"""Names that tell what is in an object, and nothing else."""

import pytest

from onsale.node.backup.layout import Contents, Copy, Key, Part, checkpoint_folder, contents_of, digest_of, part_of
from onsale.node.backup.target import Stored, checked

PART = Part(Key(17, "0f" * 16), 3, 0, 4096, 25, digest_of(b"bytes"))
LITESTREAM = [
    "epoch-0000000001/checkpoint/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4",
    "epoch-0000000002/checkpoint/ltx/0/0000000000000001-0000000000000001.ltx",  # in a folder
    "epoch-0000000003/checkpoint/0009/0000000000000001-0000000000000001.ltx",  # on S3
]


def test_a_part_s_name_and_back() -> None:
    assert part_of(PART.name) == PART
    assert checked(PART.name) == PART.name
    assert PART.size_bytes == 4096
    assert PART.key.segment == "00000000000000000017.segment"


def test_names_sort_as_what_they_name() -> None:
    keys = [Key(9, "00" * 16), Key(10, "00" * 16), Key(100, "00" * 16)]
    parts = [Part(key, 1, offset, offset + 5, 7, "0" * 32) for key in keys for offset in (0, 5, 1000)]
    assert sorted(part.name for part in parts) == [part.name for part in parts]


@pytest.mark.parametrize("name", ["", "journal-id", PART.name + "x", PART.name[1:], PART.name.replace("0f0f", "0F0F")])
def test_other_names_are_no_parts(name: str) -> None:
    assert part_of(name) is None


def test_what_names_tell_of_a_backup() -> None:
    copies = [Copy(1, 500, "1" * 32), Copy(2, 400, "2" * 32), Copy(2, 900, "3" * 32)]
    names = [
        PART.name,
        *(f"{copy.folder}/complete" for copy in copies[:2]),
        *(copy.piece(0, "a" * 32) for copy in copies),
        *LITESTREAM,
        "epoch-0000000002/checkpoint-owner",
        "journal-id",
        "epoch-0000000009/checkpoint/notes.txt",
    ]
    contents = contents_of(Stored(name, 1) for name in names)
    assert contents.parts == [PART]
    assert contents.copies == [copies[1], copies[0]], "newest first, and only whole ones"
    assert contents.checkpoints == [3, 2, 1]
    assert contents.litestream_format == {1: "0.3", 2: "0.5", 3: "0.5"}
    assert not contents.is_empty
    through = contents.through(2)
    assert (through.parts, through.copies, through.checkpoints) == ([], [copies[1], copies[0]], [2, 1])
    assert contents.through(0).is_empty


def test_a_replica_of_both_formats_is_read_by_the_later_one() -> None:
    old, new = LITESTREAM[0], LITESTREAM[1].replace("0002", "0001")
    for names in ((old, new), (new, old)):
        assert contents_of(Stored(name, 1) for name in names).litestream_format == {1: "0.5"}


def test_nothing() -> None:
    assert contents_of([]) == Contents([], [], [], {})
    assert contents_of([]).is_empty


def test_epochs_do_not_share_a_folder() -> None:
    assert checkpoint_folder(3) == "epoch-0000000003/checkpoint"
    assert len({checkpoint_folder(epoch) for epoch in (1, 2, 10**9)}) == 3
