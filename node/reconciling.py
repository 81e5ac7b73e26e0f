"""Comparing our payments and refunds with the provider's: when an operator asks, and now and then by itself.

Owns one comparison at a time. Rows are read and compared some at a time, from memory and the database as one, so the
loop is never held; what is kept meanwhile is two bits for each of ours, and at most FINDINGS_MAX differences. What is
plain is submitted as it is found. A difference that a person would have to judge is looked for once more before it is
raised as a concern, as either side may have been on the move. Never asks the provider for anything but its lists.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ..effects.differences import Difference, Scope
from ..effects.provider import PaymentPage, PaymentProvider, ProviderUnavailable, RefundPage
from ..effects.reconciliation import PaymentBooks, RefundBooks
from ..engine.commands import Command
from ..engine.limits import CONCERNS_MAX
from ..engine.records import Payment, Refund
from ..engine.state import State
from ..http.gateway import Reconciliation, UnavailableError
from .findings import Found, another_account, tell

log = logging.getLogger("onsale")

COMPARED_AT_ONCE = 64  # of the provider's: a millisecond, when all of them have to be mended
STRANGERS_AT_ONCE = 500  # looked for in the whole database together
CONCERNS_AT_ONCE = 50
NOT_ONE_IS_STRANGE = 20  # so many payments of ours, and the provider knows none: it is another account
CLOCKS_APART_MS = 600_000  # ours and the provider's
AGAIN_SECONDS = 5.0  # until a difference is looked for once more
TRY_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0)  # when a page could not be had
WAIT_SECONDS_MAX = 60.0

# by itself
FIRST_SECONDS = 3600.0  # after this node began to lead
EVERY_SECONDS = 6 * 3600.0
LOOK_BACK_MS = 7 * 24 * 3600 * 1000
PACE_SECONDS = 0.25  # between pages, to leave the provider's patience to those who pay

Row = TypeVar("Row", Payment, Refund)
Page = TypeVar("Page", bound=PaymentPage | RefundPage)
Take = Callable[[list[Difference]], None]


class Ours(Protocol):
    """node.history.History."""

    async def payments(self, ids: Collection[int]) -> dict[int, Payment]: ...

    async def refunds(self, ids: Collection[int]) -> dict[int, Refund]: ...

    async def old_payments_referred_to(self, references: Collection[str]) -> list[Payment]: ...


class _GaveWay(Exception):
    """An operator wants to compare now."""


class Reconciling:
    def __init__(
        self,
        state: State,
        ours: Ours,
        provider: PaymentProvider,
        settle: Callable[[Command], None],
        *,
        hold_ms: int,
        journal_id: str,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """`settle` has a command decided."""
        self._state = state
        self._ours = ours
        self._provider = provider
        self._settle = settle
        self._hold_ms = hold_ms
        self._journal_id = journal_id
        self._now_ms = now_ms
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._waiting = 0  # operators
        self._by_itself: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Compare by itself from now on: the last LOOK_BACK_MS, first after FIRST_SECONDS, then every EVERY_SECONDS."""
        if self._provider.name != "test" and not self._closed and self._by_itself is None:
            self._by_itself = asyncio.create_task(self._now_and_then())

    async def run(self, since_ms: int) -> Reconciliation:
        """Compare what was begun since then. One may wait for another that is under way.

        Raises UnavailableError when the provider can't be asked, when others wait already, and once it is closed.
        """
        if self._waiting:
            raise UnavailableError("Payments are being compared already, and somebody waits to; ask again later.")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._compared(since_ms, self._check_open)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Submit nothing more. A comparison that an operator waits for ends with UnavailableError."""
        self._closed = True
        if self._by_itself is not None:
            self._by_itself.cancel()
            await asyncio.wait([self._by_itself])

    async def _now_and_then(self) -> None:
        seconds = FIRST_SECONDS
        while True:
            await self._sleep(seconds)
            seconds = EVERY_SECONDS
            try:
                async with self._turn:
                    tell(await self._compared(max(self._now_ms() - LOOK_BACK_MS, 0), self._go_slowly))
            except _GaveWay:
                log.info("comparing payments gave way to an operator who does")
            except UnavailableError as error:
                log.warning("payments could not be compared with the provider's; they will be later: %s", error)
            except Exception:
                log.exception("comparing payments failed; it is tried again later")

    async def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("This node does not lead any more; ask the primary.")

    async def _go_slowly(self) -> None:
        if self._waiting:
            raise _GaveWay
        await self._sleep(PACE_SECONDS)
        await self._check_open()

    async def _compared(self, since_ms: int, pause: Callable[[], Awaitable[None]]) -> Reconciliation:
        """`pause` is awaited before each page."""
        until_ms = self._now_ms()
        if self._provider.name == "test":  # it keeps no books
            return Reconciliation(self._provider.name, since_ms, until_ms, 0, 0, 0, 0, [])
        found = Found(self._state)
        payments, refunds = await self._look(since_ms, until_ms, pause, self._mending(found))
        if not payments.theirs and not refunds.theirs and len(found.suspects) >= NOT_ONE_IS_STRANGE:
            found.suspects = found.not_closed([another_account(payments.ours, until_ms)])
        elif found.suspects:
            await self._sleep(AGAIN_SECONDS)
            await pause()
            oldest_ms = min(each.at_ms for each in found.suspects.values())
            again: dict[str, Difference] = {}
            await self._look(oldest_ms, self._now_ms(), pause, lambda more: again.update(found.suspected(more)))
            found.suspects = again
        await self._raise(list(found.suspects.values()))
        return Reconciliation(
            self._provider.name, since_ms, until_ms, payments.theirs, payments.ours, refunds.theirs, refunds.ours,
            found.findings(),
        )  # fmt: skip

    def _mending(self, found: Found) -> Take:
        def take(differences: list[Difference]) -> None:
            for each in differences:
                if each.mend is not None:
                    self._settle(each.mend)
                found.add(each)

        return take

    async def _raise(self, suspects: Sequence[Difference]) -> None:
        for count, each in enumerate(suspects):
            if not count % CONCERNS_AT_ONCE:
                await asyncio.sleep(0)
                await self._check_open()
            if self._state.concerns_open < CONCERNS_MAX:
                self._settle(each.concern)

    # --- one look at both sides

    async def _look(
        self, since_ms: int, until_ms: int, pause: Callable[[], Awaitable[None]], take: Take
    ) -> tuple[PaymentBooks, RefundBooks]:
        ours, state, provider = self._ours, self._state, self._provider
        asked_ms = max(since_ms - CLOCKS_APART_MS, 0)
        payments = PaymentBooks(
            await self._scope(ours.payments, state.next_payment_id, since_ms, until_ms), self._hold_ms
        )
        async for page in self._pages(provider.payments, asked_ms, pause):
            for part in _in_parts(page.payments):
                take(payments.compare(part, await self._read(ours.payments, payments.wanted(part))))
        for some in _in_parts(payments.canceled()):
            await self._read(ours.payments, [])
            take(list(some))
        for ids in payments.unseen():
            take(payments.missing((await self._read(ours.payments, ids)).values()))
        refunds = RefundBooks(
            await self._scope(ours.refunds, state.next_refund_id, since_ms, until_ms), payments.given_back
        )
        async for refund_page in self._pages(provider.refunds, asked_ms, pause):
            for part in _in_parts(refund_page.refunds):
                take(refunds.compare(part, await self._read(ours.refunds, refunds.wanted(part))))
            if len(refunds.strangers) >= STRANGERS_AT_ONCE:
                take(refunds.claim(await ours.old_payments_referred_to(list(refunds.strangers))))
        if refunds.strangers:
            take(refunds.claim(await ours.old_payments_referred_to(list(refunds.strangers))))
        for ids in refunds.unseen():
            take(refunds.missing((await self._read(ours.refunds, ids)).values()))
        return payments, refunds

    async def _read(self, rows: Callable[[list[int]], Awaitable[dict[int, Row]]], ids: list[int]) -> dict[int, Row]:
        await asyncio.sleep(0)  # others have their turn, also where all is in memory
        found = await rows(ids) if ids else {}
        await self._check_open()
        return found

    async def _scope(
        self,
        rows: Callable[[list[int]], Awaitable[Mapping[int, Payment | Refund]]],
        end_id: int,
        since_ms: int,
        until_ms: int,
    ) -> Scope:
        """Ids have no gaps and rise with time, so where a time begins is found by halving."""
        low, high = 1, end_id if since_ms > 0 else 1
        while low < high:
            middle = (low + high) // 2
            row = (await rows([middle])).get(middle)
            if row is not None and row.created_ms >= since_ms:
                high = middle
            else:
                low = middle + 1
        return Scope(self._journal_id, low, end_id, until_ms)

    async def _pages(
        self,
        ask: Callable[[int, str | None], Awaitable[Page]],
        since_ms: int,
        pause: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[Page]:
        cursor: str | None = None
        while True:
            await pause()
            page = await self._page(ask, since_ms, cursor)
            await self._check_open()
            yield page
            if page.cursor is None:
                return
            if page.cursor == cursor:
                raise UnavailableError("The payment provider gave the same page of its list twice; ask again later.")
            cursor = page.cursor

    async def _page(self, ask: Callable[[int, str | None], Awaitable[Page]], since_ms: int, cursor: str | None) -> Page:
        for seconds in TRY_AGAIN_SECONDS:
            try:
                return await ask(since_ms, cursor)
            except ProviderUnavailable as error:
                wait = max(seconds, error.retry_after_seconds or 0.0)
                log.info("a page of the payment provider's list could not be had: %s", error)
            await self._sleep(min(wait, WAIT_SECONDS_MAX))
            await self._check_open()
        try:
            return await ask(since_ms, cursor)
        except ProviderUnavailable as error:
            raise UnavailableError(f"The payment provider could not be asked: {error} Ask again later.") from error


def _in_parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[first : first + COMPARED_AT_ONCE] for first in range(0, len(rows), COMPARED_AT_ONCE))
