"""Paying: which booking is meant, what the provider said, and success that comes too late.

Order of refusals when a payment is asked for: no_such_event, no_such_booking, forbidden, ambiguous_booking,
already_paid, event_cancelled, hold_expired, wrong_status, invalid_field (amount), amount_mismatch. Who has nothing
left at a cancelled event is told that it is cancelled, rather than that there is no booking.
"""

from ..codes import Code
from ..commands import (
    Idempotency,
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    RaiseConcern,
    SettlePayment,
    StartPayment,
)
from ..facts import (
    Fact,
    PaymentAbandoned,
    PaymentDeclined,
    PaymentFailed,
    PaymentPending,
    PaymentPrepared,
    PaymentStarted,
    PaymentSucceeded,
    RefundStarted,
)
from ..limits import PAYING_MS_MAX, TEXT_CHARACTERS_MAX
from ..money import format_minor, parse_minor
from ..records import Booking, Payment
from ..replies import Done, Paid, PaymentUnderway, Refusal
from ..sale import Sale
from ..seats import ACCESSIBLE, FREE, unpacked
from ..state import State
from ..status import (
    BOOKING_NAMES,
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    EXPIRED,
    HELD,
    PAYING,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    WAITING,
)
from .provider import raise_concern
from .shared import Decision, is_free, no_such_booking, no_such_event, refuse


def start_payment(state: State, now_ms: int, command: StartPayment, key: Idempotency | None = None) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None:
        return no_such_event(state, command.event_id)
    found = _which_booking(state, sale, command)
    if not isinstance(found, Booking):
        return found
    booking = found
    if booking.status in COUNTS_AS_SOLD:
        return refuse(state, Code.ALREADY_PAID, f"Booking {booking.id} is paid.", bookingId=booking.id)
    if sale.event.cancelled:
        return refuse(state, Code.EVENT_CANCELLED, f"Event {sale.event.id} is cancelled.")
    ends_ms = booking.pinned_ms if booking.status == PAYING else booking.expires_ms
    if booking.status == EXPIRED or (booking.status in COUNTS_AS_HELD and ends_ms <= now_ms):
        return refuse(state, Code.HOLD_EXPIRED, "The hold has lapsed; book again.", bookingId=booking.id)
    if booking.status not in COUNTS_AS_HELD:
        name = BOOKING_NAMES[booking.status]
        detail = f"A booking that is {name} cannot be paid."
        if booking.status == WAITING:
            detail += " It can once it is held; a notification says when."
        return refuse(state, Code.WRONG_STATUS, detail, bookingId=booking.id, bookingStatus=name)
    currency = sale.event.currency
    amount_minor = parse_minor(command.amount, currency)
    if amount_minor is None:
        detail = (
            f"amount must be a decimal string in {currency}, such as {format_minor(booking.amount_minor, currency)}."
        )
        return refuse(state, Code.INVALID_FIELD, detail, field="amount")
    if amount_minor != booking.amount_minor:
        due = format_minor(booking.amount_minor, currency)
        return refuse(
            state, Code.AMOUNT_MISMATCH, f"The booking costs {due} {currency}.", amount=due, currency=currency
        )
    return _start(state, sale, booking, command.method, key)


def _which_booking(state: State, sale: Sale, command: StartPayment) -> Booking | Decision:
    if command.booking_id is not None:
        booking = state.bookings.rows.get(command.booking_id)
        if booking is None or booking.event_id != command.event_id:
            return no_such_booking(state, command.booking_id)
        if booking.user_id != command.user_id:
            return refuse(state, Code.FORBIDDEN, "This booking is someone else's.")
        return booking
    bookings = sale.bookings_of(command.user_id)
    payable = [booking for booking in bookings if booking.status in COUNTS_AS_HELD]
    if len(payable) > 1:
        ids = sorted(booking.id for booking in payable)
        return refuse(
            state, Code.AMBIGUOUS_BOOKING, "The user holds several bookings; name one as bookingId.", bookingIds=ids
        )
    if payable:
        return payable[0]
    if command.user_id in sale.lapsed:
        bookings.append(state.bookings.rows[sale.lapsed[command.user_id]])
    if bookings:  # nothing to pay; the latest says why
        return max(bookings, key=lambda booking: booking.id)
    if sale.event.cancelled:  # whatever the user had has ended with it
        return refuse(state, Code.EVENT_CANCELLED, f"Event {sale.event.id} is cancelled.")
    return refuse(state, Code.NO_SUCH_BOOKING, "The user has no booking for this event.")


def _start(state: State, sale: Sale, booking: Booking, method: str | None, key: Idempotency | None) -> Decision:
    currency = sale.event.currency
    facts: list[Fact] = []
    if booking.status == PAYING:
        payment = state.payments.rows[booking.payment_id]
        if payment.status != PAYMENT_REQUIRES_ACTION or method is None:
            return [], underway(state.seq, payment, currency, booking)
        facts.append(PaymentAbandoned(payment.id, "superseded"))
    payment_id = state.next_payment_id
    pinned_ms = max(booking.expires_ms, booking.held_ms + PAYING_MS_MAX)
    free = not booking.amount_minor
    facts.append(
        PaymentStarted(
            payment_id,
            booking.id,
            booking.amount_minor,
            method,
            pinned_ms,
            key.digest if key and not free else None,
            key.fingerprint if key and not free else None,
        )
    )
    if free:  # nobody needs to be asked
        facts.append(PaymentSucceeded(payment_id, None))
        return facts, _paid(state.seq + 1, sale, booking, payment_id)
    return facts, PaymentUnderway(
        state.seq + 1, payment_id, booking.id, booking.amount_minor, currency, expires_ms=pinned_ms
    )


def underway(seq: int, payment: Payment, currency: str, booking: Booking) -> PaymentUnderway:
    return PaymentUnderway(
        seq,
        payment.id,
        booking.id,
        payment.amount_minor,
        currency,
        payment.status == PAYMENT_REQUIRES_ACTION,
        payment.client_secret,
        booking.pinned_ms,
    )


def _seats_again(sale: Sale, booking: Booking) -> tuple[int, ...]:
    """Other seats for a booking whose own may have been taken meanwhile; () where it keeps them, or needs none."""
    seating = sale.seating
    if seating is None or not booking.seats:
        return ()
    seats = unpacked(booking.seats)
    if all(seating.status(seat) == FREE for seat in seats):
        return ()
    type_id, quantity = booking.ticket_type_id, booking.quantity
    accessible = sum(seating.kind(seat) == ACCESSIBLE for seat in seats)  # whoever had such seats may need them
    best = seating.best(type_id, quantity, accessible=accessible) or seating.best(type_id, quantity)
    assert best is not None, "as many seats as tickets"
    return best


def _paid(seq: int, sale: Sale, booking: Booking, payment_id: int, seats: tuple[int, ...] | None = None) -> Paid:
    name = sale.types[booking.ticket_type_id].name
    return Paid(
        seq, payment_id, booking.id, booking.event_id, name, booking.quantity, booking.amount_minor,
        sale.event.currency, sale.seat_names(unpacked(booking.seats) if seats is None else seats),
    )  # fmt: skip


def settle_payment(state: State, _now_ms: int, command: SettlePayment) -> Decision:
    payment = state.payments.rows.get(command.payment_id)
    if payment is None:
        return _unknown(state, command)
    booking = state.bookings.rows[payment.booking_id]
    sale = state.sales[booking.event_id]
    current = booking.status == PAYING and booking.payment_id == payment.id
    outcome = command.outcome
    if isinstance(outcome, PaymentSucceededOutcome):
        return _succeeded(state, sale, booking, payment, outcome)
    if isinstance(outcome, PaymentFailedOutcome):
        # kept short: it stands in the journal and in the answer
        failed = PaymentFailed(payment.id, outcome.failure[:100], outcome.detail[:TEXT_CHARACTERS_MAX])
        return [failed], _why_failed(state, sale, booking, failed, current=current)
    if isinstance(outcome, PaymentPendingOutcome):
        return _pending(state, booking, payment, outcome, current=current)
    if isinstance(outcome, PaymentPreparedOutcome):
        if payment.provider_reference is not None:
            return [], Done(state.seq)
        prepared = PaymentPrepared(payment.id, outcome.provider_reference, outcome.client_secret)
        return [prepared], Done(state.seq + 1)
    return _declined(state, payment, outcome, current=current)


def _why_failed(state: State, sale: Sale, booking: Booking, failed: PaymentFailed, *, current: bool) -> Refusal:
    """Only where the card was declined is another card of use."""
    seq, about = state.seq + 1, {"bookingId": booking.id}
    if current:
        detail = failed.detail or "The payment was declined; try another way to pay."
        return Refusal(seq, Code.PAYMENT_DECLINED, detail, {"declineCode": failed.failure, **about})
    if booking.status in COUNTS_AS_SOLD:
        detail = f"Booking {booking.id} is paid, by payment {booking.payment_id}; this one was not charged."
        return Refusal(seq, Code.ALREADY_PAID, detail, about)
    if sale.event.cancelled:
        return Refusal(seq, Code.EVENT_CANCELLED, "The event was cancelled meanwhile; nothing was charged.", about)
    if booking.status == EXPIRED:
        return Refusal(seq, Code.HOLD_EXPIRED, "The hold has lapsed; nothing was charged. Book again.", about)
    name = BOOKING_NAMES[booking.status]
    detail = "This attempt to pay was given up; nothing was charged."
    return Refusal(seq, Code.WRONG_STATUS, detail, {**about, "bookingStatus": name})


def _unknown(state: State, command: SettlePayment) -> Decision:
    """Told before; or of an attempt that is not in this journal, whose money a person must look at."""
    reference = getattr(command.outcome, "provider_reference", None)
    succeeded = isinstance(command.outcome, PaymentSucceededOutcome)
    if not succeeded or reference is None or command.payment_id < state.next_payment_id:
        return [], Done(state.seq)
    detail = f"It succeeded as payment {command.payment_id}, which was never begun here; see whose money it is."
    return raise_concern(state, 0, RaiseConcern("unknown_payment", reference, detail))


def _declined(state: State, payment: Payment, outcome: PaymentDeclinedOutcome, *, current: bool) -> Decision:
    declined = PaymentDeclined(payment.id, outcome.failure[:100], outcome.detail[:TEXT_CHARACTERS_MAX])
    if not current or (payment.failure, payment.failure_detail) == (declined.failure, declined.detail):
        return [], Done(state.seq)
    return [declined], Done(state.seq + 1)


def _pending(
    state: State, booking: Booking, payment: Payment, outcome: PaymentPendingOutcome, *, current: bool
) -> Decision:
    status = PAYMENT_REQUIRES_ACTION if outcome.requires_action else PAYMENT_PROCESSING
    repeated = (payment.client_secret, payment.status) == (outcome.client_secret, status)
    if not current or repeated:
        return [], Done(state.seq)
    fact = PaymentPending(payment.id, outcome.requires_action, outcome.client_secret, outcome.provider_reference)
    return [fact], PaymentUnderway(
        state.seq + 1,
        payment.id,
        booking.id,
        payment.amount_minor,
        payment.currency,
        outcome.requires_action,
        outcome.client_secret,
        booking.pinned_ms,
    )


def _succeeded(
    state: State, sale: Sale, booking: Booking, payment: Payment, outcome: PaymentSucceededOutcome
) -> Decision:
    # the name it has already, where the news leave it out: without one its money could never be given back
    seq, reference = state.seq + 1, outcome.provider_reference or payment.provider_reference
    succeeded = PaymentSucceeded(payment.id, reference)
    paid = _paid(seq, sale, booking, payment.id)
    if booking.status == PAYING and booking.payment_id == payment.id:
        return [succeeded], paid
    if booking.status == PAYING:  # an attempt given up for another one succeeded after all
        other = state.payments.rows[booking.payment_id]
        return [PaymentAbandoned(other.id, "superseded"), succeeded], paid
    if booking.status == HELD:
        return [succeeded], paid
    ticket_type = sale.types[booking.ticket_type_id]
    has = sale.tickets_of(booking.user_id)
    retake = (
        booking.status == EXPIRED
        and not sale.event.cancelled
        and not sale.event.closed
        and is_free(state, sale, ticket_type, booking.quantity)
        and has + booking.quantity <= sale.event.max_per_user
    )
    if retake:
        seats = _seats_again(sale, booking)
        again = PaymentSucceeded(payment.id, reference, seats=seats)
        return [again], _paid(seq, sale, booking, payment.id, seats or None)
    surplus = PaymentSucceeded(payment.id, reference, surplus=True)
    give_back = RefundStarted(
        state.next_refund_id,
        booking.id,
        payment.amount_minor,
        full=False,
        reason="surplus",
        surplus_payment_id=payment.id,
        surplus_reference=reference,
    )
    if sale.event.cancelled:
        detail = "The event was cancelled meanwhile; the money is on its way back."
        return [surplus, give_back], Refusal(seq, Code.EVENT_CANCELLED, detail, {"bookingId": booking.id})
    if booking.status == EXPIRED:
        detail = "The hold had lapsed before the payment went through; the money is on its way back."
        return [surplus, give_back], Refusal(seq, Code.HOLD_EXPIRED, detail, {"bookingId": booking.id})
    detail = "The payment was not needed any more; the money is on its way back."
    return [surplus, give_back], Refusal(seq, Code.WRONG_STATUS, detail, {"bookingId": booking.id})
