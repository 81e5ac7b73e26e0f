"""Paying: the provider may decline, ask for a step, take its time, change its mind, or come too late."""

import pytest

from onsale.engine import commands as c
from onsale.engine.status import PAYMENT_STARTED
from onsale.tests.scenarios.story import (
    CANCEL,
    DECLINED,
    DECLINED_FOR_NOW,
    FIRST_FIT,
    NEEDS_A_STEP,
    PREPARED,
    PROCESSING,
    SUCCEEDED,
    Stories,
    book,
    change,
    give_up,
    keyed,
    ms,
    pay,
    refund,
    refunded,
    sale,
    settle,
)

STORIES: Stories = {
    "a hold is paid": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (5, pay("ann", "10.00"), "processing 1", "1 paying"),
            (6, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (5000, None, "", ""),
        ],
    ),
    "a payment is declined: the hold stays, and another way may be tried": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (5, pay("ann", "10"), "processing 1"),
            (6, settle(1, DECLINED), "payment_declined", "1 held"),
            (7, pay("ann", "10"), "processing 2", "1 paying"),
            (8, settle(2, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "a hold that was declined lapses at its time": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (5, pay("ann", "10"), "processing 1"),
            (6, settle(1, DECLINED), "payment_declined", "1 held"),
            (300, None, "", "1 expired"),
        ],
    ),
    "a payment that is declined after the hold's time ends it at once": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("bob"), "waiting 2 at 1"),
            (299, pay("ann", "10"), "processing 1"),
            (400, settle(1, DECLINED), "payment_declined", "1 held, 1 expired, 2 held"),
        ],
    ),
    "while a payment is under way its hold cannot lapse, for a quarter of an hour in all": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, book("bob"), "waiting 2 at 1"),
            (2, pay("ann", "10"), "processing 1"),
            (899.999, None, "", ""),
            (900, None, "", "1 held, 1 expired, 2 held"),
        ],
    ),
    "trying again does not make the quarter of an hour longer": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (200, settle(1, DECLINED), "payment_declined"),
            (299, pay("ann", "10"), "processing 2"),
            (899.999, None, "", ""),
            (900, None, "", "1 held, 1 expired"),
        ],
    ),
    "a payment never shortens a longer hold": (
        sale(1),
        [
            (0, book("ann", hold=1200), "held 1 until 1200"),
            (1, pay("ann", "10"), "processing 1"),
            (1199.999, None, "", ""),
            (1200, None, "", "1 held, 1 expired"),
        ],
    ),
    "the quarter of an hour of someone from the line begins with their turn": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (300, None, "", "1 expired, 2 held"),
            (301, pay("bob", "10"), "processing 1"),
            (1199.999, None, "", ""),
            (1200, None, "", "2 held, 2 expired"),
        ],
    ),
    "asking again while the provider thinks starts no second payment": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, pay("ann", "10"), "processing 1", ""),
            (3, settle(1, PROCESSING), "processing 1"),
            (4, pay("ann", "10"), "processing 1", ""),
            (5, settle(1, SUCCEEDED), "paid 1"),
            (6, pay("ann", "10"), "already_paid"),
        ],
    ),
    "the provider asks for a step, and it is taken": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1", ""),
            (2, settle(1, NEEDS_A_STEP), "nothing new", ""),
            (3, pay("ann", "10", method=None), "requires_action 1", ""),  # what was it again?
            (9, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (10, settle(1, SUCCEEDED), "nothing new", ""),
            (11, settle(99, SUCCEEDED), "nothing new", ""),
        ],
    ),
    "a payment that needs a step gives way to another one": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, pay("ann", "10", method="another card"), "processing 2", "1 held, 1 paying"),
            (4, settle(1, NEEDS_A_STEP), "nothing new", ""),
            (5, settle(1, DECLINED), "wrong_status", ""),
            (6, settle(2, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "the one that gave way succeeds after all: it pays, and the other's money goes back": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, pay("ann", "10", method="another card"), "processing 2"),
            (4, settle(1, SUCCEEDED), "paid 1", "1 held, 1 confirmed"),
            (5, settle(2, SUCCEEDED), "wrong_status", ""),
            (6, refunded(1), "refund 1 of 10.00 succeeded, booking confirmed", ""),
        ],
    ),
    "the one that gave way succeeds after the other was declined": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, pay("ann", "10", method="another card"), "processing 2"),
            (4, settle(2, DECLINED), "payment_declined", "1 held"),
            (5, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "success comes too late, and the tickets are still there: they are taken again": (
        sale(2),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, pay("ann", "20"), "processing 1"),
            (900, None, "", "1 held, 1 expired"),
            (901, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (902, book("bob"), "waiting 2 at 1"),
        ],
    ),
    "success comes too late, and someone has the tickets: the money goes back": (
        sale(2),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, pay("ann", "20"), "processing 1"),
            (901, book("bob"), "held 2 until 1201"),
            (902, settle(1, SUCCEEDED), "hold_expired", ""),
            (903, refunded(1), "refund 1 of 20.00 succeeded, booking expired", ""),
        ],
    ),
    "success comes too late, and someone waits for what is free: nobody is passed": (
        sale(3),
        [
            (0, book("ann", 1), "held 1 until 300"),
            (0, book("bob", 2), "held 2 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (250, pay("bob", "20"), "processing 2"),
            (251, settle(2, SUCCEEDED), "paid 2"),
            (252, book("cid", 3), "waiting 3 at 1"),
            (900, None, "", "1 held, 1 expired"),
            (901, settle(1, SUCCEEDED), "hold_expired", ""),
        ],
    ),
    "success comes too late, and the group that waits is too large for what is free": (
        sale(3, waitlist=FIRST_FIT),
        [
            (0, book("ann", 1), "held 1 until 300"),
            (0, book("bob", 2), "held 2 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (250, pay("bob", "20"), "processing 2"),
            (251, settle(2, SUCCEEDED), "paid 2"),
            (252, book("cid", 3), "waiting 3 at 1"),
            (900, None, "", "1 held, 1 expired"),
            (901, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "success comes too late, and the user has as many as one may have by now": (
        sale(5, max_per_user=2),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, pay("ann", "20"), "processing 1"),
            (901, book("ann", 1), "held 2 until 1201"),
            (902, settle(1, SUCCEEDED), "hold_expired", ""),
        ],
    ),
    "success comes too late, and the event is cancelled": (
        sale(5),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (901, CANCEL, "0 held 0 sold 0 waiting of 5"),
            (902, settle(1, SUCCEEDED), "event_cancelled", ""),
        ],
    ),
    "success comes too late, and the sale is over": (
        sale(5, starts=950),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (951, settle(1, SUCCEEDED), "hold_expired", "1 held, 1 expired"),
        ],
    ),
    "success comes after the event was cancelled under a payment": (
        sale(5),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, CANCEL, "1 held 0 sold 0 waiting of 5", "1 held, 1 cancelled"),
            (3, settle(1, SUCCEEDED), "event_cancelled", ""),
            (4, refunded(1), "refund 1 of 10.00 succeeded, booking cancelled", ""),
        ],
    ),
    "prepared, confirmed, processing, paid: the name is there before anything is charged": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (1, settle(1, PREPARED), "nothing new", ""),
            (1, settle(1, PREPARED), "nothing new", ""),
            (2, settle(1, PROCESSING), "processing 1"),
            (3, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (4, settle(1, PREPARED), "nothing new", ""),
        ],
    ),
    "one card is declined, and the next one pays: the attempt goes on": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10", method=None), "processing 1"),
            (1, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (2, settle(1, DECLINED_FOR_NOW), "nothing new", ""),
            (2, settle(1, DECLINED_FOR_NOW), "nothing new", ""),
            (3, pay("ann", "10", method=None), "requires_action 1", ""),
            (4, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "a failure told after success changes nothing": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
            (3, settle(1, DECLINED), "nothing new", ""),
            (4, settle(1, DECLINED_FOR_NOW), "nothing new", ""),
            (5, settle(1, NEEDS_A_STEP), "nothing new", ""),
        ],
    ),
    "one that gave way is withdrawn while another one paid: whoever asked is told so": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, keyed("k", pay("ann", "10", method="another card")), "processing 2"),
            (4, settle(1, SUCCEEDED), "paid 1", "1 held, 1 confirmed"),
            (5, settle(2, DECLINED), "already_paid", ""),
            (6, keyed("k", pay("ann", "10", method="another card")), "already_paid", ""),
        ],
    ),
    "an attempt that was given up before it had a name gets one, so that it can be withdrawn": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (900, None, "", "1 held, 1 expired"),
            (901, settle(1, PREPARED), "nothing new", ""),
            (902, settle(1, DECLINED_FOR_NOW), "nothing new", ""),
            (903, settle(1, DECLINED), "hold_expired", ""),
        ],
    ),
    "nothing is given up while the provider thinks": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, pay("ann", "10"), "processing 1"),
            (2, give_up(1), "wrong_status"),
            (3, settle(1, PROCESSING), "processing 1"),
            (4, give_up(1), "wrong_status"),
        ],
    ),
    "given up instead of taking the step; if it succeeds after all the money goes back": (
        sale(1),
        [
            (0, book("ann"), "held 1 until 300"),
            (0, book("bob"), "waiting 2 at 1"),
            (1, pay("ann", "10"), "processing 1"),
            (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
            (3, give_up(1), "cancelled 1", "1 held, 1 cancelled, 2 held"),
            (4, settle(1, SUCCEEDED), "wrong_status", ""),
            (5, refunded(1), "refund 1 of 10.00 succeeded, booking cancelled", ""),
        ],
    ),
    "free tickets need no provider": (
        sale(2, price="0"),
        [
            (0, book("ann", 2), "held 1 until 300"),
            (1, pay("ann", "0.00"), "paid 1", "1 paying, 1 confirmed"),
            (2, pay("ann", "0"), "already_paid"),
        ],
    ),
    "holds may be paid after the sale is over": (
        sale(2, starts=100),
        [
            (50, book("ann"), "held 1 until 350"),
            (101, book("bob"), "not_on_sale"),
            (102, pay("ann", "10"), "processing 1"),
            (103, settle(1, SUCCEEDED), "paid 1", "1 confirmed"),
        ],
    ),
    "the price is that of the moment of booking": (
        sale(2),
        [
            (0, book("ann"), "held 1 until 300"),
            (1, change(types=()), "1 held 0 sold 0 waiting of 2"),
            (2, pay("ann", "12"), "amount_mismatch"),
            (3, pay("ann", "10.005"), "invalid_field"),
            (4, pay("ann", "10"), "processing 1"),
        ],
    ),
    "whoever has several bookings says which": (
        sale(5),
        [
            (0, book("ann", 1), "held 1 until 300"),
            (1, book("ann", 2), "held 2 until 301"),
            (2, pay("ann", "10"), "ambiguous_booking"),
            (3, pay("ann", "20", booking=2), "processing 1", "2 paying"),
            (4, pay("ann", "10"), "ambiguous_booking"),
            (5, settle(1, SUCCEEDED), "paid 2"),
            (6, pay("ann", "10"), "processing 2", "1 paying"),
        ],
    ),
    "whoever names no booking is told of the latest": (
        sale(5),
        [
            (0, pay("ann", "10"), "no_such_booking"),
            (0, book("ann"), "held 1 until 300"),
            (301, pay("ann", "10"), "hold_expired"),
            (302, book("ann"), "held 2 until 602"),
            (303, pay("ann", "10"), "processing 1"),
            (304, settle(1, SUCCEEDED), "paid 2"),
            (305, pay("ann", "10"), "already_paid"),  # and not: expired
            (306, book("ann"), "held 3 until 606"),
            (607, pay("ann", "10"), "hold_expired"),  # and not: paid, for it is not
        ],
    ),
}


@pytest.mark.parametrize(("begin", "rows"), STORIES.values(), ids=STORIES)
def test_payments(begin, rows):
    begin().play(*rows)


def test_a_hold_whose_time_is_over_cannot_be_paid_even_before_it_is_seen_to():
    story = sale(1)()
    story.play((0, book("ann"), "held 1 until 300"))
    story.now_ms = ms(300)
    assert story.words(story.ask(pay("ann", "10"))) == "hold_expired"


def test_a_payment_whose_time_is_over_is_not_begun_anew_even_before_it_is_seen_to():
    story = sale(1)()
    story.play(
        (0, book("ann"), "held 1 until 300"),
        (1, pay("ann", "10"), "processing 1"),
        (2, settle(1, NEEDS_A_STEP), "requires_action 1"),
    )
    story.now_ms = ms(900)
    assert story.words(story.ask(pay("ann", "10", method="another card"))) == "hold_expired"


def test_the_provider_may_say_the_same_with_another_secret():
    story = sale(1)()
    story.play((0, book("ann"), "held 1 until 300"), (1, pay("ann", "10"), "processing 1"))
    for outcome in (NEEDS_A_STEP, PROCESSING):
        for secret in ("one", "other"):
            reply = story.ask(settle(1, type(outcome)(outcome.requires_action, secret)))
            assert reply.client_secret == secret


def test_what_was_taken_again_counts_as_sold_and_no_new_hold_was_made():
    story = sale(1)()
    story.play(
        (0, book("ann"), "held 1 until 300"),
        (1, pay("ann", "10"), "processing 1"),
        (901, settle(1, SUCCEEDED), "paid 1"),
    )
    assert story.state.ticket_types.rows[1].sold == 1
    assert story.state.next_booking_id == 2


def paying(*outcomes):
    """A booking under payment, of which the provider said this."""
    story = sale(1)()
    story.play((0, book("ann"), "held 1 until 300"), (1, pay("ann", "10"), "processing 1"))
    for outcome in outcomes:
        story.ask(settle(1, outcome))
    return story


def test_the_name_a_payment_was_prepared_under_is_kept_where_its_success_is_told_without_one():
    story = paying(PREPARED, c.PaymentSucceededOutcome(None))
    assert story.state.bookings.rows[1].provider_reference == "pi_1"
    story.ask(refund(1))
    assert story.state.refunds.rows[1].payment_reference == "pi_1"


def test_the_first_name_stays():
    story = paying(PREPARED, c.PaymentPreparedOutcome("pi_2", "other"))
    payment = story.state.payments.rows[1]
    assert (payment.provider_reference, payment.client_secret, payment.status) == ("pi_1", "secret", PAYMENT_STARTED)


def test_what_was_paid_for_nothing_goes_back_to_the_payment_it_came_by():
    story = paying(PREPARED)
    story.play((901, book("bob"), "held 2 until 1201"), (902, settle(1, c.PaymentSucceededOutcome()), "hold_expired"))
    back = story.state.refunds.rows[1]
    assert (back.payment_reference, back.payment_id, back.surplus) == ("pi_1", 1, True)


def test_a_decline_is_remembered_until_the_next_step():
    story = paying(NEEDS_A_STEP, DECLINED_FOR_NOW)
    payment = story.state.payments.rows[1]
    assert (payment.failure, payment.failure_detail) == ("expired_card", "Use another card.")
    story.ask(settle(1, PROCESSING))
    assert (payment.failure, payment.failure_detail) == (None, "")


def test_success_of_a_payment_that_was_never_begun_is_for_a_person():
    story = sale(1)()
    assert story.words(story.ask(settle(7, c.PaymentSucceededOutcome("pi_7")))) == "nothing new"
    (concern,) = story.state.concerns.rows.values()
    assert concern.id == "unknown_payment:pi_7"
    story.ask(settle(7, c.PaymentSucceededOutcome("pi_7")))
    assert story.state.concerns_open == 1


STILL_TO_BE_TOLD = {
    "at once": ([], False),
    "after the one who asked was told that it is under way": ([c.StopWaiting(1)], True),
    "after the provider was told to have it": ([settle(1, PROCESSING)], True),
    "after it was told twice": ([c.StopWaiting(1), c.StopWaiting(1)], True),
}


@pytest.mark.parametrize(("before", "told"), STILL_TO_BE_TOLD.values(), ids=STILL_TO_BE_TOLD)
@pytest.mark.parametrize("key", [None, "k"])
def test_a_failure_is_told_by_a_notice_unless_it_is_the_answer(before, told, key):
    story = sale(1)()
    asked = pay("ann", "10") if key is None else keyed(key, pay("ann", "10"))
    story.play((0, book("ann"), "held 1 until 300"), (1, asked, "processing 1"))
    for command in before:
        story.ask(command)
    story.ask(settle(1, DECLINED))
    assert ("ann payment_failed 1" in story.notices()) == told
    if key is not None:
        assert story.words(story.ask(asked)) == ("processing 1" if told else "payment_declined")
