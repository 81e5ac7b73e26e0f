"""Opening the auditor's books in the middle of history, from the state that a checkpoint holds.

Owns that one step, for a journal whose beginning has been deleted. What happened before is taken as it stands; sums of
money begin at what the bookings still have paid.
"""

from ..records import Booking
from ..replies import Booked, InLine, Paid, PaymentUnderway, RefundReply, Reply
from ..replies import decode as decode_reply
from ..state import State
from ..status import COUNTS_AS_SOLD, NEW, REFUND_PENDING, REFUNDED, WAITING
from .books import AS_HELD, FOR_USER, Attempt, Books, Claim, MoneyBack, Show, Stock, UsedKey
from .bots import open_bots
from .cluster import open_cluster
from .line import enter_lines
from .messages import open_messages
from .outside import open_outside
from .room import open_rooms
from .seats import open_seats, seats_of


def open_books(books: Books, state: State) -> None:
    """Fill empty books with what is known at `state.seq`."""
    books.seq, books.at_ms, books.opened_midway = state.seq, state.at_ms, True
    open_cluster(books, state)
    books.last_claim_id = state.next_booking_id - 1
    books.last_attempt_id = state.next_payment_id - 1
    books.last_refund_id = state.next_refund_id - 1
    for event in state.events.rows.values():
        books.shows[event.id] = Show(
            event.id,
            event.currency,
            event.waitlist,
            event.on_sale_ms or 0,
            event.starts_ms if event.ends_ms is None else event.ends_ms,
            event.max_per_user,
            event.max_holds_per_user,
            event.cancelled,
            event.closed,
            archived=state.sales[event.id].archived,
            booked=event.booked,
            challenge=event.challenge,
            offer_ms=event.offer_ms,
        )
    for row in state.ticket_types.rows.values():
        show = books.shows[row.event_id]
        books.stocks[row.id] = Stock(row.id, show, row.name, row.price_minor, row.capacity)
        show.stock_ids.append(row.id)
    open_seats(books, state)
    open_rooms(books, state)
    open_bots(books, state)
    for booking in sorted(state.bookings.rows.values(), key=_id_of):
        _open_claim(books, booking)
    for row in state.ticket_types.rows.values():
        books.stocks[row.id].sold = row.sold  # with those whose bookings were archived
    for payment in state.payments.rows.values():
        claim = books.claims[payment.booking_id]
        books.attempts[payment.id] = Attempt(payment.id, claim, payment.amount_minor, payment.status)
    for refund in state.refunds.rows.values():
        claim = books.claims[refund.booking_id]
        books.refunds[refund.id] = MoneyBack(refund.id, claim, refund.amount_minor, refund.surplus)
        if refund.surplus:
            claim.stock.show.surplus_minor += refund.amount_minor
            claim.stock.show.surplus_refunding_minor += refund.amount_minor
    for key in sorted(state.keys.rows.values(), key=lambda key: key.at_ms):
        books.keys[key.digest] = UsedKey(key.fingerprint, _made_by(books, decode_reply(key.reply)), key.at_ms)
        books.key_order.append((key.at_ms, key.digest))
    open_outside(books, state)
    open_messages(books, state)


def _open_claim(books: Books, booking: Booking) -> None:
    stock = books.stocks[booking.ticket_type_id]
    show = stock.show
    paid = booking.status in COUNTS_AS_SOLD or booking.status in (REFUND_PENDING, REFUNDED)
    claim = Claim(
        booking.id,
        booking.user_id,
        stock,
        booking.quantity,
        booking.amount_minor,
        booking.seq,
        NEW,
        booking.held_ms,
        booking.expires_ms,
        booking.pinned_ms,
        booking.payment_id,
        booking.amount_minor if paid else 0,
        booking.refunding_minor,
        booking.refunded_minor,
        booking.unsettled,
    )
    claim.also = [books.stocks[int(each.partition(":")[0])] for each in booking.also.split(",") if each]
    claim.seats, claim.offered = seats_of(booking.seats), booking.offered
    if booking.arrival and show.room is not None:
        visit = show.room.visits.get(booking.arrival)
        if visit is not None and visit.user_id == booking.user_id and visit.seq < booking.seq:
            claim.visit = visit
    books.claims[claim.id] = claim
    books.place(claim, booking.status)
    if claim.visit is not None:
        claim.visit.holds += AS_HELD[booking.status]
        claim.visit.claims += FOR_USER[booking.status]
    if booking.status == WAITING:
        enter_lines(claim)
    show.paid_minor += claim.paid_minor
    show.refunding_minor += claim.refunding_minor
    show.refunded_minor += claim.refunded_minor


def _made_by(books: Books, reply: Reply) -> tuple[str, int] | None:
    match reply:
        case Booked() | InLine():
            claim = books.claims.get(reply.booking_id)
            if claim is not None:
                claim.keyed = True
            return "booking", reply.booking_id
        case Paid() | PaymentUnderway():
            return "payment", reply.payment_id
        case RefundReply():
            return "refund", reply.refund_id
        case _:
            return None


def _id_of(booking: Booking) -> int:
    return booking.id
