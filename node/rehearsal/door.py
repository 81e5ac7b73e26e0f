"""The crowd's way to the nodes: over HTTP, as anybody's.

Owns the connections, and whom to ask when a node does not answer: another one, with the same key, until there is an
answer for good. So a failover in the middle is waited for, and nothing is done twice.
"""

import asyncio
import random
import time
from typing import Any, Final

import aiohttp

CONNECTIONS_MAX: Final = 200
ANSWER_SECONDS_MAX: Final = 10.0
AGAIN_SECONDS: Final = 0.5
AGAIN_SECONDS_MAX: Final = 4.0
TRANSIENT: Final = (429, 502, 503, 504)


class Door:
    def __init__(self, nodes: tuple[str, ...], token: str, chance: random.Random) -> None:
        self.nodes = list(nodes)
        self.requests = 0
        self.slowest_ms = 0.0  # since it was last looked at
        self._chance = chance
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and document, once there is one for good: what is only so for a moment is asked again."""
        headers = dict(self._headers)
        if method != "GET":
            headers["Idempotency-Key"] = f"rehearsal-{self._chance.getrandbits(96):024x}"
        wait_seconds = AGAIN_SECONDS
        while True:
            status, document = await self._tried(method, path, body, headers)
            if status not in TRANSIENT:
                return status, document
            asked_seconds = min(float(document.get("retryAfterSeconds") or 0), AGAIN_SECONDS_MAX)
            await asyncio.sleep(max(asked_seconds, wait_seconds) * self._chance.uniform(0.8, 1.2))
            wait_seconds = min(wait_seconds * 2, AGAIN_SECONDS_MAX)

    async def once(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Whatever comes, a refusal for a moment too; status 503 for no answer at all."""
        return await self._tried(method, path, body, self._headers)

    async def _tried(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        try:
            return await self._asked(method, path, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 503, {}

    async def _asked(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=None, sock_read=ANSWER_SECONDS_MAX, sock_connect=2.0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        node = self._chance.choice(self.nodes)
        self.requests += 1
        began = time.perf_counter()
        async with self._session.request(method, node + path, json=body, headers=headers) as response:
            document = await response.json(content_type=None)
        self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - began) * 1000)
        return response.status, document if isinstance(document, dict) else {"rows": document}
