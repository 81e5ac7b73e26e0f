"""The provider's news: each taken once, in whatever order, however often it is told."""

from onsale.engine import commands as c
from onsale.engine.limits import CONCERNS_MAX, PROVIDER_EVENT_KEPT_MS
from onsale.engine.replies import Done, Paid, Refusal
from onsale.tests.scenarios.story import (
    DECLINED,
    SUCCEEDED,
    book,
    keyed,
    news,
    pay,
    refund,
    refunded,
    sale,
    settle,
)

HOLD = (0, book("ann"), "held 1 until 300")


def paying(key: str = ""):
    story = sale(1)()
    asked = keyed(key, pay("ann", "10")) if key else pay("ann", "10")
    story.play(HOLD, (1, asked, "processing 1"))
    return story


def test_the_same_news_twice_change_nothing():
    story = paying()
    story.play((2, news("evt_1", settle(1, SUCCEEDED)), "paid 1", "1 confirmed"))
    seq = story.state.seq
    story.play((3, news("evt_1", settle(1, SUCCEEDED)), "nothing new", ""))
    assert story.state.seq == seq
    assert list(story.state.provider_events.rows) == ["evt_1"]


def test_news_of_what_is_known_are_taken_and_lead_to_nothing():
    story = paying()
    story.ask(settle(1, SUCCEEDED))
    seq = story.state.seq
    assert story.ask(news("evt_1", settle(1, SUCCEEDED))) == Done(seq + 1)
    assert story.ask(news("evt_2")) == Done(seq + 2)
    assert story.state.seq == seq + 2


def test_a_key_that_waits_has_its_answer_from_the_news():
    story = paying("k")
    reply = story.ask(news("evt_1", settle(1, SUCCEEDED)))
    assert isinstance(reply, Paid)
    assert story.ask(keyed("k", pay("ann", "10"))) == reply
    story.ask(settle(1, DECLINED))  # what the provider answered to us meanwhile
    assert story.ask(keyed("k", pay("ann", "10"))) == reply


def test_whoever_was_told_that_it_is_under_way_is_told_nothing_else():
    story = paying("k")
    first = story.ask(keyed("k", pay("ann", "10")))
    story.ask(c.StopWaiting(payment_id=1))
    story.ask(news("evt_1", settle(1, SUCCEEDED)))
    assert story.ask(keyed("k", pay("ann", "10"))) == first


def test_to_stop_waiting_for_what_has_its_outcome_is_nothing_new():
    story = paying("k")
    story.ask(settle(1, SUCCEEDED))
    seq = story.state.seq
    for command in (c.StopWaiting(payment_id=1), c.StopWaiting(refund_id=1), c.StopWaiting()):
        story.ask(command)
    assert story.state.seq == seq


def test_failed_before_pending_before_created():
    story = paying()
    story.ask(settle(1, SUCCEEDED))
    story.play(
        (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending"),
        (4, news("evt_3", c.SettleRefund(1, "re_1", "closed")), "refund 1 of 10.00 failed, booking refund_pending"),
        (5, news("evt_2", c.SettleRefund(1, "re_1", pending=True)), "nothing new", ""),
        (6, news("evt_1", c.SettleRefund(1, "re_1", pending=True)), "nothing new", ""),
        (7, news("evt_4", refunded(1)), "refund 1 of 10.00 succeeded, booking refunded", "1 refunded"),
    )
    assert len(story.state.provider_events) == 4


def test_success_after_the_tickets_went_to_another_by_news_gives_the_money_back_at_once():
    story = paying()
    story.play((901, book("bob"), "held 2 until 1201"), (902, news("evt_1", settle(1, SUCCEEDED)), "hold_expired", ""))
    assert story.state.refunds.rows[1].surplus
    story.play((903, news("evt_1", settle(1, SUCCEEDED)), "nothing new", ""))
    assert list(story.state.refunds.rows) == [1]


def test_old_news_are_forgotten_and_then_could_be_told_again():
    story = paying()
    for number in range(20):
        story.ask(news(f"evt_{number}"))
    story.now_ms += PROVIDER_EVENT_KEPT_MS
    story.ask(news("evt_20"))
    assert list(story.state.provider_events.rows) == [f"evt_{number}" for number in range(8, 21)]
    story.ask(news("evt_21"))
    story.ask(news("evt_22"))
    assert list(story.state.provider_events.rows) == ["evt_20", "evt_21", "evt_22"]
    seq = story.state.seq
    story.ask(news("evt_20"))
    assert story.state.seq == seq
    story.ask(news("evt_0"))
    assert story.state.seq == seq + 1


DISPUTE = c.RaiseConcern("dispute", "dp_1", "Not me.", 1, 1, 0, 1000, "EUR")


def test_a_concern_is_raised_once_and_closed_once():
    story = paying()
    story.play(
        (2, c.CloseConcern("dispute:dp_1"), "not_found"),
        (2, news("evt_1", DISPUTE), "nothing new"),
        (3, news("evt_2", DISPUTE), "nothing new"),
        (4, c.CloseConcern("dispute:dp_1"), "nothing new"),
    )
    assert (len(story.state.concerns), story.state.concerns_open) == (1, 0)
    seq = story.state.seq
    story.play((5, c.CloseConcern("dispute:dp_1"), "nothing new"), (6, DISPUTE, "nothing new"))
    assert story.state.seq == seq


def test_news_that_can_not_be_taken_now_are_not_taken(monkeypatch):
    assert CONCERNS_MAX > 1000
    monkeypatch.setattr("onsale.engine.rules.provider.CONCERNS_MAX", 0)
    story = paying()
    reply = story.ask(news("evt_1", DISPUTE))
    assert isinstance(reply, Refusal)
    assert reply.code == "overloaded"
    assert not story.state.provider_events.rows
    monkeypatch.undo()
    story.ask(news("evt_1", DISPUTE))
    assert list(story.state.concerns.rows) == ["dispute:dp_1"]
