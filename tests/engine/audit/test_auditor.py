"""The audit finds nothing in what the engine wrote, and every broken promise in what was tampered with."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine import replies
from onsale.engine.apply import apply
from onsale.engine.audit.auditor import FAULTS_MAX, Auditor, Summary
from onsale.engine.state import State
from onsale.tests.engine.histories import DAY_MS, HOLD_MS, History, booking_id_of, busy_history, idempotency


def audited(history: History) -> Summary:
    auditor = Auditor()
    for first_seq, at_ms, facts in history.batches:
        auditor.audit(first_seq, at_ms, f.decode(f.encode(facts)))
    return auditor.finish()


def only_fault(history: History) -> tuple[int, str]:
    summary = audited(history)
    assert len(summary.faults) == 1, summary.faults
    return summary.faults[0].seq, summary.faults[0].what


def tamper(history: History, seq: int, change: Callable[[f.Fact], f.Fact | None]) -> None:
    """Put another fact in the place of the one at `seq`; None takes it out."""
    for index, (first_seq, at_ms, facts) in enumerate(history.batches):
        if first_seq <= seq < first_seq + len(facts):
            changed = change(facts[seq - first_seq])
            facts[seq - first_seq : seq - first_seq + 1] = [] if changed is None else [changed]
            if changed is None:
                rest = history.batches[index + 1 :]
                history.batches[index + 1 :] = [(first - 1, then_ms, more) for first, then_ms, more in rest]
            assert history.batches[index] == (first_seq, at_ms, facts)
            return
    raise AssertionError(f"there is no fact {seq}")


def add(history: History, *facts: f.Fact) -> None:
    """One more batch, which the engine has not seen."""
    history.now_ms += 1
    history.batches.append((len(history.facts) + 1, history.now_ms, list(facts)))


# --- nothing is wrong


@pytest.mark.parametrize("seed", range(8))
def test_what_the_engine_wrote_is_without_fault(seed: int) -> None:
    history = busy_history(seed, 400)
    auditor = Auditor()
    for first_seq, at_ms, facts in history.batches:
        auditor.audit(first_seq, at_ms, f.decode(f.encode(facts)))
    assert not auditor.differences(history.state)
    summary = auditor.finish()
    assert not summary.faults
    assert summary.seq == history.state.seq == len(history.facts)
    assert summary.events == len(history.state.events.rows)
    assert {f.Held, f.Waited, f.Promoted, f.Lapsed, f.PaymentSucceeded} <= {type(fact) for fact in history.facts}


@pytest.mark.parametrize("seed", range(4))
def test_an_audit_may_begin_in_the_middle(seed: int) -> None:
    history = busy_history(seed, 400)
    state = State()
    half = len(history.batches) // 2
    for _, at_ms, facts in history.batches[:half]:
        for fact in facts:
            apply(state, at_ms, fact)
    auditor = Auditor.opened_at(state)
    for first_seq, at_ms, facts in history.batches[half:]:
        auditor.audit(first_seq, at_ms, facts)
    assert not auditor.differences(history.state)
    assert not auditor.finish().faults


def test_the_summary_counts_bookings_and_money() -> None:
    history = History()
    history.event(("Standing", "49.90", 3))
    history.event(("Balcony", "1200", 5), currency="JPY")
    for user in ("ada", "ben", "cleo"):
        history.book(user)
    history.book("dan")
    history.confirm(1)
    history.confirm(2)
    history.refunded(history.refund(1))
    history.refund(2, "9.90")
    summary = audited(history)
    assert not summary.faults
    assert summary.bookings == {"held": 2, "refunded": 1, "refund_pending": 1}
    assert {name: msgspec.to_builtins(money) for name, money in summary.money.items()} == {
        "EUR": {"paid_minor": 9980, "refunded_minor": 4990, "refunding_minor": 990},
        "JPY": {"paid_minor": 0, "refunded_minor": 0, "refunding_minor": 0},
    }


def test_bookings_that_left_memory_are_still_counted() -> None:
    history = History()
    history.event()
    history.book("ada")
    history.pass_time(HOLD_MS)
    history.pass_time(DAY_MS)
    assert not history.state.bookings.rows
    assert audited(history).bookings == {"expired": 1}


# --- order and capacity


def test_a_gap_in_the_seq() -> None:
    history = History()
    history.event()
    history.book("ada")
    history.pass_time(1)
    history.book("ben")
    first_seq, at_ms, facts = history.batches[-1]
    history.batches[-1] = (first_seq + 1, at_ms, facts)
    assert only_fault(history) == (4, "seq 3 should come next, and here is seq 4")


def test_time_that_runs_backwards() -> None:
    history = History()
    history.event()
    history.pass_time(10)
    history.do(c.SaveUser("ada"))
    first_seq, at_ms, facts = history.batches[-1]
    history.batches[-1] = (first_seq, at_ms - 20, facts)
    seq, what = only_fault(history)
    assert seq == 2
    assert "time runs back" in what


def test_a_ticket_sold_twice() -> None:
    history = History()
    history.event(("Standing", "10.00", 2))
    history.book("ada", quantity=2)
    add(history, f.Held(2, "ben", 1, 1, 1, 1000, history.now_ms + HOLD_MS))
    assert only_fault(history) == (
        3,
        'sold twice: 3 tickets "Standing" of event 1 are taken, and there are 2 in all',
    )


def test_capacity_reduced_below_what_is_held() -> None:
    history = History()
    history.event(("Standing", "10.00", 3))
    history.book("ada", quantity=2)
    history.pass_time(1)
    history.do(c.ChangeEvent(1, types=(c.TypeChange(id=1, capacity=2),)))
    tamper(history, 3, lambda fact: replace(fact, types=(replace(fact.types[0], capacity=1),)))
    seq, what = only_fault(history)
    assert (seq, "became 1, less than what is sold or held" in what) == (3, True)


def test_a_wrong_price() -> None:
    history = History()
    history.event()
    history.book("ada")
    tamper(history, 2, lambda fact: replace(fact, amount_minor=1))
    assert "costs 1, and 1 of" in only_fault(history)[1]


def test_a_booking_before_the_sale_begins() -> None:
    history = History()
    history.event(on_sale_ms=history.now_ms + 1)
    history.pass_time(1)
    history.book("ada")
    first_seq, at_ms, facts = history.batches[-1]
    history.batches[-1] = (first_seq, at_ms - 1, facts)
    assert "when event 1 was not on sale" in only_fault(history)[1]


def test_more_than_a_user_may_have() -> None:
    history = History()
    history.event(("Standing", "10.00", 10), max_per_user=2)
    history.book("ada", quantity=2)
    history.book("ben")
    tamper(history, 3, lambda fact: replace(fact, user_id="ada"))
    assert only_fault(history)[1] == ('user "ada" has 2 tickets of event 1 and got 1 more by booking 2; the limit is 2')


def test_more_holds_than_a_user_may_have() -> None:
    history = History()
    history.event(("Standing", "10.00", 10), max_holds_per_user=1)
    history.book("ada")
    history.book("ben")
    tamper(history, 3, lambda fact: replace(fact, user_id="ada"))
    assert "got another hold" in only_fault(history)[1]


# --- first come, first served


def waiting_line(waitlist: int = 1) -> History:
    """Four tickets, all held; three groups wait: 2, 1 and 1 tickets."""
    history = History()
    history.event(("Standing", "10.00", 4), waitlist=waitlist)
    for user, quantity in (("ada", 1), ("ben", 1), ("cleo", 2), ("dan", 2), ("eve", 1), ("fay", 1)):
        history.pass_time(1)
        history.book(user, quantity=quantity)
    return history


def test_a_newcomer_who_passes_the_line() -> None:
    history = waiting_line()
    history.pass_time(1)
    history.give_up(1)  # one is free now, and dan waits for two
    add(history, f.Held(7, "gus", 1, 1, 1, 1000, history.now_ms + HOLD_MS))
    assert only_fault(history)[1] == (
        'booking 7 took 1 of "Standing" of event 1 while booking 4 waited for them, in line since seq 5'
    )


def test_where_groups_may_be_passed_only_those_who_can_be_served_come_first() -> None:
    history = waiting_line(waitlist=2)
    history.pass_time(1)
    history.give_up(5)
    history.give_up(6)
    history.give_up(1)  # one is free: of no use to dan, so a newcomer may have it
    history.pass_time(1)
    assert booking_id_of(history.book("gus")) == 7
    assert not audited(history).faults


def test_the_line_served_out_of_order() -> None:
    history = waiting_line()
    history.pass_time(1)
    history.give_up(3)
    seq = history.seq_of(f.Promoted)
    tamper(history, seq, lambda fact: replace(fact, booking_id=5))
    summary = audited(history)
    assert summary.faults[0].seq == seq
    assert summary.faults[0].what == (
        'booking 5 was served for "Standing" of event 1 with 2 free, when it was the turn of booking 4'
    )


def test_someone_served_out_of_nothing() -> None:
    history = waiting_line()
    add(history, f.Promoted(4, history.now_ms + HOLD_MS))
    assert "with 0 free, when nobody could be served" in audited(history).faults[0].what


@pytest.mark.parametrize("freeing", ["lapse", "give up", "refund"])
def test_freed_tickets_that_are_kept_from_the_line(freeing: str) -> None:
    history = waiting_line()
    if freeing == "lapse":
        history.pass_time(HOLD_MS - 4)
    elif freeing == "give up":
        history.pass_time(1)
        history.give_up(3)
    else:
        history.confirm(3)
        history.pass_time(1)
        history.refund(3)
    seq = history.seq_of(f.Promoted)
    before = next(first_seq for first_seq, _, facts in history.batches if first_seq <= seq < first_seq + len(facts))
    del history.batches[[first_seq for first_seq, _, _ in history.batches].index(before) + 1 :]
    del history.batches[-1][2][seq - before :]
    what = only_fault(history)[1]
    assert "did not go to booking 4, the next in line, in the same step" in what


def test_freed_tickets_that_reach_the_line_a_step_late() -> None:
    history = waiting_line()
    history.pass_time(1)
    history.give_up(3)
    seq = history.seq_of(f.Promoted)
    first_seq, at_ms, facts = history.batches.pop()
    history.batches += [(first_seq, at_ms, facts[: seq - first_seq]), (seq, at_ms, facts[seq - first_seq :])]
    assert only_fault(history)[0] == seq - 1


def test_added_capacity_goes_to_the_line_in_the_same_step() -> None:
    history = waiting_line()
    history.pass_time(1)
    history.do(c.ChangeEvent(1, types=(c.TypeChange(id=1, capacity=7),), hold_ms=HOLD_MS))
    assert not audited(history).faults
    tamper(history, len(history.facts), lambda _: None)
    assert "did not go to booking 5" in only_fault(history)[1]


def test_groups_that_can_never_be_served_are_told_in_the_step_that_makes_it_so() -> None:
    history = History()
    history.event(("Standing", "10.00", 4))
    for user, quantity in (("ada", 1), ("ben", 3), ("dan", 4), ("eve", 1)):
        history.book(user, quantity=quantity)
    history.give_up(2)  # three are free, and dan waits for four
    history.pass_time(1)
    history.do(c.ChangeEvent(1, types=(c.TypeChange(id=1, capacity=3),), hold_ms=HOLD_MS))
    assert [type(fact) for fact in history.facts[-3:]] == [f.EventChanged, f.BookingCancelled, f.Promoted]
    assert not audited(history).faults
    tamper(history, len(history.facts), lambda _: None)
    assert "did not go to booking 4" in only_fault(history)[1]


def test_someone_put_in_line_without_need() -> None:
    history = History()
    history.event()
    add(history, f.Waited(1, "ada", 1, 1, 1, 4990))
    assert only_fault(history)[1] == 'booking 1 had to wait for 1 of "Standing" of event 1, though 4 were free'


def test_a_line_that_is_off() -> None:
    history = History()
    history.event(("Standing", "10.00", 1), waitlist=0)
    history.book("ada")
    add(history, f.Waited(2, "ben", 1, 1, 1, 1000))
    assert only_fault(history)[1].endswith("which has no waitlist")


def test_a_place_in_line_lost_while_the_sale_is_on() -> None:
    history = waiting_line()
    add(history, f.Lapsed(6))
    assert "lost its place in line" in only_fault(history)[1]


# --- deadlines


def test_a_hold_that_lapses_before_its_time() -> None:
    history = History()
    history.event()
    history.book("ada")
    history.pass_time(HOLD_MS - 1)
    add(history, f.Lapsed(1))
    summary = audited(history)
    assert not summary.faults  # `add` lets a millisecond pass: now it is time
    first_seq, at_ms, facts = history.batches[-1]
    history.batches[-1] = (first_seq, at_ms - 1, facts)
    assert only_fault(history)[1] == "the hold of booking 1 lapsed 1 ms before its time"


def test_a_hold_that_lapses_while_it_is_paid() -> None:
    history = History()
    history.event()
    history.book("ada")
    history.pay(1)
    history.pass_time(HOLD_MS + 1000)
    assert audited(history).bookings == {"paying": 1}
    add(history, f.Lapsed(1))
    assert "while a payment was under way" in only_fault(history)[1]


def test_a_payment_given_up_too_early() -> None:
    history = History()
    history.event()
    history.book("ada")
    payment_id = history.pay(1)
    history.pass_time(HOLD_MS + 1000)
    add(history, f.PaymentAbandoned(payment_id, "timed_out"), f.Lapsed(1))
    assert "was given up" in only_fault(history)[1]


# --- money


def paid_booking() -> History:
    history = History()
    history.event()
    history.book("ada", quantity=2)
    history.confirm(1)
    return history


def test_a_success_without_a_start() -> None:
    history = History()
    history.event()
    history.book("ada")
    add(history, f.PaymentSucceeded(1, "pi_1"))
    assert only_fault(history)[1] == "PaymentSucceeded names 1, which is not known at this point"


def test_a_success_told_twice() -> None:
    history = paid_booking()
    add(history, f.PaymentSucceeded(1, "pi_1"))
    assert only_fault(history)[0] == 5


def test_a_payment_of_the_wrong_amount() -> None:
    history = paid_booking()
    tamper(history, history.seq_of(f.PaymentStarted), lambda fact: replace(fact, amount_minor=1))
    faults = [fault.what for fault in audited(history).faults]
    assert faults == [
        "payment 1 is over 1, and booking 1 costs 9980",
        "booking 1 has tickets for 9980, and 1 was paid",
    ]


def test_more_given_back_than_was_paid() -> None:
    history = paid_booking()
    history.refund(1, "1.00")
    tamper(history, history.seq_of(f.RefundStarted), lambda fact: replace(fact, amount_minor=9981))
    assert only_fault(history)[1] == "refund 1 gives back 9981 of booking 1, 9980 is left"


def test_money_given_back_before_it_was_paid() -> None:
    history = History()
    history.event()
    history.book("ada")
    add(history, f.RefundStarted(1, 1, 4990, full=True, reason="requested"))
    faults = [fault.what for fault in audited(history).faults]
    assert "refund 1 gives back 4990 of booking 1, 0 is left" in faults
    assert "booking 1, held, can't become refund_pending" in faults


def surplus_history() -> History:
    """A payment that succeeds after its hold lapsed and the ticket went to another."""
    history = History()
    history.event(("Standing", "10.00", 1))
    history.book("ada")
    payment_id = history.pay(1)
    history.pass_time(16 * 60 * 1000)
    history.book("ben")
    history.settle(payment_id)
    return history


def test_what_was_paid_for_nothing_goes_back() -> None:
    history = surplus_history()
    summary = audited(history)
    assert not summary.faults
    assert summary.money["EUR"].refunding_minor == 1000
    tamper(history, history.seq_of(f.RefundStarted), lambda _: None)
    faults = [fault.what for fault in audited(history).faults]
    assert faults[0] == "payment 1 paid for nothing, and its money did not go back in the same step"


def test_a_status_that_may_not_follow() -> None:
    history = paid_booking()
    add(history, f.Lapsed(1))
    assert only_fault(history)[1] == "booking 1, confirmed, can't become expired"


# --- idempotency keys


def test_keys_that_were_applied_once() -> None:
    history = History()
    history.event()
    history.book("ada", key="k1")
    history.book("ada", key="k1")
    payment_id = history.pay(1, key="k2")
    history.settle(payment_id)
    history.settle(history.pay(booking_id_of(history.book("ben", key="k3")), key="k4"), failure="card_declined")
    history.refunded(history.refund(1, key="k5"))
    history.pass_time(DAY_MS + 1)
    history.book("ada", key="k1")  # a new request: the key was forgotten
    assert not audited(history).faults


def test_a_key_that_made_two_bookings() -> None:
    history = History()
    history.event()
    history.book("ada", key="k1")
    history.book("ada", key="k2")
    seq = len(history.facts)
    first = history.facts[2]
    assert isinstance(first, f.Keyed)
    tamper(history, seq, lambda fact: replace(fact, digest=first.digest, fingerprint=first.fingerprint))
    at_seq, what = only_fault(history)
    assert at_seq == seq
    assert what.endswith("was applied twice: it made booking 1 and booking 2")


def test_a_key_that_made_two_payments() -> None:
    history = History()
    history.event()
    history.book("ada")
    payment_id = history.pay(1, key="k1")
    history.settle(payment_id, failure="card_declined")
    key = idempotency("k1")
    assert key is not None
    pinned_ms = history.state.bookings.rows[1].held_ms + 15 * 60 * 1000
    add(history, f.PaymentStarted(2, 1, 4990, None, pinned_ms, key.digest, key.fingerprint))
    assert only_fault(history)[1].endswith("was applied twice: it had its answer, and made payment 2")


def test_a_key_that_answers_two_requests() -> None:
    history = History()
    history.event()
    history.book("ada", key="k1")
    keyed = history.facts[2]
    assert isinstance(keyed, f.Keyed)
    add(history, f.Keyed(keyed.digest, b"another-request!", replies.encode(replies.Done(3))))
    assert only_fault(history)[1].endswith("answers two different requests")


def test_an_answer_that_is_not_what_was_booked() -> None:
    history = History()
    history.event()
    history.book("ada", key="k1")
    tamper(history, 2, lambda fact: replace(fact, user_id="ben"))
    assert "is not what was booked at seq 2" in only_fault(history)[1]


def test_an_answer_that_can_not_be_read() -> None:
    history = History()
    history.event()
    add(history, f.Keyed(b"k" * 16, b"f" * 16, b"\xc1"))
    assert "can't be read" in only_fault(history)[1]


# --- the audit itself


def test_what_is_not_there_is_a_fault_and_not_an_error() -> None:
    history = History()
    add(history, f.Promoted(7, 1), f.Held(1, "ada", 1, 1, 1, 1, 1), f.Retired((3,)), f.RefundFailed(1, ""))
    assert [fault.seq for fault in audited(history).faults] == [1, 2, 3, 4]


def test_faults_are_counted_beyond_those_that_are_kept() -> None:
    history = History()
    add(history, *[f.Lapsed(number) for number in range(FAULTS_MAX + 5)])
    summary = audited(history)
    assert (len(summary.faults), summary.faults_in_all) == (FAULTS_MAX, FAULTS_MAX + 5)


def test_a_state_that_differs_from_the_books_is_told() -> None:
    history = paid_booking()
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    history.state.ticket_types.rows[1].sold += 1
    history.state.bookings.rows[1].status = 2
    assert auditor.differences(history.state) == [
        '"Standing" of event 1 has (capacity, held, sold, waiting) (4, 0, 2, 0), and the engine says (4, 0, 3, 0)',
        "booking 1 is confirmed, and the engine says held",
    ]
