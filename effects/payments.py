"""Asks the payment provider for what the committed facts owe it, and brings its answers back as commands.

Owns which attempts and refunds are being asked about, and when they are next. What is owed follows from the row alone:
an attempt is begun, then confirmed once the provider's name for it is durable, then looked at until it is settled; one
that was abandoned is cancelled. After a restart everything unsettled is asked about again, under the same reference.
It must never act on an attempt or refund whose start is not durable, and never drop an answer.
"""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice

from ..engine import facts as f
from ..engine.commands import (
    Command,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    SettlePayment,
    SettleRefund,
)
from ..engine.records import Payment, Refund
from ..engine.state import State
from ..engine.status import (
    PAYMENT_ABANDONED,
    PAYMENT_PROCESSING,
    PAYMENT_REQUIRES_ACTION,
    PAYMENT_STARTED,
    REFUND_PENDING_AT_PROVIDER,
)
from .lane import Lane
from .provider import Charge, PaymentProvider, RefundOrder

ASKED_AT_ONCE_MAX = 32
LOOKED_AT_ONCE_MAX = 8
REFUNDED_AT_ONCE_MAX = 16
BULK_REFUNDED_AT_ONCE_MAX = 8
BULK_REFUNDS_A_SECOND = 80.0  # Stripe takes a hundred requests a second in all, and people who pay go first
LOOK_SECONDS_FIRST = 5.0  # after a payment is under way: the provider's own news come sooner
LOOK_SECONDS_MAX = 120.0
REFUND_LOOK_SECONDS_FIRST = 30.0
REFUND_LOOK_SECONDS_MAX = 3600.0
RESUMED_PER_TURN = 500
YOUNG_MS = 20 * 3600 * 1000  # a provider keeps idempotency keys for a day

_UNDER_WAY = (PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION)


class PaymentEffects:
    def __init__(
        self,
        provider: PaymentProvider,
        state: State,
        submit: Callable[[Command], None],
        *,
        hold_ms: int,
        journal_id: str,
        now_ms: Callable[[], int],
        call_later: Callable[[float, Callable[[], None]], object],
        bulk_refunds_a_second: float = BULK_REFUNDS_A_SECOND,
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`submit` has a command decided; `journal_id` makes references unique among installations;
        `bulk_refunds_a_second` bounds those of cancelled events. To be made before
        this node decides anything: what the state holds then is durable by the time `resume` is called.
        """
        self._provider = provider
        self._state = state
        self._submit = submit
        self._hold_ms = hold_ms
        self._journal_id = journal_id
        self._now_ms = now_ms
        self._call_later = call_later
        self._payments = Lane(
            "payments", self._ask, at_once=ASKED_AT_ONCE_MAX, call_later=call_later, chance=chance, seconds=seconds
        )
        self._looks = Lane(
            "looks", self._look, at_once=LOOKED_AT_ONCE_MAX, call_later=call_later, chance=chance, seconds=seconds
        )
        self._refunds = Lane(
            "refunds", self._refund, at_once=REFUNDED_AT_ONCE_MAX, call_later=call_later, chance=chance, seconds=seconds
        )
        self._bulk_refunds = Lane(
            "bulk_refunds",
            self._refund,
            at_once=BULK_REFUNDED_AT_ONCE_MAX,
            a_second_max=bulk_refunds_a_second,
            call_later=call_later,
            chance=chance,
            seconds=seconds,
        )
        self.lanes: tuple[Lane, ...] = (self._payments, self._looks, self._refunds, self._bulk_refunds)
        self._preparing: set[int] = set()  # payments whose name at the provider is not durable yet
        self._payment_looks: dict[int, int] = {}  # by payment, how often it was looked at or its cancelling put off
        self._refund_looks: dict[int, int] = {}
        self._payments_before = state.next_payment_id
        self._refunds_before = state.next_refund_id
        self._closed = False

    kinds = (
        f.PaymentStarted,
        f.PaymentPrepared,
        f.PaymentPending,
        f.PaymentDeclined,
        f.PaymentAbandoned,
        f.RefundStarted,
        f.RefundPending,
        f.RefundRetried,
    )

    def on_fact(self, _seq: int, _at_ms: int, fact: f.Fact) -> None:
        """A durable fact of one of `kinds`. What it is about may be settled by now."""
        match fact:
            case f.PaymentStarted():
                if fact.payment_id in self._state.payments.rows:  # else it cost nothing, and nobody is asked
                    self._payments.add(fact.payment_id)
            case f.PaymentPrepared():
                self._preparing.discard(fact.payment_id)
                self._payments.add(fact.payment_id)
            case f.PaymentAbandoned():
                self._payment_looks.pop(fact.payment_id, None)
                self._payments.add(fact.payment_id)
            case f.PaymentPending() | f.PaymentDeclined():
                self._payment_looks.pop(fact.payment_id, None)
                self._looks.add(fact.payment_id, LOOK_SECONDS_FIRST)
            case f.RefundStarted() | f.RefundRetried():
                self._owe(fact.refund_id)
            case f.RefundPending():
                self._owe(fact.refund_id, REFUND_LOOK_SECONDS_FIRST)

    def resume(self) -> None:
        """Ask about everything that was unsettled when this node began to lead; some at a time."""
        # what was started since then may not be durable, and comes by `on_fact` when it is
        payments = [number for number in self._state.payments.rows if number < self._payments_before]
        refunds = [number for number in self._state.refunds.rows if number < self._refunds_before]
        self._resume_some(chain(map(self._owe_payment, payments), map(self._owe_refund, refunds)))

    def hurry(self, payment_id: int) -> None:
        """The provider has news of this payment: ask about it now, if anything is still open."""
        payment = self._state.payments.rows.get(payment_id)
        if payment is None:
            return
        if payment.status in _UNDER_WAY:
            self._looks.hurry(payment_id)
        else:
            self._payments.hurry(payment_id)

    async def close(self) -> None:
        """Stop asking; what is unsettled is asked about at the next start."""
        self._closed = True
        for lane in self.lanes:
            await lane.close()

    def _resume_some(self, steps: Iterator[None]) -> None:
        if not self._closed and sum(1 for _ in islice(steps, RESUMED_PER_TURN)) == RESUMED_PER_TURN:
            self._call_later(0.0, partial(self._resume_some, steps))

    def _owe_payment(self, payment_id: int) -> None:
        payment = self._state.payments.rows.get(payment_id)
        if payment is None:
            return
        if payment.status in _UNDER_WAY:
            self._looks.add(payment_id, LOOK_SECONDS_FIRST)
        else:
            self._payments.add(payment_id)

    def _owe_refund(self, refund_id: int) -> None:
        refund = self._state.refunds.rows.get(refund_id)
        if refund is not None and refund.status == REFUND_PENDING_AT_PROVIDER:
            known = refund.provider_reference is not None
            self._owe(refund_id, REFUND_LOOK_SECONDS_FIRST if known else 0.0)

    async def _ask(self, payment_id: int) -> None:
        """Begin, confirm or cancel, as the row says."""
        payment = self._state.payments.rows.get(payment_id)
        if payment is None:
            self._payment_looks.pop(payment_id, None)
        elif payment.status == PAYMENT_ABANDONED:
            await self._cancel(payment)
        elif payment.status == PAYMENT_STARTED and payment_id not in self._preparing:
            if payment.provider_reference is None:
                outcome = await self._provider.begin(self._charge(payment))
                if isinstance(outcome, PaymentPreparedOutcome) and payment_id in self._state.payments.rows:
                    self._preparing.add(payment_id)
            elif payment.method is not None:
                outcome = await self._provider.confirm(self._charge(payment))
            else:  # the person confirms it
                outcome = await self._provider.look(self._charge(payment))
            self._settle(payment_id, outcome)

    async def _cancel(self, payment: Payment) -> None:
        outcome = await self._provider.cancel(self._charge(payment))
        self._settle(payment.id, outcome)
        if isinstance(outcome, PaymentSucceededOutcome | PaymentFailedOutcome):
            self._payment_looks.pop(payment.id, None)
        else:  # it can't be withdrawn now, and may still become either
            self._payments.add(payment.id, self._next_look_seconds(payment.id))

    async def _look(self, payment_id: int) -> None:
        payment = self._state.payments.rows.get(payment_id)
        if payment is not None and payment.status in _UNDER_WAY:
            self._settle(payment_id, await self._provider.look(self._charge(payment)))
        payment = self._state.payments.rows.get(payment_id)
        if payment is None:
            self._payment_looks.pop(payment_id, None)
        elif payment.status in _UNDER_WAY:
            self._looks.add(payment_id, self._next_look_seconds(payment_id))

    def _next_look_seconds(self, payment_id: int) -> float:
        looks = self._payment_looks[payment_id] = self._payment_looks.get(payment_id, 0) + 1
        return _doubled(LOOK_SECONDS_FIRST, looks, LOOK_SECONDS_MAX)

    def _owe(self, refund_id: int, delay_seconds: float = 0.0) -> None:
        """Who asked for their money does not stand in line behind a whole cancelled event."""
        refund = self._state.refunds.rows.get(refund_id)
        if refund is not None:
            in_bulk = refund.reason == "event_cancelled"
            (self._bulk_refunds if in_bulk else self._refunds).add(refund_id, delay_seconds)

    async def _refund(self, refund_id: int) -> None:
        refund = self._state.refunds.rows.get(refund_id)
        if refund is None or refund.status != REFUND_PENDING_AT_PROVIDER:
            self._refund_looks.pop(refund_id, None)
            return
        order = self._order(refund)
        if refund.provider_reference is None:
            result = await self._provider.refund(order)
        else:
            result = await self._provider.look_at_refund(order)
        self._submit(SettleRefund(refund_id, result.provider_reference, result.failure, result.pending))
        if result.pending:
            looks = self._refund_looks.get(refund_id, 0)
            self._refund_looks[refund_id] = looks + 1
            self._owe(refund_id, _doubled(REFUND_LOOK_SECONDS_FIRST, looks, REFUND_LOOK_SECONDS_MAX))
        else:
            self._refund_looks.pop(refund_id, None)

    def _settle(self, payment_id: int, outcome: PaymentOutcome) -> None:
        self._submit(SettlePayment(payment_id, outcome, self._hold_ms))

    def _charge(self, payment: Payment) -> Charge:
        """The same whenever it is asked again: the provider refuses other words under the same reference.

        The moment it began is in it: where a failover accepted the loss of a journal's end, ids are given out again.
        """
        return Charge(
            f"onsale-{self._journal_id}-payment-{payment.id}-{payment.created_ms}",
            self._journal_id,
            payment.id,
            payment.booking_id,
            payment.amount_minor,
            payment.currency,
            payment.method,
            payment.provider_reference,
            f"Booking {payment.booking_id}",
        )

    def _order(self, refund: Refund) -> RefundOrder:
        again = f"-{refund.tries}" if refund.tries > 1 else ""
        return RefundOrder(
            f"onsale-{self._journal_id}-refund-{refund.id}{again}",
            self._journal_id,
            refund.id,
            refund.booking_id,
            refund.payment_id,
            refund.payment_reference,
            refund.amount_minor,
            refund.currency,
            refund.provider_reference,
            is_young=refund.tries == 1 and self._now_ms() < refund.created_ms + YOUNG_MS,
        )


def _doubled(first_seconds: float, times: int, seconds_max: float) -> float:
    return min(first_seconds * 2.0 ** min(times, 20), seconds_max)
