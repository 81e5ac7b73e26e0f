"""What has ended leaves memory after an hour, or sooner where there is much of it, and never while it is open."""

import pytest

from onsale.engine import commands as c
from onsale.engine.limits import ENDED_KEPT_MS_MIN
from onsale.engine.rules import chores, past
from onsale.tests.scenarios.story import (
    HOLD_MS,
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


def test_where_many_have_ended_the_first_leave_sooner(monkeypatch):
    """So that a node at thousands of lapses a second keeps minutes of them in memory, not an hour's."""
    assert ENDED_KEPT_MS_MIN == 300_000
    monkeypatch.setattr(past, "ENDED_KEPT_MAX", 2)
    story = sale(4)()
    story.play(
        *((second, book(user), f"held {second + 1} until {second + 300}") for second, user in enumerate("abcd")),
        (10, give_up(3), "cancelled 3"),
        (11, give_up(1), "cancelled 1"),
        (200, give_up(2), "cancelled 2"),
        (309.999, None, "", "4 expired"),
        (310, None, "", "3 retired"),
        (311, None, "", "1 retired"),
        (HOUR + 199.999, None, "", ""),
        (HOUR + 200, None, "", "2 retired"),
        (HOUR + 303, None, "", "4 retired"),
    )


def test_as_many_leave_in_one_step_as_are_asked_for_and_then_more_may_be_due():
    story = sale(3)()
    story.play(*((0, book(user), f"held {number} until 300") for number, user in enumerate("abc", 1)))
    story.wait_until(300)
    now_ms = story.now_ms + HOUR * 1000
    for limit, expected in ((2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 3))):
        due = chores.due(story.state, now_ms, HOLD_MS, limit)
        assert due == [c.Retire(expected)]
        assert chores.more_due(due, limit) == (limit <= 3)
    assert not chores.more_due([], 1)
