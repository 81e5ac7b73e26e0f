"""Books to compare: an engine with payments in every state, and a provider's lists as a test writes them."""

from collections.abc import Collection
from typing import TypeVar

from onsale.effects.provider import ListedPayment, ListedRefund, PaymentPage, ProviderUnavailable, RefundPage
from onsale.effects.sandbox import SandboxProvider
from onsale.engine.apply import apply
from onsale.engine.commands import (
    Book,
    Command,
    CreateEvent,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    SettleRefund,
    StartPayment,
    StartRefund,
    TypeSpec,
)
from onsale.engine.decide import decide
from onsale.engine.records import Payment, Refund
from onsale.engine.replies import Booked, Refusal, Reply
from onsale.engine.state import State

T = TypeVar("T", ListedPayment, ListedRefund)

JOURNAL = "a-journal"
NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000
AMOUNT_MINOR = 4990

PAID = PaymentSucceededOutcome
CANCELED = PaymentFailedOutcome("canceled")


class Ours:
    """One event, one user for each booking. Time moves only with `now_ms`."""

    def __init__(self) -> None:
        self.state = State()
        self.now_ms = NOW_MS - 30 * 24 * 3_600_000
        self.reads = 0
        self.do(
            CreateEvent("Jazz", NOW_MS + 10**10, (TypeSpec("Standing", "49.90", 100_000), TypeSpec("Free", "0", 9)))
        )

    def do(self, command: Command) -> Reply:
        facts, reply, _ = decide(self.state, self.now_ms, command)
        for fact in facts:
            apply(self.state, self.now_ms, fact)
        return reply

    def settle(self, command: Command) -> None:
        reply = self.do(command)
        assert not isinstance(reply, Refusal) or isinstance(command, SettlePayment), reply  # that it failed is one, too

    def pay(self, *outcomes: PaymentOutcome, ticket_type: str = "Standing", amount: str = "49.90") -> Payment:
        """A new booking and an attempt to pay it, of which the provider said `outcomes`."""
        payment_id = self.state.next_payment_id
        user_id = f"u-{payment_id}"
        booked = self.do(Book(user_id, 1, HOLD_MS, ticket_type))
        assert isinstance(booked, Booked)
        self.do(StartPayment(user_id, 1, amount, booked.booking_id, "pm_card_visa"))
        for outcome in outcomes:
            self.do(SettlePayment(payment_id, outcome, HOLD_MS))
        return self.payment(payment_id)

    def prepared(self, *outcomes: PaymentOutcome) -> Payment:
        """As `pay`, and the provider has it as pi_ID."""
        reference = f"pi_{self.state.next_payment_id}"
        return self.pay(PaymentPreparedOutcome(reference, "secret"), *outcomes)

    def paid(self) -> Payment:
        return self.prepared(PAID(f"pi_{self.state.next_payment_id}"))

    def refund(self, *outcomes: SettleRefund) -> Refund:
        """Of a new booking; `outcomes` with refund_id 0 are of this one."""
        payment, refund_id = self.paid(), self.state.next_refund_id
        self.do(StartRefund(payment.booking_id, HOLD_MS))
        for each in outcomes:
            self.do(SettleRefund(refund_id, each.provider_reference, each.failure, each.pending))
        return self.refunded(refund_id)

    def payment(self, payment_id: int) -> Payment:
        return {**self.state.payments.rows, **self.state.payments.archived}[payment_id]

    def refunded(self, refund_id: int) -> Refund:
        return {**self.state.refunds.rows, **self.state.refunds.archived}[refund_id]

    # --- as node.history.History

    async def payments(self, ids: Collection[int]) -> dict[int, Payment]:
        self.reads += 1
        known = {**self.state.payments.rows, **self.state.payments.archived}
        return {each: known[each] for each in ids if each in known}

    async def refunds(self, ids: Collection[int]) -> dict[int, Refund]:
        known = {**self.state.refunds.rows, **self.state.refunds.archived}
        return {each: known[each] for each in ids if each in known}

    async def old_payments_referred_to(self, references: Collection[str]) -> list[Payment]:
        known = {**self.state.payments.rows, **self.state.payments.archived}
        return [each for each in known.values() if each.provider_reference in references]


def listed(payment: Payment, status: str = "succeeded", **other: object) -> ListedPayment:
    """As the provider has it; `other` fields are as given."""
    fields: dict[str, object] = {
        "reference": payment.provider_reference or f"pi_{payment.id}",
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "created_ms": payment.created_ms + 500,
        "payment_id": payment.id,
        "booking_id": payment.booking_id,
        "journal_id": JOURNAL,
    }
    return ListedPayment(status=status, **(fields | other))  # type: ignore[arg-type]


def listed_refund(refund: Refund, status: str = "succeeded", **other: object) -> ListedRefund:
    fields: dict[str, object] = {
        "reference": refund.provider_reference or f"re_{refund.id}",
        "payment_reference": refund.payment_reference,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "created_ms": refund.created_ms + 500,
        "refund_id": refund.id,
        "journal_id": JOURNAL,
    }
    return ListedRefund(status=status, **(fields | other))  # type: ignore[arg-type]


def pending(payment: Payment, *, requires_action: bool = False) -> PaymentPendingOutcome:
    return PaymentPendingOutcome(requires_action, "secret", f"pi_{payment.id}")


class Theirs(SandboxProvider):
    """Lists what `on_books` and `refunds_on_books` hold, newest first, so many on a page."""

    name = "stripe"

    def __init__(self, *on_books: ListedPayment, refunds: tuple[ListedRefund, ...] = (), page: int = 3) -> None:
        self.on_books = list(on_books)
        self.refunds_on_books = list(refunds)
        self.page = page
        self.asked: list[tuple[str, int, str | None]] = []
        self.faults: list[ProviderUnavailable] = []  # the answers to the next questions

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:
        self._asked("payments", since_ms, cursor)
        rows, following = self._cut(self.on_books, since_ms, cursor)
        return PaymentPage(rows, following)

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage:
        self._asked("refunds", since_ms, cursor)
        rows, following = self._cut(self.refunds_on_books, since_ms, cursor)
        return RefundPage(rows, following)

    def _asked(self, what: str, since_ms: int, cursor: str | None) -> None:
        self.asked.append((what, since_ms, cursor))
        if self.faults:
            raise self.faults.pop(0)

    def _cut(self, books: list[T], since_ms: int, cursor: str | None) -> tuple[tuple[T, ...], str | None]:
        newest_first = sorted(books, key=lambda each: -each.created_ms)
        wanted = [each for each in newest_first if each.created_ms >= since_ms]
        first = int(cursor or 0)
        last = first + self.page
        return tuple(wanted[first:last]), str(last) if last < len(wanted) else None
