"""Waiting rooms as people live through them: joining, their turn, booking, leaving, lapsing."""

from typing import Any

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies as r
from onsale.engine.codes import Code
from onsale.engine.lot import digest_with, lot_of
from onsale.engine.room_view import room_now
from onsale.engine.status import (
    PLACE_ADMITTED,
    PLACE_HOLDING,
    PLACE_LAPSED,
    PLACE_LEFT,
    PLACE_SERVED,
    PLACE_WAITING,
    ROOM_CLOSED,
    ROOM_OPEN,
    ROOM_PAUSED,
)
from onsale.tests.engine.room_world import DAY_MS, HOLD_MS, SEED, START_MS, World

SECOND_MS = 1_000
TURN_MS = 300_000


def blind(admit_per_minute: int = 60, **more: Any) -> c.RoomSpec:
    return c.RoomSpec(admit_per_minute, by_stock=False, **more)


def statuses(world: World, users: str) -> list[int]:
    return [world.place(user).status for user in users]


def code_of(reply: Any) -> Code:
    assert isinstance(reply, r.Refusal), reply
    return reply.code


# --- joining


def test_numbers_are_given_in_the_order_of_arrival() -> None:
    world = World(room=blind(opens_ms=START_MS + 10_000))
    replies = [world.join(user) for user in "abc"]
    assert [reply.number for reply in replies] == [1, 2, 3]
    assert [reply.position for reply in replies] == [1, 2, 3]
    assert [reply.wait_seconds for reply in replies] == [10, 11, 12]
    assert all(reply.joined and reply.servable for reply in replies)


def test_joining_twice_gives_the_same_place() -> None:
    world = World(room=blind())
    first = world.join("ann")
    world.join("bob")
    facts = len(world.facts)
    again = world.join("ann")
    assert len(world.facts) == facts
    assert (again.arrival, again.number, again.joined, again.status) == (first.arrival, 1, False, PLACE_ADMITTED)


def test_who_cannot_join() -> None:
    world = World()
    assert code_of(world.ask(c.JoinQueue("ann", 9))) == Code.NO_SUCH_EVENT
    assert code_of(world.join("ann")) == Code.WRONG_STATUS  # there is no room
    world.change(room=c.RoomChange(admit_per_minute=60, state=ROOM_CLOSED))
    assert code_of(world.join("ann")) == Code.WRONG_STATUS
    world.wait(DAY_MS)
    assert code_of(world.join("ann")) == Code.NOT_ON_SALE


def test_who_has_all_the_tickets_a_user_may_have_need_not_queue() -> None:
    world = World(max_per_user=2)
    world.book("ann", 2)
    world.change(room=c.RoomChange(admit_per_minute=60))
    assert code_of(world.join("ann")) == Code.LIMIT_PER_USER


def test_an_event_that_asks_for_a_challenge_asks_when_joining() -> None:
    world = World(room=blind(), challenge=1)
    assert code_of(world.join("ann")) == Code.CHALLENGE_REQUIRED
    proof = c.Proof(b"p" * 16, START_MS + 60_000)
    assert isinstance(world.ask(c.JoinQueue("ann", 1, proof)), r.Queued)
    assert code_of(world.ask(c.JoinQueue("bob", 1, proof))) == Code.CHALLENGE_REQUIRED  # it counts once
    assert isinstance(world.ask(c.JoinQueue("ann", 1)), r.Queued)  # who has a place gets it again
    world.do_chores()
    assert isinstance(world.book("ann"), r.Booked)


# --- being let in


def test_people_are_let_in_at_the_rate_and_in_order() -> None:
    world = World(room=blind(60))
    for number in range(30):
        world.join(f"u-{number}")
    assert world.admitted == [1]
    world.wait(10 * SECOND_MS)
    assert world.admitted == list(range(1, 12))
    assert world.room.inside == 11


def test_a_slow_rate_and_a_fast_one() -> None:
    slow, fast = World(room=blind(6)), World(room=blind(60_000), checked=False)
    for number in range(3_000):
        slow.join(f"u-{number}") if number < 9 else None
        fast.ask(c.JoinQueue(f"u-{number}", 1))
    slow.wait(60 * SECOND_MS)
    assert slow.admitted == [1, 2, 3, 4, 5, 6, 7]
    fast.do_chores()
    fast.wait(1 * SECOND_MS)
    assert fast.admitted == list(range(1, 2_001))  # a second's worth at once, and a second's worth since


def test_a_rate_that_changes_holds_from_then_on() -> None:
    world = World(room=blind(60))
    for number in range(100):
        world.join(f"u-{number}")
    world.change(room=c.RoomChange(admit_per_minute=6))
    world.wait(20 * SECOND_MS)
    assert len(world.admitted) == 3
    world.change(room=c.RoomChange(admit_per_minute=600))
    world.wait(3 * SECOND_MS)
    assert 30 <= len(world.admitted) <= 3 + 10 + 30


def test_no_more_are_inside_than_may_be() -> None:
    world = World(room=blind(6_000, max_inside=3))
    for user in "abcdefg":
        world.join(user)
    world.wait(10 * SECOND_MS)
    assert world.admitted == [1, 2, 3]
    world.leave("b")
    world.wait(SECOND_MS)
    assert world.admitted == [1, 2, 3, 4]
    world.book("a")
    world.pay("a")
    world.wait(SECOND_MS)
    assert world.admitted == [1, 2, 3, 4, 5]
    world.wait(TURN_MS)
    assert world.admitted == [1, 2, 3, 4, 5, 6, 7]
    world.change(room=c.RoomChange(max_inside=None))


def test_by_stock_nobody_comes_in_for_whom_there_is_no_ticket() -> None:
    world = World(capacity=4, max_per_user=1, room=c.RoomSpec(6_000))
    for user in "abcdefgh":
        world.join(user)
    world.wait(10 * SECOND_MS)
    assert world.admitted == [1, 2, 3, 4]
    for user in "abcd":
        assert isinstance(world.book(user), r.Booked)
    world.wait(10 * SECOND_MS)
    assert world.admitted == [1, 2, 3, 4]
    world.pay("a")
    world.ask(c.GiveUp(2, HOLD_MS))  # makes room for one more
    world.do_chores()
    world.wait(SECOND_MS)
    assert world.admitted == [1, 2, 3, 4]  # b is inside still, and may take it again
    world.leave("b")
    world.wait(SECOND_MS)
    assert world.admitted == [1, 2, 3, 4, 5]


def test_the_last_ticket_brings_somebody_in_however_many_each_is_expected_to_take() -> None:
    world = World(capacity=1, room=c.RoomSpec(6_000))
    for user in "abc":
        world.join(user)
    world.wait(SECOND_MS)
    assert world.admitted == [1]
    world.wait(TURN_MS)  # who lets the turn pass makes room
    assert world.admitted == [1, 2]


def test_tickets_that_are_added_bring_people_in() -> None:
    world = World(capacity=1, max_per_user=1, room=c.RoomSpec(6_000))
    for user in "abcdef":
        world.join(user)
    world.book("a")
    world.pay("a")
    world.wait(10 * SECOND_MS)
    assert world.admitted == [1]
    assert room_now(world.sale, world.now_ms).state == "sold_out"
    world.change(types=(c.TypeChange(id=1, capacity=4),))
    world.wait(SECOND_MS)
    assert world.admitted == [1, 2, 3, 4]


def test_a_paused_room_lets_nobody_in_and_takes_people_in_line() -> None:
    world = World(room=blind(60))
    world.change(room=c.RoomChange(state=ROOM_PAUSED))
    for user in "abc":
        assert world.join(user).wait_seconds is None
    world.wait(60 * SECOND_MS)
    assert world.admitted == []
    world.change(room=c.RoomChange(state=ROOM_OPEN))
    assert world.admitted == [1]  # what was missed is not made up for
    world.change(room=c.RoomChange(state=ROOM_CLOSED))
    world.wait(60 * SECOND_MS)
    assert world.admitted == [1]
    assert isinstance(world.book("a"), r.Booked)  # whose turn it is may still book


# --- opening


def test_a_room_opens_when_the_sale_begins() -> None:
    world = World(room=blind(60), on_sale_ms=START_MS + 60_000)
    world.join("ann")
    world.wait(59_999)
    assert world.admitted == []
    assert code_of(world.book("ann")) == Code.TOO_EARLY
    world.wait(1)
    assert world.admitted == [1]
    assert isinstance(world.book("ann"), r.Booked)


def test_a_room_that_opens_after_the_sale_has_begun_keeps_everybody_out_until_then() -> None:
    world = World(room=blind(60, opens_ms=START_MS + 60_000))
    world.join("ann")
    assert code_of(world.book("ann")) == Code.QUEUE_REQUIRED
    world.wait(60_000)
    assert isinstance(world.book("ann"), r.Booked)


def test_a_sale_that_is_put_off_keeps_the_room_shut() -> None:
    world = World(room=blind(60), on_sale_ms=START_MS + 10_000)
    for user in "abc":
        world.join(user)
    world.change(on_sale_ms=START_MS + 30_000)
    world.wait(20_000)
    assert not world.room.opened
    world.wait(10_000)
    assert world.admitted == [1]
    world.change(on_sale_ms=START_MS + 60_000)  # again, though the room is open
    world.wait(20_000)
    assert world.admitted == [1]
    world.wait(10_000)
    assert world.admitted == [1, 2]


def test_who_came_before_the_opening_is_put_in_an_order_drawn_by_lot() -> None:
    world = World(room=blind(60_000, opens_ms=START_MS + 60_000, shuffle=True))
    users = [f"u-{number}" for number in range(50)]
    before = [world.join(user) for user in users]
    assert all((reply.number, reply.position, reply.wait_seconds) == (0, 0, None) for reply in before)
    world.leave("u-7")
    world.wait(60_000)
    late = world.join("late")
    digest = b""
    for user in users:
        digest = digest_with(digest, user)
    assert world.room.lot == lot_of(SEED, digest)
    numbers = [world.queue.number_of(arrival) for arrival in range(1, 51)]
    assert sorted(numbers) == list(range(1, 51))
    assert numbers != sorted(numbers)
    assert late.number == 51
    assert world.admitted == sorted(world.admitted)
    assert len(world.admitted) == 50
    assert world.place("u-7").status == PLACE_LEFT
    opened = next(fact for fact in world.facts if isinstance(fact, f.RoomOpened))
    assert opened.seed == SEED


def test_an_empty_room_with_a_draw_opens() -> None:
    world = World(room=blind(60, opens_ms=START_MS + 1_000, shuffle=True))
    world.wait(1_000)
    assert world.join("ann").number == 1
    assert world.admitted == [1]


# --- turns


def test_a_turn_that_is_not_taken_lapses_and_the_user_may_join_again_at_the_end() -> None:
    world = World(room=blind(60))
    for user in "abc":
        world.join(user)
    world.wait(TURN_MS - 1)
    assert world.place("a").status == PLACE_ADMITTED
    world.wait(1)
    assert world.place("a").status == PLACE_LAPSED
    assert world.room.turns_missed == 1
    reply = world.book("a")
    assert code_of(reply) == Code.QUEUE_REQUIRED
    assert reply.extra["reason"] == "over"
    assert world.join("a").number == 4


def test_a_turn_whose_end_nobody_has_noted_yet_is_over_all_the_same() -> None:
    world = World(room=blind(60))
    world.join("a")
    world.now_ms += TURN_MS
    reply: Any = world.ask(c.JoinQueue("a", 1))
    assert (reply.arrival, reply.joined) == (2, True)
    assert world.state.places.rows[1 << 32 | 1].status == PLACE_LAPSED
    world.do_chores()
    assert world.admitted == [1, 2]


def test_who_pays_is_served_and_makes_room() -> None:
    world = World(room=blind(60))
    world.join("a")
    world.book("a")
    assert (world.place("a").status, world.room.holding, world.room.turns_taken) == (PLACE_HOLDING, 1, 1)
    world.pay("a")
    assert (world.place("a").status, world.room.inside, world.room.holding) == (PLACE_SERVED, 0, 0)
    assert (world.room.tickets_taken, world.room.holds_paid) == (1, 1)


def test_who_loses_a_hold_may_book_again_while_the_turn_lasts() -> None:
    world = World(room=blind(60, turn_ms=2 * HOLD_MS))
    world.join("a")
    world.book("a", 3)
    world.wait(HOLD_MS)
    room = world.room
    assert (world.place("a").status, room.holding, room.inside) == (PLACE_ADMITTED, 0, 1)
    assert (room.turns_taken, room.tickets_taken, room.holds_lost) == (0, 0, 1)
    assert isinstance(world.book("a", 2), r.Booked)
    assert (room.turns_taken, room.tickets_taken) == (1, 2)


def test_a_hold_outlasts_the_turn_in_which_it_was_taken() -> None:
    world = World(room=blind(60))
    world.join("a")
    world.wait(TURN_MS - 1_000)
    world.book("a")
    world.wait(1_000)
    assert world.place("a").status == PLACE_LAPSED
    assert (world.room.inside, world.room.holding, world.room.turns_missed) == (0, 0, 0)
    assert isinstance(world.pay("a"), r.Paid)
    assert world.place("a").status == PLACE_SERVED
    assert world.room.holds_paid == 1


def test_who_waits_in_the_events_own_line_needs_no_turn_any_more() -> None:
    world = World(capacity=1, room=blind(60))
    for user in "ab":
        world.join(user)
    world.wait(SECOND_MS)
    world.book("a")
    assert isinstance(world.book("b"), r.InLine)
    assert world.place("b").status == PLACE_SERVED
    assert world.room.inside == 1
    world.wait(HOLD_MS)  # what a lets go goes to b, not to whoever is let in next
    (booking,) = world.sale.bookings_of("b")
    assert booking.status == 2
    assert booking.arrival == 2


def test_people_in_the_events_own_line_come_before_people_in_the_room() -> None:
    world = World(capacity=1, max_per_user=1)
    world.book("early")
    world.book("waits")
    world.change(room=c.RoomChange(admit_per_minute=6_000))
    for user in "abc":
        world.join(user)
    world.wait(HOLD_MS)
    assert world.sale.bookings_of("waits")[0].status == 2
    assert world.admitted == []


def test_leaving_gives_up_a_place_or_a_turn_once() -> None:
    world = World(room=blind(60))
    for user in "abcd":
        world.join(user)
    world.leave("c")
    assert world.room.waiting == 2
    assert isinstance(world.leave("c"), r.Done)
    world.leave("a")
    assert (world.room.inside, world.room.turns_missed) == (0, 1)
    world.wait(2 * SECOND_MS)
    assert world.admitted == [1, 2, 4]
    world.book("d")
    world.leave("d")
    assert world.place("d").status == PLACE_LEFT
    assert isinstance(world.pay("d"), r.Paid)  # what is held stays held
    assert code_of(world.ask(c.LeaveQueue(1, 99))) == Code.NOT_FOUND
    world.book("b")
    world.pay("b")
    assert code_of(world.ask(c.LeaveQueue(1, 2))) == Code.WRONG_STATUS


# --- who may book


def test_nobody_books_without_a_turn_of_their_own() -> None:
    world = World(room=blind(60))
    for user in "ab":
        world.join(user)
    missing, foreign, waiting = world.book("x"), world.book("x", as_of="a"), world.book("b")
    assert [code_of(reply) for reply in (missing, foreign, waiting)] == [Code.QUEUE_REQUIRED] * 3
    assert [reply.extra["reason"] for reply in (missing, foreign, waiting)] == ["missing", "foreign", "waiting"]
    assert (waiting.extra["number"], waiting.extra["nowServing"], waiting.extra["position"]) == (2, 1, 1)
    assert isinstance(world.book("a"), r.Booked)


def test_a_place_at_another_event_is_none_here() -> None:
    world = World(room=blind(60))
    world.ask(c.CreateEvent("Blues", START_MS + DAY_MS, (c.TypeSpec("Standing", "1.00", 5),), room=blind(60)))
    world.join("ann")
    place_id = world.place("ann").id
    reply: Any = world.ask(c.Book("ann", 2, HOLD_MS, place_id=place_id))
    assert reply.extra["reason"] == "missing"


# --- the end


def test_a_room_that_is_removed_lets_everybody_book() -> None:
    world = World(room=blind(60))
    for user in "abc":
        world.join(user)
    world.book("a")
    world.change(room=None)
    assert not world.state.places.rows
    assert not world.state.rooms.rows
    assert isinstance(world.book("b"), r.Booked)
    assert isinstance(world.pay("a"), r.Paid)
    world.change(room=c.RoomChange(admit_per_minute=60))
    world.join("a")  # arrival 1 of another room: the booking of the first one is none of it
    assert world.place("a").status == PLACE_ADMITTED


def test_places_go_with_the_end_of_the_sale_a_few_at_a_time() -> None:
    world = World(room=blind(60), checked=False)
    for number in range(1_200):
        world.ask(c.JoinQueue(f"u-{number}", 1))
    world.do_chores()
    world.book("u-0")
    world.checked = True
    world.ask(c.CancelEvent(1))
    world.do_chores()
    slices = [fact.through_arrival for fact in world.facts if isinstance(fact, f.PlacesForgotten)]
    assert slices == [512, 1024, 1200]
    assert (world.room.waiting, world.room.inside, world.room.holding) == (0, 0, 0)
    assert not world.queue.by_user
    world.check_restored()


def test_a_sale_that_goes_on_after_all_goes_on_with_its_room() -> None:
    world = World(room=blind(60), starts_ms=START_MS + 60_000)
    for user in "ab":
        world.join(user)
    world.wait(60_000)
    assert room_now(world.sale, world.now_ms).state == "closed"
    assert not world.state.places.rows
    world.change(starts_ms=START_MS + DAY_MS)
    assert world.join("b").number == 3
    assert world.place("b").status == PLACE_ADMITTED


def test_a_users_turn_is_told_to_them() -> None:
    world = World(room=blind(60))
    world.join("ann")
    told = [(each.user_id, each.kind, each.event_id, each.booking_id) for each in world.state.notices]
    assert told == [("ann", "admitted", 1, 0)]


def test_what_is_shown_of_a_room() -> None:
    world = World(capacity=10, max_per_user=2, room=c.RoomSpec(60))
    for number in range(12):
        world.join(f"u-{number}")
    now = room_now(world.sale, world.now_ms)
    assert (now.state, now.now_serving, now.last_number, now.waiting, now.inside) == ("open", 1, 12, 11, 1)
    assert now.servable_through == 10  # ten tickets, and one each as long as nothing else is known
    assert world.join("u-9").servable
    assert not world.join("u-10").servable
    assert world.join("u-10").wait_seconds is None
    assert world.place("u-11").status == PLACE_WAITING


def test_nobody_is_let_in_by_what_another_chore_of_that_moment_changes() -> None:
    """Two hold two tickets each and lose them in the very moment in which the next could come in."""
    world = World(capacity=5, max_per_user=2, room=c.RoomSpec(60))
    for user in "ab":
        world.join(user)
    world.wait(2 * SECOND_MS)
    for user in "ab":
        world.book(user, 2)
    for user in "cdef":
        world.join(user)
    world.wait(HOLD_MS - SECOND_MS)
    world.change(room=c.RoomChange(state=ROOM_PAUSED))
    world.wait(SECOND_MS - 1)
    world.now_ms += 1
    world.ask(c.ChangeEvent(1, room=c.RoomChange(state=ROOM_OPEN)))
    world.do_chores()  # each of them must lead to a fact
    world.wait(HOLD_MS)
    assert world.admitted == sorted(world.admitted)
