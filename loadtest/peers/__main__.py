"""`python -m onsale.loadtest.peers NAME` prints `{"port": 45123}` on a line of its own once it listens, and serves
until SIGTERM.

bare: an aiohttp handler that stores nothing. hot, cold: the same through our own connection layer. postgres, redis:
aiohttp with every booking durable there, one transaction or script call for each; postgres-together, redis-together:
one for all that wait. fastapi: FastAPI with a PostgreSQL transaction for each.
"""

import os
from collections.abc import Callable
from typing import Final

import click
import uvloop
from aiohttp import web

from . import on_aiohttp
from .bare import bare, cold, hot
from .on_aiohttp import Bookings

BARE: Final[dict[str, Callable[[], web.AppRunner]]] = {"bare": bare, "hot": hot, "cold": cold}
STORED: Final = ("fastapi", "postgres", "postgres-together", "redis", "redis-together")


def bookings_of(peer: str, database: str, capacity: int) -> Bookings:
    """Where a peer keeps its bookings."""
    together = peer.endswith("-together")
    if peer.startswith("redis"):
        from .redis_script import RedisBookings

        return RedisBookings(database, capacity, together=together)
    from .postgres import PostgresBookings

    return PostgresBookings(database, capacity, together=together)


async def _serve(peer: str, port: int, database: str, capacity: int) -> None:
    runner = BARE[peer]() if peer in BARE else on_aiohttp.runner_for(bookings_of(peer, database, capacity))
    await on_aiohttp.serve(runner, port)


@click.command(help=__doc__)
@click.argument("peer", type=click.Choice(sorted((*BARE, *STORED))))
@click.option("--port", default=0, show_default=True, help="0 takes a free one.")
@click.option("--cpu", type=int, help="Run on this core only.")
@click.option("--database", default="", help="Redis' socket, or the folder of PostgreSQL's.")
@click.option("--capacity", default=100_000_000, show_default=True, help="How many tickets there are.")
def main(peer: str, port: int, cpu: int | None, database: str, capacity: int) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    if peer in STORED and not database:
        raise click.UsageError(f"{peer} needs --database.")
    if peer == "fastapi":
        from . import on_fastapi

        on_fastapi.serve(bookings_of(peer, database, capacity), port)
    else:
        uvloop.run(_serve(peer, port, database, capacity))


if __name__ == "__main__":
    main()
