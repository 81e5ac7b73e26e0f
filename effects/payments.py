"""Asks the payment provider for what the committed facts owe it, and brings its answers back as commands.

Owns which attempts and refunds are being asked about. What is owed follows from the state alone: after a restart
everything unsettled is asked about again, under the same reference. Never acts on a fact that is not durable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..engine.commands import Command, SettlePayment, SettleRefund
from ..engine.facts import Fact, PaymentAbandoned, PaymentStarted, RefundStarted
from ..engine.state import State
from ..engine.status import PAYMENT_ABANDONED, PAYMENT_STARTED, REFUND_PENDING_AT_PROVIDER
from .provider import Charge, PaymentProvider, ProviderUnavailable, RefundOrder

log = logging.getLogger("onsale.payments")

ASKED_AT_ONCE_MAX = 64
RETRY_SECONDS_FIRST = 0.5
RETRY_SECONDS_MAX = 60.0

T = TypeVar("T")


class PaymentEffects:
    """`submit` hands a command to the loop; `journal_id` makes references unique among installations."""

    def __init__(
        self,
        provider: PaymentProvider,
        state: State,
        submit: Callable[[Command], None],
        *,
        hold_ms: int,
        journal_id: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._provider = provider
        self._state = state
        self._submit = submit
        self._hold_ms = hold_ms
        self._journal_id = journal_id
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(ASKED_AT_ONCE_MAX)

    kinds = (PaymentStarted, PaymentAbandoned, RefundStarted)

    def on_fact(self, _seq: int, _at_ms: int, fact: Fact) -> None:
        """A durable fact of one of `kinds`."""
        if isinstance(fact, PaymentStarted):
            self._start(self._charge, fact.payment_id)
        elif isinstance(fact, PaymentAbandoned):
            self._start(self._cancel, fact.payment_id)
        elif isinstance(fact, RefundStarted):
            self._start(self._refund, fact.refund_id)

    def resume(self) -> None:
        """Ask about everything that was unsettled when the node stopped."""
        for payment in list(self._state.payments.rows.values()):
            if payment.status == PAYMENT_STARTED:
                self._start(self._charge, payment.id)
            elif payment.status == PAYMENT_ABANDONED:
                self._start(self._cancel, payment.id)
        for refund in list(self._state.refunds.rows.values()):
            if refund.status == REFUND_PENDING_AT_PROVIDER:
                self._start(self._refund, refund.id)

    async def close(self) -> None:
        """Stop asking; what is unsettled is asked about at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Callable[[int], Awaitable[None]], about: int) -> None:
        task = asyncio.ensure_future(self._guarded(work, about))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[int], Awaitable[None]], about: int) -> None:
        try:
            async with self._room:
                await work(about)
        except Exception:
            log.exception("asking the payment provider went wrong; it is asked again at the next start")

    async def _charge(self, payment_id: int) -> None:
        payment = self._state.payments.rows.get(payment_id)
        if payment is None or payment.status != PAYMENT_STARTED:
            return
        ask = self._ask(payment_id)
        outcome = await self._until_answered(lambda: self._provider.charge(ask))
        self._submit(SettlePayment(payment_id, outcome, self._hold_ms))

    async def _cancel(self, payment_id: int) -> None:
        if payment_id not in self._state.payments.rows:
            return
        ask = self._ask(payment_id)
        outcome = await self._until_answered(lambda: self._provider.cancel(ask))
        self._submit(SettlePayment(payment_id, outcome, self._hold_ms))

    async def _refund(self, refund_id: int) -> None:
        refund = self._state.refunds.rows.get(refund_id)
        if refund is None or refund.status != REFUND_PENDING_AT_PROVIDER:
            return
        order = RefundOrder(
            f"onsale-{self._journal_id}-refund-{refund.id}",
            refund.id,
            refund.payment_id,
            refund.payment_reference,
            refund.amount_minor,
            refund.currency,
        )
        result = await self._until_answered(lambda: self._provider.refund(order))
        self._submit(SettleRefund(refund_id, result.provider_reference, result.failure))

    def _ask(self, payment_id: int) -> Charge:
        payment = self._state.payments.rows[payment_id]
        return Charge(
            f"onsale-{self._journal_id}-payment-{payment.id}",
            payment.id,
            payment.booking_id,
            payment.amount_minor,
            payment.currency,
            payment.method,
        )

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        wait_seconds = RETRY_SECONDS_FIRST
        while True:
            try:
                return await ask()
            except ProviderUnavailable as error:
                log.warning("the payment provider does not answer (%s); asking again in %.1f s", error, wait_seconds)
            await self._sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)
