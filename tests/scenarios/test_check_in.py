"""At the door: each ticket admits once, and only while it is worth something."""

import pytest

from onsale.engine.codes import Code
from onsale.tests.scenarios.story import (
    CANCEL,
    DECLINED,
    START_MS,
    SUCCEEDED,
    Stories,
    book,
    check_in,
    give_up,
    pay,
    refund,
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
    "each ticket once": (
        sale(2),
        [
            *BOUGHT,
            (3, check_in(1, 1), "admitted 1/1", ""),
            (4, check_in(1, 2), "admitted 1/2", ""),
            (5, check_in(1, 1), "already_redeemed", ""),
            (6, check_in(1, 2, "Gate B"), "already_redeemed", ""),
        ],
    ),
    "no such ticket": (
        sale(2),
        [
            (0, check_in(1), "no_such_ticket"),
            *BOUGHT,
            (3, check_in(0), "no_such_ticket"),
            (3, check_in(-1), "no_such_ticket"),
            (3, check_in(2), "no_such_ticket"),
            (3, check_in(1, 0), "no_such_ticket"),
            (3, check_in(1, 3), "no_such_ticket"),
            (3, check_in(1, 1, event=2), "no_such_ticket"),
            (3, check_in(1, 1, event=0), "admitted 1/1"),  # whatever event it is for
        ],
    ),
    "what is not paid admits nobody": (
        sale(2),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, check_in(1), "wrong_status"),
            (1, pay("ann", "20"), "processing 1"),
            (2, check_in(1), "wrong_status"),
            (3, settle(1, DECLINED), "payment_declined"),
            (4, check_in(1), "wrong_status"),
            (5, book("bob"), "waiting 2 at 1"),
            (6, check_in(2), "wrong_status"),
            (7, give_up(1), "cancelled 1"),
            (8, check_in(1), "wrong_status"),
        ],
    ),
    "a part may be given back; nothing of it is left when all is": (
        sale(2),
        [
            *BOUGHT,
            (3, refund(1, "5"), "refund 1 of 5.00 pending, booking refund_pending"),
            (4, check_in(1, 1), "admitted 1/1"),
            (5, refunded(1), "refund 1 of 5.00 succeeded, booking partially_refunded"),
            (6, check_in(1, 2), "admitted 1/2"),
            (7, refund(1), "refund 2 of 15.00 pending, booking refund_pending"),
            (8, check_in(1, 1), "wrong_status"),  # and not: shown before
            (9, refunded(2), "refund 2 of 15.00 succeeded, booking refunded"),
            (10, check_in(1, 1), "wrong_status"),
            (4000, check_in(1, 1), "wrong_status"),  # when it has left memory
        ],
    ),
    "a cancelled event admits nobody": (
        sale(2),
        [
            *BOUGHT,
            (3, check_in(1, 1), "admitted 1/1"),
            (4, CANCEL, "0 held 2 sold 0 waiting of 2"),
            (5, check_in(1, 1), "event_cancelled"),
            (5, check_in(1, 2), "event_cancelled"),
            (5, check_in(1, 3), "no_such_ticket"),
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_check_in(begin, rows):
    begin().play(*rows)


def test_the_second_time_says_when_and_where_the_first_was():
    story = sale(2)()
    story.play(*BOUGHT, (60, check_in(1, 2, "Gate A"), "admitted 1/2"))
    reply = story.ask(check_in(1, 2, "Gate B"))
    assert reply.code == Code.ALREADY_REDEEMED
    assert "at Gate A" in reply.detail
    assert reply.extra == {"redeemedAt": START_MS + 60_000, "place": "Gate A", "bookingId": 1}


def test_what_was_shown_is_forgotten_with_its_booking():
    story = sale(2)()
    story.play(
        *BOUGHT,
        (3, check_in(1, 1), "admitted 1/1"),
        (4, refund(1), "refund 1 of 20.00 pending, booking refund_pending"),
        (5, refunded(1), "refund 1 of 20.00 succeeded, booking refunded"),
    )
    assert len(story.state.entries) == 1
    story.wait_until(5000)
    assert 1 not in story.state.bookings.rows
    assert not story.state.entries.rows
