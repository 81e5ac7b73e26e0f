"""Rows, what changed of them, and the hash over all: the incremental one is the one from scratch."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.engine.records import Key, User
from onsale.engine.table import HASH_MODULUS, Table, digest

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "change", "archive", "forget", "take"]), st.integers(0, 5)), max_size=60
)


def from_scratch(table: Table) -> int:
    return sum(digest(table.name, msgspec.msgpack.encode(row)) for row in table.rows.values()) % HASH_MODULUS


@settings(max_examples=300, derandomize=True, deadline=None)
@given(STEPS)
def test_hash_and_changes_against_a_copy(steps):
    """`stored` is what a database has that was handed every change."""
    table, stored, past, forgotten = Table("users"), {}, {}, set()
    for number, (what, key) in enumerate(steps):
        name = f"u{key}"
        if what == "add" and name not in table.rows and name not in past:
            table.add(name, User(name, str(number), None, None))
        elif what == "change" and name in table.rows:
            table.touch(name, table.rows[name])
            table.rows[name].email = str(number)
        elif what in {"archive", "forget"} and name in table.rows:
            table.drop(name, archive=what == "archive")
            past.update({name: number} if what == "archive" else {})
            forgotten.add(name)
        elif what == "take":
            take(table, stored)
        assert table.hash() == from_scratch(table)
    take(table, stored)
    assert stored == {name: msgspec.msgpack.encode(row) for name, row in table.rows.items()}
    assert table.hash() == from_scratch(table)
    assert not take(table, stored)
    restored: Table[str, User] = Table("users")
    for name, row in stored.items():
        restored.restore(name, msgspec.msgpack.decode(row, type=User))
    assert restored.hash() == table.hash()
    assert not take(restored, {})


def take(table: Table, stored: dict[str, bytes]) -> int:
    """What a checkpoint does: first what is gone, then what is new."""
    changes = table.take_changes()
    for name in (*changes.forgotten, *changes.archived):
        stored.pop(name, None)
    assert list(changes.changed_rows) == [msgspec.msgpack.encode(row) for row in changes.changed.values()]
    assert list(changes.archived_rows) == [msgspec.msgpack.encode(row) for row in changes.archived.values()]
    stored.update(zip(changes.changed, changes.changed_rows, strict=True))
    return len(changes.changed) + len(changes.archived) + len(changes.forgotten)


def test_the_hash_does_not_depend_on_the_order_of_rows():
    users = [User(f"u{number}", None, None, None) for number in range(5)]
    forwards, backwards = Table("users"), Table("users")
    for user in users:
        forwards.add(user.id, user)
    for user in reversed(users):
        backwards.add(user.id, user)
    assert forwards.hash() == backwards.hash() != 0


def test_the_hash_depends_on_the_table():
    user = User("u", None, None, None)
    here, there = Table("users"), Table("others")
    here.add("u", user)
    there.add("u", user)
    assert here.hash() != there.hash()


def test_a_row_that_was_forgotten_and_came_again_moves_to_the_end():
    """Both are handed out, and what is gone is to be written first: see journal/checkpoint.py."""
    table: Table[bytes, Key] = Table("keys")
    for digest_ in (b"a", b"b"):
        table.add(digest_, Key(digest_, b"", b"", 1))
    table.take_changes()
    table.drop(b"a", archive=False)
    table.add(b"a", Key(b"a", b"", b"", 2))
    changes = table.take_changes()
    assert list(changes.forgotten) == list(changes.changed) == [b"a"]
    assert list(table.rows) == [b"b", b"a"]


def test_only_what_changed_is_handed_out():
    table: Table[str, User] = Table("users")
    for number in range(3):
        table.add(f"u{number}", User(f"u{number}", None, None, None))
    assert list(table.take_changes().changed) == ["u0", "u1", "u2"]
    table.touch("u1", table.rows["u1"])
    table.rows["u1"].name = "One"
    assert list(table.take_changes().changed) == ["u1"]
    assert not table.take_changes().changed
    assert len(table) == 3


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "change", "drop", "take", "encode", "encode"]), st.integers(0, 9)),
        max_size=80,
    )
)
def test_what_is_taken_stays_as_it_was_at_that_moment(steps: list[tuple[str, int]]) -> None:
    """However the rows change before they are encoded; and the hash counts every row once, at any moment."""
    table: Table[str, User] = Table("users")
    shown: dict[str, bytes] = {}  # by key, at the moment of the last take
    taken = table.take_changes()
    for counted, (what, number) in enumerate(steps):
        key = f"u{number}"
        row = table.rows.get(key)
        if what == "add" and row is None:
            table.forgotten.pop(key, None)
            table.add(key, User(key, str(counted), None, None))
        elif what == "change" and row is not None:
            table.touch(key, row)
            row.name = str(counted)
        elif what == "drop" and row is not None:
            table.drop(key, archive=False)
        elif what == "encode":
            taken.encode(number)
        elif what == "take" and taken.complete:
            shown = {each: msgspec.msgpack.encode(table.changed[each]) for each in table.changed}
            expected_hash = table.hash()
            taken = table.take()
        assert table.hash() == from_scratch(table)
    if taken.changed:
        taken.encode(len(taken.changed))
        assert dict(zip(taken.changed, taken.changed_rows, strict=True)) == shown
        assert taken.hash == expected_hash
    assert table.hash() == from_scratch(table)
