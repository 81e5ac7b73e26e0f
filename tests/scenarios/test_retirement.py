"""What has ended leaves memory after an hour, when nothing about it is open any more."""

import pytest

from onsale.tests.scenarios.story import (
    SUCCEEDED,
    Stories,
    book,
    give_up,
    pay,
    refund,
    refund_fails,
    refunded,
    sale,
    settle,
)

HOUR = 3600

STORIES: Stories = {
    "a lapsed hold": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (300, None, "", "1 expired"),
            (HOUR + 299.999, pay("ann", "10"), "hold_expired", ""),
            (HOUR + 300, None, "", "1 retired"),
            (HOUR + 301, pay("ann", "10"), "no_such_booking"),
            (HOUR + 302, pay("ann", "10", booking=1), "no_such_booking"),
            (HOUR + 303, give_up(1), "no_such_booking"),
            (HOUR + 304, refund(1), "no_such_booking"),
        ],
    ),
    "what was given up": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (5, give_up(1), "cancelled 1", "1 cancelled"),
            (HOUR + 4.999, give_up(1), "wrong_status", ""),
            (HOUR + 5, None, "", "1 retired"),
        ],
    ),
    "what was refunded, an hour after the money arrived": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending"),
            (9000, refunded(1), "refund 1 of 10.00 succeeded, booking refunded", "1 refunded"),
            (HOUR + 9000, None, "", "1 retired"),
        ],
    ),
    "not while the provider may still change its mind": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (900, None, "", "1 held, 1 expired"),
            (99_999, None, "", ""),
            (100_000, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "not while money is owed": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending"),
            (4, refund_fails(1), "refund 1 of 10.00 failed, booking refund_pending", ""),
            (99_999, None, "", ""),
        ],
    ),
    "never what is paid": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (2_000_000, pay("ann", "10"), "already_paid", ""),
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_retirement(begin, rows):
    begin().play(*rows)


def test_what_has_left_memory_is_handed_to_the_checkpoint_once():
    story = sale(1)()
    story.play((0, book("ann"), "held 1 until 300"), (HOUR + 300, None, ""))
    assert list(story.state.bookings.take_changes().archived) == [1]
    assert not story.state.bookings.take_changes().archived
    assert not story.state.bookings.rows
    assert not story.state.sales[1].lapsed
