"""The Stripe-compatible server as a process of its own: it outlives the nodes it serves.

async with StripeProcess() as stripe:
    stripe.url, stripe.key, stripe.webhook_secret
    await stripe.order("send-webhooks-to", urls=["http://127.0.0.1:8080/webhooks/stripe"])
    await stripe.ledger()
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, Self

import aiohttp
from stripe_errors import Json
from stripe_ledger import Ledger, Movement

SERVER = Path(__file__).with_name("stripe_server.py")


class StripeProcess:
    def __init__(self, *, key: str = "sk_test_onsale", webhook_secret: str = "whsec_onsale_test") -> None:
        self.key = key
        self.webhook_secret = webhook_secret
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        options = ["--key", self.key, "--webhook-secret", self.webhook_secret]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(SERVER), *options, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the server did not start; it said {line!r}, and more on standard error")
        self.url = line.split()[-1]
        self._session = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        assert self._process is not None
        self._process.terminate()
        await self._process.wait()

    async def order(self, name: str, **options: Any) -> Any:
        """One of those in `StripeControls.control`; raises ValueError when it is refused."""
        assert self._session is not None
        async with self._session.post(f"/control/{name}", json=options) as response:
            answer = await response.json()
            if response.status != 200:
                raise ValueError(f"{name}: {answer['error']}")
            return answer

    async def ledger(self) -> Ledger:
        return Ledger(Movement(**movement) for movement in await self.order("ledger"))

    async def confirm_in_browser(self, client_secret: str, payment_method: str) -> Json:
        """The PaymentIntent, or {"error": …} when declined."""
        return await self._client("confirm", {"client_secret": client_secret, "payment_method": payment_method})

    async def authenticate(self, client_secret: str, *, succeed: bool = True) -> Json:
        return await self._client("authenticate", {"client_secret": client_secret, "succeed": succeed})

    async def _client(self, name: str, asked: Json) -> Json:
        assert self._session is not None
        async with self._session.post(f"/client/{name}", json=asked) as response:
            answer: Json = await response.json()
            return answer
