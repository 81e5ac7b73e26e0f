"""What leaves memory, and what is asked for that has left it.

An event is over PAID_KEPT_MS after its sale closed: nobody is let in, and its paid bookings leave memory. From then on
nothing that would need all of them is possible: it can't be moved or cancelled. Money can still go back, booking by
booking: the row is read from the checkpoint and comes back with the refund, in one step.
"""

from itertools import islice

from ..commands import Archive, Retire
from ..facts import Archived, Recalled, Retired
from ..limits import (
    ARCHIVED_LOOKED_AT_PER_STEP_MAX,
    ARCHIVED_PER_STEP_MAX,
    ENDED_KEPT_MAX,
    ENDED_KEPT_MS,
    ENDED_KEPT_MS_MIN,
)
from ..records import Booking
from ..replies import Done
from ..sale import Sale
from ..state import State, deadline_of, is_settled
from ..status import ENDED
from .shared import Decision


def retire(state: State, now_ms: int, command: Retire) -> Decision:
    rows = state.bookings.rows
    until_ms = now_ms + _early_ms(state)
    ready = tuple(
        booking_id
        for booking_id in command.booking_ids
        if booking_id in rows and rows[booking_id].status in ENDED and 0 < deadline_of(rows[booking_id]) <= until_ms
    )
    return ([Retired(ready)], Done(state.seq + 1)) if ready else ([], Done(state.seq))


def retiring(state: State, now_ms: int, limit: int) -> list[int]:
    """Bookings that have ended and may leave memory by now, those that ended first; at most `limit`."""
    return state.retirings.due(now_ms + _early_ms(state), limit)


def next_retiring_ms(state: State) -> int | None:
    """When `retiring` will have one."""
    next_ms = state.retirings.next_ms()
    return None if next_ms is None else next_ms - _early_ms(state)


def _early_ms(state: State) -> int:
    """How much sooner bookings that have ended leave memory now: at thousands a second an hour's would fill it."""
    return ENDED_KEPT_MS - ENDED_KEPT_MS_MIN if state.retirings.count > ENDED_KEPT_MAX else 0


def archive(state: State, now_ms: int, command: Archive) -> Decision:
    sale = state.sales.get(command.event_id)
    if sale is None or not sale.archive_ms or sale.archive_ms > now_ms:
        return [], Done(state.seq)
    return [Archived(tuple(booking.id for booking in _settled(sale)))], Done(state.seq + 1)


def _settled(sale: Sale) -> list[Booking]:
    """Some of an event's paid bookings with which nobody has anything to settle, at least one: the last in memory, as
    they leave no holes behind. Few are not settled, and the bound on looking at them is for when they are many.
    """
    found: list[Booking] = []
    for looked_at, user_id in enumerate(reversed(sale.claims)):
        found += islice(
            (booking for booking in sale.bookings_of(user_id) if is_settled(booking)),
            ARCHIVED_PER_STEP_MAX - len(found),
        )
        if len(found) >= ARCHIVED_PER_STEP_MAX or (found and looked_at >= ARCHIVED_LOOKED_AT_PER_STEP_MAX):
            break
    return found


def recall(state: State, now_ms: int, past: Booking | None, read_ms: int) -> Booking | None:
    """The row of a booking that left memory paid, if it still is as it was read at `read_ms`; to be changed by nobody.

    A booking comes back once, for a refund, and is never merely paid again. If that has happened since it was read, it
    is in memory: whatever ends stays there for ENDED_KEPT_MS_MIN.
    """
    if past is None or past.id in state.bookings.rows or past.event_id not in state.sales:
        return None
    if now_ms >= read_ms + ENDED_KEPT_MS_MIN or not is_settled(past):
        return None
    return past


def recalled(past: Booking) -> Recalled:
    return Recalled(
        past.id, past.user_id, past.event_id, past.ticket_type_id, past.quantity, past.amount_minor, past.seq,
        past.created_ms, past.held_ms, past.warned, past.payment_id, past.provider_reference, past.seats, past.offered,
        past.arrival,
    )  # fmt: skip
