"""Sends the messages that are owed: mail to people, calls to their webhooks and to organisers'.

Owns which deliveries are being sent, and when each is tried again. What is owed are the rows of `state.deliveries`;
what a message says is put together when it is sent, so it goes to the address that its user has then. Nothing is sent
before the fact it tells of is durable. A message may be sent twice (a node that crashed sends again), and has the same
id then.

What can't wait has lanes of its own: whoever's turn it is hears of it at once, whatever else there is to send.
"""

import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from functools import partial
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from ..engine import facts as f
from ..engine.commands import Command, DisableWebhook, DropDelivery, SettleDelivery
from ..engine.limits import DELIVERY_KEPT_MS
from ..engine.notices import CHANNEL_NAMES, MAIL, USER_WEBHOOK, delivery_id
from ..engine.records import Delivery
from ..engine.state import State
from .lane import Lane
from .message_orders import MessageOrders
from .orders import Answer, CallWebhook, NotSent, Order, Sent
from .provider import ProviderUnavailable

URGENT: Final = frozenset({"your_turn", "about_to_lapse"})  # of no use when they come late
MAILS_AT_ONCE_MAX: Final = 4
URGENT_MAILS_AT_ONCE_MAX: Final = 2
WEBHOOKS_AT_ONCE_MAX: Final = 64
URGENT_WEBHOOKS_AT_ONCE_MAX: Final = 32
WEBHOOKS_PER_HOST_MAX: Final = 8  # a slow one must not hold up the others
RESUMED_PER_TURN: Final = 500

_MINUTE: Final = 60
_HOUR: Final = 3600
MAIL_RETRY_SECONDS: Final = (1 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR)  # and so on, each hour
WEBHOOK_RETRY_SECONDS: Final = (  # as Standard Webhooks proposes
    5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
_JITTER: Final = 0.1  # of the wait, added
_LAST_TRY_BEFORE_MS: Final = 60_000  # its time is over
_LATEST_GAP_MS: Final = 3_600_000
_CHANNELS: Final = tuple(CHANNEL_NAMES)


class MessageEffects:
    kinds = (f.DeliveryFailed, f.DeliveryRetried)

    def __init__(
        self,
        state: State,
        submit: Callable[[Command], None],
        outside_ask: Callable[[Order], Awaitable[Answer]],
        *,
        journal_id: str,
        ticket_codes: Callable[[int, int, int], list[str]],
        webhook_secret: Callable[[str], str],
        now_ms: Callable[[], int],
        call_later: Callable[[float, Callable[[], None]], object],
        mail_domain: str,
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`submit` has a command decided. `ticket_codes(event_id, booking_id, quantity)`; `webhook_secret(owner)`, with
        user:ID or event:ID. To be made before this node decides anything: what the state holds then is durable by the
        time `resume` is called.
        """
        self._state = state
        self._submit = submit
        self._ask = outside_ask
        self._now_ms = now_ms
        self._call_later = call_later
        self._chance = chance
        self._orders = MessageOrders(
            state,
            journal_id=journal_id,
            ticket_codes=ticket_codes,
            webhook_secret=webhook_secret,
            mail_domain=mail_domain,
        )

        def lane(name: str, at_once: int, *, webhooks: bool) -> Lane:
            return Lane(
                name,
                self._send,
                at_once=at_once,
                call_later=call_later,
                chance=chance,
                seconds=seconds,
                group=self._host if webhooks else None,
                at_once_per_group=WEBHOOKS_PER_HOST_MAX if webhooks else 0,
            )

        self._mail = lane("mail", MAILS_AT_ONCE_MAX, webhooks=False)
        self._mail_urgent = lane("mail_urgent", URGENT_MAILS_AT_ONCE_MAX, webhooks=False)
        self._webhooks = lane("webhooks", WEBHOOKS_AT_ONCE_MAX, webhooks=True)
        self._webhooks_urgent = lane("webhooks_urgent", URGENT_WEBHOOKS_AT_ONCE_MAX, webhooks=True)
        self.lanes: tuple[Lane, ...] = (self._mail, self._mail_urgent, self._webhooks, self._webhooks_urgent)
        self._begun_at_notice = state.next_notice_id  # those below were there before this node led
        self._seen = state.next_notice_id  # deliveries of notices below are in a lane, or were
        self._marked = state.next_notice_id
        self._marks: deque[tuple[int, int]] = deque()  # (seq, n): once seq is durable, all notices below n are
        self._closed = False

    def on_fact(self, _seq: int, _at_ms: int, fact: f.Fact) -> None:
        """A durable fact of one of `kinds`."""
        match fact:
            case f.DeliveryFailed() | f.DeliveryRetried():
                self._owe(fact.delivery_id)

    def on_durable(self, seq: int) -> None:
        """Everything up to `seq` is durable: send what was made by it. Costs nothing where there is nothing new."""
        state = self._state
        if state.next_notice_id != self._marked:
            # what is in memory now may be ahead of `seq`, and nothing says which fact made a delivery
            self._marked = state.next_notice_id
            self._marks.append((state.seq, self._marked))
        while self._marks and self._marks[0][0] <= seq:
            _, below = self._marks.popleft()
            first, self._seen = self._seen, below
            rows = state.deliveries.rows
            if not rows:
                continue
            for notice_id in range(first, below):
                for channel in _CHANNELS:
                    number = delivery_id(notice_id, channel)
                    if number in rows:
                        self._owe(number)

    def resume(self) -> None:
        """Send what was owed when this node began to lead; some at a time."""
        before = delivery_id(self._begun_at_notice, 0)
        # what was made since then may not be durable, and comes by `on_durable` when it is
        numbers = (number for number in list(self._state.deliveries.rows) if number < before)
        self._resume_some(map(self._owe, numbers))

    async def close(self) -> None:
        """Send nothing more; what is owed is sent by whoever leads next."""
        self._closed = True
        for lane in self.lanes:
            await lane.close()

    def _resume_some(self, steps: Iterator[None]) -> None:
        if not self._closed and sum(1 for _ in islice(steps, RESUMED_PER_TURN)) == RESUMED_PER_TURN:
            self._call_later(0.0, partial(self._resume_some, steps))

    def _owe(self, number: int) -> None:
        """Have one sent when it is due, if it still is to be."""
        delivery = self._state.deliveries.rows.get(number)
        if delivery is not None and not delivery.dead:
            wait_ms = delivery.due_ms - self._now_ms() if delivery.due_ms else 0
            self._lane_of(delivery).add(number, max(wait_ms, 0) / 1000)

    def _lane_of(self, delivery: Delivery) -> Lane:
        if delivery.channel == MAIL:
            return self._mail_urgent if delivery.kind in URGENT else self._mail
        return self._webhooks_urgent if delivery.kind in URGENT else self._webhooks

    def _host(self, number: int) -> Hashable:
        """Where a webhook is; None when nobody is to be called any more."""
        delivery = self._state.deliveries.rows.get(number)
        url = None if delivery is None else self._orders.webhook_url(delivery)
        return None if url is None else _host_of(url)

    async def _send(self, number: int) -> None:
        """The lanes' work: whatever is wrong with one message comes back as a fact, with the time of its next try."""
        delivery = self._state.deliveries.rows.get(number)
        if delivery is None or delivery.dead:
            return
        if delivery.due_ms > self._now_ms():
            self._owe(number)
            return
        order = self._orders.order(delivery, self._now_ms())
        if order is None:
            self._submit(DropDelivery(number))
            return
        try:
            answer = await self._ask(order)
        except ProviderUnavailable as error:
            # counts against no message, until nobody wants it any more
            if self._now_ms() >= delivery.at_ms + DELIVERY_KEPT_MS:
                self._submit(SettleDelivery(number, str(error)))
            raise
        match answer:
            case Sent():
                self._submit(SettleDelivery(number))
            case NotSent(gone=True) if isinstance(order, CallWebhook):
                self._submit(_disable(delivery, order.url))
                self._submit(DropDelivery(number))
            case NotSent():
                retry_ms = 0 if answer.for_good else self._retry_ms(delivery, answer.retry_after_seconds)
                self._submit(SettleDelivery(number, answer.failure, retry_ms))
            case _:
                raise TypeError(f"{type(order).__name__} was answered with {type(answer).__name__}")

    def _retry_ms(self, delivery: Delivery, retry_after_seconds: float | None) -> int:
        """When to try again; the engine gives up what would be too late. There is one try shortly before that."""
        plan = MAIL_RETRY_SECONDS if delivery.channel == MAIL else WEBHOOK_RETRY_SECONDS
        wait_seconds = plan[min(delivery.attempts, len(plan) - 1)] * (1 + _JITTER * self._chance())
        now_ms = self._now_ms()
        retry_ms = now_ms + round(max(wait_seconds, retry_after_seconds or 0.0) * 1000)
        last_ms = delivery.at_ms + DELIVERY_KEPT_MS - _LAST_TRY_BEFORE_MS
        return last_ms if retry_ms > last_ms and now_ms < last_ms - _LATEST_GAP_MS else retry_ms


def _disable(delivery: Delivery, url: str) -> DisableWebhook:
    if delivery.channel == USER_WEBHOOK:
        return DisableWebhook(url, user_id=delivery.user_id)
    return DisableWebhook(url, event_id=delivery.event_id)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return url
