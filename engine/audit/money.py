"""What an audit asks of payments, refunds and idempotency keys.

Owns what these facts mean in the auditor's books: each success has its start, no booking gives back more than was paid
for it, what was paid for nothing goes back, and a key makes one thing. It shares no code with `apply`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from .. import facts as f
from .. import replies
from ..limits import PAYING_MS_MAX
from ..status import (
    BOOKING_NAMES,
    CONFIRMED,
    COUNTS_AS_SOLD,
    EXPIRED,
    HELD,
    PARTIAL_REFUND_PENDING,
    PARTIALLY_REFUNDED,
    PAYING,
    PAYMENT_ABANDONED,
    PAYMENT_FAILED,
    PAYMENT_FOLLOWERS,
    PAYMENT_NAMES,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    PAYMENT_SUCCEEDED,
    REFUND_PENDING,
    REFUNDED,
)
from . import seats
from .books import Attempt, Books, Claim, MoneyBack
from .line import check_newcomer, freed
from .messages import tell


def payment_started(books: Books, fact: f.PaymentStarted) -> None:
    claim = books.claims[fact.booking_id]
    if fact.payment_id <= books.last_attempt_id:
        books.fault(f"payment {fact.payment_id} comes after payment {books.last_attempt_id}")
    if fact.amount_minor != claim.amount_minor:
        books.fault(
            f"payment {fact.payment_id} is over {fact.amount_minor}, and booking {claim.id} costs {claim.amount_minor}"
        )
    if not claim.expires_ms <= fact.pinned_ms <= max(claim.expires_ms, claim.held_ms + PAYING_MS_MAX):
        books.fault(f"payment {fact.payment_id} pins booking {claim.id} for longer, or shorter, than is allowed")
    _check_first_use(books, fact.key, f"payment {fact.payment_id}")
    books.last_attempt_id = fact.payment_id
    books.attempts[fact.payment_id] = Attempt(fact.payment_id, claim, fact.amount_minor, PAYMENT_STARTED)
    claim.payment_id = fact.payment_id
    claim.pinned_ms = fact.pinned_ms
    claim.unsettled += 1
    books.become(claim, PAYING)


def payment_pending(books: Books, fact: f.PaymentPending) -> None:
    attempt = books.attempts[fact.payment_id]
    _payment_becomes(books, attempt, PAYMENT_REQUIRES_ACTION if fact.requires_action else PAYMENT_PROCESSING)
    attempt.reference = fact.provider_reference or attempt.reference


def payment_succeeded(books: Books, fact: f.PaymentSucceeded) -> None:
    attempt = books.attempts.pop(fact.payment_id)
    _payment_becomes(books, attempt, PAYMENT_SUCCEEDED)
    claim = attempt.claim
    show = claim.stock.show
    claim.unsettled -= 1
    if fact.surplus:
        show.surplus_minor += attempt.amount_minor
        books.due_refund = attempt
        return
    if claim.status == PAYING and claim.payment_id != attempt.id:
        books.fault(f"payment {attempt.id} confirmed booking {claim.id} while payment {claim.payment_id} was under way")
    if claim.status == EXPIRED:  # it takes free stock again, as a newcomer would
        check_newcomer(books, claim)
        if fact.seats:
            seats.choose(books, claim, fact.seats)
    elif fact.seats:
        books.fault(f"booking {claim.id} got other seats when it was paid, and had its own")
    if claim.paid_minor:
        books.fault(f"payment {attempt.id} pays booking {claim.id} a second time")
    claim.payment_id = attempt.id
    claim.expires_ms = claim.pinned_ms = 0
    claim.paid_minor += attempt.amount_minor
    show.paid_minor += attempt.amount_minor
    books.become(claim, CONFIRMED)
    if attempt.reference is not None and fact.provider_reference is None:
        books.fault(f"payment {attempt.id} was {attempt.reference}, and lost that name when it succeeded")
    tell(books, claim, "confirmed")


def payment_failed(books: Books, fact: f.PaymentFailed) -> None:
    attempt = books.attempts.pop(fact.payment_id)
    at_once = attempt.status == PAYMENT_STARTED and not attempt.answered
    _payment_becomes(books, attempt, PAYMENT_FAILED)
    claim = attempt.claim
    claim.unsettled -= 1
    if claim.status == PAYING and claim.payment_id == attempt.id:
        claim.pinned_ms = 0
        books.become(claim, HELD)
        if not at_once:  # else it is the answer to whoever asked
            tell(books, claim, "payment_failed")


def payment_abandoned(books: Books, fact: f.PaymentAbandoned) -> None:
    attempt = books.attempts[fact.payment_id]
    claim = attempt.claim
    _payment_becomes(books, attempt, PAYMENT_ABANDONED)
    if claim.payment_id != attempt.id:
        books.fault(f"payment {attempt.id} was given up, and booking {claim.id} is being paid by {claim.payment_id}")
    if fact.reason == "timed_out" and books.at_ms < max(claim.expires_ms, claim.pinned_ms):
        books.fault(f"payment {attempt.id} was given up {claim.pinned_ms - books.at_ms} ms before its time was over")
    claim.pinned_ms = 0
    books.become(claim, HELD)


def _payment_becomes(books: Books, attempt: Attempt, status: int) -> None:
    if status not in PAYMENT_FOLLOWERS[attempt.status]:
        was, becomes = PAYMENT_NAMES[attempt.status], PAYMENT_NAMES[status]
        books.fault(f"payment {attempt.id}, {was}, can't become {becomes}")
    attempt.status = status


def refund_started(books: Books, fact: f.RefundStarted) -> None:
    claim = books.claims[fact.booking_id]
    show = claim.stock.show
    surplus = bool(fact.surplus_payment_id)
    if fact.refund_id <= books.last_refund_id:
        books.fault(f"refund {fact.refund_id} comes after refund {books.last_refund_id}")
    _check_first_use(books, fact.key, f"refund {fact.refund_id}")
    books.last_refund_id = fact.refund_id
    books.refunds[fact.refund_id] = MoneyBack(fact.refund_id, claim, fact.amount_minor, surplus)
    claim.unsettled += 1
    if surplus:
        due, books.due_refund = books.due_refund, None
        if due is None or due.id != fact.surplus_payment_id or due.amount_minor != fact.amount_minor:
            books.fault(f"refund {fact.refund_id} gives back a payment that did not just pay for nothing")
        show.surplus_refunding_minor += fact.amount_minor
        tell(books, claim, "paid_too_late")
        return
    left_minor = claim.paid_minor - claim.refunding_minor - claim.refunded_minor
    if fact.amount_minor > left_minor:
        books.fault(
            f"refund {fact.refund_id} gives back {fact.amount_minor} of booking {claim.id}, {left_minor} is left"
        )
    elif fact.full != (fact.amount_minor == left_minor):
        books.fault(f"refund {fact.refund_id} of {fact.amount_minor} says full={fact.full}, and {left_minor} is left")
    claim.refunding_minor += fact.amount_minor
    show.refunding_minor += fact.amount_minor
    books.become(claim, REFUND_PENDING if fact.full else PARTIAL_REFUND_PENDING)
    if fact.full:
        freed(books, claim.stock)
    if fact.reason == "event_cancelled":
        tell(books, claim, "event_cancelled")


def refund_succeeded(books: Books, fact: f.RefundSucceeded) -> None:
    refund = books.refunds.pop(fact.refund_id)
    claim = refund.claim
    show = claim.stock.show
    claim.unsettled -= 1
    tell(books, claim, "refunded")
    if refund.surplus:
        show.surplus_refunding_minor -= refund.amount_minor
        show.surplus_refunded_minor += refund.amount_minor
        return
    show.refunding_minor -= refund.amount_minor
    show.refunded_minor += refund.amount_minor
    claim.refunding_minor -= refund.amount_minor
    claim.refunded_minor += refund.amount_minor
    if not claim.refunding_minor:
        books.become(claim, REFUNDED if claim.status == REFUND_PENDING else PARTIALLY_REFUNDED)


def refund_failed(books: Books, fact: f.RefundFailed) -> None:
    """It is still owed."""
    books.refunds[fact.refund_id].failed = True


# --- idempotency keys


def keyed(books: Books, fact: f.Keyed) -> None:
    try:
        reply = replies.decode(fact.reply)
    except msgspec.MsgspecError as error:
        books.fault(f"the answer kept for idempotency key {fact.digest.hex()} can't be read: {error}")
        return
    looked_at = _MADE.get(type(reply))
    books.use_key(fact.digest, fact.fingerprint, looked_at(books, reply) if looked_at else None)


def _check_first_use(books: Books, digest: bytes | None, what: str) -> None:
    if digest is not None and books.kept_key(digest) is not None:
        books.fault(f"idempotency key {digest.hex()} was applied twice: it had its answer, and made {what}")


def _booked(books: Books, reply: replies.Booked | replies.InLine) -> tuple[str, int]:
    claim = books.claims[reply.booking_id]
    if claim.keyed:
        books.fault(f"two idempotency keys made booking {claim.id}")
    claim.keyed = True
    answered = (reply.seq, reply.user_id, reply.quantity, reply.amount_minor)
    if answered != (claim.seq, claim.user_id, claim.quantity, claim.amount_minor):
        books.fault(f"the answer kept for booking {claim.id} is not what was booked at seq {claim.seq}")
    return "booking", claim.id


def _paid(books: Books, reply: replies.Paid) -> tuple[str, int]:
    claim = books.claims[reply.booking_id]
    if claim.status not in COUNTS_AS_SOLD or (claim.payment_id, claim.paid_minor) != (
        reply.payment_id,
        reply.amount_minor,
    ):
        books.fault(
            f"the answer kept says that payment {reply.payment_id} paid booking {claim.id}, which is "
            f"{BOOKING_NAMES[claim.status]}"
        )
    return "payment", reply.payment_id


def _underway(books: Books, reply: replies.PaymentUnderway) -> tuple[str, int]:
    _ = books.attempts[reply.payment_id]
    return "payment", reply.payment_id


def _refund(books: Books, reply: replies.RefundReply) -> tuple[str, int]:
    _ = books.claims[reply.booking_id]
    return "refund", reply.refund_id


_MADE: dict[type, Callable[[Books, Any], tuple[str, int]]] = {
    replies.Booked: _booked,
    replies.InLine: _booked,
    replies.Paid: _paid,
    replies.PaymentUnderway: _underway,
    replies.RefundReply: _refund,
}


def closing_faults(books: Books) -> None:
    """Draw the sums: by event, what was paid less what went back must be what its bookings still have paid."""
    kept: dict[int, int] = {}
    for claim in (*books.claims.values(), *books.away.values()):
        still_paid_minor = claim.paid_minor - claim.refunded_minor
        if still_paid_minor:
            kept[claim.stock.show.id] = kept.get(claim.stock.show.id, 0) + still_paid_minor
        _check_paid_for(books, claim)
    for show in books.shows.values():
        expected_minor = show.paid_minor - show.refunded_minor
        found_minor = kept.get(show.id, 0)
        if expected_minor != found_minor:
            books.fault(
                f"event {show.id} took {show.paid_minor} and gave back {show.refunded_minor} {show.currency} (minor "
                f"units), but its bookings account for {found_minor}"
            )
        if show.surplus_minor != show.surplus_refunding_minor + show.surplus_refunded_minor:
            books.fault(f"event {show.id} keeps money that paid for nothing")


def _check_paid_for(books: Books, claim: Claim) -> None:
    if claim.status in COUNTS_AS_SOLD and claim.paid_minor != claim.amount_minor:
        books.fault(f"booking {claim.id} has tickets for {claim.amount_minor}, and {claim.paid_minor} was paid")
