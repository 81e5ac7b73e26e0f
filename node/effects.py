"""What a node that leads does outside: payments, messages, and looking whether the books agree.

Owns the effects of one leadership, from its first durable batch to its end. What is owed follows from the state alone,
so whoever leads next goes on where this one stopped.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..effects.lane import Lane
from ..effects.messages import MessageEffects
from ..effects.outside import Outside
from ..effects.payments import PaymentEffects
from ..effects.provider import PaymentProvider
from ..engine.commands import Command
from ..engine.state import State
from ..http.gateway import LaneView
from .history import History
from .loop import CommandLoop
from .outside_settings import Surroundings
from .reconciling import Reconciling
from .tickets import TicketCodes
from .webhook_secrets import webhook_secret


class Effects:
    def __init__(
        self,
        state: State,
        settle: Callable[[Command], None],
        *,
        provider: PaymentProvider,
        outside: Outside,
        history: History,
        tickets: TicketCodes,
        hold_ms: int,
        journal_id: str,
        surroundings: Surroundings,
        now_ms: Callable[[], int],
        call_later: Callable[..., Any],
    ) -> None:
        """`settle` takes what came of something, and decides it."""
        self._payments = PaymentEffects(
            provider,
            state,
            settle,
            hold_ms=hold_ms,
            journal_id=journal_id,
            now_ms=now_ms,
            call_later=call_later,
            bulk_refunds_a_second=surroundings.refunds_a_second,
        )
        self._messages = MessageEffects(
            state,
            settle,
            outside.ask,
            journal_id=journal_id,
            ticket_codes=tickets.of,
            webhook_secret=lambda owner: webhook_secret(state.ticket_key, owner),
            now_ms=now_ms,
            call_later=call_later,
            mail_domain=surroundings.mail_domain,
        )
        self.reconciling = Reconciling(
            state, history, provider, settle, hold_ms=hold_ms, journal_id=journal_id, now_ms=now_ms
        )
        self._resumed = False
        self._closed = False

    def listen(self, loop: CommandLoop) -> None:
        loop.listen(self._payments.kinds, self._payments.on_fact)
        loop.listen(self._messages.kinds, self._messages.on_fact)

    def resume(self) -> None:
        """The first batch is durable: this node does lead, and does what was owed before."""
        if not self._closed:
            self._resumed = True
            self._payments.resume()
            self._messages.resume()
            self.reconciling.start()

    def reached(self, seq: int) -> None:
        """Everything up to here is durable."""
        if self._resumed:
            self._messages.on_durable(seq)

    def hurry(self, payment_id: int) -> None:
        """There is news of this payment."""
        self._payments.hurry(payment_id)

    def lanes(self, now_ms: int) -> list[LaneView]:
        return [_view(lane, now_ms) for lane in (*self._payments.lanes, *self._messages.lanes)]

    async def close(self) -> None:
        """Ask nobody anything more. What is under way is asked about again by whoever leads next."""
        self._closed = True
        self._resumed = False
        await asyncio.gather(self._payments.close(), self._messages.close(), self.reconciling.close())


def _view(lane: Lane, now_ms: int) -> LaneView:
    since = lane.failing_since_seconds
    resumes = lane.resumes_in_seconds
    return LaneView(
        name=lane.name,
        waiting=lane.waiting,
        in_flight=lane.in_flight,
        failing_since_ms=0 if since is None else now_ms - round((time.monotonic() - since) * 1000),
        last_failure=lane.last_failure,
        resumes_ms=now_ms + round(resumes * 1000) if resumes > 0 else 0,
    )
