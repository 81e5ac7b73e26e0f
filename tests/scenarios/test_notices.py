"""What people are owed a message about."""

import pytest

from onsale.tests.scenarios.story import CANCEL, DECLINED, SUCCEEDED, book, give_up, pay, refund, refunded, sale, settle

HOLD = (0, book("ann"), "held 1 until 300")
BUY = [HOLD, (1, pay("ann", "10"), "processing 1"), (2, settle(1, SUCCEEDED), "paid 1")]

OWED = {
    "a hold": ([HOLD], ["ann held 1"]),
    "a hold about to lapse": ([HOLD, (239.999, None, "")], ["ann held 1"]),
    "a minute before its end": ([HOLD, (240, None, "")], ["ann held 1", "ann about_to_lapse 1"]),
    "a lapse": ([HOLD, (300, None, "")], ["ann held 1", "ann about_to_lapse 1", "ann lapsed 1"]),
    "a short hold is warned of after four fifths": (
        [(0, book("ann", hold=10), "held 1 until 10"), (8, None, "")],
        ["ann held 1", "ann about_to_lapse 1"],
    ),
    "a payment": (BUY, ["ann held 1", "ann confirmed 1"]),
    "nobody who pays is warned": (
        [HOLD, (1, pay("ann", "10"), "processing 1"), (300, settle(1, SUCCEEDED), "paid 1")],
        ["ann held 1", "ann confirmed 1"],
    ),
    "nobody is warned twice": (
        [
            HOLD,
            (250, pay("ann", "10"), "processing 1"),
            (260, settle(1, DECLINED), "payment_declined"),
            (290, None, ""),
        ],
        ["ann held 1", "ann about_to_lapse 1"],
    ),
    "a turn": (
        [HOLD, (0, book("bob"), "waiting 2 at 1"), (5, give_up(1), "cancelled 1")],
        ["ann held 1", "ann cancelled 1", "bob your_turn 2"],
    ),
    "a refund": (
        [
            *BUY,
            (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending"),
            (4, refunded(1), "refund 1 of 10.00 succeeded, booking refunded"),
        ],
        ["ann held 1", "ann confirmed 1", "ann refunded 1"],
    ),
    "a cancelled event": (
        [*BUY, (3, book("bob"), "waiting 2 at 1"), (4, CANCEL, "0 held 1 sold 1 waiting of 1")],
        ["ann held 1", "ann confirmed 1", "bob cancelled 2", "ann event_cancelled 1"],
    ),
}


@pytest.mark.parametrize(("rows", "owed"), OWED.values(), ids=OWED)
def test_notices(rows, owed):
    story = sale(1)()
    story.play(*rows)
    assert story.notices() == owed


def test_whoever_waits_when_the_sale_ends_is_told():
    story = sale(1, starts=100)()
    story.play(HOLD, (1, book("bob"), "waiting 2 at 1"), (100, None, ""))
    assert story.notices() == ["ann held 1", "bob lapsed 2"]


def test_money_that_came_too_late_and_went_back():
    story = sale(1)()
    story.play(
        HOLD,
        (1, pay("ann", "10"), "processing 1"),
        (901, book("bob"), "held 2 until 1201"),
        (902, settle(1, SUCCEEDED), "hold_expired"),
        (903, refunded(1), "refund 1 of 10.00 succeeded, booking expired"),
    )
    assert story.notices() == ["ann held 1", "ann lapsed 1", "bob held 2", "ann paid_too_late 1", "ann refunded 1"]
