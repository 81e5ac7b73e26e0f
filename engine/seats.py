"""A venue's seats: the map, who has which seat, and which are the best that are free.

Owns the layout's encoding, and the occupancy that follows from bookings. A seat is a number, its place in the map from
0; people see "section/row/number". Pure; what `best` answers follows from map and occupancy alone, so it is the same
on every node, though only the one that decides asks.

One row is one integer whose bits are its free seats, so that looking for so many seats side by side takes a few
operations on it; and a row known to have no such gap is not looked at again until a seat in front is given back.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from .best_seats import Gaps, RowGaps

FREE: Final = 0
HELD: Final = 1
SOLD: Final = 2

STANDARD: Final = 0
ACCESSIBLE: Final = 1  # room for a wheelchair
COMPANION: Final = 2  # beside one


class Row(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Seats 1 to `seats`; the others are numbers among them."""

    name: str
    seats: int
    accessible: tuple[int, ...] = ()
    companions: tuple[int, ...] = ()


class Section(msgspec.Struct, array_like=True, gc=False, frozen=True):
    name: str
    ticket_type_id: int
    rows: tuple[Row, ...]


_decoder = msgspec.msgpack.Decoder(tuple[Section, ...])


def encode_layout(sections: tuple[Section, ...]) -> bytes:
    """What facts and rows hold."""
    return msgspec.msgpack.encode(sections)


def decode_layout(layout: bytes) -> tuple[Section, ...]:
    """Raises msgspec.DecodeError or msgspec.ValidationError for what `encode_layout` did not make."""
    return _decoder.decode(layout)


def packed(seats: Iterable[int]) -> str:
    """As a booking's row holds them: ascending, by commas."""
    return ",".join(map(str, sorted(seats)))


def unpacked(seats: str) -> tuple[int, ...]:
    return tuple(map(int, seats.split(","))) if seats else ()


class Place(NamedTuple):
    """Where a seat is."""

    section: Section
    row: Row
    number: int  # from 1


class Seating:
    """The seats of one event. `seats`: how many; `version` grows with every change."""

    def __init__(self, layout: bytes) -> None:
        self.sections = decode_layout(layout)
        self.rows: list[tuple[Section, Row]] = []
        self.firsts: list[int] = []  # by row, its first seat
        self.row_versions: list[int] = []  # by row, the version at which a seat of it changed last
        self.version = 0
        self._rows_by_name: dict[tuple[str, str], int] = {}
        self._counts: dict[int, int] = {}
        self._gaps: dict[int, Gaps] = {}  # by ticket type
        self.seats = 0
        for section in self.sections:
            gaps = self._gaps.setdefault(section.ticket_type_id, Gaps())
            for row in section.rows:
                self._rows_by_name[section.name, row.name] = len(self.rows)
                self.rows.append((section, row))
                self.firsts.append(self.seats)
                self.row_versions.append(0)
                gaps.add(RowGaps(self.seats, row.seats, row.accessible, row.companions))
                self._counts[section.ticket_type_id] = self._counts.get(section.ticket_type_id, 0) + row.seats
                self.seats += row.seats
        self._statuses = bytearray(self.seats)

    def count(self, ticket_type_id: int) -> int:
        """How many seats are of this type; 0: it is not seated."""
        return self._counts.get(ticket_type_id, 0)

    def row_of(self, seat: int) -> int:
        """Its index among `rows`."""
        return bisect_right(self.firsts, seat) - 1

    def place(self, seat: int) -> Place:
        row = self.row_of(seat)
        return Place(*self.rows[row], seat - self.firsts[row] + 1)

    def name(self, seat: int) -> str:
        section, row, number = self.place(seat)
        return f"{section.name}/{row.name}/{number}"

    def find(self, name: str) -> int | None:
        section, _, rest = name.partition("/")
        row_name, _, number = rest.partition("/")
        row = self._rows_by_name.get((section, row_name))
        if row is None or not number.isascii() or not number.isdigit() or len(number) > 9 or number.startswith("0"):
            return None
        return self.firsts[row] + int(number) - 1 if int(number) <= self.rows[row][1].seats else None

    def type_of(self, seat: int) -> int:
        return self.rows[self.row_of(seat)][0].ticket_type_id

    def kind(self, seat: int) -> int:
        """STANDARD, ACCESSIBLE or COMPANION."""
        _, row, number = self.place(seat)
        return ACCESSIBLE if number in row.accessible else COMPANION if number in row.companions else STANDARD

    def status(self, seat: int) -> int:
        """FREE, HELD or SOLD."""
        return self._statuses[seat]

    def statuses(self, row: int) -> bytes:
        """Of a row's seats, in order."""
        return bytes(self._statuses[self.firsts[row] : self.firsts[row] + self.rows[row][1].seats])

    def mark(self, seats: Iterable[int], status: int) -> None:
        """Whoever takes a seat has made sure that it is free; held ones may become sold."""
        self.version += 1
        moved: dict[int, list[int]] = {}  # by ticket type: from free to taken or back
        for seat in seats:
            before = self._statuses[seat]
            if before == status:
                continue
            row = self.row_of(seat)
            if FREE in (before, status):
                moved.setdefault(self.rows[row][0].ticket_type_id, []).append(seat)
            self._statuses[seat] = status
            self.row_versions[row] = self.version
        for type_id, of_type in moved.items():
            gaps = self._gaps[type_id]
            if status == FREE:
                gaps.give_back_all(of_type)
            else:
                gaps.take_all(of_type)

    def best(self, ticket_type_id: int, quantity: int, *, accessible: int = 0) -> tuple[int, ...] | None:
        """The best seats of a type that are free now, ascending.

        Side by side in the first row, in the order of the map, that has so many; without leaving a single seat behind
        where a row nearby allows it; seats for wheelchair users and their companions last, unless `accessible` of them
        are asked for. Where no row has so many: in as few pieces as possible, near each other. None: there are not
        enough.
        """
        gaps = self._gaps.get(ticket_type_id)
        if gaps is None:
            return None
        return gaps.best_accessible(quantity, accessible) if accessible else gaps.best(quantity)

    def gaps_with(self, ticket_type_id: int, freed: Iterable[int]) -> Gaps:
        """A copy of what is free, and `freed` too: several people can be served from it, one after the other."""
        gaps = self._gaps[ticket_type_id].copy()
        gaps.give_back_all(freed)
        return gaps
