"""The body of a check-in.

Owns which fields it takes.
"""

from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from .body import BodyDecoder, Id, check_text, to_id

PLACE_CHARACTERS_MAX: Final = 100

Place = Annotated[
    str, Meta(max_length=PLACE_CHARACTERS_MAX, description=f"a string of at most {PLACE_CHARACTERS_MAX} characters")
]


class CheckInBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    place: Place | None = None
    event_id: Id | None = None


class Door(NamedTuple):
    """Where a ticket is shown. `place` "", `event_id` 0: that is not said."""

    place: str
    event_id: int


_check_in: Final = BodyDecoder(CheckInBody, may_be_empty=True)


def check_in_body(body: bytes) -> Door:
    asked = _check_in.decode(body)
    event_id = 0 if asked.event_id is None else to_id(asked.event_id, "eventId")
    return Door(check_text(asked.place or "", "place"), event_id)
