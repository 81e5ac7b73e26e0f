"""The state put together again from stored rows.

Owns the way back from rows to a State: every derived index as `apply` left it, and objects shared where `apply` shares
them, for a million bookings must fit. Never looks at a fact, and reads nothing itself: the rows are handed in.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from .changes.room import restore_rooms
from .changes.seats import restore_seats
from .changes.shared import track_archiving, track_promotable, track_sweep, track_telling
from .records import Booking, Event, Payment, Refund, TicketType
from .sale import Sale
from .state import State, deadline_of, deadlines_of, is_settled, state_hash
from .status import (
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    EXPIRED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    REFUND_FAILED,
    WAITING,
)
from .table import Table

_TOLD_OF = frozenset({PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION})


class InconsistentRowsError(ValueError):
    """These rows are not a state that was ever stored."""


def restore(counters: dict[str, int], *, expected_hash: str | None = None, **rows: Iterable[Any]) -> State:
    """The state that was stored. `rows`: those of every table, by its name, by ascending key; `keys`,
    `provider_events` and `challenges` in the order in which they came. They are taken over, not copied.
    `expected_hash`: the stored state's, None if an older version stored it: that one left its idempotency key on what
    had been answered.

    Raises InconsistentRowsError when the rows contradict each other or add up to another hash.
    """
    state = State()
    try:
        for name in state.counters():
            setattr(state, name, counters[name])
        _restore_events(state, rows["events"], rows["ticket_types"])
        _restore_plain(state.users, rows["users"])
        _restore_bookings(state, rows["bookings"])
        old = expected_hash is None
        _restore_plain(state.payments, _without_answered_keys(rows["payments"]) if old else rows["payments"])
        _restore_plain(state.refunds, _without_told_keys(rows["refunds"]) if old else rows["refunds"])
        orders: dict[str, deque[Any]] = {
            "keys": state.key_order,
            "provider_events": state.provider_event_order,
            "challenges": state.challenge_order,
        }
        for name in state.tables.keys() - {"events", "ticket_types", "users", "bookings", "payments", "refunds"}:
            _restore_plain(state.tables[name], _noted(rows[name], orders[name]) if name in orders else rows[name])
        # before anything is built on them: bytes that were changed could ask for a line of any length
        if expected_hash is not None and state_hash(state) != expected_hash:
            raise InconsistentRowsError("the rows do not add up to the hash that was stored with them")
        _derive(state)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError) as error:
        raise InconsistentRowsError(f"the rows contradict each other ({error!r})") from error
    return state


def _restore_plain(table: Table[Any, Any], rows: Iterable[Any]) -> None:
    """The first field of a row is its key."""
    put, key_of = table.restore, None
    for row in rows:
        if key_of is None:
            key_of = attrgetter(type(row).__struct_fields__[0])
        put(key_of(row), row)


def _noted(rows: Iterable[Any], order: deque[Any]) -> Iterator[Any]:
    for row in rows:
        order.append(row)
        yield row


def _without_answered_keys(payments: Iterable[Payment]) -> Iterator[Payment]:
    for payment in payments:
        if payment.status in _TOLD_OF or payment.client_secret is not None:
            payment.key = payment.fingerprint = None
        yield payment


def _without_told_keys(refunds: Iterable[Refund]) -> Iterator[Refund]:
    for refund in refunds:
        if refund.status == REFUND_FAILED:
            refund.key = refund.fingerprint = None
        yield refund


def _restore_events(state: State, events: Iterable[Event], ticket_types: Iterable[TicketType]) -> None:
    for event in events:
        state.events.restore(event.id, event)
        state.sales[event.id] = Sale(event)
    for ticket_type in ticket_types:
        sale = state.sales[ticket_type.event_id]
        ticket_type.event_id = sale.event.id
        state.ticket_types.restore(ticket_type.id, ticket_type)
        sale.add_type(ticket_type)


def _restore_bookings(state: State, bookings: Iterable[Booking]) -> None:
    """Every number and string that exists already is shared: it saves a fifth of a booking's memory."""
    put, sales, users = state.bookings.restore, state.sales, state.users.rows
    amounts: dict[int, int] = {}
    created_ms = expires_ms = 0
    for booking in bookings:
        sale = sales[booking.event_id]
        booking.event_id = sale.event.id
        booking.ticket_type_id = sale.types[booking.ticket_type_id].id
        user = users.get(booking.user_id)
        if user is not None:
            booking.user_id = user.id
        booking.amount_minor = amounts.setdefault(booking.amount_minor, booking.amount_minor)
        if booking.created_ms == created_ms:
            booking.created_ms = created_ms
        else:
            created_ms = booking.created_ms
        if booking.held_ms == created_ms:
            booking.held_ms = created_ms
        if booking.expires_ms == expires_ms:
            booking.expires_ms = expires_ms
        else:
            expires_ms = booking.expires_ms
        put(booking.id, booking)


def _derive(state: State) -> None:
    """What follows from the rows."""
    sales = state.sales
    for event_id, sale in sales.items():
        if not sale.event.closed:
            state.closings.add(sale.closes_ms, event_id)
        sale.archived = sum(ticket_type.sold for ticket_type in sale.types.values())
    waiting: list[Booking] = []
    counts = state.status_counts
    for booking_id, booking in state.bookings.rows.items():
        status = booking.status
        counts[status] += 1
        if status in COUNTS_FOR_USER:
            sales[booking.event_id].claim(booking)
            if status in COUNTS_AS_SOLD:  # by far the most; nothing happens to them by itself
                sale = sales[booking.event_id]
                sale.archived -= booking.quantity  # of all that it has sold
                sale.settled += is_settled(booking)
                continue
            if status == WAITING:
                waiting.append(booking)
        elif status == EXPIRED:
            _remember_lapsed(state, booking)
        due_ms = deadline_of(booking)
        if due_ms:
            deadlines_of(state, booking).add(due_ms, booking_id)
    places = [
        (number, booking, ticket_type)
        for booking in waiting
        for ticket_type, number in sales[booking.event_id].lines_of(booking)
    ]
    for number, booking, ticket_type in sorted(places, key=lambda place: place[0]):
        assert 0 < number < ticket_type.line_next
        sales[booking.event_id].lines[ticket_type.id].join(number, booking.id, booking.quantity)
    for sale in sales.values():
        for ticket_type in sale.types.values():
            track_promotable(state, sale, ticket_type)
        assert not sale.archived or (sale.archived > 0 and sale.event.closed), "tickets without a booking"
        track_archiving(state, sale)
        track_sweep(state, sale)
        track_telling(state, sale)
    _count_owed(state)
    restore_seats(state)
    restore_rooms(state)


def _count_owed(state: State) -> None:
    state.concerns_open = sum(not concern.closed_ms for concern in state.concerns.rows.values())
    for refund in state.refunds.rows.values():
        owed = state.sales[state.bookings.rows[refund.booking_id].event_id].owed
        if refund.status == REFUND_FAILED:
            state.refunds_failed[refund.id] = None
            owed.refunds_failed += 1
        else:
            owed.refunds += 1
    for delivery in state.deliveries.rows.values():
        owed = state.sales[delivery.event_id].owed
        if delivery.dead:
            state.deliveries_dead[delivery.id] = None
            owed.deliveries_dead += 1
        else:
            owed.deliveries += 1


def _remember_lapsed(state: State, booking: Booking) -> None:
    lapsed = state.sales[booking.event_id].lapsed
    known_id = lapsed.get(booking.user_id)
    if known_id is not None:
        known = state.bookings.rows[known_id]
        if (known.ended_ms, known.id) > (booking.ended_ms, booking.id):
            return
    lapsed[booking.user_id] = booking.id
