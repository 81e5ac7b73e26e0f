"""What an organiser says of a waiting room, as facts.

Owns which rules a room may have and when they may change. What people were told when they came stays true: whether
there is a draw, and the seed that was committed to, are settled once somebody has come; when the room opens is settled
once it has opened.
"""

from msgspec import UNSET

from ..commands import RoomChange, RoomSpec
from ..facts import Fact, RoomRemoved, RoomSet, RoomStateSet
from ..limits import ADMIT_PER_MINUTE_MAX, PLACES_MAX, SEED_BYTES, TURN_MS_DEFAULT, TURN_MS_MAX, TURN_MS_MIN
from ..records import Room
from ..sale import Sale
from ..state import State
from ..status import ROOM_BEFORE, ROOM_CLOSED, ROOM_OPEN, ROOM_PAUSED
from .shared import InvalidFieldError

_FIELD = "waitingRoom"


def room_facts(
    state: State, sale: Sale | None, event_id: int, change: RoomSpec | RoomChange | None, seed: bytes
) -> list[Fact]:
    """`sale` None: the event is being created. `change` None: it has no room any more. `seed`: by chance, for a lot.

    Raises InvalidFieldError.
    """
    room = None if sale is None or sale.queue is None else sale.queue.room
    if change is None:
        return [] if room is None else [RoomRemoved(event_id)]
    if room is None and event_id in state.rooms.rows:
        raise InvalidFieldError(_FIELD, "was removed a moment ago and is being cleared; try again in a moment")
    if isinstance(change, RoomChange):
        return _changed(room, event_id, change, seed)
    facts: list[Fact] = [_checked(_with_seed(_asked(event_id, change), room, seed), room)]
    return facts


def _asked(event_id: int, spec: RoomSpec) -> RoomSet:
    turn_ms = TURN_MS_DEFAULT if spec.turn_ms is None else spec.turn_ms
    return RoomSet(
        event_id, spec.admit_per_minute, spec.max_inside, spec.opens_ms, spec.shuffle, spec.by_stock, turn_ms, b""
    )


def _changed(room: Room | None, event_id: int, change: RoomChange, seed: bytes) -> list[Fact]:
    if room is not None:
        known = _rules_of(room)
    elif change.admit_per_minute is UNSET:
        raise InvalidFieldError(f"{_FIELD}.admitPerMinute", "is missing; the event has no waiting room yet")
    else:
        known = _asked(event_id, RoomSpec(change.admit_per_minute))
    asked = RoomSet(
        event_id,
        known.admit_per_minute if change.admit_per_minute is UNSET else change.admit_per_minute,
        known.max_inside if change.max_inside is UNSET else change.max_inside,
        known.opens_ms if change.opens_ms is UNSET else change.opens_ms,
        known.shuffle if change.shuffle is UNSET else change.shuffle,
        known.by_stock if change.by_stock is UNSET else change.by_stock,
        known.turn_ms if change.turn_ms is UNSET else change.turn_ms,
        b"",
    )
    asked = _checked(_with_seed(asked, room, seed), room)
    facts: list[Fact] = [] if room is not None and asked == known else [asked]
    if change.state is not UNSET:
        facts += _state_facts(room, event_id, change.state)
    return facts


def _state_facts(room: Room | None, event_id: int, wanted: int) -> list[Fact]:
    """A room that has not opened yet goes on gathering people when it is resumed: it opens at its own time."""
    if wanted not in (ROOM_OPEN, ROOM_PAUSED, ROOM_CLOSED):
        raise InvalidFieldError(f"{_FIELD}.state", "must be open, paused or closed")
    if wanted == ROOM_OPEN and (room is None or not room.opened):
        wanted = ROOM_BEFORE
    now = ROOM_BEFORE if room is None else room.state
    return [] if wanted == now else [RoomStateSet(event_id, wanted)]


def _rules_of(room: Room) -> RoomSet:
    return RoomSet(
        room.event_id, room.admit_per_minute, room.max_inside, room.opens_ms, room.shuffle, room.by_stock, room.turn_ms,
        room.seed,
    )  # fmt: skip


def _with_seed(asked: RoomSet, room: Room | None, seed: bytes) -> RoomSet:
    """What was committed to stays, as long as there is a draw."""
    if not asked.shuffle:
        return asked
    if room is not None and room.shuffle:
        seed = room.seed
    assert len(seed) == SEED_BYTES, "whoever hands in a draw hands in its seed"
    return RoomSet(
        asked.event_id, asked.admit_per_minute, asked.max_inside, asked.opens_ms, asked.shuffle, asked.by_stock,
        asked.turn_ms, seed,
    )  # fmt: skip


def _checked(asked: RoomSet, room: Room | None) -> RoomSet:
    if not 1 <= asked.admit_per_minute <= ADMIT_PER_MINUTE_MAX:
        raise InvalidFieldError(f"{_FIELD}.admitPerMinute", f"must be 1 to {ADMIT_PER_MINUTE_MAX}")
    if asked.max_inside is not None and not 1 <= asked.max_inside <= PLACES_MAX:
        raise InvalidFieldError(f"{_FIELD}.maxInside", f"must be 1 to {PLACES_MAX}, or null")
    if not TURN_MS_MIN <= asked.turn_ms <= TURN_MS_MAX:
        raise InvalidFieldError(f"{_FIELD}.turnSeconds", f"must be {TURN_MS_MIN // 1000} to {TURN_MS_MAX // 1000}")
    if room is not None and room.opened and asked.opens_ms != room.opens_ms:
        raise InvalidFieldError(f"{_FIELD}.opensAt", "cannot change once the room has opened")
    if room is not None and (room.arrivals or room.opened) and asked.shuffle != room.shuffle:
        raise InvalidFieldError(f"{_FIELD}.shuffleAtOpening", "cannot change once people have come")
    return asked
