"""What our own server is measured against, each runnable alone on one core.

Owns the peers' programs: `python -m onsale.loadtest.peers bare --port 0 --cpu 1` prints `{"port": 45123}` on a line of
its own once it listens, and serves until SIGTERM. A peer answers POST /booking and GET /booking/7 with what a real
booking's answer looks like, but decides, stores and checks nothing, which makes it the fastest that design can be.
Add one by writing its function and naming it in `PEERS`.
"""

import asyncio
import itertools
import json
import os
import signal
from collections.abc import Callable
from typing import Any, Final

import click
import orjson
import uvloop
from aiohttp import web

from ..http.call import Answer, Call, Reply
from ..http.connection.server import make_runner

_numbers: Final = itertools.count(1)


def booking_answer(wish: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of the shape and size that `POST /booking` has."""
    number = next(_numbers)
    return {
        "bookingId": number,
        "status": "held",
        "userId": wish.get("userId", "u-1"),
        "eventId": wish.get("eventId", 1),
        "ticketType": 1,
        "quantity": wish.get("quantity", 1),
        "seats": [],
        "amount": "49.90",
        "currency": "EUR",
        "expiresAt": "2026-11-22T10:05:00.000Z",
        "expiresInSeconds": 300,
        "seq": number,
    }


def bare_application() -> web.Application:
    """Return the least that an aiohttp JSON handler does."""

    async def book(request: web.Request) -> web.Response:
        answer = booking_answer(orjson.loads(await request.read()))
        return web.Response(
            status=201,
            body=orjson.dumps(answer),
            headers={"Onsale-Seq": str(answer["seq"])},
            content_type="application/json",
        )

    async def read(_request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(booking_answer({})), content_type="application/json")

    application = web.Application()
    application.router.add_post("/booking", book)
    application.router.add_get("/booking/{id}", read)
    return application


def answer_at_once(call: Call, reply: Reply) -> bool:
    """Answer as the bare handler does, from our own connection layer."""
    if call.method == "POST" and call.path == "/booking":
        answer = booking_answer(orjson.loads(call.body))
        reply(Answer(201, orjson.dumps(answer), (("Onsale-Seq", str(answer["seq"])),)))
        return True
    if call.method == "GET" and call.path.startswith("/booking/"):
        reply(Answer(200, orjson.dumps(booking_answer({}))))
        return True
    return False


def bare() -> web.AppRunner:
    """Serve with `web.Application` as anyone would write it, without an access log."""
    return web.AppRunner(bare_application(), access_log=None)


def hot() -> web.AppRunner:
    """Serve the same from http/connection/protocol.py's hot path: what our connection layer alone costs."""
    return make_runner(bare_application(), answer_at_once)


def cold() -> web.AppRunner:
    """Serve the same through http/connection/protocol.py, but every call left to the framework."""
    return make_runner(bare_application(), lambda _call, _reply: False)


PEERS: Final[dict[str, Callable[[], web.AppRunner]]] = {"bare": bare, "hot": hot, "cold": cold}


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


@click.command(help=__doc__)
@click.argument("peer", type=click.Choice(sorted(PEERS)))
@click.option("--port", default=0, show_default=True, help="0 takes a free one.")
@click.option("--cpu", type=int, help="Run on this core only.")
def main(peer: str, port: int, cpu: int | None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    uvloop.run(serve(PEERS[peer](), port))


if __name__ == "__main__":
    main()
