"""Who decides commands here, and who waits for a payment provider's first word."""

from types import SimpleNamespace
from typing import Any

import pytest

from onsale.engine.codes import Code
from onsale.engine.commands import Idempotency, PaymentSucceededOutcome, SettlePayment, StartPayment
from onsale.engine.replies import Paid, PaymentUnderway, Reply
from onsale.engine.status import PAYMENT_STARTED
from onsale.node.gateway import PROVIDER_WAIT_SECONDS, NodeGateway

FIRST_KEY, OTHER_KEY = Idempotency(b"1" * 16, b"f" * 16), Idempotency(b"2" * 16, b"f" * 16)
UNDERWAY = PaymentUnderway(1, 7, 3, 1_000, "EUR")
PAID = Paid(2, 7, 3, 1, "Standing", 1, 1_000, "EUR")


class Timer:
    def __init__(self, seconds: float, callback: Any, arguments: tuple[Any, ...]) -> None:
        self.seconds = seconds
        self.cancelled = False
        self._run = lambda: callback(*arguments)

    def cancel(self) -> None:
        self.cancelled = True

    def ring(self) -> None:
        if not self.cancelled:
            self._run()


class Setting:
    """A gateway over a loop that says what it is told to, and timers that ring by hand."""

    def __init__(self) -> None:
        payment = SimpleNamespace(id=7, status=PAYMENT_STARTED, key=FIRST_KEY.digest)
        self.state = SimpleNamespace(payments=SimpleNamespace(rows={7: payment}), seq=4, at_ms=1_000)
        self.says: Reply = UNDERWAY
        self.timers: list[Timer] = []
        parts: dict[str, Any] = dict.fromkeys(
            ("search", "archive", "checkpointing", "journal", "tickets", "positions", "forwarder")
        )
        parts["positions"] = self.positions = SimpleNamespace(seq=3)
        self.changes = 0  # of who leads, as those are told who wait for that
        parts["forwarder"] = SimpleNamespace(primary_changed=self.primary_changed)
        self.member = SimpleNamespace(leading=self)
        self.durable = SimpleNamespace(seq=5)
        self.gateway = NodeGateway(
            self.state,  # type: ignore[arg-type]
            **parts,
            call_later=self.call_later,
            provider_name="test",
            hold_ms=1_000,
            member=lambda: self.member,  # type: ignore[arg-type, return-value]
        )
        self.gateway.lead(self)  # type: ignore[arg-type]
        self.untold: list[Any] | None = None  # a list: decided, and not durable yet

    def submit(self, _command: Any, _key: Any, done: Any) -> None:
        says = self.says
        if self.untold is None:
            done(says, False)
        else:
            self.untold.append(lambda: done(says, False))

    def primary_changed(self) -> None:
        self.changes += 1

    def when_durable(self, done: Any) -> None:
        done(5)

    def now_ms(self) -> int:
        return 2_000

    def call_later(self, seconds: float, callback: Any, *arguments: Any) -> Timer:
        self.timers.append(Timer(seconds, callback, arguments))
        return self.timers[-1]

    def pay(self, key: Idempotency | None = None) -> list[Reply]:
        self.says = UNDERWAY
        answers: list[Reply] = []
        self.gateway.submit(StartPayment("ada", 1, "10.00"), key, lambda reply, _replayed: answers.append(reply))
        return answers

    def settle(self) -> None:
        self.says = PAID
        self.gateway.settle(SettlePayment(7, PaymentSucceededOutcome(), 1_000))


def test_the_providers_word_is_the_answer_and_leaves_no_timer_behind() -> None:
    setting = Setting()
    first, second = setting.pay(), setting.pay()
    assert not first
    setting.settle()
    assert first == second == [PAID]
    assert [timer.cancelled for timer in setting.timers] == [True, True]


@pytest.mark.parametrize("settled_after", [False, True])
def test_a_provider_that_takes_long_is_not_waited_for(settled_after: bool) -> None:
    setting = Setting()
    answers = setting.pay()
    assert setting.timers[0].seconds == PROVIDER_WAIT_SECONDS
    setting.timers[0].ring()
    assert answers == [UNDERWAY]
    if settled_after:
        setting.settle()
    assert answers == [UNDERWAY]


def test_an_outcome_decided_before_the_first_reply_is_told_is_still_the_answer() -> None:
    """A large batch is told over several turns, and the provider may have answered by then."""
    setting = Setting()
    setting.untold = []
    answers = setting.pay(FIRST_KEY)
    setting.settle()
    setting.state.payments.rows.clear()  # a settled payment leaves memory as soon as that is decided
    for tell in setting.untold:
        assert not answers
        tell()
    assert answers == [PAID]


def test_a_key_that_did_not_begin_the_attempt_is_answered_at_once() -> None:
    """Its answer is kept as it is: the outcome is another key's, and would not be given again."""
    setting = Setting()
    first, other, unkeyed = setting.pay(FIRST_KEY), setting.pay(OTHER_KEY), setting.pay()
    assert (first, other, unkeyed) == ([], [UNDERWAY], [])
    setting.settle()
    assert (first, other, unkeyed) == ([PAID], [UNDERWAY], [PAID])


# --- roles


def test_a_node_that_leads_decides_with_its_loop() -> None:
    setting = Setting()
    setting.says = PAID
    answers: list[Reply] = []
    gateway = setting.gateway
    gateway.submit_hot(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert answers == [PAID]
    assert (gateway.leads, gateway.durable_seq, gateway.now_ms()) == (True, 5, 2_000)
    assert setting.changes == 1, "calls that waited for a primary are decided here"


@pytest.mark.parametrize("call", ["submit", "submit_hot"])
def test_a_node_that_pauses_or_follows_decides_nothing(call: str) -> None:
    setting = Setting()
    gateway = setting.gateway
    gateway.pause()
    answers: list[Any] = []
    getattr(gateway, call)(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert [answer.code for answer in answers] == [Code.NO_PRIMARY]
    assert not gateway.leads
    assert gateway.durable_seq == 3, "what it has applied, not what its loop once said"
    assert gateway.now_ms() == setting.state.at_ms


def test_a_node_that_leads_again_decides_with_the_new_loop() -> None:
    setting, other = Setting(), Setting()
    setting.gateway.pause()
    other.says = PAID
    setting.gateway.lead(other)  # type: ignore[arg-type]
    answers: list[Reply] = []
    setting.gateway.submit(StartPayment("ada", 1, "10.00"), None, lambda reply, _replayed: answers.append(reply))
    assert answers == [PAID]


def test_reads_wait_for_what_they_show_only_where_it_may_not_be_committed() -> None:
    setting = Setting()
    positions: list[int | None] = []
    setting.gateway.when_durable(positions.append)
    setting.member.leading = None  # it follows: its state holds nothing that is not
    setting.gateway.when_durable(positions.append)
    assert positions == [5, 4]
