"""The audit of messages: none is sent that nobody is owed, none twice, none after it was given up."""

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.audit.auditor import Auditor
from onsale.engine.notices import MAIL, ORGANISER_WEBHOOK, USER_WEBHOOK, delivery_id
from onsale.tests.engine.histories import History

HOOK = "https://ada.example.org/hook"


def told_history() -> History:
    """Of notice 1 (held) a webhook call is owed, of notice 2 (confirmed) a mail and two webhook calls."""
    history = History()
    history.event(webhook_url="https://hall.example.org/hook")
    history.do(c.SetMail(True))
    history.do(c.SaveUser("ada", "Ada", "ada@example.org", HOOK))
    history.book("ada")
    history.confirm(1)
    return history


HELD_HOOK = delivery_id(1, USER_WEBHOOK)
CONFIRMED = [delivery_id(2, channel) for channel in (MAIL, USER_WEBHOOK, ORGANISER_WEBHOOK)]


def fault_of(history: History, *facts: f.Fact) -> str:
    """The only one, when these facts follow that the engine has not seen."""
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    assert not auditor.differences(history.state)
    auditor.audit(history.state.seq + 1, history.now_ms + 1, facts)
    summary = auditor.finish()
    assert len(summary.faults) == 1, summary.faults
    return summary.faults[0].what


def test_the_engine_owes_what_the_audit_expects() -> None:
    history = told_history()
    assert list(history.state.deliveries.rows) == [HELD_HOOK, *CONFIRMED]
    history.do(c.SettleDelivery(CONFIRMED[0]))
    history.do(c.SettleDelivery(CONFIRMED[1], "gone"))
    history.do(c.RetryDelivery(CONFIRMED[1]))
    history.do(c.SettleDelivery(CONFIRMED[1], "gone"))
    history.do(c.DropDelivery(CONFIRMED[2]))
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    assert not auditor.differences(history.state)
    assert not auditor.finish().faults


def test_one_that_nobody_is_owed() -> None:
    assert fault_of(told_history(), f.Delivered(delivery_id(1, MAIL))) == (
        "message 5 was sent, and nobody is owed it: it never was, or it has been sent before"
    )


def test_one_sent_twice() -> None:
    history = told_history()
    history.do(c.SettleDelivery(HELD_HOOK))
    assert "it has been sent before" in fault_of(history, f.Delivered(HELD_HOOK))


def test_one_tried_after_it_was_sent() -> None:
    history = told_history()
    history.do(c.SettleDelivery(HELD_HOOK))
    assert "nobody is owed it" in fault_of(history, f.DeliveryFailed(HELD_HOOK, "503", history.now_ms))


def test_one_sent_after_it_was_given_up() -> None:
    history = told_history()
    history.do(c.SettleDelivery(HELD_HOOK, "gone"))
    assert "sent after it was given up" in fault_of(history, f.Delivered(HELD_HOOK))
    assert "tried after it was given up" in fault_of(history, f.DeliveryFailed(HELD_HOOK, "503", 0))


def test_one_tried_again_that_was_not_given_up() -> None:
    assert "had not been given up" in fault_of(told_history(), f.DeliveryRetried(HELD_HOOK))


def test_one_dropped_that_nobody_is_owed() -> None:
    assert "nobody is owed it" in fault_of(told_history(), f.DeliveryDropped(9_999))


def test_a_webhook_disabled_that_is_not_there() -> None:
    history = told_history()
    history.do(c.DisableWebhook(HOOK, user_id="ada"))
    assert 'the webhook of user "ada"' in fault_of(history, f.UserWebhookDisabled("ada"))
    history.do(c.ChangeEvent(1, webhook_url=None))
    assert "the webhook of event 1" in fault_of(history, f.EventWebhookDisabled(1))


def test_a_state_that_owes_other_messages_is_told() -> None:
    history = told_history()
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    state = history.state
    state.deliveries.rows.pop(HELD_HOOK)
    state.deliveries.rows[CONFIRMED[1]].dead = True
    state.next_notice_id += 1
    assert auditor.differences(state) == [
        "the engine told 3 things and the audit 2",
        f"the engine owes 2 messages and the audit 4; they differ in {[HELD_HOOK, CONFIRMED[1]]}",
        f"the engine gave up 1 messages and the audit 0; they differ in {[CONFIRMED[1]]}",
    ]


# --- what has changed


def changed_history() -> History:
    """Bookings 1 to 3 and 5 are to be told that their event has changed; 4 is of another one, 3 has ended since."""
    history = History()
    history.event(("Standing", "49.90", 9))
    history.event(("Standing", "49.90", 9))
    for user_id, event_id in (("ada", 1), ("ben", 1), ("cleo", 1), ("dan", 2), ("eve", 1)):
        history.book(user_id, event_id)
    history.do(c.ChangeEvent(1, venue="The Hall"))
    history.give_up(3)
    return history


def test_everybody_is_told_once() -> None:
    history = changed_history()
    history.chores()
    assert f.ChangeTold(1, (1, 2, 5), 5) in history.facts
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    assert not auditor.differences(history.state)
    assert not auditor.finish().faults


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        (f.ChangeTold(1, (1, 2, 4, 5), 5), "booking 4 was told of a change of event 1, and is for another one"),
        (f.ChangeTold(1, (1, 2, 3, 5), 5), "booking 3 was told of a change of event 1, and has ended"),
        (f.ChangeTold(1, (1, 2, 2, 5), 5), "somebody was told twice of one change of event 1"),
        (f.ChangeTold(1, (1, 5), 5), "booking 2 was passed over when people were told of a change of event 1"),
        (
            f.ChangeTold(1, (1, 2), 1),
            "booking 2 was told of a change of event 1 that it was told of before",
        ),
        (
            f.ChangeTold(1, (1, 2, 5), 6),
            "people up to booking 6 were told of a change of event 1; those from 1 on, and below 6, should be",
        ),
        (
            f.ChangeTold(2, (4,), 4),
            "people up to booking 4 were told of a change of event 2; those from 1 on, and below 0, should be",
        ),
        (f.ChangeTold(1, (1, 2, 7), 3), "ChangeTold names 7, which is not known at this point"),
    ],
)
def test_somebody_told_wrongly(fact: f.Fact, what: str) -> None:
    assert fault_of(changed_history(), fact) == what


def test_somebody_told_in_a_later_step_of_what_they_know() -> None:
    history = changed_history()
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    seq = history.state.seq
    auditor.audit(seq + 1, history.now_ms, [f.ChangeTold(1, (1, 2), 2), f.ChangeTold(1, (2, 5), 5)])
    assert [fault.seq for fault in auditor.faults] == [seq + 2]
    assert "told of before" in auditor.faults[0].what


def test_a_cancelled_event_has_no_change_to_tell_of() -> None:
    history = changed_history()
    history.do(c.CancelEvent(1))
    assert "which is cancelled" in fault_of(history, f.ChangeTold(1, (1, 2, 5), 5))
