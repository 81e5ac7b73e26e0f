"""Giving money back: wholly, in part, too much, or nothing at all."""

import pytest

from onsale.engine import commands as c
from onsale.tests.scenarios.story import (
    SUCCEEDED,
    Stories,
    book,
    check_in,
    keyed,
    pay,
    refund,
    refund_fails,
    refund_is_pending,
    refunded,
    sale,
    settle,
)

BOUGHT = [
    (0, book("ann", 2), "held 1 until 300"),
    (1, pay("ann", "20"), "processing 1"),
    (2, settle(1, SUCCEEDED), "paid 1"),
]

STORIES: Stories = {
    "all of it": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1), "refund 1 of 20.00 pending, booking refund_pending", "1 refund_pending"),
            (4, refunded(1), "refund 1 of 20.00 succeeded, booking refunded", "1 refunded"),
            (5, refunded(1), "nothing new", ""),
            (6, refund(1), "wrong_status"),
        ],
    ),
    "the whole amount is all of it": (
        sale(2),
        [*BOUGHT, (3, refund(1, "20.00"), "refund 1 of 20.00 pending, booking refund_pending", "1 refund_pending")],
    ),
    "a part: the tickets stay valid": (
        sale(2),
        [
            *BOUGHT,
            (3, book("bob"), "waiting 2 at 1"),
            (4, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending", "1 refund_pending"),
            (5, refunded(1), "refund 1 of 5.00 succeeded, booking partially_refunded", "1 partially_refunded"),
            (6, refund(1, "15"), "refund 2 of 15.00 pending, booking refund_pending", "1 refund_pending, 2 held"),
            (7, refunded(2), "refund 2 of 15.00 succeeded, booking refunded", "1 refunded"),
        ],
    ),
    "two parts at once, the later one first": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (4, refund(1, "6"), "refund 2 of 6.00 pending, booking refund_pending", ""),
            (5, refunded(2), "refund 2 of 6.00 succeeded, booking refund_pending", ""),
            (6, refunded(1), "refund 1 of 5.00 succeeded, booking partially_refunded", "1 partially_refunded"),
        ],
    ),
    "the rest, while a part is on its way": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (4, refund(1), "refund 2 of 15.00 pending, booking refund_pending", "1 refund_pending"),
            (5, refunded(2), "refund 2 of 15.00 succeeded, booking refund_pending", ""),
            (6, refunded(1), "refund 1 of 5.00 succeeded, booking refunded", "1 refunded"),
        ],
    ),
    "never more than was paid": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1, "20.01"), "amount_mismatch"),
            (4, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (5, refund(1, "15.01"), "amount_mismatch"),
            (6, refund(1, "0"), "invalid_field"),
            (6, refund(1, "-1"), "invalid_field"),
            (6, refund(1, "1.001"), "invalid_field"),
        ],
    ),
    "free tickets are given back at once": (
        sale(1, price="0"),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "0"), "paid 1"),
            (2, book("bob"), "waiting 2 at 1"),
            (3, refund(1), "refund 1 of 0.00 succeeded, booking refunded", "1 refund_pending, 1 refunded, 2 held"),
        ],
    ),
    "the provider refuses: the money stays owed, and may go back after all": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1), "refund 1 of 20.00 pending, booking refund_pending"),
            (4, refund_fails(1), "refund 1 of 20.00 failed, booking refund_pending", ""),
            (5, refund_fails(1), "nothing new", ""),
            (6, refund(1), "wrong_status"),
            (7, refunded(1), "refund 1 of 20.00 succeeded, booking refunded", "1 refunded"),
        ],
    ),
    "the provider takes its time": (
        sale(2),
        [
            *BOUGHT,
            (3, keyed("k", refund(1)), "refund 1 of 20.00 pending, booking refund_pending", "1 refund_pending"),
            (4, refund_is_pending(1), "nothing new", ""),
            (4, refund_is_pending(1), "nothing new", ""),
            (5, refunded(1), "refund 1 of 20.00 succeeded, booking refunded", "1 refunded"),
            (6, refund_is_pending(1), "nothing new", ""),
            # the first answer, as it was given
            (7, keyed("k", refund(1)), "refund 1 of 20.00 pending, booking refund_pending", ""),
        ],
    ),
    "refused, asked for again, refused again, and given back by the third try": (
        sale(2),
        [
            *BOUGHT,
            (3, c.RetryRefund(1), "not_found"),
            (3, refund(1), "refund 1 of 20.00 pending, booking refund_pending"),
            (4, c.RetryRefund(1), "wrong_status", ""),
            (5, refund_is_pending(1), "nothing new", ""),
            (6, refund_fails(1), "refund 1 of 20.00 failed, booking refund_pending", ""),
            (7, refund_is_pending(1), "nothing new", ""),  # told late
            (8, c.RetryRefund(1), "nothing new", ""),
            (9, c.RetryRefund(1), "wrong_status", ""),
            (10, refund_is_pending(1, "re_2"), "nothing new", ""),
            (11, c.SettleRefund(1, "re_1", "account closed"), "nothing new", ""),  # of the first try
            (12, refund_is_pending(1, "re_1"), "nothing new", ""),
            (13, c.SettleRefund(1, "re_2", "account closed"), "refund 1 of 20.00 failed, booking refund_pending", ""),
            (14, c.RetryRefund(1), "nothing new", ""),
            (15, refunded(1), "refund 1 of 20.00 succeeded, booking refunded", "1 refunded"),
            (16, c.RetryRefund(1), "not_found", ""),
        ],
    ),
    "one part fails while another one goes back": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (4, refund(1, "6"), "refund 2 of 6.00 pending, booking refund_pending"),
            (5, refund_fails(1), "refund 1 of 5.00 failed, booking refund_pending", ""),
            (6, refunded(2), "refund 2 of 6.00 succeeded, booking refund_pending", ""),
            (7, refund(1, "9.01"), "amount_mismatch"),  # what failed is still owed
            (8, c.RetryRefund(1), "nothing new", ""),
            (9, refunded(1), "refund 1 of 5.00 succeeded, booking partially_refunded", "1 partially_refunded"),
        ],
    ),
    "whoever has shown a ticket asks the organiser": (
        sale(2),
        [
            *BOUGHT,
            (3, check_in(1, 2), "admitted 1/2"),
            (4, refund(1, user="ann"), "forbidden", ""),
            (5, refund(1), "refund 1 of 20.00 pending, booking refund_pending"),
        ],
    ),
    "only what was paid": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("bob"), "waiting 2 at 1"),
            (2, refund(1), "wrong_status"),
            (2, refund(2), "wrong_status"),
            (2, refund(3), "no_such_booking"),
            (3, pay("ann", "10"), "processing 1"),
            (4, refund(1), "wrong_status"),
            (5, settle(1, SUCCEEDED), "paid 1"),
            (6, refund(1, user="bob"), "forbidden"),
            (7, refund(1, user="ann"), "refund 1 of 10.00 pending, booking refund_pending"),
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_refunds(begin, rows):
    begin().play(*rows)


def test_a_reply_says_what_is_back_in_all():
    story = sale(2)()
    story.play(*BOUGHT)
    assert story.ask(refund(1, "5")).refunded_minor == 500
    assert story.ask(refund(1, "6")).refunded_minor == 1100  # once both have arrived
    assert story.ask(refunded(2)).refunded_minor == 600
    assert story.ask(refunded(1)).refunded_minor == 1100


def test_a_surplus_goes_back_to_the_payment_that_made_it_and_leaves_the_booking_alone():
    story = sale(1)()
    story.play(
        (0, book("ann"), "held 1 until 300"),
        (1, pay("ann", "10"), "processing 1"),
        (900, book("bob"), "held 2 until 1200"),
        (901, settle(1, SUCCEEDED), "hold_expired"),
    )
    (row,) = story.state.refunds.rows.values()
    assert (row.surplus, row.payment_id, row.payment_reference, row.reason) == (True, 1, "pi_1", "surplus")
    booking = story.state.bookings.rows[1]
    assert (booking.refunding_minor, booking.refunded_minor, booking.unsettled) == (0, 0, 1)


def refunding(**event):
    story = sale(2, **event)()
    story.play(*BOUGHT, (3, keyed("k", refund(1)), "refund 1 of 20.00 pending, booking refund_pending"))
    return story


def test_each_try_has_a_number_of_its_own_and_begins_without_a_name():
    story = refunding()
    row = story.state.refunds.rows[1]
    story.ask(c.SettleRefund(1, "re_1", pending=True))
    assert (row.tries, row.provider_reference) == (1, "re_1")
    story.ask(c.SettleRefund(1, "re_1", "account closed"))
    story.ask(c.RetryRefund(1))
    assert (row.tries, row.provider_reference) == (2, None)
    assert not story.state.refunds_failed


def test_what_failed_after_it_had_succeeded_is_for_a_person_once():
    story = refunding()
    story.ask(refunded(1))
    for _ in range(2):
        assert story.words(story.ask(c.SettleRefund(1, "re_1", "account closed"))) == "nothing new"
    (concern,) = story.state.concerns.rows.values()
    assert (concern.kind, concern.reference, concern.refund_id) == ("refund_failed", "re_1", 1)
    assert "account closed" in concern.detail


def test_whoever_is_told_that_it_is_under_way_gets_that_answer_for_ever():
    story = refunding()
    story.ask(c.StopWaiting(refund_id=1))
    seq = story.state.seq
    story.ask(c.StopWaiting(refund_id=1))
    assert story.state.seq == seq
    story.ask(refunded(1))
    again = story.ask(keyed("k", refund(1)))
    assert story.words(again) == "refund 1 of 20.00 pending, booking refund_pending"


def test_the_first_word_is_the_answer():
    story = refunding()
    story.ask(refund_fails(1))
    assert story.words(story.ask(keyed("k", refund(1)))) == "refund 1 of 20.00 failed, booking refund_pending"
    story.ask(refunded(1))
    assert story.words(story.ask(keyed("k", refund(1)))) == "refund 1 of 20.00 failed, booking refund_pending"
