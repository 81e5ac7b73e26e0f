"""What stands in for a node behind a balancer: it counts what reaches it, and misbehaves when told to."""

import asyncio
import json
from typing import NamedTuple, Self

from aiohttp import web
from multidict import CIMultiDictProxy

LIVE = "public, s-maxage=1, stale-while-revalidate=1"
PROBES = ("/primary", "/replica")


class Reached(NamedTuple):
    method: str
    target: str  # with its query
    headers: CIMultiDictProxy[str]


class StandIn:
    """Answers everything with how many calls that path has had. `leads`: what it says to probes."""

    def __init__(self, *, leads: bool = True) -> None:
        self.leads = leads
        self.reached: list[Reached] = []
        self.status = 200
        self.cache_control = LIVE
        self.cuts = False  # takes each call, and ends the connection
        self.wait_seconds = 0.0
        self.answers = asyncio.Event()  # until it is set, nothing is answered
        self.answers.set()
        self.port = 0
        self.probed = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self, method: str = "") -> list[Reached]:
        return [each for each in self.reached if not method or each.method == method]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in PROBES:
            self.probed.set()
            return web.Response(status=200 if self.leads or request.path == "/replica" else 503)
        if {"", ".", ".."} & set(request.raw_path.partition("?")[0].split("/")[1:]):
            return web.Response(status=404)  # as a node, which takes paths as they were sent
        self.reached.append(Reached(request.method, request.raw_path, request.headers))
        await request.read()
        if self.cuts:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        number = sum(each.target.partition("?")[0] == request.path for each in self.reached)
        await asyncio.sleep(self.wait_seconds)
        await self.answers.wait()
        return web.Response(
            status=self.status,
            body=json.dumps({"call": number, "port": self.port, "code": "overloaded"}),
            content_type="application/json",
            headers={"Cache-Control": self.cache_control, "Vary": "Onsale-Min-Seq", "ETag": f'"{number}"'},
        )

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
