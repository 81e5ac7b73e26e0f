"""A server with hot and cold calls to try, and a client that sends it raw bytes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Self

import pytest
from aiohttp import web

from onsale.http.call import Answer, Call, Reply
from onsale.http.connection import server as server_module
from onsale.http.connection.limits import ConnectionLimits
from onsale.http.connection.protocol import Connection
from onsale.http.connection.server import make_runner

PATIENCE_SECONDS = 5.0


class Response(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class WatchedConnection(Connection):
    """Counts what arrived, so that tests need not guess when it has."""

    __slots__ = ("received_bytes",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.received_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        super().data_received(data)


class Serving:
    """`/now…` is answered at once, `/later…` when `answer` is told to, `/cold…` by the application."""

    def __init__(self, limits: ConnectionLimits, shutdown_seconds: float) -> None:
        self.taken: list[Call] = []
        self.owed: list[tuple[Call, Reply]] = []
        self.handled: list[str] = []  # paths the application saw
        self.handlers: dict[str, Callable[[web.Request], Any]] = {}
        self.everything: Callable[[web.Request], Any] | None = None  # for paths without a handler of their own
        self.payload = b""
        self.gate = asyncio.Event()
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/cold{rest:.*}", self._cold)
        app.router.add_post("/only-post", self._cold)
        self.runner = make_runner(app, self._hot, limits, shutdown_seconds=shutdown_seconds)
        self.port = 0

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    @property
    def connections(self) -> list[Any]:
        assert self.runner.server is not None
        return self.runner.server.connections

    @property
    def connection(self) -> Any:
        (only,) = self.connections
        return only

    async def connect(self) -> "Client":
        return await Client.connect(self.port)

    def answer(self, index: int, status: int = 200) -> None:
        call, reply = self.owed[index]
        reply(Answer(status, call.path.encode()))

    def _hot(self, call: Call, reply: Reply) -> bool:
        if not call.path.startswith(("/now", "/later", "/hot")):
            return False
        self.taken.append(call)
        if call.path.startswith("/hot"):
            return bool(self.handlers[call.path](reply))
        if call.path.startswith("/now"):
            reply(Answer(200, self.payload or (call.method + call.path).encode() + call.body, (("Onsale-Seq", "7"),)))
        else:
            self.owed.append((call, reply))
        return True

    async def _cold(self, request: web.Request) -> Any:
        self.handled.append(request.path)
        handler = self.handlers.get(request.path, self.everything)
        if handler is not None:
            return await handler(request)
        return web.Response(body=(request.method + request.path).encode() + await request.read())

    async def wait_at_gate(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        return web.Response(text=request.path)


@contextlib.asynccontextmanager
async def serving(shutdown_seconds: float = 5.0, **limits: Any) -> AsyncIterator[Serving]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "Connection", WatchedConnection)
        server = Serving(ConnectionLimits(**limits), shutdown_seconds)
        await server.start()
        try:
            yield server
        finally:
            server.gate.set()
            await server.runner.cleanup()
            await asyncio.sleep(0)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**24))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self, *, head_only: bool = False) -> Response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = b""
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readuntil(b"\r\n")
            elif not head_only:
                body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return Response(int(status_line.split()[1]), headers, body)

    async def responses(self, count: int) -> list[Response]:
        return [await self.response() for _ in range(count)]

    async def bodies(self, count: int) -> list[str]:
        return [response.body.decode() for response in await self.responses(count)]

    async def rest(self) -> bytes:
        """All bytes until the server ends the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
            return b""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the condition is the server's and announces nothing
            await asyncio.sleep(0.001)


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    lines = "".join(f"{line}\r\n" for line in ("Host: test", *headers))
    return f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in ("Host: test", f"Content-Length: {len(body)}", *headers))
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def problem_of(response: Response, status: int, code: str) -> None:
    """Check that it is this problem, whole."""
    assert response.status == status, response
    assert response.headers["content-type"].startswith("application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["type"]
    assert "Traceback" not in response.body.decode()
