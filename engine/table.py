"""Rows by key, with what changed since the last checkpoint and a hash over all of them.

Owns change tracking. The hash is the sum of the rows' digests, so it does not depend on their order and costs only
what changed. Rule: call `touch` before changing a row. Rows are encoded as they stand in records.py.
"""

from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K", int, str, bytes)
R = TypeVar("R", bound=msgspec.Struct)

HASH_MODULUS = 2**128
_encode = msgspec.msgpack.Encoder().encode


def digest(name: bytes, row: bytes) -> int:
    """128 bits over an encoded row and the name of the table it is in."""
    return int.from_bytes(blake2b(name + row, digest_size=16).digest(), "little")


class Changes(msgspec.Struct, Generic[K, R], gc=False):
    """What one checkpoint has to write of a table: rows as encoded arrays."""

    changed: dict[K, R]
    changed_rows: list[bytes]
    archived: dict[K, R]  # gone from memory, kept in the checkpoint's past_… table
    archived_rows: list[bytes]
    forgotten: dict[K, R]  # gone altogether


class Table(Generic[K, R]):
    __slots__ = ("archived", "changed", "forgotten", "hash_settled", "name", "rows")

    def __init__(self, name: str) -> None:
        self.name = name.encode() + b"\0"
        self.rows: dict[K, R] = {}
        self.changed: dict[K, R] = {}
        self.archived: dict[K, R] = {}
        self.forgotten: dict[K, R] = {}
        self.hash_settled = 0  # over the rows that are not in `changed`

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, key: K, row: R) -> None:
        self.rows[key] = row
        self.changed[key] = row

    def touch(self, key: K, row: R) -> None:
        """Call before changing `row`."""
        if key not in self.changed:
            self.hash_settled -= digest(self.name, _encode(row))
            self.changed[key] = row

    def drop(self, key: K, *, archive: bool) -> None:
        row = self.rows.pop(key)
        if key in self.changed:
            del self.changed[key]
        else:
            self.hash_settled -= digest(self.name, _encode(row))
        (self.archived if archive else self.forgotten)[key] = row

    def restore(self, key: K, row: R) -> None:
        """Put back a row that the checkpoint holds as it stands."""
        self.rows[key] = row
        self.hash_settled += digest(self.name, _encode(row))

    def hash(self) -> int:
        """The sum over all rows; costs as much as there are changed ones."""
        unsettled = sum(digest(self.name, _encode(row)) for row in self.changed.values())
        return (self.hash_settled + unsettled) % HASH_MODULUS

    def take_changes(self) -> Changes[K, R]:
        """Hand out what changed since the last call, and count it as written."""
        changed, archived, forgotten = self.changed, self.archived, self.forgotten
        changed_rows = [_encode(row) for row in changed.values()]
        self.hash_settled = (self.hash_settled + sum(digest(self.name, row) for row in changed_rows)) % HASH_MODULUS
        self.changed, self.archived, self.forgotten = {}, {}, {}
        return Changes(changed, changed_rows, archived, [_encode(row) for row in archived.values()], forgotten)
