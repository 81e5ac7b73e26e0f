"""People who book through a balancer while leadership moves behind it: what they met with is counted, answer by answer.

Owns `FrontLoad` and `FrontReport`. Everyone is another user each time, so that a write that was done twice shows in the
journal as a user who booked twice; and notes what was told, so that a write that was lost shows, too. Most writes carry
an Idempotency-Key and are asked again until there is an answer; the others are asked once, and nobody knows what became
of them when they fail.
"""

import asyncio
import json
import random
import ssl
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

import aiohttp

ANSWERED_WITHIN_SECONDS: Final = 20.0
AGAIN_SECONDS: Final = 0.05
WITHOUT_KEY_SHARE: Final = 0.2
LONG_SECONDS: Final = 1.0


class Told(NamedTuple):
    """A write that was answered."""

    method: str
    path: str
    body: Any
    key: str | None
    status: int
    answer: bytes


class Try(NamedTuple):
    """One request, however it went. `outcome`: the status, or what there was instead of an answer."""

    writes: bool
    keyed: bool
    outcome: str
    seconds: float


@dataclass
class FrontReport:
    """`tries`: every request that was sent; `told`: the writes that were answered, each once."""

    tries: list[Try] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)  # keyed writes without an answer in time

    @property
    def failed(self) -> Counter[str]:
        """Requests that got no answer to act upon, by what they got."""
        return Counter(
            f"{'write' if each.writes else 'read'}{'' if each.keyed or not each.writes else ' without key'}: "
            f"{each.outcome}"
            for each in self.tries
            if not each.outcome.isdigit() or int(each.outcome) >= 500 or int(each.outcome) == 429
        )

    @property
    def long(self) -> int:
        """Requests that waited longer than a second."""
        return sum(each.seconds > LONG_SECONDS for each in self.tries)

    @property
    def longest_seconds(self) -> float:
        return max((each.seconds for each in self.tries), default=0.0)

    def booked(self) -> dict[str, int]:
        """The user ids that were told of a hold, with their booking's id."""
        return {
            each.body["userId"]: json.loads(each.answer)["bookingId"]
            for each in self.told
            if each.path == "/booking" and each.status == 201
        }

    def __str__(self) -> str:
        writes = sum(each.writes for each in self.tries)
        failed = ", ".join(f"{count} × {what}" for what, count in self.failed.most_common()) or "none"
        return (
            f"{writes} writes and {len(self.tries) - writes} reads; failed: {failed}; {self.long} waited longer than "
            f"{LONG_SECONDS:.0f} s, the longest {self.longest_seconds:.2f} s; {len(self.given_up)} without an answer"
        )


class FrontLoad:
    """`people` who book, look and give up at `url` until the block is left. What they met with is in `report`."""

    def __init__(
        self,
        url: str,
        event_id: int,
        *,
        people: int = 8,
        think_seconds: float = 0.02,
        context: ssl.SSLContext | None = None,
        seed: int = 1,
    ) -> None:
        self.report = FrontReport()
        self._url = url
        self._event_id = event_id
        self._people = people
        self._think_seconds = think_seconds
        self._context = context
        self._chance = random.Random(seed)
        self._enough = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._context or True),
            timeout=aiohttp.ClientTimeout(total=ANSWERED_WITHIN_SECONDS),
        )
        self._session._retry_connection = False  # noqa: SLF001 - DELETE would be sent again without a word
        self._tasks = [asyncio.create_task(self._live()) for _ in range(self._people)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            assert self._session is not None
            await self._session.close()

    async def _live(self) -> None:
        event, chance = f"/events/{self._event_id}", self._chance
        while not self._enough.is_set():
            await self._try("GET", chance.choice((f"{event}/availability", event, "/events?search=front")))
            body = {"userId": f"u-{uuid.uuid4()}", "eventId": self._event_id}
            told = await self._write("POST", "/booking", body)
            if told is not None and told.status == 201:
                number = json.loads(told.answer)["bookingId"]
                await self._try("GET", f"/booking/{number}", min_seq=json.loads(told.answer)["seq"])
                if chance.random() < 0.5:
                    await self._write("DELETE", f"/booking/{number}", None)
            await asyncio.sleep(self._think_seconds * chance.uniform(0.5, 1.5))

    async def _write(self, method: str, path: str, body: Any) -> Told | None:
        if self._chance.random() < WITHOUT_KEY_SHARE:
            return self._noted(method, path, body, None, await self._try(method, path, body))
        key, given_up_at = str(uuid.uuid4()), time.monotonic() + ANSWERED_WITHIN_SECONDS
        while time.monotonic() < given_up_at:
            told = self._noted(method, path, body, key, await self._try(method, path, body, key=key))
            if told is not None:
                return told
            await asyncio.sleep(AGAIN_SECONDS)
        self.report.given_up.append(f"{method} {path} {body}")
        return None

    def _noted(
        self, method: str, path: str, body: Any, key: str | None, answered: tuple[int, bytes] | None
    ) -> Told | None:
        if answered is None or answered[0] >= 500 or answered[0] == 429:
            return None
        told = Told(method, path, body, key, *answered)
        self.report.told.append(told)
        return told

    async def _try(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, min_seq: int | None = None
    ) -> tuple[int, bytes] | None:
        """(status, body), or None where there was no answer."""
        assert self._session is not None
        headers = {} if key is None else {"Idempotency-Key": key}
        if min_seq is not None:
            headers["Onsale-Min-Seq"] = str(min_seq)
        began, answered, outcome = time.monotonic(), None, "no answer"
        try:
            async with self._session.request(method, self._url + path, json=body, headers=headers) as response:
                answered = response.status, await response.read()
                outcome = _outcome(*answered)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome = type(error).__name__
        writes = method != "GET"
        self.report.tries.append(Try(writes, key is not None, outcome, time.monotonic() - began))
        return answered


def _outcome(status: int, body: bytes) -> str:
    if status < 500:
        return str(status)
    try:
        return f"{status} {json.loads(body)['code']}: {json.loads(body)['detail'][:60]}"
    except (ValueError, KeyError, TypeError):
        return f"{status} {body[:60]!r}"
