"""What the node has done for it by its worker process, and what came of it: the frames between the two.

Owns their shapes. An order is answered once, with an `Answer`. Both ends are the same version of this program, so
nothing here is kept anywhere.
"""

import msgspec

from ..engine.commands import (
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
)
from .provider import Charge, PaymentPage, RefundOrder, RefundPage, RefundResult


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    charge: Charge


class Confirm(msgspec.Struct, frozen=True, tag="confirm"):
    charge: Charge


class Look(msgspec.Struct, frozen=True, tag="look"):
    charge: Charge


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    charge: Charge


class GiveBack(msgspec.Struct, frozen=True, tag="give_back"):
    order: RefundOrder


class LookAtRefund(msgspec.Struct, frozen=True, tag="look_at_refund"):
    order: RefundOrder


class ListPayments(msgspec.Struct, frozen=True, tag="list_payments"):
    since_ms: int
    cursor: str | None


class ListRefunds(msgspec.Struct, frozen=True, tag="list_refunds"):
    since_ms: int
    cursor: str | None


class Ticket(msgspec.Struct, frozen=True):
    code: str
    number: int
    ticket_type: str


class Mail(msgspec.Struct, frozen=True, tag="mail"):
    """One message to one person. `message_id` is the same whenever it is sent again."""

    message_id: str  # without angle brackets: onsale.<journal>.<notice>@<host>
    to: str
    name: str | None
    kind: str  # engine.notices.KINDS
    sentence: str  # what it says
    event_name: str
    event_where: str  # "Waldbühne, Berlin"; may be empty
    starts_at: str  # RFC 3339
    booking_id: int
    amount: str  # "49.90 EUR"; empty when no money is meant
    expires_at: str = ""  # RFC 3339, of the hold; empty when there is none
    tickets: tuple[Ticket, ...] = ()


class CallWebhook(msgspec.Struct, frozen=True, tag="call_webhook"):
    """One POST as Standard Webhooks has it; `message_id` is the same whenever it is sent again."""

    url: str
    secret: str  # whsec_…
    message_id: str
    at_ms: int
    body: bytes  # JSON


class DrawCode(msgspec.Struct, frozen=True, tag="draw_code"):
    """A picture of a ticket's code. `form`: svg or png."""

    code: str
    form: str


Order = (
    Begin
    | Confirm
    | Look
    | Cancel
    | GiveBack
    | LookAtRefund
    | ListPayments
    | ListRefunds
    | Mail
    | CallWebhook
    | DrawCode
)


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """A message is with whoever takes it on."""


class NotSent(msgspec.Struct, frozen=True, tag="not_sent"):
    """A message was not taken. `for_good`: asking again is of no use. `gone`: the webhook said so (410).

    `retry_after_seconds`: what the other side asked for, if it did.
    """

    failure: str
    for_good: bool = False
    gone: bool = False
    retry_after_seconds: float | None = None


class Drawn(msgspec.Struct, frozen=True, tag="drawn"):
    picture: bytes


class Unavailable(msgspec.Struct, frozen=True, tag="unavailable"):
    """Whoever was to be asked could not be: it is not about this order. Ask again later."""

    reason: str
    retry_after_seconds: float | None = None
    down: bool = True


Answer = (
    PaymentPreparedOutcome
    | PaymentSucceededOutcome
    | PaymentPendingOutcome
    | PaymentDeclinedOutcome
    | PaymentFailedOutcome
    | RefundResult
    | PaymentPage
    | RefundPage
    | Sent
    | NotSent
    | Drawn
    | Unavailable
)
