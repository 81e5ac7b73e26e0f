"""What follows from the rows: who claims what, which ticket type is meant, when something is due, one hash over all."""

import pytest

from onsale.engine.records import Booking, Event, TicketType
from onsale.engine.sale import Sale
from onsale.engine.state import State, deadline_of, state_hash
from onsale.engine.status import (
    BOOKING_NAMES,
    CANCELLED,
    CONFIRMED,
    EXPIRED,
    HELD,
    PAYING,
    REFUND_PENDING,
    REFUNDED,
    WAITING,
)

HOUR_MS = 3_600_000


def event(**fields) -> Event:
    texts = dict.fromkeys(("venue", "city", "country", "category", "description"), "")
    told = {"id": 1, "name": "Night", "starts_ms": 9, "ends_ms": None, "currency": "EUR", "on_sale_ms": None}
    return Event(**{**texts, **told, "max_per_user": 9, "max_holds_per_user": None, "waitlist": 1, **fields})


def booking(number: int, status: int = HELD, **fields) -> Booking:
    row = Booking(number, "ann", 1, 1, 2, 2000, status, 1, 1_000)
    for name, value in fields.items():
        setattr(row, name, value)
    return row


class TestTicketTypes:
    def sale(self, *types: tuple[int, str]) -> Sale:
        sale = Sale(event())
        for number, name in types:
            sale.add_type(TicketType(number, 1, name, 1000, 5))
        return sale

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            *[(7, 7), ("7", 7), ("8", 9), (8, 8), ("seat", 7), ("Seat", None), (10, None), ("10", None), (None, None)],
            *[("９", None), ("9" * 30, None), ("", None), ("-7", None)],
        ],
    )
    def test_by_id_or_name(self, wanted, found):
        """A name that looks like an id is a name first."""
        kind = self.sale((7, "seat"), (8, "box"), (9, "8")).find_type(wanted)
        assert (None if kind is None else kind.id) == found

    def test_the_only_one_need_not_be_named(self):
        assert self.sale((7, "seat")).find_type(None).id == 7


class TestClaims:
    def test_of_one_booking_and_of_several(self):
        sale, rows = Sale(event()), [booking(number) for number in range(1, 4)]
        assert (sale.tickets_of("ann"), sale.bookings_of("ann")) == (0, [])
        for count, row in enumerate(rows, 1):
            sale.claim(row)
            assert (sale.tickets_of("ann"), sale.bookings_of("ann")) == (2 * count, rows[:count])
        for row in (rows[1], rows[0], rows[2]):
            sale.unclaim(row)
        assert not sale.claims

    def test_of_a_cancelled_event_are_given_up_from_any_side(self):
        sale = Sale(event(cancelled=True))
        rows = [booking(number, user_id=f"u{number}") for number in range(6)]
        for row in rows:
            sale.claim(row)
        for number in (5, 0, 3, 4, 1):
            sale.unclaim(rows[number])
        assert list(sale.claims) == ["u2"]


class TestDeadlines:
    @pytest.mark.parametrize(
        ("row", "due_ms"),
        [
            (booking(1, WAITING), 0),
            (booking(1, HELD, held_ms=1_000, expires_ms=301_000), 241_000),  # a minute before
            (booking(1, HELD, held_ms=1_000, expires_ms=101_000), 81_000),  # or a fifth
            (booking(1, HELD, held_ms=1_000, expires_ms=1_000), 1_000),
            (booking(1, HELD, held_ms=1_000, expires_ms=301_000, warned=True), 301_000),
            (booking(1, PAYING, held_ms=1_000, expires_ms=301_000, pinned_ms=901_000), 901_000),
            (booking(1, CONFIRMED), 0),
            (booking(1, REFUND_PENDING), 0),
            (booking(1, EXPIRED, ended_ms=5_000), 5_000 + HOUR_MS),
            (booking(1, EXPIRED, ended_ms=5_000, unsettled=1), 0),
            (booking(1, CANCELLED, ended_ms=5_000), 5_000 + HOUR_MS),
            (booking(1, REFUNDED, ended_ms=5_000), 5_000 + HOUR_MS),
        ],
        ids=lambda value: BOOKING_NAMES[value.status] if isinstance(value, Booking) else None,
    )
    def test_of_a_booking(self, row, due_ms):
        assert deadline_of(row) == due_ms


class TestHash:
    def state(self, *numbers: int) -> State:
        state = State()
        for number in numbers:
            state.bookings.add(number, booking(number))
        return state

    def test_does_not_depend_on_the_order_of_rows_nor_on_checkpoints(self):
        forwards, backwards = self.state(1, 2, 3), self.state(3, 2, 1)
        forwards.bookings.take_changes()
        assert state_hash(forwards) == state_hash(backwards)

    def test_depends_on_every_row_and_counter(self):
        assert state_hash(self.state(1, 2)) != state_hash(self.state(1, 3))
        later, earlier = self.state(1), self.state(1)
        later.next_payment_id += 1
        assert state_hash(later) != state_hash(earlier)

    def test_of_nothing_stays_what_it_is(self):
        """Nodes of different versions compare it."""
        assert state_hash(State()) == "26023d2bb854478d959a6d17e79bd7b5"
        of_bookings = {"events", "ticket_types", "users", "bookings", "payments", "refunds", "keys"}
        of_the_outside = {"entries", "deliveries", "provider_events", "concerns"}
        of_the_first_minute = {"rooms", "places", "seat_maps", "challenges"}
        of_the_cluster = {"members", "epochs", "secrets"}
        assert set(State().tables) == of_bookings | of_the_cluster | of_the_outside | of_the_first_minute
