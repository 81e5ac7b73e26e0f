"""What an audit asks of what the payment provider told, and of tickets at the door.

Each piece of news is taken once, an attempt has one name, what was refused goes out again only when somebody asks for
it, and each ticket admits once.

Owns what these facts mean in the auditor's books, written from the public promises and sharing no code with `apply`.
"""

from .. import facts as f
from ..limits import PROVIDER_EVENT_KEPT_MS
from ..state import State
from ..status import COUNTS_AS_SOLD, PAYMENT_ABANDONED, PAYMENT_REQUIRES_ACTION
from .books import Books
from .messages import tell


def payment_prepared(books: Books, fact: f.PaymentPrepared) -> None:
    attempt = books.attempts[fact.payment_id]
    if attempt.reference is not None:
        books.fault(f"payment {attempt.id} was prepared as {fact.provider_reference}, and is {attempt.reference}")
    attempt.reference = fact.provider_reference


def payment_declined(books: Books, fact: f.PaymentDeclined) -> None:
    attempt = books.attempts[fact.payment_id]
    if attempt.status == PAYMENT_ABANDONED:
        books.fault(f"payment {attempt.id} goes on with another card, and nobody waits for it")
    else:
        attempt.status = PAYMENT_REQUIRES_ACTION
    tell(books, attempt.claim, "payment_failed")


def payment_answered(books: Books, fact: f.PaymentAnswered) -> None:
    attempt = books.attempts[fact.payment_id]
    if attempt.answered:
        books.fault(f"whoever asked for payment {attempt.id} was told twice that it is under way")
    attempt.answered = True


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
    known = books.provider_events
    if fact.event_id in known:
        books.fault(f"the provider's news {fact.event_id} were taken twice")
        return
    known[fact.event_id] = books.at_ms
    while True:  # the new one ends it at the latest
        oldest = next(iter(known))
        if known[oldest] + PROVIDER_EVENT_KEPT_MS > books.at_ms:
            return
        del known[oldest]


def concern_raised(books: Books, fact: f.ConcernRaised) -> None:
    concern = f"{fact.kind}:{fact.reference}"
    if concern in books.concerns:
        books.fault(f"concern {concern} was raised twice")
    books.concerns[concern] = True
    claim = books.claims.get(fact.booking_id)
    if fact.kind == "dispute" and claim is not None:
        tell(books, claim, "disputed", organiser_alone=True)


def concern_closed(books: Books, fact: f.ConcernClosed) -> None:
    concern = fact.concern_id
    if concern not in books.concerns:
        books.fault(f"concern {concern} was closed, and nobody had raised it")
    elif not books.concerns[concern]:
        books.fault(f"concern {concern} was closed twice")
    else:
        books.concerns[concern] = False


def checked_in(books: Books, fact: f.CheckedIn) -> None:
    claim, number = books.claims[fact.booking_id], fact.number
    if claim.status not in COUNTS_AS_SOLD:
        books.fault(f"a ticket of booking {claim.id} admitted somebody, and that booking has none")
    if claim.stock.show.cancelled:
        books.fault(f"a ticket of booking {claim.id} admitted somebody to event {claim.stock.show.id}, cancelled")
    if claim.stock.show.archived:
        books.fault(f"a ticket of booking {claim.id} admitted somebody to event {claim.stock.show.id}, which is over")
    if not 1 <= number <= claim.quantity:
        books.fault(f"ticket {number} of booking {claim.id} admitted somebody, and it has {claim.quantity}")
        return
    if claim.shown >> number & 1:
        books.fault(f"ticket {number} of booking {claim.id} admitted somebody twice")
    claim.shown |= 1 << number


def open_outside(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands."""
    for event in state.provider_events.rows.values():
        books.provider_events[event.id] = event.at_ms
    for concern in state.concerns.rows.values():
        books.concerns[concern.id] = not concern.closed_ms
    for entry in state.entries.rows.values():
        books.claims[entry.booking_id].shown |= 1 << entry.number
    for refund_id in state.refunds_failed:
        books.refunds[refund_id].failed = True
    for payment in state.payments.rows.values():
        attempt = books.attempts[payment.id]
        attempt.reference, attempt.answered = payment.provider_reference, payment.answered


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    found = []
    entries = {(entry.booking_id, entry.number) for entry in state.entries.rows.values()}
    shown = {
        (claim.id, number)
        for claim in books.claims.values()
        if claim.shown
        for number in range(1, claim.quantity + 1)
        if claim.shown >> number & 1
    }
    if entries != shown:
        found.append(f"the engine let {len(entries)} tickets in and the audit {len(shown)}")
    failed = {refund.id for refund in books.refunds.values() if refund.failed}
    if set(state.refunds_failed) != failed:
        found.append(f"the engine has {len(state.refunds_failed)} failed refunds and the audit {len(failed)}")
    names = {payment.id: payment.provider_reference for payment in state.payments.rows.values()}
    if names != {attempt.id: attempt.reference for attempt in books.attempts.values()}:
        found.append("the engine knows payments under way by other names than the audit")
    concerns = {concern.id: not concern.closed_ms for concern in state.concerns.rows.values()}
    if concerns != books.concerns:
        found.append(f"the engine knows {len(concerns)} concerns and the audit {len(books.concerns)}, or other ones")
    missing = books.provider_events.keys() - state.provider_events.rows.keys()
    if missing:  # the engine forgets the old ones more slowly
        found.append(f"the engine forgot {len(missing)} of the provider's news too early")
    return found
