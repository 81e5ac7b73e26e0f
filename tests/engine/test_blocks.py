"""Rows in blocks behave as a dict does."""

from collections.abc import Callable, MutableMapping
from sys import getsizeof
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine import blocks
from onsale.engine.blocks import BLOCK_BITS, FIRST, FIRST_ROWS_MAX, PARTS, ByDigest, ByName, Numbered, Scattered

BLOCK = 1 << BLOCK_BITS
# neighbours, block borders, and numbers as far apart as places of different events are
keys = st.sampled_from([1, 2, 3, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK, 1 << 32 | 1, 2 << 32 | 1])
steps = st.lists(st.tuples(st.sampled_from(["set", "delete", "pop", "setdefault"]), keys, st.integers(0, 9)))


# what a key of each kind is, made of those numbers
KINDS: dict[type, Callable[[int], Any]] = {
    Numbered: int,
    Scattered: int,
    ByDigest: lambda number: b"%c%d" % (number % 251, number),
    ByName: "é{}".format,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(steps=steps, few=st.integers(0, 4))
def test_it_holds_what_a_dict_would(kind: type, steps: list[tuple[str, int, int]], few: int) -> None:
    with mock.patch.object(blocks, "FIRST_ROWS_MAX", few):
        play(kind, steps)


def play(kind: type, steps: list[tuple[str, int, int]]) -> None:
    rows: MutableMapping[Any, int] = kind()
    model: dict[Any, int] = {}
    for what, number, value in steps:
        key = KINDS[kind](number)
        if what == "set":
            rows[key] = model[key] = value
        elif what == "setdefault":
            assert rows.setdefault(key, value) == model.setdefault(key, value)
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
        assert list(reversed(list(rows))) == list(reversed(rows))
    assert sorted(rows) == sorted(model)
    assert sorted(rows.items()) == sorted(model.items())
    assert sorted(rows.values()) == sorted(model.values())
    assert rows.keys() == model.keys()


@pytest.mark.parametrize(
    ("kind", "other"), [(Numbered, "1"), (Scattered, "1"), (ByDigest, "1"), (ByName, 1), (ByName, b"1")]
)
def test_keys_of_another_kind_are_not_there(kind: type, other: object) -> None:
    rows = kind()
    rows[KINDS[kind](1)] = "one"
    assert other not in rows


@pytest.mark.parametrize("kind", [Scattered, ByName])
def test_no_part_holds_much_more_than_its_share(kind: type) -> None:
    """Names that people have, with one end."""
    rows = kind()
    for number in range(FIRST_ROWS_MAX + 50 * PARTS):
        rows[f"someone-{number}@example.com" if kind is ByName else number * 7] = number
    first, *sizes = [len(block) for block in rows.blocks()]
    assert first == FIRST_ROWS_MAX
    assert len(sizes) == PARTS
    assert max(sizes) < 100


def test_few_rows_stand_in_one_block_and_again_once_they_are_few() -> None:
    rows: ByName[int] = ByName()
    with mock.patch.object(blocks, "FIRST_ROWS_MAX", 3):
        for number in range(6):
            rows[str(number)] = number
        assert [len(block) for block in rows.blocks()] == [3, 1, 1, 1]
        for number in (0, 1, 2):
            del rows[str(number)]
        rows["6"] = 6
        assert [len(block) for block in rows.blocks()] == [1, 1, 1, 1], "what stands in parts stays there"
        for number in (3, 4, 5, 6):
            del rows[str(number)]
        rows["7"], rows["8"] = 7, 8
        assert [len(block) for block in rows.blocks()] == [2]


def test_names_are_in_the_same_part_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "FIRST_ROWS_MAX", 0)
    rows: ByName[int] = ByName()
    rows["first"] = 0
    for number, name in enumerate(("ada", "bob", "é\ud800", "")):
        rows[name] = number
    assert list(rows._blocks) == [FIRST, 872, 320, 931, 0]


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


def test_blocks_of_numbers_give_back_the_room_of_those_that_left() -> None:
    """Of a thousand bookings a few are paid, and stay."""
    rows: Numbered[int] = Numbered()
    for number in range(20 * BLOCK):
        rows[number] = number
    full_bytes = sum(map(getsizeof, rows.blocks()))
    stay = range(0, 20 * BLOCK, 200)
    for number in range(20 * BLOCK):
        if number not in stay:
            del rows[number]
    assert dict(rows) == {number: number for number in stay}
    assert sum(map(getsizeof, rows.blocks())) < full_bytes / 50
