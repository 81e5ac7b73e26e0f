"""Who waits for the payment provider's first word, over the real engine: replies come when the test says so."""

from collections.abc import Callable
from typing import Any

import pytest

from onsale.engine.apply import apply
from onsale.engine.codes import Code
from onsale.engine.commands import (
    Book,
    Command,
    CreateEvent,
    Idempotency,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    SettleRefund,
    StartPayment,
    StartRefund,
    TakeProviderEvent,
    TypeSpec,
)
from onsale.engine.decide import decide
from onsale.engine.replies import Done, Paid, PaymentUnderway, RefundReply, Refusal, Reply
from onsale.engine.state import State
from onsale.node.provider_answers import PROVIDER_WAIT_SECONDS, ProviderAnswers

NOW_MS, HOLD_MS = 1_800_000_000_000, 300_000
FIRST_KEY, OTHER_KEY = Idempotency(b"1" * 16, b"f" * 16), Idempotency(b"2" * 16, b"f" * 16)
PAY = StartPayment("ada", 1, "10.00", method="pm_card_visa")


class Timer:
    def __init__(self, seconds: float, run: Callable[[], None]) -> None:
        self.seconds = seconds
        self.cancelled = False
        self._run = run

    def cancel(self) -> None:
        self.cancelled = True

    def ring(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._run()


class Setting:
    """An engine that decides at once and tells replies when asked to, and timers that ring by hand."""

    def __init__(self) -> None:
        self.state = State()
        self.timers: list[Timer] = []
        self.untold: list[Callable[[], None]] = []
        self.refusal: Refusal | None = None
        self.answers = ProviderAnswers(self.state, lambda: self.submit, self.call_later)
        for command in (
            CreateEvent("Concert", NOW_MS + 10**8, (TypeSpec("Standing", "10.00", 5),)),
            Book("ada", 1, HOLD_MS),
        ):
            self.submit(command, None, lambda _reply, _replayed: None)

    def submit(self, command: Command, key: Idempotency | None, done: Callable[[Reply, bool], None]) -> None:
        if self.refusal is not None:
            refusal = self.refusal
            self.untold.append(lambda: done(refusal, False))
            return
        decided = decide(self.state, NOW_MS, command, key)
        for fact in decided.facts:
            apply(self.state, NOW_MS, fact)
        self.untold.append(lambda: done(decided.reply, decided.replayed))

    def tell(self) -> None:
        """All that was decided is durable."""
        while self.untold:
            self.untold.pop(0)()

    def call_later(self, seconds: float, callback: Any, *arguments: Any) -> Timer:
        self.timers.append(Timer(seconds, lambda: callback(*arguments)))
        return self.timers[-1]

    def ask(self, key: Idempotency | None = None, command: Command = PAY) -> list[tuple[Reply, bool]]:
        answers: list[tuple[Reply, bool]] = []
        self.answers.submit(command, key, lambda reply, replayed: answers.append((reply, replayed)))
        return answers

    def settle(self, outcome: PaymentOutcome | None = None) -> None:
        self.answers.settle(SettlePayment(1, outcome or PaymentSucceededOutcome("pi_1"), HOLD_MS))


def test_the_providers_word_is_the_answer_and_leaves_no_timer_behind() -> None:
    setting = Setting()
    first, second = setting.ask(), setting.ask()
    setting.tell()
    assert not first
    setting.settle()
    assert not first, "it is not durable"
    setting.tell()
    assert first == second
    assert isinstance(first[0][0], Paid)
    assert [timer.cancelled for timer in setting.timers] == [True, True]


def test_that_an_attempt_has_a_name_at_the_provider_is_no_answer() -> None:
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.settle(PaymentPreparedOutcome("pi_1", "secret"))
    setting.tell()
    assert not answers
    setting.settle(PaymentFailedOutcome("card_declined", "Try another card."))
    setting.tell()
    assert isinstance(answers[0][0], Refusal)
    assert answers[0][0].code is Code.PAYMENT_DECLINED
    again = setting.ask(FIRST_KEY)
    setting.tell()
    assert again == [(answers[0][0], True)]


@pytest.mark.parametrize("told_before", [False, True])
def test_what_takes_long_is_answered_once_and_for_ever(told_before: bool) -> None:
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.tell()
    assert setting.timers[0].seconds == PROVIDER_WAIT_SECONDS
    setting.timers[0].ring()
    if told_before:
        setting.tell()
        assert isinstance(answers[0][0], PaymentUnderway)
    setting.settle()  # a moment later
    setting.tell()
    ((reply, _),) = answers
    assert isinstance(reply, PaymentUnderway)
    again = setting.ask(FIRST_KEY)
    setting.tell()
    assert again == [(reply, True)], "the same answer, though the payment has succeeded meanwhile"
    assert setting.state.bookings.rows[1].provider_reference == "pi_1"


def test_an_outcome_that_is_decided_when_patience_ends_is_waited_for() -> None:
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.tell()
    setting.settle()
    setting.timers[0].ring()
    assert not answers
    setting.tell()
    assert isinstance(answers[0][0], Paid)
    assert all(timer.cancelled for timer in setting.timers)


def test_an_outcome_decided_before_the_first_reply_is_told_is_still_the_answer() -> None:
    """A large batch is told over several turns, and the provider may have answered by then."""
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.settle()
    setting.tell()
    assert isinstance(answers[0][0], Paid)


def test_a_key_that_did_not_begin_the_attempt_is_answered_at_once() -> None:
    """Its answer is kept as it is: the outcome is another key's, and would not be given again."""
    setting = Setting()
    first, other, unkeyed = setting.ask(FIRST_KEY), setting.ask(OTHER_KEY), setting.ask()
    setting.tell()
    assert (len(first), len(other), len(unkeyed)) == (0, 1, 0)
    setting.settle()
    setting.tell()
    assert isinstance(first[0][0], Paid)
    assert isinstance(other[0][0], PaymentUnderway)
    assert isinstance(unkeyed[0][0], Paid)


def test_a_step_that_the_person_must_take_is_a_first_word() -> None:
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.settle(PaymentPendingOutcome(requires_action=True, client_secret="secret", provider_reference="pi_1"))
    setting.tell()
    ((reply, _),) = answers
    assert isinstance(reply, PaymentUnderway)
    assert reply.client_secret == "secret"
    setting.settle()
    setting.tell()
    again = setting.ask(FIRST_KEY)
    setting.tell()
    assert again == [(reply, True)]


def test_the_providers_news_answer_whoever_waits_and_are_told_when_durable() -> None:
    setting = Setting()
    answers, told = setting.ask(FIRST_KEY), list[Reply]()
    news = TakeProviderEvent("evt_1", SettlePayment(1, PaymentSucceededOutcome("pi_1"), HOLD_MS))
    setting.answers.settle(news, told.append)
    assert not told
    setting.tell()
    assert isinstance(answers[0][0], Paid)
    assert len(told) == 1
    setting.answers.settle(news, told.append)
    setting.tell()
    assert isinstance(told[1], Done), "the same news again"


def test_a_word_that_cannot_be_taken_now_is_said_again_unless_it_was_news() -> None:
    """News are said again by the provider; what it answered is not."""
    setting = Setting()
    answers, told = setting.ask(), list[Reply]()
    setting.tell()
    setting.refusal = Refusal(0, Code.NOT_DURABLE, "too few standbys", {"retryAfterSeconds": 1})
    setting.settle()
    setting.answers.settle(TakeProviderEvent("evt_1"), told.append)
    setting.tell()
    assert [type(reply) for reply in told] == [Refusal]
    assert not answers
    setting.refusal = None
    setting.timers[-1].ring()
    setting.tell()
    assert isinstance(answers[0][0], Paid)


def test_where_another_node_leads_nobody_waits_on_and_nothing_is_said_again() -> None:
    setting = Setting()
    answers = setting.ask(FIRST_KEY)
    setting.tell()
    setting.answers.end()
    ((reply, _),) = answers
    assert isinstance(reply, Refusal)
    assert reply.code is Code.NO_PRIMARY
    setting.refusal = Refusal(0, Code.NO_PRIMARY, "another node leads", {"retryAfterSeconds": 1})
    setting.settle()
    setting.tell()
    assert all(timer.cancelled for timer in setting.timers)


def test_a_refund_that_the_provider_takes_its_time_for_is_pending_at_once_and_for_ever() -> None:
    setting = Setting()
    setting.ask()
    setting.settle()
    setting.tell()
    answers = setting.ask(FIRST_KEY, StartRefund(1, HOLD_MS))
    setting.tell()
    assert not answers
    setting.answers.settle(SettleRefund(1, "re_1", pending=True))
    setting.tell()
    ((reply, _),) = answers
    assert isinstance(reply, RefundReply)
    setting.answers.settle(SettleRefund(1, "re_1"))
    setting.tell()
    again = setting.ask(FIRST_KEY, StartRefund(1, HOLD_MS))
    setting.tell()
    assert again == [(reply, True)]
    assert setting.state.bookings.rows[1].refunded_minor == 1_000


def test_who_asks_about_an_abandoned_attempt_waits_for_the_answer_to_their_key() -> None:
    """Answered at once it would be 202 now, and what came of the attempt when they ask again."""
    setting = Setting()
    setting.ask(command=StartPayment("ada", 1, "10.00"))
    setting.settle(PaymentPendingOutcome(requires_action=True, client_secret="secret", provider_reference="pi_1"))
    setting.ask(FIRST_KEY)  # in place of the first
    setting.settle()  # which succeeds after all
    setting.tell()
    answers = setting.ask(FIRST_KEY)
    setting.tell()
    assert not answers
    setting.answers.settle(SettlePayment(2, PaymentFailedOutcome("canceled"), HOLD_MS))
    setting.tell()
    ((reply, _),) = answers
    assert isinstance(reply, Refusal)
    assert reply.code is Code.ALREADY_PAID
    again = setting.ask(FIRST_KEY)
    setting.tell()
    assert again == [(reply, True)]


def test_when_one_gives_up_waiting_nobody_is_told_anything_else() -> None:
    setting = Setting()
    first, second = setting.ask(FIRST_KEY), setting.ask(FIRST_KEY)
    setting.tell()
    setting.timers[0].ring()
    setting.settle()
    setting.tell()
    assert [type(reply) for reply, _ in (*first, *second)] == [PaymentUnderway, PaymentUnderway]
    again = setting.ask(FIRST_KEY)
    setting.tell()
    assert again[0][0] == first[0][0] == second[0][0]
