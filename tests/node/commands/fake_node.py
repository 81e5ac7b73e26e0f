"""A node to ask over HTTP: the real API on the engine in memory, in a thread with a loop of its own."""

import asyncio
import threading
from typing import Self

from aiohttp import web

from onsale.http.access.auth import Authenticator
from onsale.http.api import Api
from onsale.http.application import make_application
from onsale.http.measures.reading import Reading
from onsale.http.metrics import Metrics
from onsale.tests.http.api_calls import KEY
from onsale.tests.http.engine_gateway import EngineGateway


class FakeNode:
    """`gateway` may be changed between two calls."""

    def __init__(self, *, secured: bool = False) -> None:
        self.gateway = EngineGateway()
        self.url = ""
        self.hits = 0
        self._authenticator = Authenticator.with_key(KEY) if secured else Authenticator.open()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        reading = Reading(
            role="primary", epoch=1, seq=0, durable_seq=0, checkpoint_seq=0, bookings={}, waiting=0, held=0, events=0
        )
        api = Api(self.gateway, self._authenticator, Metrics(lambda: reading), lambda: b"{}")
        application = make_application(api)
        application.on_response_prepare.append(self._count)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _count(self, _request: web.Request, _response: web.StreamResponse) -> None:
        self.hits += 1
