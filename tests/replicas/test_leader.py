"""When a leader commits: never before its own disk, nor before as many standbys as answers wait for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine.records import Member
from onsale.journal.batch import Position, Sealed
from onsale.replicas.frames import BatchSent, Committed
from onsale.replicas.leader import IN_STEP_FACTS, Leader
from onsale.replicas.sender import Available, Sender
from onsale.tests.replicas.batches import BEGINNING, Outlet, sealed_behind


class Desk:
    """A leader of epoch 2 with a disk that syncs when the test says, and followers that acknowledge when it says."""

    def __init__(self, *, needed: int = 0, last: Position = BEGINNING, committed_seq: int = 0) -> None:
        self.last = last
        self.needed = needed
        self.members: dict[str, Member] = {}
        self.senders: dict[str, Sender] = {}
        self.outlets: dict[str, Outlet] = {}
        self.committed: list[int] = []
        self.staged: list[int] = []  # counts of the batches that wait for the one under way
        self.available = Available(
            last_seq=last.seq,
            committed_seq=committed_seq,
            epochs=[],
            open_reader=lambda _seq: pytest.fail("nobody reads"),
            background=lambda _work, _done: pytest.fail("nobody reads"),
        )
        self.available.epoch = 2
        self.join("me", 0)
        self.leader = Leader(
            self,
            self.available,
            self.senders,
            epoch=2,
            node_name="me",
            members=self.members,
            needed=lambda: self.needed,
            on_committed=self.on_committed,
        )

    # its writer

    pending_batches = 0

    def append(self, sealed: Sealed) -> None:
        self.last = sealed.position

    def append_received(self, sealed: Sealed) -> None:
        pytest.fail("it receives nothing")

    def close(self) -> None: ...

    # what happens

    def join(self, name: str, since_seq: int, *, voting: bool = True) -> None:
        self.members[name] = Member(name, name.encode(), voting, f"{name}:7400", "", since_seq)

    def follow(self, name: str, *, voting: bool = True, after_seq: int | None = None) -> Sender:
        outlet = self.outlets[name] = Outlet()
        after_seq = self.last.seq if after_seq is None else after_seq
        sender = Sender(outlet, self.available, name=name, voting=voting, after_seq=after_seq, at_ms=lambda: 0)
        self.senders[name] = sender
        return sender

    def append_some(self, count: int = 1) -> int:
        """One batch; the seq it ends with."""
        self.leader.append(self.last.at_ms + 1, count, b"x" * count)
        return self.last.seq

    def sync(self) -> None:
        self.available.became_durable(self.last.seq)
        self.leader.became_durable()

    def ack(self, name: str, seq: int | None = None) -> None:
        sender = self.senders[name]
        sender.acked(self.last.seq if seq is None else seq, 0)
        self.leader.acked(sender)

    def on_committed(self, position: Position) -> None:
        assert self.available.committed_seq == position.seq, "who is told may look"
        self.committed.append(position.seq)
        if self.staged:
            self.append_some(self.staged.pop(0))


# --- alone


def test_alone_its_own_disk_commits() -> None:
    desk = Desk()
    seq = desk.append_some(3)
    assert not desk.committed
    desk.sync()
    assert desk.committed == [seq]
    assert desk.leader.committed_seq == 3


def test_the_next_batch_is_handed_over_when_one_is_committed() -> None:
    desk = Desk()
    desk.append_some(2)
    desk.staged = [3]
    desk.sync()
    assert (desk.committed, desk.last.seq) == ([2], 5)
    assert (desk.last.epoch, desk.leader.position) == (2, desk.last)
    desk.sync()
    assert desk.committed == [2, 5]


# --- with standbys


@pytest.mark.parametrize("disk_first", [True, False])
def test_both_its_own_disk_and_a_standby_are_needed(disk_first: bool) -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some()
    for own in (disk_first, not disk_first):
        assert not desk.committed
        if own:
            desk.sync()
        else:
            desk.ack("a")
    assert desk.committed == [1]


def test_as_many_standbys_as_answers_wait_for() -> None:
    desk = Desk(needed=2)
    for name in "abc":
        desk.join(name, 0)
        desk.follow(name)
    desk.append_some()
    desk.sync()
    desk.ack("c")
    assert not desk.committed
    desk.ack("c")
    assert not desk.committed, "one that says it twice is one"
    desk.ack("a")
    assert desk.committed == [1]
    desk.ack("b")
    assert desk.committed == [1]


def test_a_part_of_what_it_has_does_not_count() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some(2)
    desk.sync()
    desk.ack("a", 1)
    assert not desk.committed


def test_standbys_that_left_do_not_count_and_answers_stop() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some()
    desk.ack("a")
    del desk.senders["a"]
    desk.sync()
    assert not desk.committed
    desk.follow("a", after_seq=1)
    desk.ack("a")
    assert desk.committed == [1]


def test_one_without_a_vote_never_counts() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.join("r", 0, voting=False)
    desk.follow("r", voting=False)
    desk.follow("s", voting=False)  # of a name that is no member's
    desk.follow("a", voting=False)  # says itself that it does not vote
    desk.append_some()
    desk.sync()
    desk.available.committed_seq = 1
    for name in "rsa":
        desk.senders[name].pump()
    desk.available.committed_seq = 0
    for name in "rsa":
        desk.ack(name)
    desk.sync()  # looks at all of them again
    assert not desk.committed


def test_one_that_votes_by_its_own_word_alone_does_not_count() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("stranger")
    desk.append_some()
    desk.sync()
    desk.ack("stranger")
    assert not desk.committed


def test_the_leader_is_no_standby_of_its_own() -> None:
    desk = Desk(needed=1)
    desk.follow("me")
    desk.append_some()
    desk.sync()
    desk.ack("me")
    assert not desk.committed


# --- who joins and leaves


def test_one_whose_joining_is_not_committed_does_not_count() -> None:
    """A failover among the others would know nothing of it, nor ask it."""
    desk = Desk(needed=1)
    for name in "ab":
        desk.follow(name)
    desk.join("a", 0)
    seq = desk.append_some()
    desk.join("b", seq)
    desk.sync()
    desk.ack("b")
    assert not desk.committed
    desk.ack("a")
    assert desk.committed == [seq]
    desk.append_some()
    desk.sync()
    desk.ack("b")
    assert desk.committed == [seq, seq + 1], "from there on it counts"


def test_where_there_are_too_few_a_new_one_counts_at_once() -> None:
    """Nothing can have been committed without them all."""
    desk = Desk(needed=1)
    desk.follow("a")
    seq = desk.append_some()
    desk.join("a", seq)
    desk.sync()
    assert not desk.committed
    desk.ack("a")
    assert desk.committed == [seq]


def test_one_made_anew_under_its_old_name_joins_anew() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.join("b", 0)
    desk.follow("b")
    seq = desk.append_some()
    desk.join("b", seq)  # its id is another one
    desk.sync()
    desk.ack("b")
    assert not desk.committed


def test_one_that_was_removed_does_not_count() -> None:
    desk = Desk(needed=1)
    for name in "ab":
        desk.join(name, 0)
        desk.follow(name)
    desk.append_some()
    del desk.members["b"]
    desk.sync()
    desk.ack("b")
    assert not desk.committed
    desk.ack("a")
    assert desk.committed == [1]


# --- how many are needed


def test_more_are_needed_from_the_very_next_moment() -> None:
    desk = Desk(needed=0)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some()
    desk.needed = 1
    desk.sync()
    assert not desk.committed
    desk.ack("a")
    assert desk.committed == [1]


def test_fewer_are_needed_once_anybody_looks_again() -> None:
    desk = Desk(needed=2)
    for name in "ab":
        desk.join(name, 0)
        desk.follow(name)
    desk.append_some()
    desk.sync()
    desk.ack("a")
    assert not desk.committed
    desk.needed = 1
    desk.ack("a")
    assert desk.committed == [1]


# --- the beginning and the end of an epoch


def test_what_was_taken_over_is_committed_with_the_first_batch_of_its_own() -> None:
    """However many have it: another leader may have been chosen without it before (Raft, figure 8)."""
    (earlier,) = sealed_behind(BEGINNING, 5, epoch=1)
    desk = Desk(needed=1, last=earlier.position, committed_seq=2)
    desk.join("a", 0)
    desk.follow("a")
    desk.ack("a")
    desk.sync()
    assert not desk.committed
    desk.needed = 0
    desk.sync()
    assert not desk.committed
    desk.append_some()
    desk.sync()
    assert desk.committed == [6]


def test_nothing_is_committed_after_the_end() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some()
    desk.leader.end()
    desk.ack("a")
    desk.sync()
    assert not desk.committed
    assert desk.available.committed_seq == 0


def test_nothing_is_written_after_the_end() -> None:
    desk = Desk()
    desk.leader.end()
    desk.append_some(4)
    assert desk.last == BEGINNING
    assert desk.available.last_seq == 0


# --- what followers are sent


def test_voters_have_it_before_it_is_committed_and_the_others_after() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.follow("r", voting=False)
    desk.append_some()
    assert len(desk.outlets["a"].of(BatchSent)) == 1
    desk.sync()
    assert not desk.outlets["r"].of(BatchSent)
    desk.ack("a")
    assert len(desk.outlets["r"].of(BatchSent)) == 1


def test_voters_are_told_of_the_commit_by_a_frame_or_by_the_next_batch() -> None:
    desk = Desk(needed=1)
    desk.join("a", 0)
    desk.follow("a")
    desk.append_some()
    desk.staged = [1]
    desk.sync()
    desk.ack("a")
    outlet = desk.outlets["a"]
    assert [type(frame) for frame in outlet.sent] == [BatchSent, BatchSent], "the second one says it"
    desk.sync()
    desk.ack("a")
    assert [frame.seq for frame in outlet.sent if isinstance(frame, Committed)] == [2]


# --- who is in step


def test_who_is_in_step() -> None:
    desk = Desk(needed=2)
    for name in "abc":
        desk.join(name, 0)
    assert desk.leader.standbys_in_step == 0
    first = desk.append_some(IN_STEP_FACTS + 1)
    for name in "abc":
        desk.follow(name, after_seq=0)
        desk.senders[name].pump()
    desk.sync()
    desk.ack("a")
    desk.ack("b")
    assert desk.committed == [first]
    assert desk.leader.standbys_in_step == 2, "one has nothing yet, of a batch of 20,001"
    desk.ack("c")
    assert desk.leader.standbys_in_step == 3
    assert desk.leader.in_step_of(2) == 3


# --- whatever happens


@settings(max_examples=200)
@given(st.data())
def test_whatever_is_committed_is_on_enough_disks(data: st.DataObject) -> None:
    desk = Desk(needed=data.draw(st.integers(0, 3)))
    disks: dict[str, int] = {}
    own_disk = 0
    for _ in range(data.draw(st.integers(0, 40))):
        before = len(desk.committed)
        settled = {
            name
            for name, member in desk.members.items()
            if name != "me" and member.since_seq <= (desk.available.committed_seq)
        }
        match data.draw(st.sampled_from(["append", "sync", "ack", "ack", "join", "follow", "leave", "remove", "need"])):
            case "append" if desk.available.committed_seq == desk.last.seq:
                desk.append_some(data.draw(st.integers(1, 4)))
            case "sync":
                own_disk = desk.last.seq
                desk.sync()
            case "ack" if desk.senders:
                name = data.draw(st.sampled_from(sorted(desk.senders)))
                seq = data.draw(st.integers(0, desk.senders[name].sent_seq))
                disks[name] = max(disks.get(name, 0), seq)
                desk.ack(name, seq)
            case "join" if desk.available.committed_seq < desk.last.seq:
                name = data.draw(st.sampled_from("abcd"))
                if name not in desk.members:
                    desk.join(name, desk.last.seq)
            case "follow":
                name = data.draw(st.sampled_from("abcd"))
                desk.follow(name, after_seq=0)
                desk.senders[name].pump()
            case "leave" if desk.senders:
                del desk.senders[data.draw(st.sampled_from(sorted(desk.senders)))]
            case "remove":
                desk.members.pop(data.draw(st.sampled_from("abcd")), None)
            case "need":
                desk.needed = data.draw(st.integers(0, 3))
        if len(desk.committed) == before:
            continue
        assert len(desk.committed) == before + 1
        seq = desk.committed[-1]
        assert seq == desk.last.seq <= own_disk
        members = set(desk.members) - {"me"}
        holders = {name for name in members if disks.get(name, 0) >= seq}
        assert len(holders) >= desk.needed
        if len(settled & members) >= desk.needed:
            assert len(holders & settled) >= desk.needed, "those whose joining the others know of"
    assert desk.committed == sorted(set(desk.committed))
