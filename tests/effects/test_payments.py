"""What committed facts owe the provider is asked for once they are durable, again after a crash, and until answered."""

import asyncio
from collections.abc import Iterator

import pytest

from onsale.effects.payments import PaymentEffects
from onsale.effects.provider import CANCELED, Charge, ProviderUnavailable, RefundOrder, RefundResult
from onsale.engine.apply import apply
from onsale.engine.commands import (
    Book,
    Command,
    CreateEvent,
    PaymentOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    SettleRefund,
    StartPayment,
    StartRefund,
    TypeSpec,
)
from onsale.engine.decide import decide
from onsale.engine.facts import Fact
from onsale.engine.state import State
from onsale.engine.status import PAYMENT_NAMES

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000


class Provider:
    """Says what it is told to, and writes down what it was asked."""

    name = "scripted"

    def __init__(self, *failures: Exception) -> None:
        self.failures: Iterator[Exception] = iter(failures)
        self.asked: list[str] = []

    def _ask(self, reference: str) -> None:
        self.asked.append(reference)
        failure = next(self.failures, None)
        if failure is not None:
            raise failure

    async def charge(self, charge: Charge) -> PaymentOutcome:
        self._ask(charge.reference)
        return PaymentSucceededOutcome(f"pi_{charge.payment_id}")

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        self._ask(f"cancel {charge.reference}")
        return CANCELED

    async def refund(self, order: RefundOrder) -> RefundResult:
        self._ask(order.reference)
        return RefundResult(f"re_{order.refund_id}")


class Bench:
    def __init__(self, provider: Provider) -> None:
        self.state = State()
        self.provider = provider
        self.commands: list[Command] = []
        self.waits: list[float] = []
        self.settled = asyncio.Event()
        self.effects = PaymentEffects(
            provider, self.state, self._submit, hold_ms=HOLD_MS, journal_id="j", sleep=self._sleep
        )
        self.do(CreateEvent("Concert", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", 5),)))
        self.do(Book("ada", 1, HOLD_MS))

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def _submit(self, command: Command) -> None:
        self.commands.append(command)
        self.settled.set()

    def do(self, command: Command, at_ms: int = NOW_MS) -> list[Fact]:
        facts = decide(self.state, at_ms, command).facts
        for fact in facts:
            apply(self.state, at_ms, fact)
        return facts

    def tell(self, facts: list[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, self.effects.kinds):
                self.effects.on_fact(0, NOW_MS, fact)

    async def word(self) -> Command:
        async with asyncio.timeout(5):
            await self.settled.wait()
        self.settled.clear()
        return self.commands.pop()


PAY = StartPayment("ada", 1, "10.00", method="pm_card_visa")


async def test_a_started_payment_is_asked_about_and_settled() -> None:
    bench = Bench(Provider())
    bench.tell(bench.do(PAY))
    assert await bench.word() == SettlePayment(1, PaymentSucceededOutcome("pi_1"), HOLD_MS)
    assert bench.provider.asked == ["onsale-j-payment-1"]


async def test_a_provider_that_is_down_is_asked_again_under_the_same_reference() -> None:
    bench = Bench(Provider(ProviderUnavailable("down"), ProviderUnavailable("down")))
    bench.tell(bench.do(PAY))
    assert isinstance(await bench.word(), SettlePayment)
    assert bench.provider.asked == ["onsale-j-payment-1"] * 3
    assert bench.waits == [0.5, 1.0]


async def test_after_a_restart_whatever_is_unsettled_is_asked_about_again() -> None:
    bench = Bench(Provider())
    bench.do(PAY)
    bench.effects.resume()
    settle = await bench.word()
    bench.do(settle)
    bench.do(StartRefund(1, HOLD_MS, "4.00"))
    bench.effects.resume()
    assert await bench.word() == SettleRefund(1, "re_1", None)
    assert bench.provider.asked == ["onsale-j-payment-1", "onsale-j-refund-1"]


async def test_a_free_ticket_asks_nobody() -> None:
    bench = Bench(Provider())
    bench.do(CreateEvent("Free", NOW_MS + 10**9, (TypeSpec("Entry", "0.00", 5),)))
    bench.do(Book("ada", 2, HOLD_MS))
    bench.tell(bench.do(StartPayment("ada", 2, "0.00")))
    await bench.effects.close()
    assert not bench.provider.asked
    assert bench.state.bookings.rows[2].status == 4


async def test_an_attempt_nobody_waits_for_is_withdrawn() -> None:
    from onsale.engine.commands import Lapse

    bench = Bench(Provider())
    bench.do(PAY)
    facts = bench.do(Lapse(1, HOLD_MS), NOW_MS + 15 * 60 * 1000)
    bench.tell(facts)
    settle = await bench.word()
    assert settle == SettlePayment(1, CANCELED, HOLD_MS)
    bench.do(settle, NOW_MS + 15 * 60 * 1000)
    assert not bench.state.payments.rows, PAYMENT_NAMES


async def test_closing_stops_asking() -> None:
    class Never(Provider):
        async def charge(self, charge: Charge) -> PaymentOutcome:
            self.asked.append(charge.reference)
            await asyncio.Event().wait()
            raise AssertionError

    bench = Bench(Never())
    bench.tell(bench.do(PAY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await bench.effects.close()
    assert bench.provider.asked == ["onsale-j-payment-1"]
    assert not bench.commands


async def test_a_fault_of_ours_is_logged_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Provider(RuntimeError("a bug")))
    bench.tell(bench.do(PAY))
    bench.do(CreateEvent("Other", NOW_MS + 10**9, (TypeSpec("Standing", "10.00", 5),)))
    bench.do(Book("bob", 2, HOLD_MS))
    bench.tell(bench.do(StartPayment("bob", 2, "10.00")))
    assert isinstance(await bench.word(), SettlePayment)
    assert "asked again at the next start" in caplog.text
