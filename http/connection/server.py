"""Puts our connections in the place of aiohttp's own, for an ordinary `web.Application`.

Owns `make_runner` alone. Of aiohttp it replaces what `Server.__call__`, the protocol factory, makes, and
`BaseRunner._make_server`, where a runner gets its server from; sites, `setup` and `cleanup` stay aiohttp's.
"""

import asyncio
import logging
from typing import Any

from aiohttp import web

from .limits import ConnectionLimits
from .protocol import Connection
from .shared import Finish, Hot, Shared


class HotServer(web.Server):
    """aiohttp's server, whose connections offer their requests to `shared.hot` first."""

    def __init__(self, application: web.Server, shared: Shared, **options: Any) -> None:
        super().__init__(application.request_handler, request_factory=application.request_factory)
        self.shared = shared
        self.accepted = 0  # connections, since the start
        self._options = options

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self.accepted += 1
        super().connection_made(handler, transport)

    def __call__(self) -> Connection:
        return Connection(self, self.shared, loop=asyncio.get_running_loop(), **self._options)


class HotRunner(web.AppRunner):
    """An AppRunner that makes a `HotServer`.

    `cleanup` stops listening, answers every request that was taken (so whatever answers hot calls must still be
    running), and closes; what is not answered within `shutdown_timeout` seconds is cut off.
    """

    __slots__ = ("_shared",)

    def __init__(self, app: web.Application, shared: Shared, **options: Any) -> None:
        super().__init__(app, **options)
        self._shared = shared

    def connections(self) -> int:
        """How many clients are connected, but for streams."""
        return self._shared.connections

    async def _make_server(self) -> web.Server:
        return HotServer(await super()._make_server(), self._shared, **self._kwargs)


def make_runner(
    app: web.Application,
    hot: Hot,
    limits: ConnectionLimits | None = None,
    *,
    finish: Finish = lambda answer: answer,
    shutdown_seconds: float = 15.0,
    access_log: logging.Logger | None = None,
) -> HotRunner:
    """Make a runner for `app` with `hot` in front of it: `setup()` it, then start a `web.TCPSite` on it as usual.

    `finish` adds what every answer says to those that HTTP's own faults get, which neither `app` nor `hot` sees. The
    access log, when given a logger, sees the framework's requests alone.
    """
    shared = Shared(hot, finish, limits or ConnectionLimits())
    return HotRunner(app, shared, shutdown_timeout=shutdown_seconds, access_log=access_log)
