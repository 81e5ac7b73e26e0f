"""What becomes due by itself: holds lapse, people are warned, lines are served on, bookings leave memory.

`due` lists commands; each is decided on its own, so no step is long however much falls due at once. Every chore that
`due` lists leads to at least one fact, so the list comes to an end.
"""

from itertools import islice

from ..commands import Archive, CloseSale, Command, Lapse, Promote, Retire, Sweep, TellOfChange, Warn
from ..facts import BookingCancelled, Fact, Lapsed, LapseWarned, PaymentAbandoned, SaleClosed
from ..replies import Done
from ..state import State, deadline_of
from ..status import COUNTS_AS_SOLD, HELD, PAYING, WAITING
from .past import next_retiring_ms, retiring
from .refund import refund_all
from .room import due_of_rooms, next_room_due_ms
from .shared import Decision, pass_on


def due(state: State, now_ms: int, hold_ms: int, limit: int) -> list[Command]:
    """Chores whose time has come, to be decided in this order at `now_ms`; at most about `limit` of each kind. Call
    again until it is empty.
    """
    chores = due_of_rooms(state, now_ms, limit)
    chores += [CloseSale(event_id) for event_id in state.closings.due(now_ms, limit)]
    chores += [Archive(event_id) for event_id in state.archivings.due(now_ms, 1)]
    waited_for = [state.ticket_types.rows[type_id] for type_id in islice(state.promotable, limit)]
    # where the sale is over by now nobody is served any more
    chores += [Promote(each.id, hold_ms) for each in waited_for if state.sales[each.event_id].closes_ms > now_ms]
    chores += [TellOfChange(event_id) for event_id in islice(state.telling, limit)]
    left = limit
    for event_id in islice(state.sweeping, limit):
        sweeps = [Sweep(booking_id) for booking_id in _to_sweep(state, event_id, left)]
        chores += sweeps
        left -= len(sweeps)
        if left <= 0:
            break
    for booking_id in state.deadlines.due(now_ms, limit):
        booking = state.bookings.rows[booking_id]
        if state.sales[booking.event_id].event.cancelled:
            continue  # a sweep ends it
        if booking.status == HELD and not booking.warned and booking.expires_ms > now_ms:
            chores.append(Warn(booking_id))
        else:
            chores.append(Lapse(booking_id, hold_ms))
    if ended := retiring(state, now_ms, limit):
        chores.append(Retire(tuple(ended)))
    return chores


def more_due(found: list[Command], limit: int) -> bool:
    """Whether there may be more than what `due` found with this limit."""
    if len(found) >= limit:
        return True
    last = found[-1] if found else None
    return isinstance(last, Retire) and len(last.booking_ids) >= limit


def next_due_ms(state: State) -> int | None:
    """When `due` will have something: 0 is at once, None not by itself."""
    if state.promotable or state.sweeping or state.telling:
        return 0
    others = (state.closings.next_ms(), state.archivings.next_ms(), next_retiring_ms(state), next_room_due_ms(state))
    moments = (state.deadlines.next_ms(), *others)
    return min((ms for ms in moments if ms is not None), default=None)


def _to_sweep(state: State, event_id: int, limit: int) -> list[int]:
    sale = state.sales[event_id]
    if not sale.event.cancelled:
        waiting = (booking_id for line in sale.lines.values() for booking_id in line.bookings())
        return list(dict.fromkeys(islice(waiting, limit)))  # who would take any of several types waits in several
    found: list[int] = []
    for user_id in islice(reversed(sale.claims), limit):
        found += [booking.id for booking in sale.bookings_of(user_id)]
    return found


def _nothing(state: State) -> Decision:
    return [], Done(state.seq)


def lapse(state: State, now_ms: int, command: Lapse) -> Decision:
    booking = state.bookings.rows.get(command.booking_id)
    if booking is None or booking.status not in (HELD, PAYING):
        return _nothing(state)
    if max(booking.expires_ms, booking.pinned_ms if booking.status == PAYING else 0) > now_ms:
        return _nothing(state)
    sale = state.sales[booking.event_id]
    facts: list[Fact] = [Lapsed(booking.id)]
    if booking.status == PAYING:
        facts.insert(0, PaymentAbandoned(booking.payment_id, "timed_out"))
    ticket_type = sale.types[booking.ticket_type_id]
    facts += pass_on(state, sale, ticket_type, now_ms, command.hold_ms, freed=booking)
    return facts, Done(state.seq + 1)


def warn(state: State, now_ms: int, command: Warn) -> Decision:
    booking = state.bookings.rows.get(command.booking_id)
    if booking is None or booking.status != HELD or booking.warned or deadline_of(booking) > now_ms:
        return _nothing(state)
    return [LapseWarned(booking.id)], Done(state.seq + 1)


def close_sale(state: State, now_ms: int, command: CloseSale) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None or sale.event.closed or sale.closes_ms > now_ms:
        return _nothing(state)
    return [SaleClosed(command.event_id)], Done(state.seq + 1)


def promote(state: State, now_ms: int, command: Promote) -> Decision:
    ticket_type = state.ticket_types.rows.get(command.ticket_type_id)
    if ticket_type is None or ticket_type.id not in state.promotable:
        return _nothing(state)
    served = pass_on(state, state.sales[ticket_type.event_id], ticket_type, now_ms, command.hold_ms)
    return [*served], Done(state.seq + 1)


def sweep(state: State, now_ms: int, command: Sweep) -> Decision:
    booking = state.bookings.rows.get(command.booking_id)
    if booking is None or booking.event_id not in state.sweeping:
        return _nothing(state)
    event = state.sales[booking.event_id].event
    if not event.cancelled:  # closed: holds may still be paid, nobody waits any more
        return ([Lapsed(booking.id)], Done(state.seq + 1)) if booking.status == WAITING else _nothing(state)
    if booking.status in (WAITING, HELD):
        return [BookingCancelled(booking.id, "event_cancelled")], Done(state.seq + 1)
    if booking.status == PAYING:
        abandoned = PaymentAbandoned(booking.payment_id, "event_cancelled")
        return [abandoned, BookingCancelled(booking.id, "event_cancelled")], Done(state.seq + 1)
    if booking.status not in COUNTS_AS_SOLD:
        return _nothing(state)
    return refund_all(state, now_ms, booking, "event_cancelled"), Done(state.seq + 1)
