"""Rows in blocks behave as a dict does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.numbered import BLOCK_BITS, Numbered

BLOCK = 1 << BLOCK_BITS
# neighbours, block borders, and numbers as far apart as places of different events are
keys = st.sampled_from([1, 2, 3, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK, 1 << 32 | 1, 2 << 32 | 1])
steps = st.lists(st.tuples(st.sampled_from(["set", "delete", "pop"]), keys, st.integers(0, 9)))


@given(steps)
def test_it_holds_what_a_dict_would(steps: list[tuple[str, int, int]]) -> None:
    rows: Numbered[int] = Numbered()
    model: dict[int, int] = {}
    for what, key, value in steps:
        if what == "set":
            rows[key] = model[key] = value
        elif what == "pop":
            assert rows.pop(key, None) == model.pop(key, None)
        elif key in model:
            del rows[key], model[key]
        else:
            with pytest.raises(KeyError):
                del rows[key]
        assert rows == model
        assert len(rows) == len(model)
        assert bool(rows) == bool(model)
        assert rows.get(key) == model.get(key)
        assert (key in rows) == (key in model)
    assert sorted(rows) == sorted(model)
    assert sorted(rows.items()) == sorted(model.items())
    assert rows.keys() == model.keys()


def test_what_is_not_there_is_a_key_error() -> None:
    rows: Numbered[str] = Numbered()
    rows[1] = "one"
    for missing in (2, 5 * BLOCK):
        with pytest.raises(KeyError):
            rows[missing]
        assert rows.get(missing) is None
        assert rows.get(missing, "none") == "none"
    assert "1" not in rows


def test_numbers_that_ascend_come_out_ascending() -> None:
    rows: Numbered[int] = Numbered()
    for number in range(1, 3 * BLOCK):
        rows[number] = number
    for number in range(1, 3 * BLOCK, 2):
        del rows[number]
    assert list(rows.values()) == list(range(2, 3 * BLOCK, 2))


def test_taking_one_after_the_other_empties_it() -> None:
    rows: Numbered[int] = Numbered()
    for number in range(3 * BLOCK):
        rows[number] = -number
    taken = {}
    while rows:
        number, row = rows.popitem()
        taken[number] = row
    assert taken == {number: -number for number in range(3 * BLOCK)}
    assert not rows._blocks
    with pytest.raises(KeyError):
        rows.popitem()


def test_a_block_that_is_empty_is_let_go() -> None:
    rows: Numbered[int] = Numbered()
    for number in range(100 * BLOCK):
        rows[number] = number
        if number >= 10:
            del rows[number - 10]
    assert len(rows) == 10
    assert len(rows._blocks) <= 2
