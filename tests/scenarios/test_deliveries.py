"""Messages that are owed: which notice owes what by which way, and what becomes of them."""

import pytest

from onsale.engine import commands as c
from onsale.engine.limits import DELIVERIES_MAX, DELIVERY_KEPT_MS
from onsale.engine.notices import CHANNEL_NAMES, KINDS
from onsale.tests.scenarios.story import (
    CANCEL,
    DECLINED,
    NEEDS_A_STEP,
    SUCCEEDED,
    Story,
    book,
    change,
    give_up,
    pay,
    refund,
    refunded,
    sale,
    settle,
)

HOOK, OTHER_HOOK, ORGANISER = "https://ann.example/hook", "https://ann.example/other", "https://hall.example/hook"
MAIL_ON = c.SetMail(True)
ANN = c.SaveUser("ann", "Ann", "ann@example.org", HOOK)


def begin(*commands, **event) -> Story:
    story = sale(2, webhook_url=ORGANISER, **event)()
    for command in commands or (MAIL_ON, ANN):
        story.ask(command)
    return story


def owed(story) -> list[str]:
    return [
        f"{CHANNEL_NAMES[each.channel]} {each.kind}{' (dead)' if each.dead else ''}"
        for each in story.state.deliveries.rows.values()
    ]


def only(story, kind="confirmed", channel="mail"):
    (found,) = [
        each for each in story.state.deliveries.rows.values()
        if each.kind == kind and CHANNEL_NAMES[each.channel] == channel
    ]  # fmt: skip
    return found


HOLD = (0, book("ann"), "held 1 until 300")
BUY = [HOLD, (1, pay("ann", "10"), "processing 1"), (2, settle(1, SUCCEEDED), "paid 1")]
USER_HOLD, ALL_CONFIRMED = (
    "user_webhook held",
    ["mail confirmed", "user_webhook confirmed", "organiser_webhook confirmed"],
)

OWED = {
    "a hold": ([HOLD], [USER_HOLD]),
    "a warning, a lapse": ([HOLD, (300, None, "")], [USER_HOLD, "user_webhook about_to_lapse", "user_webhook lapsed"]),
    "a payment": (BUY, [USER_HOLD, *ALL_CONFIRMED]),
    "a declined card": (
        [
            HOLD,
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, settle(1, DECLINED), "payment_declined"),
        ],
        [USER_HOLD, "user_webhook payment_failed"],
    ),
    "a turn": (
        [
            (0, book("bob", 2), "held 1 until 300"),
            (1, book("ann"), "waiting 2 at 1"),
            (2, give_up(1), "cancelled 1"),
        ],
        ["organiser_webhook cancelled", "mail your_turn", "user_webhook your_turn"],
    ),
    "a refund": (
        [
            *BUY,
            (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending"),
            (4, refunded(1), "refund 1 of 10.00 succeeded, booking refunded"),
        ],
        [USER_HOLD, *ALL_CONFIRMED, "mail refunded", "user_webhook refunded", "organiser_webhook refunded"],
    ),
    "money that came too late": (
        [
            HOLD,
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, give_up(1), "cancelled 1"),
            (4, settle(1, SUCCEEDED), "wrong_status"),
        ],
        [
            USER_HOLD, "mail cancelled", "user_webhook cancelled", "organiser_webhook cancelled", "mail paid_too_late",
            "user_webhook paid_too_late",
        ],
    ),
    "a cancelled event": (
        [*BUY, (3, CANCEL, "0 held 1 sold 0 waiting of 2")],
        [
            USER_HOLD, *ALL_CONFIRMED, "mail event_cancelled", "user_webhook event_cancelled",
            "organiser_webhook event_cancelled",
        ],
    ),
    "a dispute is not for the one who disputes": (
        [*BUY, (3, c.RaiseConcern("dispute", "dp_1", "Not me.", 1, 1, 0, 1000, "EUR"), "nothing new")],
        [USER_HOLD, *ALL_CONFIRMED, "organiser_webhook disputed"],
    ),
    "another concern is nobody's but the operator's": (
        [*BUY, (3, c.RaiseConcern("paid_twice", "pi_2", "Twice.", 1, 1, 0, 1000, "EUR"), "nothing new")],
        [USER_HOLD, *ALL_CONFIRMED],
    ),
    "a change": (
        [*BUY, (3, change(venue="The Hall"), "0 held 1 sold 0 waiting of 2")],
        [USER_HOLD, *ALL_CONFIRMED, "mail changed", "user_webhook changed"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), OWED.values(), ids=OWED)
def test_what_is_owed(rows, expected):
    story = begin()
    story.play(*rows)
    assert owed(story) == expected


def test_every_kind_of_notice_is_among_these_stories():
    in_the_list_alone = {"admitted"}  # no delivery: see changes/room.py
    told = {entry.split()[-1] for _, expected in OWED.values() for entry in expected}
    assert told == set(KINDS) - in_the_list_alone


WAYS = {
    "no mail is sent": ([ANN], ["user_webhook confirmed", "organiser_webhook confirmed"]),
    "mail is switched off": (
        [MAIL_ON, ANN, c.SetMail(False)],
        ["user_webhook confirmed", "organiser_webhook confirmed"],
    ),
    "no address": ([MAIL_ON, c.SaveUser("ann", "Ann")], ["organiser_webhook confirmed"]),
    "nobody we know": ([MAIL_ON], ["organiser_webhook confirmed"]),
    "the user's webhook is gone": (
        [MAIL_ON, ANN, c.DisableWebhook(HOOK, user_id="ann")],
        ["mail confirmed", "organiser_webhook confirmed"],
    ),
    "it was another one that is gone": ([MAIL_ON, ANN, c.DisableWebhook(OTHER_HOOK, user_id="ann")], ALL_CONFIRMED),
    "given anew": ([MAIL_ON, ANN, c.DisableWebhook(HOOK, user_id="ann"), ANN], ALL_CONFIRMED),
    "the organiser's webhook is gone": (
        [MAIL_ON, ANN, c.DisableWebhook(ORGANISER, event_id=1)],
        ["mail confirmed", "user_webhook confirmed"],
    ),
    "another event's is gone": ([MAIL_ON, ANN, c.DisableWebhook(ORGANISER, event_id=2)], ALL_CONFIRMED),
    "the organiser gives another one": (
        [MAIL_ON, ANN, c.DisableWebhook(ORGANISER, event_id=1), change(webhook_url=OTHER_HOOK)],
        ALL_CONFIRMED,
    ),
    "the organiser says the same one again": (
        [MAIL_ON, ANN, c.DisableWebhook(ORGANISER, event_id=1), change(webhook_url=ORGANISER)],
        ["mail confirmed", "user_webhook confirmed"],
    ),
    "the organiser takes it back": (
        [MAIL_ON, ANN, change(webhook_url=None)],
        ["mail confirmed", "user_webhook confirmed"],
    ),
}


@pytest.mark.parametrize(("commands", "expected"), WAYS.values(), ids=WAYS)
def test_by_which_ways(commands, expected):
    story = begin(*commands)
    story.play(*BUY)
    assert [entry for entry in owed(story) if "confirmed" in entry] == expected


def test_the_same_switch_twice_is_nothing_new():
    story = begin(MAIL_ON, ANN)
    for command in (MAIL_ON, c.DisableWebhook("https://nobody.example", user_id="ann"), c.SettleDelivery(99)):
        seq = story.state.seq
        story.ask(command)
        assert story.state.seq == seq


def test_a_message_holds_all_that_is_needed_to_write_it():
    story = begin()
    story.play(*BUY)
    row = only(story)
    assert (row.user_id, row.event_id, row.booking_id, row.ticket_type_id, row.quantity) == ("ann", 1, 1, 1, 1)
    assert row.notice_id == story.state.notices[-1].id


def test_one_that_is_sent_is_not_owed_any_more():
    story = begin()
    story.play(*BUY)
    number = only(story).id
    story.ask(c.SettleDelivery(number))
    seq = story.state.seq
    for command in (c.SettleDelivery(number), c.SettleDelivery(number, "550"), c.DropDelivery(number)):
        story.ask(command)
    assert story.state.seq == seq
    assert story.words(story.ask(c.RetryDelivery(number))) == "not_found"
    assert "mail confirmed" not in owed(story)


def test_one_that_could_not_be_sent_is_tried_again_until_it_is_too_old():
    story = begin()
    story.play(*BUY)
    row = only(story)
    story.ask(c.SettleDelivery(row.id, "450", row.at_ms + 60_000))
    assert (row.attempts, row.due_ms, row.dead, row.failure) == (1, row.at_ms + 60_000, False, "450")
    story.ask(c.SettleDelivery(row.id, "451", row.at_ms - 60_000))  # at once, then
    assert (row.attempts, row.due_ms) == (2, story.now_ms)
    story.ask(c.SettleDelivery(row.id, "452", row.at_ms + DELIVERY_KEPT_MS - 1))
    assert not row.dead
    story.ask(c.SettleDelivery(row.id, "453", row.at_ms + DELIVERY_KEPT_MS))
    assert (row.attempts, row.due_ms, row.dead, row.failure) == (4, 0, True, "453")
    assert list(story.state.deliveries_dead) == [row.id]


def test_one_that_was_given_up_is_only_tried_again_by_a_person():
    story = begin()
    story.play(*BUY)
    row = only(story)
    assert story.words(story.ask(c.RetryDelivery(row.id))) == "wrong_status"
    story.ask(c.SettleDelivery(row.id, "550 no such mailbox"))
    seq = story.state.seq
    story.ask(c.SettleDelivery(row.id))
    story.ask(c.SettleDelivery(row.id, "550", story.now_ms + 1))
    assert (story.state.seq, row.dead) == (seq, True)
    assert story.words(story.ask(c.RetryDelivery(row.id))) == "nothing new"
    assert (row.dead, row.attempts) == (False, 0)
    story.ask(c.SettleDelivery(row.id))
    assert row.id not in story.state.deliveries.rows


def test_one_that_nobody_is_there_for_is_dropped():
    story = begin()
    story.play(*BUY)
    before = len(story.state.deliveries)
    story.ask(c.DropDelivery(only(story).id))
    assert len(story.state.deliveries) == before - 1
    assert story.state.sales[1].owed.deliveries == before - 1


def test_beyond_the_bound_a_notice_stands_in_the_list_alone(monkeypatch):
    assert DELIVERIES_MAX > 1_000_000
    monkeypatch.setattr("onsale.engine.changes.shared.DELIVERIES_MAX", 2)
    story = begin()
    story.play(*BUY)
    assert owed(story) == [USER_HOLD, "mail confirmed"]
    assert story.notices() == ["ann held 1", "ann confirmed 1"]
