"""Our payments and refunds against the provider's: what differs.

Owns which truths are plain, so that they are taken over (a mend is a command like any other word of the provider), and
which a person must judge. Pure: it is handed what both sides have, some rows at a time and in any order, and keeps two
bits for each payment or refund of ours. What is younger than YOUNG_MS is left for the next time: its news are on their
way. What bears another journal's name, or none, is not our business, unless it gives back a payment of ours.

| there | here | follows |
|---|---|---|
| succeeded | under way or abandoned | it is settled: succeeded |
| succeeded | failed, or unknown | concern `unknown_payment`, unless it was given back there |
| succeeded | succeeded under another name | concern `paid_twice`, unless it was given back there |
| canceled | under way or abandoned, the same name | it is settled: failed |
| canceled or open | succeeded, the same name | concern `unexpected_status` |
| open | failed, the same name | concern `unexpected_status` |
| nothing | succeeded | concern `missing_payment` |
| another amount | open or succeeded | concern `amount_differs`; nothing is settled |
| refund succeeded | not succeeded | it is settled: succeeded |
| refund failed | pending, the same name | it is settled: failed |
| refund failed | succeeded, the same name | concern `refund_failed` |
| refund pending | succeeded, the same name | concern `unexpected_status` |
| refund | unknown, or another one for it succeeded | concern `unknown_refund` |
| nothing | refund succeeded | concern `missing_refund` |
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..engine.commands import PaymentFailedOutcome, PaymentSucceededOutcome, SettlePayment, SettleRefund
from ..engine.records import Payment, Refund
from ..engine.status import PAYMENT_FAILED, PAYMENT_SUCCEEDED, REFUND_PENDING_AT_PROVIDER, REFUND_SUCCEEDED
from .differences import (
    REFUND_SETTLED,
    SETTLED,
    Difference,
    Marks,
    Scope,
    money,
    of_ours,
    of_theirs,
    other_amount,
    paid_twice,
    unexpected,
    unknown_payment,
    unknown_refund,
)
from .provider import ListedPayment, ListedRefund

TEST_PAYMENT: Final = "pi_test_"  # what the built-in test provider calls its own: no other knows of them
TEST_REFUND: Final = "re_test_"


class PaymentBooks:
    """First `compare` all that the provider lists, then `canceled`, and `missing` for each list of `unseen`."""

    def __init__(self, scope: Scope, hold_ms: int) -> None:
        self.given_back: dict[str, Payment] = {}  # by the provider's name, those of which it gave something back
        self._scope = scope
        self._hold_ms = hold_ms
        self._listed = Marks(scope)
        self._found = Marks(scope)  # under the name that we know, or one that we learn now
        self._mended: dict[int, str] = {}
        self._canceled: dict[int, Difference] = {}
        self._charged: set[int] = set()  # under way here: another one may have been canceled, money was taken
        self._others = 0  # of ours, looked at by `missing`

    def wanted(self, page: Iterable[ListedPayment]) -> list[int]:
        """The ids of ours that `compare` needs for these."""
        return sorted(
            {each.payment_id for each in page if self._is_ours(each) and each.payment_id < self._scope.end_id}
        )

    def _is_ours(self, theirs: ListedPayment) -> bool:
        return theirs.journal_id == self._scope.journal_id and theirs.payment_id > 0

    def compare(self, page: Iterable[ListedPayment], ours: Mapping[int, Payment]) -> list[Difference]:
        found = []
        for theirs in page:
            if self._is_ours(theirs):
                self._listed.add(theirs.payment_id)
                found.append(self._compared(theirs, ours.get(theirs.payment_id)))
        return [each for each in found if each is not None]

    def canceled(self) -> list[Difference]:
        """What follows from those that took no money; once all are compared."""
        return [each for number, each in self._canceled.items() if number not in self._charged]

    def unseen(self) -> Iterator[list[int]]:
        """Ids of ours that the provider did not list as they should be."""
        return self._found.missing()

    @property
    def theirs(self) -> int:
        """How many of the scope the provider lists."""
        return self._listed.count

    @property
    def ours(self) -> int:
        """How many of the scope are here, and cost something."""
        return self._found.count + self._others

    def missing(self, ours: Iterable[Payment]) -> list[Difference]:
        found = []
        for payment in ours:
            reference = payment.provider_reference or f"payment {payment.id}"
            if not payment.amount_minor or reference.startswith(TEST_PAYMENT):
                continue  # nobody was to be asked
            self._others += 1
            if payment.status == PAYMENT_SUCCEEDED and not self._scope.is_young(payment.created_ms):
                detail = (
                    f"Payment {payment.id} of {money(payment)} succeeded here, and the provider does not list it. "
                    "Look for it there: without it the tickets are not paid."
                )
                found.append(of_ours("missing_payment", reference, detail, payment))
        return found

    def _compared(self, theirs: ListedPayment, ours: Payment | None) -> Difference | None:
        scope = self._scope
        if ours is not None and theirs.booking_id not in (0, ours.booking_id):
            ours = None  # of a payment of that number which this journal has lost
        if ours is None:
            return None if scope.is_young(theirs.created_ms) else unknown_payment(theirs, "which is not known here")
        same = theirs.reference == ours.provider_reference
        known_before = ours.id in self._found
        nameless = ours.provider_reference is None or ours.status != PAYMENT_SUCCEEDED
        if same or (theirs.status == "succeeded" and nameless):
            self._found.add(ours.id)
        if same and theirs.refunded_minor and ours.status == PAYMENT_SUCCEEDED:
            self.given_back[theirs.reference] = ours
        if scope.is_young(theirs.created_ms, ours.created_ms):
            return None
        if theirs.status == "succeeded":
            return self._succeeded(theirs, ours, known_before=known_before)
        if not same:
            return None  # it was given up for another one, and charged nothing
        if ours.status == PAYMENT_SUCCEEDED or (theirs.status == "open" and ours.status == PAYMENT_FAILED):
            return unexpected(theirs, ours)
        if theirs.status == "open":
            return other_amount(theirs, ours)
        if ours.status == PAYMENT_FAILED:
            return None
        outcome = PaymentFailedOutcome("canceled", "The payment was cancelled before it was made.")
        detail = f"Payment {ours.id} was cancelled at the provider; it has failed here, too."
        mend = SettlePayment(ours.id, outcome, self._hold_ms)
        self._canceled[ours.id] = of_theirs(SETTLED, detail, theirs, ours, mend)
        return None

    def _succeeded(self, theirs: ListedPayment, ours: Payment, *, known_before: bool) -> Difference | None:
        if ours.status == PAYMENT_FAILED:
            return unknown_payment(theirs, "which failed here", ours)
        mended = self._mended.get(ours.id, theirs.reference)
        if ours.status == PAYMENT_SUCCEEDED:
            # where an older version kept no name, the first one is it
            other = known_before if ours.provider_reference is None else ours.provider_reference != theirs.reference
        else:
            other = mended != theirs.reference
        if other:
            return paid_twice(theirs, ours)
        if ours.status != PAYMENT_SUCCEEDED:
            self._charged.add(ours.id)
        differs = other_amount(theirs, ours)
        if differs is not None or ours.status == PAYMENT_SUCCEEDED:
            return differs
        self._mended[ours.id] = theirs.reference
        mend = SettlePayment(ours.id, PaymentSucceededOutcome(theirs.reference), self._hold_ms)
        detail = f"Payment {ours.id} succeeded at the provider; it has here, too, now."
        return of_theirs(SETTLED, detail, theirs, ours, mend)


class RefundBooks:
    """As PaymentBooks. What gives back a payment without naming us is among `strangers` until `claim` is asked."""

    def __init__(self, scope: Scope, given_back: Mapping[str, Payment]) -> None:
        self.strangers: dict[str, list[ListedRefund]] = {}  # by the provider's name of the payment
        self._scope = scope
        self._given_back = given_back
        self._listed = Marks(scope)
        self._found = Marks(scope)
        self._mended: dict[int, str] = {}
        self._others = 0  # of ours, looked at by `missing`

    def wanted(self, page: Iterable[ListedRefund]) -> list[int]:
        return sorted({each.refund_id for each in page if self._is_ours(each) and each.refund_id < self._scope.end_id})

    def _is_ours(self, theirs: ListedRefund) -> bool:
        return theirs.journal_id == self._scope.journal_id and theirs.refund_id > 0

    def compare(self, page: Iterable[ListedRefund], ours: Mapping[int, Refund]) -> list[Difference]:
        found = []
        for theirs in page:
            if self._is_ours(theirs):
                self._listed.add(theirs.refund_id)
                found.append(self._compared(theirs, ours.get(theirs.refund_id)))
            elif not theirs.journal_id and not self._scope.is_young(theirs.created_ms) and theirs.status != "failed":
                payment = self._given_back.get(theirs.payment_reference)
                if payment is not None:
                    found.append(unknown_refund(theirs, payment.id, payment.booking_id))
                elif theirs.payment_reference:
                    self.strangers.setdefault(theirs.payment_reference, []).append(theirs)
        return [each for each in found if each is not None]

    def claim(self, payments: Iterable[Payment]) -> list[Difference]:
        """Of the strangers, those that give back one of these; all of them are forgotten."""
        found = []
        for payment in payments:
            if payment.status == PAYMENT_SUCCEEDED and payment.provider_reference is not None:
                strangers = self.strangers.get(payment.provider_reference, ())
                found += [unknown_refund(each, payment.id, payment.booking_id) for each in strangers]
        self.strangers.clear()
        return found

    def unseen(self) -> Iterator[list[int]]:
        return self._found.missing()

    @property
    def theirs(self) -> int:
        return self._listed.count

    @property
    def ours(self) -> int:
        return self._found.count + self._others

    def missing(self, ours: Iterable[Refund]) -> list[Difference]:
        found = []
        for refund in ours:
            reference = refund.provider_reference or f"refund {refund.id}"
            test = reference.startswith(TEST_REFUND) or (refund.payment_reference or "").startswith(TEST_PAYMENT)
            if not refund.amount_minor or test:
                continue
            self._others += 1
            if refund.status == REFUND_SUCCEEDED and not self._scope.is_young(refund.created_ms):
                detail = (
                    f"Refund {refund.id} of {money(refund)} succeeded here, and the provider does not list it. "
                    "Look for it there: without it the person still misses the money."
                )
                found.append(of_ours("missing_refund", reference, detail, refund))
        return found

    def _compared(self, theirs: ListedRefund, ours: Refund | None) -> Difference | None:
        if ours is not None and ours.payment_reference not in (None, theirs.payment_reference):
            ours = None  # of a refund of that number which this journal has lost
        if ours is None:
            young = self._scope.is_young(theirs.created_ms)
            return None if young or theirs.status == "failed" else unknown_refund(theirs, 0, 0)
        same = theirs.reference == ours.provider_reference
        known_before = ours.id in self._found
        nameless = ours.provider_reference is None or ours.status != REFUND_SUCCEEDED
        if same or (theirs.status == "succeeded" and nameless):
            self._found.add(ours.id)
        if self._scope.is_young(theirs.created_ms, ours.created_ms):
            return None
        if theirs.status == "succeeded":
            return self._succeeded(theirs, ours, known_before=known_before)
        if not same:
            return None  # an earlier try
        if theirs.status == "failed" and ours.status == REFUND_SUCCEEDED:
            detail = (
                f"Refund {ours.id} of {money(ours)} had succeeded and failed later: {theirs.failure or 'no reason.'}"
            )
            return of_theirs("refund_failed", detail, theirs, ours)
        if theirs.status == "failed" and ours.status == REFUND_PENDING_AT_PROVIDER:
            failure = theirs.failure or "The provider gave no reason."
            detail = f"Refund {ours.id} failed at the provider; it has here, too: {failure}"
            return of_theirs(REFUND_SETTLED, detail, theirs, ours, SettleRefund(ours.id, theirs.reference, failure))
        if theirs.status == "pending" and ours.status == REFUND_SUCCEEDED:
            return unexpected(theirs, ours)
        return None

    def _succeeded(self, theirs: ListedRefund, ours: Refund, *, known_before: bool) -> Difference | None:
        if ours.status == REFUND_SUCCEEDED:
            other = known_before if ours.provider_reference is None else ours.provider_reference != theirs.reference
        else:
            other = self._mended.get(ours.id, theirs.reference) != theirs.reference
        if other:
            detail = f"Refund {ours.id} was made twice; this is the second time: {money(theirs)} too much went back."
            return of_theirs("unknown_refund", detail, theirs, ours)
        differs = other_amount(theirs, ours)
        if differs is not None or ours.status == REFUND_SUCCEEDED:
            return differs
        self._mended[ours.id] = theirs.reference
        detail = f"Refund {ours.id} succeeded at the provider; it has here, too, now."
        return of_theirs(REFUND_SETTLED, detail, theirs, ours, SettleRefund(ours.id, theirs.reference))
