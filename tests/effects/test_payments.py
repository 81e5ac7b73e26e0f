"""What committed facts owe the provider is asked for once they are durable, again after a crash, and until answered."""

import asyncio

import pytest

from onsale.effects.payments import ASKED_AT_ONCE_MAX, BULK_REFUNDS_A_SECOND, RESUMED_PER_TURN, PaymentEffects
from onsale.effects.provider import (
    CANCELED,
    Charge,
    PaymentPage,
    ProviderUnavailable,
    RefundOrder,
    RefundPage,
    RefundResult,
)
from onsale.engine.apply import apply
from onsale.engine.commands import (
    Book,
    CancelEvent,
    Command,
    CreateEvent,
    Lapse,
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    RetryRefund,
    SettlePayment,
    SettleRefund,
    StartPayment,
    StartRefund,
    Sweep,
    TypeSpec,
)
from onsale.engine.decide import decide
from onsale.engine.facts import Fact
from onsale.engine.records import Payment
from onsale.engine.state import State
from onsale.engine.status import (
    BOOKING_NAMES,
    PAYMENT_ABANDONED,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    REFUND_FAILED,
)
from onsale.tests.effects.clock import Clock, all_idle

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000
PAYING_MS = 15 * 60 * 1000
CAPACITY = 50_000


class Provider:
    """Says what it is told to, and writes down what it was asked, and when."""

    name = "scripted"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[str] = []
        self.times: list[float] = []
        self.charges: list[Charge] = []
        self.orders: list[RefundOrder] = []
        self.at_once = self.most_at_once = 0
        self.say: dict[str, object] = {
            "begin": PaymentSucceededOutcome("pi"),
            "confirm": PaymentSucceededOutcome("pi_1"),
            "look": PaymentSucceededOutcome("pi_1"),
            "cancel": CANCELED,
            "refund": RefundResult("re"),
            "look_at_refund": RefundResult("re"),
        }

    async def _answer(self, question: str, reference: str) -> object:
        self.asked.append(f"{question} {reference.removeprefix('onsale-j-').removesuffix(f'-{NOW_MS}')}")
        self.times.append(self._clock.now - 1000)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            said = self.say[question]
            if isinstance(said, asyncio.Future):
                said = await said
            elif callable(said):
                said = said()
        finally:
            self.at_once -= 1
        if isinstance(said, Exception):
            raise said
        return said

    async def _outcome(self, question: str, charge: Charge) -> PaymentOutcome:
        self.charges.append(charge)
        return await self._answer(question, charge.reference)  # type: ignore[return-value]

    async def begin(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome("begin", charge)

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome("confirm", charge)

    async def look(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome("look", charge)

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome("cancel", charge)

    async def refund(self, order: RefundOrder) -> RefundResult:
        self.orders.append(order)
        return await self._answer("refund", order.reference)  # type: ignore[return-value]

    async def look_at_refund(self, order: RefundOrder) -> RefundResult:
        self.orders.append(order)
        return await self._answer("look_at_refund", order.reference)  # type: ignore[return-value]

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:
        raise NotImplementedError

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage:
        raise NotImplementedError


class Bench:
    """A node without a journal: what is submitted is decided at once, and durable when `durable` says so."""

    def __init__(self, state: State | None = None) -> None:
        self.clock = Clock()
        self.provider = Provider(self.clock)
        self.commands: list[Command] = []
        self.durable = True
        self._undurable: list[Fact] = []
        self.state = state or State()
        if state is None:
            self.decide(CreateEvent("Concert", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", CAPACITY),)))
            self.decide(Book("ada", 1, HOLD_MS))
        self.effects = PaymentEffects(
            self.provider,
            self.state,
            self._submit,
            hold_ms=HOLD_MS,
            journal_id="j",
            now_ms=lambda: NOW_MS,
            call_later=self.clock.call_later,
            chance=lambda: 1.0,
            seconds=self.clock.seconds,
        )

    def _submit(self, command: Command) -> None:
        self.commands.append(command)
        self.do(command)

    def decide(self, command: Command, at_ms: int = NOW_MS) -> list[Fact]:
        at_ms = max(at_ms, self.state.at_ms)
        facts = decide(self.state, at_ms, command).facts
        for fact in facts:
            apply(self.state, at_ms, fact)
        return facts

    def do(self, command: Command, at_ms: int = NOW_MS) -> None:
        self._undurable += self.decide(command, at_ms)
        if self.durable:
            self.sync()

    def sync(self) -> None:
        """What was decided becomes durable."""
        facts, self._undurable = self._undurable, []
        for fact in facts:
            if isinstance(fact, self.effects.kinds):
                self.effects.on_fact(0, NOW_MS, fact)

    async def pass_seconds(self, seconds: float) -> None:
        await self.clock.pass_seconds(seconds, *self.effects.lanes)

    async def idle(self) -> None:
        await all_idle(*self.effects.lanes)

    async def turns(self, number: int = 5) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    @property
    def booking(self) -> str:
        return BOOKING_NAMES[self.state.bookings.rows[1].status]

    @property
    def payment(self) -> Payment:
        return self.state.payments.rows[1]


PAY = StartPayment("ada", 1, "10.00", method="pm_card_visa")
PREPARED = PaymentPreparedOutcome("pi_1", "pi_1_secret")
STEP = PaymentPendingOutcome(requires_action=True, client_secret="pi_1_secret", provider_reference="pi_1")
DOWN = ProviderUnavailable("no route to host")


async def test_a_provider_that_charges_at_once_is_asked_once() -> None:
    bench = Bench()
    bench.do(PAY)
    await bench.idle()
    assert bench.commands == [SettlePayment(1, PaymentSucceededOutcome("pi"), HOLD_MS)]
    assert bench.provider.asked == ["begin payment-1"]
    assert bench.provider.charges == [
        Charge(f"onsale-j-payment-1-{NOW_MS}", "j", 1, 1, 1000, "EUR", "pm_card_visa", None, "Booking 1")
    ]
    assert bench.booking == "confirmed"
    await bench.pass_seconds(1000)
    assert len(bench.provider.asked) == 1


async def test_nothing_is_charged_before_the_providers_name_for_it_is_durable() -> None:
    bench = Bench()
    bench.provider.say["begin"] = PREPARED
    bench.do(PAY)
    bench.durable = False
    await bench.idle()
    assert bench.payment.provider_reference == "pi_1"
    bench.effects.hurry(1)
    await bench.pass_seconds(100)
    assert bench.provider.asked == ["begin payment-1"]
    bench.durable = True
    bench.sync()
    await bench.idle()
    assert bench.provider.asked == ["begin payment-1", "confirm payment-1"]
    assert bench.provider.charges[1].provider_reference == "pi_1"
    assert bench.booking == "confirmed"


async def test_a_free_ticket_asks_nobody() -> None:
    bench = Bench()
    bench.decide(CreateEvent("Free", NOW_MS + 10**9, (TypeSpec("Entry", "0.00", 5),)))
    bench.decide(Book("ada", 2, HOLD_MS))
    bench.do(StartPayment("ada", 2, "0.00"))
    await bench.idle()
    assert not bench.provider.asked
    assert BOOKING_NAMES[bench.state.bookings.rows[2].status] == "confirmed"


async def test_one_under_way_is_looked_at_less_and_less_often() -> None:
    bench = Bench()
    bench.provider.say["begin"] = bench.provider.say["look"] = STEP
    bench.do(PAY)
    await bench.pass_seconds(600)
    assert set(bench.provider.asked[1:]) == {"look payment-1"}
    assert bench.provider.times[1:] == [5, 15, 35, 75, 155, 275, 395, 515]
    assert bench.payment.status == PAYMENT_REQUIRES_ACTION
    bench.provider.say["look"] = PaymentSucceededOutcome("pi_1")
    bench.effects.hurry(1)
    await bench.idle()
    assert bench.booking == "confirmed"
    asked = len(bench.provider.asked)
    bench.effects.hurry(1)
    await bench.pass_seconds(1000)
    assert len(bench.provider.asked) == asked
    assert not any(lane.waiting for lane in bench.effects.lanes)


async def test_after_a_declined_card_the_attempt_goes_on() -> None:
    bench = Bench()
    bench.provider.say["begin"] = STEP
    bench.provider.say["look"] = PaymentDeclinedOutcome("insufficient_funds", "Try another card.")
    bench.do(PAY)
    await bench.pass_seconds(6)
    assert (bench.payment.failure, bench.payment.status) == ("insufficient_funds", PAYMENT_REQUIRES_ACTION)
    bench.provider.say["look"] = PaymentSucceededOutcome("pi_1")
    await bench.pass_seconds(5)
    assert bench.booking == "confirmed"


async def test_a_failure_is_final() -> None:
    bench = Bench()
    bench.provider.say["begin"] = PREPARED
    bench.provider.say["confirm"] = PaymentFailedOutcome("card_declined", "Try another card.")
    bench.do(PAY)
    await bench.pass_seconds(1000)
    assert bench.provider.asked == ["begin payment-1", "confirm payment-1"]
    assert bench.booking == "held"


@pytest.mark.parametrize("late", [PaymentSucceededOutcome("pi_1"), PaymentFailedOutcome("card_declined")])
async def test_an_attempt_given_up_while_it_is_confirmed_still_has_its_answer_taken(late: PaymentOutcome) -> None:
    bench = Bench()
    answer: asyncio.Future[PaymentOutcome] = asyncio.get_running_loop().create_future()
    bench.provider.say["begin"] = PREPARED
    bench.provider.say["confirm"] = answer
    bench.do(PAY)
    await bench.turns(10)
    bench.do(Lapse(1, HOLD_MS), NOW_MS + PAYING_MS)
    assert bench.payment.status == PAYMENT_ABANDONED
    await bench.turns()
    assert bench.provider.asked == ["begin payment-1", "confirm payment-1"], "never two questions at once"
    answer.set_result(late)
    await bench.idle()
    assert SettlePayment(1, late, HOLD_MS) in bench.commands
    assert bench.booking == ("confirmed" if isinstance(late, PaymentSucceededOutcome) else "expired")
    assert not bench.state.payments.rows
    assert bench.provider.asked == ["begin payment-1", "confirm payment-1"]


async def test_an_attempt_given_up_while_the_provider_is_unsure_is_cancelled_next() -> None:
    bench = Bench()
    answer: asyncio.Future[PaymentOutcome] = asyncio.get_running_loop().create_future()
    bench.provider.say["begin"] = PREPARED
    bench.provider.say["confirm"] = answer
    bench.do(PAY)
    await bench.turns(10)
    bench.do(Lapse(1, HOLD_MS), NOW_MS + PAYING_MS)
    answer.set_exception(DOWN)
    await bench.pass_seconds(2)
    assert bench.provider.asked == ["begin payment-1", "confirm payment-1", "cancel payment-1"]
    assert bench.booking == "expired"
    assert not bench.state.payments.rows


async def test_an_attempt_given_up_before_it_had_a_name_is_cancelled_when_it_has_one() -> None:
    bench = Bench()
    answer: asyncio.Future[PaymentOutcome] = asyncio.get_running_loop().create_future()
    bench.provider.say["begin"] = answer
    bench.do(PAY)
    await bench.turns()
    bench.do(Lapse(1, HOLD_MS), NOW_MS + PAYING_MS)
    answer.set_result(PREPARED)
    await bench.idle()
    assert bench.provider.asked == ["begin payment-1", "cancel payment-1"]
    assert bench.provider.charges[1].provider_reference == "pi_1"


async def test_what_can_not_be_cancelled_yet_is_tried_again_and_may_have_succeeded() -> None:
    bench = Bench()
    bench.provider.say["begin"] = STEP
    bench.provider.say["cancel"] = PaymentPendingOutcome(requires_action=False, client_secret="")
    bench.do(PAY)
    await bench.idle()
    bench.do(Lapse(1, HOLD_MS), NOW_MS + PAYING_MS)
    await bench.pass_seconds(100)
    assert bench.provider.asked.count("cancel payment-1") == 4
    bench.provider.say["cancel"] = PaymentSucceededOutcome("pi_1")
    bench.effects.hurry(1)
    await bench.idle()
    assert bench.booking == "confirmed", "the tickets were still there"


async def test_ten_minutes_without_the_provider_lose_nothing() -> None:
    bench = Bench()
    bench.provider.say["begin"] = bench.provider.say["refund"] = DOWN
    bench.do(PAY)
    for number in range(200):
        bench.do(Book(f"user {number}", 1, HOLD_MS))
        bench.do(StartPayment(f"user {number}", 1, "10.00", method="pm_card_visa"))
    await bench.pass_seconds(600)
    assert not bench.commands
    payments = bench.effects.lanes[0]
    assert payments.failing_since_seconds == 1000.0
    assert payments.waiting == 201
    assert len(bench.provider.asked) < ASKED_AT_ONCE_MAX + 20, "probes, a minute apart in the end"
    bench.provider.say["begin"] = PREPARED
    await bench.pass_seconds(130)
    assert not bench.state.payments.rows
    assert {booking.status for booking in bench.state.bookings.rows.values()} == {bench.state.bookings.rows[1].status}
    assert bench.booking == "confirmed"
    assert bench.provider.most_at_once == ASKED_AT_ONCE_MAX
    confirmed = [asked for asked in bench.provider.asked if asked.startswith("confirm")]
    assert len(confirmed) == len(set(confirmed)) == 201


async def test_the_provider_says_how_long_to_wait() -> None:
    bench = Bench()
    bench.provider.say["begin"] = ProviderUnavailable("too many requests", retry_after_seconds=40)
    bench.do(PAY)
    await bench.pass_seconds(39)
    assert bench.provider.times == [0]
    bench.provider.say["begin"] = PaymentSucceededOutcome("pi")
    await bench.pass_seconds(2)
    assert bench.provider.times == [0, 40]


async def test_refunds_are_given_looked_at_and_given_again_under_another_reference() -> None:
    bench = Bench()
    bench.do(PAY)
    await bench.idle()
    bench.provider.say["refund"] = bench.provider.say["look_at_refund"] = RefundResult("re_1", pending=True)
    bench.do(StartRefund(1, HOLD_MS, "4.00"))
    await bench.pass_seconds(500)
    assert bench.provider.asked[1:] == ["refund refund-1", *["look_at_refund refund-1"] * 4]
    assert bench.provider.times[1:] == [0, 30, 90, 210, 450]
    assert bench.provider.orders[0] == RefundOrder("onsale-j-refund-1", "j", 1, 1, 1, "pi", 400, "EUR", is_young=True)
    assert bench.provider.orders[1].provider_reference == "re_1"

    bench.provider.say["look_at_refund"] = RefundResult("re_1", "the card was closed")
    await bench.pass_seconds(500)
    assert bench.state.refunds.rows[1].status == REFUND_FAILED
    asked = len(bench.provider.asked)
    await bench.pass_seconds(10_000)
    assert len(bench.provider.asked) == asked, "a person must look"

    bench.provider.say["refund"] = RefundResult("re_2")
    bench.do(RetryRefund(1))
    await bench.idle()
    assert bench.provider.asked[-1] == "refund refund-1-2"
    assert bench.booking == "partially_refunded"
    assert isinstance(bench.commands[-1], SettleRefund)
    assert not any(lane.waiting for lane in bench.effects.lanes)


async def test_whoever_leads_next_goes_on_where_the_state_stands() -> None:
    first = Bench()
    names = ["begun", "prepared", "under way", "given up", "refunding", "refund pending"]
    for number, name in enumerate(names, 1):
        first.decide(Book(name, 1, HOLD_MS))
        first.decide(StartPayment(name, 1, "10.00", method="pm_card_visa"))
        if name == "prepared":
            first.decide(SettlePayment(number, PaymentPreparedOutcome("pi_1", "secret"), HOLD_MS))
        elif name == "under way":
            first.decide(SettlePayment(number, STEP, HOLD_MS))
        elif name.startswith("refund"):
            first.decide(SettlePayment(number, PaymentSucceededOutcome("pi"), HOLD_MS))
            first.decide(StartRefund(number + 1, HOLD_MS))
    first.decide(SettleRefund(2, "re_2", pending=True))
    first.decide(Lapse(5, HOLD_MS), NOW_MS + PAYING_MS)
    bench = Bench(first.state)
    bench.effects.resume()
    bench.effects.resume()
    await bench.idle()
    assert bench.provider.asked == ["begin payment-1", "confirm payment-2", "cancel payment-4", "refund refund-1"]
    await bench.pass_seconds(31)
    assert bench.provider.asked[4:] == ["look payment-3", "look_at_refund refund-2"]
    assert not bench.state.payments.rows
    assert not bench.state.refunds.rows


async def test_what_was_begun_since_it_leads_is_asked_about_when_it_is_durable_not_when_it_resumes() -> None:
    bench = Bench()
    bench.durable = False
    bench.do(PAY)
    bench.effects.resume()
    await bench.pass_seconds(10)
    assert not bench.provider.asked
    bench.sync()
    await bench.idle()
    assert bench.provider.asked == ["begin payment-1"]


async def test_resuming_with_very_much_open_takes_many_small_turns() -> None:
    state = State()
    bench = Bench(state)
    for number in range(1, 5 * RESUMED_PER_TURN):
        state.payments.add(number, Payment(number, number, "ada", 1000, "EUR", PAYMENT_STARTED, "pm", NOW_MS))
    state.next_payment_id = 5 * RESUMED_PER_TURN
    bench = Bench(state)
    bench.provider.say["begin"] = asyncio.get_running_loop().create_future()
    bench.effects.resume()
    payments = bench.effects.lanes[0]
    known = [payments.waiting + payments.in_flight]
    while bench.clock.timers:
        bench.clock.ring()
        known.append(payments.waiting + payments.in_flight)
    assert known[-1] == 5 * RESUMED_PER_TURN - 1
    assert max(later - earlier for earlier, later in zip([0, *known], known, strict=False)) == RESUMED_PER_TURN
    await bench.effects.close()


async def test_closing_stops_asking() -> None:
    bench = Bench()
    answer: asyncio.Future[PaymentOutcome] = asyncio.get_running_loop().create_future()
    bench.provider.say["begin"] = answer
    bench.do(PAY)
    await bench.turns()
    await bench.effects.close()
    assert answer.cancelled()
    bench.effects.hurry(1)
    bench.effects.resume()
    await bench.pass_seconds(100)
    assert bench.provider.asked == ["begin payment-1"]
    assert not bench.commands


async def test_a_fault_of_ours_is_logged_and_does_no_harm_to_others(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    faults = iter([RuntimeError("a bug")])
    bench.provider.say["begin"] = lambda: next(faults, PaymentSucceededOutcome("pi"))
    bench.do(PAY)
    bench.do(Book("bob", 1, HOLD_MS))
    bench.do(StartPayment("bob", 1, "10.00"))
    await bench.idle()
    assert bench.commands == [SettlePayment(2, PaymentSucceededOutcome("pi"), HOLD_MS)]
    assert "payments: the work on 1 went wrong" in caplog.text
    await bench.pass_seconds(1)
    assert bench.booking == "confirmed"


async def test_the_refunds_of_a_cancelled_event_are_paced_and_hold_up_nobody_elses() -> None:
    bench = Bench()
    bench.decide(CreateEvent("Another", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", CAPACITY),)))
    bookings = []
    for number in range(200):
        event_id = 1 if number else 2
        bookings.append(bench.state.next_booking_id)
        bench.decide(Book(f"u{number}", event_id, HOLD_MS))
        bench.decide(StartPayment(f"u{number}", event_id, "10.00", booking_id=bookings[-1]))
        payment_id = bench.state.next_payment_id - 1
        bench.decide(SettlePayment(payment_id, PaymentSucceededOutcome("pi"), HOLD_MS))
    bench.do(CancelEvent(1))
    for booking_id in bookings[1:]:
        bench.do(Sweep(booking_id))
    bench.do(StartRefund(bookings[0], HOLD_MS))
    await bench.idle()
    assert len(bench.provider.orders) < 10, "a few of the event's, and the one that somebody asked for"
    assert bookings[0] in {order.booking_id for order in bench.provider.orders}
    await bench.pass_seconds(1.0)
    assert BULK_REFUNDS_A_SECOND <= len(bench.provider.orders) <= BULK_REFUNDS_A_SECOND + 10
    await bench.pass_seconds(2.0)
    assert len(bench.provider.orders) == 200
    assert not bench.state.refunds.rows
