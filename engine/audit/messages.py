"""What an audit asks of messages: each is owed before it is sent, sent once, and not any more once it was given up.

Owns who is owed which message, in the auditor's books, written from the public promises and sharing no code with
`apply`: from notices.py it takes the kinds, and how a message is numbered. Of a message it keeps its number alone.
"""

from .. import facts as f
from ..limits import DELIVERIES_MAX
from ..notices import KINDS, MAIL, ORGANISER_WEBHOOK, USER_WEBHOOK, delivery_id
from ..state import State
from ..status import COUNTS_FOR_USER
from .books import Books, Claim, Show

# what is known of how to reach a user, added up
_BY_MAIL, _BY_WEBHOOK = 1, 2


def tell(books: Books, claim: Claim, kind: str, *, organiser_alone: bool = False) -> None:
    """Somebody is told something: note by which ways."""
    books.last_notice_id += 1
    show, ways = claim.stock.show, 0 if organiser_alone else books.reachable.get(claim.user_id, 0)
    if ways & _BY_MAIL and books.mail and KINDS[kind].mailed:
        _owe(books, MAIL)
    if ways & _BY_WEBHOOK:
        _owe(books, USER_WEBHOOK)
    if show.webhook_url is not None and not show.webhook_disabled and KINDS[kind].for_organiser:
        _owe(books, ORGANISER_WEBHOOK)


def _owe(books: Books, channel: int) -> None:
    if len(books.owed) + len(books.given_up) < DELIVERIES_MAX:
        books.owed.add(delivery_id(books.last_notice_id, channel))


# --- how somebody is reached


def user_saved(books: Books, fact: f.UserSaved) -> None:
    ways = _BY_MAIL * (fact.email is not None) + _BY_WEBHOOK * (fact.webhook_url is not None)
    if ways:
        books.reachable[fact.user_id] = ways
    else:
        books.reachable.pop(fact.user_id, None)


def user_webhook_disabled(books: Books, fact: f.UserWebhookDisabled) -> None:
    ways = books.reachable.get(fact.user_id, 0)
    if not ways & _BY_WEBHOOK:
        books.fault(f'the webhook of user "{fact.user_id}" is not called any more, and there was none')
    books.reachable[fact.user_id] = ways & ~_BY_WEBHOOK


def event_webhook_disabled(books: Books, fact: f.EventWebhookDisabled) -> None:
    show = books.shows[fact.event_id]
    if show.webhook_url is None or show.webhook_disabled:
        books.fault(f"the webhook of event {show.id} is not called any more, and there was none")
    show.webhook_disabled = True


def mail_set(books: Books, fact: f.MailSet) -> None:
    books.mail = fact.on


# --- what people come for has changed


def describe(show: Show, details: f.EventDetails, *, tell_below: int = 0) -> None:
    """Note what those who have tickets must know; where it has changed, those below `tell_below` must be told."""
    known = (details.name, details.starts_ms, details.ends_ms, details.venue, details.city, details.country)
    if show.known != known and show.known and tell_below and show.booked:
        show.told, show.tell_below = 0, tell_below
    show.known = known
    if details.webhook_url != show.webhook_url:
        show.webhook_url, show.webhook_disabled = details.webhook_url, False


def change_told(books: Books, fact: f.ChangeTold) -> None:
    show, through = books.shows[fact.event_id], fact.through
    if show.cancelled:
        books.fault(f"people were told of a change of event {show.id}, which is cancelled")
    if not show.told < through < show.tell_below:
        books.fault(
            f"people up to booking {through} were told of a change of event {show.id}; those from {show.told + 1} on, "
            f"and below {show.tell_below}, should be"
        )
    for booking_id in fact.booking_ids:
        claim = books.claims[booking_id]
        if claim.stock.show is not show:
            books.fault(f"booking {booking_id} was told of a change of event {show.id}, and is for another one")
        elif not show.told < booking_id <= through:
            books.fault(f"booking {booking_id} was told of a change of event {show.id} that it was told of before")
        elif claim.status not in COUNTS_FOR_USER:
            books.fault(f"booking {booking_id} was told of a change of event {show.id}, and has ended")
        tell(books, claim, "changed")
    told = set(fact.booking_ids)
    if len(told) < len(fact.booking_ids):
        books.fault(f"somebody was told twice of one change of event {show.id}")
    for booking_id in range(show.told + 1, min(through + 1, show.tell_below)):
        left = books.claims.get(booking_id)
        if left is None or booking_id in told or left.stock.show is not show:
            continue
        if left.status in COUNTS_FOR_USER:
            books.fault(f"booking {booking_id} was passed over when people were told of a change of event {show.id}")
    show.told = through


# --- what became of messages


def delivered(books: Books, fact: f.Delivered) -> None:
    number = fact.delivery_id
    if number in books.owed:
        books.owed.remove(number)
    elif number in books.given_up:
        books.fault(f"message {number} was sent after it was given up, and nobody asked for that")
        books.given_up.remove(number)
    else:
        books.fault(f"message {number} was sent, and nobody is owed it: it never was, or it has been sent before")


def delivery_failed(books: Books, fact: f.DeliveryFailed) -> None:
    number = fact.delivery_id
    if number in books.given_up:
        books.fault(f"message {number} was tried after it was given up, and nobody asked for that")
    elif number not in books.owed:
        books.fault(f"message {number} could not be sent, and nobody is owed it")
    elif not fact.due_ms:
        books.owed.remove(number)
        books.given_up.add(number)


def delivery_retried(books: Books, fact: f.DeliveryRetried) -> None:
    number = fact.delivery_id
    if number not in books.given_up:
        books.fault(f"message {number} is tried again, and it had not been given up")
        return
    books.given_up.remove(number)
    books.owed.add(number)


def delivery_dropped(books: Books, fact: f.DeliveryDropped) -> None:
    number = fact.delivery_id
    if number not in books.owed and number not in books.given_up:
        books.fault(f"message {number} has nobody to go to, and nobody is owed it")
    books.owed.discard(number)
    books.given_up.discard(number)


# --- beside a state


def open_messages(books: Books, state: State) -> None:
    """Take what a checkpoint knows as it stands."""
    books.last_notice_id = state.next_notice_id - 1
    books.mail = bool(state.mail)
    for user in state.users.rows.values():
        user_saved(books, f.UserSaved(user.id, user.name, user.email, user.webhook_url))
        if user.webhook_disabled and user.webhook_url is not None:
            user_webhook_disabled(books, f.UserWebhookDisabled(user.id))
    for event in state.events.rows.values():
        show = books.shows[event.id]
        show.known = (event.name, event.starts_ms, event.ends_ms, event.venue, event.city, event.country)
        show.webhook_url, show.webhook_disabled = event.webhook_url, event.webhook_disabled
        show.told, show.tell_below = event.told, event.tell_below
    for delivery in state.deliveries.rows.values():
        (books.given_up if delivery.dead else books.owed).add(delivery.id)


def differences(books: Books, state: State) -> list[str]:
    """Where the engine's state says otherwise."""
    found = []
    if state.next_notice_id != books.last_notice_id + 1:
        found.append(f"the engine told {state.next_notice_id - 1} things and the audit {books.last_notice_id}")
    dead = {row.id for row in state.deliveries.rows.values() if row.dead}
    live = state.deliveries.rows.keys() - dead
    for what, engine, audit in (("owes", live, books.owed), ("gave up", dead, books.given_up)):
        if engine != audit:
            some = sorted(engine ^ audit)[:5]
            found.append(f"the engine {what} {len(engine)} messages and the audit {len(audit)}; they differ in {some}")
    for event_id, sale in state.sales.items():
        show, event = books.shows[event_id], sale.event
        if (show.told, show.tell_below) != (event.told, event.tell_below):
            found.append(f"of the change of event {event_id} the engine told up to {event.told}, the audit {show.told}")
    return found
