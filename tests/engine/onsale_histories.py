"""What a crowd does in the first minute of a sale: waiting rooms, lots, seats, challenges, any of several types."""

from random import Random
from typing import TYPE_CHECKING

from onsale.engine import commands as c
from onsale.engine.records import Booking, Place
from onsale.engine.replies import PaymentUnderway, RefundReply
from onsale.engine.state import State
from onsale.engine.status import (
    CONFIRMED,
    COUNTS_AS_HELD,
    HELD,
    PLACE_ENDED,
    PLACE_INSIDE,
    ROOM_OPEN,
    ROOM_PAUSED,
    WAITING,
)

if TYPE_CHECKING:
    from onsale.tests.engine.histories import History

HOLD_MS = 300_000
ROUND = 12  # steps, before it all begins anew with other events
ROWS = (c.RowSpec("1", 5, accessible=(1,), companions=(2,)), c.RowSpec("2", 5))


def onsale_step(history: "History", number: int) -> None:
    """One of a round: people gather, the room opens, they book, it is paused, goes on, and is removed."""
    random, step = Random(number), number % ROUND
    if step == 0:
        begin_round(history, number)
    rush, pair = event_called(history.state, "Rush"), event_called(history.state, "Pair")
    if not rush or not pair:
        return
    _come_and_go(history, random, number, rush)
    _book_in_turn(history, random, rush)
    _book_any(history, random, pair)
    if step == 6:
        history.do(c.ChangeEvent(rush, room=c.RoomChange(state=ROOM_PAUSED)))
    if step == 7:
        history.do(c.ChangeEvent(rush, room=c.RoomChange(state=ROOM_OPEN, admit_per_minute=120, turn_ms=20_000)))
    if step == 8:
        history.do(c.ChangeEvent(pair, types=(c.TypeChange(name="One", capacity=free_down_to(history.state, pair)),)))
    if step == 10:
        history.do(c.CancelEvent(pair) if number % 2 else c.ChangeEvent(pair, seat_map=()))
    if step == 11:
        history.do(c.ChangeEvent(rush, room=None))
    history.pass_time(random.choice((500, 2_000, 8_000)))


def begin_round(history: "History", number: int) -> None:
    history.event(
        ("Stalls", "20.00", 9), ("Floor", "10.00", 6), name="Rush", max_per_user=4, challenge=1,
        seat_map=(c.SectionSpec("A", "Stalls", ROWS),), waitlist=1 + number // ROUND % 2,
        room=c.RoomSpec(600, max_inside=5, opens_ms=history.now_ms + 3_000, shuffle=True, turn_ms=30_000),
        seed=bytes([number % 250]) * 32,
    )  # fmt: skip
    rows = (c.RowSpec("x", 3), c.RowSpec("y", 3))
    history.event(
        ("One", "10.00", 3), ("Two", "12.00", 4), name="Pair", max_per_user=6, offer_ms=40_000,
        waitlist=1 + number // ROUND % 2, seat_map=(c.SectionSpec("B", "Two", rows),),
    )  # fmt: skip


def event_called(state: State, name: str) -> int:
    """The latest; 0: there is none."""
    return max((event.id for event in state.events.rows.values() if event.name == name), default=0)


def free_down_to(state: State, event_id: int) -> int:
    """A capacity as small as can be, so that groups who wait are too large."""
    one = state.sales[event_id].types_by_name["One"]
    return max(one.held + one.sold, 1)


def places_of(state: State, event_id: int) -> list[Place]:
    return [place for place in state.places.rows.values() if place.event_id == event_id]


def _come_and_go(history: "History", random: Random, number: int, event_id: int) -> None:
    for user in random.sample(range(30), 4):
        proof = c.Proof(f"{number}:{user}".encode().ljust(16), history.now_ms + 60_000)
        evidence = c.Evidence(40 + user, 3) if user % 5 == 0 else None
        history.do(c.JoinQueue(f"guest-{user}", event_id, proof, evidence))
    live = [place for place in places_of(history.state, event_id) if place.status not in PLACE_ENDED]
    if live and random.random() < 0.5:
        history.do(c.LeaveQueue(event_id, random.choice(live).arrival))


def _book_in_turn(history: "History", random: Random, event_id: int) -> None:
    inside = [place for place in places_of(history.state, event_id) if place.status in PLACE_INSIDE]
    for place in inside[:3]:
        command = random.choice(
            (
                c.Book(place.user_id, event_id, HOLD_MS, "Stalls", 2, place_id=place.id),
                c.Book(place.user_id, event_id, HOLD_MS, "Floor", random.randint(1, 3), place_id=place.id),
                c.Book(place.user_id, event_id, HOLD_MS, None, 1, seats=("A/2/5",), place_id=place.id),
                c.Book(place.user_id, event_id, HOLD_MS, "Stalls", 2, accessible=1, place_id=place.id),
            )
        )
        history.do(command)
    _pay_or_go(history, random, event_id)


def _book_any(history: "History", random: Random, event_id: int) -> None:
    for user in random.sample(range(30), 3):
        types = random.choice((("One", "Two"), ("Two", "One"), ("One",)))
        history.do(c.Book(f"guest-{user}", event_id, HOLD_MS, quantity=random.randint(1, 3), ticket_types=types))
    _pay_or_go(history, random, event_id)


def _pay_or_go(history: "History", random: Random, event_id: int) -> None:
    mine = [booking for booking in history.state.bookings.rows.values() if booking.event_id == event_id]
    held = [booking for booking in mine if booking.status in COUNTS_AS_HELD]
    if held and random.random() < 0.4:
        _confirm(history, random.choice(held))
    if event_id % 2 == 0 and (sold := [booking for booking in mine if booking.status == CONFIRMED]):
        _refund(history, sold[0].id)
    going = [booking for booking in mine if booking.status in (HELD, WAITING)]
    if going and random.random() < 0.3:
        history.do(c.GiveUp(random.choice(going).id, HOLD_MS))


def _refund(history: "History", booking_id: int) -> None:
    """Somebody waits for the answer; it fails, and is asked for again."""
    key = c.Idempotency(booking_id.to_bytes(16), b"refund-of-a-seat")
    reply = history.do(c.StartRefund(booking_id, HOLD_MS), key)
    if isinstance(reply, RefundReply):
        history.do(c.StopWaiting(refund_id=reply.refund_id))
        history.do(c.SettleRefund(reply.refund_id, None, "account closed"))
        history.do(c.RetryRefund(reply.refund_id))


def _confirm(history: "History", booking: Booking) -> None:
    amount = f"{booking.amount_minor / 100:.2f}"
    paid = history.do(c.StartPayment(booking.user_id, booking.event_id, amount, booking.id, "pm_card_visa"))
    if isinstance(paid, PaymentUnderway):
        history.settle(paid.payment_id)
