"""Facts and answers in words.

Owns one sentence for each kind of fact, and for each kind of answer kept with an idempotency key. Says what happened,
to whom, and because of what; pure, and never mends or guesses.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ...engine import facts as f
from ...engine import replies
from ...engine.status import BOOKING_NAMES, REFUND_NAMES
from ...http.wire.times import format_ms
from .sentences_onsale import SENTENCES_OF_THE_ONSALE
from .sentences_outside import SENTENCES_OF_THE_OUTSIDE
from .story import KnownEvent, Story


def sentence(story: Story, fact: f.Fact) -> str:
    """`story` has followed every fact before this one."""
    return _SENTENCES[type(fact)](story, fact)


DETAILS_IN_WORDS = {
    "name": "its name",
    "starts_ms": "when it starts",
    "ends_ms": "when it ends",
    "venue": "its venue",
    "city": "its city",
    "country": "its country",
    "category": "its category",
    "description": "its description",
    "currency": "its currency",
    "on_sale_ms": "when its sale begins",
    "max_per_user": "how many tickets a user may have",
    "max_holds_per_user": "how many holds a user may have",
    "waitlist": "its waitlist",
    "webhook_url": "where its organiser is told",
    "challenge": "whether a challenge is asked for",
    "offer_ms": "how long those in line have once it is their turn",
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seconds(ms: int) -> str:
    return f"{ms / 1000:g} s"


def _prices(types: dict[int, f.TypeDetails], event: KnownEvent) -> str:
    return ", ".join(f"{each.capacity} x {each.name} at {event.money(each.price_minor)}" for each in types.values())


# --- facts


def _event_created(_story: Story, fact: f.EventCreated) -> str:
    event = KnownEvent(fact.event_id, fact.details, {each.ticket_type_id: each for each in fact.types})
    where = ", ".join(part for part in (fact.details.venue, fact.details.city) if part)
    when = format_ms(fact.details.starts_ms)
    return f"{_capital(str(event))} was created: {where + ', ' if where else ''}{when}, {_prices(event.types, event)}."


def _event_changed(story: Story, fact: f.EventChanged) -> str:
    known = story.events.get(fact.event_id)
    event = KnownEvent(fact.event_id, fact.details, {each.ticket_type_id: each for each in fact.types})
    changes = []
    if known is not None:
        changes = [
            words
            for name, words in DETAILS_IN_WORDS.items()
            if getattr(known.details, name) != getattr(fact.details, name)
        ]
    if fact.types:
        changes.append(f"its tickets (now {_prices(event.types, event)})")
    return f"{_capital(str(event))} was changed: {', '.join(changes) or 'nothing is different'}."


def _held(story: Story, fact: f.Held) -> str:
    tickets = story.tickets(fact.event_id, fact.ticket_type_id, fact.quantity)
    return (
        f"Booking {fact.booking_id}: {tickets} of {story.event(fact.event_id)}"
        f"{story.seats(fact.event_id, fact.seats)} held for {fact.user_id} at "
        f"{story.money(fact.event_id, fact.amount_minor)}, until {format_ms(fact.expires_ms)} "
        f"({_seconds(fact.expires_ms - story.at_ms)})."
    )


def _waited(story: Story, fact: f.Waited) -> str:
    before = story.waiting.get(fact.ticket_type_id, 0)
    why = f"{before} wait already" if before else "not enough were free"
    others = [story.ticket_type(fact.event_id, each) for each in fact.also]
    any_of = f", or of {' or '.join(others)}, whichever is free first," if others else ""
    return (
        f"Booking {fact.booking_id}: {fact.user_id} stands in line for "
        f"{story.tickets(fact.event_id, fact.ticket_type_id, fact.quantity)}{any_of} of "
        f"{story.event(fact.event_id)}, at position {before + 1}, because {why}."
    )


def _promoted(story: Story, fact: f.Promoted) -> str:
    booking = story.bookings.get(fact.booking_id)
    tickets, seats = story.tickets_of(fact.booking_id), ""
    if booking is not None:
        ticket_type_id = fact.ticket_type_id or booking.ticket_type_id
        tickets = story.tickets(booking.event_id, ticket_type_id, booking.quantity)
        seats = story.seats(booking.event_id, fact.seats)
    return (
        f"Booking {fact.booking_id}: its turn came, {story.cause_of_promotion(fact)}; {tickets}{seats} held for "
        f"{story.user_of(fact.booking_id)} until {format_ms(fact.expires_ms)}."
    )


def _lapse_warned(story: Story, fact: f.LapseWarned) -> str:
    booking = story.bookings.get(fact.booking_id)
    until = f" at {format_ms(booking.expires_ms)}" if booking is not None and booking.expires_ms else ""
    return f"Booking {fact.booking_id}: {story.user_of(fact.booking_id)} is told that the hold ends soon{until}."


def _lapsed(story: Story, fact: f.Lapsed) -> str:
    booking = story.bookings.get(fact.booking_id)
    if booking is not None and booking.status == "waiting":
        return f"Booking {booking.id}: the sale was over before its turn came."
    return f"Booking {fact.booking_id}: the hold ran out unpaid, which frees {story.tickets_of(fact.booking_id)}."


CANCELLED_IN_WORDS = {
    "given_up": "was given up by its user",
    "declined": "ended because its user declined what was offered from the line",
    "event_cancelled": "ended because its event was cancelled",
    "capacity": "ended because it is for more tickets than there are in all now",
}


def _booking_cancelled(_story: Story, fact: f.BookingCancelled) -> str:
    return f"Booking {fact.booking_id} {CANCELLED_IN_WORDS.get(fact.reason, f'ended: {fact.reason}')}."


def _bookings(ids: tuple[int, ...]) -> str:
    numbers = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
    return f"{'Bookings' if len(ids) > 1 else 'Booking'} {numbers}"


def _retired(_story: Story, fact: f.Retired) -> str:
    return f"{_bookings(fact.booking_ids)}: ended for so long that only the checkpoint keeps them."


def _archived(_story: Story, fact: f.Archived) -> str:
    return f"{_bookings(fact.booking_ids)}: paid, and the event is long over; only the checkpoint keeps them."


def _recalled(_story: Story, fact: f.Recalled) -> str:
    return f"Booking {fact.booking_id} is back from the checkpoint, for money of it goes back."


def _payment_started(story: Story, fact: f.PaymentStarted) -> str:
    amount = story.money_of(fact.booking_id, fact.amount_minor)
    by = f" by {fact.method}" if fact.method else ""
    return (
        f"Booking {fact.booking_id}: payment {fact.payment_id} of {amount}{by} began; meanwhile the hold can't lapse, "
        f"until {format_ms(fact.pinned_ms)} at the latest."
    )


def _payment_pending(story: Story, fact: f.PaymentPending) -> str:
    waits = "waits for a step of the user's" if fact.requires_action else "is being processed by the provider"
    return f"{_payment(story, fact.payment_id)} {waits}."


def _payment_succeeded(story: Story, fact: f.PaymentSucceeded) -> str:
    reference = f" ({fact.provider_reference})" if fact.provider_reference else ""
    booking = story.bookings.get(story.booking_paid_by(fact.payment_id))
    if fact.surplus:
        why = f"the booking was {booking.status} by then" if booking is not None else "the booking was over by then"
        return f"{_payment(story, fact.payment_id)} succeeded{reference} when {why}: its money goes back."
    again = booking is not None and booking.status == "expired"
    late = "; it had lapsed, and took tickets that were still free" if again else ""
    return f"{_payment(story, fact.payment_id)} succeeded{reference}: the booking is confirmed{late}."


def _payment_failed(story: Story, fact: f.PaymentFailed) -> str:
    detail = f" ({fact.detail})" if fact.detail else ""
    return f"{_payment(story, fact.payment_id)} was declined: {fact.failure}{detail}."


ABANDONED_IN_WORDS = {
    "timed_out": "its time was over",
    "superseded": "another attempt took its place",
    "given_up": "the user gave the booking up",
    "event_cancelled": "the event was cancelled",
}


def _payment_abandoned(story: Story, fact: f.PaymentAbandoned) -> str:
    why = ABANDONED_IN_WORDS.get(fact.reason, fact.reason)
    return f"{_payment(story, fact.payment_id)} is waited for no longer: {why}."


def _payment(story: Story, payment_id: int) -> str:
    booking_id = story.booking_paid_by(payment_id)
    return f"Booking {booking_id}: payment {payment_id}" if booking_id else f"Payment {payment_id}"


REFUND_IN_WORDS = {
    "requested": "as was asked for",
    "event_cancelled": "because its event was cancelled",
    "surplus": "because it was paid for nothing",
}


def _refund_started(story: Story, fact: f.RefundStarted) -> str:
    amount = story.money_of(fact.booking_id, fact.amount_minor)
    what = f"of payment {fact.surplus_payment_id}" if fact.surplus_payment_id else ""
    what = what or ("of all that is left" if fact.full else "of a part")
    tickets = f"; {story.tickets_of(fact.booking_id)} back on sale" if fact.full else ""
    why = REFUND_IN_WORDS.get(fact.reason, fact.reason)
    return f"Booking {fact.booking_id}: refund {fact.refund_id} of {amount}, {what}, began, {why}{tickets}."


def _refund_succeeded(story: Story, fact: f.RefundSucceeded) -> str:
    return f"{_refund(story, fact.refund_id)} is back with the user."


def _refund_failed(story: Story, fact: f.RefundFailed) -> str:
    return f"{_refund(story, fact.refund_id)} failed at the provider: {fact.failure}. The money is still owed."


def _refund(story: Story, refund_id: int) -> str:
    booking_id, amount_minor = story.refunds.get(refund_id, (0, 0))
    if not booking_id:
        return f"Refund {refund_id}"
    return f"Booking {booking_id}: refund {refund_id} of {story.money_of(booking_id, amount_minor)}"


def _user_saved(_story: Story, fact: f.UserSaved) -> str:
    fields = {"name": fact.name, "e-mail address": fact.email, "webhook": fact.webhook_url}
    given = ", ".join(name for name, value in fields.items() if value)
    return f"User {fact.user_id} was saved, {'with ' + given if given else 'with nothing else'}."


def _keyed(story: Story, fact: f.Keyed) -> str:
    try:
        reply = replies.decode(fact.reply)
    except msgspec.MsgspecError:
        return f"The answer to idempotency key {fact.digest.hex()[:8]} was kept; it can't be read."
    return f"{answer(story, reply)} Kept as the answer to idempotency key {fact.digest.hex()[:8]}."


def _event_cancelled(story: Story, fact: f.EventCancelled) -> str:
    return f"{_capital(story.event(fact.event_id))} was cancelled; its bookings are ended one by one from here on."


def _sale_closed(story: Story, fact: f.SaleClosed) -> str:
    return f"{_capital(story.event(fact.event_id))}: its sale is over."


def _epoch_begun(story: Story, fact: f.EpochBegun) -> str:
    before = f", after {story.leader}" if story.leader and story.leader != fact.leader else ""
    return f"Epoch {fact.epoch} began: {fact.leader} decides from here on{before}."


def _member_saved(story: Story, fact: f.MemberSaved) -> str:
    known = story.members.get(fact.name)
    role = "a voting member" if fact.voting else "a read replica"
    if known is None:
        replication = f", replication at {fact.replication}" if fact.replication else ""
        http = f", HTTP at {fact.http}" if fact.http else ""
        return f"Node {fact.name} ({fact.node_id.hex()[:8]}) takes part as {role}{replication}{http}."
    changes = []
    if known.node_id != fact.node_id:
        changes.append(f"it is another node ({fact.node_id.hex()[:8]}) under the same name")
    if known.voting != fact.voting:
        changes.append(f"it is {role} from here on")
    if known.replication != fact.replication:
        changes.append(f"replication is at {fact.replication}" if fact.replication else "it takes no followers")
    if known.http != fact.http:
        changes.append(f"HTTP is at {fact.http}" if fact.http else "it serves no HTTP")
    return f"Node {fact.name} was changed: {', '.join(changes) or 'nothing is different'}."


def _member_removed(_story: Story, fact: f.MemberRemoved) -> str:
    return f"Node {fact.name} was removed from the cluster."


def _sync_standbys_set(_story: Story, fact: f.SyncStandbysSet) -> str:
    standbys = {0: "", 1: " and 1 standby"}.get(fact.count, f" and {fact.count} standbys")
    return f"From here on a write is answered when the primary{standbys} {'have' if fact.count else 'has'} it on disk."


def _ticket_key_saved(_story: Story, _fact: f.TicketKeySaved) -> str:
    return "The key that signs ticket codes was saved; it is a secret and not shown."


_SENTENCES: dict[type, Callable[[Story, Any], str]] = {
    f.EventCreated: _event_created,
    f.EventChanged: _event_changed,
    f.EventCancelled: _event_cancelled,
    f.SaleClosed: _sale_closed,
    f.Held: _held,
    f.Waited: _waited,
    f.Promoted: _promoted,
    f.LapseWarned: _lapse_warned,
    f.Lapsed: _lapsed,
    f.BookingCancelled: _booking_cancelled,
    f.Retired: _retired,
    f.Archived: _archived,
    f.Recalled: _recalled,
    f.PaymentStarted: _payment_started,
    f.PaymentPending: _payment_pending,
    f.PaymentSucceeded: _payment_succeeded,
    f.PaymentFailed: _payment_failed,
    f.PaymentAbandoned: _payment_abandoned,
    f.RefundStarted: _refund_started,
    f.RefundSucceeded: _refund_succeeded,
    f.RefundFailed: _refund_failed,
    f.UserSaved: _user_saved,
    f.Keyed: _keyed,
    f.EpochBegun: _epoch_begun,
    f.MemberSaved: _member_saved,
    f.MemberRemoved: _member_removed,
    f.SyncStandbysSet: _sync_standbys_set,
    f.TicketKeySaved: _ticket_key_saved,
}
_SENTENCES |= SENTENCES_OF_THE_OUTSIDE | SENTENCES_OF_THE_ONSALE
assert set(_SENTENCES) == set(f.Fact.__args__), "every fact has its words"


# --- answers


def answer(story: Story, reply: replies.Reply) -> str:
    """What was answered, in a sentence."""
    match reply:
        case replies.Refusal():
            return f"A request was refused ({reply.code}): {reply.detail}"
        case replies.Booked():
            return f"A request was answered with booking {reply.booking_id}, held."
        case replies.InLine():
            return f"A request was answered with booking {reply.booking_id}, waiting at position {reply.position}."
        case replies.Paid():
            return f"A request was answered with payment {reply.payment_id}: booking {reply.booking_id} is confirmed."
        case replies.PaymentUnderway():
            state = "the user must take a step" if reply.requires_action else "under way"
            return f"A request was answered with payment {reply.payment_id} for booking {reply.booking_id}: {state}."
        case replies.RefundReply():
            state = REFUND_NAMES[reply.status]
            return f"A request was answered with refund {reply.refund_id} of booking {reply.booking_id}: {state}."
        case replies.BookingReply():
            return f"A request was answered with booking {reply.booking_id}, {BOOKING_NAMES[reply.status]}."
        case replies.EventReply():
            return f"A request was answered with {story.event(reply.event_id)}."
        case replies.UserReply():
            return f"A request was answered with user {reply.user_id}."
        case replies.Admitted():
            return f"A request was answered: ticket {reply.number} of booking {reply.booking_id} admits."
        case replies.Queued():
            what = f"with number {reply.number}" if reply.number else "whose number is drawn at the opening"
            had = "" if reply.joined else ", had before"
            return f"A request was answered with arrival {reply.arrival} at {story.event(reply.event_id)}, {what}{had}."
        case replies.Done():
            return "A request was answered; nothing had to change."


def booking_answered(reply: replies.Reply) -> int | None:
    """The booking that an answer is about, if any."""
    if isinstance(reply, replies.Refusal):
        booking_id = (reply.extra or {}).get("bookingId")
        return booking_id if isinstance(booking_id, int) else None
    return getattr(reply, "booking_id", None)
