"""The same bookings behind FastAPI and uvicorn, with uvloop and httptools.

Owns the handler and the serving. The request is checked by its model, as FastAPI's users want it; the answer is
encoded by orjson at once, which saves FastAPI's own way through the model.
"""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from .booking import SOLD_OUT, Wish, answer
from .on_aiohttp import Bookings


class Asked(BaseModel):
    """The body of POST /booking."""

    userId: str  # noqa: N815 - its name in the body
    eventId: int  # noqa: N815
    quantity: int = 1


def application_for(bookings: Bookings) -> FastAPI:
    @asynccontextmanager
    async def keep_open(_application: FastAPI) -> AsyncIterator[None]:
        await bookings.open()
        yield
        await bookings.close()

    application = FastAPI(lifespan=keep_open, openapi_url=None)

    @application.post("/booking", response_class=Response)
    async def book(asked: Asked) -> Response:
        wish = Wish(asked.userId, asked.eventId, asked.quantity)
        hold = await bookings.book(wish)
        if hold is None:
            return Response(SOLD_OUT, 409, media_type="application/problem+json")
        return Response(answer(wish, hold), 201, {"Onsale-Seq": str(hold.booking_id)}, "application/json")

    return application


class _Announcing(uvicorn.Server):
    """Prints the port when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(json.dumps({"port": port}), flush=True)


def serve(bookings: Bookings, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        application_for(bookings), "127.0.0.1", port, loop="uvloop", http="httptools", ws="none", lifespan="on",
        access_log=False, log_level="error", backlog=4096,
    )  # fmt: skip
    _Announcing(config).run()
