"""Rows by key, with what changed since the last checkpoint and a hash over all of them.

Owns change tracking. The hash is the sum of the rows' digests, so it does not depend on their order and costs only
what changed. Rule: call `touch` before changing a row. Rows are encoded as they stand in records.py.

A checkpoint takes the changes of one moment while the state goes on: `take` sets them aside at once, `Changes.encode`
encodes them a few at a time, and a row that is about to change before its turn is encoded first.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from hashlib import blake2b
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

K = TypeVar("K", int, str, bytes)
R = TypeVar("R", bound=msgspec.Struct)

HASH_MODULUS = 2**128
_encode = msgspec.msgpack.Encoder().encode


def digests(name: bytes, rows: Iterable[bytes]) -> int:
    """The sum of 128 bits over each encoded row and the name of the table it is in."""
    begun = blake2b(name, digest_size=16)  # copied for each row: half the price of a new one
    total = 0
    for row in rows:
        whole = begun.copy()
        whole.update(row)
        total += int.from_bytes(whole.digest(), "little")
    return total


def digest(name: bytes, row: bytes) -> int:
    """128 bits over one encoded row and the name of the table it is in."""
    return int.from_bytes(blake2b(name + row, digest_size=16).digest(), "little")


class Changes(Generic[K, R]):
    """What one checkpoint has to write of a table, as it was when it was taken."""

    __slots__ = ("_hash", "_table", "_unread", "archived", "changed", "encoded", "forgotten", "recalled")

    def __init__(self, table: "Table[K, R]") -> None:
        # by now some may have changed again: their rows of that moment are in `encoded`
        self.changed: MutableMapping[K, R] = table.changed
        self.archived: dict[K, R] = table.archived  # gone from memory, kept in the checkpoint's past_… table
        self.forgotten: dict[K, R] = table.forgotten  # gone altogether
        self.recalled: dict[K, None] = table.recalled  # back in memory, whatever has become of them since
        self.encoded: MutableMapping[K, bytes] = table.mapping()
        self._table: Table[K, R] = table
        self._unread: Iterator[tuple[K, R]] = iter(self.changed.items())
        self._hash = table.hash_settled

    @property
    def complete(self) -> bool:
        """Every row of the moment is encoded."""
        return len(self.encoded) == len(self.changed)

    @property
    def changed_rows(self) -> Iterator[bytes]:
        """Encoded as arrays, in the order in which they changed first where the table is `ordered`. Once complete, any
        thread may read them.
        """
        return map(self.encoded.__getitem__, self.changed)

    @property
    def archived_rows(self) -> Iterator[bytes]:
        """They never change again, so they are encoded when they are read."""
        return map(_encode, self.archived.values())

    @property
    def hash(self) -> int:
        """Of the whole table at that moment, once complete."""
        assert self.complete
        return self._hash % HASH_MODULUS

    def encode(self, limit: int) -> int:
        """Encode at most `limit` rows; how many it were."""
        rows = []
        for key, row in islice(self._unread, limit):
            if key not in self.encoded:
                self.encoded[key] = data = _encode(row)
                rows.append(data)
        total = digests(self._table.name, rows)
        self._hash += total
        self._table.hash_settled = (self._table.hash_settled + total) % HASH_MODULUS
        return len(rows)

    def release(self, limit: int) -> int:
        """Let go of at most `limit` rows of those that are written; how many it were, 0 when none are left.

        To free a million of them at once would take a tenth of a second. Nothing else may be asked of it afterwards.
        """
        if self._table.taken is self:
            self._table.taken = None
        released = 0
        rows: MutableMapping[K, Any]
        for rows in (self.encoded, self.changed, self.archived, self.forgotten, self.recalled):
            count = min(limit - released, len(rows))
            for _ in range(count):
                rows.popitem()
            released += count
        return released

    def waits_for(self, key: K) -> bool:
        """Whether a row has not had its turn, and is not to change before."""
        return key in self.changed and key not in self.encoded

    def encode_first(self, key: K, row: R) -> None:
        """Out of turn, for it is about to change."""
        self.encoded[key] = data = _encode(row)
        self._hash += digest(self._table.name, data)


class Table(Generic[K, R]):
    __slots__ = ("archived", "changed", "forgotten", "hash_settled", "mapping", "name", "recalled", "rows", "taken")

    def __init__(
        self, name: str, mapping: Callable[[], MutableMapping[K, Any]] = dict, *, ordered: bool = False
    ) -> None:
        """`mapping` makes what holds rows; another than a dict for tables that grow large. `ordered`: a checkpoint is
        given what changed in the order in which it did.
        """
        self.name = name.encode() + b"\0"
        self.mapping: Callable[[], MutableMapping[K, Any]] = dict if ordered else mapping  # of what changed
        self.rows: MutableMapping[K, R] = mapping()
        self.changed: MutableMapping[K, R] = self.mapping()
        self.archived: dict[K, R] = {}
        self.forgotten: dict[K, R] = {}
        self.recalled: dict[K, None] = {}
        self.taken: Changes[K, R] | None = None  # the last ones, which may not be encoded yet
        self.hash_settled = 0  # over the rows that are neither in `changed` nor waiting in `taken`

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, key: K, row: R) -> None:
        self.rows[key] = row
        self.changed[key] = row

    def recall(self, key: K, row: R) -> None:
        """Add what was archived before."""
        self.add(key, row)
        self.archived.pop(key, None)
        self.recalled[key] = None

    def touch(self, key: K, row: R) -> None:
        """Call before changing `row`."""
        if key not in self.changed:
            self._unsettle(key, row)
            self.changed[key] = row

    def drop(self, key: K, *, archive: bool) -> None:
        row = self.rows.pop(key)
        if key in self.changed:
            del self.changed[key]
        else:
            self._unsettle(key, row)
        (self.archived if archive else self.forgotten)[key] = row

    def _unsettle(self, key: K, row: R) -> None:
        """Take a row that is about to change out of the settled hash, or see that it is encoded before."""
        taken = self.taken
        if taken is not None and taken.waits_for(key):
            taken.encode_first(key, row)
        else:
            self.hash_settled -= digest(self.name, _encode(row))

    def restore(self, key: K, row: R) -> None:
        """Put back a row that the checkpoint holds as it stands."""
        self.rows[key] = row
        self.hash_settled += digest(self.name, _encode(row))

    def hash(self) -> int:
        """The sum over all rows; costs as much as there are changed ones."""
        unsettled = digests(self.name, map(_encode, self.changed.values()))
        if self.taken is not None and not self.taken.complete:
            waiting = (row for key, row in self.taken.changed.items() if self.taken.waits_for(key))
            unsettled += digests(self.name, map(_encode, waiting))
        return (self.hash_settled + unsettled) % HASH_MODULUS

    def take(self) -> Changes[K, R]:
        """Set aside what changed since the last call, in no time. The one before must be complete."""
        assert self.taken is None or self.taken.complete, "one checkpoint at a time"
        self.taken = Changes(self)
        self.changed, self.archived, self.forgotten, self.recalled = self.mapping(), {}, {}, {}
        return self.taken

    def take_changes(self) -> Changes[K, R]:
        """`take`, with every row encoded at once."""
        changes = self.take()
        changes.encode(len(changes.changed))
        return changes
