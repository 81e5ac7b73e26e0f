"""Whether a seat map makes sense: its names, its ticket types, and as many seats as there are tickets.

Owns how a wish for a seat map becomes a layout.
"""

from collections import Counter
from collections.abc import Mapping

from ..commands import RowSpec, SectionSpec
from ..limits import ROWS_MAX, SEATS_MAX, SEATS_PER_ROW_MAX, SECTIONS_MAX
from ..seats import Row, Seating, Section, encode_layout
from .shared import InvalidFieldError


def layout_of(sections: tuple[SectionSpec, ...], types: Mapping[int, tuple[str, int]]) -> bytes:
    """`types`: name and capacity by id. Raises InvalidFieldError."""
    if len(sections) > SECTIONS_MAX:
        raise InvalidFieldError("seatMap.sections", f"must list at most {SECTIONS_MAX} sections")
    by_name = {name: type_id for type_id, (name, _) in types.items()}
    made: list[Section] = []
    names = set[str]()
    for index, section in enumerate(sections):
        field = f"seatMap.sections[{index}]"
        _check_name(section.name, f"{field}.name", names)
        wanted = section.ticket_type
        type_id = by_name.get(wanted) if isinstance(wanted, str) else wanted
        if type_id is None and isinstance(wanted, str) and wanted.isascii() and wanted.isdigit() and len(wanted) < 20:
            type_id = int(wanted)
        if type_id is None or type_id not in types:
            known = ", ".join(by_name)
            raise InvalidFieldError(f"{field}.ticketType", f"is no ticket type of this event; it has: {known}")
        made.append(Section(section.name, type_id, _rows(section.rows, f"{field}.rows")))
    if sum(len(section.rows) for section in made) > ROWS_MAX:
        raise InvalidFieldError("seatMap", f"must have at most {ROWS_MAX} rows in all")
    if sum(row.seats for section in made for row in section.rows) > SEATS_MAX:
        raise InvalidFieldError("seatMap", f"must have at most {SEATS_MAX} seats in all")
    layout = encode_layout(tuple(made))
    check_capacities(Seating(layout), types)
    return layout


def _rows(rows: tuple[RowSpec, ...], field: str) -> tuple[Row, ...]:
    if not rows:
        raise InvalidFieldError(field, "must list at least one row")
    names, made = set[str](), []
    for index, row in enumerate(rows):
        where = f"{field}[{index}]"
        _check_name(row.name, f"{where}.name", names)
        if not 1 <= row.seats <= SEATS_PER_ROW_MAX:
            raise InvalidFieldError(f"{where}.seats", f"must be a whole number from 1 to {SEATS_PER_ROW_MAX}")
        for name, numbers in (("accessible", row.accessible), ("companions", row.companions)):
            if any(not 1 <= number <= row.seats for number in numbers):
                raise InvalidFieldError(f"{where}.{name}", f"must be numbers from 1 to {row.seats}")
        if any(count > 1 for count in Counter((*row.accessible, *row.companions)).values()):
            raise InvalidFieldError(f"{where}.accessible", "must not name a seat twice, nor one of the companions'")
        made.append(Row(row.name, row.seats, tuple(sorted(row.accessible)), tuple(sorted(row.companions))))
    return tuple(made)


def _check_name(name: str, field: str, names: set[str]) -> None:
    if "/" in name or not name.strip():
        raise InvalidFieldError(field, 'must not be blank, nor contain "/"')
    if name in names:
        raise InvalidFieldError(field, f'"{name}" is there twice')
    names.add(name)


def check_capacities(seating: Seating, types: Mapping[int, tuple[str, int]]) -> None:
    """There can't be more tickets of a type than seats. Raises InvalidFieldError."""
    for type_id, (name, capacity) in types.items():
        seats = seating.count(type_id)
        if seats and capacity > seats:
            raise InvalidFieldError(
                "ticketTypes", f'"{name}" has a capacity of {capacity}, and {seats} seats in the seat map'
            )
