"""When a batch is committed, against the definition counted out."""

from hypothesis import given
from hypothesis import strategies as st

from onsale.replicas.commit import committed_seq

seqs = st.integers(0, 50)


def is_on(seq: int, own: int, acked: list[int], needed: int) -> bool:
    """On the leader's disk, and on so many standbys."""
    return own >= seq and sum(each >= seq for each in acked) >= needed


@given(seqs, st.lists(seqs, max_size=6), st.integers(0, 7))
def test_it_is_the_highest_that_is_on_enough_disks(own: int, acked: list[int], needed: int) -> None:
    found = committed_seq(own, acked, needed)
    assert found == max((seq for seq in range(1, 51) if is_on(seq, own, acked, needed)), default=0)


@given(seqs, st.lists(seqs, max_size=6), st.integers(0, 6))
def test_more_acknowledgements_never_take_it_back(own: int, acked: list[int], needed: int) -> None:
    found = committed_seq(own, acked, needed)
    assert committed_seq(own, [*acked, 0], needed) >= found
    for index in range(len(acked)):
        more = [seq + (position == index) for position, seq in enumerate(acked)]
        assert committed_seq(own, more, needed) >= found
    assert committed_seq(own, acked, needed + 1) <= found


def test_too_few_standbys_commit_nothing_at_all() -> None:
    assert committed_seq(9, [9], 2) == 0
    assert committed_seq(9, [], 1) == 0


def test_alone_its_own_disk_is_enough() -> None:
    assert committed_seq(9, [], 0) == 9
    assert committed_seq(9, [12, 3], 0) == 9
