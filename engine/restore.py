"""The state put together again from stored rows.

Owns the way back from rows to a State: every derived index as `apply` left it, and objects shared where `apply` shares
them, for a million bookings must fit. Never looks at a fact, and reads nothing itself: the rows are handed in.
"""

from collections import deque
from collections.abc import Iterable

from .changes.shared import track_promotable, track_sweep, track_telling
from .records import (
    Booking,
    Concern,
    Delivery,
    Entry,
    Epoch,
    Event,
    Key,
    Member,
    Payment,
    ProviderEvent,
    Refund,
    Secret,
    TicketType,
    User,
)
from .state import Sale, State, deadline_of, state_hash
from .status import (
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    EXPIRED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    REFUND_FAILED,
    WAITING,
)

_TOLD_OF = frozenset({PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION})


class InconsistentRowsError(ValueError):
    """These rows are not a state that was ever stored."""


def restore(
    counters: dict[str, int],
    events: Iterable[Event],
    ticket_types: Iterable[TicketType],
    users: Iterable[User],
    bookings: Iterable[Booking],
    payments: Iterable[Payment],
    refunds: Iterable[Refund],
    keys: Iterable[Key],
    members: Iterable[Member],
    epochs: Iterable[Epoch],
    secrets: Iterable[Secret],
    entries: Iterable[Entry],
    deliveries: Iterable[Delivery],
    provider_events: Iterable[ProviderEvent],
    concerns: Iterable[Concern],
    *,
    expected_hash: str | None = None,
) -> State:
    """The state that was stored. Rows come by ascending key, `keys` and `provider_events` in the order in which
    they came. They are taken over, not copied. `expected_hash`: the stored state's, None if an older version stored
    it: that one left its idempotency key on what had been answered.

    Raises InconsistentRowsError when the rows contradict each other or add up to another hash.
    """
    state = State()
    try:
        for name in state.counters():
            setattr(state, name, counters[name])
        _restore_events(state, events, ticket_types)
        for user in users:
            state.users.restore(user.id, user)
        _restore_bookings(state, bookings)
        for payment in payments:
            if expected_hash is None and (payment.status in _TOLD_OF or payment.client_secret is not None):
                payment.key = payment.fingerprint = None
            state.payments.restore(payment.id, payment)
        for refund in refunds:
            if expected_hash is None and refund.status == REFUND_FAILED:
                refund.key = refund.fingerprint = None
            state.refunds.restore(refund.id, refund)
        for key in keys:
            state.keys.restore(key.digest, key)
        _restore_cluster(state, members, epochs, secrets)
        for entry in entries:
            state.entries.restore(entry.id, entry)
        for delivery in deliveries:
            state.deliveries.restore(delivery.id, delivery)
        for provider_event in provider_events:
            state.provider_events.restore(provider_event.id, provider_event)
        for concern in concerns:
            state.concerns.restore(concern.id, concern)
            state.concerns_open += not concern.closed_ms
        # before anything is built on them: bytes that were changed could ask for a line of any length
        if expected_hash is not None and state_hash(state) != expected_hash:
            raise InconsistentRowsError("the rows do not add up to the hash that was stored with them")
        _derive(state)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError) as error:
        raise InconsistentRowsError(f"the rows contradict each other ({error!r})") from error
    return state


def _restore_cluster(
    state: State, members: Iterable[Member], epochs: Iterable[Epoch], secrets: Iterable[Secret]
) -> None:
    for member in members:
        state.members.restore(member.name, member)
    for epoch in epochs:
        state.epochs.restore(epoch.epoch, epoch)
    for secret in secrets:
        state.secrets.restore(secret.name, secret)


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
    waiting: list[Booking] = []
    counts = state.status_counts
    for booking_id, booking in state.bookings.rows.items():
        status = booking.status
        counts[status] += 1
        if status in COUNTS_FOR_USER:
            sales[booking.event_id].claim(booking)
            if status in COUNTS_AS_SOLD:  # by far the most; nothing happens to them by itself
                continue
            if status == WAITING:
                waiting.append(booking)
        elif status == EXPIRED:
            _remember_lapsed(state, booking)
        due_ms = deadline_of(booking)
        if due_ms:
            state.deadlines.add(due_ms, booking_id)
    for booking in sorted(waiting, key=lambda booking: booking.line_number):
        ticket_type = state.ticket_types.rows[booking.ticket_type_id]
        assert 0 < booking.line_number < ticket_type.line_next
        sales[booking.event_id].lines[ticket_type.id].join(booking.line_number, booking.id, booking.quantity)
    for sale in sales.values():
        for ticket_type in sale.types.values():
            track_promotable(state, sale, ticket_type)
        track_sweep(state, sale)
        track_telling(state, sale)
    _count_owed(state)
    state.provider_event_order = deque(state.provider_events.rows.values())
    state.key_order = deque(state.keys.rows.values())


def _count_owed(state: State) -> None:
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
