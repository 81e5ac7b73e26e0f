"""Whether two states add up to the same: said once, and only where both are of one position."""

import pytest

from onsale.node.hash_comparison import HashComparison


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def comparison(said: list[str]) -> HashComparison:
    return HashComparison(said.append)


@pytest.mark.parametrize("own_first", [True, False])
def test_the_same(comparison: HashComparison, said: list[str], own_first: bool) -> None:
    for own in (own_first, not own_first):
        assert comparison.compared_seq == 0
        (comparison.own if own else comparison.theirs)(7, "3:abc")
    assert comparison.compared_seq == 7
    assert not said


@pytest.mark.parametrize("own_first", [True, False])
def test_not_the_same(comparison: HashComparison, said: list[str], own_first: bool) -> None:
    for own in (own_first, not own_first):
        (comparison.own if own else comparison.theirs)(7, "3:here" if own else "3:there")
    (sentence,) = said
    assert "up to seq 7 adds up to 3:here here, and to 3:there at the primary" in sentence
    assert comparison.compared_seq == 0


def test_other_positions_are_not_compared(comparison: HashComparison, said: list[str]) -> None:
    comparison.own(7, "3:abc")
    comparison.theirs(9, "3:xyz")
    comparison.own(8, "3:def")
    comparison.own(9, "3:xyz")
    assert comparison.compared_seq == 9
    assert not said


def test_what_was_compared_once_is_not_compared_again(comparison: HashComparison, said: list[str]) -> None:
    comparison.own(7, "3:abc")
    comparison.theirs(7, "3:abc")
    comparison.theirs(7, "3:abc")
    assert (comparison.compared_seq, said) == (7, [])


def test_of_other_versions_nothing_is_said(comparison: HashComparison, said: list[str]) -> None:
    comparison.own(7, "3:abc")
    comparison.theirs(7, "4:xyz")
    assert (comparison.compared_seq, said) == (0, [])
