"""A node's own copy: what its journal says to the very end, and what its state holds of it."""

import pytest

from onsale.engine import facts as f
from onsale.journal.batch import Batch, seal, unseal
from onsale.journal.errors import CorruptJournal
from onsale.node.cluster.own_copy import OwnCopy
from onsale.tests.node.cluster.copies import copy_of, member, user
from onsale.tests.simulation.scheduler import SimulatedTime


def following(copy: OwnCopy, *facts: f.Fact, epoch: int = 9) -> Batch:
    """The batch that comes next from a leader."""
    end = copy.position
    return unseal(seal(end, epoch=epoch, at_ms=end.at_ms + 1, count=len(facts), payload=f.encode(list(facts))).data)[1]


# --- the rules


def test_the_rules_go_by_the_journal_to_its_very_end() -> None:
    """What is not committed may be: a node that takes over must ask by it."""
    copy = copy_of(
        (1, [f.EpochBegun(1, "a"), member("a"), member("b")]),
        (1, [f.SyncStandbysSet(1)]),
        (1, [member("c"), f.SyncStandbysSet(2)]),
    )
    assert copy.state.sync_standbys == 1
    rules = copy.rules()
    assert rules.voters == {"a": "a:7400", "b": "b:7400", "c": "c:7400"}
    assert (rules.sync_standbys, rules.leader) == (2, "a")
    assert rules.node_ids == {"a": b"a", "b": b"b", "c": b"c"}
    assert copy.state.sync_standbys == 1, "asking changes nothing"


def test_who_leaves_votes_no_more_from_the_moment_it_is_written() -> None:
    copy = copy_of(
        (1, [f.EpochBegun(1, "a"), member("a"), member("b"), member("c"), member("d")]),
        (1, [user("ada")]),
        (1, [f.MemberRemoved("b"), member("c", voting=False), member("d", node_id=b"anew")]),
    )
    rules = copy.rules()
    assert sorted(rules.voters) == ["a", "d"]
    assert rules.node_ids["d"] == b"anew"


def test_who_leads_by_the_last_epoch_that_was_written() -> None:
    copy = copy_of(
        (1, [f.EpochBegun(1, "a"), member("a")]),
        (1, [user("ada")]),
        (4, [f.EpochBegun(4, "b"), member("b")]),
        (6, [f.EpochBegun(6, "c")]),
    )
    assert (copy.state.leader, copy.rules().leader) == ("a", "c")


def test_a_journal_older_than_epochs_knows_of_no_leader() -> None:
    rules = copy_of((1, [user("ada")]), (1, [user("bob")])).rules()
    assert (rules.leader, rules.voters, rules.sync_standbys) == ("", {}, 0)


# --- applying


def test_what_comes_next_is_applied() -> None:
    copy = copy_of((1, [user("ada")]))
    copy.adopt()
    facts = copy.apply(following(copy, user("bob"), user("eve")))
    assert facts == [user("bob"), user("eve")]
    assert set(copy.state.users.rows) == {"ada", "bob", "eve"}
    assert copy.state.seq == 3


def test_nothing_is_applied_behind_a_hole() -> None:
    copy = copy_of((1, [user("ada")]), (1, [user("bob")]))
    assert copy.state.seq == 1
    with pytest.raises(CorruptJournal, match="seq 2 comes next"):
        copy.apply(following(copy, user("eve")))
    assert copy.state.seq == 1


@pytest.mark.parametrize(
    "payload",
    [f.encode([f.Lapsed(99)]), b"\x91\x92\x7f\x01", b"\x91\xc1", b"\xff"],
    ids=["of nothing", "unknown kind", "no MessagePack", "no list"],
)
def test_what_can_not_be_applied_is_this_copys_fault(payload: bytes) -> None:
    copy = copy_of((1, [user("ada")]))
    copy.adopt()
    end = copy.position
    batch = unseal(seal(end, epoch=1, at_ms=end.at_ms, count=1, payload=payload).data)[1]
    with pytest.raises(CorruptJournal, match=r"seq 2.*--rebuild"):
        copy.apply(batch)


# --- taking over


def test_what_is_at_the_end_is_taken_for_true_by_who_leads() -> None:
    copy = copy_of((1, [user("ada")]), (1, [user("bob")]), (2, [user("eve")]))
    assert set(copy.state.users.rows) == {"ada"}
    copy.adopt()
    assert set(copy.state.users.rows) == {"ada", "bob", "eve"}
    assert not copy.unapplied
    assert copy.available.committed_seq == 1, "it is committed with the first batch of the new epoch"


def test_who_leads_knows_of_nothing_committed_beyond_its_end() -> None:
    """Data loss was accepted: it could never commit anything below that again."""
    copy = copy_of((1, [user("ada")]), (1, [user("bob")]))
    copy.available.committed_seq = 1_000
    copy.adopt()
    assert copy.available.committed_seq == 2


# --- where it stands


def test_it_is_at_rest_when_everything_is_synced_committed_and_applied() -> None:
    time = SimulatedTime()
    copy = copy_of((1, [user("ada")]), (1, [user("bob")]), time=time)
    assert not copy.at_rest
    copy.adopt()
    assert not copy.at_rest
    copy.available.committed_seq = 2
    assert copy.at_rest
    batch = seal(copy.position, epoch=2, at_ms=9, count=1, payload=f.encode([user("eve")]))
    copy.writer.append(batch)
    assert copy.position == batch.position
    assert (copy.at_rest, copy.durable.seq) == (False, 2)
    time.run(10_000)
    assert (copy.durable, copy.available.durable_seq) == (batch.position, 3)
    assert not copy.at_rest


def test_the_hash_of_a_batch_wherever_it_is() -> None:
    copy = copy_of(*[(1, [user(f"user-{number}"), user(f"friend-{number}")]) for number in range(20)])
    sealed = seal(copy.position, epoch=1, at_ms=99, count=2, payload=f.encode([user("x"), user("y")]))
    before = copy.position
    copy.writer.append(sealed)
    copy.available.add(sealed)
    assert copy.hash_at(0) == b"j" * 16
    assert copy.hash_at(42) == sealed.position.hash
    assert copy.hash_at(40) == before.hash, "in memory"
    on_disk = copy.hash_at(6)
    assert on_disk is not None
    assert on_disk != before.hash
    assert [copy.hash_at(seq) for seq in (5, 7, 41, 43, 10**9)] == [None] * 5


def test_its_epochs_are_told_from_the_first() -> None:
    copy = copy_of((1, [user("ada")]), (1, [user("bob")]), (4, [user("eve")]))
    assert [(start.epoch, start.first_seq) for start in copy.available.epochs] == [(1, 1), (4, 3)]
