"""Hands what people ask for to a few workers, each with a connection of its own to a database.

Owns the waiting. A worker takes one wish at a time, or as many as wait (`together_max`): those that came while the
database was busy then share a round trip and a sync. Whoever asked is answered when the worker's call has returned.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from .booking import Hold, Wish

Decide = Callable[[Sequence[Wish]], Awaitable[Sequence[Hold | None]]]  # in their order; None is a refusal


class Turns:
    """`start` with one function for each connection, `ask` from any number of requests, `stop`."""

    def __init__(self, *, together_max: int) -> None:
        self._together_max = together_max
        self._waiting: deque[tuple[Wish, asyncio.Future[Hold | None]]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []

    def start(self, workers: Sequence[Decide]) -> None:
        self._workers = [asyncio.ensure_future(self._work(decide)) for decide in workers]

    def ask(self, wish: Wish) -> asyncio.Future[Hold | None]:
        """What is kept for it, or None when there is not as much left."""
        asked: asyncio.Future[Hold | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wish, asked))
        if self._idle:
            self._idle.popleft().set_result(None)
        return asked

    async def _work(self, decide: Decide) -> None:
        waiting = self._waiting
        while True:
            while not waiting:
                woken = asyncio.get_running_loop().create_future()
                self._idle.append(woken)
                await woken
            taken = [waiting.popleft() for _ in range(min(len(waiting), self._together_max))]
            try:
                holds = await decide([wish for wish, _ in taken])
            except Exception as error:  # noqa: BLE001 - whoever asked is told, the worker goes on
                self._tell(taken, error)
                continue
            for (_, asked), hold in zip(taken, holds, strict=True):
                if not asked.done():
                    asked.set_result(hold)

    @staticmethod
    def _tell(taken: Sequence[tuple[Wish, "asyncio.Future[Hold | None]"]], error: Exception) -> None:
        for _, asked in taken:
            if not asked.done():
                asked.set_exception(error)

    async def stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
