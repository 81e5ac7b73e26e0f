"""What became of messages; and telling those who have tickets that their event has changed.

A message that could not be sent is tried again, until it is so old that nobody wants it any more.
"""

from ..codes import Code
from ..commands import DisableWebhook, DropDelivery, RetryDelivery, SetMail, SettleDelivery, TellOfChange
from ..facts import (
    ChangeTold,
    Delivered,
    DeliveryDropped,
    DeliveryFailed,
    DeliveryRetried,
    EventWebhookDisabled,
    MailSet,
    UserWebhookDisabled,
)
from ..limits import DELIVERY_KEPT_MS, LOOKED_AT_PER_STEP_MAX, TEXT_CHARACTERS_MAX, TOLD_PER_STEP_MAX
from ..replies import Done
from ..state import State
from ..status import COUNTS_FOR_USER
from .shared import Decision, refuse


def tell_of_change(state: State, _now_ms: int, command: TellOfChange) -> Decision:
    if command.event_id not in state.telling:
        return [], Done(state.seq)
    event, rows = state.sales[command.event_id].event, state.bookings.rows
    told: list[int] = []
    through = event.told
    for booking_id in range(event.told + 1, min(event.tell_below, event.told + 1 + LOOKED_AT_PER_STEP_MAX)):
        through = booking_id
        booking = rows.get(booking_id)
        if booking is not None and booking.event_id == event.id and booking.status in COUNTS_FOR_USER:
            told.append(booking_id)
            if len(told) == TOLD_PER_STEP_MAX:
                break
    return [ChangeTold(event.id, tuple(told), through)], Done(state.seq + 1)


def settle_delivery(state: State, now_ms: int, command: SettleDelivery) -> Decision:
    delivery = state.deliveries.rows.get(command.delivery_id)
    if delivery is None or delivery.dead:  # nobody sends one that was given up
        return [], Done(state.seq)
    if command.failure is None:
        return [Delivered(delivery.id)], Done(state.seq + 1)
    again = command.retry_ms > 0 and command.retry_ms < delivery.at_ms + DELIVERY_KEPT_MS
    due_ms = max(command.retry_ms, now_ms) if again else 0
    return [DeliveryFailed(delivery.id, command.failure[:TEXT_CHARACTERS_MAX], due_ms)], Done(state.seq + 1)


def drop_delivery(state: State, _now_ms: int, command: DropDelivery) -> Decision:
    if command.delivery_id not in state.deliveries.rows:
        return [], Done(state.seq)
    return [DeliveryDropped(command.delivery_id)], Done(state.seq + 1)


def retry_delivery(state: State, _now_ms: int, command: RetryDelivery) -> Decision:
    delivery = state.deliveries.rows.get(command.delivery_id)
    if delivery is None:
        return refuse(state, Code.NOT_FOUND, f"There is no message {command.delivery_id} that waits to be sent.")
    if not delivery.dead:
        return refuse(state, Code.WRONG_STATUS, f"Message {delivery.id} is tried again by itself.")
    return [DeliveryRetried(delivery.id)], Done(state.seq + 1)


def disable_webhook(state: State, _now_ms: int, command: DisableWebhook) -> Decision:
    user = state.users.rows.get(command.user_id) if command.user_id is not None else None
    if user is not None and user.webhook_url == command.url and not user.webhook_disabled:
        return [UserWebhookDisabled(user.id)], Done(state.seq + 1)
    sale = state.sales.get(command.event_id)
    if sale is not None and sale.event.webhook_url == command.url and not sale.event.webhook_disabled:
        return [EventWebhookDisabled(sale.event.id)], Done(state.seq + 1)
    return [], Done(state.seq)


def set_mail(state: State, _now_ms: int, command: SetMail) -> Decision:
    if bool(state.mail) == command.on:
        return [], Done(state.seq)
    return [MailSet(command.on)], Done(state.seq + 1)
