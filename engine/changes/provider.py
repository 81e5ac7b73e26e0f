"""What is remembered of the payment provider's news, and what about money a person must decide.

Owns the facts about provider events and concerns.
"""

from .. import facts as f
from ..limits import PROVIDER_EVENT_KEPT_MS, PROVIDER_EVENTS_FORGOTTEN_PER_STEP_MAX
from ..records import Concern, ProviderEvent
from ..state import State
from .shared import tell_organiser


def provider_event_taken(state: State, fact: f.ProviderEventTaken) -> None:
    events, order, forgotten = state.provider_events, state.provider_event_order, 0
    while (
        order
        and forgotten < PROVIDER_EVENTS_FORGOTTEN_PER_STEP_MAX
        and order[0].at_ms + PROVIDER_EVENT_KEPT_MS <= state.at_ms
    ):
        events.drop(order.popleft().id, archive=False)
        forgotten += 1
    assert fact.event_id not in events.rows, "the same news twice"
    event = ProviderEvent(fact.event_id, state.at_ms)
    events.add(event.id, event)
    order.append(event)


def concern_raised(state: State, fact: f.ConcernRaised) -> None:
    concern = Concern(
        f"{fact.kind}:{fact.reference}", fact.kind, fact.reference, fact.booking_id, fact.payment_id, fact.refund_id,
        fact.amount_minor, fact.currency, fact.detail, state.at_ms,
    )  # fmt: skip
    assert concern.id not in state.concerns.rows
    state.concerns.add(concern.id, concern)
    state.concerns_open += 1
    booking = state.bookings.rows.get(fact.booking_id)
    if fact.kind == "dispute" and booking is not None:
        tell_organiser(state, booking, "disputed", fact.amount_minor, fact.detail)


def concern_closed(state: State, fact: f.ConcernClosed) -> None:
    concern = state.concerns.rows[fact.concern_id]
    state.concerns.touch(concern.id, concern)
    concern.closed_ms = state.at_ms
    state.concerns_open -= 1
