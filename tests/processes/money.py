"""The world outside of a cluster, for tests about money: a payment provider, a mail server and people's webhooks.

All are real servers in the test's own process, so they outlive the nodes and remember everything that reached them.
Each tells a trap what is about to happen; at the point that it waits for, it kills the primary.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook

# tests/ is no package (see tests/test_tidy.py), so what its folders share is found by path
sys.path.insert(0, str(Path(__file__).parent.parent / "stripe"))

from stripe_server import StripeServer

STEPS = ("asked", "done", "answered")
POINTS = (
    "confirm done", "refund done", "mail taken", "news under way",  # what a short run sees
    "create asked", "confirm asked", "cancel asked", "refund asked",
    "create done", "cancel done", "create answered", "confirm answered", "cancel answered", "refund answered",
    "news before", "news after", "mail begun", "mail answered", "webhook taken", "webhook answered", "any moment",
)  # fmt: skip
ANSWERED_SECONDS_MAX = 0.005  # until an answer has reached whoever asked, or just not
LATE_SECONDS_MAX = 2.0
NEWS_SECONDS_MAX = 3.0


class Trap:
    """Kills the primary once, at the `skipped` + first time that a point is reached."""

    def __init__(self, point: str, kill: Callable[[], None], chance: random.Random, *, skipped: int = 0) -> None:
        self.point = point
        self.chance = chance
        self.sprung = asyncio.Event()
        self._kill = kill
        self._skipped = skipped

    def reached(self, point: str) -> bool:
        """Whether the primary was killed here and now."""
        if point != self.point or self.sprung.is_set():
            return False
        if self._skipped:
            self._skipped -= 1
            return False
        self.spring()
        return True

    def reached_soon(self, point: str) -> None:
        """In a moment, when what is being answered now may or may not have arrived."""
        seconds = self.chance.uniform(0, ANSWERED_SECONDS_MAX)
        asyncio.get_running_loop().call_later(seconds, self.reached, point)

    def spring(self) -> None:
        if not self.sprung.is_set():
            self.sprung.set()
            self._kill()


class Taken(NamedTuple):
    """A message that reached its receiver, who may not have lived to say so."""

    message_id: str
    to: str  # an address, or who is called
    content: Any  # of a mail its text, of a call its JSON
    raw: bytes


class _Server:
    """An aiohttp server on a port of its own."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def _open(self, path: str, handler: Any) -> None:
        application = web.Application()
        application.router.add_post(path, handler)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()


class WatchedStripe(StripeServer):
    """Tells the trap of each request that moves money or may."""

    trap: Trap | None = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        what, trap = _name(request), self.trap
        if what is None or trap is None:
            return await super()._serve(request)
        await request.read()
        if trap.reached(f"{what} asked"):
            if trap.chance.random() < 0.5:  # it was on its way, and is done when nobody thinks of it any more
                await asyncio.sleep(trap.chance.uniform(0, LATE_SECONDS_MAX))
                await super()._serve(request)
            return _cut(request)
        response = await super()._serve(request)
        if trap.reached(f"{what} done"):
            return _cut(request)
        trap.reached_soon(f"{what} answered")
        return response


def _name(request: web.Request) -> str | None:
    if request.method != "POST":
        return None
    last = request.path.rpartition("/")[2]
    return {"payment_intents": "create", "confirm": "confirm", "cancel": "cancel", "refunds": "refund"}.get(last)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class NewsRelay(_Server):
    """What the provider tells goes to any node that lives, as through a load balancer."""

    def __init__(self, urls: Callable[[], Sequence[str]], chance: random.Random) -> None:
        super().__init__()
        self.trap: Trap | None = None
        self._urls = urls
        self._chance = chance
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=NEWS_SECONDS_MAX))
        await self._open("/news", self._take)

    async def close(self) -> None:
        await super().close()
        if self._session is not None:
            await self._session.close()

    async def _take(self, request: web.Request) -> web.Response:
        body, trap = await request.read(), self.trap
        if trap is not None and trap.reached("news before"):
            return web.Response(status=503)
        passing_on = asyncio.create_task(self._pass_on(body, request.headers["Stripe-Signature"]))
        if trap is not None and trap.point == "news under way":
            await asyncio.sleep(trap.chance.uniform(0, ANSWERED_SECONDS_MAX))
            trap.reached("news under way")
        status = await passing_on
        if trap is not None and status == 200:
            trap.reached("news after")
        return web.Response(status=status)

    async def _pass_on(self, body: bytes, signature: str) -> int:
        urls = self._urls()
        if not urls:
            return 503
        assert self._session is not None
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._session.post(
                f"{self._chance.choice(urls)}/webhooks/stripe", data=body, headers=headers
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 503


class MailServer:
    """A real SMTP server; a message whose taking it could not confirm any more has arrived all the same."""

    def __init__(self) -> None:
        self.trap: Trap | None = None
        self.taken: list[Taken] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.test", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0
        )
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.trap is not None and self.trap.reached("mail begun"):
            server.transport.abort()  # type: ignore[union-attr]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        text = message.get_body(("plain",))
        assert text is not None
        (to,) = envelope.rcpt_tos
        self.taken.append(Taken(message["Message-ID"], to, text.get_content(), envelope.content))
        if self.trap is not None:
            if self.trap.reached("mail taken"):
                server.transport.abort()  # type: ignore[union-attr]
            self.trap.reached_soon("mail answered")
        return "250 taken"


class WebhookServer(_Server):
    """People's webhooks, and organisers'; each checks signatures as Standard Webhooks has it."""

    def __init__(self) -> None:
        super().__init__()
        self.trap: Trap | None = None
        self.secrets: dict[str, str] = {}  # by who is called
        self.taken: list[Taken] = []
        self.faults: list[str] = []

    async def open(self) -> None:
        await self._open("/{who}", self._take)

    def url_of(self, who: str) -> str:
        return f"{self.url}/{who}"

    async def _take(self, request: web.Request) -> web.Response:
        who, body = request.match_info["who"], await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            Webhook(self.secrets[who]).verify(body.decode(), headers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says so at its end
            self.faults.append(f"{who}: {error!r}: {headers} {body!r}")
        self.taken.append(Taken(headers["webhook-id"], who, orjson.loads(body), body))
        if self.trap is not None:
            if self.trap.reached("webhook taken"):
                return _cut(request)
            self.trap.reached_soon("webhook answered")
        return web.Response()


class Outside:
    """All of it. `urls` are those of the nodes that live."""

    def __init__(self, urls: Callable[[], Sequence[str]], chance: random.Random) -> None:
        self.stripe = WatchedStripe(seed=chance.randrange(1 << 30))
        self.news = NewsRelay(urls, chance)
        self.mail = MailServer()
        self.webhooks = WebhookServer()

    async def __aenter__(self) -> Self:
        await self.stripe.__aenter__()
        for server in (self.news, self.mail, self.webhooks):
            await server.open()
        self.stripe.webhooks.send_to(f"{self.news.url}/news")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stripe.__aexit__()
        for server in (self.news, self.mail, self.webhooks):
            await server.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a node is started with, to find it."""
        return {
            "STRIPE_API_KEY": self.stripe.key,
            "STRIPE_WEBHOOK_SECRET": self.stripe.webhook_secret,
            "STRIPE_API_BASE": self.stripe.url,
            "ONSALE_SMTP_URL": self.mail.url,
            "ONSALE_MAIL_FROM": "Box office <tickets@onsale.test>",
            "ONSALE_ALLOW_PRIVATE_WEBHOOKS": "1",
        }

    def set(self, trap: Trap | None) -> None:
        self.stripe.trap = self.news.trap = self.mail.trap = self.webhooks.trap = trap

    def repeated(self) -> dict[str, int]:
        """How often a message came again."""
        return {
            name: len(taken) - len({(each.message_id, each.to) for each in taken})
            for name, taken in (("mails", self.mail.taken), ("calls", self.webhooks.taken))
        }
