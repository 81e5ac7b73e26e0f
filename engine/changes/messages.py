"""What becomes of messages, and of those who are told that an event has changed.

Owns the facts about deliveries, webhooks and e-mail. What is sent leaves memory; the journal has it.
"""

from .. import facts as f
from ..state import State
from .shared import notice, track_telling


def change_told(state: State, fact: f.ChangeTold) -> None:
    sale = state.sales[fact.event_id]
    state.events.touch(sale.event.id, sale.event)
    sale.event.told = fact.through
    for booking_id in fact.booking_ids:
        notice(state, state.bookings.rows[booking_id], "changed")
    track_telling(state, sale)


def mail_set(state: State, fact: f.MailSet) -> None:
    state.mail = int(fact.on)


def delivered(state: State, fact: f.Delivered | f.DeliveryDropped) -> None:
    delivery = state.deliveries.rows[fact.delivery_id]
    state.deliveries.drop(delivery.id, archive=False)
    owed = state.sales[delivery.event_id].owed
    if delivery.dead:
        del state.deliveries_dead[delivery.id]
        owed.deliveries_dead -= 1
    else:
        owed.deliveries -= 1


def delivery_failed(state: State, fact: f.DeliveryFailed) -> None:
    delivery = state.deliveries.rows[fact.delivery_id]
    assert not delivery.dead
    state.deliveries.touch(delivery.id, delivery)
    delivery.attempts += 1
    delivery.failure = fact.failure
    delivery.due_ms = fact.due_ms
    if not fact.due_ms:
        delivery.dead = True
        state.deliveries_dead[delivery.id] = None
        owed = state.sales[delivery.event_id].owed
        owed.deliveries -= 1
        owed.deliveries_dead += 1


def delivery_retried(state: State, fact: f.DeliveryRetried) -> None:
    delivery = state.deliveries.rows[fact.delivery_id]
    assert delivery.dead
    state.deliveries.touch(delivery.id, delivery)
    delivery.dead = False
    del state.deliveries_dead[delivery.id]
    delivery.attempts = 0
    owed = state.sales[delivery.event_id].owed
    owed.deliveries_dead -= 1
    owed.deliveries += 1


def user_webhook_disabled(state: State, fact: f.UserWebhookDisabled) -> None:
    user = state.users.rows[fact.user_id]
    state.users.touch(user.id, user)
    user.webhook_disabled = True


def event_webhook_disabled(state: State, fact: f.EventWebhookDisabled) -> None:
    event = state.sales[fact.event_id].event
    state.events.touch(event.id, event)
    event.webhook_disabled = True
