"""What holds of payments, refunds, and what the payment provider told."""

from collections import Counter
from itertools import pairwise

from ..state import State
from ..status import (
    CONFIRMED,
    PAYING,
    PAYMENT_ABANDONED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    REFUND_FAILED,
    REFUND_PENDING_AT_PROVIDER,
)


def check_money(state: State) -> None:
    unsettled: Counter[int] = Counter()
    refunding: Counter[int] = Counter()
    for payment in state.payments.rows.values():
        booking, who = state.bookings.rows[payment.booking_id], f"payment {payment.id}"
        unsettled[booking.id] += 1
        current = booking.status == PAYING and booking.payment_id == payment.id
        under_way = payment.status in {PAYMENT_STARTED, PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION}
        assert under_way or payment.status == PAYMENT_ABANDONED, f"{who} is done, and still in the table"
        assert under_way == current, f"{who} has status {payment.status}, its booking {booking.id} {booking.status}"
        assert (payment.user_id, payment.amount_minor) == (booking.user_id, booking.amount_minor), f"{who} is another's"
    for refund in state.refunds.rows.values():
        booking, who = state.bookings.rows[refund.booking_id], f"refund {refund.id}"
        unsettled[booking.id] += 1
        assert refund.status in {REFUND_PENDING_AT_PROVIDER, REFUND_FAILED}, f"{who} is done, and still in the table"
        assert refund.user_id == booking.user_id, f"{who} goes to someone else"
        if not refund.surplus:
            refunding[booking.id] += refund.amount_minor
    for booking in state.bookings.rows.values():
        who = f"booking {booking.id}"
        if booking.status == PAYING:
            assert booking.payment_id in state.payments.rows, f"{who} is paying, and there is no payment"
        left = unsettled[booking.id]
        assert booking.unsettled == left, f"{who} counts {booking.unsettled} unsettled, there are {left}"
        back = refunding[booking.id]
        assert booking.refunding_minor == back, f"{who}: {booking.refunding_minor} on its way back, refunds say {back}"
        if booking.status == CONFIRMED:
            assert booking.payment_id, f"{who} is confirmed, and was never paid"


def check_settling(state: State) -> None:
    """Who still waits for the provider's word, and what of it a person must look at."""
    for payment in state.payments.rows.values():
        who, said = f"payment {payment.id}", payment.status in {PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION}
        assert not (said or payment.answered) or payment.key is None, f"{who} has its answer, and a key waits for one"
        assert (payment.key is None) == (payment.fingerprint is None), f"{who} has half a key"
    for refund in state.refunds.rows.values():
        who, failed = f"refund {refund.id}", refund.status == REFUND_FAILED
        assert refund.tries > 0, f"{who} was tried {refund.tries} times"
        assert not failed or (refund.failure is not None and refund.key is None), f"{who} failed, and nobody was told"
        assert (refund.key is None) == (refund.fingerprint is None), f"{who} has half a key"
    failed_ids = {refund.id for refund in state.refunds.rows.values() if refund.status == REFUND_FAILED}
    assert state.refunds_failed.keys() == failed_ids, (
        f"failed refunds differ in {state.refunds_failed.keys() ^ failed_ids}"
    )
    for event_id, sale in state.sales.items():
        refunds = [
            row for row in state.refunds.rows.values() if state.bookings.rows[row.booking_id].event_id == event_id
        ]
        failed_here = sum(row.id in failed_ids for row in refunds)
        counted, found = (sale.owed.refunds, sale.owed.refunds_failed), (len(refunds) - failed_here, failed_here)
        assert counted == found, f"event {event_id} counts {counted} refunds and failed ones, there are {found}"


def check_provider(state: State) -> None:
    """News stand in the order they came, oldest first; what a person must decide is counted."""
    news, order = state.provider_events.rows, list(state.provider_event_order)
    assert len(order) == len(news), f"{len(order)} pieces of news are in order, {len(news)} are there"
    assert len({one.id for one in order}) == len(order), "news stand twice in the order"
    assert all(news.get(one.id) is one for one in order), "news stand in the order that are not there"
    assert all(one.at_ms <= other.at_ms for one, other in pairwise(order)), (
        "the news are not in the order of their time"
    )
    for key, concern in state.concerns.rows.items():
        assert concern.id == key == f"{concern.kind}:{concern.reference}", f"concern {key} is another one"
        assert concern.closed_ms <= state.at_ms, f"concern {key} is to be closed yet"
    still_open = sum(not concern.closed_ms for concern in state.concerns.rows.values())
    assert state.concerns_open == still_open, f"{state.concerns_open} open concerns are counted, there are {still_open}"
