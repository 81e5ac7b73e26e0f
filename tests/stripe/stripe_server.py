"""A Stripe-compatible server for tests: payments, refunds, disputes and signed webhooks, with faults to order.

Owns the listening, and what a browser and a test ask for. It behaves as Stripe's public
documents say; tests/stripe/test_*.py hold it to that with Stripe's own library. In-process:

    async with StripeServer() as stripe:
        stripe.url, stripe.key, stripe.webhook_secret
        stripe.webhooks.send_to("http://127.0.0.1:8080/webhooks/stripe")
        stripe.fail("error", after=True, times=3, path="/v1/refunds")

As a process of its own, which outlives those it serves: `python stripe_server.py --port N`; then everything that
`StripeControls` offers is a call: POST /control/fail {"kind": "error", "after": true} (see stripe_process.py).
"""

import argparse
import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable
from typing import Self

from aiohttp import web
from stripe_account import Account, World
from stripe_controls import StripeControls
from stripe_errors import Json, Refusal
from stripe_faults import Faults
from stripe_forms import decode
from stripe_ledger import Ledger
from stripe_requests import Seen, StripeRequests, cut
from stripe_webhooks import Webhooks


class StripeServer(StripeRequests, StripeControls):
    def __init__(
        self,
        *,
        port: int = 0,
        key: str = "sk_test_onsale",
        webhook_secret: str = "whsec_onsale_test",
        now: Callable[[], float] = time.time,
        seed: int = 0,
        webhooks_at_once: int = 4,
    ) -> None:
        self.key = key
        self.webhook_secret = webhook_secret
        self.ledger = Ledger()
        self.faults = Faults(seed)
        self.webhooks = Webhooks(webhook_secret, now=now, at_once=webhooks_at_once, seed=seed)
        self.requests: list[Seen] = []
        self.down = False
        self.now = now
        self._port = port
        self._run = secrets.token_hex(4)  # another server never gives the same ids
        self._numbers = itertools.count(1)
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.accounts: dict[str, Account] = {}
        self.add_account(key)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=1 << 20)
        application.router.add_route("*", "/control/{name}", self._control)
        application.router.add_post("/client/{name}", self._browser)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        await self.webhooks.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release_hanging()
        await self.webhooks.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def add_account(self, key: str) -> Account:
        """Another account: its objects, and its idempotency keys, are its own."""
        world = World(self.now, self._new_id, self.webhooks.emit, self.ledger)
        self.accounts[key] = Account(self._new_id("acct"), key, world)
        return self.accounts[key]

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._run}{next(self._numbers):016d}"

    def release_hanging(self) -> None:
        """Those that hang are cut."""
        self._released.set()
        self._released = asyncio.Event()

    async def _browser(self, request: web.Request) -> web.Response:
        """POST /client/confirm {client_secret, payment_method}, /client/authenticate {client_secret, succeed}."""
        if self.down:
            return cut(request)
        asked = await _asked(request)
        try:
            if request.match_info["name"] == "confirm":
                row = self.confirm_in_browser(asked["client_secret"], asked["payment_method"])
            else:
                succeed = asked.get("succeed", True) in {True, "true"}
                row = self.authenticate(asked["client_secret"], succeed=succeed)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return web.json_response(row)

    async def _control(self, request: web.Request) -> web.Response:
        try:
            result = self.control(request.match_info["name"], await _asked(request))
        except (Refusal, TypeError, ValueError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(result)


async def _asked(request: web.Request) -> Json:
    if request.content_type == "application/json" and request.can_read_body:
        found = await request.json()
        assert isinstance(found, dict)
        return found
    return decode(await request.text())


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A Stripe-compatible server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="sk_test_onsale")
    parser.add_argument("--webhook-secret", default="whsec_onsale_test")
    parser.add_argument("--webhook-url", action="append", default=[])
    options = parser.parse_args()
    async with StripeServer(port=options.port, key=options.key, webhook_secret=options.webhook_secret) as stripe:
        stripe.webhooks.send_to(*options.webhook_url)
        print(f"listening on {stripe.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
