"""`apply` believes the facts, and asserts what the rules promised: a lie is noticed and not applied quietly."""

from typing import get_args

import pytest

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.apply import _APPLIERS, apply
from onsale.tests.scenarios.story import SUCCEEDED, Story, book, give_up, pay, refund, sale, settle

BEGIN: list[tuple] = [(0, book("ann"), "held 1 until 300")]
PAID: list[tuple] = [*BEGIN, (0, pay("ann", "10"), "processing 1"), (0, settle(1, SUCCEEDED), "paid 1")]


def after(*rows: tuple) -> Story:
    story = sale(1)()
    story.play(*rows)
    return story


LIES = {
    "a ticket sold twice": (BEGIN, f.Held(2, "bob", 1, 1, 1, 1000, 10**13)),
    "more than there is": ([], f.Held(1, "bob", 1, 1, 2, 2000, 10**13)),
    "promoted when nothing is free": ([*BEGIN, (0, book("bob"), "waiting 2 at 1")], f.Promoted(2, 10**13)),
    "a given-up booking lapsing": ([*BEGIN, (0, give_up(1), "cancelled 1")], f.Lapsed(1)),
    "a paid booking given up": (PAID, f.BookingCancelled(1, "given_up")),
    "a paid booking paid": (PAID, f.PaymentStarted(2, 1, 1000, None, 10**13)),
    "an unpaid booking refunded": (BEGIN, f.RefundStarted(1, 1, 1000, full=True, reason="requested")),
    "more refunded than was paid": (PAID, f.RefundStarted(1, 1, 1001, full=True, reason="requested")),
    "a booking retired that has not ended": (BEGIN, f.Retired((1,))),
    "capacity below what is held": (
        BEGIN,
        f.EventChanged(
            1,
            f.EventDetails("Night", 10**13, None, "", "", "", "", "", "EUR", None, 10, None, 1),
            (f.TypeDetails(1, "seat", 1000, 0),),
        ),
    ),
    "an epoch that began before": ([(0, c.BeginEpoch(2, "n1"), "nothing new")], f.EpochBegun(2, "n2")),
    "another ticket key": ([(0, c.SaveTicketKey(b"k" * 32), "nothing new")], f.TicketKeySaved(b"l" * 32)),
    "fewer standbys than none": ([], f.SyncStandbysSet(-1)),
}


@pytest.mark.parametrize(("rows", "lie"), LIES.values(), ids=LIES)
def test_a_lie_is_noticed(rows, lie):
    story = after(*rows)
    with pytest.raises(AssertionError):
        apply(story.state, story.now_ms, lie)


def test_time_never_runs_backwards():
    story = after(*BEGIN)
    with pytest.raises(AssertionError, match="backwards"):
        apply(story.state, story.now_ms - 1, f.Lapsed(1))


def test_every_fact_counts_one():
    story = after(*PAID, (1, refund(1), "refund 1 of 10.00 pending, booking refund_pending"))
    assert story.state.seq == len(["created", "held", "started", "succeeded", "refund"])


def test_every_fact_has_its_meaning():
    assert set(_APPLIERS) == set(get_args(f.Fact))
