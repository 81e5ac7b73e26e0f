"""Who gets the tickets, and when: in the order of asking, in the very step that frees them, groups whole."""

import pytest

from onsale.engine.commands import TypeSpec
from onsale.tests.scenarios.story import (
    FIRST_FIT,
    OFF,
    STRICT,
    SUCCEEDED,
    Stories,
    book,
    capacity,
    change,
    give_up,
    pay,
    refund,
    sale,
    settle,
)

STORIES: Stories = {
    "tickets go in the order of asking, and then people wait in that order": (
        sale(2),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "held 2 until 300"),
            (0, book("cid"), "waiting 3 at 1"),
            (1, book("dan"), "waiting 4 at 2"),
        ],
    ),
    "a lapsed hold goes to the head of the line at that moment": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (10, book("bob"), "waiting 2 at 1"),
            (20, book("cid"), "waiting 3 at 2"),
            (299.999, None, "", ""),
            (300, None, "", "1 expired, 2 held"),
            (599.999, book("dan"), "waiting 4 at 2", "4 waiting"),
            (600, None, "", "2 expired, 3 held"),
            (900, None, "", "3 expired, 4 held"),
        ],
    ),
    "what is given up goes to the head of the line": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (7, give_up(1), "cancelled 1", "1 cancelled, 2 held"),
            (306, None, "", ""),
            (307, None, "", "2 expired"),
            (308, book("cid"), "held 3 until 608"),
        ],
    ),
    "what is refunded goes to the head of the line at once, whenever the money arrives": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, pay("ann", "10"), "processing 1", "1 paying"),
            (1, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (2, book("bob"), "waiting 2 at 1"),
            (3, refund(1), "refund 1 of 10.00 pending, booking refund_pending", "1 refund_pending, 2 held"),
        ],
    ),
    "added capacity goes down the line in the very step that adds it": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob", 2), "sold_out"),  # more than there are in all
            (0, capacity(2), "1 held 0 sold 0 waiting of 2"),
            (1, book("bob", 2), "waiting 2 at 1"),
            (2, book("cid", 2), "waiting 3 at 2"),
            (3, book("dan", 1), "waiting 4 at 3"),
            (4, capacity(6), "6 held 0 sold 0 waiting of 6", "2 held, 3 held, 4 held"),
        ],
    ),
    "whoever leaves the line lets the others move up": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (0, book("cid"), "waiting 3 at 2"),
            (5, give_up(2), "cancelled 2", "2 cancelled"),
            (6, book("dan"), "waiting 4 at 2"),
            (300, None, "", "1 expired, 3 held"),
        ],
    ),
    "strict: the line waits for its head, and nobody passes": (
        sale(3, waitlist=STRICT),
        [
            (0, book("ann", 3), "held 1 until 300"),
            (1, book("bob", 2), "waiting 2 at 1"),
            (2, book("cid", 1), "waiting 3 at 2"),
            (3, capacity(4), "3 held 0 sold 2 waiting of 4", ""),
            (4, book("dan", 1), "waiting 4 at 3"),
            (5, book("eve", 1, waitlist=False), "sold_out"),  # one is free, and it is bob's
            (6, give_up(2), "cancelled 2", "2 cancelled, 3 held"),
            (300, None, "", "1 expired, 4 held"),
        ],
    ),
    "first fit: who fits passes a group that does not, but no newcomer passes one who fits": (
        sale(3, waitlist=FIRST_FIT),
        [
            (0, book("ann", 1), "held 1 until 300"),
            (1, book("bob", 2), "held 2 until 301"),
            (2, book("cid", 2), "waiting 3 at 1"),
            (3, book("dan", 1), "waiting 4 at 2"),
            (300, None, "", "1 expired, 4 held"),
            (301, None, "", "2 expired, 3 held"),
            (302, book("eve", 2), "waiting 5 at 1"),
            (303, book("fay", 1), "waiting 6 at 2"),
            (600, None, "", "4 expired, 6 held"),
        ],
    ),
    "first fit: a newcomer may pass a group that does not fit": (
        sale(3, waitlist=FIRST_FIT),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, book("bob", 2), "waiting 2 at 1"),
            (2, book("cid", 1), "held 3 until 302"),
        ],
    ),
    "a group is served whole": (
        sale(4),
        [
            (0, book("ann", 1), "held 1 until 300"),
            (0, book("bob", 3), "held 2 until 300"),
            (1, book("cid", 3), "waiting 3 at 1"),
            (2, give_up(1), "cancelled 1", "1 cancelled"),
            (3, give_up(2), "cancelled 2", "2 cancelled, 3 held"),
        ],
    ),
    "a group larger than what there is in all is told at once, and never waits": (
        sale(4),
        [(0, book("ann", 5), "sold_out"), (0, book("ann", 4), "held 1 until 300")],
    ),
    "capacity shrinks below a group that waits: it is told, and holds nobody up": (
        sale(4),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (0, book("bob", 2), "held 2 until 300"),
            (1, book("cid", 4), "waiting 3 at 1"),
            (2, book("dan", 1), "waiting 4 at 2"),
            (3, give_up(1), "cancelled 1", "1 cancelled"),
            (4, capacity(3), "3 held 0 sold 0 waiting of 3", "3 cancelled, 4 held"),
        ],
    ),
    "no waitlist: what is gone is gone": (
        sale(1, waitlist=OFF),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("bob"), "sold_out"),
            (300, None, "", "1 expired"),
            (301, book("bob"), "held 2 until 601"),
        ],
    ),
    "whoever does not want to wait is told": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("bob", waitlist=False), "sold_out"),
            (2, book("bob"), "waiting 2 at 1"),
        ],
    ),
    "a waitlist that is closed keeps those who are in it": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (1, change(waitlist=OFF), "1 held 0 sold 1 waiting of 1", ""),
            (2, book("cid"), "sold_out"),
            (300, None, "", "1 expired, 2 held"),
        ],
    ),
    "a line that may be passed from now on is looked through at once": (
        sale(3),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (0, book("bob", 3), "waiting 2 at 1"),
            (0, book("cid", 1), "waiting 3 at 2"),
            (1, change(waitlist=FIRST_FIT), "3 held 0 sold 1 waiting of 3", "3 held"),
        ],
    ),
    "each ticket type has a line of its own": (
        sale(0, types=(TypeSpec("balcony", "10", 1), TypeSpec("stalls", "20", 1))),
        [
            (0, book("ann", kind="balcony"), "held 1 until 300"),
            (0, book("bob", kind="stalls"), "held 2 until 300"),
            (1, book("cid", kind="stalls"), "waiting 3 at 1"),
            (2, book("dan", kind=1), "waiting 4 at 1"),
            (3, give_up(2), "cancelled 2", "2 cancelled, 3 held"),
            (4, book("eve"), "invalid_field"),  # which of the two?
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_first_come_first_served(begin, rows):
    begin().play(*rows)
