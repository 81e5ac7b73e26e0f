"""What is true of every state, whatever happened: `check(state)`.

Owns the invariants, each recomputed from the rows alone in the plainest way, so that it shares no mistake with the
indexes it checks. Runs in tests and simulations; it looks at everything, and costs accordingly. Changes nothing.

Not here, because a state cannot tell: `max_per_user` (an organiser may lower it below what someone has already), and
whether the line was served in order (see audit.py, which reads the facts).
"""

from collections import Counter, defaultdict
from itertools import pairwise

import msgspec

from .limits import DELIVERIES_MAX, EPOCHS_KEPT, MEMBERS_MAX, SYNC_STANDBYS_MAX, TICKET_KEY_BYTES
from .notices import CHANNEL_NAMES, KINDS, delivery_id
from .records import Booking, TicketType
from .state import TICKET_KEY, Sale, State, deadline_of, entry_id
from .status import (
    CONFIRMED,
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    ENDED,
    EXPIRED,
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    PAYING,
    PAYMENT_ABANDONED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    REFUND_FAILED,
    REFUND_PENDING,
    REFUND_PENDING_AT_PROVIDER,
    REFUNDED,
    WAITING,
    WAITLIST_STRICT,
)
from .table import HASH_MODULUS, Table, digest


def check(state: State) -> None:
    """Raises AssertionError naming the fault."""
    _check_ids(state)
    _check_sales(state)
    waiting: dict[int, list[Booking]] = defaultdict(list)
    by_type: dict[int, list[Booking]] = defaultdict(list)
    for booking in state.bookings.rows.values():
        _check_booking(state, booking)
        by_type[booking.ticket_type_id].append(booking)
        if booking.status == WAITING:
            waiting[booking.ticket_type_id].append(booking)
    for ticket_type in state.ticket_types.rows.values():
        _check_counts(ticket_type, by_type[ticket_type.id])
        line = sorted(waiting[ticket_type.id], key=lambda booking: booking.seq)
        _check_line(state, ticket_type, line)
    for sale in state.sales.values():
        bookings = [booking for type_id in sale.types for booking in by_type[type_id]]
        _check_claims(sale, bookings)
        _check_sweeping(state, sale, bookings)
    found = Counter(booking.status for booking in state.bookings.rows.values())
    for status, count in state.status_counts.items():
        assert found[status] == count, f"{count} bookings of status {status} are counted, {found[status]} are there"
    _check_deadlines(state)
    _check_money(state)
    _check_settling(state)
    _check_messages(state)
    _check_telling(state)
    _check_entries(state)
    _check_provider(state)
    _check_keys(state)
    _check_cluster(state)
    for name, table in state.tables.items():
        _check_table(name, table)


def _check_ids(state: State) -> None:
    for table, next_id in (
        (state.events, state.next_event_id),
        (state.ticket_types, state.next_ticket_type_id),
        (state.bookings, state.next_booking_id),
        (state.payments, state.next_payment_id),
        (state.refunds, state.next_refund_id),
    ):
        for key, row in table.rows.items():
            assert row.id == key, f"{row} stands under {key}"
            assert 0 < key < next_id, f"{row} has an id that is to be given out yet: {next_id} is next"
    for notice, following in pairwise(state.notices):
        # what only an organiser is told takes a number, too, and stands in no list
        assert following.id > notice.id, f"notice {notice.id} is followed by {following.id}"
        assert following.seq >= notice.seq, f"notice {following.id} is of an earlier fact than the one before"
    assert all(notice.id < state.next_notice_id for notice in state.notices), "a notice has an id yet to be given out"
    assert all(user.id == key for key, user in state.users.rows.items()), "a user stands under another's id"


def _check_sales(state: State) -> None:
    assert state.sales.keys() == state.events.rows.keys(), "sales and events differ"
    for event_id, sale in state.sales.items():
        assert sale.event is state.events.rows[event_id], f"event {event_id}: its sale is another's"
        types = {row.id: row for row in state.ticket_types.rows.values() if row.event_id == event_id}
        assert sale.types == types, f"event {event_id}: its sale has other ticket types"
        assert all(sale.types[type_id] is row for type_id, row in types.items()), f"event {event_id}: a copied row"
        by_name = {row.name: row.id for row in types.values()}
        assert {name: row.id for name, row in sale.types_by_name.items()} == by_name, f"event {event_id}: names differ"
        assert len(by_name) == len(types), f"event {event_id}: two ticket types have one name"
        assert sale.lines.keys() == types.keys(), f"event {event_id}: lines and ticket types differ"
        for user_id, booking_id in sale.lapsed.items():
            booking = state.bookings.rows[booking_id]
            found = (booking.status, booking.user_id, booking.event_id)
            assert found == (EXPIRED, user_id, event_id), f"event {event_id}: {booking} is no lapsed one of {user_id}"


def _check_booking(state: State, booking: Booking) -> None:
    status, who = booking.status, f"booking {booking.id}"
    ticket_type = state.ticket_types.rows[booking.ticket_type_id]
    event = state.events.rows[booking.event_id]
    assert ticket_type.event_id == booking.event_id, f"{who} is for a ticket type of another event"
    assert event.booked, f"{who}: its event does not know that it was booked"
    assert booking.quantity > 0, f"{who} is for {booking.quantity} tickets"
    assert 0 < booking.seq <= state.seq, f"{who} was decided at seq {booking.seq}, now is {state.seq}"
    assert 0 <= booking.created_ms <= state.at_ms, f"{who} was made at {booking.created_ms}, now is {state.at_ms}"
    assert (booking.line_number > 0) == (status == WAITING), f"{who} has line number {booking.line_number}"
    holds = status in COUNTS_AS_HELD
    assert (booking.expires_ms > 0) == holds, f"{who} expires at {booking.expires_ms}"
    assert (booking.pinned_ms > 0) == (status == PAYING), f"{who} is pinned until {booking.pinned_ms}"
    assert not holds or booking.held_ms <= booking.expires_ms, f"{who} expires before it was held"
    assert not booking.pinned_ms or booking.pinned_ms >= booking.expires_ms, f"{who}: a payment shortens its hold"
    assert (booking.ended_ms > 0) == (status in ENDED), f"{who} ended at {booking.ended_ms}"
    paid, back, on_its_way = booking.amount_minor, booking.refunded_minor, booking.refunding_minor
    assert back >= 0, f"{who}: {back} was refunded"
    assert on_its_way >= 0, f"{who}: {on_its_way} is on its way back"
    if status in {REFUND_PENDING, REFUNDED}:
        assert back + on_its_way == paid, f"{who}: {back} + {on_its_way} of {paid} go back, though it is all refunded"
    elif status in {PARTIAL_REFUND_PENDING, PARTIALLY_REFUNDED}:
        assert 0 < back + on_its_way < paid, f"{who}: {back} + {on_its_way} of {paid} go back, though it is a part"
    else:
        assert not back, f"{who}: {back} was refunded"
        assert not on_its_way, f"{who}: {on_its_way} is on its way back"
    if status in {PARTIALLY_REFUNDED, REFUNDED}:
        assert not on_its_way, f"{who}: {on_its_way} is on its way back, though all refunds are done"
    if status == PARTIAL_REFUND_PENDING:
        assert on_its_way, f"{who}: nothing is on its way back"


def _check_counts(ticket_type: TicketType, bookings: list[Booking]) -> None:
    who = f"ticket type {ticket_type.id}"
    held = sum(booking.quantity for booking in bookings if booking.status in COUNTS_AS_HELD)
    sold = sum(booking.quantity for booking in bookings if booking.status in COUNTS_AS_SOLD)
    waiting = sum(booking.status == WAITING for booking in bookings)
    counts = (ticket_type.held, ticket_type.sold, ticket_type.waiting)
    assert counts == (held, sold, waiting), f"{who} counts {counts}, its bookings make {(held, sold, waiting)}"
    assert held + sold <= ticket_type.capacity, f"{who}: {held} held and {sold} sold of {ticket_type.capacity}"


def _check_line(state: State, ticket_type: TicketType, waiting: list[Booking]) -> None:
    """`waiting`: who waits, in the order of their seq."""
    who, sale = f"ticket type {ticket_type.id}", state.sales[ticket_type.event_id]
    line = sale.lines[ticket_type.id]
    ids = [booking.id for booking in waiting]
    assert list(line.bookings()) == ids, f"{who}: the line is {list(line.bookings())}, by seq it is {ids}"
    assert line.count == len(ids), f"{who}: the line counts {line.count} of {len(ids)}"
    for place, booking in enumerate(waiting, 1):
        found = line.position(booking.line_number)
        assert found == place, f"{who}: booking {booking.id} is told {found}, it is {place} in line"
        assert booking.line_number < ticket_type.line_next, f"{who}: {booking.id} has a number yet to be given out"
    free = ticket_type.capacity - ticket_type.held - ticket_type.sold
    who_could = waiting[:1] if sale.event.waitlist == WAITLIST_STRICT else waiting
    served = any(booking.quantity <= free for booking in who_could)
    hopeless = any(booking.quantity > ticket_type.capacity for booking in waiting)
    expected = (served or hopeless) and not sale.event.cancelled and not sale.event.closed
    found = ticket_type.id in state.promotable
    assert found == expected, f"{who}: promotable is {found}, {free} are free and {[b.quantity for b in waiting]} wait"


def _check_claims(sale: Sale, bookings: list[Booking]) -> None:
    claims: dict[str, dict[int, Booking]] = defaultdict(dict)
    for booking in bookings:
        if booking.status in COUNTS_FOR_USER:
            claims[booking.user_id][booking.id] = booking
    who = f"event {sale.event.id}"
    assert sale.claims.keys() == claims.keys(), f"{who}: claims of {set(sale.claims) ^ set(claims)}"
    for user_id, expected in claims.items():
        found = sale.bookings_of(user_id)
        assert {booking.id for booking in found} == expected.keys(), f"{who}: {user_id} claims {found}"
        assert all(expected[booking.id] is booking for booking in found), f"{who}: {user_id} claims a copy"
        tickets = sum(booking.quantity for booking in expected.values())
        assert sale.tickets_of(user_id) == tickets, f"{who}: {user_id} has {tickets}, not {sale.tickets_of(user_id)}"


def _check_sweeping(state: State, sale: Sale, bookings: list[Booking]) -> None:
    statuses = {booking.status for booking in bookings}
    waits = sale.event.closed and WAITING in statuses
    expected = waits or (sale.event.cancelled and bool(statuses & COUNTS_FOR_USER))
    found = sale.event.id in state.sweeping
    assert found == expected, f"event {sale.event.id}: sweeping is {found}, its bookings are {statuses}"


def _check_deadlines(state: State) -> None:
    due = {(deadline_of(booking), booking.id) for booking in state.bookings.rows.values()}
    due = {(at_ms, booking_id) for at_ms, booking_id in due if at_ms}
    closings = {(sale.closes_ms, event_id) for event_id, sale in state.sales.items() if not sale.event.closed}
    for name, deadlines, expected in (("deadlines", state.deadlines, due), ("closings", state.closings, closings)):
        found = list(deadlines.pairs())
        assert set(found) == expected, f"{name} differ in (time, id) {set(found) ^ expected}"
        assert len(found) == deadlines.count == len(expected), f"{name} count {deadlines.count} of {len(expected)}"
        first = min((at_ms for at_ms, _ in expected), default=None)
        assert deadlines.next_ms() == first, f"{name} say {deadlines.next_ms()} is next, it is {first}"


def _check_money(state: State) -> None:
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


def _check_settling(state: State) -> None:
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


def _check_messages(state: State) -> None:
    assert state.mail in {0, 1}, f"mail is {state.mail}"
    owed: Counter[tuple[int, bool]] = Counter()
    for delivery in state.deliveries.rows.values():
        who = f"message {delivery.id}"
        assert delivery.id == delivery_id(delivery.notice_id, delivery.channel), f"{who} stands under another's number"
        assert delivery.channel in CHANNEL_NAMES, f"{who} goes by an unknown channel {delivery.channel}"
        assert delivery.kind in KINDS, f"{who} is of an unknown kind {delivery.kind}"
        assert 0 < delivery.notice_id < state.next_notice_id, f"{who} is of a notice that is to be made yet"
        assert 0 < delivery.booking_id < state.next_booking_id, f"{who} is about a booking that is to be made yet"
        assert not delivery.dead or (delivery.failure and not delivery.due_ms), f"{who} was given up for no reason"
        owed[delivery.event_id, delivery.dead] += 1
    assert all(one < other for one, other in pairwise(state.deliveries.rows)), "messages are not in their order"
    assert len(state.deliveries) <= DELIVERIES_MAX, f"{len(state.deliveries)} messages are owed"
    dead = {delivery.id for delivery in state.deliveries.rows.values() if delivery.dead}
    assert state.deliveries_dead.keys() == dead, f"messages given up differ in {state.deliveries_dead.keys() ^ dead}"
    for event_id, sale in state.sales.items():
        counted, found = (
            (sale.owed.deliveries, sale.owed.deliveries_dead),
            (owed[event_id, False], owed[event_id, True]),
        )
        assert counted == found, f"event {event_id} counts {counted} messages and dead ones, there are {found}"
    for user in state.users.rows.values():
        assert user.webhook_url or not user.webhook_disabled, f"user {user.id} has no webhook, and it is disabled"
    for event in state.events.rows.values():
        assert event.webhook_url or not event.webhook_disabled, f"event {event.id} has no webhook, and it is disabled"


def _check_telling(state: State) -> None:
    for event in state.events.rows.values():
        who = f"event {event.id}"
        assert event.tell_below <= state.next_booking_id, f"{who} tells bookings that are to be made yet"
        assert 0 <= event.told < max(event.tell_below, 1), f"{who} told {event.told} of those below {event.tell_below}"
        expected = event.told + 1 < event.tell_below and not event.cancelled
        assert (event.id in state.telling) == expected, f"{who}: telling is {not expected}, {event.told} are told"


def _check_entries(state: State) -> None:
    for key, entry in state.entries.rows.items():
        booking, who = state.bookings.rows[entry.booking_id], f"ticket {entry.number} of booking {entry.booking_id}"
        assert entry.id == key == entry_id(booking.id, entry.number), f"{who} stands under another's number"
        assert 1 <= entry.number <= booking.quantity, f"{who} was shown, and it has {booking.quantity}"
        assert entry.at_ms <= state.at_ms, f"{who} is to be shown yet"
        sold = booking.status in COUNTS_AS_SOLD | {REFUND_PENDING, REFUNDED}
        assert sold, f"{who} was shown, and the booking has status {booking.status}"


def _check_provider(state: State) -> None:
    """News stand in the order they came, oldest first; what a person must decide is counted."""
    news = list(state.provider_events.rows.values())
    order = list(state.provider_event_order)
    assert len(order) == len(news), f"{len(order)} pieces of news are in order, {len(news)} are there"
    assert all(one is other for one, other in zip(order, news, strict=True)), "the news are in another order"
    assert all(one.at_ms <= other.at_ms for one, other in pairwise(order)), (
        "the news are not in the order of their time"
    )
    for key, concern in state.concerns.rows.items():
        assert concern.id == key == f"{concern.kind}:{concern.reference}", f"concern {key} is another one"
        assert concern.closed_ms <= state.at_ms, f"concern {key} is to be closed yet"
    still_open = sum(not concern.closed_ms for concern in state.concerns.rows.values())
    assert state.concerns_open == still_open, f"{state.concerns_open} open concerns are counted, there are {still_open}"


def _check_keys(state: State) -> None:
    """Every key stands in the order once, oldest first; ones that were used anew since may stand there as well."""
    live = [key for key in state.key_order if state.keys.rows.get(key.digest) is key]
    assert [key.digest for key in live] == list(state.keys.rows), "the order of the keys is not that of the table"
    times = [key.at_ms for key in state.key_order]
    assert times == sorted(times), "the keys are not in the order of their time"


def _check_cluster(state: State) -> None:
    epochs = list(state.epochs.rows.values())
    assert [row.epoch for row in epochs] == list(state.epochs.rows), "an epoch stands under another's number"
    assert len(epochs) <= EPOCHS_KEPT, f"{len(epochs)} epochs are kept"
    for epoch, following in pairwise(epochs):
        for name in ("epoch", "first_seq", "at_ms"):
            first, second = getattr(epoch, name), getattr(following, name)
            rises = first <= second if name == "at_ms" else first < second
            assert rises, f"the {name} of epochs falls from {first} to {second}"
    if epochs:
        assert epochs[0].epoch > 0, "there is no epoch 0"
        assert epochs[-1].first_seq <= state.seq, f"epoch {epochs[-1].epoch} is to begin yet"
        assert (state.epoch, state.leader) == (epochs[-1].epoch, epochs[-1].leader), "the last epoch says who leads"
    assert len(state.members) <= MEMBERS_MAX, f"there are {len(state.members)} members"
    for name, member in state.members.rows.items():
        assert member.name == name, f"member {name} stands under another's name"
        assert 0 < member.since_seq <= state.seq, (
            f"member {name} is so since seq {member.since_seq}, now is {state.seq}"
        )
    assert 0 <= state.sync_standbys <= SYNC_STANDBYS_MAX, f"{state.sync_standbys} standbys are waited for"
    for name, secret in state.secrets.rows.items():
        assert secret.name == name == TICKET_KEY, f"there is an unknown secret {name}"
        assert len(secret.value) == TICKET_KEY_BYTES, "the ticket key is of another length"


def _check_table(name: str, table: Table) -> None:  # type: ignore[type-arg]  # of any rows
    encode = msgspec.msgpack.encode
    for key, row in table.changed.items():
        assert table.rows.get(key) is row, f"{name}: {key} counts as changed, and is not there"
    gone = table.archived.keys() & table.rows.keys()
    assert not gone, f"{name}: {gone} are archived, and still there"
    total = sum(digest(table.name, encode(row)) for row in table.rows.values()) % HASH_MODULUS
    assert table.hash() == total, f"{name}: the hash does not follow from the rows"
