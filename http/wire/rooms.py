"""The bodies about waiting rooms, as commands.

Owns which fields they take. Checks type and range; the engine says what may change when.
"""

from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...engine.commands import RoomChange, RoomSpec
from ...engine.limits import ADMIT_PER_MINUTE_MAX, PLACES_MAX, TURN_MS_MAX, TURN_MS_MIN
from ...engine.status import ROOM_CLOSED, ROOM_OPEN, ROOM_PAUSED
from .body import BodyDecoder, Id, Instant, Switch, UserId, check_user_id, invalid_field, to_id, to_ms

STATES: Final = {"open": ROOM_OPEN, "paused": ROOM_PAUSED, "closed": ROOM_CLOSED}
_FIELD: Final = "waitingRoom"

AdmitPerMinute = Annotated[
    int, Meta(ge=1, le=ADMIT_PER_MINUTE_MAX, description=f"a whole number from 1 to {ADMIT_PER_MINUTE_MAX}")
]
MaxInside = Annotated[int, Meta(ge=1, le=PLACES_MAX, description=f"a whole number from 1 to {PLACES_MAX}")]
TurnSeconds = Annotated[
    int,
    Meta(
        ge=TURN_MS_MIN // 1000,
        le=TURN_MS_MAX // 1000,
        description=f"a whole number of seconds from {TURN_MS_MIN // 1000} to {TURN_MS_MAX // 1000}",
    ),
]
RoomState = Annotated[Literal["open", "paused", "closed"], Meta(description='one of "open", "paused" and "closed"')]


class RoomBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    admit_per_minute: AdmitPerMinute
    max_inside: MaxInside | None = None
    opens_at: Instant | None = None
    shuffle_at_opening: Switch = False
    admit_by_stock: Switch = True
    turn_seconds: TurnSeconds | None = None  # the usual time


class RoomChangeBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is left out stays; null clears what may be empty."""

    admit_per_minute: AdmitPerMinute | UnsetType = UNSET
    max_inside: MaxInside | UnsetType | None = UNSET
    opens_at: Instant | UnsetType | None = UNSET
    shuffle_at_opening: Switch | UnsetType = UNSET
    admit_by_stock: Switch | UnsetType = UNSET
    turn_seconds: TurnSeconds | UnsetType = UNSET
    state: RoomState | UnsetType = UNSET


class JoinQueueBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    user_id: UserId
    event_id: Id | None = None  # as in the path
    challenge: Annotated[str, Meta(description="a string")] | None = None


class Joining(NamedTuple):
    user_id: str
    challenge: str | None


_join: Final = BodyDecoder(JoinQueueBody)


def room_spec(body: RoomBody) -> RoomSpec:
    return RoomSpec(
        body.admit_per_minute,
        max_inside=body.max_inside,
        opens_ms=None if body.opens_at is None else to_ms(body.opens_at, f"{_FIELD}.opensAt"),
        shuffle=body.shuffle_at_opening,
        by_stock=body.admit_by_stock,
        turn_ms=None if body.turn_seconds is None else body.turn_seconds * 1000,
    )


def room_change(body: RoomChangeBody) -> RoomChange:
    opens_at = body.opens_at
    return RoomChange(
        admit_per_minute=body.admit_per_minute,
        max_inside=body.max_inside,
        opens_ms=to_ms(opens_at, f"{_FIELD}.opensAt") if isinstance(opens_at, str) else opens_at,
        shuffle=body.shuffle_at_opening,
        by_stock=body.admit_by_stock,
        turn_ms=UNSET if body.turn_seconds is UNSET else body.turn_seconds * 1000,
        state=UNSET if body.state is UNSET else STATES[body.state],
    )


def joining(body: bytes, event_id: int) -> Joining:
    """Raises RefusedError."""
    asked = _join.decode(body)
    if asked.event_id is not None and to_id(asked.event_id, "eventId") != event_id:
        raise invalid_field("eventId", "is not the event in the path; leave it out")
    if not asked.user_id.isprintable():
        check_user_id(asked.user_id)
    return Joining(asked.user_id, asked.challenge)
