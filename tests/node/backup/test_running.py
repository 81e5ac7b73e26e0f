"""The rounds of a backup: their patience with a target, and which node replicates its checkpoint."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from onsale.journal.errors import CorruptJournal, NoJournal
from onsale.journal.segments import list_segments
from onsale.node.backup import running
from onsale.node.backup.archiver import OtherJournal
from onsale.node.backup.layout import owner_name
from onsale.node.backup.replication import Owner, Replication, claim, this_node
from onsale.node.backup.running import Archived, back_up_once, epoch_of, keep_backing_up
from onsale.tests.journal.journals import add, append, filled, resume
from onsale.tests.node.backup.archives import MemoryTarget, brought_back, files, told
from onsale.tests.node.backup.backed_up import Node


class PretendedLitestream:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.followed: list[int | None] = []
        self.stopped = False

    @property
    def state(self) -> str:
        return "off" if self.epoch is None else "running"

    def follow(self, epoch: int | None) -> None:
        if epoch != self.epoch:
            self.followed.append(epoch)
        self.epoch = epoch

    def tend(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True
        self.epoch = None


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
def node(tmp_path: Path, target: MemoryTarget) -> Node:
    return Node(tmp_path / "node", target)


def keep_on(
    node: Node,
    until: Callable[[Archived], bool],
    *,
    litestream: PretendedLitestream | None = None,
    take_over: bool = False,
    said: list[str] | None = None,
    data: Path | None = None,
) -> list[Archived]:
    """Back up until a report is what is waited for."""
    stopping, reports = Event(), []

    def report(archived: Archived) -> None:
        reports.append(archived)
        if until(archived):
            stopping.set()

    keep_backing_up(
        data or node.data,
        node.target,
        cast("Replication", litestream or PretendedLitestream()),
        interval_seconds=0.001,
        take_over=take_over,
        stopping=stopping,
        tell=said.append if said is not None else told,
        report=report,
        progress=lambda *_: None,
    )
    return reports


def whole(node: Node) -> Callable[[Archived], bool]:
    return lambda archived: archived.position.seq == node.last_seq


def test_it_goes_on_until_it_is_stopped(node: Node, target: MemoryTarget, tmp_path: Path) -> None:
    litestream = PretendedLitestream()
    disk = node.disk
    written: list[int] = []

    def more(archived: Archived) -> bool:
        assert archived.position.seq >= (written[-1] if written else node.last_seq)
        if len(written) == 3:
            return True
        appender = resume(disk, segment_bytes_max=900)
        add(appender, b"more " * 50, at_ms=appender.position.at_ms, count=3, epoch=appender.position.epoch)
        appender.close()
        written.append(appender.position.seq)
        return False

    reports = keep_on(node, more, litestream=litestream)
    assert [each.position.seq for each in reports[:4]] == [node.last_seq, *written]
    assert litestream.stopped
    assert files(brought_back(target, tmp_path / "back")) == files(disk)


def test_litestream_follows_the_epochs(node: Node) -> None:
    litestream = PretendedLitestream()
    began = epoch_of(node.data)

    def next_epoch(archived: Archived) -> bool:
        epoch = archived.position.epoch
        if epoch < began + 2 and archived.litestream == "running":
            appender = resume(node.disk)
            add(appender, b"epoch", at_ms=appender.position.at_ms, epoch=epoch + 1)
            appender.close()
        return epoch == began + 2 and archived.litestream == "running"

    keep_on(node, next_epoch, litestream=litestream)
    assert litestream.followed == [began, began + 1, began + 2]


def test_a_target_that_does_not_answer_is_asked_again(node: Node, target: MemoryTarget, tmp_path: Path) -> None:
    said: list[str] = []
    target_list = target.list
    target.left = None

    def list_then_fail(prefix: str) -> Any:
        found = target_list(prefix)
        target.list = target_list  # type: ignore[method-assign]
        target.left = 3
        return found

    def put(name: str, data: bytes) -> None:
        try:
            MemoryTarget.put(target, name, data)
        except running.TargetFailed:
            target.left = 2 + len(target.parts) % 5
            raise

    target.list = list_then_fail  # type: ignore[method-assign]
    target.put = put  # type: ignore[method-assign]
    reports = keep_on(node, whole(node), said=said)
    target.left = None
    assert reports[-1].position.seq == node.last_seq
    assert "the network is gone" in said[0]
    assert "tried again" in said[0]
    assert said[-1].startswith("It works again")
    assert files(brought_back(target, tmp_path / "back")) == files(node.disk)


def test_damage_of_the_journal_ends_it(node: Node) -> None:
    litestream = PretendedLitestream()
    path = node.disk.root / list_segments(node.disk)[0].name
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptJournal, match=path.name):
        keep_on(node, lambda _: False, litestream=litestream)
    assert litestream.stopped


def test_a_journal_that_another_one_takes_the_place_of(node: Node, tmp_path: Path, target: MemoryTarget) -> None:
    """As a node does that is made anew from another one's snapshot: for a moment there is none."""
    aside = tmp_path / "aside"
    said: list[str] = []

    def replaced(archived: Archived) -> bool:
        if not aside.exists():
            node.disk.root.rename(aside)
            return False
        return archived.position.seq > node.last_seq

    def tell(sentence: str) -> None:
        said.append(sentence)
        if aside.exists() and not node.disk.root.exists():
            aside.rename(node.disk.root)
            aside.mkdir()
            appender = resume(node.disk)
            add(appender, b"on", at_ms=appender.position.at_ms, epoch=appender.position.epoch)
            appender.close()

    class Teller(list[str]):
        def append(self, sentence: str) -> None:
            tell(sentence)

    keep_on(node, replaced, said=Teller())
    assert any("tried again" in sentence for sentence in said)
    assert files(brought_back(target, tmp_path / "back")) == files(node.disk)


def test_no_journal(tmp_path: Path, node: Node) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoJournal, match="no journal"):
        keep_on(node, lambda _: True, data=tmp_path / "empty")


def test_once(node: Node, target: MemoryTarget, tmp_path: Path) -> None:
    seq = node.take_checkpoint(node.middle)
    archived, copy = back_up_once(node.data, target, told, lambda *_: None)
    assert archived.position.seq == node.last_seq
    assert copy is not None
    assert copy.seq == seq
    assert files(brought_back(target, tmp_path / "back")) == files(node.disk)
    before = dict(target.objects)
    back_up_once(node.data, target, told, lambda *_: None)
    assert target.objects == before


def test_once_without_a_checkpoint(node: Node, target: MemoryTarget) -> None:
    archived, copy = back_up_once(node.data, target, told, lambda *_: None)
    assert copy is None
    assert archived.position.seq == node.last_seq


def test_once_changes_nothing_in_the_folder(node: Node, target: MemoryTarget) -> None:
    def seen() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in node.data.rglob("*") if path.is_file()}

    node.take_checkpoint(node.middle)
    before = seen()
    back_up_once(node.data, target, told, lambda *_: None)
    assert seen() == before


def test_a_corrupt_checkpoint_does_not_keep_the_journal_from_being_archived(node: Node, target: MemoryTarget) -> None:
    said: list[str] = []
    node.checkpoint.write_bytes(b"no database" * 1000)
    keep_on(node, whole(node), said=said)
    assert any("is corrupt" in sentence for sentence in said)
    assert target.parts


def test_a_target_of_another_journal(node: Node, target: MemoryTarget, tmp_path: Path) -> None:
    target.put("journal-id", b"00" * 16)
    with pytest.raises(OtherJournal):
        keep_on(node, whole(node))


def test_the_epoch_of_a_folder(tmp_path: Path, node: Node) -> None:
    assert epoch_of(node.data) == node.history.state.epoch
    appender = resume(node.disk)
    add(appender, b"x", at_ms=appender.position.at_ms, epoch=77)
    appender.close()
    assert epoch_of(node.data) == 77
    other = Node(tmp_path / "other", MemoryTarget())
    for segment in list_segments(other.disk):
        other.disk.remove(segment.name)
    filled(other.disk)
    assert epoch_of(other.data) == 1, "where nothing has happened yet"
    append(resume(other.disk), 1)
    assert epoch_of(other.data) == 1


# --- who replicates the checkpoint


def test_the_first_one_has_it(target: MemoryTarget) -> None:
    one, other = Owner("1" * 16, "a", "/data"), Owner("2" * 16, "b", "/data")
    assert claim(target, 3, one) == one
    assert claim(target, 3, other) == one
    assert claim(target, 4, other) == other
    assert claim(target, 3, other, take_over=True) == other
    assert claim(target, 3, one) == other


def test_an_unreadable_claim_is_nobody_s(target: MemoryTarget) -> None:
    target.put(owner_name(3), b"?")
    one = Owner("1" * 16, "a", "/data")
    assert claim(target, 3, one) == one


def test_a_node_is_known_by_the_id_in_its_folder(tmp_path: Path) -> None:
    before = this_node(tmp_path)
    assert this_node(tmp_path) == before
    (tmp_path / "node.json").write_text('{"id":"0123456789abcdef","name":"n"}')
    assert this_node(tmp_path).id == "0123456789abcdef"
    assert this_node(tmp_path / "other").id not in {before.id, "0123456789abcdef"}


def test_the_second_node_archives_its_journal_alone(node: Node, target: MemoryTarget) -> None:
    epoch = node.history.state.epoch
    claim(target, epoch, Owner("f" * 16, "elsewhere", "/data"))
    litestream, said = PretendedLitestream(), []
    keep_on(node, whole(node), litestream=litestream, said=said)
    assert litestream.followed == []
    assert "/data on elsewhere" in said[0]
    assert "--take-over" in said[0]
    assert target.parts
    keep_on(node, lambda archived: archived.litestream == "running", litestream=litestream, take_over=True)
    assert litestream.followed == [epoch]


def test_a_node_whose_part_another_one_took_over_lets_go(
    node: Node, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ROUNDS_PER_CLAIM", 3)
    epoch = node.history.state.epoch
    litestream = PretendedLitestream()

    def taken_over(archived: Archived) -> bool:
        if archived.litestream == "running":
            claim(target, epoch, Owner("f" * 16, "elsewhere", "/data"), take_over=True)
            return False
        return True

    keep_on(node, taken_over, litestream=litestream)
    assert litestream.followed == [epoch, None]
