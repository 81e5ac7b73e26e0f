"""The checkpoint's tables: the engine's records column by column, so that `sqlite3` can read them.

Owns the layout, its version and the SQL that follows from it. A record's fields are the columns, in their order: a row
as the engine encodes it is bound as it stands, and a stored row makes a record as it stands. Never touches a row.

Whoever adds a field to a record (at its end, with a default), a table or a counter raises SCHEMA_VERSION: an older
database then gets the new columns when it is next opened.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import starmap
from typing import Any

import msgspec
from msgspec import inspect

from ..engine.records import (
    Booking,
    Challenge,
    Concern,
    Delivery,
    Entry,
    Epoch,
    Event,
    Key,
    Member,
    Notice,
    Payment,
    Place,
    ProviderEvent,
    Refund,
    Room,
    SeatMap,
    Secret,
    TicketType,
    User,
)

# Stored as PRAGMA user_version. 2: members, epochs, secrets, sync_standbys. 3: entries, deliveries, provider_events,
# concerns, mail, webhooks, what has been told of changes, and why payments failed.
# 4: rooms, places, seat maps, challenges
SCHEMA_VERSION = 4
NEW_COUNTERS = {"sync_standbys": 0, "mail": 0}  # what an older version did not count, as it would have been
PARAMETERS_MAX = 900  # per statement; SQLite before 3.32 takes 999

_SQL_TYPES: dict[type, str] = {
    inspect.IntType: "INTEGER",
    inspect.BoolType: "INTEGER",
    inspect.StrType: "TEXT",
    inspect.BytesType: "BLOB",
}


class Column(msgspec.Struct, frozen=True):
    name: str
    declaration: str  # its SQL type and constraints
    is_bool: bool


def _column(field: inspect.Field) -> Column:
    kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    nullable = any(isinstance(kind, inspect.NoneType) for kind in kinds)
    (kind,) = (kind for kind in kinds if not isinstance(kind, inspect.NoneType))
    declaration = _SQL_TYPES[type(kind)]
    if not nullable:
        declaration += " NOT NULL"
        if field.default is not msgspec.NODEFAULT:
            declaration += f" DEFAULT {_literal(field.default)}"
    return Column(field.name, declaration, isinstance(kind, inspect.BoolType))


def _literal(value: int | str | bytes) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(int(value))


class TableLayout:
    """One table: `record` gives the columns, the first of them is the key."""

    def __init__(self, name: str, record: type[Any], *, indexes: tuple[str, ...] = (), ordered: bool = False) -> None:
        self.name = name
        self.record = record
        info = inspect.type_info(record)
        assert isinstance(info, inspect.StructType)
        self.columns = tuple(_column(field) for field in info.fields)
        self.key = self.columns[0].name
        self.indexes = indexes
        # by which to load. What has no number of its own and must keep its order gets one: `place`
        self.order_by = "place" if ordered else self.key
        self._flags = [column.name for column in self.columns if column.is_bool]
        self.rows_per_statement = PARAMETERS_MAX // len(self.columns)

    @property
    def create(self) -> list[str]:
        """The statements that make the table and its indexes."""
        lines = ["place INTEGER PRIMARY KEY"] if self.order_by == "place" else []
        for column in self.columns:
            key = " UNIQUE" if self.order_by == "place" else " PRIMARY KEY"
            lines.append(f"{column.name} {column.declaration}{key if column.name == self.key else ''}")
        body = ",\n  ".join(lines)
        return [
            f"CREATE TABLE {self.name} (\n  {body}\n)",
            *(f"CREATE INDEX {self.name}_by_{by} ON {self.name} ({by}, {self.key})" for by in self.indexes),
        ]

    def add_missing(self, present: int) -> list[str]:
        """The statements that add the columns behind the first `present` ones."""
        return [
            f"ALTER TABLE {self.name} ADD COLUMN {column.name} {column.declaration}"
            for column in self.columns[present:]
        ]

    def present(self, database: sqlite3.Connection) -> int:
        """How many of the columns the database has, from the first on; 0 when there is no such table."""
        names = [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (self.name,))]
        wanted = [column.name for column in self.columns]
        return max(count for count in range(len(wanted) + 1) if not set(wanted[:count]) - set(names))

    @cached_property
    def names(self) -> str:
        return ", ".join(column.name for column in self.columns)

    def insert(self, count: int) -> str:
        """So many rows; fails when a key is there already."""
        marks = "(" + ", ".join("?" * len(self.columns)) + ")"
        return f"INSERT INTO {self.name} ({self.names}) VALUES {', '.join([marks] * count)}"  # noqa: S608 - no input

    def upsert(self, count: int) -> str:
        # what is indexed never changes, and SQLite need not look at the index of a column that is not set
        fixed = {self.key, *self.indexes}
        changes = ", ".join(
            f"{column.name} = excluded.{column.name}" for column in self.columns if column.name not in fixed
        )
        return f"{self.insert(count)} ON CONFLICT ({self.key}) DO UPDATE SET {changes}"

    def delete(self, count: int) -> str:
        return f"DELETE FROM {self.name} WHERE {self.key} IN ({', '.join('?' * count)})"  # noqa: S608 - no input

    def records(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Rows as they come from the database; SQLite has no booleans."""
        records = list(starmap(self.record, rows))
        for flag in self._flags:
            for record in records:
                setattr(record, flag, getattr(record, flag) == 1)
        return records

    def select(self, present: int) -> str:
        """Every row, its first `present` columns."""
        names = ", ".join(column.name for column in self.columns[:present])
        return f"SELECT {names} FROM {self.name} ORDER BY {self.order_by}"  # noqa: S608 - no input


# by the engine's names of its tables
LIVE = {
    "events": TableLayout("events", Event),
    "ticket_types": TableLayout("ticket_types", TicketType),
    "users": TableLayout("users", User),
    "bookings": TableLayout("bookings", Booking, indexes=("user_id",)),
    "payments": TableLayout("payments", Payment),
    "refunds": TableLayout("refunds", Refund, indexes=("booking_id",)),
    # they are forgotten in the order in which they came, and on every node alike
    "keys": TableLayout("idempotency_keys", Key, ordered=True),
    "members": TableLayout("members", Member),
    "epochs": TableLayout("epochs", Epoch),
    "secrets": TableLayout("secrets", Secret),
    "entries": TableLayout("entries", Entry),
    "deliveries": TableLayout("deliveries", Delivery),
    "provider_events": TableLayout("provider_events", ProviderEvent, ordered=True),  # forgotten as keys are
    "concerns": TableLayout("concerns", Concern),
    "rooms": TableLayout("rooms", Room),
    "places": TableLayout("places", Place),
    "seat_maps": TableLayout("seat_maps", SeatMap),
    "challenges": TableLayout("challenges", Challenge, ordered=True),  # forgotten as keys are
}
# what has left memory
PAST = {
    "bookings": TableLayout("past_bookings", Booking, indexes=("user_id",)),
    "payments": TableLayout("past_payments", Payment),
    "refunds": TableLayout("past_refunds", Refund, indexes=("booking_id",)),
}
NOTIFICATIONS = TableLayout("notifications", Notice, indexes=("user_id",))

_TABLES = (*LIVE.values(), *PAST.values(), NOTIFICATIONS)
TABLE_NAMES = {"position", "counters", *(table.name for table in _TABLES)}

_POSITION = """CREATE TABLE IF NOT EXISTS position (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  schema_version INTEGER NOT NULL,  -- of the rows that state_hash is over
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,  -- the last fact of the journal that is in these tables
  at_ms INTEGER NOT NULL,
  chain_hash BLOB NOT NULL,  -- of the batch that ends there
  state_hash TEXT NOT NULL,
  journal_id BLOB NOT NULL,
  checksum BLOB NOT NULL  -- over this row and the counters
)"""
_COUNTERS = "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL)"


def prepare(database: sqlite3.Connection, version: int) -> None:
    """Make the tables, or bring those of an older version up to date: in one transaction or not at all."""
    if version == SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for table in _TABLES:
            present = table.present(database)
            for statement in table.add_missing(present) if present else table.create:
                database.execute(statement)
        database.execute(_POSITION)
        database.execute(_COUNTERS)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
