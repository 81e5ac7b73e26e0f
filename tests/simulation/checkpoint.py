"""A node's checkpoint without the database: rows and counters of one moment, as a start reads them.

Owns what is kept of a state, and the way back. Written whole or not at all, as the real one is.
"""

from dataclasses import dataclass
from typing import Any

from msgspec.msgpack import decode, encode

from onsale.engine.records import (
    Booking,
    Challenge,
    Concern,
    Delivery,
    Entry,
    Epoch,
    Event,
    Key,
    Member,
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
from onsale.engine.restore import restore
from onsale.engine.state import State, state_hash
from onsale.journal.batch import Position
from onsale.tests.engine.run import keys_as_stored

RECORDS: dict[str, type[Any]] = {
    "events": Event,
    "ticket_types": TicketType,
    "users": User,
    "bookings": Booking,
    "payments": Payment,
    "refunds": Refund,
    "keys": Key,
    "members": Member,
    "epochs": Epoch,
    "secrets": Secret,
    "entries": Entry,
    "deliveries": Delivery,
    "provider_events": ProviderEvent,
    "concerns": Concern,
    "rooms": Room,
    "places": Place,
    "seat_maps": SeatMap,
    "challenges": Challenge,
}


@dataclass(frozen=True)
class Checkpoint:
    position: Position
    counters: dict[str, int]
    hash: str
    rows: dict[str, tuple[bytes, ...]]

    def restore(self) -> State:
        rows = {name: [decode(row, type=RECORDS[name]) for row in found] for name, found in self.rows.items()}
        return restore(self.counters, **rows, expected_hash=self.hash)


def take(state: State, position: Position) -> Checkpoint:
    """`position`: of the batch that `state` ends with."""
    assert state.tables.keys() == RECORDS.keys(), "every table is in a checkpoint"
    rows = {}
    for name, table in state.tables.items():
        rows[name] = tuple(encode(table.rows[key]) for key in keys_as_stored(state, name))
    return Checkpoint(position, state.counters(), state_hash(state), rows)
