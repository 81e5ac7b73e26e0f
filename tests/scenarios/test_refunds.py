"""Giving money back: wholly, in part, too much, or nothing at all."""

import pytest

from onsale.tests.scenarios.story import SUCCEEDED, Stories, book, pay, refund, refund_fails, refunded, sale, settle

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
