"""What an audit asks of events and bookings: capacity, limits, prices, deadlines, sale times.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`.
"""

from .. import facts as f
from ..limits import HOLD_MS_MAX, PAID_KEPT_MS
from ..status import CANCELLED, CONFIRMED, ENDED, EXPIRED, HELD, PAYING, WAITING
from . import seats
from .books import Books, Claim, Show, Stock
from .bots import needs_challenge
from .line import check_limit, check_newcomer, freed, join, leave_one, promote
from .messages import describe, tell
from .room import check_turn


def event_created(books: Books, fact: f.EventCreated) -> None:
    if fact.event_id in books.shows:
        books.fault(f"there are two events {fact.event_id}")
    details = fact.details
    show = books.shows[fact.event_id] = Show(
        fact.event_id,
        details.currency,
        details.waitlist,
        details.on_sale_ms or 0,
        details.starts_ms if details.ends_ms is None else details.ends_ms,
        details.max_per_user,
        details.max_holds_per_user,
        challenge=details.challenge,
        offer_ms=details.offer_ms,
    )
    describe(show, details)
    for each in fact.types:
        _add_type(books, show, each)


def _add_type(books: Books, show: Show, details: f.TypeDetails) -> None:
    number = details.ticket_type_id
    if number in books.stocks:
        books.fault(f"there are two ticket types {number}")
    books.stocks[number] = Stock(number, show, details.name, details.price_minor, details.capacity)
    show.stock_ids.append(number)


def event_changed(books: Books, fact: f.EventChanged) -> None:
    show, details = books.shows[fact.event_id], fact.details
    if show.cancelled:
        books.fault(f"event {show.id} was changed after it was cancelled")
    if details.currency != show.currency and show.booked:
        books.fault(f"event {show.id} changed from {show.currency} to {details.currency} after it was booked")
    describe(show, details, tell_below=books.last_claim_id + 1)
    show.currency = details.currency
    show.waitlist = details.waitlist
    show.opens_ms = details.on_sale_ms or 0
    show.closes_ms = details.starts_ms if details.ends_ms is None else details.ends_ms
    show.max_per_user = details.max_per_user
    show.max_holds_per_user = details.max_holds_per_user
    show.challenge, show.offer_ms = details.challenge, details.offer_ms
    was_closed = show.closed
    show.closed = was_closed and show.closes_ms <= books.at_ms
    if show.archived and not show.closed:
        books.fault(f"event {show.id} is on sale again, and bookings of it had been archived")
    for each in fact.types:
        stock = books.stocks.get(each.ticket_type_id)
        if stock is None or stock.show is not show:
            _add_type(books, show, each)
            continue
        stock.name, stock.price_minor, stock.capacity = each.name, each.price_minor, each.capacity
        if stock.free < 0:
            books.fault(f"the capacity of {stock} became {stock.capacity}, less than what is sold or held")
    seats.check_enough(books, show.stock_ids)
    if not was_closed and show.closes_ms > books.at_ms:
        for number in show.stock_ids:
            freed(books, books.stocks[number])


def event_cancelled(books: Books, fact: f.EventCancelled) -> None:
    show = books.shows[fact.event_id]
    if show.archived:
        books.fault(f"event {show.id} was cancelled, and bookings of it had been archived")
    show.cancelled = True


def sale_closed(books: Books, fact: f.SaleClosed) -> None:
    show = books.shows[fact.event_id]
    if books.at_ms < show.closes_ms:
        books.fault(f"the sale of event {show.id} was closed {show.closes_ms - books.at_ms} ms too early")
    show.closed = True


# --- bookings


def held(books: Books, fact: f.Held) -> None:
    claim = _enter(books, fact)
    claim.held_ms, claim.expires_ms = books.at_ms, fact.expires_ms
    _check_hold(books, claim)
    check_newcomer(books, claim)
    show = claim.stock.show
    holds_max = show.max_holds_per_user
    if holds_max is None and (show.room is not None or show.challenge):
        holds_max = 1
    holds = show.holds_of.get(claim.user_id, 0)
    if holds_max is not None and holds >= holds_max:
        books.fault(f'user "{claim.user_id}" got another hold at event {show.id} beside {holds}, which is the limit')
    seats.choose(books, claim, fact.seats)
    check_turn(books, claim)
    books.become(claim, HELD)
    tell(books, claim, "held")


def waited(books: Books, fact: f.Waited) -> None:
    claim = _enter(books, fact)
    claim.also = [books.stocks[number] for number in fact.also]
    for stock in claim.also:
        if stock.show is not claim.stock.show:
            books.fault(f"booking {claim.id} waits for {claim.stock} and for {stock}, of another event")
    check_limit(books, claim)
    check_turn(books, claim)
    join(books, claim)


def left_line(books: Books, fact: f.LeftLine) -> None:
    leave_one(books, books.claims[fact.booking_id], books.stocks[fact.ticket_type_id])


def _enter(books: Books, fact: f.Held | f.Waited) -> Claim:
    """Enter a new booking, and check all that holds for a hold and for a place in line alike."""
    stock = books.stocks[fact.ticket_type_id]
    show, quantity, at_ms = stock.show, fact.quantity, books.at_ms
    if fact.booking_id <= books.last_claim_id:
        books.fault(f"booking {fact.booking_id} comes after booking {books.last_claim_id}")
    books.last_claim_id = fact.booking_id
    claim = Claim(fact.booking_id, fact.user_id, stock, quantity, fact.amount_minor, books.seq)
    books.claims[claim.id] = claim
    if show.id != fact.event_id:
        books.fault(f"booking {claim.id} is for event {fact.event_id}, and its tickets are {stock}")
    if quantity < 1:
        books.fault(f"booking {claim.id} is for {quantity} tickets")
    if claim.amount_minor != stock.price_minor * quantity:
        books.fault(
            f"booking {claim.id} costs {claim.amount_minor}, and {quantity} of {stock} are {stock.price_minor} each"
        )
    if show.cancelled or show.closed or not show.opens_ms <= at_ms < show.closes_ms:
        books.fault(f"booking {claim.id} was taken when event {show.id} was not on sale")
    show.booked = True
    if show.room is None:  # else whoever joined it has solved the event's challenge
        needs_challenge(books, show)
    return claim


def _check_hold(books: Books, claim: Claim) -> None:
    if not books.at_ms < claim.expires_ms <= books.at_ms + HOLD_MS_MAX:
        books.fault(f"the hold of booking {claim.id} lasts {claim.expires_ms - books.at_ms} ms")


def promoted(books: Books, fact: f.Promoted) -> None:
    claim = books.claims[fact.booking_id]
    stock = books.stocks[fact.ticket_type_id] if fact.ticket_type_id else claim.stock
    claim.held_ms, claim.expires_ms, claim.offered = books.at_ms, fact.expires_ms, True
    _check_hold(books, claim)
    offer_ms = stock.show.offer_ms
    if offer_ms is not None and claim.expires_ms != books.at_ms + offer_ms:
        lasts_ms = claim.expires_ms - books.at_ms
        books.fault(
            f"booking {claim.id} has {lasts_ms} ms to take its offer, and event {stock.show.id} gives {offer_ms}"
        )
    if fact.ticket_type_id:
        claim.amount_minor = fact.amount_minor
        if claim.amount_minor != stock.price_minor * claim.quantity:
            books.fault(
                f"booking {claim.id} costs {claim.amount_minor}, and {claim.quantity} of {stock} are "
                f"{stock.price_minor} each"
            )
    if fact.seats or seats.has_seats(stock):
        claim.stock, before = stock, claim.stock
        seats.choose(books, claim, fact.seats)
        claim.stock = before
    promote(books, claim, stock)
    tell(books, claim, "your_turn")


def lapse_warned(books: Books, fact: f.LapseWarned) -> None:
    claim = books.claims[fact.booking_id]
    if claim.status != HELD:
        books.fault(f"booking {claim.id} was warned that its hold is about to lapse, and it has none")
    tell(books, claim, "about_to_lapse")


def lapsed(books: Books, fact: f.Lapsed) -> None:
    claim = books.claims[fact.booking_id]
    if claim.status == WAITING and not claim.stock.show.closed:
        books.fault(f"booking {claim.id} lost its place in line while event {claim.stock.show.id} was on sale")
    ends_ms = max(claim.expires_ms, claim.pinned_ms if claim.status == PAYING else 0)
    if books.at_ms < ends_ms:
        why = ", while a payment was under way" if claim.status == PAYING else ""
        books.fault(f"the hold of booking {claim.id} lapsed {ends_ms - books.at_ms} ms before its time{why}")
    books.become(claim, EXPIRED)
    freed(books, claim.stock)
    tell(books, claim, "lapsed")


def booking_cancelled(books: Books, fact: f.BookingCancelled) -> None:
    claim = books.claims[fact.booking_id]
    stock = claim.stock
    if fact.reason == "event_cancelled" and not stock.show.cancelled:
        books.fault(f"booking {claim.id} was ended with event {stock.show.id}, which is not cancelled")
    if fact.reason == "capacity" and claim.quantity <= stock.capacity:
        books.fault(f"booking {claim.id} for {claim.quantity} was sent away, and {stock} has {stock.capacity} in all")
    if claim.status == PAYING:
        books.fault(f"booking {claim.id} was cancelled while a payment was under way")
    if fact.reason in ("given_up", "declined") and claim.offered != (fact.reason == "declined"):
        books.fault(f"booking {claim.id} was {fact.reason.replace('_', ' ')}, and its tickets came another way")
    books.become(claim, CANCELLED)
    freed(books, stock)
    tell(books, claim, "cancelled")


def retired(books: Books, fact: f.Retired) -> None:
    for booking_id in fact.booking_ids:
        claim = books.claims.pop(booking_id)
        books.retired[claim.status] += 1
        if claim.status not in ENDED or claim.unsettled:
            books.fault(f"booking {claim.id} was put away before it was over")


def archived(books: Books, fact: f.Archived) -> None:
    for booking_id in fact.booking_ids:
        claim = books.away[booking_id] = books.claims.pop(booking_id)
        claim.shown = 0  # nobody is let in any more
        show = claim.stock.show
        show.archived += claim.quantity
        if claim.status != CONFIRMED or claim.unsettled:
            books.fault(f"booking {claim.id} was archived, and it is not settled")
        if show.cancelled or books.at_ms < show.closes_ms + PAID_KEPT_MS:
            books.fault(f"booking {claim.id} was archived before event {show.id} was over")


def recalled(books: Books, fact: f.Recalled) -> None:
    """The row must be the one that was archived; if that was before the books were opened, it is taken as it stands."""
    stock = books.stocks[fact.ticket_type_id]
    claim = books.away.pop(fact.booking_id, None)
    if claim is None:
        if not books.opened_midway or fact.booking_id in books.claims:
            books.fault(f"booking {fact.booking_id} came back, and it had not been archived")
        claim = Claim(
            fact.booking_id, fact.user_id, stock, fact.quantity, fact.amount_minor, fact.seq,
            payment_id=fact.payment_id, paid_minor=fact.amount_minor, seats=seats.seats_of(fact.seats),
            offered=fact.offered,
        )  # fmt: skip
        stock.show.paid_minor += fact.amount_minor
        stock.sold -= claim.quantity  # it is counted already
        books.place(claim, CONFIRMED)
    known = (claim.user_id, claim.stock.id, claim.quantity, claim.amount_minor, claim.seq, claim.payment_id)
    told = (fact.user_id, stock.id, fact.quantity, fact.amount_minor, fact.seq, fact.payment_id)
    if known != told or stock.show.id != fact.event_id or sorted(claim.seats) != sorted(seats.seats_of(fact.seats)):
        books.fault(f"booking {fact.booking_id} came back as another than it was archived")
    books.claims[claim.id] = claim
    claim.stock.show.archived -= claim.quantity
