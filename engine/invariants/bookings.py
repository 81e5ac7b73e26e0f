"""What holds of events, bookings and lines: rows, counts, and the indexes that follow from them."""

from collections import Counter, defaultdict
from itertools import pairwise

from ..limits import PAID_KEPT_MS
from ..records import Booking, TicketType
from ..sale import Sale
from ..state import State, deadline_of, is_settled
from ..status import (
    COUNTS_AS_HELD,
    COUNTS_AS_SOLD,
    COUNTS_FOR_USER,
    ENDED,
    EXPIRED,
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    PAYING,
    REFUND_PENDING,
    REFUNDED,
    WAITING,
    WAITLIST_STRICT,
)


def check_ids(state: State) -> None:
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


def check_sales(state: State) -> None:
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


def check_bookings(state: State) -> None:
    """Every booking, and what is counted of them by ticket type, line, user and status."""
    waiting: dict[int, list[tuple[int, Booking]]] = defaultdict(list)  # by ticket type: (number in line, booking)
    by_type: dict[int, list[Booking]] = defaultdict(list)
    for booking in state.bookings.rows.values():
        check_booking(state, booking)
        by_type[booking.ticket_type_id].append(booking)
        for ticket_type_id, number in lines_of(booking):
            waiting[ticket_type_id].append((number, booking))
    for ticket_type in state.ticket_types.rows.values():
        line = sorted(waiting[ticket_type.id], key=lambda place: place[1].seq)
        check_counts(state.sales[ticket_type.event_id], ticket_type, by_type[ticket_type.id], len(line))
        check_line(state, ticket_type, line)
    for sale in state.sales.values():
        bookings = [booking for type_id in sale.types for booking in by_type[type_id]]
        check_claims(sale, bookings)
        check_sweeping(state, sale, bookings)
        check_archived(sale, bookings)
    found = Counter(booking.status for booking in state.bookings.rows.values())
    for status, count in state.status_counts.items():
        assert found[status] == count, f"{count} bookings of status {status} are counted, {found[status]} are there"


def lines_of(booking: Booking) -> list[tuple[int, int]]:
    """The lines someone waits in: (ticket type, number there)."""
    if booking.status != WAITING:
        return []
    others = [each.split(":") for each in booking.also.split(",") if each]
    return [(booking.ticket_type_id, booking.line_number)] + [(int(kind), int(number)) for kind, number in others]


def check_booking(state: State, booking: Booking) -> None:
    status, who = booking.status, f"booking {booking.id}"
    ticket_type = state.ticket_types.rows[booking.ticket_type_id]
    event = state.events.rows[booking.event_id]
    assert ticket_type.event_id == booking.event_id, f"{who} is for a ticket type of another event"
    assert event.booked, f"{who}: its event does not know that it was booked"
    assert booking.quantity > 0, f"{who} is for {booking.quantity} tickets"
    assert 0 < booking.seq <= state.seq, f"{who} was decided at seq {booking.seq}, now is {state.seq}"
    assert 0 <= booking.created_ms <= state.at_ms, f"{who} was made at {booking.created_ms}, now is {state.at_ms}"
    assert (booking.line_number > 0) == (status == WAITING), f"{who} has line number {booking.line_number}"
    assert not booking.also or status == WAITING, f"{who} stands in the lines {booking.also}, and does not wait"
    for type_id, _ in lines_of(booking):
        assert state.ticket_types.rows[type_id].event_id == booking.event_id, f"{who} waits at another event"
    assert len(dict(lines_of(booking))) == len(lines_of(booking)), f"{who} stands twice in one line: {booking.also}"
    assert not (booking.offered and status == WAITING), f"{who} waits, and has had its offer"
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


def check_counts(sale: Sale, ticket_type: TicketType, bookings: list[Booking], waiting: int) -> None:
    who = f"ticket type {ticket_type.id}"
    held = sum(booking.quantity for booking in bookings if booking.status in COUNTS_AS_HELD)
    sold = sum(booking.quantity for booking in bookings if booking.status in COUNTS_AS_SOLD)
    counts = (ticket_type.held, ticket_type.sold, ticket_type.waiting)
    archived = ticket_type.sold - sold
    assert archived == 0 or 0 < archived <= sale.archived, f"{who}: {archived} tickets without a booking"
    expected = (held, sold + archived, waiting)
    assert counts == expected, f"{who} counts {counts}, its bookings make {expected}"
    assert held + sold + archived <= ticket_type.capacity, f"{who}: {counts} of {ticket_type.capacity}"


def check_line(state: State, ticket_type: TicketType, line_by_seq: list[tuple[int, Booking]]) -> None:
    """`line_by_seq`: who waits, with the number in this line, in the order of their seq."""
    waiting = [booking for _, booking in line_by_seq]
    who, sale = f"ticket type {ticket_type.id}", state.sales[ticket_type.event_id]
    line = sale.lines[ticket_type.id]
    ids = [booking.id for booking in waiting]
    assert list(line.bookings()) == ids, f"{who}: the line is {list(line.bookings())}, by seq it is {ids}"
    assert line.count == len(ids), f"{who}: the line counts {line.count} of {len(ids)}"
    for place, (number, booking) in enumerate(line_by_seq, 1):
        found = line.position(number)
        assert found == place, f"{who}: booking {booking.id} is told {found}, it is {place} in line"
        assert number < ticket_type.line_next, f"{who}: {booking.id} has a number yet to be given out"
    free = ticket_type.capacity - ticket_type.held - ticket_type.sold
    who_could = waiting[:1] if sale.event.waitlist == WAITLIST_STRICT else waiting
    served = any(booking.quantity <= free for booking in who_could)
    hopeless = any(booking.quantity > ticket_type.capacity for booking in waiting)
    expected = (served or hopeless) and not sale.event.cancelled and not sale.event.closed
    found = ticket_type.id in state.promotable
    assert found == expected, f"{who}: promotable is {found}, {free} are free and {[b.quantity for b in waiting]} wait"


def check_claims(sale: Sale, bookings: list[Booking]) -> None:
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


def check_archived(sale: Sale, bookings: list[Booking]) -> None:
    who, event = f"event {sale.event.id}", sale.event
    settled = sum(is_settled(booking) for booking in bookings)
    assert sale.settled == settled, f"{who}: {sale.settled} bookings are settled, {settled} are there"
    sold = sum(ticket_type.sold for ticket_type in sale.types.values())
    archived = sold - sum(booking.quantity for booking in bookings if booking.status in COUNTS_AS_SOLD)
    assert sale.archived == archived, f"{who}: {sale.archived} tickets left memory, {archived} are missing"
    assert not archived or (event.closed and not event.cancelled), f"{who}: {archived} tickets left memory too early"


def check_sweeping(state: State, sale: Sale, bookings: list[Booking]) -> None:
    statuses = {booking.status for booking in bookings}
    waits = sale.event.closed and WAITING in statuses
    expected = waits or (sale.event.cancelled and bool(statuses & COUNTS_FOR_USER))
    found = sale.event.id in state.sweeping
    assert found == expected, f"event {sale.event.id}: sweeping is {found}, its bookings are {statuses}"


def check_deadlines(state: State) -> None:
    due: set[tuple[int, int]] = set()
    leaving: set[tuple[int, int]] = set()
    for booking in state.bookings.rows.values():
        if deadline_of(booking):
            (leaving if booking.status in ENDED else due).add((deadline_of(booking), booking.id))
    closings = {(sale.closes_ms, event_id) for event_id, sale in state.sales.items() if not sale.event.closed}
    over = {
        (sale.closes_ms + PAID_KEPT_MS, event_id)
        for event_id, sale in state.sales.items()
        if sale.event.closed and not sale.event.cancelled and sale.settled
    }
    assert over == {(sale.archive_ms, event_id) for event_id, sale in state.sales.items() if sale.archive_ms}
    for name, deadlines, expected in (
        ("deadlines", state.deadlines, due),
        ("retirings", state.retirings, leaving),
        ("closings", state.closings, closings),
        ("archivings", state.archivings, over),
    ):
        found = list(deadlines.pairs())
        assert set(found) == expected, f"{name} differ in (time, id) {set(found) ^ expected}"
        assert len(found) == deadlines.count == len(expected), f"{name} count {deadlines.count} of {len(expected)}"
        first = min((at_ms for at_ms, _ in expected), default=None)
        assert deadlines.next_ms() == first, f"{name} say {deadlines.next_ms()} is next, it is {first}"
