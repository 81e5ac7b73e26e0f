"""A node that is busy sees to what is due later than it is due: nothing wrong may come of it.

Here nothing is done by itself between what is asked.
"""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from onsale.engine import commands as c
from onsale.engine.replies import Done
from onsale.engine.rules import chores
from onsale.engine.status import BOOKING_NAMES
from onsale.tests.engine.run import promotions_at_most
from onsale.tests.scenarios.story import (
    CANCEL,
    HOLD_MS,
    SUCCEEDED,
    Story,
    book,
    capacity,
    change,
    give_up,
    ms,
    pay,
    refund,
    sale,
    settle,
)


def after(story: Story, *asked: c.Command) -> Story:
    for each in asked:
        story.ask(each)
    return story


def statuses(story: Story) -> str:
    return ", ".join(f"{row.id} {BOOKING_NAMES[row.status]}" for row in story.state.bookings.rows.values())


def do_chores(story: Story) -> None:
    while due := chores.due(story.state, story.now_ms, HOLD_MS, 100):
        for chore in due:
            seq = story.state.seq
            story.ask(chore)
            assert story.state.seq > seq, f"{chore} led to nothing"


@pytest.mark.parametrize("late_ms", [0, 1, 100_000])
def test_a_sale_is_over_at_its_time(late_ms):
    story = sale(1, starts=100)()
    story.now_ms = ms(100) + late_ms
    assert story.words(story.ask(book("ann"))) == "not_on_sale"


def test_a_hold_that_is_over_is_nobody_elses_until_it_has_lapsed():
    story = after(sale(1)(), book("ann"))
    story.now_ms = ms(400)
    assert story.words(story.ask(book("bob"))) == "waiting 2 at 1"
    do_chores(story)
    assert statuses(story) == "1 expired, 2 held"


def test_after_a_long_pause_everything_is_done_in_its_order():
    story = after(sale(1)(), book("ann"), book("bob"), book("cid"))
    story.now_ms = ms(100_000)
    do_chores(story)
    assert statuses(story) == "1 expired, 2 held, 3 waiting"
    assert [notice.kind for notice in story.state.notices] == ["held", "lapsed", "your_turn"], "too late to be warned"


def test_nobody_is_served_when_the_sale_is_over_by_the_time_it_is_seen_to():
    story = after(sale(1, starts=100)(), book("ann", hold=50), book("bob"))
    story.now_ms = ms(100)
    do_chores(story)
    assert statuses(story) == "1 expired, 2 expired"


def test_those_who_were_to_be_served_in_the_next_step_are_not_when_the_sale_is_over():
    with promotions_at_most(1):
        story = after(sale(1, starts=100)(), book("ann"), book("bob"), book("cid"), capacity(3))
        assert statuses(story) == "1 held, 2 held, 3 waiting"
        story.now_ms = ms(100)
        do_chores(story)
        assert statuses(story) == "1 held, 2 held, 3 expired"


def test_an_event_moved_into_the_past_serves_nobody():
    story = after(sale(1)(), book("ann"), book("bob"))
    story.now_ms = ms(10)
    more = (c.TypeChange(id=1, capacity=5),)
    reply = story.ask(change(starts_ms=ms(10), types=more))
    assert story.words(reply) == "1 held 0 sold 1 waiting of 5"
    do_chores(story)
    assert statuses(story) == "1 held, 2 expired"


@pytest.mark.parametrize("frees", [give_up(1), refund(1)])
def test_what_is_freed_of_a_cancelled_event_goes_to_nobody(frees):
    story = after(sale(1)(), book("ann"))
    if isinstance(frees, c.StartRefund):
        after(story, pay("ann", "10"), settle(1, SUCCEEDED))
    after(story, book("bob"), CANCEL, frees)
    assert story.state.bookings.rows[2].expires_ms == 0
    assert statuses(story).endswith("2 waiting")
    do_chores(story)
    assert statuses(story).endswith("2 cancelled")


def test_what_is_freed_after_the_sale_was_closed_goes_to_nobody():
    story = after(sale(1, starts=100)(), book("ann"), book("bob"))
    story.now_ms = ms(100)
    after(story, c.CloseSale(1), give_up(1))
    assert statuses(story) == "1 cancelled, 2 waiting"


class TestServedInSteps:
    """More is freed than one step passes on."""

    def few(self) -> AbstractContextManager[Any]:
        return promotions_at_most(2)

    def test_all_ticket_types_together_are_served_so_many_in_a_step(self):
        story = sale(0, types=(c.TypeSpec("A", "1", 1), c.TypeSpec("B", "1", 1)))()
        for kind in ("A", "B"):
            after(story, *(book(f"{user}", kind=kind) for user in ("ann", "bob", "cid")))
        more = (c.TypeChange(id=1, capacity=9), c.TypeChange(id=2, capacity=9))
        with self.few():
            assert story.words(story.ask(change(types=more))) == (
                "3 held 0 sold 0 waiting of 9, 1 held 0 sold 2 waiting of 9"
            )
            do_chores(story)
        assert not story.state.promotable
        assert story.state.ticket_types.rows[2].held == 3

    def test_those_who_can_never_be_served_count_as_well(self):
        story = after(sale(3)(), book("ann", 1), book("bob", 1))
        after(story, *(book(user, 3) for user in ("cid", "dan", "eve")), book("fay", 1), give_up(2))
        with self.few():
            story.ask(capacity(2))
            assert statuses(story) == "1 held, 2 cancelled, 3 cancelled, 4 cancelled, 5 waiting, 6 waiting"
            story.ask(give_up(5))  # before it is told
            assert statuses(story).endswith("5 cancelled, 6 held")

    @pytest.mark.parametrize(
        ("leaves", "then"),
        [
            (4, "4 cancelled, 5 waiting, 6 waiting"),  # who would be told in this very step
            (5, "4 cancelled, 5 cancelled, 6 waiting"),
        ],
    )
    def test_whoever_leaves_meanwhile_leaves_once(self, leaves, then):
        story = after(sale(3)(), book("ann", 1), book("bob", 1))
        after(story, *(book(user, 3) for user in ("cid", "dan", "eve", "fay")), book("gus", 1))
        with promotions_at_most(1):
            after(story, capacity(2), give_up(leaves))
            assert statuses(story) == f"1 held, 2 held, 3 cancelled, {then}, 7 waiting"
            told = [notice.booking_id for notice in story.state.notices if notice.kind == "cancelled"]
            assert len(set(told)) == len(told)
            do_chores(story)
        assert statuses(story).endswith("6 cancelled, 7 waiting")

    @pytest.mark.parametrize("waitlist", [1, 2])
    def test_a_newcomer_waits_behind_them(self, waitlist):
        story = after(sale(1, waitlist=waitlist)(), *(book(user) for user in ("ann", "bob", "cid", "dan")))
        with self.few():
            story.ask(capacity(9))
            assert story.words(story.ask(book("eve"))) == "waiting 5 at 2"
            do_chores(story)
        assert statuses(story) == "1 held, 2 held, 3 held, 4 held, 5 held"


TOO_LATE: list[c.Command] = [
    c.Lapse(99, HOLD_MS),
    c.Lapse(1, HOLD_MS),  # paid
    c.Lapse(2, HOLD_MS),  # held, for a while yet
    c.Lapse(3, HOLD_MS),  # under payment
    c.Lapse(4, HOLD_MS),  # waiting
    c.Lapse(5, HOLD_MS),  # given up
    c.Warn(99),
    c.Warn(1),
    c.Warn(2),
    c.Warn(4),
    c.Retire((99,)),
    c.Retire((1, 2, 3, 4, 5)),
    c.Retire(()),
    c.CloseSale(99),
    c.CloseSale(1),
    c.Sweep(99),
    c.Sweep(1),
    c.Promote(99, HOLD_MS),
    c.Promote(1, HOLD_MS),
]


def mixed() -> Story:
    story = after(sale(3)(), book("ann"), pay("ann", "10"), settle(1, SUCCEEDED), book("bob"))
    return after(story, book("cid"), pay("cid", "10"), book("dan"), book("eve"), give_up(5))


@pytest.mark.parametrize("chore", TOO_LATE, ids=str)
def test_a_chore_that_is_not_due_leads_to_nothing(chore):
    story = mixed()
    seq = story.state.seq
    assert story.ask(chore) == Done(seq)
    assert story.state.seq == seq


def test_a_sweep_that_comes_too_late_leads_to_nothing():
    story = after(mixed(), CANCEL)
    sweep_all = [c.Sweep(number) for number in range(1, 6)]
    after(story, *sweep_all[:4])
    after(story, book("fay"))
    seq = story.state.seq
    after(story, *sweep_all)
    assert story.state.seq == seq
    assert statuses(story) == "1 refund_pending, 2 cancelled, 3 cancelled, 4 cancelled, 5 cancelled"


def test_a_sweep_of_one_who_has_left_while_others_are_swept_leads_to_nothing():
    story = after(mixed(), CANCEL)
    seq = story.state.seq
    after(story, c.Sweep(5))
    assert story.state.seq == seq


def test_when_something_is_due_next():
    story = sale(1)()
    assert chores.next_due_ms(story.state) == ms(1_000_000), "the end of the sale"
    story.ask(book("ann"))
    assert chores.next_due_ms(story.state) == ms(240), "a warning"
    story.now_ms = ms(240)
    do_chores(story)
    assert chores.next_due_ms(story.state) == ms(300), "a lapse"
    story.ask(CANCEL)
    assert chores.next_due_ms(story.state) == 0, "at once"
    do_chores(story)
    story.now_ms = ms(2_000_000)
    do_chores(story)
    assert chores.next_due_ms(story.state) is None
