"""Seats that are chosen, held, lost and moved on; and those who take any of several ticket types."""

from typing import Any

import pytest
from msgspec.structs import replace

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies as r
from onsale.engine.decide import decide
from onsale.engine.seats import unpacked
from onsale.engine.status import BOOKING_NAMES
from onsale.tests.scenarios.story import (
    CANCEL,
    FIRST_FIT,
    HOLD_MS,
    OFF,
    SUCCEEDED,
    Story,
    book,
    capacity,
    change,
    give_up,
    pay,
    refund,
    settle,
)

ROW_A, ROW_B = c.RowSpec("A", 4), c.RowSpec("B", 4)
STALLS = c.SectionSpec("S", "seat", (ROW_A, ROW_B))
WITH_ROOM_FOR_WHEELCHAIRS = c.SectionSpec("S", "seat", (ROW_A, c.RowSpec("B", 6, (1, 6), (2, 5))))


class Hall(Story):
    """Two rows of four, unless `seat_map` says otherwise."""

    def __init__(self, tickets: int = 8, *, seat_map: tuple[c.SectionSpec, ...] = (STALLS,), **event: Any) -> None:
        super().__init__(tickets, seat_map=seat_map, **event)

    def seats_of(self, booking_id: int) -> str:
        seats = unpacked(self.state.bookings.rows[booking_id].seats)
        return " ".join(name.removeprefix("S/") for name in self.state.sales[1].seat_names(seats))

    def status_of(self, booking_id: int) -> str:
        return BOOKING_NAMES[self.state.bookings.rows[booking_id].status]

    def free(self) -> str:
        seating = self.state.sales[1].seating
        assert seating is not None
        free = [seating.name(seat) for seat in range(seating.seats) if not seating.status(seat)]
        return " ".join(name.removeprefix("S/") for name in free)

    def held(self, user: str, quantity: int = 1, *seats: str, **wish: Any) -> r.Booked:
        reply = self.ask(seated(user, *seats, quantity=len(seats) or quantity, **wish))
        assert isinstance(reply, r.Booked), reply
        booked = self.state.bookings.rows[reply.booking_id]
        assert reply.seats == self.state.sales[1].seat_names(unpacked(booked.seats))
        return reply

    def paid(self, user: str, quantity: int = 1, *seats: str) -> int:
        reply = self.held(user, quantity, *seats)
        payment_id = self.state.next_payment_id
        self.ask(pay(user, f"{10 * reply.quantity}", reply.booking_id))
        assert isinstance(self.ask(settle(payment_id, SUCCEEDED)), r.Paid)
        return reply.booking_id

    def refused(self, command: c.Command) -> r.Refusal:
        seq = self.state.seq
        reply = self.ask(command)
        assert isinstance(reply, r.Refusal), reply
        assert self.state.seq == seq
        return reply


def seated(user: str, *seats: str, **wish: Any) -> c.Book:
    """`seats`: row/number, in section S."""
    wish = {"quantity": len(seats) or 1} | wish
    return c.Book(user, 1, HOLD_MS, seats=tuple(f"S/{seat}" for seat in seats), **wish)


def promoted(story: Story, command: c.Command) -> list[f.Promoted]:
    facts = decide(story.state, story.now_ms, command).facts
    return [fact for fact in facts if isinstance(fact, f.Promoted)]


def test_seats_that_were_named() -> None:
    hall = Hall()
    assert hall.held("ada", 2, "B/3", "A/1").seats == ("S/A/1", "S/B/3")
    assert hall.free() == "A/2 A/3 A/4 B/1 B/2 B/4"
    refusal = hall.refused(seated("bob", "A/1", "A/2", "B/3"))
    assert (refusal.code, refusal.extra) == ("sold_out", {"seats": ["S/A/1", "S/B/3"], "available": 6})
    assert hall.held("bob", 1, "A/2").booking_id == 2


def test_the_best_available() -> None:
    hall = Hall()
    assert hall.held("ada", 2).seats in (("S/A/1", "S/A/2"), ("S/A/3", "S/A/4")), "and leaves two side by side"
    assert hall.held("bob", 4).seats == ("S/B/1", "S/B/2", "S/B/3", "S/B/4")
    hall.held("cem", 2)
    assert hall.free() == ""
    assert hall.words(hall.ask(book("dan"))) == "waiting 4 at 1"


@pytest.mark.parametrize(
    ("command", "seats", "says"),
    [
        (seated("ada", "A/5"), ["S/A/5"], "no such seat"),
        (seated("ada", "A/1", "C/1", "A/9"), ["S/C/1", "S/A/9"], "no such seat"),
        (seated("ada", "A/1", "A/2", "A/1"), ["S/A/1"], "twice"),
        (seated("ada", "A/1", quantity=2), ["S/A/1"], "2 tickets"),
        (seated("ada", "A/1", "A/2", quantity=1), ["S/A/1", "S/A/2"], "1 tickets"),
        (replace(seated("ada", "A/1"), seats=("S/A/1", "T/A/1"), quantity=2), ["S/A/1", "T/A/1"], "several"),
        (seated("ada", "A/1", ticket_type="balcony"), ["S/A/1"], '"seat"'),
        (seated("ada", "A/1", ticket_type="nonsense"), ["S/A/1"], '"seat"'),
        (seated("ada", "A/1", ticket_types=("balcony", "floor")), ["S/A/1"], '"seat"'),
    ],
)
def test_seats_that_make_no_sense(command: c.Book, seats: list[str], says: str) -> None:
    types = tuple(c.TypeSpec(name, "10", 4) for name in ("seat", "balcony", "floor"))
    hall = Hall(types=types, seat_map=(STALLS, c.SectionSpec("T", "balcony", (ROW_A,))))
    refusal = hall.refused(command)
    assert (refusal.code, refusal.extra) == ("invalid_seats", {"field": "seats", "seats": seats})
    assert says in refusal.detail


def test_seats_where_none_are_numbered() -> None:
    story = Story(8)
    reply = story.ask(seated("ada", "A/1"))
    assert isinstance(reply, r.Refusal)
    assert (reply.code, reply.extra) == ("invalid_seats", {"field": "seats", "seats": ["S/A/1"]})
    reply = story.ask(c.Book("ada", 1, HOLD_MS, accessible=1))
    assert isinstance(reply, r.Refusal)
    assert (reply.code, reply.extra) == ("invalid_field", {"field": "accessible"})


def test_named_seats_and_their_type_agree() -> None:
    types = (c.TypeSpec("seat", "10", 8), c.TypeSpec("floor", "5", 100))
    hall = Hall(types=types)
    assert hall.held("ada", 1, "A/1", ticket_type="seat").ticket_type == "seat"
    assert hall.held("bob", 1, "A/2").ticket_type == "seat"
    assert hall.held("cem", 1, "A/3", ticket_types=("floor", "seat")).ticket_type == "seat"
    on_the_floor = hall.held("dan", 9, ticket_type="floor")
    assert (on_the_floor.seats, hall.seats_of(4)) == ((), ""), "where seats are not numbered"


def test_taken_seats_when_nothing_is_left() -> None:
    hall = Hall()
    hall.held("ada", 8)
    refusal = hall.refused(seated("bob", "B/2", "A/1"))
    assert refusal.code == "sold_out"
    assert refusal.extra is not None
    assert refusal.extra["seats"] == ["S/B/2", "S/A/1"], "nobody waits for these very seats"
    assert hall.words(hall.ask(book("bob", 2))) == "waiting 2 at 1"
    hall.ask(capacity(8))
    hall.ask(give_up(1))
    assert hall.status_of(2) == "held"
    hall.held("cem", 6)


def test_free_seats_that_go_to_those_in_line() -> None:
    hall = Hall()
    hall.held("ada", 7)
    assert hall.words(hall.ask(book("bob", 2))) == "waiting 2 at 1"
    refusal = hall.refused(seated("cem", hall.free()))
    assert refusal.code == "sold_out"
    assert refusal.extra is not None
    assert (refusal.extra["seats"], refusal.extra["waiting"]) == ([], 1)
    assert "wait in line" in refusal.detail


def test_a_hold_that_lapses_moves_its_seats_on() -> None:
    hall = Hall()
    hall.held("ada", 3, "A/1", "A/2", "A/3")
    hall.held("bob", 5)
    hall.play((1, book("cem", 3), "waiting 3 at 1"), (300, None, "", "1 expired, 3 held, 2 expired"))
    assert hall.seats_of(3) == "A/1 A/2 A/3"
    assert hall.free() == "A/4 B/1 B/2 B/3 B/4"


def test_several_are_promoted_in_one_step_and_share_no_seat() -> None:
    hall = Hall()
    hall.held("ada", 8)
    for number, quantity in enumerate((2, 3, 1, 2)):
        hall.ask(book(f"u{number}", quantity))
    facts = promoted(hall, give_up(1))
    assert [fact.booking_id for fact in facts] == [2, 3, 4, 5]
    hall.ask(give_up(1))
    seats = [set(hall.seats_of(number).split()) for number in (2, 3, 4, 5)]
    assert [len(each) for each in seats] == [2, 3, 1, 2]
    assert len(set().union(*seats)) == 8
    assert len({seat[0] for seat in seats[1]}) == 1, "a group sits together where it can"
    assert hall.free() == ""


def test_groups_that_fit_pass_in_a_hall_too() -> None:
    hall = Hall(waitlist=FIRST_FIT)
    hall.held("ada", 6)
    hall.held("bob", 2)
    hall.ask(book("cem", 4))
    hall.ask(book("dan", 2))
    hall.ask(give_up(2))
    assert [hall.status_of(3), hall.status_of(4)] == ["waiting", "held"]
    assert len(hall.seats_of(4).split()) == 2


def test_paid_seats_stay_and_refunded_ones_come_back() -> None:
    hall = Hall()
    booking_id = hall.paid("ada", 2, "A/1", "A/2")
    hall.wait_until(10_000)
    assert hall.free() == "A/3 A/4 B/1 B/2 B/3 B/4"
    hall.ask(refund(booking_id, "5"))
    assert hall.free() == "A/3 A/4 B/1 B/2 B/3 B/4", "a part of the money leaves the seats"
    hall.ask(refund(booking_id))
    assert hall.free() == "A/1 A/2 A/3 A/4 B/1 B/2 B/3 B/4"
    hall.held("bob", 2, "A/1", "A/2")


def test_a_refund_moves_its_seats_on() -> None:
    hall = Hall()
    booking_id = hall.paid("ada", 8)
    hall.ask(book("bob", 3))
    hall.ask(refund(booking_id))
    assert hall.status_of(2) == "held"
    assert len(hall.free().split()) == 5


def test_a_late_success_keeps_its_seats_or_takes_others() -> None:
    others = (("A/2",), "A/3 A/4"), (("A/1", "A/3"), "B/1 B/2"), (("A/2", "A/4", "B/2"), "B/3 B/4")
    for taken_meanwhile, seats in (((), "A/1 A/2"), *others):
        hall = Hall()
        hall.held("ada", 2, "A/1", "A/2")
        hall.ask(pay("ada", "20"))
        hall.wait_until(900)
        assert hall.status_of(1) == "expired"
        if taken_meanwhile:
            hall.held("bob", 1, *taken_meanwhile)
        reply = hall.ask(settle(1, SUCCEEDED))
        assert isinstance(reply, r.Paid), reply
        assert reply.seats == hall.state.sales[1].seat_names(unpacked(hall.state.bookings.rows[1].seats))
        assert hall.seats_of(1) == seats


def test_a_late_success_of_a_wheelchair_user() -> None:
    hall = Hall(10, seat_map=(WITH_ROOM_FOR_WHEELCHAIRS,))
    assert hall.held("ada", 2, accessible=1).seats == ("S/B/1", "S/B/2")
    hall.ask(pay("ada", "20"))
    hall.wait_until(900)
    hall.held("bob", 1, "B/1")
    hall.ask(settle(1, SUCCEEDED))
    assert hall.seats_of(1) == "B/5 B/6"


def test_a_late_success_when_too_few_are_left() -> None:
    hall = Hall()
    hall.held("ada", 2)
    hall.ask(pay("ada", "20"))
    hall.wait_until(900)
    hall.held("bob", 7)
    free = hall.free()
    reply = hall.ask(settle(1, SUCCEEDED))
    assert isinstance(reply, r.Refusal)
    assert reply.code == "hold_expired"
    assert hall.free() == free


def test_accessible_seats() -> None:
    hall = Hall(10, seat_map=(WITH_ROOM_FOR_WHEELCHAIRS,))
    hall.held("ada", 4)
    assert hall.seats_of(1) == "A/1 A/2 A/3 A/4"
    hall.held("bob", 2)
    assert hall.seats_of(2) == "B/3 B/4", "not those of people who need them"
    assert hall.held("cem", 2, accessible=1).seats == ("S/B/1", "S/B/2")
    refusal = hall.refused(seated("dan", quantity=2, accessible=2))
    assert (refusal.code, refusal.extra) == ("sold_out", {"seats": [], "available": 2})
    refusal = hall.refused(seated("dan", quantity=1, accessible=2))
    assert (refusal.code, refusal.extra) == ("invalid_field", {"field": "accessible"})
    assert hall.held("dan", 2).seats == ("S/B/5", "S/B/6"), "nobody else is there"
    assert hall.refused(seated("eve", accessible=1)).code == "sold_out", "there is no line for such seats"


def test_accessible_seats_of_any_type() -> None:
    types = (c.TypeSpec("near", "20", 4), c.TypeSpec("far", "10", 4))
    rows = (c.RowSpec("A", 4, (1,)),)
    hall = Hall(types=types, seat_map=(c.SectionSpec("N", "near", rows), c.SectionSpec("F", "far", rows)))
    wish = {"ticket_types": ("near", "far"), "accessible": 1}
    assert hall.held("ada", 1, **wish).seats == ("N/A/1",)
    assert hall.held("bob", 1, **wish).seats == ("F/A/1",), "the second will do"
    assert hall.refused(seated("cem", **wish)).code == "sold_out"


def test_a_seat_map_stays_once_something_is_booked() -> None:
    hall = Hall()
    smaller = c.SectionSpec("S", "seat", (c.RowSpec("A", 9),))
    assert isinstance(hall.ask(change(seat_map=(smaller,))), r.EventReply)
    assert hall.state.sales[1].seating is not None
    assert hall.state.sales[1].seating.seats == 9
    hall.held("ada", 9 - 1)
    for seat_map in ((STALLS,), (smaller,), ()):
        refusal = hall.refused(change(seat_map=seat_map))
        assert (refusal.code, refusal.extra) == ("invalid_field", {"field": "seatMap"})
    hall.ask(give_up(1))
    assert hall.refused(change(seat_map=())).code == "invalid_field", "tickets and receipts name its seats"
    assert hall.refused(capacity(10)).extra == {"field": "ticketTypes"}
    assert isinstance(hall.ask(capacity(9)), r.EventReply)


def test_a_seat_map_that_comes_and_goes() -> None:
    story = Story(8)
    reply = story.ask(change(seat_map=(STALLS,)))
    assert isinstance(reply, r.EventReply)
    assert reply.seats == 8
    reply = story.ask(change(seat_map=()))
    assert isinstance(reply, r.EventReply)
    assert reply.seats == 0
    assert not story.state.seat_maps.rows
    assert isinstance(story.ask(change(seat_map=())), r.EventReply)
    reply = story.ask(book("ada", 8))
    assert isinstance(reply, r.Booked)
    assert reply.seats == ()


def section(**changes: Any) -> tuple[c.SectionSpec, ...]:
    return (replace(STALLS, **changes),)


@pytest.mark.parametrize(
    ("seat_map", "field"),
    [
        (section(rows=()), "seatMap.sections[0].rows"),
        (section(rows=(ROW_A, ROW_A)), "seatMap.sections[0].rows[1].name"),
        (section(rows=(c.RowSpec("A/B", 9),)), "seatMap.sections[0].rows[0].name"),
        (section(rows=(c.RowSpec(" ", 9),)), "seatMap.sections[0].rows[0].name"),
        (section(rows=(c.RowSpec("A", 0),)), "seatMap.sections[0].rows[0].seats"),
        (section(rows=(c.RowSpec("A", 1001),)), "seatMap.sections[0].rows[0].seats"),
        (section(rows=(c.RowSpec("A", 9, (10,)),)), "seatMap.sections[0].rows[0].accessible"),
        (section(rows=(c.RowSpec("A", 9, (), (0,)),)), "seatMap.sections[0].rows[0].companions"),
        (section(rows=(c.RowSpec("A", 9, (1,), (1,)),)), "seatMap.sections[0].rows[0].accessible"),
        (section(rows=(c.RowSpec("A", 9, (1, 1)),)), "seatMap.sections[0].rows[0].accessible"),
        (section(name="S/T"), "seatMap.sections[0].name"),
        ((STALLS, STALLS), "seatMap.sections[1].name"),
        (section(ticket_type="balcony"), "seatMap.sections[0].ticketType"),
        (section(ticket_type=9), "seatMap.sections[0].ticketType"),
        (section(rows=(c.RowSpec("A", 7),)), "ticketTypes"),
        (tuple(c.SectionSpec(str(n), "seat", (ROW_A,)) for n in range(1001)), "seatMap.sections"),
        (tuple(c.SectionSpec(str(n), 1, (c.RowSpec("A", 1000),)) for n in range(201)), "seatMap"),
        (
            tuple(c.SectionSpec(str(n), 1, tuple(c.RowSpec(str(m), 1) for m in range(101))) for n in range(199)),
            "seatMap",
        ),
    ],
)  # fmt: skip
def test_a_seat_map_that_makes_no_sense(seat_map: tuple[c.SectionSpec, ...], field: str) -> None:
    story = Story(8)
    reply = story.ask(change(seat_map=seat_map))
    assert isinstance(reply, r.Refusal)
    assert (reply.code, reply.extra) == ("invalid_field", {"field": field})
    assert reply.detail.startswith(field)
    created = c.CreateEvent("Night", story.now_ms + 10**9, (c.TypeSpec("seat", "10", 8),), seat_map=seat_map)
    assert isinstance(story.ask(created), r.Refusal)
    assert len(story.state.events.rows) == 1


def test_a_type_by_its_number_and_one_that_comes_with_its_seats() -> None:
    story = Story(8)
    balcony = c.TypeChange(name="balcony", price="5", capacity=4)
    maps = (replace(STALLS, ticket_type="1"), c.SectionSpec("T", "balcony", (ROW_A,)))
    reply = story.ask(change(seat_map=maps, types=(balcony,)))
    assert isinstance(reply, r.EventReply), reply
    assert reply.seats == 12
    reply = story.ask(book("ada", 4, "balcony"))
    assert isinstance(reply, r.Booked)
    assert reply.seats == tuple(f"T/A/{number}" for number in range(1, 5))


def test_a_cancelled_event_frees_every_seat() -> None:
    hall = Hall()
    hall.paid("ada", 2)
    hall.held("bob", 1)
    hall.ask(CANCEL)
    hall.wait_until(1)
    assert len(hall.free().split()) == 8


def test_more_seats_than_tickets() -> None:
    hall = Hall(5)
    hall.held("ada", 3)
    refusal = hall.refused(replace(seated("bob", quantity=3), waitlist=False))
    assert refusal.code == "sold_out"
    hall.ask(book("bob", 3))
    hall.ask(capacity(8))
    assert hall.status_of(2) == "held"
    assert len(hall.free().split()) == 2


# --- any of several ticket types

TYPES = (c.TypeSpec("near", "30", 2), c.TypeSpec("middle", "20", 2), c.TypeSpec("far", "10", 2))


def any_of(user: str, *types: int | str, quantity: int = 1, **wish: Any) -> c.Book:
    return c.Book(user, 1, HOLD_MS, quantity=quantity, ticket_types=types, **wish)


def on_sale(**event: Any) -> Story:
    """Three types of two tickets, all held: bookings 1 to 3."""
    story = Story(0, types=TYPES, **event)
    for number, kind in enumerate(("near", "middle", "far"), start=1):
        assert story.words(story.ask(book(kind, 2, kind))) == f"held {number} until 300"
    return story


def type_of(story: Story, booking_id: int) -> str:
    booking = story.state.bookings.rows[booking_id]
    return story.state.sales[1].types[booking.ticket_type_id].name


def test_the_first_type_that_is_free() -> None:
    story = Story(0, types=TYPES)
    for expected in ("near", "near", "middle", "middle", "far", "far"):
        reply = story.ask(any_of(f"u{story.state.seq}", "near", 2, "far"))
        assert isinstance(reply, r.Booked)
        assert reply.ticket_type == expected
        assert reply.amount_minor == {"near": 3000, "middle": 2000, "far": 1000}[expected]
    assert story.words(story.ask(any_of("ada", "near", "middle", waitlist=False))) == "sold_out"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (any_of("ada", "near", "balcony"), "ticketTypes"),
        (any_of("ada", "near", 1), "ticketTypes"),
        (any_of("ada", "near", ticket_type="far"), "ticketTypes"),
        (c.Book("ada", 1, HOLD_MS), "ticketType"),
    ],
)
def test_types_that_make_no_sense(command: c.Book, field: str) -> None:
    story = Story(0, types=TYPES)
    reply = story.ask(command)
    assert isinstance(reply, r.Refusal)
    assert (reply.code, reply.extra) == ("invalid_field", {"field": field})


def test_whoever_waits_for_any_takes_what_comes_first() -> None:
    story = on_sale()
    assert story.words(story.ask(book("bob", 1, "middle"))) == "waiting 4 at 1"
    assert story.words(story.ask(any_of("ada", "near", "middle"))) == "waiting 5 at 1", "where fewest are ahead"
    assert story.words(story.ask(any_of("cem", "middle", "far", quantity=2))) == "waiting 6 at 1"
    sale = story.state.sales[1]
    assert [sale.position_of(story.state.bookings.rows[number]) for number in (4, 5, 6)] == [1, 1, 1]
    story.play((10, give_up(2), "cancelled 2", "2 cancelled, 4 held, 5 held"))
    assert (type_of(story, 4), type_of(story, 5)) == ("middle", "middle")
    assert story.state.bookings.rows[5].amount_minor == 2000
    assert [kind.waiting for kind in sale.types.values()] == [0, 1, 1]
    story.play((11, give_up(3), "cancelled 3", "3 cancelled, 6 held"))
    assert (type_of(story, 6), story.state.bookings.rows[6].amount_minor) == ("far", 2000)
    assert [kind.waiting for kind in sale.types.values()] == [0, 0, 0]


def test_leaving_one_line_lets_the_next_one_there_go_on() -> None:
    story = on_sale()
    story.play(
        (1, give_up(3), "cancelled 3"),
        (2, book("dan", 1, "far"), "held 4 until 302"),
        (3, any_of("ada", "near", "far", quantity=2), "waiting 5 at 1"),
        (4, book("bob", 1, "far"), "waiting 6 at 2"),
    )
    story.ask(give_up(1))
    assert type_of(story, 5) == "near"
    story.wait_until(4)  # what became free behind her is passed on at once, too
    assert BOOKING_NAMES[story.state.bookings.rows[6].status] == "held"


def test_giving_up_a_place_in_several_lines() -> None:
    story = on_sale()
    story.ask(give_up(3))
    story.ask(book("dan", 1, "far"))
    story.ask(any_of("ada", "near", "far", quantity=2))
    story.ask(book("bob", 1, "far"))
    story.ask(give_up(5))
    story.wait_until(0)
    assert [kind.waiting for kind in story.state.sales[1].types.values()] == [0, 0, 0]
    assert BOOKING_NAMES[story.state.bookings.rows[6].status] == "held"


def test_a_type_that_is_cut_below_a_group() -> None:
    story = on_sale()
    story.ask(any_of("ada", "near", "far", quantity=2))
    story.ask(give_up(1))
    assert type_of(story, 4) == "near"
    story = on_sale()
    story.ask(any_of("ada", "near", "far", quantity=2))
    story.ask(book("bob", 2, "near"))
    cut = {"types": (c.TypeChange(id=1, capacity=2), c.TypeChange(id=3, capacity=4))}
    story.ask(change(**cut))
    assert type_of(story, 4) == "far"

    story = on_sale()
    story.ask(give_up(1))
    story.ask(book("eve", 1, "near"))
    story.ask(any_of("ada", "near", "far", quantity=2))  # 5
    story.ask(book("bob", 2, "near"))  # 6
    left = decide(story.state, story.now_ms, capacity(1)).facts
    assert [fact for fact in left if isinstance(fact, (f.LeftLine, f.BookingCancelled))] == [
        f.LeftLine(5, 1),
        f.BookingCancelled(6, "capacity"),
    ]
    reply = story.ask(capacity(1))
    assert isinstance(reply, r.EventReply)
    assert [view.waiting for view in reply.types] == [0, 0, 1]
    assert (type_of(story, 5), story.state.bookings.rows[5].amount_minor) == ("far", 2000)
    story.ask(give_up(3))
    assert BOOKING_NAMES[story.state.bookings.rows[5].status] == "held"


def test_a_group_that_no_type_can_serve_any_more() -> None:
    story = on_sale()
    story.ask(give_up(1))
    story.ask(give_up(2))
    story.ask(book("eve", 1, "near"))
    story.ask(book("fay", 1, "middle"))
    story.ask(any_of("ada", "near", "middle", quantity=2))  # 6
    both = change(types=(c.TypeChange(id=1, capacity=1), c.TypeChange(id=2, capacity=1)))
    facts = [fact for fact in decide(story.state, story.now_ms, both).facts if not isinstance(fact, f.EventChanged)]
    assert facts == [f.LeftLine(6, 1), f.BookingCancelled(6, "capacity")]
    reply = story.ask(both)
    assert isinstance(reply, r.EventReply)
    assert [view.waiting for view in reply.types] == [0, 0, 0]


def test_one_step_serves_nobody_twice() -> None:
    story = on_sale()
    story.ask(any_of("ada", "near", "far"))
    story.ask(any_of("bob", "far", "near"))
    both = change(types=(c.TypeChange(id=1, capacity=3), c.TypeChange(id=3, capacity=3)))
    reply = story.ask(both)
    assert isinstance(reply, r.EventReply)
    assert [(view.held, view.waiting) for view in reply.types] == [(3, 0), (2, 0), (3, 0)]
    assert (type_of(story, 4), type_of(story, 5)) == ("near", "far")


def test_a_sale_that_ends_ends_the_wait_in_every_line() -> None:
    story = on_sale(starts=100)
    story.ask(any_of("ada", "near", "middle", "far"))
    story.wait_until(100)
    assert BOOKING_NAMES[story.state.bookings.rows[4].status] == "expired"
    assert [kind.waiting for kind in story.state.sales[1].types.values()] == [0, 0, 0]


def test_groups_get_seats_of_the_type_they_end_up_with() -> None:
    types = (c.TypeSpec("near", "30", 4), c.TypeSpec("far", "10", 4))
    maps = (c.SectionSpec("S", "near", (ROW_A,)), c.SectionSpec("T", "far", (ROW_B,)))
    hall = Hall(types=types, seat_map=maps)
    hall.held("ada", 4, ticket_type="near")
    hall.held("bob", 4, ticket_type="far")
    hall.ask(any_of("cem", "near", "far", quantity=2))
    hall.ask(any_of("dan", "far", "near", quantity=2))
    hall.ask(give_up(2))
    assert sorted((hall.seats_of(3) + " " + hall.seats_of(4)).split()) == [f"T/B/{number}" for number in range(1, 5)]
    assert hall.status_of(3) == hall.status_of(4) == "held"


# --- offers with their own time


def test_an_offer_lasts_as_long_as_the_event_says() -> None:
    story = Story(1, offer_ms=60_000)
    story.play(
        (0, book("ada"), "held 1 until 300"),
        (1, book("bob"), "waiting 2 at 1"),
        (2, book("cem"), "waiting 3 at 2"),
        (10, give_up(1), "cancelled 1", "1 cancelled, 2 held"),
        (69, None, "", ""),
        (70, None, "", "2 expired, 3 held"),
        (71, change(offer_ms=None), "1 held 0 sold 0 waiting of 1"),
        (72, book("dan"), "waiting 4 at 1"),
        (130, None, "", "3 expired, 4 held"),
        (430, None, "", "4 expired"),
    )


def test_declining_an_offer_is_not_giving_up() -> None:
    story = Story(1)
    story.ask(book("ada"))
    story.ask(book("bob"))
    story.ask(book("cem"))
    assert decide(story.state, story.now_ms, give_up(1)).facts[0] == f.BookingCancelled(1, "given_up")
    assert decide(story.state, story.now_ms, give_up(3)).facts[0] == f.BookingCancelled(3, "given_up")
    story.ask(give_up(1))
    facts = decide(story.state, story.now_ms, give_up(2)).facts
    assert facts[0] == f.BookingCancelled(2, "declined")
    assert [fact.booking_id for fact in facts if isinstance(fact, f.Promoted)] == [3], "it is offered to the next"


def test_no_line_where_the_event_has_none() -> None:
    hall = Hall(waitlist=OFF)
    hall.held("ada", 8)
    assert hall.refused(book("bob")).code == "sold_out"
