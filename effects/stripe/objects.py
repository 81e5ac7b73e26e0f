"""Stripe's objects, as far as they matter here, and the names under which they say whose they are.

Owns the shapes: an answer that is not of one of them is no answer. What Stripe may add or leave out between its
versions is not asked for.
"""

from typing import Annotated, Literal

import msgspec

JOURNAL = "onsale_journal"
PAYMENT = "onsale_payment"
BOOKING = "onsale_booking"
REFUND = "onsale_refund"
REFERENCE = "onsale_reference"

Amount = Annotated[int, msgspec.Meta(ge=0)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Metadata = dict[str, str]


class LastError(msgspec.Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None


class ListedCharge(msgspec.Struct, frozen=True):
    amount_refunded: Amount = 0


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent."""

    id: Id
    object: Literal["payment_intent"]
    status: str
    amount: Amount
    currency: str
    created: int
    metadata: Metadata | None = None
    client_secret: str | None = None
    amount_received: Amount | None = None
    last_payment_error: LastError | None = None
    latest_charge: ListedCharge | str | None = None


class Refund(msgspec.Struct, frozen=True):
    id: Id
    object: Literal["refund"]
    amount: Amount
    currency: str
    created: int
    status: str | None = None
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: Metadata | None = None


class IntentPage(msgspec.Struct, frozen=True):
    data: list[Intent]
    has_more: bool


class RefundsPage(msgspec.Struct, frozen=True):
    data: list[Refund]
    has_more: bool


def named(metadata: Metadata | None, name: str) -> int:
    """The number that one of our objects has here; 0 when the metadata does not say."""
    text = (metadata or {}).get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def journal_of(metadata: Metadata | None) -> str:
    return (metadata or {}).get(JOURNAL, "")
