"""The bodies of bookings, payments, refunds and users, as commands.

Owns which fields these calls take. Checks type and range; whether a value makes sense against the state is for the
engine to say.
"""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ...engine.commands import Book, SaveUser, StartPayment, StartRefund
from ...engine.limits import NAME_CHARACTERS_MAX, QUANTITY_MAX, TICKET_TYPES_MAX
from .body import (
    BodyDecoder,
    Id,
    Money,
    Switch,
    Url,
    UserId,
    check_text,
    check_user_id,
    check_web_url,
    invalid_field,
    to_id,
)

EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321
SEAT_CHARACTERS_MAX: Final = 2 * NAME_CHARACTERS_MAX + 10  # section/row/number

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")

TypeName = Annotated[
    Annotated[int, Meta(ge=1)] | Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)],
    Meta(description="the id or the name of a ticket type"),
]
Quantity = Annotated[int, Meta(ge=1, le=QUANTITY_MAX, description=f"a whole number from 1 to {QUANTITY_MAX}")]
TypeNames = Annotated[
    list[TypeName],
    Meta(min_length=1, max_length=TICKET_TYPES_MAX, description="a list of ids or names of ticket types"),
]
Accessible = Annotated[int, Meta(ge=0, le=QUANTITY_MAX, description="how many of the seats are for wheelchair users")]
Seats = Annotated[
    list[Annotated[str, Meta(max_length=SEAT_CHARACTERS_MAX)]],
    Meta(max_length=QUANTITY_MAX, description='a list of seats such as "section/row/number"'),
]
Token = Annotated[str, Meta(description="a string")]
PersonName = Annotated[
    str, Meta(max_length=NAME_CHARACTERS_MAX, description=f"a string of at most {NAME_CHARACTERS_MAX} characters")
]
Email = Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX, description="an e-mail address")]
Method = Annotated[
    str, Meta(min_length=1, max_length=255, description='a payment method of the provider, such as "pm_card_visa"')
]


class BookBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    user_id: UserId
    event_id: Id
    ticket_type: TypeName | None = None
    quantity: Quantity = 0  # left out: as many as there are seats, else 1
    seats: Seats | None = None
    waitlist: Switch = True
    queue_token: Token | None = None
    challenge: Token | None = None
    ticket_types: TypeNames | None = None
    accessible: Accessible = 0


class PayBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    user_id: UserId
    event_id: Id
    amount: Money
    booking_id: Id | None = None
    payment_method: Method | None = None


class RefundBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    amount: Money | None = None  # all that is left


class UserBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: PersonName | None = None
    email: Email | None = None
    webhook_url: Url | None = None


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """For calls that take nothing."""


_decode_book = BodyDecoder(BookBody).decode
_decode_pay = BodyDecoder(PayBody).decode
_refund = BodyDecoder(RefundBody, may_be_empty=True)
_user = BodyDecoder(UserBody)
_nothing = BodyDecoder(NoBody, may_be_empty=True)


def book_command(body: bytes, hold_ms: int) -> Book:
    """`place_id`, `proof` and `evidence` are left for the call to fill in: `asked_for` has the texts."""
    return asked_for(body, hold_ms)[0]


def asked_for(body: bytes, hold_ms: int) -> tuple[Book, str | None, str | None]:
    """The booking that is asked for, and what was sent as `queueToken` and `challenge`."""
    asked = _decode_book(body)
    user_id, event_id, seats, quantity = asked.user_id, asked.event_id, asked.seats, asked.quantity
    if not user_id.isprintable():
        check_user_id(user_id)
    if type(event_id) is str:
        event_id = to_id(event_id, "eventId")
    if not quantity:
        quantity = len(seats) if seats else 1
    if seats is None and asked.ticket_types is None and not asked.accessible:
        command = Book(user_id, event_id, hold_ms, asked.ticket_type, quantity, asked.waitlist)  # type: ignore[arg-type]
    else:
        command = Book(
            user_id, event_id, hold_ms, asked.ticket_type, quantity, asked.waitlist,  # type: ignore[arg-type]
            tuple(asked.ticket_types or ()), tuple(seats or ()), asked.accessible,
        )  # fmt: skip
    return command, asked.queue_token, asked.challenge


def pay_command(body: bytes) -> StartPayment:
    asked = _decode_pay(body)
    check_user_id(asked.user_id)
    booking_id = None if asked.booking_id is None else to_id(asked.booking_id, "bookingId")
    method = None if asked.payment_method is None else check_text(asked.payment_method, "paymentMethod")
    return StartPayment(asked.user_id, to_id(asked.event_id, "eventId"), asked.amount, booking_id, method)


def refund_command(body: bytes, booking_id: int, hold_ms: int, user_id: str | None = None) -> StartRefund:
    return StartRefund(booking_id, hold_ms, _refund.decode(body).amount, user_id)


def save_user_command(body: bytes, user_id: str) -> SaveUser:
    asked = _user.decode(body)
    if asked.name is not None:
        check_text(asked.name, "name")
    if asked.email is not None and not (_EMAIL.fullmatch(asked.email) and check_text(asked.email, "email")):
        raise invalid_field("email", "must be an e-mail address such as ada@example.org")
    if asked.webhook_url is not None:
        check_web_url(asked.webhook_url, "webhookUrl")
    return SaveUser(user_id, asked.name, asked.email, asked.webhook_url)


def check_nothing(body: bytes) -> None:
    """For calls that take no body, or an empty object."""
    _nothing.decode(body)
