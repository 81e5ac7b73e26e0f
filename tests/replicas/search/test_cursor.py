"""Cursors: each belongs to its own search, and garbage is told apart."""

import re

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from onsale.engine.search import SearchRequest
from onsale.replicas.search.cursor import BadCursor, Position, read_cursor, write_cursor

NOON_MS = 1_800_000_000_000
REQUEST = SearchRequest(search="night", city="Zürich", start_ms=5)


def test_a_cursor_reads_back_for_its_own_request() -> None:
    position = Position(3, NOON_MS, 2**62)
    cursor = write_cursor(REQUEST, position)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert read_cursor(msgspec.structs.replace(REQUEST, cursor=cursor, limit=3)) == position
    assert read_cursor(REQUEST) is None


@pytest.mark.parametrize(
    "other",
    [
        {"search": "nights"},
        {"city": ""},
        {"start_ms": 6},
        {"start_ms": None},
        {"end_ms": 9},
        {"name": "x"},
        {"category": "x"},
    ],
)
def test_a_cursor_is_bound_to_its_request(other: dict[str, str | int | None]) -> None:
    cursor = write_cursor(REQUEST, Position(0, 0, 1))
    with pytest.raises(BadCursor):
        read_cursor(msgspec.structs.replace(REQUEST, cursor=cursor, **other))


@given(st.text(min_size=1, max_size=60) | st.binary(min_size=1, max_size=40).map(lambda data: data.hex()))
@settings(max_examples=300, deadline=None)
def test_garbage_is_a_bad_cursor(garbage: str) -> None:
    with pytest.raises(BadCursor, match="repeat the search"):
        read_cursor(msgspec.structs.replace(REQUEST, cursor=garbage))


def test_a_changed_cursor_is_a_bad_cursor() -> None:
    cursor = write_cursor(REQUEST, Position(1, NOON_MS, 77))
    for place in range(len(cursor) - 1):  # the last character has bits that mean nothing
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(BadCursor):
            read_cursor(msgspec.structs.replace(REQUEST, cursor=changed))
