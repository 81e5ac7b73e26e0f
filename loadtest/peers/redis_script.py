"""Bookings in Redis: a Lua script that counts the stock down and writes a hash for each booking.

Owns the script and the connections. Redis runs with `appendonly yes` and `appendfsync always`, so whoever is answered
is in the synced log. The script takes any number of wishes, each of any event: one a call is how nearly everybody does
it, `together` sends all that wait in one call. Redis itself syncs once for all the calls it finds waiting.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis, UnixDomainSocketConnection
from redis.asyncio.connection import ConnectionPool

from .booking import EVENT_ID, HOLD_SECONDS, PRICE_MINOR, Hold, Wish
from .turns import Decide, Turns

CONNECTIONS: Final = 64  # measured: from 16 on all the same
TOGETHER_CONNECTIONS: Final = 3  # measured: one gathers while the others' calls are synced
TOGETHER_MAX: Final = 256

SCRIPT: Final = """
local expires_at = ARGV[1]
local answers = {}
for n, key in ipairs(KEYS) do
    local user, event, quantity = ARGV[3 * n - 1], ARGV[3 * n], tonumber(ARGV[3 * n + 1])
    local stock = redis.call('HMGET', key, 'available', 'price')
    if stock[1] and tonumber(stock[1]) >= quantity then
        redis.call('HINCRBY', key, 'available', -quantity)
        local id = redis.call('INCR', 'booking:last')
        local amount = quantity * tonumber(stock[2])
        redis.call('HSET', 'booking:' .. id, 'status', 'held', 'user', user, 'event', event, 'quantity', quantity,
            'amount', amount, 'expires', expires_at)
        answers[2 * n - 1], answers[2 * n] = id, amount
    else
        answers[2 * n - 1], answers[2 * n] = 0, 0
    end
end
return answers
"""


class RedisBookings:
    """`open`, `book` from any number of requests at a time, `close`."""

    def __init__(self, path: str, capacity: int, *, together: bool = False) -> None:
        """`path`: of the server's socket."""
        connections = TOGETHER_CONNECTIONS if together else CONNECTIONS
        pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=path, max_connections=connections)
        self._redis = Redis(connection_pool=pool)
        self._capacity = capacity
        self._workers = connections
        self._turns = Turns(together_max=TOGETHER_MAX if together else 1)

    async def open(self) -> None:
        """Begin with nothing sold."""
        await self._redis.flushall()
        await self._redis.hset(f"stock:{EVENT_ID}", mapping={"available": self._capacity, "price": PRICE_MINOR})
        script = await self._redis.script_load(SCRIPT)
        self._turns.start([self._decide_with(script)] * self._workers)

    def _decide_with(self, script: str) -> Decide:
        async def decide(wishes: Sequence[Wish]) -> Sequence[Hold | None]:
            expires_at = time.time() + HOLD_SECONDS
            arguments: list[str | int] = [f"stock:{wish.event_id}" for wish in wishes]
            arguments.append(f"{expires_at:.3f}")
            for wish in wishes:
                arguments += wish
            answers = await self._redis.evalsha(script, len(wishes), *arguments)
            return [
                Hold(answers[n], answers[n + 1], expires_at) if answers[n] else None for n in range(0, len(answers), 2)
            ]

        return decide

    def book(self, wish: Wish) -> "asyncio.Future[Hold | None]":
        """What is kept for it, or None when there is not as much left."""
        return self._turns.ask(wish)

    async def close(self) -> None:
        await self._turns.stop()
        await self._redis.aclose()
