"""What was asked of the outside, told and shown, in words; and that no client secret is ever among them."""

from pathlib import Path

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.journal.disk import RealDisk
from onsale.node.commands.sentences import sentence
from onsale.node.commands.story import Story
from onsale.node.journal_view import JournalView, view
from onsale.tests.engine.histories import HOLD_MS, History, idempotency
from onsale.tests.engine.rich_histories import rich_history

HOOK, SECRET = "https://ada.example.org/hook", "pi_1_secret_of_the_client"


def words(history: History) -> list[str]:
    story, found = Story(), []
    for first_seq, at_ms, facts in history.batches:
        story.begin_batch(first_seq, at_ms)
        for fact in facts:
            found.append(sentence(story, fact))
            story.follow(fact)
    return found


def told_history() -> History:
    history = History()
    history.event(("Standing", "49.90", 4))
    history.book("ada")
    history.pay(1, key="k1")
    settle = [c.PaymentPreparedOutcome("pi_1", SECRET), c.PaymentPendingOutcome(True, SECRET)]
    for outcome in (*settle, c.PaymentDeclinedOutcome("expired_card")):
        history.do(c.SettlePayment(1, outcome, HOLD_MS))
    history.do(c.StartPayment("ada", 1, "49.90", 1), idempotency("k2"))
    history.do(c.StopWaiting(payment_id=1))
    return history


def test_money_in_words() -> None:
    history = told_history()
    history.settle(1)
    history.refunded(history.refund(1), failure="account closed")
    history.do(c.RetryRefund(1))
    history.do(c.SettleRefund(1, "re_2", pending=True))
    history.do(c.TakeProviderEvent("evt_1", c.RaiseConcern("dispute", "dp_1", "Not me.", 1, 1, 0, 4990, "EUR")))
    history.do(c.CloseConcern("dispute:dp_1"))
    found = words(history)
    for expected in (
        "Booking 1: payment 1 of 49.90 EUR has the name pi_1; nothing is charged yet.",
        "Booking 1: payment 1 of 49.90 EUR was declined (expired_card); the user may try another way to pay.",
        "Booking 1: refund 1 of 49.90 EUR is asked for again.",
        "Booking 1: refund 1 of 49.90 EUR is with the provider, which says later what came of it.",
        "Booking 1: a person must look (dispute, dp_1 over 49.90 EUR): Not me.",
        "The payment provider's news evt_1 were taken in.",
        "Somebody has dealt with dispute:dp_1.",
    ):
        assert expected in found


def test_messages_and_the_door_in_words() -> None:
    history = History()
    history.event(("Standing", "49.90", 4))
    history.do(c.SetMail(True))
    history.do(c.SaveUser("ada", "Ada", "ada@example.org", HOOK))
    history.book("ada")
    history.do(c.StopWaiting(history.pay(1)))
    history.settle(1)
    mail, hook = 9, 10
    history.do(c.SettleDelivery(mail, "450 busy", history.now_ms + 60_000))
    history.do(c.SettleDelivery(mail, "550 no such mailbox"))
    history.do(c.RetryDelivery(mail))
    history.do(c.SettleDelivery(mail))
    history.do(c.DisableWebhook(HOOK, user_id="ada"))
    history.do(c.DropDelivery(hook))
    history.do(c.CheckIn(1, 1, 1, "Gate A", "door-1"))
    history.do(c.ChangeEvent(1, venue="The Hall"))
    history.chores()
    found = words(history)
    for expected in (
        "From here on notices are sent by e-mail.",
        "Booking 1: payment 1 of 49.90 EUR: whoever asked was told that it is under way.",
        "The mail of notice 2 could not be sent (450 busy); it is tried again at 2026-11-18T11:07:40.000Z.",
        "The mail of notice 2 could not be sent (550 no such mailbox); it is given up.",
        "The mail of notice 2 had been given up, and is tried again.",
        "The mail of notice 2 was sent.",
        "The webhook of user ada said that it is gone, and is not called any more.",
        "The user webhook of notice 2 has nobody to go to any more.",
        "Booking 1: ticket 1 was shown at Gate A, by door-1, and admitted somebody.",
        '1 booking of event 1 "Long Shadows" was told that it has changed.',
    ):
        assert expected in found


async def test_a_client_secret_is_in_no_sentence_and_in_no_view(tmp_path: Path) -> None:
    history = told_history()
    assert SECRET.encode() in b"".join(f.encode(facts) for _, _, facts in history.batches)
    history.write(tmp_path)
    seen = await JournalView(RealDisk(tmp_path / "journal")).facts(0, 100, history.state.seq)
    assert len(seen) == history.state.seq
    assert "payment_prepared" in {fact["type"] for fact in seen}
    assert SECRET not in repr(seen)
    assert SECRET not in " ".join(words(history))


@pytest.mark.parametrize("seed", range(3))
def test_every_fact_has_a_sentence_and_a_view(seed: int) -> None:
    history = rich_history(seed)
    found = words(history)
    assert len(found) == history.state.seq
    for fact in history.facts:
        assert "clientSecret" not in repr(view(1, 1, 1, fact))
