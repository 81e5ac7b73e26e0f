"""The seat map of an event, as it is sent.

Owns which fields it takes. Checks type and range; whether names and ticket types make sense is for the engine to say.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from ...engine.commands import RowSpec, SectionSpec
from ...engine.limits import NAME_CHARACTERS_MAX, ROWS_MAX, SEATS_PER_ROW_MAX, SECTIONS_MAX
from .body import check_text, invalid_field

SeatName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_CHARACTERS_MAX,
        description=f'a string of 1 to {NAME_CHARACTERS_MAX} characters without "/"',
    ),
]
TypeOfSection = Annotated[
    Annotated[int, Meta(ge=1)] | Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)],
    Meta(description="the id or the name of a ticket type"),
]
SeatNumber = Annotated[int, Meta(ge=1, le=SEATS_PER_ROW_MAX)]
SeatsOfRow = Annotated[
    SeatNumber | Annotated[list[SeatNumber | str], Meta(max_length=SEATS_PER_ROW_MAX)],
    Meta(description=f"how many seats, from 1 to {SEATS_PER_ROW_MAX}, or the list of their numbers from 1 on"),
]
SeatNumbers = Annotated[
    list[SeatNumber], Meta(max_length=SEATS_PER_ROW_MAX, description="a list of numbers of seats in this row")
]


class RowBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: SeatName
    seats: SeatsOfRow
    accessible: SeatNumbers = []
    companions: SeatNumbers = []


class SectionBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: SeatName
    ticket_type: TypeOfSection
    rows: Annotated[list[RowBody], Meta(max_length=ROWS_MAX, description="a list of rows, the best first")]


class SeatMapBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    sections: Annotated[
        list[SectionBody], Meta(min_length=1, max_length=SECTIONS_MAX, description="a list of sections, the best first")
    ]


def section_specs(body: SeatMapBody, field: str = "seatMap") -> tuple[SectionSpec, ...]:
    """Raises RefusedError."""
    return tuple(
        SectionSpec(
            check_text(section.name, f"{field}.sections[{index}].name"),
            section.ticket_type,
            tuple(_row(row, f"{field}.sections[{index}].rows[{place}]") for place, row in enumerate(section.rows)),
        )
        for index, section in enumerate(body.sections)
    )


def _row(row: RowBody, field: str) -> RowSpec:
    seats = row.seats
    if isinstance(seats, list):
        if [str(seat) for seat in seats] != [str(number) for number in range(1, len(seats) + 1)]:
            raise invalid_field(f"{field}.seats", "must count from 1 on: 1, 2, 3, …; a number says how many there are")
        seats = len(seats)
    return RowSpec(check_text(row.name, f"{field}.name"), seats, tuple(row.accessible), tuple(row.companions))
