"""The only thing that changes the state: `apply(state, at_ms, fact)`.

Owns what each fact means. Total and deterministic: it refuses nothing, looks at no clock, and asserts what the rules
promised. Facts come in journal order; the n-th fact ever applied has seq n.
"""

from collections.abc import Callable
from typing import Any

from . import facts as f
from .limits import KEY_KEPT_MS, KEYS_FORGOTTEN_PER_STEP_MAX
from .records import Booking, Event, Key, Notice, Payment, Refund, TicketType, User
from .state import Sale, State, deadline_of
from .status import (
    BOOKING_FOLLOWERS,
    CANCELLED,
    CONFIRMED,
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    ENDED,
    EXPIRED,
    HELD,
    NEW,
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    PAYING,
    PAYMENT_ABANDONED,
    PAYMENT_FAILED,
    PAYMENT_FOLLOWERS,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    PAYMENT_SUCCEEDED,
    REFUND_FAILED,
    REFUND_PENDING,
    REFUND_PENDING_AT_PROVIDER,
    REFUND_SUCCEEDED,
    REFUNDED,
    WAITING,
)


def apply(state: State, at_ms: int, fact: f.Fact) -> None:
    assert at_ms >= state.at_ms, "time never runs backwards"
    state.seq += 1
    state.at_ms = at_ms
    _APPLIERS[type(fact)](state, fact)


# --- events


def _event_created(state: State, fact: f.EventCreated) -> None:
    details = fact.details
    event = Event(
        id=fact.event_id,
        name=details.name,
        starts_ms=details.starts_ms,
        ends_ms=details.ends_ms,
        venue=details.venue,
        city=details.city,
        country=details.country,
        category=details.category,
        description=details.description,
        currency=details.currency,
        on_sale_ms=details.on_sale_ms,
        max_per_user=details.max_per_user,
        max_holds_per_user=details.max_holds_per_user,
        waitlist=details.waitlist,
        created_ms=state.at_ms,
    )
    state.next_event_id = max(state.next_event_id, event.id + 1)
    state.events.add(event.id, event)
    sale = state.sales[event.id] = Sale(event)
    state.closings.add(sale.closes_ms, event.id)
    for details_of_type in fact.types:
        _add_type(state, sale, details_of_type)


def _add_type(state: State, sale: Sale, details: f.TypeDetails) -> None:
    ticket_type = TicketType(details.ticket_type_id, sale.event.id, details.name, details.price_minor, details.capacity)
    state.next_ticket_type_id = max(state.next_ticket_type_id, ticket_type.id + 1)
    state.ticket_types.add(ticket_type.id, ticket_type)
    sale.add_type(ticket_type)


def _event_changed(state: State, fact: f.EventChanged) -> None:
    sale = state.sales[fact.event_id]
    event = sale.event
    state.events.touch(event.id, event)
    if not event.closed:
        state.closings.remove(sale.closes_ms, event.id)
    for name in fact.details.__struct_fields__:
        setattr(event, name, getattr(fact.details, name))
    if sale.closes_ms > state.at_ms:
        event.closed = False
    if not event.closed:
        state.closings.add(sale.closes_ms, event.id)
    _track_sweep(state, sale)
    for details in fact.types:
        ticket_type = sale.types.get(details.ticket_type_id)
        if ticket_type is None:
            _add_type(state, sale, details)
            continue
        assert ticket_type.held + ticket_type.sold <= details.capacity
        state.ticket_types.touch(ticket_type.id, ticket_type)
        ticket_type.name = details.name
        ticket_type.price_minor = details.price_minor
        ticket_type.capacity = details.capacity
    sale.types_by_name = {ticket_type.name: ticket_type for ticket_type in sale.types.values()}
    for ticket_type in sale.types.values():
        _track_promotable(state, sale, ticket_type)


def _event_cancelled(state: State, fact: f.EventCancelled) -> None:
    sale = state.sales[fact.event_id]
    state.events.touch(sale.event.id, sale.event)
    sale.event.cancelled = True
    _track_sweep(state, sale)
    for ticket_type in sale.types.values():
        _track_promotable(state, sale, ticket_type)


def _sale_closed(state: State, fact: f.SaleClosed) -> None:
    sale = state.sales[fact.event_id]
    state.events.touch(sale.event.id, sale.event)
    state.closings.remove(sale.closes_ms, sale.event.id)
    sale.event.closed = True
    _track_sweep(state, sale)
    for ticket_type in sale.types.values():
        _track_promotable(state, sale, ticket_type)


# --- bookings


def _held(state: State, fact: f.Held) -> None:
    sale = state.sales[fact.event_id]
    ticket_type = sale.types[fact.ticket_type_id]
    quantity, at_ms, booking_id = fact.quantity, state.at_ms, fact.booking_id
    # positional, and sharing the numbers that exist already: a booking costs time and memory
    booking = Booking(
        booking_id, fact.user_id, sale.event.id, ticket_type.id, quantity, fact.amount_minor,
        HELD, state.seq, at_ms, at_ms, fact.expires_ms,
    )  # fmt: skip
    state.next_booking_id = booking_id + 1
    state.bookings.add(booking_id, booking)
    state.ticket_types.touch(ticket_type.id, ticket_type)
    ticket_type.held += quantity
    assert ticket_type.held + ticket_type.sold <= ticket_type.capacity, "sold twice"
    if not sale.event.booked:
        _mark_booked(state, sale.event)
    sale.claim(booking)
    state.deadlines.add(deadline_of(booking), booking_id)
    _notice(state, booking, "held")


def _waited(state: State, fact: f.Waited) -> None:
    sale = state.sales[fact.event_id]
    ticket_type = sale.types[fact.ticket_type_id]
    booking = Booking(
        fact.booking_id, fact.user_id, sale.event.id, ticket_type.id, fact.quantity, fact.amount_minor,
        WAITING, state.seq, state.at_ms,
    )  # fmt: skip
    state.next_booking_id = booking.id + 1
    state.bookings.add(booking.id, booking)
    state.ticket_types.touch(ticket_type.id, ticket_type)
    booking.line_number = ticket_type.line_next
    ticket_type.line_next += 1
    ticket_type.waiting += 1
    sale.lines[ticket_type.id].join(booking.line_number, booking.id, booking.quantity)
    if not sale.event.booked:
        _mark_booked(state, sale.event)
    sale.claim(booking)
    _track_promotable(state, sale, ticket_type)


def _mark_booked(state: State, event: Event) -> None:
    state.events.touch(event.id, event)
    event.booked = True


def _promoted(state: State, fact: f.Promoted) -> None:
    booking = _begin(state, fact.booking_id)
    booking.held_ms = state.at_ms
    booking.expires_ms = fact.expires_ms
    _become(state, booking, HELD)
    _notice(state, booking, "your_turn")


def _lapse_warned(state: State, fact: f.LapseWarned) -> None:
    booking = _begin(state, fact.booking_id)
    booking.warned = True
    _become(state, booking, HELD)
    _notice(state, booking, "about_to_lapse")


def _lapsed(state: State, fact: f.Lapsed) -> None:
    booking = _begin(state, fact.booking_id)
    _become(state, booking, EXPIRED)
    state.sales[booking.event_id].lapsed[booking.user_id] = booking.id
    _notice(state, booking, "lapsed")


def _booking_cancelled(state: State, fact: f.BookingCancelled) -> None:
    booking = _begin(state, fact.booking_id)
    _become(state, booking, CANCELLED)
    _notice(state, booking, "cancelled")


def _retired(state: State, fact: f.Retired) -> None:
    for booking_id in fact.booking_ids:
        booking = state.bookings.rows[booking_id]
        assert booking.status in ENDED
        state.deadlines.remove(deadline_of(booking), booking_id)
        lapsed = state.sales[booking.event_id].lapsed
        if lapsed.get(booking.user_id) == booking_id:
            del lapsed[booking.user_id]
        state.bookings.drop(booking_id, archive=True)


# --- payments


def _payment_started(state: State, fact: f.PaymentStarted) -> None:
    booking = _begin(state, fact.booking_id)
    payment = Payment(
        fact.payment_id,
        booking.id,
        booking.user_id,
        fact.amount_minor,
        state.sales[booking.event_id].event.currency,
        PAYMENT_STARTED,
        fact.method,
        state.at_ms,
        key=fact.key,
        fingerprint=fact.fingerprint,
    )
    state.next_payment_id = payment.id + 1
    state.payments.add(payment.id, payment)
    booking.payment_id = payment.id
    booking.pinned_ms = fact.pinned_ms
    booking.unsettled += 1
    _become(state, booking, PAYING)


def _payment_pending(state: State, fact: f.PaymentPending) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    _payment_becomes(payment, PAYMENT_REQUIRES_ACTION if fact.requires_action else PAYMENT_PROCESSING)
    payment.client_secret = fact.client_secret
    payment.provider_reference = fact.provider_reference


def _payment_succeeded(state: State, fact: f.PaymentSucceeded) -> None:
    payment = _end_payment(state, fact.payment_id, PAYMENT_SUCCEEDED)
    payment.provider_reference = fact.provider_reference
    booking = _begin(state, payment.booking_id)
    booking.unsettled -= 1
    if fact.surplus:
        _become(state, booking, booking.status)
        return
    booking.payment_id = payment.id
    booking.provider_reference = fact.provider_reference
    booking.pinned_ms = 0
    booking.expires_ms = 0
    booking.ended_ms = 0
    _become(state, booking, CONFIRMED)
    _notice(state, booking, "confirmed")


def _payment_failed(state: State, fact: f.PaymentFailed) -> None:
    payment = _end_payment(state, fact.payment_id, PAYMENT_FAILED)
    payment.failure = fact.failure
    booking = _begin(state, payment.booking_id)
    booking.unsettled -= 1
    if booking.status == PAYING and booking.payment_id == payment.id:
        booking.pinned_ms = 0
        _become(state, booking, HELD)
    else:
        _become(state, booking, booking.status)


def _payment_abandoned(state: State, fact: f.PaymentAbandoned) -> None:
    payment = state.payments.rows[fact.payment_id]
    state.payments.touch(payment.id, payment)
    _payment_becomes(payment, PAYMENT_ABANDONED)
    payment.failure = fact.reason
    booking = _begin(state, payment.booking_id)
    booking.pinned_ms = 0
    _become(state, booking, HELD)


def _end_payment(state: State, payment_id: int, status: int) -> Payment:
    payment = state.payments.rows[payment_id]
    state.payments.touch(payment_id, payment)
    _payment_becomes(payment, status)
    state.payments.drop(payment_id, archive=True)
    return payment


def _payment_becomes(payment: Payment, status: int) -> None:
    assert status in PAYMENT_FOLLOWERS[payment.status], f"payment {payment.id}: {payment.status} to {status}"
    payment.status = status


def _refund_started(state: State, fact: f.RefundStarted) -> None:
    booking = state.bookings.rows[fact.booking_id]
    refund = Refund(
        fact.refund_id,
        booking.id,
        booking.user_id,
        fact.amount_minor,
        state.sales[booking.event_id].event.currency,
        REFUND_PENDING_AT_PROVIDER,
        fact.reason,
        state.at_ms,
        payment_reference=fact.surplus_reference if fact.surplus_payment_id else booking.provider_reference,
        key=fact.key,
        fingerprint=fact.fingerprint,
        payment_id=fact.surplus_payment_id or booking.payment_id,
        surplus=bool(fact.surplus_payment_id),
    )
    state.next_refund_id = refund.id + 1
    state.refunds.add(refund.id, refund)
    _begin(state, booking.id)
    booking.unsettled += 1
    if refund.surplus:
        _become(state, booking, booking.status)
        return
    booking.refunding_minor += fact.amount_minor
    assert booking.refunding_minor + booking.refunded_minor <= booking.amount_minor, "refunded more than was paid"
    _become(state, booking, REFUND_PENDING if fact.full else PARTIAL_REFUND_PENDING)
    if fact.reason == "event_cancelled":
        _notice(state, booking, "cancelled")


def _refund_succeeded(state: State, fact: f.RefundSucceeded) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.status = REFUND_SUCCEEDED
    refund.provider_reference = fact.provider_reference
    state.refunds.drop(refund.id, archive=True)
    booking = _begin(state, refund.booking_id)
    booking.unsettled -= 1
    status = booking.status
    if not refund.surplus:
        booking.refunding_minor -= refund.amount_minor
        booking.refunded_minor += refund.amount_minor
        if not booking.refunding_minor:
            status = REFUNDED if status == REFUND_PENDING else PARTIALLY_REFUNDED
    _become(state, booking, status)
    _notice(state, booking, "refunded")


def _refund_failed(state: State, fact: f.RefundFailed) -> None:
    refund = state.refunds.rows[fact.refund_id]
    state.refunds.touch(refund.id, refund)
    refund.status = REFUND_FAILED
    refund.failure = fact.failure


# --- users and keys


def _user_saved(state: State, fact: f.UserSaved) -> None:
    user = state.users.rows.get(fact.user_id)
    if user is None:
        state.users.add(fact.user_id, User(fact.user_id, fact.name, fact.email, fact.webhook_url))
        return
    state.users.touch(fact.user_id, user)
    user.name, user.email, user.webhook_url = fact.name, fact.email, fact.webhook_url


def _keyed(state: State, fact: f.Keyed) -> None:
    keys = state.keys
    known = keys.rows.get(fact.digest)
    if known is not None and known.at_ms + KEY_KEPT_MS > state.at_ms:  # the outcome of what it asked for
        keys.touch(fact.digest, known)
        known.fingerprint, known.reply = fact.fingerprint, fact.reply
        return
    order, forgotten = state.key_order, 0
    while order and forgotten < KEYS_FORGOTTEN_PER_STEP_MAX and order[0].at_ms + KEY_KEPT_MS <= state.at_ms:
        oldest = order.popleft()
        if keys.rows.get(oldest.digest) is oldest:
            keys.drop(oldest.digest, archive=False)
            forgotten += 1
    if fact.digest in keys.rows:  # its time was over, so it begins anew, at the end of the order
        keys.drop(fact.digest, archive=False)
    key = Key(fact.digest, fact.fingerprint, fact.reply, state.at_ms)
    keys.add(fact.digest, key)
    order.append(key)


# --- what they share


def _begin(state: State, booking_id: int) -> Booking:
    """Get hold of a booking to change it: `_become` must follow."""
    booking = state.bookings.rows[booking_id]
    state.bookings.touch(booking_id, booking)
    due_ms = deadline_of(booking)
    if due_ms:
        state.deadlines.remove(due_ms, booking_id)
    return booking


def _become(state: State, booking: Booking, status: int) -> None:
    """Give a booking its new status, and move its tickets, claim, place in line and deadline along."""
    before = booking.status
    assert status == before or status in BOOKING_FOLLOWERS[before], f"booking {booking.id}: {before} to {status}"
    booking.status = status
    if status != before:
        sale = state.sales[booking.event_id]
        ticket_type = sale.types[booking.ticket_type_id]
        state.ticket_types.touch(ticket_type.id, ticket_type)
        if before == WAITING:
            sale.lines[ticket_type.id].leave(booking.line_number, booking.quantity)
            ticket_type.waiting -= 1
            booking.line_number = 0
        if status in COUNTS_AS_HELD:
            ticket_type.held += booking.quantity
        elif status in COUNTS_AS_SOLD:
            ticket_type.sold += booking.quantity
        if before in COUNTS_AS_HELD:
            ticket_type.held -= booking.quantity
        elif before in COUNTS_AS_SOLD:
            ticket_type.sold -= booking.quantity
        assert ticket_type.held + ticket_type.sold <= ticket_type.capacity, "sold twice"
        if before in COUNTS_FOR_USER and status not in COUNTS_FOR_USER:
            sale.unclaim(booking)
            booking.expires_ms = 0
        elif before not in COUNTS_FOR_USER and status in COUNTS_FOR_USER:
            sale.claim(booking)
        if status in ENDED:
            booking.ended_ms = state.at_ms
        elif before == EXPIRED and sale.lapsed.get(booking.user_id) == booking.id:
            del sale.lapsed[booking.user_id]
        if ticket_type.waiting or ticket_type.id in state.promotable:
            _track_promotable(state, sale, ticket_type)
        if sale.event.cancelled or sale.event.closed:
            _track_sweep(state, sale)
    due_ms = deadline_of(booking)
    if due_ms:
        state.deadlines.add(due_ms, booking.id)


def _track_promotable(state: State, sale: Sale, ticket_type: TicketType) -> None:
    """Keep `promotable` exact: someone in this line could be served, or told that they never can be."""
    line = sale.lines[ticket_type.id]
    open_for_more = line.count and not sale.event.cancelled and not sale.event.closed
    if open_for_more and (
        line.next_number(ticket_type.available, strict=sale.strict) is not None
        or line.has_larger_than(ticket_type.capacity)
    ):
        state.promotable[ticket_type.id] = None
    else:
        state.promotable.pop(ticket_type.id, None)


def _track_sweep(state: State, sale: Sale) -> None:
    """Keep `sweeping` exact: this event has bookings that must be ended."""
    event = sale.event
    if (event.cancelled and sale.claims) or (event.closed and any(line.count for line in sale.lines.values())):
        state.sweeping[event.id] = None
    else:
        state.sweeping.pop(event.id, None)


def _notice(state: State, booking: Booking, kind: str) -> None:
    state.notices.append(
        Notice(state.next_notice_id, state.seq, state.at_ms, booking.user_id, kind, booking.event_id, booking.id)
    )
    state.next_notice_id += 1


_APPLIERS: dict[type, Callable[[State, Any], None]] = {
    f.EventCreated: _event_created,
    f.EventChanged: _event_changed,
    f.EventCancelled: _event_cancelled,
    f.SaleClosed: _sale_closed,
    f.Held: _held,
    f.Waited: _waited,
    f.Promoted: _promoted,
    f.LapseWarned: _lapse_warned,
    f.Lapsed: _lapsed,
    f.BookingCancelled: _booking_cancelled,
    f.Retired: _retired,
    f.PaymentStarted: _payment_started,
    f.PaymentPending: _payment_pending,
    f.PaymentSucceeded: _payment_succeeded,
    f.PaymentFailed: _payment_failed,
    f.PaymentAbandoned: _payment_abandoned,
    f.RefundStarted: _refund_started,
    f.RefundSucceeded: _refund_succeeded,
    f.RefundFailed: _refund_failed,
    f.UserSaved: _user_saved,
    f.Keyed: _keyed,
}
assert set(_APPLIERS) == set(f.Fact.__args__), "every fact has its meaning here"
assert NEW not in COUNTS_FOR_USER
