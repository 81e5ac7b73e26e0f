"""Differences between our payments and refunds and the provider's: their shape, and their words to a person.

Owns the sentences, and what is remembered of each row that was compared. Judges nothing.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from ..engine.commands import RaiseConcern, SettlePayment, SettleRefund
from ..engine.money import EXPONENTS, format_minor
from ..engine.records import Payment, Refund
from ..engine.status import PAYMENT_FAILED
from .provider import ListedPayment, ListedRefund

YOUNG_MS: Final = 60_000
READ_AT_ONCE: Final = 256  # rows of ours: a quarter of a millisecond
SETTLED: Final = "settled"
REFUND_SETTLED: Final = "refund_settled"


class Scope(msgspec.Struct, frozen=True):
    """What is compared: ours from `first_id` up to, not including, `end_id`; as it was at `until_ms`."""

    journal_id: str
    first_id: int
    end_id: int
    until_ms: int

    def is_young(self, *created_ms: int) -> bool:
        return max(created_ms) > self.until_ms - YOUNG_MS


class Difference(msgspec.Struct, frozen=True):
    """`kind`: SETTLED or REFUND_SETTLED, and `mend` does it; else that of the concern. `at_ms`: it is no older."""

    kind: str
    reference: str
    detail: str
    at_ms: int
    payment_id: int = 0
    booking_id: int = 0
    refund_id: int = 0
    amount_minor: int = 0
    currency: str = ""
    mend: SettlePayment | SettleRefund | None = None

    @property
    def concern_id(self) -> str:
        return f"{self.kind}:{self.reference}"

    @property
    def concern(self) -> RaiseConcern:
        return RaiseConcern(
            self.kind, self.reference, self.detail, self.booking_id, self.payment_id, self.refund_id,
            self.amount_minor, self.currency,
        )  # fmt: skip


class Marks:
    """A bit for each id of a scope."""

    def __init__(self, scope: Scope) -> None:
        self._first_id, self._end_id = scope.first_id, max(scope.end_id, scope.first_id)
        self._bits = bytearray((self._end_id - self._first_id) // 8 + 1)
        self.count = 0

    def add(self, number: int) -> None:
        """Outside of the scope it is forgotten."""
        if self._first_id <= number < self._end_id and number not in self:
            place = number - self._first_id
            self._bits[place >> 3] |= 1 << (place & 7)
            self.count += 1

    def __contains__(self, number: int) -> bool:
        place = number - self._first_id
        return place >= 0 and number < self._end_id and bool(self._bits[place >> 3] & 1 << (place & 7))

    def missing(self) -> Iterator[list[int]]:
        """The ids without a mark, at most READ_AT_ONCE at a time; an empty list now and then among many marked ones."""
        for first in range(self._first_id, self._end_id, READ_AT_ONCE):
            yield [each for each in range(first, min(first + READ_AT_ONCE, self._end_id)) if each not in self]


def money(row: Payment | Refund | ListedPayment | ListedRefund) -> str:
    """As people write it; in minor units where the currency is none that we know."""
    known = row.currency in EXPONENTS
    return f"{format_minor(row.amount_minor, row.currency) if known else row.amount_minor} {row.currency}"


def of_theirs(
    kind: str,
    detail: str,
    theirs: ListedPayment | ListedRefund,
    ours: Payment | Refund,
    mend: SettlePayment | SettleRefund | None = None,
) -> Difference:
    at_ms = min(theirs.created_ms, ours.created_ms)
    refund_id, payment_id = (ours.id, ours.payment_id) if isinstance(ours, Refund) else (0, ours.id)
    return Difference(
        kind, theirs.reference, detail, at_ms, payment_id, ours.booking_id, refund_id, theirs.amount_minor,
        theirs.currency, mend,
    )  # fmt: skip


def of_ours(kind: str, reference: str, detail: str, ours: Payment | Refund) -> Difference:
    refund_id, payment_id = (ours.id, ours.payment_id) if isinstance(ours, Refund) else (0, ours.id)
    return Difference(
        kind, reference, detail, ours.created_ms, payment_id, ours.booking_id, refund_id, ours.amount_minor,
        ours.currency,
    )  # fmt: skip


def unknown_payment(theirs: ListedPayment, what: str, ours: Payment | None = None) -> Difference | None:
    if theirs.status != "succeeded" or theirs.refunded_minor >= theirs.amount_minor:
        return None  # nobody lost anything
    detail = f"The provider took {money(theirs)} for payment {theirs.payment_id}, {what}. Give it back there."
    at_ms = min(theirs.created_ms, ours.created_ms) if ours is not None else theirs.created_ms
    return Difference(
        "unknown_payment", theirs.reference, detail, at_ms, theirs.payment_id, theirs.booking_id, 0,
        theirs.amount_minor, theirs.currency,
    )  # fmt: skip


def paid_twice(theirs: ListedPayment, ours: Payment) -> Difference | None:
    if theirs.refunded_minor >= theirs.amount_minor:
        return None
    detail = f"Payment {ours.id} was made twice; this is the second time. Give these {money(theirs)} back there."
    return of_theirs("paid_twice", detail, theirs, ours)


def unknown_refund(theirs: ListedRefund, payment_id: int, booking_id: int) -> Difference:
    what = f"of payment {payment_id} " if payment_id else ""
    detail = (
        f"{money(theirs)} {what}went back at the provider, and nothing here says so. If that is right, refund the "
        "booking by no other way; else ask for the money."
    )
    return Difference(
        "unknown_refund", theirs.reference, detail, theirs.created_ms, payment_id, booking_id, theirs.refund_id,
        theirs.amount_minor, theirs.currency,
    )  # fmt: skip


def unexpected(theirs: ListedPayment | ListedRefund, ours: Payment | Refund) -> Difference:
    what = "Refund" if isinstance(ours, Refund) else "Payment"
    here = "failed" if isinstance(ours, Payment) and ours.status == PAYMENT_FAILED else "succeeded"
    detail = f"{what} {ours.id} of {money(ours)} {here} here, and is {theirs.status} at the provider."
    return of_theirs("unexpected_status", detail, theirs, ours)


def other_amount(theirs: ListedPayment | ListedRefund, ours: Payment | Refund) -> Difference | None:
    if (theirs.amount_minor, theirs.currency) == (ours.amount_minor, ours.currency):
        return None
    what = "Refund" if isinstance(ours, Refund) else "Payment"
    detail = f"{what} {ours.id} is of {money(ours)} here, and of {money(theirs)} at the provider."
    return of_theirs("amount_differs", detail, theirs, ours)
