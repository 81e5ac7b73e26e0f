"""A server that answers whatever a test wants, for those who must not believe everything."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from aiohttp import web

Answer = str | bytes | tuple[int, str | bytes] | Callable[[web.Request], "Answer"] | None


class Answering:
    """`answers`: by path, or one for all; a status and a body, a body, or what gives one; None: it never does."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {f"/{path}": answer for path, answer in answers.items()}
        self.answer: Answer = (404, "nothing here")
        self.asked: list[web.Request] = []
        self.url = ""
        self._released = asyncio.Event()

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        answer = self.answers.get(request.path, self.answer)
        if callable(answer):
            answer = answer(request)
        if answer is None:
            await self._released.wait()
            answer = ""
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return web.Response(status=status, body=body.encode() if isinstance(body, str) else body)

    def release(self) -> None:
        """Answer what was not answered."""
        self._released.set()

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self._runner.cleanup()


@contextmanager
def answering(**answers: Answer) -> Iterator[Answering]:
    """One in a thread, for what has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Answering(**answers)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
