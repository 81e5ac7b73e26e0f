"""Whatever people do with seats, in whatever order: none is sold twice, none is held by nobody, none is lost.

Each seat is free, or is held or bought by exactly one booking whose status says so; also in a state that was stored
and read again.
"""

from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from onsale.engine import commands as c
from onsale.engine import replies as r
from onsale.engine.records import Booking
from onsale.engine.sale import Sale
from onsale.engine.seats import FREE, HELD, SOLD, Seating
from onsale.engine.state import State
from onsale.engine.status import COUNTS_AS_HELD, COUNTS_AS_SOLD, PAYING, WAITING
from onsale.engine.status import HELD as BOOKING_HELD
from onsale.tests.engine.room_world import stored_and_restored
from onsale.tests.scenarios.story import FIRST_FIT, HOLD_MS, START_MS, STRICT, SUCCEEDED, Story, ms, refund

TYPES = (c.TypeSpec("near", "30", 7), c.TypeSpec("far", "10", 9), c.TypeSpec("floor", "5", 3))
MAP = (
    c.SectionSpec("N", "near", (c.RowSpec("A", 5, (1,), (2,)), c.RowSpec("B", 3))),
    c.SectionSpec("F", "far", (c.RowSpec("A", 4, (4,), (3,)), c.RowSpec("B", 5))),
)
SEATED = {"near": 8, "far": 9}
NAMES = [f"{section.name}/{row.name}/{n}" for section in MAP for row in section.rows for n in range(1, row.seats + 1)]
USERS = st.sampled_from([f"u{number}" for number in range(12)])
QUANTITIES = st.integers(1, 5)


def check_seats(state: State) -> None:
    """Every seat has the status that its one booking has."""
    sale = state.sales[1]
    seating = sale.seating
    assert seating is not None
    owners: dict[int, list[Booking]] = {seat: [] for seat in range(seating.seats)}
    for booking in state.bookings.rows.values():
        if booking.status in COUNTS_AS_HELD | COUNTS_AS_SOLD:
            seats = [int(seat) for seat in booking.seats.split(",")] if booking.seats else []
            seated = sale.types[booking.ticket_type_id].name in SEATED
            assert len(set(seats)) == len(seats) == (booking.quantity if seated else 0), "as many seats as tickets"
            assert all(seating.type_of(seat) == booking.ticket_type_id for seat in seats)
            for seat in seats:
                owners[seat].append(booking)
        elif booking.status == WAITING:
            assert not booking.seats
    for seat, bookings in owners.items():
        assert len(bookings) <= 1, f"{seating.name(seat)} has several owners: {bookings}"
        status = FREE if not bookings else HELD if bookings[0].status in COUNTS_AS_HELD else SOLD
        assert seating.status(seat) == status, f"{seating.name(seat)} is lost, or is held by nobody"
    for kind in sale.types.values():
        if kind.name in SEATED:
            taken = sum(bool(owners[seat]) for seat in owners if seating.type_of(seat) == kind.id)
            assert taken == kind.held + kind.sold
            check_what_is_offered(seating, kind.id, SEATED[kind.name] - taken)


def check_what_is_offered(seating: Seating, type_id: int, free: int) -> None:
    for quantity in (1, 2, 4, free, free + 1):
        if quantity < 1:
            continue
        best = seating.best(type_id, quantity)
        assert (best is None) == (quantity > free)
        assert all(seating.status(seat) == FREE for seat in best or ())


class SeatHistories(RuleBasedStateMachine):
    @initialize(waitlist=st.sampled_from((STRICT, FIRST_FIT)), offer=st.sampled_from((None, 30_000)))
    def begin(self, waitlist: int, offer: int | None) -> None:
        self.story = Story(0, types=TYPES, seat_map=MAP, waitlist=waitlist, offer_ms=offer, max_per_user=6)
        self.cancelled = False

    @property
    def state(self) -> State:
        return self.story.state

    @property
    def sale(self) -> Sale:
        return self.state.sales[1]

    def bookings(self, *statuses: int) -> list[Booking]:
        return [booking for booking in self.state.bookings.rows.values() if booking.status in statuses]

    def ask(self, command: c.Command) -> r.Reply:
        return self.story.ask(command)

    @rule(user=USERS, seats=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    def pick(self, user: str, seats: list[str]) -> None:
        reply = self.ask(c.Book(user, 1, HOLD_MS, quantity=len(seats), seats=tuple(seats)))
        if isinstance(reply, r.Booked):
            assert sorted(reply.seats) == sorted(seats), "these and no others"

    @rule(user=USERS, quantity=QUANTITIES, kind=st.sampled_from(("near", "far", "floor")), accessible=st.integers(0, 1))
    def best(self, user: str, quantity: int, kind: str, accessible: int) -> None:
        reply = self.ask(c.Book(user, 1, HOLD_MS, kind, quantity, accessible=accessible))
        if isinstance(reply, r.Booked) and accessible:
            seating = self.sale.seating
            assert seating is not None
            assert any(seating.kind(seat) == 1 for name in reply.seats if (seat := seating.find(name)) is not None)

    @rule(user=USERS, quantity=QUANTITIES, types=st.permutations(("near", "far", "floor")), count=st.integers(1, 3))
    def any_of(self, user: str, quantity: int, types: list[str], count: int) -> None:
        self.ask(c.Book(user, 1, HOLD_MS, quantity=quantity, ticket_types=tuple(types[:count])))

    @rule(choice=st.integers(0))
    def give_up(self, choice: int) -> None:
        for booking in pick_one(self.bookings(WAITING, BOOKING_HELD, PAYING), choice):
            self.ask(c.GiveUp(booking.id, HOLD_MS))

    @rule(choice=st.integers(0))
    def begin_to_pay(self, choice: int) -> None:
        for booking in pick_one(self.bookings(BOOKING_HELD), choice):
            amount = f"{booking.amount_minor // 100}"
            self.ask(c.StartPayment(booking.user_id, 1, amount, booking.id, "card"))

    @rule(choice=st.integers(0), succeeds=st.sampled_from((True, True, False)))
    def settle(self, choice: int, succeeds: bool) -> None:
        for payment in pick_one(list(self.state.payments.rows.values()), choice):
            outcome = SUCCEEDED if succeeds else c.PaymentFailedOutcome("card_declined", "No money.")
            self.ask(c.SettlePayment(payment.id, outcome, HOLD_MS))

    @rule(choice=st.integers(0), whole=st.booleans())
    def give_money_back(self, choice: int, whole: bool) -> None:
        for booking in pick_one(self.bookings(*COUNTS_AS_SOLD), choice):
            self.ask(refund(booking.id, None if whole else "1"))

    @rule(choice=st.integers(0), fails=st.booleans())
    def money_is_back(self, choice: int, fails: bool) -> None:
        for row in pick_one(list(self.state.refunds.rows.values()), choice):
            self.ask(c.SettleRefund(row.id, failure="closed") if fails else c.SettleRefund(row.id, "re_1"))

    @rule(seconds=st.sampled_from((1, 20, 200, 400, 1000, 5000)))
    def wait(self, seconds: int) -> None:
        self.story.wait_until((self.story.now_ms - START_MS) / 1000 + seconds)

    @rule(name=st.sampled_from(("near", "far", "floor")), capacity=st.integers(0, 10))
    def change_capacity(self, name: str, capacity: int) -> None:
        reply = self.ask(c.ChangeEvent(1, types=(c.TypeChange(name=name, capacity=capacity),)))
        assert isinstance(reply, r.EventReply) or capacity > SEATED.get(name, 0) or capacity < 10

    @rule(seat_map=st.sampled_from(((), MAP)))
    def change_map(self, seat_map: tuple[c.SectionSpec, ...]) -> None:
        if self.sale.event.booked:
            assert isinstance(self.ask(c.ChangeEvent(1, seat_map=seat_map)), r.Refusal)

    @precondition(lambda self: self.state.next_booking_id > 12)
    @rule()
    def cancel(self) -> None:
        self.ask(c.CancelEvent(1))

    @rule()
    def store_and_read_again(self) -> None:
        again = stored_and_restored(self.state)
        check_seats(again)
        for before, after in zip(self.asked_of(self.state), self.asked_of(again), strict=True):
            assert before == after, "the same seats are best, whatever was known"
        self.story.state = again

    def asked_of(self, state: State) -> Iterator[Any]:
        seating = state.sales[1].seating
        assert seating is not None
        yield [seating.status(seat) for seat in range(seating.seats)]
        for type_id in state.sales[1].types:
            yield [seating.best(type_id, quantity) for quantity in range(1, 9)]
            yield [seating.best(type_id, quantity, accessible=1) for quantity in range(1, 4)]

    @invariant()
    def seats_are_in_order(self) -> None:
        if hasattr(self, "story"):
            check_seats(self.state)

    def teardown(self) -> None:
        if not hasattr(self, "story"):
            return
        self.story.wait_until((self.story.now_ms - START_MS) / 1000 + 100_000)
        check_seats(self.state)
        seating = self.sale.seating
        assert seating is not None
        assert not any(seating.status(seat) == HELD for seat in range(seating.seats)), "every hold has ended"
        assert self.story.now_ms < ms(10**9)


def pick_one(rows: list[Any], choice: int) -> list[Any]:
    return [rows[choice % len(rows)]] if rows else []


TestSeatHistories = SeatHistories.TestCase
TestSeatHistories.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
