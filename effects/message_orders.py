"""Puts together what a message says, from its delivery and what is known now.

Owns the words and fields of mails and of calls to webhooks. Asked again about the same delivery, it gives the same id.
Whoever has no address any more gets nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from ..engine.money import format_minor
from ..engine.notices import KINDS, MAIL, ORGANISER_WEBHOOK, USER_WEBHOOK
from ..engine.records import Delivery, Event
from ..engine.sale import Sale
from ..engine.state import State
from ..engine.status import HELD, PAYING
from .orders import CallWebhook, Mail, Ticket
from .provider import ProviderUnavailable

_JOURNAL_ID_CHARACTERS: Final = 8  # enough to tell installations apart
_UNKNOWN_KIND: Final = 'There is news of your booking for "{event}".'
_ABOUT_THE_BOOKING: Final = frozenset({"held", "your_turn", "about_to_lapse", "confirmed"})  # its amount is of interest
_encode = msgspec.json.Encoder().encode


class _Data(msgspec.Struct, rename="camel"):
    booking_id: int
    user_id: str
    event_id: int
    event_name: str
    ticket_type: str
    quantity: int
    amount: str | None  # that it is about: to pay, paid, given back
    currency: str
    detail: str | None
    notice_id: int


class _Body(msgspec.Struct):
    type: str
    timestamp: str
    data: _Data


class MessageOrders:
    def __init__(
        self,
        state: State,
        *,
        journal_id: str,
        ticket_codes: Callable[[int, int, int], list[str]],
        webhook_secret: Callable[[str], str],
        mail_domain: str,
    ) -> None:
        self._state = state
        self._installation = journal_id[:_JOURNAL_ID_CHARACTERS]
        self._ticket_codes = ticket_codes
        self._webhook_secret = webhook_secret
        self._mail_domain = mail_domain

    def order(self, delivery: Delivery, now_ms: int) -> Mail | CallWebhook | None:
        """None: there is nobody to send it to any more. Raises ProviderUnavailable while this node can't make it."""
        return self._mail(delivery) if delivery.channel == MAIL else self._call(delivery, now_ms)

    def webhook_url(self, delivery: Delivery) -> str | None:
        """As it is now; None: there is none any more, or it is disabled."""
        if delivery.channel == USER_WEBHOOK:
            user = self._state.users.rows.get(delivery.user_id)
            return None if user is None or user.webhook_disabled else user.webhook_url
        if delivery.channel == ORGANISER_WEBHOOK:
            event = self._state.sales[delivery.event_id].event
            return None if event.webhook_disabled else event.webhook_url
        return None

    def _mail(self, delivery: Delivery) -> Mail | None:
        user = self._state.users.rows.get(delivery.user_id)
        if user is None or user.email is None:
            return None
        if not self._mail_domain:
            raise ProviderUnavailable("No mail server is configured here: set ONSALE_SMTP_URL and ONSALE_MAIL_FROM.")
        sale = self._state.sales[delivery.event_id]
        event = sale.event
        booking = self._state.bookings.rows.get(delivery.booking_id)
        held = booking is not None and booking.status in (HELD, PAYING) and booking.expires_ms
        return Mail(
            message_id=f"onsale.{self._installation}.{delivery.notice_id}@{self._mail_domain}",
            to=user.email,
            name=user.name,
            kind=delivery.kind,
            sentence=_sentence(delivery, event),
            event_name=event.name,
            event_where=", ".join(each for each in (event.venue, event.city, event.country) if each),
            starts_at=_instant(event.starts_ms),
            booking_id=delivery.booking_id,
            amount=_with_currency(self._amount(delivery, event), event),
            expires_at=_instant(booking.expires_ms) if booking is not None and held else "",
            tickets=self._tickets(delivery, sale) if delivery.kind == "confirmed" else (),
        )

    def _tickets(self, delivery: Delivery, sale: Sale) -> tuple[Ticket, ...]:
        codes = self._ticket_codes(delivery.event_id, delivery.booking_id, delivery.quantity)
        if len(codes) != delivery.quantity:
            raise ProviderUnavailable("There is no key yet to sign tickets with.")
        ticket_type = sale.types[delivery.ticket_type_id].name
        return tuple(Ticket(code, number, ticket_type) for number, code in enumerate(codes, 1))

    def _call(self, delivery: Delivery, now_ms: int) -> CallWebhook | None:
        url = self.webhook_url(delivery)
        if url is None:
            return None
        of_user = delivery.channel == USER_WEBHOOK
        secret = self._webhook_secret(f"user:{delivery.user_id}" if of_user else f"event:{delivery.event_id}")
        if not secret:
            raise ProviderUnavailable("There is no key yet to sign calls to webhooks with.")
        sale = self._state.sales[delivery.event_id]
        event = sale.event
        data = _Data(
            booking_id=delivery.booking_id,
            user_id=delivery.user_id,
            event_id=event.id,
            event_name=event.name,
            ticket_type=sale.types[delivery.ticket_type_id].name,
            quantity=delivery.quantity,
            amount=self._amount(delivery, event),
            currency=event.currency,
            detail=delivery.detail or None,
            notice_id=delivery.notice_id,
        )
        body = _encode(_Body(f"booking.{delivery.kind}", _instant(delivery.at_ms), data))
        return CallWebhook(url, secret, f"msg_{self._installation}_{delivery.notice_id}", now_ms, body)

    def _amount(self, delivery: Delivery, event: Event) -> str | None:
        """What the message is about, as a decimal; None: it is not about money."""
        amount_minor = delivery.amount_minor
        if delivery.kind in _ABOUT_THE_BOOKING:
            booking = self._state.bookings.rows.get(delivery.booking_id)
            amount_minor = amount_minor or (booking.amount_minor if booking is not None else 0)
        return format_minor(amount_minor, event.currency) if amount_minor else None


def _sentence(delivery: Delivery, event: Event) -> str:
    kind = KINDS.get(delivery.kind)
    sentence = _UNKNOWN_KIND if kind is None else kind.sentence
    amount = f"{format_minor(delivery.amount_minor, event.currency)} {event.currency}"
    return sentence.format(event=event.name, amount=amount, detail=delivery.detail).strip()


def _with_currency(amount: str | None, event: Event) -> str:
    return "" if amount is None else f"{amount} {event.currency}"


def _instant(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    whole = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
