"""Webhooks: every event is sent, signed, again and again until it is answered with 2xx.

Stripe promises at least once and no order (https://docs.stripe.com/webhooks); here both can be commanded: held back,
released in another order, repeated, signed wrongly, dated back. The back-off is that of a test, not Stripe's hours.
"""

import asyncio
import hmac
import itertools
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import aiohttp
from stripe_account import EVENTS_KEPT_MAX
from stripe_errors import Json

Order = Literal["made", "reversed", "shuffled"]
FIRST_RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 2.0
ANSWER_SECONDS_MAX = 10.0
UNREACHABLE = 0


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The header Stripe-Signature: https://docs.stripe.com/webhooks/signature, "Verify manually"."""
    signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hexdigest()
    return f"t={timestamp},v1={signature}"


class Delivery(NamedTuple):
    """One attempt. `status` 0: nobody answered."""

    event_id: str
    event_type: str
    url: str
    status: int


class _Sending:
    """`account`, `secret`, `age_seconds`: how this one differs from a proper one."""

    def __init__(
        self, event: Json, *, secret: str | None = None, age_seconds: int = 0, account: str | None = None
    ) -> None:
        self.event = event if account is None else event | {"account": account}
        self.secret = secret
        self.age_seconds = age_seconds
        self.tries = 0


class Webhooks:
    def __init__(self, secret: str, *, now: Callable[[], float] = time.time, at_once: int = 4, seed: int = 0) -> None:
        """`at_once` 1: in the order they were made, unless one must be sent again."""
        self.secret = secret
        self.urls: list[str] = []  # another one is tried after each that fails
        self.deliveries: list[Delivery] = []
        self.events: deque[Json] = deque(maxlen=EVENTS_KEPT_MAX)
        self._now = now
        self._at_once = at_once
        self._chance = random.Random(seed)
        self._held: list[_Sending] | None = None
        self._stopped = False
        self._queue: asyncio.Queue[_Sending] = asyncio.Queue()
        self._owed = 0
        self._even = asyncio.Event()
        self._even.set()
        self._turns = itertools.count()
        self._workers: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self._workers = [asyncio.create_task(self._work(self._session)) for _ in range(self._at_once)]

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def waiting(self) -> int:
        """Owed and not yet answered with 2xx; those held back are not counted."""
        return self._owed

    @property
    def held(self) -> int:
        return len(self._held or ())

    async def idle(self) -> None:
        """Until everything that is not held back has been taken."""
        await self._even.wait()

    def send_to(self, *urls: str) -> None:
        self.urls = list(urls)

    def emit(self, event: Json) -> None:
        """Kept in any case; sent if anybody is to hear of it."""
        self.events.append(event)
        self._send(_Sending(event))

    def hold(self) -> None:
        self._held = self._held or []

    def release(self, order: Order = "made") -> int:
        """How many had been held back."""
        held, self._held = self._held or [], None
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            self._chance.shuffle(held)
        for sending in held:
            self._send(sending)
        return len(held)

    def send_again(
        self,
        event_ids: Iterable[str] | None = None,
        *,
        times: int = 1,
        secret: str | None = None,
        age_seconds: int = 0,
        account: str | None = None,
    ) -> int:
        """The same events, in the order given; all if none is named. Returns how many are sent.

        `secret`: signed with another one. `age_seconds`: dated back. `account`: as one of a connected account.

        Tried once each, as a stranger would, if anything about them is wrong.
        """
        known = {event["id"]: event for event in self.events}
        chosen = list(known.values()) if event_ids is None else [known[event_id] for event_id in event_ids]
        for _ in range(times):
            for event in chosen:
                self._send(_Sending(event, secret=secret, age_seconds=age_seconds, account=account))
        return len(chosen) * times

    def stop(self) -> None:
        """None is sent from now on, nor those that are owed; `resume` sends them."""
        self._stopped = True
        self.hold()

    def resume(self) -> None:
        self._stopped = False
        self.release()

    def of_type(self, *types: str) -> Sequence[Json]:
        return [event for event in self.events if event["type"] in types]

    def _send(self, sending: _Sending) -> None:
        if not self.urls:
            return
        if self._held is not None:
            self._held.append(sending)
            return
        self._owed += 1
        self._even.clear()
        self._queue.put_nowait(sending)

    def _done(self) -> None:
        self._owed -= 1
        if not self._owed:
            self._even.set()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            sending = await self._queue.get()
            if self._stopped:
                self.hold()
                assert self._held is not None
                self._held.append(sending)
                self._done()
                continue
            status = await self._post(session, sending)
            wrong = sending.secret is not None or sending.age_seconds
            if 200 <= status < 300 or wrong or not self.urls:
                self._done()
            else:
                self._later(sending)

    def _later(self, sending: _Sending) -> None:
        sending.tries += 1
        seconds = min(RETRY_SECONDS_MAX, FIRST_RETRY_SECONDS * 2 ** min(sending.tries - 1, 16))

        def again() -> None:
            self._timers.discard(timer)
            self._queue.put_nowait(sending)

        timer = asyncio.get_running_loop().call_later(seconds, again)
        self._timers.add(timer)

    async def _post(self, session: aiohttp.ClientSession, sending: _Sending) -> int:
        url = self.urls[(next(self._turns) if sending.tries else 0) % len(self.urls)]
        body = json.dumps(sending.event, indent=2).encode()
        timestamp = int(self._now()) - sending.age_seconds
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": sign(body, sending.secret or self.secret, timestamp),
        }
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                await response.read()
        except (aiohttp.ClientError, TimeoutError):
            status = UNREACHABLE
        self.deliveries.append(Delivery(sending.event["id"], sending.event["type"], url, status))
        return status
