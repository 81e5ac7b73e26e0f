"""The latest batches in memory: what is found, what is let go, and what never is."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.batch import Position, Sealed
from onsale.replicas.backlog import Backlog
from onsale.tests.replicas.batches import BEGINNING, sealed_behind

LATER = Position(40, b"h" * 16, 3, 5)


def held(backlog: Backlog, batches: list[Sealed]) -> list[Sealed]:
    return [batch for batch in batches if backlog.after(batch.first_seq - 1) is batch]


def test_an_empty_one_has_nothing() -> None:
    assert Backlog().after(0) is None


def test_a_batch_is_found_by_what_it_follows_on() -> None:
    backlog = Backlog()
    batches = sealed_behind(LATER, 3, 1, 2, epoch=4)
    for batch in batches:
        backlog.add(batch)
    assert held(backlog, batches) == batches
    within_or_outside = set(range(38, 50)) - {batch.first_seq - 1 for batch in batches}
    assert [backlog.after(seq) for seq in within_or_outside] == [None] * len(within_or_outside)


@pytest.mark.parametrize("skipped", [0, 2], ids=["repeated", "gap"])
def test_what_does_not_follow_is_refused(skipped: int) -> None:
    backlog = Backlog()
    batches = sealed_behind(BEGINNING, 1, 1, 1)
    backlog.add(batches[0])
    with pytest.raises(ValueError, match=r"seq \d does not follow on seq 1"):
        backlog.add(batches[skipped])
    backlog.add(batches[1])


def test_the_oldest_goes_once_it_is_on_disk() -> None:
    batches = sealed_behind(BEGINNING, *[1] * 10, fill_bytes=1000)
    backlog = Backlog(bytes_max=3_500)
    for batch in batches:
        backlog.add(batch)
    assert held(backlog, batches) == batches, "none of them is on disk yet"
    backlog.durable(5)
    assert held(backlog, batches) == batches[5:]
    backlog.durable(10)
    assert held(backlog, batches) == batches[7:]


def test_a_batch_greater_than_the_bound_goes_alone() -> None:
    (large,) = sealed_behind(BEGINNING, 1, fill_bytes=5_000)
    backlog = Backlog(bytes_max=3_500)
    backlog.add(large)
    assert backlog.after(0) is large
    backlog.durable(1)
    assert backlog.after(0) is None
    (following,) = sealed_behind(large.position, 1)
    backlog.add(following)
    assert backlog.after(1) is following


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400)), min_size=1, max_size=40),
    st.integers(200, 3_000),
    st.data(),
)
def test_it_is_bounded_without_a_gap_and_holds_what_is_not_on_disk(
    shapes: list[tuple[int, int]], bytes_max: int, data: st.DataObject
) -> None:
    backlog, position, durable = Backlog(bytes_max), BEGINNING, 0
    batches: list[Sealed] = []
    for count, fill_bytes in shapes:
        (batch,) = sealed_behind(position, count, fill_bytes=fill_bytes)
        backlog.add(batch)
        batches.append(batch)
        position = batch.position
        if data.draw(st.booleans()):
            durable = data.draw(
                st.sampled_from([each.position.seq for each in batches if each.position.seq >= durable])
            )
            backlog.durable(durable)
        found = held(backlog, batches)
        assert found == batches[len(batches) - len(found) :], "the latest, without a gap"
        assert [one.position.seq + 1 for one in found[:-1]] == [two.first_seq for _, two in pairwise(found)]
        on_disk = [each for each in found if each.position.seq <= durable]
        assert len(found) - len(on_disk) == sum(each.position.seq > durable for each in batches)
        kept_bytes = sum(len(each.data) for each in found)
        assert kept_bytes <= bytes_max or not on_disk
        dropped = len(batches) - len(found)
        if dropped:  # never more than needed
            assert kept_bytes + len(batches[dropped - 1].data) > bytes_max
