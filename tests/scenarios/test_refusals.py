"""A refusal says what is wrong and what helps: fields by their public names."""

from unittest import mock

from onsale.engine import decide as decide_module
from onsale.tests.scenarios.story import (
    DECLINED,
    OFF,
    SUCCEEDED,
    book,
    change,
    give_up,
    keyed,
    pay,
    refund,
    sale,
    settle,
)


def test_too_early_says_when_in_whole_seconds():
    story = sale(1, on_sale=10)()
    assert story.ask(book("ann")).extra == {"retryAfterSeconds": 10}
    story.wait_until(9.999)
    assert story.ask(book("ann")).extra == {"retryAfterSeconds": 1}


def test_sold_out_says_what_is_free_and_how_many_wait():
    story = sale(3, waitlist=OFF)()
    story.ask(book("ann", 2))
    assert story.ask(book("bob", 2)).extra == {"available": 1, "waiting": 0}


def test_a_limit_says_how_many_are_left():
    story = sale(9, max_per_user=3)()
    story.ask(book("ann", 2))
    assert story.ask(book("ann", 2)).extra == {"available": 1}
    story.ask(change(max_per_user=1))
    assert story.ask(book("ann", 1)).extra == {"available": 0}


def test_an_unknown_ticket_type_names_those_there_are():
    refusal = sale(1)().ask(book("ann", kind="nowhere"))
    assert refusal.extra == {"field": "ticketType"}
    assert "seat" in refusal.detail


def test_the_wrong_amount_says_the_right_one():
    story = sale(1)()
    story.ask(book("ann"))
    assert story.ask(pay("ann", "11")).extra == {"amount": "10.00", "currency": "EUR"}
    assert story.ask(pay("ann", "x")).extra == {"field": "amount"}


def test_several_bookings_are_listed():
    story = sale(9)()
    for _ in range(3):
        story.ask(book("ann"))
    assert story.ask(pay("ann", "10")).extra == {"bookingIds": [1, 2, 3]}


def test_a_declined_payment_says_why_and_is_kept_short():
    story = sale(1)()
    story.ask(book("ann"))
    story.ask(pay("ann", "10"))
    refusal = story.ask(settle(1, type(DECLINED)("c" * 500, "d" * 500)))
    assert refusal.extra == {"declineCode": "c" * 100, "bookingId": 1}
    assert refusal.detail == "d" * 300


def test_a_wrong_status_says_which():
    story = sale(1)()
    story.play((0, book("ann"), "held 1 until 300"), (0, book("bob"), "waiting 2 at 1"))
    assert story.ask(pay("bob", "10")).extra == {"bookingId": 2, "bookingStatus": "waiting"}
    assert story.ask(refund(1)).extra == {"bookingStatus": "held"}
    story.play((0, pay("ann", "10"), "processing 1"), (0, settle(1, SUCCEEDED), "paid 1"))
    refusal = story.ask(give_up(1))
    assert refusal.extra == {"bookingStatus": "confirmed"}
    assert "/booking/1/refund" in refusal.detail


def test_too_large_a_refund_says_what_is_left():
    story = sale(1)()
    story.play(
        (0, book("ann"), "held 1 until 300"),
        (0, pay("ann", "10"), "processing 1"),
        (0, settle(1, SUCCEEDED), "paid 1"),
    )
    story.ask(refund(1, "4"))
    assert story.ask(refund(1, "7")).extra == {"available": "6.00"}


def test_overloaded_says_when_to_try_again():
    story = sale(1)()
    with mock.patch.object(decide_module, "KEYS_MAX", 1):
        story.ask(keyed("a", book("ann")))
        assert story.ask(keyed("b", book("bob"))).extra == {"retryAfterSeconds": 30}


def test_an_answer_says_at_which_position_it_was_decided():
    """A refusal rests on the last fact, an answer is the first of its own."""
    story = sale(1)()
    assert story.ask(book("ann", 99)).seq == 1
    assert story.ask(book("ann")).seq == 2
    assert story.ask(book("bob")).seq == 3
    assert story.ask(give_up(1)).seq == 4
    assert story.state.seq == 5, "the fact behind it is bob's turn"
