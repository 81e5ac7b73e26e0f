"""The payment provider, asked by the worker process.

Owns nothing: each question is one order, and what comes back is the answer of its kind.
"""

from typing import TypeVar

from ..engine.commands import (
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
    PaymentOutcome,
    PaymentPendingOutcome,
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
)
from .orders import Begin, Cancel, Confirm, GiveBack, ListPayments, ListRefunds, Look, LookAtRefund, Order
from .outside import Outside
from .provider import Charge, PaymentPage, ProviderUnavailable, RefundOrder, RefundPage, RefundResult

A = TypeVar("A")

_OUTCOMES = (
    PaymentPreparedOutcome,
    PaymentSucceededOutcome,
    PaymentPendingOutcome,
    PaymentDeclinedOutcome,
    PaymentFailedOutcome,
)


class OutsideProvider:
    name = "stripe"

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def begin(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome(Begin(charge))

    async def confirm(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome(Confirm(charge))

    async def look(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome(Look(charge))

    async def cancel(self, charge: Charge) -> PaymentOutcome:
        return await self._outcome(Cancel(charge))

    async def refund(self, order: RefundOrder) -> RefundResult:
        return await self._ask(GiveBack(order), RefundResult)

    async def look_at_refund(self, order: RefundOrder) -> RefundResult:
        return await self._ask(LookAtRefund(order), RefundResult)

    async def payments(self, since_ms: int, cursor: str | None) -> PaymentPage:
        return await self._ask(ListPayments(since_ms, cursor), PaymentPage)

    async def refunds(self, since_ms: int, cursor: str | None) -> RefundPage:
        return await self._ask(ListRefunds(since_ms, cursor), RefundPage)

    async def _outcome(self, order: Order) -> PaymentOutcome:
        answer = await self._outside.ask(order)
        if not isinstance(answer, _OUTCOMES):
            raise _unfitting(order, answer)
        return answer

    async def _ask(self, order: Order, kind: type[A]) -> A:
        answer = await self._outside.ask(order)
        if not isinstance(answer, kind):
            raise _unfitting(order, answer)
        return answer


def _unfitting(order: Order, answer: object) -> ProviderUnavailable:
    """It says nothing about what was asked, so nothing may follow from it."""
    return ProviderUnavailable(
        f"the worker process answered {type(order).__name__} with {type(answer).__name__}", down=False
    )
