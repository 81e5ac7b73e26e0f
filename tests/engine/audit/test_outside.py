"""The audit of the provider's news, of names and tries, of concerns, and of tickets at the door."""

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.audit.auditor import Auditor
from onsale.engine.limits import PROVIDER_EVENT_KEPT_MS
from onsale.tests.engine.histories import HOLD_MS, History
from onsale.tests.engine.rich_histories import over_history, played, rich_history


def audited(history: History) -> Auditor:
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    return auditor


def fault_of(history: History, *facts: f.Fact) -> str:
    """The only one, when these facts follow that the engine has not seen."""
    auditor = audited(history)
    assert not auditor.differences(history.state)
    auditor.audit(history.state.seq + 1, history.now_ms + 1, facts)
    summary = auditor.finish()
    assert len(summary.faults) == 1, summary.faults
    return summary.faults[0].what


def paying(*outcomes: c.PaymentOutcome) -> History:
    history = History()
    history.event()
    history.book("ada", quantity=2)
    history.pay(1)
    for outcome in outcomes:
        history.do(c.SettlePayment(1, outcome, HOLD_MS))
    return history


PREPARED = c.PaymentPreparedOutcome("pi_1", "secret")
SUCCEEDED = c.PaymentSucceededOutcome("pi_1")


def test_an_attempt_has_one_name() -> None:
    fact = f.PaymentPrepared(1, "pi_2", "secret")
    assert fault_of(paying(PREPARED), fact) == "payment 1 was prepared as pi_2, and is pi_1"


def test_prepared_after_its_end() -> None:
    fact = f.PaymentPrepared(1, "pi_1", "secret")
    assert fault_of(paying(SUCCEEDED), fact) == "PaymentPrepared names 1, which is not known at this point"


def test_a_name_that_is_lost_when_it_succeeds() -> None:
    assert "lost that name" in fault_of(paying(PREPARED), f.PaymentSucceeded(1, None))


def test_a_card_declined_that_nobody_waits_for() -> None:
    history = paying(c.PaymentPendingOutcome(True, "secret"))
    history.give_up(1)
    assert "nobody waits for it" in fault_of(history, f.PaymentDeclined(1, "expired_card", ""))


def test_told_twice_that_it_is_under_way() -> None:
    history = paying()
    history.do(c.StopWaiting(payment_id=1))
    assert "told twice" in fault_of(history, f.PaymentAnswered(1))


def refunding() -> History:
    history = paying(SUCCEEDED)
    history.refund(1)
    return history


def test_a_refund_asked_for_again_that_had_not_failed() -> None:
    assert fault_of(refunding(), f.RefundRetried(1)) == "refund 1 is asked for again, and it had not failed"


def test_a_refund_pending_after_it_failed() -> None:
    history = refunding()
    history.refunded(1, failure="account closed")
    assert "nobody asked again" in fault_of(history, f.RefundPending(1, "re_1"))
    history.do(c.RetryRefund(1))
    history.do(c.SettleRefund(1, "re_2", pending=True))
    assert not audited(history).finish().faults


@pytest.mark.parametrize("fact", [f.RefundPending(2, None), f.RefundAnswered(2), f.RefundRetried(2)])
def test_a_refund_that_nobody_started(fact: f.Fact) -> None:
    assert fault_of(refunding(), fact) == f"{type(fact).__name__} names 2, which is not known at this point"


def test_news_taken_twice() -> None:
    history = refunding()
    history.do(c.TakeProviderEvent("evt_1"))
    assert fault_of(history, f.ProviderEventTaken("evt_1")) == "the provider's news evt_1 were taken twice"


def test_news_are_remembered_as_long_as_the_provider_repeats_them_and_no_longer() -> None:
    history = refunding()
    for number in range(30):
        history.do(c.TakeProviderEvent(f"evt_{number}"))
    history.now_ms += PROVIDER_EVENT_KEPT_MS
    history.do(c.TakeProviderEvent("evt_30"))
    for _ in range(5):
        history.do(c.TakeProviderEvent(f"evt_{history.state.seq}"))
    history.do(c.TakeProviderEvent("evt_1"))  # as if it had never been told
    auditor = audited(history)
    assert not auditor.faults
    assert not auditor.differences(history.state)


def test_a_concern_raised_or_closed_twice() -> None:
    history = refunding()
    raised = c.RaiseConcern("dispute", "dp_1", "Not me.", 1, 1, 0, 100, "EUR")
    history.do(raised)
    assert "was raised twice" in fault_of(history, f.ConcernRaised("dispute", "dp_1", "", 0, 0, 0, 0, "EUR"))
    history.do(c.CloseConcern("dispute:dp_1"))
    assert "was closed twice" in fault_of(history, f.ConcernClosed("dispute:dp_1"))
    assert "nobody had raised it" in fault_of(history, f.ConcernClosed("dispute:dp_2"))


def test_a_ticket_admits_once() -> None:
    history = paying(SUCCEEDED)
    history.do(c.CheckIn(1, 1, 2))
    assert fault_of(history, f.CheckedIn(1, 2, "", "")) == "ticket 2 of booking 1 admitted somebody twice"


def test_a_ticket_of_what_is_not_sold() -> None:
    assert "that booking has none" in fault_of(paying(), f.CheckedIn(1, 1, "", ""))
    assert "that booking has none" in fault_of(refunding(), f.CheckedIn(1, 1, "", ""))


def test_a_ticket_that_is_not_there() -> None:
    history = paying(SUCCEEDED)
    assert fault_of(history, f.CheckedIn(1, 3, "", "")) == "ticket 3 of booking 1 admitted somebody, and it has 2"
    assert fault_of(history, f.CheckedIn(2, 1, "", "")) == "CheckedIn names 2, which is not known at this point"


def test_a_ticket_of_a_cancelled_event() -> None:
    history = paying(SUCCEEDED)
    history.do(c.CancelEvent(1))
    assert "event 1, cancelled" in fault_of(history, f.CheckedIn(1, 1, "", ""))


def test_a_state_that_knows_something_else_is_told() -> None:
    history = refunding()
    history.do(c.TakeProviderEvent("evt_1", c.RaiseConcern("dispute", "dp_1", "Not me.", 1, 1, 0, 100, "EUR")))
    history.refunded(1, failure="account closed")
    history.book("ben")
    history.pay(2)
    auditor, state = audited(history), history.state
    state.refunds_failed.clear()
    state.payments.rows[2].provider_reference = "pi_9"
    state.concerns.rows["dispute:dp_1"].closed_ms = 1
    state.provider_events.rows.clear()
    assert auditor.differences(state) == [
        "the engine has 0 failed refunds and the audit 1",
        "the engine knows payments under way by other names than the audit",
        "the engine knows 1 concerns and the audit 1, or other ones",
        "the engine forgot 1 of the provider's news too early",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_an_audit_opened_in_the_middle_knows_what_was_told(seed: int) -> None:
    history = rich_history(seed)
    middle = len(history.batches) * 2 // 3
    auditor = Auditor.opened_at(played(history.batches[:middle]))
    for batch in history.batches[middle:]:
        auditor.audit(*batch)
    assert not auditor.finish().faults
    assert not auditor.differences(history.state)


def test_crowds_do_everything() -> None:
    """So that the tests which play their histories see every fact."""
    histories = [*map(rich_history, range(3)), over_history()]
    found = {type(fact) for history in histories for fact in history.facts}
    assert not set(f.Fact.__args__) - found
