"""Roots and proofs against a plain model of RFC 9162, written as its text has it; and the stand-alone check of both."""

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.journal.receipt_check import NotProven, check_growth, leaf_hash, root_of_path
from onsale.replicas.receipts.merkle import EMPTY_ROOT, growth, levels, path, path_in, peaks_of, root

sizes = st.integers(1, 130)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


# --- the model: section 2.1.1, 2.1.3.1 and 2.1.4.1, over leaf hashes


def split(size: int) -> int:
    middle = 1
    while middle * 2 < size:
        middle *= 2
    return middle


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:middle]) + mth(leaves[middle:])).digest()


def model_path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    if index < middle:
        return [*model_path(index, leaves[:middle]), mth(leaves[middle:])]
    return [*model_path(index - middle, leaves[middle:]), mth(leaves[:middle])]


def model_growth(old_size: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    if old_size == len(leaves):
        return [] if known else [mth(leaves)]
    middle = split(len(leaves))
    if old_size <= middle:
        return [*model_growth(old_size, leaves[:middle], known=known), mth(leaves[middle:])]
    return [*model_growth(old_size - middle, leaves[middle:], known=False), mth(leaves[:middle])]


class Nodes:
    """The nodes of a tree, and only those that are whole subtrees of it."""

    def __init__(self, size: int) -> None:
        self.leaves = leaves_of(size)

    def __call__(self, level: int, index: int) -> bytes:
        begin, end = index << level, (index + 1) << level
        assert end <= len(self.leaves)
        return mth(self.leaves[begin:end])


def test_hashes_as_the_rfc_has_them() -> None:
    """The roots that Certificate Transparency's own test vectors have for their eight inputs."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(each)) for each in inputs]
    assert levels(leaves[:1])[-1][0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert levels(leaves[:3])[-1][0].hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert levels(leaves)[-1][0].hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(sizes)
def test_the_root_is_the_models(size: int) -> None:
    leaves = leaves_of(size)
    assert root(Nodes(size), size) == levels(leaves)[-1][0] == mth(leaves)
    assert root(Nodes(size), 0) == EMPTY_ROOT == mth([])


@given(sizes, st.data())
def test_a_path_is_the_models_and_leads_to_the_root(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    found = path(Nodes(size), index, size)
    assert found == path_in(levels(leaves), index) == model_path(index, leaves)
    assert root_of_path(index, size, leaves[index], found) == mth(leaves)


@given(sizes, st.data())
def test_a_path_proves_no_other_leaf_place_or_size(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    found = path(Nodes(size), index, size)
    other = data.draw(st.integers(0, size + 3).filter(lambda place: place != index))
    for place, in_all, leaf, sent in (
        (other, size, leaves[index], found),
        (index, size, leaf_hash(b"another"), found),
        (index, size, leaves[index], [*found, leaves[0]]),
        *([(index, size, leaves[index], found[:-1])] if found else []),
    ):
        with suppress(NotProven):
            assert root_of_path(place, in_all, leaf, sent) != mth(leaves)


@given(sizes, st.data())
def test_growth_is_the_models_and_is_proven(size: int, data: st.DataObject) -> None:
    leaves, old_size = leaves_of(size), data.draw(st.integers(0, size))
    found = growth(Nodes(size), old_size, size)
    if old_size:
        assert found == model_growth(old_size, leaves)
    check_growth(old_size, mth(leaves[:old_size]), size, mth(leaves), found)


@given(st.integers(2, 130), st.data())
def test_growth_out_of_another_history_is_not_proven(size: int, data: st.DataObject) -> None:
    """One leaf of the old history was another one, or two of them changed places."""
    leaves = leaves_of(size)
    old_size = data.draw(st.integers(1, size))
    old = leaves[:old_size]
    place = data.draw(st.integers(0, old_size - 1))
    other = data.draw(st.integers(0, old_size - 1))
    if place == other:
        old[place] = leaf_hash(b"another")
    else:
        old[place], old[other] = old[other], old[place]
    with pytest.raises(NotProven):
        check_growth(old_size, mth(old), size, mth(leaves), growth(Nodes(size), old_size, size))


@given(st.integers(2, 130), st.data())
def test_a_forged_proof_of_growth_is_not_taken(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    old_size = data.draw(st.integers(1, size - 1))
    found = growth(Nodes(size), old_size, size)
    place = data.draw(st.integers(0, len(found) - 1))
    for forged in ([*found, found[0]], found[:-1], [*found[:place], bytes(32), *found[place + 1 :]]):
        with pytest.raises(NotProven):
            check_growth(old_size, mth(leaves[:old_size]), size, mth(leaves), forged)


@given(st.integers(0, 5_000))
def test_peaks_cover_the_tree_from_left_to_right(size: int) -> None:
    end = 0
    for level, index in peaks_of(size):
        assert index << level == end
        end = (index + 1) << level
    assert end == size
    assert len(peaks_of(size)) == size.bit_count()
