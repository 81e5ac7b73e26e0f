"""Members of an etcd that answer as they are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[str, dict[str, Any]], Any]  # path and question → what is answered: a document, or a response


class Member:
    """One that answers as it is told, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.url = ""
        self.over = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        self.tokens.append(request.headers.get("Authorization"))
        answer = self.answer(request.path, json.loads(await request.read()))
        if answer is None:  # it hangs
            await self.over.wait()
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer, status=400 if "error" in answer else 200)


@asynccontextmanager
async def members(*answers: Answer) -> AsyncIterator[list[Member]]:
    made = [Member(answer) for answer in answers]
    async with AsyncExitStack() as stack:
        for member in made:
            runner = web.ServerRunner(web.Server(member.handle), shutdown_timeout=0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            member.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
        for member in made:
            member.over.set()
