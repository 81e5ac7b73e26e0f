"""Seat maps as JSON: every seat with its status, at one position of the journal.

Owns the field names, and the bytes of each row, which are made anew only when a seat of it has changed. A venue has
tens of thousands of seats: they are made a few rows at a time, so that no turn of the loop is long.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec

from ...engine.money import format_minor
from ...engine.sale import Sale
from ...engine.seats import ACCESSIBLE, COMPANION, FREE, HELD, SOLD, STANDARD, Seating

STATUS_NAMES: Final = {FREE: "available", HELD: "held", SOLD: "sold"}
KIND_NAMES: Final = {STANDARD: "standard", ACCESSIBLE: "accessible", COMPANION: "companion"}
SEATS_PER_TURN: Final = 256  # made for the first time, each takes some 5 microseconds
MAPS_KEPT: Final = 64
MARKS_KEPT: Final = 10_000

_encode = msgspec.json.Encoder().encode
_STATUSES: Final = {status: f'"{name}"}}'.encode() for status, name in STATUS_NAMES.items()}


class SeatDocument(msgspec.Struct, rename="camel"):
    id: str  # "section/row/number"
    number: int
    kind: str  # standard, accessible (room for a wheelchair), companion (beside one)
    status: str  # available, held, sold


class RowDocument(msgspec.Struct, rename="camel"):
    name: str
    seats: list[SeatDocument]


class SectionDocument(msgspec.Struct, rename="camel"):
    name: str
    ticket_type_id: int
    ticket_type: str
    price: str
    currency: str
    rows: list[RowDocument]


class SeatMapDocument(msgspec.Struct, rename="camel"):
    """As `SeatMap.body` writes it."""

    event_id: int
    seq: int
    available: int
    sections: list[SectionDocument]


class ChangedSeatDocument(msgspec.Struct, rename="camel"):
    id: str
    status: str


class ChangedSeatsDocument(msgspec.Struct, rename="camel"):
    """What is sent to those who watch a seat map; some of the seats may be as they were."""

    event_id: int
    seq: int
    seats: list[ChangedSeatDocument]


class SeatMap:
    """The bytes of one event's rows."""

    def __init__(self, seating: Seating) -> None:
        self.seating = seating
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS_KEPT)  # position and version
        self._versions = [-1] * len(seating.rows)
        self._rows: list[bytes] = [b""] * len(seating.rows)
        self._parts: list[list[bytes] | None] = [None] * len(seating.rows)  # of each seat, all but its status

    def mark(self, seq: int) -> None:
        """At this position the seats are as they are now."""
        marks, version = self._marks, self.seating.version
        if marks and marks[-1][1] == version:
            return
        marks.append((seq, version))

    def rows_changed_since(self, seq: int) -> list[int] | None:
        """The rows that may differ from what they were at a position; None: that is not known any more."""
        place = bisect_right(self._marks, seq, key=itemgetter(0)) - 1
        if place < 0:
            return None
        version = self._marks[place][1]
        return [row for row, changed in enumerate(self.seating.row_versions) if changed > version]

    def seats_of(self, row: int) -> list[ChangedSeatDocument]:
        section, of = self.seating.rows[row]
        return [
            ChangedSeatDocument(f"{section.name}/{of.name}/{number}", STATUS_NAMES[status])
            for number, status in enumerate(self.seating.statuses(row), start=1)
        ]

    def refresh(self) -> Iterator[None]:
        """Make the rows that have changed, some seats with each step."""
        made = 0
        for row, version in enumerate(self.seating.row_versions):
            if self._versions[row] != version:
                self._make(row)
                made += self.seating.rows[row][1].seats
                if made >= SEATS_PER_TURN:
                    made = 0
                    yield

    def row(self, row: int) -> bytes:
        """{"name": …, "seats": […]} as it is now."""
        if self._versions[row] != self.seating.row_versions[row]:
            self._make(row)
        return self._rows[row]

    def _make(self, row: int) -> None:
        parts = self._parts[row]
        section, of = self.seating.rows[row]
        if parts is None:
            parts = self._parts[row] = [
                b'{"id":%b,"number":%d,"kind":"%b","status":'
                % (_encode(f"{section.name}/{of.name}/{number}"), number, kind.encode())
                for number, kind in enumerate(self._kinds(row), start=1)
            ]
        statuses = self.seating.statuses(row)
        seats = b",".join([part + _STATUSES[status] for part, status in zip(parts, statuses, strict=True)])
        self._rows[row] = b'{"name":%b,"seats":[%b]}' % (_encode(of.name), seats)
        self._versions[row] = self.seating.row_versions[row]

    def _kinds(self, row: int) -> list[str]:
        _, of = self.seating.rows[row]
        accessible, companions = set(of.accessible), set(of.companions)
        return [
            KIND_NAMES[ACCESSIBLE if number in accessible else COMPANION if number in companions else STANDARD]
            for number in range(1, of.seats + 1)
        ]

    def body(self, sale: Sale, seq: int) -> bytes:
        """A SeatMapDocument; what is not fresh is made at once."""
        currency = sale.event.currency
        available = sum(each.available for each in sale.types.values() if self.seating.count(each.id))
        parts = [b'{"eventId":%d,"seq":%d,"available":%d,"sections":[' % (sale.event.id, seq, available)]
        row = 0
        for section in self.seating.sections:
            ticket_type = sale.types[section.ticket_type_id]
            price = format_minor(ticket_type.price_minor, currency).encode()
            parts.append(
                b'{"name":%b,"ticketTypeId":%d,"ticketType":%b,"price":"%b","currency":"%b","rows":['
                % (_encode(section.name), ticket_type.id, _encode(ticket_type.name), price, currency.encode())
            )
            for _ in section.rows:
                parts += (self.row(row), b",")
                row += 1
            parts[-1] = b"]}"
            parts.append(b",")
        parts[-1] = b"]}"
        return b"".join(parts)  # once: it is more than a megabyte


class SeatMaps:
    """Those of the events that were asked for last."""

    def __init__(self) -> None:
        self._maps: OrderedDict[int, SeatMap] = OrderedDict()  # by event

    def of(self, event_id: int, seating: Seating) -> SeatMap:
        known = self._maps.get(event_id)
        if known is None or known.seating is not seating:
            known = self._maps[event_id] = SeatMap(seating)
        self._maps.move_to_end(event_id)
        while len(self._maps) > MAPS_KEPT:
            self._maps.popitem(last=False)
        return known
