"""A node's promise: it only rises, no number is given twice, and it is on disk before it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.errors import JournalFailed
from onsale.node.cluster.promise_keeper import PromiseKeeper
from onsale.replicas.promise import NOBODY, Promise, load_promise, save_promise
from onsale.tests.simulation.disk import SimulatedDisk


def keeper(disk: SimulatedDisk, at_least: Promise = NOBODY) -> PromiseKeeper:
    return PromiseKeeper(disk, at_least, pytest.fail)


def test_what_is_given_is_on_disk() -> None:
    disk = SimulatedDisk(1)
    assert keeper(disk).give(5, b"b", "bob") == ""
    disk.crash()
    assert keeper(disk).promise == Promise(5, b"b", "bob")


def test_no_number_is_given_twice() -> None:
    kept = keeper(SimulatedDisk(1))
    kept.give(5, b"b", "bob")
    assert kept.give(5, b"b", "bob") == "", "the answer may have been lost"
    assert kept.give(5, b"c", "bob") == "it has promised epoch 5, led by bob"
    assert kept.give(4, b"b", "bob") == "it has promised epoch 5, led by bob"
    assert kept.give(6, b"c", "eve") == ""


def test_a_leader_of_an_earlier_epoch_is_not_followed() -> None:
    kept = keeper(SimulatedDisk(1))
    kept.give(5, b"b", "bob")
    assert not kept.accept(4, b"b", "bob", voting=True)
    assert not kept.accept(4, b"b", "bob", voting=False)
    assert kept.accept(6, b"c", "eve", voting=True)
    assert kept.promise == Promise(6, b"c", "eve")


def test_one_that_votes_follows_in_an_epoch_whom_it_was_promised_to() -> None:
    kept = keeper(SimulatedDisk(1))
    kept.give(5, b"b", "bob")
    assert not kept.accept(5, b"c", "eve", voting=True)
    assert kept.accept(5, b"b", "bob", voting=True)


def test_one_without_a_vote_follows_whoever_leads_in_it() -> None:
    kept = keeper(SimulatedDisk(1))
    assert kept.accept(5, b"b", "bob", voting=False)
    assert kept.accept(5, b"c", "eve", voting=False)
    assert kept.promise.node_id == b""


def test_a_file_that_was_lost_does_not_undo_what_the_journal_has_seen() -> None:
    disk = SimulatedDisk(1)
    seen = Promise(7, b"", "bob")
    assert keeper(disk, seen).give(7, b"c", "eve") == "it has promised epoch 7, led by bob"
    save_promise(disk, Promise(9, b"c", "eve"))
    assert keeper(disk, seen).epoch == 9
    assert keeper(disk, Promise(9, b"", "bob")).promise == Promise(9, b"c", "eve"), "the file knows to whom"


def test_a_disk_that_fails_gives_nothing() -> None:
    disk = SimulatedDisk(1)
    failures: list[JournalFailed] = []
    kept = PromiseKeeper(disk, NOBODY, failures.append)
    disk.fail("sync")
    with pytest.raises(JournalFailed):
        kept.give(5, b"b", "bob")
    assert len(failures) == 1
    assert kept.promise == NOBODY


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.sampled_from([b"a", b"b", b"c"]))))
def test_it_only_rises_and_each_number_has_one_leader(asked: list[tuple[bool, int, bytes]]) -> None:
    disk = SimulatedDisk(1)
    kept = keeper(disk)
    given_to: dict[int, bytes] = {}
    for follows, epoch, node_id in asked:
        before = kept.epoch
        agreed = kept.accept(epoch, node_id, "x", voting=True) if follows else not kept.give(epoch, node_id, "x")
        assert kept.epoch >= before
        if agreed:
            assert epoch == kept.epoch
            assert given_to.setdefault(epoch, node_id) == node_id
            assert load_promise(disk) == kept.promise
