"""How often it is worth asking: by how many ask, and by how soon one may be let in."""

from onsale.engine import commands as c
from onsale.engine.room_view import place_view, room_glance, room_now
from onsale.engine.status import ROOM_PAUSED, WAITLIST_OFF
from onsale.tests.engine.room_world import START_MS, World

PEOPLE = 200


def asks_again(world: World, user_id: str) -> int:
    view = place_view(world.sale, world.place(user_id), world.now_ms)
    glance = room_glance(world.sale, view, world.now_ms)
    assert glance.state == room_now(world.sale, world.now_ms).state
    return glance.refresh_seconds


def crowded(world: World) -> World:
    """As many as make the room ask for patience."""
    for number in range(1, PEOPLE + 1):
        world.join(f"u-{number}")
    world.checked = False
    world.room.waiting += 240_000
    return world


def test_the_next_ones_ask_sooner_than_the_crowd() -> None:
    world = crowded(World(capacity=1_000, room=c.RoomSpec(600, opens_ms=START_MS + 5_000)))
    assert room_now(world.sale, world.now_ms).refresh_seconds == 48
    assert asks_again(world, "u-1") == 5, "at the opening"
    assert asks_again(world, "u-100") == 15
    assert asks_again(world, "u-200") == 25
    world.room.admit_per_minute = 60
    assert asks_again(world, "u-200") == 48, "no more seldom than the others"


def test_nobody_asks_more_often_where_nothing_happens_or_all_is_over() -> None:
    paused = crowded(World(capacity=1_000, room=c.RoomSpec(600, opens_ms=START_MS + 5_000)))
    paused.room.state = ROOM_PAUSED
    assert asks_again(paused, "u-1") == 48
    few = World(capacity=1, waitlist=WAITLIST_OFF, room=c.RoomSpec(60, by_stock=False))
    few.join("ann")
    few.join("bob")
    assert asks_again(few, "ann") == asks_again(few, "bob") == 2
    few.sale.types[1].sold = 1
    few.room.waiting += 240_000
    assert asks_again(few, "bob") == 48
