"""A handler that decides, stores and checks nothing: the fastest that its framework can be.

Owns the bare aiohttp application, and the same answers from our own connection layer, with and without its hot path.
"""

import itertools
from typing import Any, Final

import orjson
from aiohttp import web

from ...http.call import Answer, Call, Reply
from ...http.connection.server import make_runner

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
