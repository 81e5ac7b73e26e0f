"""The same key gives the first answer again, for 24 hours."""

from unittest import mock

import pytest

from onsale.engine import commands as c
from onsale.engine import decide as decide_module
from onsale.engine import replies as r
from onsale.engine.codes import Code
from onsale.engine.limits import KEYS_FORGOTTEN_PER_STEP_MAX
from onsale.tests.scenarios.story import (
    DECLINED,
    NEEDS_A_STEP,
    SUCCEEDED,
    Stories,
    book,
    change,
    keyed,
    pay,
    refund,
    refund_fails,
    refunded,
    sale,
    settle,
)

DAY = 24 * 3600

STORIES: Stories = {
    "the first answer comes again, whatever happened since": (
        sale(1),
        [
            (0, keyed("k", book("ann")), "held 1 until 300", "1 held"),
            (1, keyed("k", book("ann")), "held 1 until 300", ""),
            (400, keyed("k", book("ann")), "held 1 until 300", "1 expired"),
            (DAY - 0.001, keyed("k", book("ann")), "held 1 until 300"),
        ],
    ),
    "after 24 hours a key is new": (
        sale(1),
        [
            (0, keyed("k", book("ann"), "a"), "held 1 until 300"),
            (DAY, keyed("k", book("bob"), "b"), f"held 2 until {DAY + 300}"),
            (DAY + 1, keyed("k", book("bob"), "b"), f"held 2 until {DAY + 300}"),
        ],
    ),
    "another request with the same key is refused": (
        sale(9),
        [
            (0, keyed("k", book("ann"), "a"), "held 1 until 300"),
            (1, keyed("k", book("ann", 2), "b"), "idempotency_mismatch", ""),
            (2, keyed("k", book("ann"), "a"), "held 1 until 300", ""),
        ],
    ),
    "a refusal is an answer, and is kept": (
        sale(1, max_per_user=1),
        [
            (0, keyed("k", book("ann", 2)), "limit_per_user"),
            (1, change(max_per_user=5), "0 held 0 sold 0 waiting of 1"),
            (2, keyed("k", book("ann", 2)), "limit_per_user"),
            (3, keyed("other", book("ann", 1)), "held 1 until 303"),
        ],
    ),
    "a refusal that asks to be tried again is not kept": (
        sale(1, on_sale=10),
        [
            (5, keyed("k", book("ann"), "a"), "too_early"),
            (10, keyed("k", book("ann"), "b"), "held 1 until 310"),
        ],
    ),
    "the answer to a payment is its outcome": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, keyed("k", pay("ann", "10")), "processing 1", "1 paying"),
            (2, keyed("k", pay("ann", "10")), "processing 1", ""),
            (3, settle(1, SUCCEEDED), "paid 1"),
            (4, keyed("k", pay("ann", "10")), "paid 1", ""),
        ],
    ),
    "the answer to a payment that is declined is that": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, keyed("k", pay("ann", "10")), "processing 1"),
            (3, settle(1, DECLINED), "payment_declined"),
            (4, keyed("k", pay("ann", "10")), "payment_declined", ""),
            (5, keyed("k2", pay("ann", "10")), "processing 2", "1 paying"),
        ],
    ),
    "the provider's first word is the answer, and stays it": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, keyed("k", pay("ann", "10")), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, keyed("k", pay("ann", "10")), "requires_action 1"),
            (4, settle(1, SUCCEEDED), "paid 1"),
            (5, keyed("k", pay("ann", "10")), "requires_action 1"),
        ],
    ),
    "the provider's first word is the answer even when it comes too late": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, keyed("k", pay("ann", "10")), "processing 1"),
            (901, keyed("k", pay("ann", "10")), "processing 1", "1 held, 1 expired"),
            (902, settle(1, SUCCEEDED), "paid 1"),
            (903, keyed("k", pay("ann", "10")), "paid 1"),
        ],
    ),
    "free tickets are answered at once": (
        sale(9, price="0"),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, keyed("k", pay("ann", "0")), "paid 1"),
            (2, keyed("k", pay("ann", "0")), "paid 1"),
        ],
    ),
    "the answer to a refund is its outcome": (
        sale(9),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, pay("ann", "20"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (3, keyed("k", refund(1, "5")), "refund 1 of 5.00 pending, booking refund_pending"),
            (4, keyed("k", refund(1, "5")), "refund 1 of 5.00 pending, booking refund_pending"),
            (5, refunded(1), "refund 1 of 5.00 succeeded, booking partially_refunded"),
            (6, keyed("k", refund(1, "5")), "refund 1 of 5.00 succeeded, booking partially_refunded"),
            (7, keyed("k2", refund(1)), "refund 2 of 15.00 pending, booking refund_pending"),
            (8, refund_fails(2), "refund 2 of 15.00 failed, booking refund_pending"),
            (9, refunded(2), "refund 2 of 15.00 succeeded, booking refunded"),
            (10, keyed("k2", refund(1)), "refund 2 of 15.00 failed, booking refund_pending"),
        ],
    ),
    "an outcome that comes after 24 hours does not answer for someone else's request": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (3, keyed("k", refund(1), "a"), "refund 1 of 10.00 pending, booking refund_pending"),
            (DAY + 3, keyed("k", book("bob"), "b"), f"held 2 until {DAY + 303}"),
            (DAY + 4, refunded(1), "refund 1 of 10.00 succeeded, booking refunded"),
            (DAY + 5, keyed("k", book("bob"), "b"), f"held 2 until {DAY + 303}"),
        ],
    ),
    "an outcome that comes after 24 hours revives no key": (
        sale(9),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1"),
            (3, keyed("k", refund(1)), "refund 1 of 10.00 pending, booking refund_pending"),
            (DAY + 3, refunded(1), "refund 1 of 10.00 succeeded, booking refunded"),
            (DAY + 4, keyed("k", refund(1)), "wrong_status"),
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_idempotency(begin, rows):
    begin().play(*rows)


def test_the_answer_is_the_same_in_every_field():
    story = sale(9)()
    first = story.ask(keyed("k", book("ann")))
    story.ask(book("bob"))
    assert story.ask(keyed("k", book("ann"))) == first
    refusal = story.ask(keyed("no", book("ann", 99)))
    story.ask(book("cid"))
    assert story.ask(keyed("no", book("ann", 99))) == refusal
    assert refusal.seq == 5, "a refusal that is kept was decided where it is kept"


def test_what_was_refused_before_it_came_here_is_kept_too():
    story = sale(9)()
    refuse = c.Refuse(Code.INVALID_FIELD, "quantity must be above zero.", {"field": "quantity"})
    first = story.ask(keyed("k", refuse))
    assert (first.code, first.detail, first.extra) == (refuse.code, refuse.detail, refuse.extra)
    story.ask(book("bob"))
    assert story.ask(keyed("k", refuse)) == first
    assert story.ask(keyed("k", book("ann"), "another body")).code is Code.IDEMPOTENCY_MISMATCH
    before = story.state.seq
    assert story.ask(refuse).seq == before == story.state.seq, "without a key there is nothing to keep"


def test_an_answer_says_that_it_is_given_again():
    story = sale(9)()
    asked = keyed("k", book("ann"))
    story.ask(asked)
    again = decide_module.decide(story.state, story.now_ms, asked.command, asked.key)
    assert (again.replayed, again.facts) == (True, [])


def ask_with(story, *names):
    for name in names:
        story.ask(keyed(name, book(name, 99)))  # a refusal; it is kept like any answer


def kept(story):
    keys = story.state.keys.rows
    order = [key.digest for key in story.state.key_order if keys.get(key.digest) is key]
    assert len(order) == len(keys)
    return [digest.decode().strip() for digest in order]


def test_old_keys_are_forgotten_a_few_at_a_time_as_new_ones_come():
    story = sale(9)()
    names = [f"k{number}" for number in range(20)]
    ask_with(story, *names)
    story.wait_until(DAY)
    assert kept(story) == names
    ask_with(story, "new")
    assert kept(story) == [*names[KEYS_FORGOTTEN_PER_STEP_MAX:], "new"]
    ask_with(story, "newer", "newest")
    assert kept(story) == ["new", "newer", "newest"]


def test_a_key_that_is_used_anew_holds_up_no_other():
    """It begins its 24 hours again, and the others go when theirs are over."""
    story = sale(9)()
    names = [f"k{number}" for number in range(20)]
    ask_with(story, *names)
    story.wait_until(DAY)
    ask_with(story, "k15")
    story.wait_until(DAY + 1)
    ask_with(story, "a", "b", "c")
    assert kept(story) == ["k15", "a", "b", "c"]
    story.wait_until(2 * DAY)
    ask_with(story, "d")
    assert kept(story) == ["a", "b", "c", "d"]


def test_the_outcome_of_a_payment_does_not_make_its_key_last_longer():
    story = sale(9)()
    story.play(
        (0, book("ann"), "held 1 until 300"),
        (1, keyed("k", pay("ann", "10")), "processing 1"),
        (800, settle(1, SUCCEEDED), "paid 1"),
        (DAY, keyed("k", pay("ann", "10")), "paid 1"),
        (DAY + 1, keyed("k", pay("ann", "10")), "already_paid"),
    )


def test_when_there_is_no_room_for_keys_only_new_ones_are_refused_until_old_ones_are_over():
    story = sale(9)()
    with mock.patch.object(decide_module, "KEYS_MAX", 2):
        story.play(
            (0, keyed("a", book("ann")), "held 1 until 300"),
            (1, keyed("b", book("bob")), "held 2 until 301"),
            (2, keyed("c", book("cid")), "overloaded"),
            (2, keyed("a", book("ann")), "held 1 until 300"),
            (2, book("cid"), "held 3 until 302"),
            (DAY, keyed("c", book("cid")), f"held 4 until {DAY + 300}"),
            (DAY, keyed("d", book("dan")), "overloaded"),
            (DAY + 1, keyed("d", book("dan")), f"held 5 until {DAY + 301}"),
        )
    assert isinstance(r.decode(story.state.keys.rows[b"d".ljust(16)].reply), r.Booked)
