"""Where two journals part, told from where their epochs begin; against journals that were compared batch by batch.

The journals come from a small model: leaders that take over from any node, cut off what it does not have and append.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.batch import EpochStart, Position
from onsale.replicas.history import UNKNOWN, common_seq, vector


@dataclass
class Journal:
    """Batches as (epoch, first seq, last seq, hash)."""

    batches: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    base: Position = field(default_factory=lambda: Position(0, b"journal id", 0, 0))

    @property
    def last(self) -> int:
        return self.batches[-1][2] if self.batches else self.base.seq

    @property
    def last_hash(self) -> bytes:
        return self.batches[-1][3] if self.batches else self.base.hash

    def append(self, epoch: int, count: int, content: str) -> None:
        digest = blake2b(f"{self.last_hash.hex()} {epoch} {content}".encode(), digest_size=16).digest()
        self.batches.append((epoch, self.last + 1, self.last + count, digest))

    def starts(self) -> list[EpochStart]:
        """As recovery collects them: not the epoch of the base."""
        found: list[EpochStart] = []
        epoch = self.base.epoch
        for batch in self.batches:
            if batch[0] != epoch:
                epoch = batch[0]
                found.append(EpochStart(epoch, batch[1], batch[3]))
        return found

    def vector(self) -> list[EpochStart]:
        return vector(self.base, self.starts())

    def common_with(self, other: "Journal") -> int:
        """The truth, of two journals that begin at the same place."""
        common = self.base.seq
        for one, two in zip(self.batches, other.batches, strict=False):
            if one != two:
                break
            common = one[2]
        return common

    def from_snapshot(self, kept: int) -> "Journal":
        """The journal of a node that was given a checkpoint behind the first `kept` batches, and then the rest."""
        epoch, _, last, digest = self.batches[kept - 1]
        return Journal(self.batches[kept:], Position(last, digest, epoch, 0))


def history(seed: int, nodes: int, *, one_leader_an_epoch: bool = True) -> list[Journal]:
    """Journals of nodes after some leaderships.

    Without `one_leader_an_epoch` two nodes may win one number, where one promise is enough; only one commits in it.
    """
    random = Random(seed)
    journals = [Journal() for _ in range(nodes)]
    epoch = 0
    for _ in range(random.randrange(1, 9)):
        if one_leader_an_epoch or random.random() < 0.7 or not epoch:
            epoch += random.randrange(1, 3)
        candidates = [journal for journal in journals if not journal.batches or journal.batches[-1][0] < epoch]
        if not candidates:
            continue
        leader = random.choice(candidates)
        for number in range(random.randrange(1, 5)):
            leader.append(epoch, random.randrange(1, 4), f"{id(leader)} {number} {random.random()}")
        for follower in journals:
            if follower is leader or (follower.batches and follower.batches[-1][0] > epoch) or random.random() < 0.4:
                continue  # it is not there
            common = leader.common_with(follower)
            kept = [batch for batch in follower.batches if batch[2] <= common]
            behind = [batch for batch in leader.batches if batch[2] > common]
            follower.batches = kept + behind[: random.randrange(len(behind) + 1)]
    return journals


@given(st.integers(0, 2**32), st.integers(2, 5))
def test_it_is_where_the_journals_part(seed: int, nodes: int) -> None:
    journals = history(seed, nodes)
    for own in journals:
        for other in journals:
            assert common_seq(own.vector(), own.last, other.vector(), other.last) == own.common_with(other)


@given(st.integers(0, 2**32), st.integers(2, 5))
def test_epochs_of_one_number_are_told_apart_by_their_first_batch(seed: int, nodes: int) -> None:
    journals = history(seed, nodes, one_leader_an_epoch=False)
    for own in journals:
        for other in journals:
            assert common_seq(own.vector(), own.last, other.vector(), other.last) == own.common_with(other)


@given(st.integers(0, 2**32), st.integers(2, 4), st.data())
def test_a_journal_that_begins_at_a_snapshot(seed: int, nodes: int, data: st.DataObject) -> None:
    """What was before its base is in every journal that has something in common with it beyond: a snapshot is
    committed, so nothing but what a journal has *behind* it may be cut off.
    """
    journals = history(seed, nodes)
    whole = data.draw(st.sampled_from(journals))
    if not whole.batches:
        return
    own = whole.from_snapshot(data.draw(st.integers(1, len(whole.batches))))
    for other in journals:
        truth = whole.common_with(other)
        if truth < own.base.seq:
            continue  # it lacks what is committed, or holds another's: see below
        for one, two in ((own, other), (other, own)):
            assert common_seq(one.vector(), one.last, two.vector(), two.last) == truth


@given(st.integers(0, 2**32), st.integers(2, 4), st.data())
def test_one_that_ends_before_the_snapshot_is_never_said_to_have_it(seed: int, nodes: int, data: st.DataObject) -> None:
    """The source then refuses: what the other lacks can't be sent."""
    journals = history(seed, nodes)
    whole = data.draw(st.sampled_from(journals))
    if not whole.batches:
        return
    own = whole.from_snapshot(data.draw(st.integers(1, len(whole.batches))))
    for other in journals:
        if other.last < own.base.seq:
            assert common_seq(own.vector(), own.last, other.vector(), other.last) < own.base.seq


@given(st.integers(0, 2**32), st.data())
def test_two_snapshots_of_one_history(seed: int, data: st.DataObject) -> None:
    whole = next((journal for journal in history(seed, 3) if journal.batches), None)
    if whole is None:
        return
    early, late = sorted(data.draw(st.tuples(*[st.integers(1, len(whole.batches))] * 2)))
    one, two = whole.from_snapshot(early), whole.from_snapshot(late)
    assert common_seq(one.vector(), one.last, two.vector(), two.last) == whole.last
    assert common_seq(two.vector(), two.last, one.vector(), one.last) == whole.last


def test_the_vector_of_a_journal_that_begins_with_seq_1() -> None:
    starts = [EpochStart(1, 1, b"a"), EpochStart(3, 10, b"b")]
    assert vector(Position(0, b"id", 0, 0), starts) == starts


def test_the_vector_of_a_journal_that_begins_later_has_its_first_epoch_too() -> None:
    starts = [EpochStart(3, 10, b"b")]
    assert vector(Position(6, b"h", 2, 0), starts) == [EpochStart(2, 7, UNKNOWN), *starts]


def test_it_is_a_copy_that_may_grow() -> None:
    starts = [EpochStart(1, 1, b"a")]
    told = vector(Position(0, b"id", 0, 0), starts)
    told.append(EpochStart(2, 5, b"b"))
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("own", "own_last", "other", "other_last", "common"),
    [
        ([], 0, [], 0, 0),
        ([EpochStart(1, 1, b"a")], 9, [], 0, 0),
        ([EpochStart(1, 1, b"a")], 9, [EpochStart(1, 1, b"a")], 5, 5),  # one lags
        (
            [EpochStart(1, 1, b"a"), EpochStart(2, 6, b"b")],
            9,
            [EpochStart(1, 1, b"a")],
            7,
            5,
        ),  # it has more of an epoch
        ([EpochStart(1, 1, b"a")], 9, [EpochStart(1, 1, b"x")], 9, 0),  # begun twice
        ([EpochStart(1, 1, b"a"), EpochStart(2, 6, b"b")], 9, [EpochStart(1, 1, b"a"), EpochStart(2, 6, b"c")], 9, 5),
        # a rival's epoch that came to nothing, and the true one of the same number
        (
            [EpochStart(1, 1, b"a"), EpochStart(2, 6, b"b"), EpochStart(3, 8, b"d")],
            12,
            [EpochStart(1, 1, b"a"), EpochStart(2, 4, b"c")],
            20,
            3,
        ),
    ],
)
def test_small_cases(
    own: list[EpochStart], own_last: int, other: list[EpochStart], other_last: int, common: int
) -> None:
    assert common_seq(own, own_last, other, other_last) == common
    assert common_seq(other, other_last, own, own_last) == common
