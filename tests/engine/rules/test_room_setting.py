"""Which rules a waiting room may have, and when they may change."""

from typing import Any

import pytest
from msgspec import UNSET

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies as r
from onsale.engine.codes import Code
from onsale.engine.status import ROOM_BEFORE, ROOM_CLOSED, ROOM_OPEN, ROOM_PAUSED
from onsale.tests.engine.room_world import SEED, START_MS, World

LATER_MS = START_MS + 3_600_000


def refused(reply: Any) -> str:
    assert isinstance(reply, r.Refusal), reply
    assert reply.code == Code.INVALID_FIELD
    assert reply.extra is not None
    return str(reply.extra["field"])


def test_an_event_is_made_with_a_room() -> None:
    world = World(room=c.RoomSpec(60, max_inside=7, opens_ms=LATER_MS, turn_ms=20_000))
    assert world.facts[1] == f.RoomSet(1, 60, 7, LATER_MS, shuffle=False, by_stock=True, turn_ms=20_000, seed=b"")
    assert world.room.state == ROOM_BEFORE


def test_an_event_without_a_room_gets_one_and_loses_it() -> None:
    world = World()
    assert world.sale.queue is None
    assert refused(world.change(room=c.RoomChange(max_inside=3))) == "waitingRoom.admitPerMinute"
    reply = world.change(room=c.RoomChange(admit_per_minute=60))
    assert reply.room == r.RoomView(60, None, None, shuffle=False, by_stock=True, turn_ms=300_000, state=ROOM_BEFORE)
    assert world.room.state == ROOM_OPEN  # opened by itself
    assert world.change(room=None).room is None
    assert world.sale.queue is None
    assert not world.state.rooms.rows


def test_what_is_left_out_stays_and_what_is_the_same_is_no_fact() -> None:
    world = World(room=c.RoomSpec(60, max_inside=7))
    world.change(room=c.RoomChange(admit_per_minute=90))
    assert (world.room.admit_per_minute, world.room.max_inside) == (90, 7)
    world.change(room=c.RoomChange(max_inside=None))
    assert world.room.max_inside is None
    before = [fact for fact in world.facts if isinstance(fact, f.RoomSet)]
    world.change(room=c.RoomChange(admit_per_minute=90, by_stock=True))
    assert [fact for fact in world.facts if isinstance(fact, f.RoomSet)] == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (c.RoomChange(admit_per_minute=0), "admitPerMinute"),
        (c.RoomChange(max_inside=0), "maxInside"),
        (c.RoomChange(turn_ms=9_999), "turnSeconds"),
        (c.RoomChange(state=ROOM_BEFORE), "state"),
    ],
)
def test_what_is_out_of_bounds_is_named(change: c.RoomChange, field: str) -> None:
    assert refused(World(room=c.RoomSpec(60)).change(room=change)) == f"waitingRoom.{field}"


def test_the_opening_cannot_be_moved_once_it_was() -> None:
    world = World(room=c.RoomSpec(60, opens_ms=LATER_MS))
    world.change(room=c.RoomChange(opens_ms=START_MS + 1_000))
    world.wait(1_000)
    assert world.room.opened
    assert refused(world.change(room=c.RoomChange(opens_ms=LATER_MS))) == "waitingRoom.opensAt"
    assert refused(world.change(room=c.RoomChange(shuffle=True))) == "waitingRoom.shuffleAtOpening"


def test_the_draw_is_settled_once_somebody_has_come() -> None:
    world = World(room=c.RoomSpec(60, opens_ms=LATER_MS))
    world.change(room=c.RoomChange(shuffle=True))
    assert world.room.seed == SEED[::-1]
    world.join("ann")
    assert refused(world.change(room=c.RoomChange(shuffle=False))) == "waitingRoom.shuffleAtOpening"


def test_the_seed_that_was_committed_to_stays() -> None:
    world = World(room=c.RoomSpec(60, opens_ms=LATER_MS, shuffle=True))
    world.change(room=c.RoomChange(admit_per_minute=10))
    assert world.room.seed == SEED


def test_a_room_is_paused_resumed_and_closed() -> None:
    world = World(room=c.RoomSpec(60))
    for state in (ROOM_PAUSED, ROOM_OPEN, ROOM_CLOSED, ROOM_OPEN):
        assert world.change(room=c.RoomChange(state=state)).room.state == state
        assert world.room.state == state


def test_a_room_that_is_resumed_before_its_opening_opens_at_its_own_time() -> None:
    world = World(room=c.RoomSpec(60, opens_ms=START_MS + 60_000))
    world.change(room=c.RoomChange(state=ROOM_PAUSED))
    world.wait(120_000)
    assert not world.room.opened
    assert world.change(room=c.RoomChange(state=ROOM_OPEN)).room.state == ROOM_BEFORE
    assert world.room.opened  # its time had come
    world = World(room=c.RoomSpec(60, opens_ms=START_MS + 60_000))
    world.change(room=c.RoomChange(state=ROOM_OPEN))
    assert world.room.state == ROOM_BEFORE


def test_a_room_that_was_removed_is_cleared_before_there_is_another() -> None:
    world = World(room=c.RoomSpec(60, opens_ms=LATER_MS))
    for number in range(600):
        world.ask(c.JoinQueue(f"u-{number}", 1))
    world.ask(c.ChangeEvent(1, room=None))
    assert refused(world.ask(c.ChangeEvent(1, room=c.RoomChange(admit_per_minute=1), seed=SEED))) == "waitingRoom"
    world.do_chores()
    assert not world.state.places.rows
    world.change(room=c.RoomChange(admit_per_minute=1))
    assert world.room.arrivals == 0


def test_unset_is_not_none() -> None:
    assert c.ChangeEvent(1).room is UNSET
