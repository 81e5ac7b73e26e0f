"""A verdict service in the language of Turnstile and hCaptcha, and all the ways in which it can fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onsale.http.access.verdict import RejectedTokenError, Verdicts
from onsale.http.gateway import UnavailableError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def service(handler: Handler, **limits: float) -> AsyncIterator[Verdicts]:
    application = web.Application()
    application.router.add_post("/siteverify", handler)
    async with TestServer(application) as server:
        verdicts = Verdicts(str(server.make_url("/siteverify")), "our-secret", **limits)  # type: ignore[arg-type]
        yield verdicts
        await verdicts.close()


async def test_the_token_our_secret_and_the_address_are_sent() -> None:
    forms = []

    async def handler(request: web.Request) -> web.Response:
        forms.append(dict(await request.post()))
        return web.json_response({"success": True, "hostname": "tickets.example.org"})

    async with service(handler) as verdicts:
        await verdicts.ask("a-token", "192.0.2.1")
        await verdicts.ask("b-token", "")
    assert forms == [
        {"secret": "our-secret", "response": "a-token", "remoteip": "192.0.2.1"},
        {"secret": "our-secret", "response": "b-token"},
    ]


@pytest.mark.parametrize("status", [200, 400])
async def test_a_rejection_says_why(status: int) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response({"success": False, "error-codes": ["timeout-or-duplicate"]}, status=status)

    async with service(handler) as verdicts:
        with pytest.raises(RejectedTokenError, match="timeout-or-duplicate"):
            await verdicts.ask("a-token", "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"success": "yes"}', b"[" * 100_000])
async def test_what_is_no_verdict_lets_nobody_in(body: bytes) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=502)

    async with service(handler) as verdicts:
        with pytest.raises(UnavailableError, match="try again"):
            await verdicts.ask("a-token", "")


async def test_a_redirect_is_not_followed_with_our_secret() -> None:
    async def handler(_request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with service(handler) as verdicts:
        with pytest.raises(UnavailableError):
            await verdicts.ask("a-token", "")


async def test_a_slow_service_is_not_waited_for() -> None:
    never = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with service(handler, seconds_max=0.05) as verdicts:
        with pytest.raises(UnavailableError):
            await verdicts.ask("a-token", "")
        assert verdicts.under_way == 0
        never.set()


async def test_so_many_at_once_and_no_more() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        asked.set()
        await go_on.wait()
        return web.json_response({"success": True})

    async with service(handler, at_once_max=1) as verdicts:
        first = asyncio.ensure_future(verdicts.ask("a-token", ""))
        await asked.wait()
        with pytest.raises(UnavailableError, match="Too many"):
            await verdicts.ask("b-token", "")
        go_on.set()
        await first
        await verdicts.ask("b-token", "")


async def test_nobody_is_asked_about_what_is_no_token() -> None:
    verdicts = Verdicts("http://127.0.0.1:9/", "our-secret")
    for token in ("", "x" * 9_000):
        with pytest.raises(RejectedTokenError):
            await verdicts.ask(token, "")


async def test_nobody_is_there() -> None:
    verdicts = Verdicts("http://127.0.0.1:9/", "our-secret")
    with pytest.raises(UnavailableError):
        await verdicts.ask("a-token", "")
    await verdicts.close()
