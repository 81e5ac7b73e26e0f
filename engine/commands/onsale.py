"""Wishes about the first minute of a sale: the waiting room, and what came with a booking to keep bots out.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec
from msgspec import UNSET, UnsetType


class RoomSpec(msgspec.Struct, gc=False, frozen=True):
    admit_per_minute: int
    max_inside: int | None = None
    opens_ms: int | None = None
    shuffle: bool = False
    by_stock: bool = True
    turn_ms: int | None = None  # None: limits.TURN_MS_DEFAULT


class RoomChange(msgspec.Struct, gc=False, frozen=True):
    """What is left UNSET stays as it is. For an event without a room, `admit_per_minute` makes one."""

    admit_per_minute: int | UnsetType = UNSET
    max_inside: int | UnsetType | None = UNSET
    opens_ms: int | UnsetType | None = UNSET
    shuffle: bool | UnsetType = UNSET
    by_stock: bool | UnsetType = UNSET
    turn_ms: int | UnsetType = UNSET
    state: int | UnsetType = UNSET  # status.ROOM_OPEN, ROOM_PAUSED or ROOM_CLOSED


class RowSpec(msgspec.Struct, gc=False, frozen=True):
    """Seats 1 to `seats` of one row; `accessible` and `companions` are numbers among them."""

    name: str
    seats: int
    accessible: tuple[int, ...] = ()
    companions: tuple[int, ...] = ()


class SectionSpec(msgspec.Struct, gc=False, frozen=True):
    name: str
    ticket_type: int | str  # id or name
    rows: tuple[RowSpec, ...]


class Proof(msgspec.Struct, gc=False, frozen=True):
    """A challenge, solved: ours, in time and right. That it was not used before is for `decide` to say."""

    digest: bytes  # 16 bytes that name the challenge
    expires_ms: int


class Evidence(msgspec.Struct, gc=False, frozen=True):
    """What speaks for a program rather than a person; see facts.Suspected."""

    score: int
    signals: int


class JoinQueue(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    proof: Proof | None = None
    evidence: Evidence | None = None


class LeaveQueue(msgspec.Struct, gc=False, frozen=True):
    event_id: int
    arrival: int


# What the engine asks of itself when its time has come.


class OpenRoom(msgspec.Struct, gc=False, frozen=True):
    event_id: int


class Admit(msgspec.Struct, gc=False, frozen=True):
    """Let in as many as rate, room and stock allow by now."""

    event_id: int


class LapseTurns(msgspec.Struct, gc=False, frozen=True):
    event_id: int
    arrivals: tuple[int, ...]


class ForgetPlaces(msgspec.Struct, gc=False, frozen=True):
    """Some more of the places in a waiting room that nobody needs any more."""

    event_id: int
