"""What a mail says, in words: its subject, and the lines below its sentence.

Owns the words alone. Everything here is plain text in single lines; how it gets into a message is not its business.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from ..orders import Mail, Ticket
from .text import one_line

TICKETS_PICTURED_MAX: Final = 50  # a mail must stay small enough for every mail server, and soon be made
_NAME_CHARACTERS_MAX: Final = 200

SUBJECTS: Final = {
    "your_turn": "It is your turn: tickets for {event}",
    "confirmed": "Your tickets for {event}",
    "paid_too_late": "Your payment for {event} is on its way back",
    "refunded": "Your money back for {event}",
    "cancelled": "Cancelled: your booking for {event}",
    "event_cancelled": "Cancelled: {event}",
    "changed": "Changed: {event}",
}
_SUBJECT_OF_OTHERS: Final = "Your booking for {event}"
_AMOUNT_NAMES: Final = {
    "your_turn": "To pay",
    "held": "To pay",
    "about_to_lapse": "To pay",
    "confirmed": "Paid",
    "refunded": "Given back",
    "event_cancelled": "On its way back",
    "paid_too_late": "On its way back",
}


class Line(NamedTuple):
    label: str
    text: str


class Words(NamedTuple):
    """`link`: to the booking; "": there is none. `rest`: about tickets without a picture."""

    subject: str
    name: str
    greeting: str
    sentence: str
    lines: list[Line]
    link: str
    tickets: list[Ticket]
    hint: str
    rest: str


def words_of(mail: Mail, *, public_url: str, now: datetime) -> Words:
    """`now` tells how long a hold still lasts."""
    event = one_line(mail.event_name, _NAME_CHARACTERS_MAX)
    name = one_line(mail.name or "", _NAME_CHARACTERS_MAX)
    lines = [Line("Event", event), Line("When", _moment(mail.starts_at))]
    if mail.event_where:
        lines.append(Line("Where", one_line(mail.event_where)))
    lines.append(Line("Booking", str(mail.booking_id)))
    if mail.amount:
        lines.append(Line(_AMOUNT_NAMES.get(mail.kind, "Amount"), one_line(mail.amount)))
    if mail.expires_at:
        lines.append(Line("Held until", _deadline(mail.expires_at, now)))
    tickets = [
        Ticket(one_line(each.code), each.number, one_line(each.ticket_type, _NAME_CHARACTERS_MAX))
        for each in mail.tickets
    ]
    hint = "Show this code at the door, printed or on your phone." if len(tickets) == 1 else ""
    if len(tickets) > 1:
        hint = "Show these codes at the door, printed or on a phone: each lets one person in, once."
    rest = ""
    if len(tickets) > TICKETS_PICTURED_MAX:
        rest = f"Pictures of the first {TICKETS_PICTURED_MAX} codes are attached; the others count just the same."
    return Words(
        subject=SUBJECTS.get(mail.kind, _SUBJECT_OF_OTHERS).format(event=event),
        name=name,
        greeting=f"Hello {name}," if name else "Hello,",
        sentence=one_line(mail.sentence, 2_000),
        lines=lines,
        link=f"{public_url}/booking/{mail.booking_id}" if public_url else "",
        tickets=tickets,
        hint=hint,
        rest=rest,
    )


def _moment(instant: str) -> str:
    """Sunday, 22 November 2026, 20:00 UTC."""
    at = datetime.fromisoformat(instant).astimezone(UTC)
    return f"{at:%A}, {at.day} {at:%B} {at.year}, {at:%H:%M} UTC"


def _deadline(instant: str, now: datetime) -> str:
    """With how long that is from now, as nobody knows UTC by heart."""
    left_seconds = (datetime.fromisoformat(instant) - now).total_seconds()
    if left_seconds < 60:
        return _moment(instant)
    minutes = int(left_seconds // 60)
    hours, rest = divmod(minutes, 60)
    if hours:
        left = f"{hours} h {rest} min" if rest else f"{hours} h"
    else:
        left = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"{_moment(instant)} ({left} from when this was sent)"
