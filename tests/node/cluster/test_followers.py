"""Who is admitted as a follower, and from where on it is fed."""

from typing import Any

import pytest

from onsale.journal.batch import EpochStart
from onsale.node.cluster.followers import BEHIND, DIFFERS, HISTORY_GONE, Followers
from onsale.node.cluster.own_copy import OwnCopy
from onsale.replicas.frames import (
    PROTOCOL,
    Accepted,
    Acked,
    BatchSent,
    CheckpointTaken,
    Committed,
    Follow,
    Introduction,
    Refused,
    Reports,
    StateHashed,
)
from onsale.tests.node.cluster.copies import copy_of, user
from onsale.tests.replicas.batches import Outlet


class Peer(Outlet):
    """A link to a node of this name."""

    def __init__(self, name: str, *, node_id: bytes = b"", voting: bool = True) -> None:
        super().__init__()
        self.peer = Introduction(PROTOCOL, node_id or name.encode(), b"j" * 16, name, voting, f"{name}:7400", "")

    @property
    def refused(self) -> str:
        (frame,) = self.of(Refused)
        assert isinstance(frame, Refused)
        assert self.reasons == [frame.sentence], "it is told, then closed"
        return frame.reason_code


@pytest.fixture
def copy() -> OwnCopy:
    """Epoch 1 from seq 1 on, epoch 4 from seq 4 on, two facts a batch from there; all of it on disk."""
    made = copy_of(
        *[(1, [user(f"early-{number}")]) for number in range(3)],
        *[(4, [user(f"late-{number}"), user(f"later-{number}")]) for number in range(4)],
    )
    made.adopt()
    made.available.committed_seq = 9
    made.available.background = lambda work, done: done(work())
    return made


@pytest.fixture
def followers(copy: OwnCopy) -> Followers:
    return Followers(copy, lambda: 0)


def at(copy: OwnCopy, seq: int, *, epochs: list[EpochStart] | None = None, voting: bool = True) -> Follow:
    """A follower whose journal is this one's beginning."""
    known = [start for start in copy.available.epochs if start.first_seq <= seq] if epochs is None else epochs
    return Follow(seq, b"", 0, known, 0, voting, False)


def admit(followers: Followers, link: Peer, follow: Follow, *, leads: bool = True) -> Any:
    return followers.admit(link, follow, 4, "me", leads=leads)  # type: ignore[arg-type]


# --- from where on


@pytest.mark.parametrize("seq", [0, 1, 3, 5, 11])
def test_one_that_lags_goes_on_where_it_ends(copy: OwnCopy, followers: Followers, seq: int) -> None:
    link = Peer("b")
    sender = admit(followers, link, at(copy, seq))
    assert sender is followers.of(link)  # type: ignore[arg-type]
    (accepted,) = link.of(Accepted)
    assert accepted == Accepted(4, "me", b"j" * 16, seq, copy.hash_at(seq) or b"", 9)
    assert sender.sent_seq == 11
    assert len(link.of(BatchSent)) == max(3 - seq, 0) + (11 - max(seq, 3)) // 2


def test_where_the_journals_part_it_is_told_to_cut(copy: OwnCopy, followers: Followers) -> None:
    rival = [copy.available.epochs[0], EpochStart(3, 3, b"r" * 16)]
    link = Peer("b")
    admit(followers, link, at(copy, 20, epochs=rival))
    (accepted,) = link.of(Accepted)
    assert isinstance(accepted, Accepted)
    assert (accepted.common_seq, accepted.common_hash) == (2, copy.hash_at(2))


def test_one_that_does_not_lead_tells_nobody_to_cut(copy: OwnCopy, followers: Followers) -> None:
    link = Peer("r")
    assert admit(followers, link, at(copy, 13, voting=False), leads=False) is None
    assert link.refused == BEHIND
    assert not followers.senders
    assert admit(followers, Peer("r"), at(copy, 11, voting=False), leads=False) is not None


def test_where_no_batch_ends_here_one_of_the_two_is_damaged(copy: OwnCopy, followers: Followers) -> None:
    link = Peer("b")
    assert admit(followers, link, at(copy, 4)) is None
    assert link.refused == DIFFERS


def test_what_is_no_longer_kept_can_not_be_sent(copy: OwnCopy, followers: Followers) -> None:
    copy.base = copy.position.__class__(5, b"h" * 16, 4, 0)
    link = Peer("b")
    assert admit(followers, link, at(copy, 3)) is None
    assert link.refused == HISTORY_GONE
    assert "begins with seq 6" in link.reasons[0]
    assert admit(followers, Peer("b"), at(copy, 5)) is not None


# --- who


def test_another_node_of_a_followers_name(copy: OwnCopy, followers: Followers) -> None:
    first, second = Peer("b"), Peer("b", node_id=b"other")
    assert not followers.name_taken(first.peer)
    admit(followers, first, at(copy, 11))
    assert not followers.name_taken(first.peer), "it may connect anew"
    assert "b" in followers.name_taken(second.peer).split()
    assert followers.closed(first, "it is gone") is not None  # type: ignore[arg-type]
    assert not followers.name_taken(second.peer)


def test_a_node_that_connects_anew_takes_its_own_place(copy: OwnCopy, followers: Followers) -> None:
    first, second = Peer("b"), Peer("b")
    admit(followers, first, at(copy, 11))
    sender = admit(followers, second, at(copy, 11))
    assert first.reasons == ["it connected anew"]
    assert followers.senders == {"b": sender}
    assert followers.closed(first, "") is None, "that was not the one that follows"  # type: ignore[arg-type]
    assert followers.senders == {"b": sender}
    assert followers.closed(second, "") is sender  # type: ignore[arg-type]
    assert not followers.senders
    assert followers.introductions() == []


# --- what it says, and is told


def test_an_acknowledgement_counts_for_the_link_it_came_on(copy: OwnCopy, followers: Followers) -> None:
    link, stranger = Peer("b"), Peer("c")
    sender = admit(followers, link, at(copy, 3))
    assert followers.acked(link, Acked(4, 11, 9)) is sender  # type: ignore[arg-type]
    assert (sender.received_seq, sender.applied_seq) == (11, 9)
    assert followers.acked(stranger, Acked(4, 11, 9)) is None  # type: ignore[arg-type]


def test_one_that_can_not_be_true_closes_the_link(copy: OwnCopy, followers: Followers) -> None:
    link = Peer("b")
    sender = admit(followers, link, at(copy, 3))
    assert followers.acked(link, Acked(4, 12, 0)) is None  # type: ignore[arg-type]
    assert link.reasons
    assert sender.received_seq == 0


def test_a_checkpoint_is_told_to_those_who_are_just_there(copy: OwnCopy, followers: Followers) -> None:
    there, behind = Peer("b"), Peer("c", voting=False)
    admit(followers, there, at(copy, 11))
    admit(followers, behind, at(copy, 3, voting=False))  # has what is committed: seq 9
    followers.checkpoint_taken(11)
    assert [len(link.of(CheckpointTaken)) for link in (there, behind)] == [1, 0]
    followers.state_hashed(11, "abc")
    followers.report([])
    for link in (there, behind):
        assert link.of(StateHashed) == [StateHashed(11, "abc")]
        assert link.of(Reports) == [Reports([])]


def test_all_of_them_hear_that_it_is_there(copy: OwnCopy, followers: Followers) -> None:
    links = [Peer("b"), Peer("c")]
    for link in links:
        admit(followers, link, at(copy, 11))
        link.sent.clear()
    followers.heartbeat()
    assert [link.sent for link in links] == [[Committed(0, 9, 0)]] * 2


def test_all_are_let_go_with_a_reason(copy: OwnCopy, followers: Followers) -> None:
    links = [Peer("b"), Peer("c")]
    for link in links:
        admit(followers, link, at(copy, 11))
    followers.drop_all("another epoch has begun")
    assert [link.reasons for link in links] == [["another epoch has begun"]] * 2
    assert not followers.senders
    sent = [len(link.sent) for link in links]
    followers.pump()
    followers.heartbeat()
    assert [len(link.sent) for link in links] == sent


def test_a_copy_of_one_batch_more_is_pumped(copy: OwnCopy, followers: Followers) -> None:
    link = Peer("r", voting=False)
    sender = admit(followers, link, at(copy, 9, voting=False))
    assert sender.sent_seq == 9
    copy.available.committed_seq = 11
    followers.pump()
    assert sender.sent_seq == 11
