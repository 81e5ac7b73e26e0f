"""localstripe on a port of its own, forgetting everything at the end."""

import asyncio
import inspect
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import localstripe.resources
    import localstripe.server
    import localstripe.webhooks


def _awaitable(handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = handler(request)
        return await answer if inspect.isawaitable(answer) else answer

    return handle


class _News:
    """Stands in for asyncio there: sends webhooks at once instead of a second later, and tells when they are sent."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def ensure_future(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def local_stripe(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimpleNamespace]:
    """`base` is its address, `news` the webhooks it sends."""
    news = _News()
    monkeypatch.setattr(localstripe.resources.Store, "dump_to_disk", lambda _: None)
    monkeypatch.setattr(localstripe.webhooks, "asyncio", news)
    localstripe.resources.store.clear()
    localstripe.webhooks._webhooks.clear()
    # its own application serves on one event loop only
    app = web.Application(middlewares=list(localstripe.server.app.middlewares))
    for route in localstripe.server.app.router.routes():
        if route.method != "HEAD":
            app.router.add_route(route.method, route.resource.canonical, _awaitable(route.handler))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield SimpleNamespace(base=f"http://127.0.0.1:{runner.addresses[0][1]}", news=news)
    finally:
        for task in news.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await runner.cleanup()
        localstripe.resources.store.clear()
        localstripe.webhooks._webhooks.clear()
