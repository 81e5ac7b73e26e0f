"""Bookings kept in a database behind aiohttp: as little as a handler can do besides asking for them.

Owns the handler and the serving. `kept` is any store that can be opened, asked and closed.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from aiohttp import web

from .booking import SOLD_OUT, Hold, Wish, answer, read_wish


class Bookings(Protocol):
    """Where a peer keeps its bookings."""

    async def open(self) -> None: ...
    def book(self, wish: Wish) -> Awaitable[Hold | None]: ...
    async def close(self) -> None: ...


def runner_for(bookings: Bookings) -> web.AppRunner:
    async def book(request: web.Request) -> web.Response:
        wish = read_wish(await request.read())
        hold = await bookings.book(wish)
        if hold is None:
            return web.Response(status=409, body=SOLD_OUT, content_type="application/problem+json")
        return web.Response(
            status=201,
            body=answer(wish, hold),
            headers={"Onsale-Seq": str(hold.booking_id)},
            content_type="application/json",
        )

    async def keep_open(_application: web.Application) -> AsyncIterator[None]:
        await bookings.open()
        yield
        await bookings.close()

    application = web.Application()
    application.router.add_post("/booking", book)
    application.cleanup_ctx.append(keep_open)
    return web.AppRunner(application, access_log=None)


async def serve(runner: web.AppRunner, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; prints the port when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await stop.wait()
    await runner.cleanup()
