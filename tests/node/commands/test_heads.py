"""A published head against the journal, offline."""

import json
from pathlib import Path
from typing import Any

import pytest

from onsale.engine import facts as f
from onsale.journal.disk import RealDisk
from onsale.node.commands.heads import BadHead, differences, read_head
from onsale.tests.replicas.receipts.histories import CLUSTER_KEY, JOURNAL_ID, bookings, head, held, opened, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "journal", [[f.TicketKeySaved(CLUSTER_KEY)], *bookings(2, 1, 3, 1, 1, 2)])
    return tmp_path / "journal"


def found(folder: Path, document: dict[str, Any]) -> list[str]:
    return differences(document, RealDisk(folder), JOURNAL_ID, 11)


@pytest.mark.parametrize("seq", range(1, 12))
def test_every_head_of_this_history_agrees(folder: Path, seq: int) -> None:
    assert found(folder, head(opened(folder), seq=seq)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", "00" * 32),
        ("seq", 3),
        ("batchHash", "00" * 32),
        ("at", "2026-11-22T10:00:00.001Z"),
        ("epoch", 2),
        ("journalId", "00" * 16),
    ],
)
def test_whatever_differs_is_named(folder: Path, name: str, value: Any) -> None:
    (sentence,) = found(folder, head(opened(folder)) | {name: value})
    assert f"the head says {name} {value!r}" in sentence


def test_a_head_of_more_than_there_is(folder: Path) -> None:
    (sentence,) = found(folder, head(opened(folder)) | {"treeSize": 8})
    assert "published for 8 batches, and here are 7" in sentence


def test_another_history(folder: Path, tmp_path: Path) -> None:
    published = head(opened(folder))
    batches = bookings(2, 1, 3, 1, 1, 2)
    batches[1][0] = held(3, "u-somebody-else")
    write(tmp_path / "other", [[f.TicketKeySaved(CLUSTER_KEY)], *batches])
    assert [sentence.split()[3] for sentence in found(tmp_path / "other", published)] == ["batchHash", "root"]


def test_a_journal_without_a_key(tmp_path: Path) -> None:
    write(tmp_path / "journal", bookings(2, 1))
    published = head(opened(tmp_path / "journal"))
    assert "a key that is not in this journal" in found(tmp_path / "journal", published)[0]


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1}', '{"version": 1, "treeSize": 0}'])
def test_files_that_are_no_heads(tmp_path: Path, content: str) -> None:
    (tmp_path / "head.json").write_text(content)
    with pytest.raises(BadHead):
        read_head(tmp_path / "head.json")


def test_a_head_as_it_is_served(folder: Path, tmp_path: Path) -> None:
    document = head(opened(folder))
    (tmp_path / "head.json").write_text(json.dumps(document))
    assert read_head(tmp_path / "head.json") == document
