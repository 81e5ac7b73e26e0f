"""What was asked of the outside, told and shown at the door, in words.

Owns the sentences of these facts; sentences.py has the others. A client secret is never shown.
"""

from collections.abc import Callable
from typing import Any

from ...engine import facts as f
from ...engine.money import EXPONENTS, format_minor
from ...engine.notices import CHANNEL_NAMES, channel_of, notice_of
from ...http.wire.times import format_ms
from .story import Story


def _payment(story: Story, payment_id: int) -> str:
    booking_id, amount_minor = story.payments.get(payment_id, (0, 0))
    if not booking_id:
        return f"Payment {payment_id}"
    return f"Booking {booking_id}: payment {payment_id} of {story.money_of(booking_id, amount_minor)}"


def _refund(story: Story, refund_id: int) -> str:
    booking_id, amount_minor = story.refunds.get(refund_id, (0, 0))
    if not booking_id:
        return f"Refund {refund_id}"
    return f"Booking {booking_id}: refund {refund_id} of {story.money_of(booking_id, amount_minor)}"


def _message(delivery_id: int) -> str:
    channel = CHANNEL_NAMES.get(channel_of(delivery_id), "message").replace("_", " ")
    return f"The {channel} of notice {notice_of(delivery_id)}"


def _change_told(story: Story, fact: f.ChangeTold) -> str:
    count = len(fact.booking_ids)
    bookings = "1 booking" if count == 1 else f"{count} bookings"
    verb = "was" if count == 1 else "were"
    return f"{bookings} of {story.event(fact.event_id)} {verb} told that it has changed."


def _event_webhook_disabled(story: Story, fact: f.EventWebhookDisabled) -> str:
    return f"The webhook of {story.event(fact.event_id)} said that it is gone, and is not called any more."


def _user_webhook_disabled(_story: Story, fact: f.UserWebhookDisabled) -> str:
    return f"The webhook of user {fact.user_id} said that it is gone, and is not called any more."


def _checked_in(_story: Story, fact: f.CheckedIn) -> str:
    where = f" at {fact.place}" if fact.place else ""
    by = f", by {fact.by}" if fact.by else ""
    return f"Booking {fact.booking_id}: ticket {fact.number} was shown{where}{by}, and admitted somebody."


def _payment_prepared(story: Story, fact: f.PaymentPrepared) -> str:
    return f"{_payment(story, fact.payment_id)} has the name {fact.provider_reference}; nothing is charged yet."


def _payment_declined(story: Story, fact: f.PaymentDeclined) -> str:
    return f"{_payment(story, fact.payment_id)} was declined ({fact.failure}); the user may try another way to pay."


def _payment_answered(story: Story, fact: f.PaymentAnswered) -> str:
    return f"{_payment(story, fact.payment_id)}: whoever asked was told that it is under way."


def _refund_pending(story: Story, fact: f.RefundPending) -> str:
    return f"{_refund(story, fact.refund_id)} is with the provider, which says later what came of it."


def _refund_answered(story: Story, fact: f.RefundAnswered) -> str:
    return f"{_refund(story, fact.refund_id)}: whoever asked was told that it is under way."


def _refund_retried(story: Story, fact: f.RefundRetried) -> str:
    return f"{_refund(story, fact.refund_id)} is asked for again."


def _provider_event_taken(_story: Story, fact: f.ProviderEventTaken) -> str:
    return f"The payment provider's news {fact.event_id} were taken in."


def _concern_raised(_story: Story, fact: f.ConcernRaised) -> str:
    known = fact.currency in EXPONENTS
    amount = f" over {format_minor(fact.amount_minor, fact.currency)} {fact.currency}" if known else ""
    booking = f"Booking {fact.booking_id}: a" if fact.booking_id else "A"
    return f"{booking} person must look ({fact.kind}, {fact.reference}{amount}): {fact.detail}"


def _concern_closed(_story: Story, fact: f.ConcernClosed) -> str:
    return f"Somebody has dealt with {fact.concern_id}."


def _mail_set(_story: Story, fact: f.MailSet) -> str:
    return f"From here on notices are {'' if fact.on else 'not '}sent by e-mail."


def _delivered(_story: Story, fact: f.Delivered) -> str:
    return f"{_message(fact.delivery_id)} was sent."


def _delivery_failed(_story: Story, fact: f.DeliveryFailed) -> str:
    then = f"it is tried again at {format_ms(fact.due_ms)}" if fact.due_ms else "it is given up"
    return f"{_message(fact.delivery_id)} could not be sent ({fact.failure}); {then}."


def _delivery_retried(_story: Story, fact: f.DeliveryRetried) -> str:
    return f"{_message(fact.delivery_id)} had been given up, and is tried again."


def _delivery_dropped(_story: Story, fact: f.DeliveryDropped) -> str:
    return f"{_message(fact.delivery_id)} has nobody to go to any more."


SENTENCES_OF_THE_OUTSIDE: dict[type, Callable[[Story, Any], str]] = {
    f.ChangeTold: _change_told,
    f.EventWebhookDisabled: _event_webhook_disabled,
    f.CheckedIn: _checked_in,
    f.PaymentPrepared: _payment_prepared,
    f.PaymentDeclined: _payment_declined,
    f.PaymentAnswered: _payment_answered,
    f.RefundPending: _refund_pending,
    f.RefundAnswered: _refund_answered,
    f.RefundRetried: _refund_retried,
    f.ProviderEventTaken: _provider_event_taken,
    f.ConcernRaised: _concern_raised,
    f.ConcernClosed: _concern_closed,
    f.UserWebhookDisabled: _user_webhook_disabled,
    f.MailSet: _mail_set,
    f.Delivered: _delivered,
    f.DeliveryFailed: _delivery_failed,
    f.DeliveryRetried: _delivery_retried,
    f.DeliveryDropped: _delivery_dropped,
}
