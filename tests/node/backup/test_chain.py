"""Which history an archive leads to, when several nodes wrote to it, ends were cut off, and objects are damaged."""

from pathlib import Path
from random import Random

import pytest

from onsale.journal.batch import Position, Sealed
from onsale.journal.disk import RealDisk
from onsale.journal.divergence import cut_after
from onsale.journal.reader import SealedReader
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import list_segments
from onsale.journal.writer import JournalAppender
from onsale.node.backup.layout import part_of
from onsale.tests.journal.journals import JOURNAL_ID, add, append, begin, resume
from onsale.tests.node.backup.archives import MemoryTarget, archive, archiver_of, brought_back, files, search

SMALL = 400


class Member:
    """A node's journal, written as it would, and its archiver."""

    def __init__(
        self, folder: Path, target: MemoryTarget, segment_bytes_max: int, before: Position | None = None
    ) -> None:
        self.disk = RealDisk(folder)
        recovered = create_journal(self.disk, JOURNAL_ID, before=before)
        self.appender = JournalAppender(self.disk, recovered, segment_bytes_max=segment_bytes_max)
        self.target = target
        self.archiver = archiver_of(self.disk, target)
        self.segment_bytes_max = segment_bytes_max

    @property
    def position(self) -> Position:
        return self.appender.position

    def lead(self, epoch: int, count: int, salt: str = "") -> None:
        for number in range(count):
            payload = f"{salt} epoch {epoch}, batch {number} ".encode() * (1 + number % 4)
            add(self.appender, payload, at_ms=self.position.at_ms + 1, count=1 + number % 3, epoch=epoch)

    def follow(self, leader: "Member", batches: int | None = None) -> None:
        if self.position.seq < leader.position.seq:
            self.appender.append_received(batches_behind(leader, self.position.seq)[:batches])

    def cut(self, seq: int) -> None:
        self.appender.close()
        recover(self.disk)
        cut_after(self.disk, seq)
        self.appender = resume(self.disk, segment_bytes_max=self.segment_bytes_max)

    def archive(self) -> None:
        while not self.archiver.round():
            pass
        assert self.archiver.position == self.position


def batches_behind(member: Member, seq: int) -> list[Sealed]:
    return SealedReader(member.disk, seq).read(member.position.seq, 1 << 30)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


def end_of(target: MemoryTarget, folder: Path) -> Position:
    """Where the journal ends that comes back, which is verified whole, from the very first fact on."""
    recovered = recover(brought_back(target, folder), repair=False)
    assert recovered.first_seq == 1
    return recovered.position


def test_a_takeover_cuts_the_old_leader_s_tail(tmp_path: Path, target: MemoryTarget) -> None:
    old, new = Member(tmp_path / "a", target, SMALL), Member(tmp_path / "b", target, 3 * SMALL)
    old.lead(3, 12)
    new.follow(old)
    old.archive()
    old.lead(3, 9, "never answered")
    old.archive()
    new.lead(4, 3)
    new.archive()
    assert old.position.seq > new.position.seq
    assert end_of(target, tmp_path / "back") == new.position


def test_the_new_leader_s_archive_begins_where_it_leads(tmp_path: Path, target: MemoryTarget) -> None:
    """It joined with a checkpoint, so its journal has only the end; the other one's parts lead up to it."""
    old = Member(tmp_path / "a", target, 100_000)
    old.lead(1, 10)
    new = Member(tmp_path / "b", target, SMALL, before=old.position)
    old.lead(1, 5)
    new.follow(old, 3)
    old.archive()
    new.lead(2, 8)
    new.archive()
    back = brought_back(target, tmp_path / "back")
    assert list_segments(back)[0].first_seq == 1
    assert recover(back, repair=False).position == new.position


def test_a_follower_that_led_later_and_never_rotated(tmp_path: Path, target: MemoryTarget) -> None:
    """Three leaders in turn; the third one's file holds epochs 1 to 3, and only it and the first one were archived."""
    first, second, third = (Member(tmp_path / name, target, 100_000) for name in "abc")
    first.lead(1, 6)
    second.follow(first)
    first.archive()
    first.lead(1, 4, "lost")
    first.archive()
    second.lead(2, 5)
    third.follow(second)
    third.lead(3, 2)
    third.archive()
    assert end_of(target, tmp_path / "back") == third.position


def test_a_newcomer_that_led_later_and_never_rotated(tmp_path: Path, target: MemoryTarget) -> None:
    """Its file begins in the middle of the first leader's part, with the same epoch, and alone has what came then."""
    first, second = Member(tmp_path / "a", target, 100_000), Member(tmp_path / "b", target, 100_000)
    first.lead(1, 6)
    third = Member(tmp_path / "c", target, 100_000, before=first.position)
    first.lead(1, 3)
    second.follow(first)
    first.lead(1, 4, "lost")
    first.archive()
    second.lead(2, 5)
    third.follow(second)
    third.archive()
    assert end_of(target, tmp_path / "back") == second.position


def test_a_dead_end_of_a_later_epoch_is_left_again(tmp_path: Path, target: MemoryTarget) -> None:
    """Epoch 4 began where epoch 3 still went on, and came to nothing; epoch 5 went on from the end of epoch 3."""
    leader, dead_end, heir = (Member(tmp_path / name, target, SMALL) for name in "abc")
    leader.lead(3, 8)
    dead_end.follow(leader)
    leader.lead(3, 6)
    heir.follow(leader)
    leader.archive()
    dead_end.lead(4, 20)
    dead_end.archive()
    heir.lead(5, 3)
    heir.archive()
    assert dead_end.position.seq > heir.position.seq
    assert end_of(target, tmp_path / "back") == heir.position


def test_a_dead_end_that_begins_in_the_middle_of_a_part_is_left_again(tmp_path: Path, target: MemoryTarget) -> None:
    leader = Member(tmp_path / "a", target, 100_000)
    leader.lead(3, 4)
    dead_end = Member(tmp_path / "b", target, 100_000, before=leader.position)
    leader.lead(3, 2)
    dead_end.follow(leader)
    leader.lead(3, 3)
    heir = Member(tmp_path / "c", target, 100_000, before=leader.position)
    leader.lead(3, 2)
    heir.follow(leader)
    dead_end.lead(4, 9)
    heir.lead(5, 2)
    for member in (leader, dead_end, heir):
        member.archive()
    assert end_of(target, tmp_path / "back") == heir.position


def test_one_node_that_was_cut_and_followed(tmp_path: Path, target: MemoryTarget) -> None:
    old, new = Member(tmp_path / "a", target, SMALL), Member(tmp_path / "b", target, SMALL)
    old.lead(1, 7)
    new.follow(old)
    common = old.position.seq
    old.lead(1, 6, "lost")
    old.archive()
    new.lead(2, 10)
    old.cut(common)
    old.follow(new)
    old.archive()
    assert end_of(target, tmp_path / "back") == new.position == old.position


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_cluster_lived_through_its_last_epoch_comes_back(
    tmp_path: Path, target: MemoryTarget, seed: int
) -> None:
    """Leaders come and go, with followers at different places; each archives now and then; what the last leader
    archived is what comes back.
    """
    random = Random(seed)
    members = [Member(tmp_path / name, target, random.choice((300, 700, 100_000))) for name in "abc"]
    leader, epoch = members[0], 1
    for turn in range(8):
        leader.lead(epoch, random.randrange(1, 9), f"turn {turn}")
        for member in members:
            if member is not leader and random.random() < 0.8:
                member.follow(leader, random.choice((None, None, 2, 4)))
            if random.random() < 0.5:
                member.archive()
        if random.random() < 0.5:
            heir = max((each for each in members if each is not leader), key=lambda each: each.position.seq)
            epoch += random.randrange(1, 3)
            for member in members:
                if member is not heir:
                    common = common_seq(member, heir)
                    if common < member.position.seq:
                        member.cut(common)
            heir.lead(epoch, 1, f"turn {turn} begins")
            leader = heir
    leader.archive()
    assert end_of(target, tmp_path / "back") == leader.position


def common_seq(one: Member, other: Member) -> int:
    ends = {sealed.position for sealed in batches_behind(other, 0)}
    return max((each.position.seq for each in batches_behind(one, 0) if each.position in ends), default=0)


# --- damage


@pytest.fixture
def archived(tmp_path: Path, target: MemoryTarget) -> RealDisk:
    """Five segments or more; the last two are in small parts."""
    disk = RealDisk(tmp_path / "journal")
    appender = begin(disk, segment_bytes_max=SMALL)
    append(appender, *range(1, 20))
    archive(disk, target)
    archiver = archiver_of(disk, target)
    for number in range(20, 23):
        append(appender, number)
        archiver.round()
    return disk


def damage(target: MemoryTarget, name: str) -> None:
    data = bytearray(target.objects[name])
    data[len(data) // 2] ^= 4
    target.objects[name] = bytes(data)


def by_place(target: MemoryTarget) -> list[str]:
    parts = sorted((part.key, part.offset, part.name) for part in target.parts)
    return [name for _, _, name in parts]


@pytest.mark.parametrize("how", ["flipped", "gone", "shortened"])
@pytest.mark.parametrize("which", [0, 2, -1])
def test_damage_ends_the_chain_and_has_a_place(archived: RealDisk, target: MemoryTarget, how: str, which: int) -> None:
    name = by_place(target)[which]
    if how == "flipped":
        damage(target, name)
    elif how == "shortened":
        target.objects[name] = target.objects[name][:-1]
    else:
        del target.objects[name]
    found = search(target)
    part = part_of(name)
    assert part is not None
    if how != "gone":
        assert [damaged.part for damaged in found.damaged] == [part]
        assert name in str(found.damaged[0])
    if which == -1:
        assert found.is_complete == (how == "gone"), "that there was another part nobody can know"
        assert found.chains[0].rank < (part.epoch, part.last_seq)
    else:
        assert found.is_complete, "from behind the damage on"
        assert found.chains[0].first_seq == part.last_seq + 1


def test_damage_in_the_middle_of_the_last_segment(archived: RealDisk, target: MemoryTarget) -> None:
    name = by_place(target)[-2]
    damage(target, name)
    found = search(target)
    assert not found.is_complete
    assert found.goal[1] == recover(archived, repair=False).last_seq
    part = part_of(name)
    assert part is not None
    assert found.chains[0].rank < (part.epoch, part.last_seq)


def test_a_damaged_part_that_a_larger_one_replaces_is_not_missed(
    tmp_path: Path, archived: RealDisk, target: MemoryTarget
) -> None:
    small = MemoryTarget(target.objects)
    archive(archived, target)
    appender = resume(archived, segment_bytes_max=SMALL)
    append(appender, *range(30, 40))
    archive(archived, target)
    target.objects |= small.objects
    for name in small.objects:
        if name not in target.objects and part_of(name):
            damage(target, name)
    found = search(target)
    assert found.is_complete
    assert files(brought_back(target, tmp_path / "back")) == files(archived)
