"""Webhooks get calls they can verify, what they answer is understood, and what only we can reach is never called."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from onsale.effects.orders import CallWebhook, NotSent, Sent
from onsale.effects.webhooks import sender as sender_module
from onsale.effects.webhooks.sender import ANSWER_BYTES_MAX, WebhookSender
from onsale.effects.webhooks.signing import signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw"
BODY = '{"type":"booking.confirmed","data":{"eventName":"Bücher"}}'.encode()
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """A webhook: keeps what it was sent, and answers with what `handle` gives."""

    def __init__(self, handle: Handle | None) -> None:
        self.url = ""
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.peers: set[tuple[str, int]] = set()
        self._handle = handle

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((dict(request.headers), await request.read()))
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        return web.Response() if self._handle is None else await self._handle(request)


@asynccontextmanager
async def receiver(handle: Handle | None = None) -> AsyncIterator[Receiver]:
    webhook = Receiver(handle)
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", webhook.take)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield webhook
    finally:
        await runner.cleanup()


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    made = WebhookSender(allow_private=True)
    yield made
    await made.close()


def order(url: str, body: bytes = BODY) -> CallWebhook:
    return CallWebhook(url, SECRET, "msg_0123abcd_7", int(time.time() * 1000), body)


def answer(status: int, **headers: str) -> Handle:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return handle


async def test_a_call_is_verified_by_the_standards_own_library(sender: WebhookSender) -> None:
    async with receiver() as webhook:
        assert await sender.call(order(webhook.url)) == Sent()
        headers, body = webhook.calls[0]
        assert body == BODY
        assert headers["Content-Type"] == "application/json"
        assert headers["webhook-id"] == "msg_0123abcd_7"
        assert Webhook(SECRET).verify(body, headers) == json.loads(BODY)
        for wrong in ({"webhook-id": "msg_other"}, {"webhook-timestamp": str(int(time.time()) - 1)}):
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(body, headers | wrong)


async def test_a_repeat_has_the_same_id_and_the_time_of_its_own(sender: WebhookSender) -> None:
    async with receiver() as webhook:
        first = order(webhook.url)
        later = CallWebhook(first.url, first.secret, first.message_id, first.at_ms + 5000, first.body)
        assert [await sender.call(first), await sender.call(later)] == [Sent(), Sent()]
        (one, _), (two, body) = webhook.calls
        assert one["webhook-id"] == two["webhook-id"]
        assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 5
        Webhook(SECRET).verify(body, two)
        assert len(webhook.peers) == 1  # over the same connection


def test_a_secret_that_is_none_is_not_shown() -> None:
    for secret in ("whsec_", "whsec_!secret!", "secret", "c2VjcmV0"):
        with pytest.raises(ValueError, match="whsec_ and base64") as refused:
            signed_headers(secret, "msg", 1, b"")
        assert "secret!" not in str(refused.value)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_is_any_2xx(sender: WebhookSender, status: int) -> None:
    async with receiver(answer(status)) as webhook:
        assert await sender.call(order(webhook.url)) == Sent()


@pytest.mark.parametrize("status", [304, 400, 401, 404, 422, 500, 502, 504])
async def test_anything_else_is_tried_again(sender: WebhookSender, status: int) -> None:
    async with receiver(answer(status, Retry_After="120")) as webhook:
        result = await sender.call(order(webhook.url))
        assert isinstance(result, NotSent)
        assert str(status) in result.failure
        assert (result.for_good, result.gone, result.retry_after_seconds) == (False, False, None)


async def test_gone_is_gone(sender: WebhookSender) -> None:
    async with receiver(answer(410)) as webhook:
        result = await sender.call(order(webhook.url))
        assert isinstance(result, NotSent)
        assert result.gone


@pytest.mark.parametrize("status", [429, 503])
async def test_who_is_busy_may_say_until_when(sender: WebhookSender, status: int) -> None:
    in_two_minutes = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    expected: list[tuple[str, float | None]] = [
        ("120", 120), (in_two_minutes, 120), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("9" * 400, 86_400),
        ("soon", None), ("-5", None), ("1.5", None), ("", None), ("²", None),
    ]  # fmt: skip
    for value, seconds in expected:
        async with receiver(answer(status, Retry_After=value)) as webhook:
            result = await sender.call(order(webhook.url))
            assert isinstance(result, NotSent)
            assert result.retry_after_seconds == (None if seconds is None else pytest.approx(seconds, abs=3)), value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(sender: WebhookSender, status: int) -> None:
    async with receiver() as inner, receiver(answer(status, Location=inner.url)) as webhook:
        result = await sender.call(order(webhook.url))
        assert isinstance(result, NotSent)
        assert "redirects are not followed" in result.failure
        assert not inner.calls


async def test_of_a_long_answer_little_is_read(sender: WebhookSender) -> None:
    written = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
            written += 65536

    async with receiver(flood) as webhook:
        assert await sender.call(order(webhook.url)) == Sent()
        assert written < 20_000_000  # what fits into the sockets' buffers
    assert ANSWER_BYTES_MAX <= 64 * 1024


async def test_nothing_is_unpacked(sender: WebhookSender) -> None:
    async def bomb(_request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})

    async with receiver(bomb) as webhook:
        assert await sender.call(order(webhook.url)) == Sent()


async def test_no_cookie_is_kept(sender: WebhookSender) -> None:
    async with receiver(answer(200, Set_Cookie="a=b")) as webhook:
        for _ in range(2):
            assert await sender.call(order(webhook.url)) == Sent()
        assert not any("Cookie" in headers for headers, _ in webhook.calls)


async def test_who_is_slow_is_not_waited_for(sender: WebhookSender, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sender_module.CALL_SECONDS_MAX == 15
    monkeypatch.setattr(sender_module, "CALL_SECONDS_MAX", 0.1)

    async def sleep(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with receiver(sleep) as webhook:
        result = await sender.call(order(webhook.url))
        assert isinstance(result, NotSent)
        assert "did not answer within" in result.failure


async def test_who_has_taken_it_and_does_not_come_to_an_end_has_taken_it(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "BODY_SECONDS_MAX", 0.05)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        raise AssertionError

    async with receiver(drip) as webhook:
        assert await sender.call(order(webhook.url)) == Sent()


async def test_who_is_not_there_is_said_so(sender: WebhookSender) -> None:
    async with receiver() as webhook:
        url = webhook.url
    result = await sender.call(order(url))
    assert result == NotSent("It refuses connections.")


@pytest.mark.parametrize(
    "talk", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9000]
)
async def test_nonsense_is_an_answer_about_this_call(sender: WebhookSender, talk: bytes) -> None:
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(talk)
        writer.close()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    result = await sender.call(order(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    await served.wait()
    server.close()
    await server.wait_closed()
    assert isinstance(result, NotSent)
    assert not result.for_good
    assert len(result.failure) < 200


async def test_a_url_that_may_not_be_called_is_refused_for_good() -> None:
    sender = WebhookSender(allow_private=False)
    async with receiver() as webhook:
        for url in (webhook.url, webhook.url.replace("127.0.0.1", "localhost"), "file:///etc/passwd"):
            result = await sender.call(order(url))
            assert isinstance(result, NotSent)
            assert result.for_good
        assert not webhook.calls
    await sender.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["10.0.0.1"],
        ["169.254.169.254"],
    ],
)
async def test_a_name_that_leads_into_a_private_network_is_not_called(addresses: list[str]) -> None:
    async with receiver() as webhook:
        sender = WebhookSender(
            allow_private=False, resolve=lambda _h, _p: [(socket.AF_INET, each) for each in addresses]
        )
        port = webhook.url.split(":")[2].split("/")[0]
        result = await sender.call(order(f"http://hook.example.org:{port}/"))
        assert result == NotSent("Its name leads into a private network.")
        assert not webhook.calls
        await sender.close()


async def test_a_name_that_resolves_otherwise_the_second_time_is_no_way_around() -> None:
    asked: list[str] = []
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])

    def resolve(host: str, _port: int) -> list[tuple[socket.AddressFamily, str]]:
        asked.append(host)
        return [(socket.AF_INET, each) for each in next(answers)]

    connected: list[str] = []

    async with receiver() as webhook:
        sender = WebhookSender(allow_private=False, resolve=resolve)
        session = sender._open()
        sender._session = session
        factory = session.connector._socket_factory  # type: ignore[union-attr]

        def note(info: tuple[object, ...]) -> socket.socket:
            connected.append(info[4][0])  # type: ignore[index]
            factory(info).close()
            raise ConnectionRefusedError

        session.connector._socket_factory = note  # type: ignore[union-attr]
        port = webhook.url.split(":")[2].split("/")[0]
        for _ in range(2):
            assert isinstance(await sender.call(order(f"http://hook.example.org:{port}/")), NotSent)
        # one question per call, and the connection was begun to its very answer
        assert asked == ["hook.example.org"] * 2
        assert connected == ["93.184.216.34"]
        assert not webhook.calls
        await sender.close()


@pytest.mark.parametrize(
    "host", ["１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "ⓛocalhost", "0x7f.1", "127.0.0.1.", "[::ffff:7f00:1]"]
)
async def test_no_way_of_writing_a_host_is_a_way_around(host: str) -> None:
    """Whatever the URL's check lets pass, the connection itself is refused."""
    sender = WebhookSender(allow_private=False)
    sender._check = lambda _url: None
    async with receiver() as webhook:
        port = webhook.url.split(":")[2].split("/")[0]
        result = await sender.call(order(f"http://{host}:{port}/"))
        assert isinstance(result, NotSent)
        assert not webhook.calls
    await sender.close()


async def test_a_name_nobody_has_is_said_so() -> None:
    def resolve(_host: str, _port: int) -> list[tuple[socket.AddressFamily, str]]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    sender = WebhookSender(allow_private=False, resolve=resolve)
    assert await sender.call(order("https://hook.example.org/")) == NotSent("Its name could not be resolved.")
    await sender.close()
