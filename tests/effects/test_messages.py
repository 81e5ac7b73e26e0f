"""Messages are sent once their facts are durable, again until they are taken, and the urgent ones before all others."""

import asyncio
import base64
import json
import random
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from onsale.effects.messages import MAILS_AT_ONCE_MAX, RESUMED_PER_TURN, URGENT, WEBHOOKS_PER_HOST_MAX, MessageEffects
from onsale.effects.orders import Answer, CallWebhook, Drawn, Mail, NotSent, Order, Sent
from onsale.effects.provider import ProviderUnavailable
from onsale.engine import facts as f
from onsale.engine.apply import apply
from onsale.engine.commands import (
    Book,
    CancelEvent,
    Command,
    CreateEvent,
    DisableWebhook,
    DropDelivery,
    GiveUp,
    PaymentSucceededOutcome,
    Promote,
    RetryDelivery,
    SaveUser,
    SetMail,
    SettleDelivery,
    SettlePayment,
    StartPayment,
    Sweep,
    TypeSpec,
)
from onsale.engine.decide import decide
from onsale.engine.limits import DELIVERY_KEPT_MS
from onsale.engine.notices import KINDS
from onsale.engine.records import Delivery
from onsale.engine.state import State
from onsale.engine.status import COUNTS_FOR_USER
from onsale.tests.effects.clock import Clock

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000
HOOK = "https://hook.example.org/a"
HOUR = 3600


class Bench:
    """An engine whose facts become durable when it is said, and an outside that answers as it is told."""

    def __init__(self, *, mail: bool = True, journal_id: str = "0123456789abcdef") -> None:
        self.state = State()
        self.clock = Clock()
        self.asked: list[Order] = []
        self.asked_at: list[float] = []
        self.commands: list[Command] = []
        self.answer: Callable[[Order], Answer] = lambda _order: Sent()
        self.gate = asyncio.Event()
        self.gate.set()
        self.untold: list[tuple[int, f.Fact]] = []
        self.codes = True
        self.chance: Callable[[], float] = lambda: 0.5
        self.quick_disk = True  # what comes of messages is durable at once
        self.effects: MessageEffects | None = None
        self.journal_id = journal_id
        self.begun = self.clock.now
        self.do(SetMail(on=mail))
        self.do(
            CreateEvent(
                "Concert", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", 100_000),), venue="Waldbühne", city="Berlin",
                webhook_url=None,
            )
        )  # fmt: skip

    def now_ms(self) -> int:
        return NOW_MS + round((self.clock.now - self.begun) * 1000)

    def lead(self) -> MessageEffects:
        self.durable()
        self.effects = MessageEffects(
            self.state,
            self._submit,
            self._ask,
            journal_id=self.journal_id,
            ticket_codes=lambda event, booking, quantity: (
                [f"CODE-{event}-{booking}-{number}" for number in range(1, quantity + 1)] if self.codes else []
            ),
            webhook_secret=lambda owner: f"whsec_{base64.b64encode(owner.encode()).decode()}" if self.codes else "",
            now_ms=self.now_ms,
            call_later=self.clock.call_later,
            mail_domain="example.org",
            chance=self.chance,
            seconds=self.clock.seconds,
        )
        self.effects.resume()
        return self.effects

    async def _ask(self, order: Order) -> Answer:
        self.asked.append(order)
        self.asked_at.append(self.clock.now - self.begun)
        await asyncio.sleep(0)
        await self.gate.wait()
        return self.answer(order)

    def _submit(self, command: Command) -> None:
        self.commands.append(command)
        self.do(command)
        if self.quick_disk:
            self.durable()

    def do(self, *commands: Command) -> None:
        """Decided and applied; not durable yet."""
        for command in commands:
            facts, _, _ = decide(self.state, self.now_ms(), command)
            for fact in facts:
                apply(self.state, self.now_ms(), fact)
                self.untold.append((self.state.seq, fact))

    def durable(self, seq: int | None = None) -> None:
        """Up to here, or all that was done."""
        seq = self.state.seq if seq is None else seq
        told = [(each, fact) for each, fact in self.untold if each <= seq]
        self.untold = self.untold[len(told) :]
        if self.effects is not None:
            for each, fact in told:
                if isinstance(fact, self.effects.kinds):
                    self.effects.on_fact(each, self.now_ms(), fact)
            self.effects.on_durable(seq)

    async def begin(self) -> None:
        """Whatever is due now is begun, and perhaps not done."""
        while any(at <= self.clock.now for at, _, _ in self.clock.timers):
            self.clock.ring()
        for _ in range(20):
            await asyncio.sleep(0)

    async def pass_seconds(self, seconds: float = 0) -> None:
        assert self.effects is not None
        await self.clock.pass_seconds(seconds, *self.effects.lanes)

    def user(self, name: str = "ada", *, email: bool = True, hook: str | None = None) -> None:
        self.do(SaveUser(name, name.title(), f"{name}@example.com" if email else None, hook))

    def pay(self, name: str = "ada", quantity: int = 1) -> None:
        self.do(Book(name, 1, HOLD_MS, quantity=quantity))
        self.do(StartPayment(name, 1, f"{quantity * 10}.00", method="pm"))
        self.do(SettlePayment(self.state.next_payment_id - 1, PaymentSucceededOutcome("pi"), HOLD_MS))

    def organiser_hook(self, url: str) -> None:
        self.state.sales[1].event.webhook_url = url

    @property
    def mails(self) -> list[Mail]:
        return [each for each in self.asked if isinstance(each, Mail)]

    @property
    def calls(self) -> list[CallWebhook]:
        return [each for each in self.asked if isinstance(each, CallWebhook)]

    @property
    def owed(self) -> list[Delivery]:
        return list(self.state.deliveries.rows.values())


async def test_a_confirmed_booking_is_told_by_mail_with_its_tickets() -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    bench.pay(quantity=2)
    bench.durable()
    await bench.pass_seconds()
    (mail,) = bench.mails
    assert (mail.kind, mail.to, mail.name, mail.amount) == ("confirmed", "ada@example.com", "Ada", "20.00 EUR")
    assert [(each.code, each.number, each.ticket_type) for each in mail.tickets] == [
        ("CODE-1-1-1", 1, "Standing"),
        ("CODE-1-1-2", 2, "Standing"),
    ]
    assert mail.event_where == "Waldbühne, Berlin"
    assert mail.starts_at == "2027-01-26T21:46:40.000Z"
    assert mail.sentence == 'Your tickets for "Concert" are paid and confirmed. Enjoy the event!'
    assert mail.message_id.startswith("onsale.01234567.")
    assert not bench.owed


async def test_webhooks_of_users_and_organisers_are_called_each_with_its_secret() -> None:
    bench = Bench(mail=False)
    bench.user(hook=HOOK)
    bench.organiser_hook("https://organiser.example.org/")
    bench.lead()
    bench.pay()
    bench.durable()
    await bench.pass_seconds()
    by_type = {(each.url, json.loads(each.body)["type"]): each for each in bench.calls}
    assert set(by_type) == {
        (HOOK, "booking.held"),
        (HOOK, "booking.confirmed"),
        ("https://organiser.example.org/", "booking.confirmed"),
    }
    call = by_type[HOOK, "booking.confirmed"]
    body = json.loads(call.body)
    assert body == {
        "type": "booking.confirmed",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "bookingId": 1, "userId": "ada", "eventId": 1, "eventName": "Concert", "ticketType": "Standing",
            "quantity": 1, "amount": "10.00", "currency": "EUR", "detail": None,
            "noticeId": body["data"]["noticeId"],
        },
    }  # fmt: skip
    assert call.message_id == f"msg_01234567_{body['data']['noticeId']}"
    assert call.at_ms == NOW_MS
    assert base64.b64decode(call.secret.removeprefix("whsec_")) == b"user:ada"
    organisers = by_type["https://organiser.example.org/", "booking.confirmed"]
    assert base64.b64decode(organisers.secret.removeprefix("whsec_")) == b"event:1"


async def test_nothing_is_sent_before_it_is_durable() -> None:
    bench = Bench()
    bench.user()
    effects = bench.lead()
    bench.quick_disk = False
    bench.pay()
    paid_at = bench.state.seq
    effects.on_durable(paid_at - 1)
    await bench.pass_seconds()
    assert not bench.asked
    bench.user("bob")
    bench.pay("bob")  # decided while the first is written
    effects.on_durable(paid_at)
    await bench.pass_seconds()
    assert not [each for each in bench.mails if each.to == "bob@example.com"]
    effects.on_durable(bench.state.seq)
    await bench.pass_seconds()
    assert sorted(each.to for each in bench.mails) == ["ada@example.com", "bob@example.com"]


async def test_what_was_owed_is_sent_by_whoever_leads_next_under_the_same_id() -> None:
    bench = Bench()
    bench.user()
    bench.user("bob")
    first = bench.lead()
    bench.gate.clear()
    bench.pay()
    bench.durable()
    await asyncio.sleep(0)
    bench.pay("bob")  # and never told
    await first.close()
    bench.gate.set()
    assert len(bench.mails) == 1
    bench.lead()
    await bench.pass_seconds()
    assert len(bench.mails) == 3
    assert bench.mails[0].message_id == bench.mails[1].message_id
    assert len({each.message_id for each in bench.mails}) == 2
    assert not bench.owed


async def test_a_mail_that_is_not_taken_is_tried_for_three_days_and_then_given_up() -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    bench.answer = lambda _order: NotSent("greylisted")
    bench.pay()
    bench.durable()
    await bench.pass_seconds(4 * 24 * HOUR)
    waits = [after - before for before, after in pairwise(bench.asked_at)]
    assert waits[:4] == pytest.approx([63, 315, 945, 3780], abs=1)
    assert max(waits) <= 3780
    assert bench.asked_at[-1] > 71 * HOUR
    assert bench.asked_at[-1] * 1000 < DELIVERY_KEPT_MS
    (delivery,) = bench.owed
    assert delivery.dead
    assert delivery.failure == "greylisted"
    assert len({each.message_id for each in bench.mails}) == 1


async def test_a_webhook_is_tried_as_the_standard_proposes() -> None:
    bench = Bench(mail=False)
    bench.user(hook=HOOK)
    bench.lead()
    bench.answer = lambda _order: NotSent("It answered 500.")
    bench.do(Book("ada", 1, HOLD_MS))
    bench.durable()
    await bench.pass_seconds(4 * 24 * HOUR)
    waits = [after - before for before, after in pairwise(bench.asked_at)]
    assert waits[:8] == pytest.approx(
        [each * 1.05 for each in (5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR)], rel=0.01
    )
    assert 71 * HOUR < bench.asked_at[-1] < 72 * HOUR  # a last time
    assert bench.owed[0].dead
    times = [each.at_ms for each in bench.calls]
    assert times == [NOW_MS + round(at * 1000) for at in bench.asked_at]  # each attempt is signed with its own time


async def test_one_that_is_taken_the_second_time_is_done() -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    answers = iter([NotSent("later"), Sent()])
    bench.answer = lambda _order: next(answers)
    bench.pay()
    bench.durable()
    await bench.pass_seconds(HOUR)
    assert len(bench.asked) == 2
    assert not bench.owed


async def test_a_receiver_that_asks_for_time_gets_it() -> None:
    bench = Bench(mail=False)
    bench.user(hook=HOOK)
    bench.lead()
    answers = iter([NotSent("busy", retry_after_seconds=1000), NotSent("busy", retry_after_seconds=1), Sent()])
    bench.answer = lambda _order: next(answers)
    bench.do(Book("ada", 1, HOLD_MS))
    bench.durable()
    await bench.pass_seconds(HOUR)
    assert bench.asked_at == pytest.approx([0, 1000, 1315], abs=1)


async def test_what_is_refused_for_good_is_a_dead_letter_that_an_operator_can_retry() -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    bench.answer = lambda _order: NotSent("no such mailbox", for_good=True)
    bench.pay()
    bench.durable()
    await bench.pass_seconds(HOUR)
    assert len(bench.asked) == 1
    (delivery,) = bench.owed
    assert delivery.dead
    bench.answer = lambda _order: Sent()
    bench.do(RetryDelivery(delivery.id))
    bench.durable()
    await bench.pass_seconds()
    assert len(bench.asked) == 2
    assert not bench.owed


async def test_a_webhook_that_is_gone_is_not_called_again() -> None:
    bench = Bench(mail=False)
    bench.user(hook=HOOK)
    bench.organiser_hook("https://organiser.example.org/")
    bench.lead()
    bench.answer = lambda _order: NotSent("gone", gone=True)
    bench.pay()
    bench.durable()
    await bench.pass_seconds()
    assert bench.state.users.rows["ada"].webhook_disabled
    assert bench.state.sales[1].event.webhook_disabled
    assert DisableWebhook(HOOK, user_id="ada") in bench.commands
    assert not bench.owed
    called = len(bench.asked)
    bench.do(Book("ada", 1, HOLD_MS))
    bench.durable()
    await bench.pass_seconds(HOUR)
    assert len(bench.asked) == called


async def test_who_has_no_address_any_more_gets_nothing() -> None:
    bench = Bench()
    bench.user(hook=HOOK)
    bench.pay()
    bench.user(email=False)
    bench.lead()
    await bench.pass_seconds()
    assert not bench.asked
    assert not bench.owed
    assert all(isinstance(each, DropDelivery) for each in bench.commands)


async def test_a_message_goes_to_the_address_of_its_time() -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    bench.answer = lambda _order: NotSent("later")
    bench.pay()
    bench.durable()
    await bench.pass_seconds()
    bench.do(SaveUser("ada", "Countess", "new@example.com", None))
    await bench.pass_seconds(100)
    assert [each.to for each in bench.mails] == ["ada@example.com", "new@example.com"]


async def test_a_mail_server_that_is_down_counts_against_no_message() -> None:
    bench = Bench()
    for number in range(50):
        bench.user(f"u{number}")
        bench.pay(f"u{number}")
    effects = bench.lead()

    def down(_order: Order) -> Answer:
        raise ProviderUnavailable("the mail server is down")

    bench.answer = down
    await bench.pass_seconds(600)
    assert not bench.commands
    assert len(bench.asked) < 40  # the lane tries now and then
    assert effects.lanes[0].last_failure == "the mail server is down"
    assert all(delivery.attempts == 0 for delivery in bench.owed)
    bench.answer = lambda _order: Sent()
    await bench.pass_seconds(120)
    assert not bench.owed
    assert len(bench.commands) == 50


async def test_what_could_not_be_sent_for_days_becomes_a_dead_letter() -> None:
    bench = Bench()
    bench.user()
    bench.lead()

    def down(_order: Order) -> Answer:
        raise ProviderUnavailable("the mail server is down")

    bench.answer = down
    bench.pay()
    bench.durable()
    await bench.pass_seconds(DELIVERY_KEPT_MS / 1000 - 120)
    assert not bench.commands
    await bench.pass_seconds(300)
    assert bench.commands == [SettleDelivery(bench.owed[0].id, "the mail server is down")]
    assert bench.owed[0].dead


async def test_without_a_key_tickets_and_signatures_wait() -> None:
    bench = Bench()
    bench.chance = random.Random(1).random  # so that no two lanes wake in the same moment
    bench.user(hook=HOOK)
    bench.lead()
    bench.codes = False
    bench.pay()
    bench.durable()
    await bench.pass_seconds(5)
    assert not bench.asked
    assert not bench.commands
    bench.codes = True
    await bench.pass_seconds(120)
    assert not bench.owed


async def test_an_answer_that_makes_no_sense_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.user()
    bench.lead()
    answers = iter([Drawn(b""), Sent()])
    bench.answer = lambda _order: next(answers)
    bench.pay()
    bench.durable()
    await bench.pass_seconds(60)
    assert not bench.owed
    assert "answered with Drawn" in caplog.text


async def test_a_turn_is_told_at_once_though_very_many_others_wait() -> None:
    bench = Bench()
    bench.do(CreateEvent("Small", NOW_MS + 10**9, (TypeSpec("Seat", "10.00", 1),)))
    bench.user("first")
    bench.user("second", hook=HOOK)
    bench.do(Book("first", 2, HOLD_MS), Book("second", 2, HOLD_MS))
    for number in range(2_000):
        bench.user(f"u{number}", hook=f"https://hook.example.org/{number}")
        bench.do(Book(f"u{number}", 1, HOLD_MS))
    bench.do(CancelEvent(1))
    for booking in list(bench.state.bookings.rows.values()):
        if booking.event_id == 1 and booking.status in COUNTS_FOR_USER:
            bench.do(Sweep(booking.id))
    bench.lead()
    bench.gate.clear()  # whoever is asked is slow
    await bench.begin()
    in_hand = len(bench.mails)
    assert in_hand == MAILS_AT_ONCE_MAX
    assert len(bench.calls) == WEBHOOKS_PER_HOST_MAX
    first = next(each for each in bench.state.bookings.rows.values() if each.user_id == "first")
    bench.do(GiveUp(first.id, HOLD_MS))
    while bench.state.promotable:
        bench.do(Promote(next(iter(bench.state.promotable)), HOLD_MS))
    bench.durable()
    await asyncio.sleep(0)
    newest = bench.mails[in_hand:]
    assert [(each.kind, each.to) for each in newest] == [("your_turn", "second@example.com")]
    assert newest[0].expires_at == "2027-01-15T08:05:00.000Z"
    assert newest[0].amount == "10.00 EUR"
    assert any(b"your_turn" in each.body for each in bench.calls)
    assert bench.effects is not None
    await bench.effects.close()


async def test_one_slow_host_does_not_hold_up_the_others() -> None:
    bench = Bench(mail=False)
    for number in range(100):
        bench.user(f"slow{number}", hook=f"https://slow.example.org/{number}")
        bench.do(Book(f"slow{number}", 1, HOLD_MS))
    bench.user("quick", hook="https://quick.example.org/")
    bench.do(Book("quick", 1, HOLD_MS))
    bench.gate.clear()
    effects = bench.lead()
    await bench.begin()
    assert len(bench.calls) == WEBHOOKS_PER_HOST_MAX + 1
    assert bench.calls[-1].url == "https://quick.example.org/"
    await effects.close()


def test_urgent_kinds_are_kinds() -> None:
    assert set(KINDS) >= URGENT


async def test_batches_without_messages_cost_nothing() -> None:
    bench = Bench()
    bench.user()
    bench.user("silent", email=False)
    effects = bench.lead()
    bench.gate.clear()
    bench.pay()
    bench.durable()
    await asyncio.sleep(0)
    assert len(bench.owed) == 1  # so there are rows to look into
    begun = time.perf_counter()
    for _ in range(100_000):
        effects.on_durable(bench.state.seq)
    idle = (time.perf_counter() - begun) / 100_000
    assert idle < 5e-6
    bench.state.next_notice_id += 100_000  # as if so many had been told in the list alone
    begun = time.perf_counter()
    effects.on_durable(bench.state.seq)
    per_notice = (time.perf_counter() - begun) / 100_000
    assert per_notice < 5e-6
    print(f"{idle * 1e9:.0f} ns per batch without notices, {per_notice * 1e9:.0f} ns per notice")
    await effects.close()


async def test_a_start_with_very_much_owed_holds_the_loop_only_for_moments() -> None:
    bench = Bench()
    bench.user()
    bench.pay()
    (row,) = bench.owed
    for number in range(1, 50_001):
        copy = Delivery(**{name: getattr(row, name) for name in row.__struct_fields__} | {"id": row.id + 4 * number})
        bench.state.deliveries.add(copy.id, copy)
        bench.state.sales[1].owed.deliveries += 1
    bench.state.next_notice_id += 50_000
    bench.gate.clear()
    effects = bench.lead()
    mail = effects.lanes[0]
    turns = [mail.waiting + mail.in_flight]
    while any(at <= bench.clock.now for at, _, _ in bench.clock.timers):
        bench.clock.ring()
        turns.append(mail.waiting + mail.in_flight)
    assert turns[-1] == 50_001
    assert turns[0] <= RESUMED_PER_TURN
    assert max(after - before for before, after in pairwise(turns)) <= RESUMED_PER_TURN
    await effects.close()
