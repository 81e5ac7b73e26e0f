"""What an audit notices of waiting rooms, seats, challenges and lines of several ticket types."""

from collections.abc import Callable

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.audit.auditor import Auditor
from onsale.engine.state import State
from onsale.engine.status import PLACE_INSIDE, ROOM_PAUSED
from onsale.tests.engine.histories import HOLD_MS, START_MS, History, busy_history

SEED = bytes(range(32))
TURN_MS = 60_000


def proof(number: int) -> c.Proof:
    return c.Proof(bytes([number]) * 16, START_MS + 10**6)


def onsale() -> History:
    """1 has room, lot, seats and challenge, 2 any of two types; the turns of two have begun, and one holds seats."""
    history = History()
    rows = (c.RowSpec("1", 3), c.RowSpec("2", 3))
    history.event(
        ("Stalls", "20.00", 6), ("Floor", "10.00", 9), max_per_user=4, challenge=1, seed=SEED,
        seat_map=(c.SectionSpec("A", "Stalls", rows),),
        room=c.RoomSpec(60, max_inside=2, opens_ms=START_MS + 5_000, shuffle=True, turn_ms=TURN_MS),
    )  # fmt: skip
    history.event(("One", "10.00", 1), ("Two", "12.00", 3), offer_ms=20_000)
    for number in range(4):
        history.do(c.JoinQueue(f"user-{number}", 1, proof(number)))
    for _ in range(4):
        history.pass_time(5_000)
    inside = [place for place in history.state.places.rows.values() if place.status in PLACE_INSIDE]
    assert len(inside) == 2
    history.do(c.Book(inside[0].user_id, 1, HOLD_MS, "Stalls", 2, place_id=inside[0].id))
    history.book("ada", 2, 1, "One")
    history.book("ben", 2, 2, "Two")
    history.do(c.Book("cleo", 2, HOLD_MS, quantity=1, ticket_types=("One",)))
    history.do(c.Book("dan", 2, HOLD_MS, quantity=2, ticket_types=("Two",)))
    history.now_ms += 1_000
    return history


def audited(history: History) -> Auditor:
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    assert not auditor.faults
    assert not auditor.differences(history.state)
    return auditor


def inside_of(state: State) -> tuple[str, str]:
    """(who holds, who may book yet)."""
    first, second = (place.user_id for place in state.places.rows.values() if place.status in PLACE_INSIDE)
    holds = next(iter(state.bookings.rows.values())).user_id
    return (first, second) if first == holds else (second, first)


def held(history: History, user_id: str, **changes: object) -> f.Held:
    fields = {"event_id": 1, "ticket_type_id": 2, "quantity": 1, "amount_minor": 1000, "seats": ()} | changes
    expires_ms = history.now_ms + HOLD_MS
    return f.Held(history.state.next_booking_id, user_id, expires_ms=expires_ms, **fields)  # type: ignore[arg-type]


def through(history: History) -> int:
    return history.state.rooms.rows[1].served_through


def number_of(history: History, user_id: str) -> int:
    return next(place.arrival for place in history.state.places.rows.values() if place.user_id == user_id)


Spoilt = Callable[[History], list[f.Fact]]

FAULTS: dict[str, Spoilt] = {
    "without a turn": lambda h: [held(h, "somebody")],
    "which has none": lambda h: [f.QueueJoined(2, "ada")],
    "got a second place": lambda h: [f.QueueJoined(1, "user-0"), f.ChallengeUsed(b"c" * 16, h.now_ms + 1)],
    "1 people came where a challenge is asked for, and 0": lambda _: [f.QueueJoined(1, "new")],
    "was used twice": lambda h: [f.ChallengeUsed(proof(0).digest, h.now_ms + 5)],
    "after its time": lambda h: [f.ChallengeUsed(b"d" * 16, h.now_ms - 5)],
    "was opened twice": lambda _: [f.RoomOpened(1, SEED)],
    "is not the one that was committed to": lambda _: [f.RoomOpened(1, b"x" * 32)],
    "was replaced after": lambda _: [f.RoomSet(1, 60, 2, START_MS, True, True, TURN_MS, b"x" * 32)],
    "lasts 5 ms": lambda h: [f.QueueAdmitted(1, through(h) + 1, h.now_ms + 5, 0)],
    "have come": lambda h: [f.QueueAdmitted(1, 99, h.now_ms + TURN_MS, 0)],
    "more than 60 a minute": lambda h: [
        f.RoomSet(1, 60, None, START_MS + 5_000, True, True, TURN_MS, SEED),
        f.QueueAdmitted(1, through(h) + 2, h.now_ms + TURN_MS, 0),
    ],
    "and the limit is 2": lambda h: [f.QueueAdmitted(1, through(h) + 1, h.now_ms + TURN_MS, 0)],
    "which is paused": lambda h: [
        f.RoomStateSet(1, ROOM_PAUSED),
        f.QueueAdmitted(1, through(h) + 1, h.now_ms + TURN_MS, 0),
    ],
    "too early": lambda h: [f.TurnsLapsed(1, (number_of(h, inside_of(h.state)[1]),))],
    "and it had none": lambda h: [
        f.TurnsLapsed(1, tuple(p.arrival for p in h.state.places.rows.values() if p.status not in PLACE_INSIDE)[:1])
    ],
    "were forgotten while people queue there": lambda _: [f.PlacesForgotten(1, 1)],
    "was left before": lambda _: [f.QueueLeft(1, 3), f.QueueLeft(1, 3)],
    "and booking 1 has it": lambda h: [
        held(h, inside_of(h.state)[1], ticket_type_id=1, amount_minor=2000, seats=seats_of(h, 1)[:1])
    ],
    "for 2 tickets": lambda h: [
        held(h, inside_of(h.state)[1], ticket_type_id=1, quantity=2, amount_minor=4000, seats=(5,))
    ],
    "which are not of that type": lambda h: [
        held(h, inside_of(h.state)[1], ticket_type_id=1, amount_minor=2000, seats=(77,))
    ],
    "seats, and": lambda h: [held(h, inside_of(h.state)[1], seats=(1,))],
    "seats were taken": lambda _: [f.SeatMapSet(1, b"")],
    "got another hold": lambda h: [held(h, inside_of(h.state)[0])],
    "left the only line that it stood in": lambda _: [f.LeftLine(4, 3)],
    "and did not stand in it": lambda _: [f.LeftLine(4, 4)],
    "event 2 gives 20000": lambda h: [
        f.BookingCancelled(2, "given_up"),
        f.Promoted(4, h.now_ms + HOLD_MS),
    ],
    "and did not wait for it": lambda h: [
        f.BookingCancelled(2, "given_up"),
        f.Promoted(4, h.now_ms + 20_000, 4, 1200),
    ],
    "tickets came another way": lambda h: [
        f.BookingCancelled(2, "declined"),
        f.Promoted(4, h.now_ms + 20_000),
    ],
    "suspected with a score of 101": lambda _: [f.Suspected(1, "ada", 0, 101, 1)],
    "which is someone else's": lambda _: [f.Suspected(2, "eve", 4, 50, 1)],
}


def seats_of(history: History, booking_id: int) -> tuple[int, ...]:
    return tuple(int(seat) for seat in history.state.bookings.rows[booking_id].seats.split(","))


@pytest.mark.parametrize(("named", "spoilt"), FAULTS.items(), ids=FAULTS)
def test_a_broken_promise_is_named(named: str, spoilt: Spoilt) -> None:
    history = onsale()
    auditor = audited(history)
    auditor.audit(history.state.seq + 1, history.now_ms, spoilt(history))
    assert named in "\n".join(fault.what for fault in auditor.faults)


def test_from_any_moment_on_what_the_engine_wrote_is_without_fault() -> None:
    history = busy_history(2, 300)
    for part in (3, 7, 9):
        middle = len(history.batches) * part // 10
        state = State()
        for _, at_ms, facts in history.batches[:middle]:
            for fact in facts:
                apply(state, at_ms, fact)
        auditor = Auditor.opened_at(state)
        for batch in history.batches[middle:]:
            auditor.audit(*batch)
        assert not auditor.faults
        assert not auditor.differences(history.state)


def test_differences_with_the_engine_are_told() -> None:
    history = onsale()
    auditor = audited(history)
    state = history.state
    state.rooms.rows[1].inside += 1
    next(iter(state.places.rows.values())).user_id = "somebody else"
    state.bookings.rows[1].seats = "5"
    state.challenges.rows.clear()
    found = "\n".join(auditor.differences(state))
    for expected in ("the waiting room of event 1 has", "arrival 1 at event 1 is", "the engine says 5", "4 challenges"):
        assert expected in found
