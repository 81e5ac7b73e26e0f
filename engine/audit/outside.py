"""What an audit asks of what was told, sent and shown: each piece of news taken once, each message owed before it is
sent, each ticket admitting once.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`.
Which notice owes which message is not audited: a message may be missing here, but none is sent that nobody owes twice.
"""

from .. import facts as f
from ..state import State
from ..status import COUNTS_AS_SOLD, PAYMENT_ABANDONED, PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_STARTED
from .books import Books


def payment_prepared(books: Books, fact: f.PaymentPrepared) -> None:
    attempt = books.attempts[fact.payment_id]
    if attempt.reference is not None:
        books.fault(f"payment {attempt.id} has two names: {attempt.reference}, {fact.provider_reference}")
    attempt.reference = fact.provider_reference


def payment_declined(books: Books, fact: f.PaymentDeclined) -> None:
    attempt = books.attempts[fact.payment_id]
    if attempt.status not in (PAYMENT_STARTED, PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_ABANDONED):
        books.fault(f"payment {attempt.id} was declined after its end")
    elif attempt.status != PAYMENT_ABANDONED:
        attempt.status = PAYMENT_REQUIRES_ACTION


def payment_answered(books: Books, fact: f.PaymentAnswered) -> None:
    _ = books.attempts[fact.payment_id]


def refund_pending(books: Books, fact: f.RefundPending) -> None:
    if books.refunds[fact.refund_id].failed:
        books.fault(f"refund {fact.refund_id} is pending after it failed, and nobody asked again")


def refund_answered(books: Books, fact: f.RefundAnswered) -> None:
    _ = books.refunds[fact.refund_id]


def refund_retried(books: Books, fact: f.RefundRetried) -> None:
    refund = books.refunds[fact.refund_id]
    if not refund.failed:
        books.fault(f"refund {refund.id} is asked for again, and it had not failed")
    refund.failed = False


def provider_event_taken(books: Books, fact: f.ProviderEventTaken) -> None:
    if fact.event_id in books.provider_events:
        books.fault(f"the provider's news {fact.event_id} were taken twice")
    books.provider_events.add(fact.event_id)


def concern_raised(books: Books, fact: f.ConcernRaised) -> None:
    concern = f"{fact.kind}:{fact.reference}"
    if concern in books.concerns:
        books.fault(f"concern {concern} was raised twice")
    books.concerns.add(concern)


def concern_closed(books: Books, fact: f.ConcernClosed) -> None:
    if fact.concern_id not in books.concerns:
        books.fault(f"concern {fact.concern_id} was closed, and nobody had raised it")


def checked_in(books: Books, fact: f.CheckedIn) -> None:
    claim = books.claims[fact.booking_id]
    if claim.status not in COUNTS_AS_SOLD:
        books.fault(f"a ticket of booking {claim.id} admitted somebody, and that booking has none")
    if not 1 <= fact.number <= claim.quantity:
        books.fault(f"ticket {fact.number} of booking {claim.id} admitted somebody, and it has {claim.quantity}")
    if (claim.id, fact.number) in books.entries:
        books.fault(f"ticket {fact.number} of booking {claim.id} admitted somebody twice")
    books.entries.add((claim.id, fact.number))


def change_told(books: Books, fact: f.ChangeTold) -> None:
    for booking_id in fact.booking_ids:
        if books.claims[booking_id].stock.show.id != fact.event_id:
            books.fault(f"booking {booking_id} was told of a change of event {fact.event_id}, and is for another one")


def delivered(books: Books, fact: f.Delivered) -> None:
    _once(books, fact.delivery_id)
    books.given_up.discard(fact.delivery_id)


def delivery_dropped(books: Books, fact: f.DeliveryDropped) -> None:
    _once(books, fact.delivery_id)
    books.given_up.discard(fact.delivery_id)


def delivery_failed(books: Books, fact: f.DeliveryFailed) -> None:
    if fact.delivery_id in books.ended_deliveries:
        books.fault(f"message {fact.delivery_id} failed after it was sent")
    if fact.delivery_id in books.given_up:
        books.fault(f"message {fact.delivery_id} was tried after it was given up, and nobody asked for that")
    if not fact.due_ms:
        books.given_up.add(fact.delivery_id)


def delivery_retried(books: Books, fact: f.DeliveryRetried) -> None:
    if fact.delivery_id not in books.given_up:
        books.fault(f"message {fact.delivery_id} is tried again, and it had not been given up")
    books.given_up.discard(fact.delivery_id)


def _once(books: Books, delivery_id: int) -> None:
    if delivery_id in books.ended_deliveries:
        books.fault(f"message {delivery_id} ended twice")
    books.ended_deliveries.add(delivery_id)


def nothing_to_check(_books: Books, _fact: f.MailSet | f.UserWebhookDisabled | f.EventWebhookDisabled) -> None:
    """Switches."""


def open_outside(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands."""
    books.provider_events.update(state.provider_events.rows)
    books.concerns.update(state.concerns.rows)
    books.entries.update((entry.booking_id, entry.number) for entry in state.entries.rows.values())
    books.given_up.update(state.deliveries_dead)
    for refund_id in state.refunds_failed:
        books.refunds[refund_id].failed = True
    for payment in state.payments.rows.values():
        books.attempts[payment.id].reference = payment.provider_reference


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    found = []
    entries = {(entry.booking_id, entry.number) for entry in state.entries.rows.values()}
    if entries != books.entries:
        found.append(f"the engine let {len(entries)} tickets in and the audit {len(books.entries)}")
    if set(state.deliveries_dead) != books.given_up:
        found.append(f"the engine gave {len(state.deliveries_dead)} messages up and the audit {len(books.given_up)}")
    failed = {refund.id for refund in books.refunds.values() if refund.failed}
    if set(state.refunds_failed) != failed:
        found.append(f"the engine has {len(state.refunds_failed)} failed refunds and the audit {len(failed)}")
    return found
