"""Paid bookings of an event that is over: they leave memory, and one comes back where its money goes back."""

import pytest
from msgspec.structs import replace

from onsale.engine import commands as c
from onsale.engine import facts as f
from onsale.engine.audit.auditor import Auditor
from onsale.engine.codes import Code
from onsale.engine.decide import decide
from onsale.engine.invariants import check
from onsale.engine.limits import (
    ARCHIVED_LOOKED_AT_PER_STEP_MAX,
    ARCHIVED_PER_STEP_MAX,
    ENDED_KEPT_MS,
    ENDED_KEPT_MS_MIN,
    MOVED_BACK_MS_MAX,
    PAID_KEPT_MS,
)
from onsale.engine.replies import RefundReply, Refusal, Reply
from onsale.engine.rules import past
from onsale.engine.status import CONFIRMED, PARTIAL_REFUND_PENDING, REFUND_PENDING, REFUNDED
from onsale.tests.engine.histories import HOLD_MS, History, booking_id_of
from onsale.tests.engine.rich_histories import HOUR_MS, over_history


def sold(*quantities: int, price: str = "20.00", capacity: int = 2_000) -> History:
    """An event that begins in an hour, and somebody with so many tickets each."""
    history = History()
    history.event(("Stalls", price, capacity), starts_ms=history.now_ms + HOUR_MS)
    for number, quantity in enumerate(quantities):
        booking_id = booking_id_of(history.book(f"user-{number}", quantity=quantity))
        if price == "0":  # paying for it is all there is to do
            history.do(c.StartPayment(f"user-{number}", 1, "0", booking_id))
        else:
            history.confirm(booking_id)
    return history


def refund(history: History, booking_id: int, *, read_ms: int | None = None, **fields: object) -> Reply:
    row = history.state.bookings.archived[booking_id]
    read_ms = history.now_ms if read_ms is None else read_ms
    return history.do(c.StartRefund(booking_id, HOLD_MS, past=row, past_read_ms=read_ms, **fields))  # type: ignore[arg-type]


def refused(reply: Reply) -> Code:
    assert isinstance(reply, Refusal), reply
    return reply.code


def test_they_leave_a_month_after_the_sale_and_stay_counted_as_sold() -> None:
    history = sold(1, 2)
    history.pass_time(HOUR_MS + PAID_KEPT_MS - 1)
    assert len(history.state.bookings.rows) == 2
    history.pass_time(1)
    check(history.state)
    assert not history.state.bookings.rows
    assert (history.state.ticket_types.rows[1].sold, history.state.sales[1].archived) == (3, 3)
    assert not history.state.sales[1].claims
    assert not history.state.status_counts[CONFIRMED]


def test_those_with_something_to_settle_wait_for_it() -> None:
    history = sold(1, 1, 1)
    partly = history.refund(1, "5.00")
    wholly = history.refund(2)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    check(history.state)
    assert list(history.state.bookings.rows) == [1, 2]
    history.refunded(partly)
    history.refunded(wholly)
    history.chores()
    assert list(history.state.bookings.rows) == [1, 2], "a part that is back makes another row of it"
    history.pass_time(ENDED_KEPT_MS)
    assert list(history.state.bookings.rows) == [1]


def test_a_step_takes_a_few_of_many_and_finds_them_behind_those_that_must_stay() -> None:
    history = sold(*[1] * (ARCHIVED_LOOKED_AT_PER_STEP_MAX + ARCHIVED_PER_STEP_MAX + 10))
    last = len(history.state.bookings.rows)
    for booking_id in range(last - ARCHIVED_LOOKED_AT_PER_STEP_MAX - 4, last + 1):
        history.refund(booking_id, "5.00")
    history.pass_time(HOUR_MS)
    history.now_ms += PAID_KEPT_MS
    first, second = (history.do(c.Archive(1)) and history.facts[-1] for _ in range(2))
    assert isinstance(first, f.Archived)
    assert isinstance(second, f.Archived)
    assert len(first.booking_ids) == len(second.booking_ids) == 1, "looked at enough"
    history.chores()
    assert len(history.state.bookings.rows) == ARCHIVED_LOOKED_AT_PER_STEP_MAX + 5
    check(history.state)


@pytest.mark.parametrize("price", ["20.00", "0"])
def test_money_goes_back_in_one_step_with_the_row(price: str) -> None:
    history = sold(1, 2, price=price)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    before = replace(history.state.bookings.archived[2])
    reply = refund(history, 2)
    assert isinstance(reply, RefundReply)
    check(history.state)
    row = history.state.bookings.rows[2]
    ended = price == "0"
    assert row.status == reply.booking_status == (REFUNDED if ended else REFUND_PENDING)
    assert (row.user_id, row.quantity, row.payment_id, row.seq) == ("user-1", 2, before.payment_id, before.seq)
    assert (history.state.ticket_types.rows[1].sold, history.state.sales[1].archived) == (1, 1)
    if not ended:
        history.refunded(reply.refund_id)
    history.pass_time(ENDED_KEPT_MS)
    check(history.state)
    assert not history.state.bookings.rows


def test_a_part_of_it_keeps_its_tickets_and_stays_in_memory() -> None:
    history = sold(2)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    reply = refund(history, 1, amount="5.00")
    assert isinstance(reply, RefundReply)
    assert history.state.bookings.rows[1].status == PARTIAL_REFUND_PENDING
    history.refunded(reply.refund_id)
    history.pass_time(PAID_KEPT_MS)
    check(history.state)
    assert history.state.ticket_types.rows[1].sold == 2
    more = history.do(c.StartRefund(1, HOLD_MS, "35.01"))
    assert refused(more) == Code.AMOUNT_MISMATCH, "what is back already counts"


def test_a_row_that_may_be_stale_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    history = sold(1, price="0")
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    read_ms, row = history.now_ms, history.state.bookings.archived[1]
    command = c.StartRefund(1, HOLD_MS, past=replace(row), past_read_ms=read_ms)
    assert isinstance(history.do(command), RefundReply)
    assert refused(history.do(command)) == Code.WRONG_STATUS, "memory knows better"
    history.pass_time(ENDED_KEPT_MS_MIN - 1)
    assert refused(history.do(command)) == Code.WRONG_STATUS
    monkeypatch.setattr(past, "ENDED_KEPT_MAX", 0)
    history.pass_time(1)
    assert not history.state.bookings.rows
    assert refused(history.do(command)) == Code.NO_SUCH_BOOKING, "read so long ago that it may have come back, and left"


def test_a_row_that_was_not_paid_is_none() -> None:
    history = sold(1)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    row = history.state.bookings.archived[1]
    for wrong in (replace(row, status=REFUNDED), replace(row, unsettled=1), replace(row, event_id=7)):
        assert past.recall(history.state, history.now_ms, wrong, history.now_ms) is None
    assert past.recall(history.state, history.now_ms, row, history.now_ms) is row


def test_a_refusal_brings_nothing_back() -> None:
    history = sold(1)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    assert refused(refund(history, 1, amount="20.01")) == Code.AMOUNT_MISMATCH
    assert refused(refund(history, 1, user_id="user-0")) == Code.FORBIDDEN, "the event has begun long ago"
    assert not history.state.bookings.rows


def test_what_is_over_stays_as_it_is() -> None:
    history = sold(1)
    starts_ms = history.state.events.rows[1].starts_ms
    history.now_ms = starts_ms + PAID_KEPT_MS - 1
    history.chores()
    assert isinstance(decide(history.state, history.now_ms, c.CheckIn(0, 1, 1, "")).facts[0], f.CheckedIn)
    assert decide(history.state, history.now_ms, c.CancelEvent(1)).facts
    assert decide(history.state, history.now_ms, c.ChangeEvent(1, starts_ms=starts_ms + 10**10)).facts
    history.now_ms += 1
    assert refused(history.do(c.CheckIn(0, 1, 1, ""))) == Code.WRONG_STATUS
    history.chores()
    assert refused(history.do(c.CancelEvent(1))) == Code.WRONG_STATUS
    for change in ({"starts_ms": starts_ms + 10**10}, {"ends_ms": starts_ms + 10**10}, {"starts_ms": starts_ms - 1}):
        assert refused(history.do(c.ChangeEvent(1, **change))) == Code.INVALID_FIELD  # type: ignore[arg-type]
    assert not isinstance(history.do(c.ChangeEvent(1, venue="It was in the Hall", starts_ms=starts_ms)), Refusal)
    history.chores()
    assert refused(history.do(c.CheckIn(0, 1, 1, ""))) == Code.WRONG_STATUS


def test_a_year_typed_wrong_can_be_put_right() -> None:
    history = sold(1)
    starts_ms, farthest_ms = history.state.events.rows[1].starts_ms, history.now_ms - MOVED_BACK_MS_MAX
    for change in ({"starts_ms": farthest_ms - 1}, {"starts_ms": 0, "ends_ms": farthest_ms - 1}):
        assert refused(history.do(c.ChangeEvent(1, **change))) == Code.INVALID_FIELD
    assert not isinstance(history.do(c.ChangeEvent(1, starts_ms=farthest_ms)), Refusal)
    history.pass_time(PAID_KEPT_MS - MOVED_BACK_MS_MAX - 1)
    assert len(history.state.bookings.rows) == 1
    assert not isinstance(history.do(c.ChangeEvent(1, starts_ms=starts_ms + PAID_KEPT_MS)), Refusal)
    assert not history.state.archivings.count


def test_an_event_that_was_over_when_it_was_made_can_be_moved_and_cancelled() -> None:
    history = History()
    history.event(starts_ms=history.now_ms - 2 * PAID_KEPT_MS)
    history.chores()
    assert not isinstance(history.do(c.ChangeEvent(1, starts_ms=history.now_ms - 3 * PAID_KEPT_MS)), Refusal)
    assert not isinstance(history.do(c.ChangeEvent(1, starts_ms=history.now_ms + HOUR_MS)), Refusal)
    assert not isinstance(history.book("ann"), Refusal)
    assert not isinstance(history.do(c.CancelEvent(1)), Refusal)


def test_an_event_that_is_cancelled_or_moved_keeps_them() -> None:
    for command in (c.CancelEvent(1), c.ChangeEvent(1, starts_ms=10**13)):
        history = sold(1)
        history.pass_time(HOUR_MS)
        history.do(command)
        history.pass_time(PAID_KEPT_MS)
        check(history.state)
        assert history.state.bookings.rows
        assert not history.state.archivings.count


# --- the audit


def faults(history: History, *facts: f.Fact) -> list[str]:
    auditor = Auditor()
    for batch in history.batches:
        auditor.audit(*batch)
    assert not auditor.faults
    auditor.audit(history.state.seq + 1, history.now_ms, facts)
    return [fault.what for fault in auditor.finish().faults]


def test_what_an_audit_says() -> None:
    recent, over = sold(1, 1), over_history()
    history = sold(1, 1)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    row = past.recalled(history.state.bookings.archived[1])
    assert faults(recent, f.Archived((1,))) == ["booking 1 was archived before event 1 was over"]
    assert faults(over, f.Archived((4,))) == ["booking 4 was archived, and it is not settled"]
    assert faults(history, f.EventCancelled(1)) == ["event 1 was cancelled, and bookings of it had been archived"]
    assert faults(history, row) == []
    for wrong in ({"user_id": "eve"}, {"amount_minor": 1}, {"quantity": 2}, {"seats": "3"}, {"payment_id": 9}):
        found = faults(history, f.Recalled(**({name: getattr(row, name) for name in row.__struct_fields__} | wrong)))
        assert found == ["booking 1 came back as another than it was archived"]
    assert faults(history, row, row)[0] == "booking 1 came back, and it had not been archived"
    assert "which is over" in faults(history, row, f.CheckedIn(1, 1, "", ""))[0]


def test_an_audit_that_begins_afterwards() -> None:
    history = sold(1, 2)
    history.pass_time(HOUR_MS + PAID_KEPT_MS)
    done, rows = len(history.batches), dict(history.state.bookings.archived)
    auditor = Auditor.opened_at(history.state)
    history.now_ms += 1
    for booking_id, row in rows.items():
        reply = history.do(c.StartRefund(booking_id, HOLD_MS, past=row, past_read_ms=history.now_ms))
        assert isinstance(reply, RefundReply)
        history.refunded(reply.refund_id)
    for batch in history.batches[done:]:
        auditor.audit(*batch)
    assert not auditor.finish().faults
    assert not auditor.differences(history.state)
