"""Seats by name and number, and who has them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.seats import (
    ACCESSIBLE,
    COMPANION,
    FREE,
    HELD,
    SOLD,
    STANDARD,
    Row,
    Seating,
    Section,
    decode_layout,
    encode_layout,
    packed,
    unpacked,
)

HALL = (
    Section("Stalls", 7, (Row("A", 4, (1,), (2,)), Row("B", 3))),
    Section("Circle", 8, (Row("A", 2),)),
    Section("Box", 7, (Row("1", 2),)),
)


@pytest.fixture
def seating() -> Seating:
    return Seating(encode_layout(HALL))


def names_of(seating: Seating, seats: tuple[int, ...] | None) -> list[str] | None:
    return None if seats is None else [seating.name(seat) for seat in seats]


NAMES = st.text(st.characters(blacklist_characters="/", blacklist_categories=["Cs"]), min_size=1, max_size=5)
LAYOUTS = st.dictionaries(
    NAMES,
    st.tuples(st.integers(1, 9), st.dictionaries(NAMES, st.integers(1, 12), min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
).map(
    lambda sections: tuple(
        Section(name, type_id, tuple(Row(row, seats) for row, seats in rows.items()))
        for name, (type_id, rows) in sections.items()
    )
)


@given(LAYOUTS)
def test_every_seat_has_a_name_of_its_own(sections: tuple[Section, ...]) -> None:
    layout = encode_layout(sections)
    assert decode_layout(layout) == sections
    seating = Seating(layout)
    names = [
        f"{section.name}/{row.name}/{number}"
        for section in sections
        for row in section.rows
        for number in range(1, row.seats + 1)
    ]
    assert [seating.name(seat) for seat in range(seating.seats)] == names
    assert [seating.find(name) for name in names] == list(range(len(names)))
    types = [section.ticket_type_id for section in sections for row in section.rows for _ in range(row.seats)]
    assert [seating.type_of(seat) for seat in range(seating.seats)] == types
    assert {each: seating.count(each) for each in types} == {each: types.count(each) for each in types}
    assert seating.count(10) == 0


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "//", "Stalls", "Stalls/A", "Stalls/A/", "Stalls/A/0", "Stalls/A/5", "Stalls/A/-1", "Stalls/A/01",
        "Stalls/A/1/1", "Stalls/A/ 1", "Stalls/A/1 ", "Stalls/A/٣", "Stalls/A/²", "Stalls/A/1.0", "Stalls/A/+1",
        "stalls/A/1", "Circle/B/1", "Stalls/A/" + "9" * 5000, "\0", "Stalls//1",
    ],
)  # fmt: skip
def test_a_seat_that_does_not_exist(seating: Seating, name: str) -> None:
    assert seating.find(name) is None


def test_kinds_and_places(seating: Seating) -> None:
    assert [seating.kind(seat) for seat in range(4)] == [ACCESSIBLE, COMPANION, STANDARD, STANDARD]
    assert seating.place(6) == (HALL[0], HALL[0].rows[1], 3)
    assert [seating.row_of(seat) for seat in (0, 3, 4, 6, 7, 8, 9, 10)] == [0, 0, 1, 1, 2, 2, 3, 3]


@given(st.frozensets(st.integers(0, 200_000), max_size=20))
def test_seats_of_a_booking_as_text(seats: frozenset[int]) -> None:
    assert unpacked(packed(seats)) == tuple(sorted(seats))


def test_a_layout_that_was_not_made_here() -> None:
    for text in (b"", b"\x90\x90", msgspec.msgpack.encode([["A", 1]]), msgspec.msgpack.encode("A")):
        with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
            decode_layout(text)


def test_who_has_a_seat(seating: Seating) -> None:
    seating.mark((2, 3), HELD)
    assert seating.statuses(0) == bytes([FREE, FREE, HELD, HELD])
    seating.mark((2, 3), SOLD)
    seating.mark((3,), HELD)  # a payment that was taken back
    assert [seating.status(seat) for seat in range(5)] == [FREE, FREE, SOLD, HELD, FREE]
    assert names_of(seating, seating.best(7, 3)) == ["Stalls/B/1", "Stalls/B/2", "Stalls/B/3"]
    seating.mark((2, 3), FREE)
    assert names_of(seating, seating.best(7, 2)) == ["Stalls/A/3", "Stalls/A/4"]


def test_versions_tell_which_rows_changed(seating: Seating) -> None:
    assert (seating.version, seating.row_versions) == (0, [0, 0, 0, 0])
    seating.mark((2, 4), HELD)
    assert (seating.version, seating.row_versions) == (1, [1, 1, 0, 0])
    seating.mark((4,), SOLD)
    assert (seating.version, seating.row_versions) == (2, [1, 2, 0, 0])
    seating.mark((4,), SOLD)
    assert seating.row_versions == [1, 2, 0, 0], "it is as it was"


def test_types_do_not_mix(seating: Seating) -> None:
    assert names_of(seating, seating.best(8, 2)) == ["Circle/A/1", "Circle/A/2"]
    assert seating.best(8, 3) is None
    assert seating.best(9, 1) is None
    assert names_of(seating, seating.best(7, 9)) == [
        seating.name(seat) for seat in range(seating.seats) if seating.type_of(seat) == 7
    ]


def test_seats_for_wheelchair_users(seating: Seating) -> None:
    assert names_of(seating, seating.best(7, 3, accessible=1)) == ["Stalls/A/1", "Stalls/A/2", "Stalls/A/3"]
    assert seating.best(7, 3, accessible=2) is None
    assert seating.best(8, 1, accessible=1) is None
    seating.mark((1, 2, 3), SOLD)
    assert names_of(seating, seating.best(7, 2, accessible=1)) == ["Stalls/A/1", "Stalls/B/1"]


def test_several_are_served_from_a_copy(seating: Seating) -> None:
    seating.mark(range(11), HELD)
    gaps = seating.gaps_with(7, (4, 5, 6))
    first = gaps.best(2)
    assert first is not None
    gaps.take_all(first)
    second = gaps.best(1)
    assert second is not None
    assert sorted(first + second) == [4, 5, 6]
    gaps.take_all(second)
    assert gaps.best(1) is None
    assert seating.best(7, 1) is None, "it was a copy"
