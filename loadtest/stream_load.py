"""Thousands of open streams on one read replica: `python -m onsale.loadtest.stream_load`.

A primary, and a replica where people have their notices live (`GET /users/{id}/stream`) or watch one seat map
(`GET /events/{id}/seats/stream`), as the storefront does. Told: what a stream costs the replica in memory, how long
after the answer of the write a change is seen, when changes come one by one, and when one change concerns everybody.
Exits with 1 when a stream breaks or misses what it should have been sent.

Owns the streams and what is measured of them; nodes are rush_nodes'.
"""

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import click

from .bench_replication import wait
from .rush_nodes import START_SECONDS_MAX, RushNode, other_cpus, server_cpus

OPENED_AT_ONCE = 200
SETTLE_SECONDS = 2.0
SEEN_SECONDS_MAX = 30.0


class Stream(asyncio.Protocol):
    """One open stream. Every event on it is told to `seen` with the moment it was read."""

    def __init__(self, path: str, seen: Callable[[int, float], None], number: int) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: onsale\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._seen, self._number = seen, number
        self._head: bytes | None = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.broken = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = None
            if head.startswith(b"HTTP/1.1 200 "):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(RuntimeError(f"a stream was refused: {head.splitlines()[0]!r} {data!r}"))
        for _ in range(data.count(b"data: ")):
            self._seen(self._number, now)

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = str(exc or "ended by the node")
        if not self.opened.done():
            self.opened.set_exception(RuntimeError(f"a stream could not be opened: {self.broken}"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Seen:
    """When which stream was sent its events."""

    def __init__(self) -> None:
        self.moments: dict[int, list[float]] = defaultdict(list)
        self.count = 0
        self._awaited = -1
        self._all = asyncio.Event()

    def __call__(self, number: int, moment: float) -> None:
        self.moments[number].append(moment)
        self.count += 1
        if self.count >= self._awaited >= 0:
            self._all.set()

    async def reach(self, count: int) -> None:
        """Wait until so many were seen. Raises TimeoutError."""
        self._awaited = count
        if self.count < count:
            self._all.clear()
            async with asyncio.timeout(SEEN_SECONDS_MAX):
                await self._all.wait()


class Streams:
    """So many open streams, and what they have seen."""

    def __init__(self, node: RushNode) -> None:
        self._node = node
        self.seen = Seen()
        self.all: list[Stream] = []

    async def open(self, path_of: Callable[[int], str], count: int) -> None:
        loop = asyncio.get_running_loop()
        for begin in range(0, count, OPENED_AT_ONCE):
            numbers = range(begin, min(begin + OPENED_AT_ONCE, count))
            made = [
                loop.create_connection(lambda n=n: Stream(path_of(n), self.seen, n), "127.0.0.1", self._node.port)  # type: ignore[misc]
                for n in numbers
            ]
            opened = [stream for _, stream in await asyncio.gather(*made)]
            await asyncio.gather(*(stream.opened for stream in opened))
            self.all += opened

    def broken(self) -> list[str]:
        return [stream.broken for stream in self.all if stream.broken]

    def close(self) -> None:
        for stream in self.all:
            stream.close()


def spread(delays: list[float]) -> str:
    ordered = sorted(max(delay, 0.0) * 1000 for delay in delays)
    at = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.99, 1.0)]
    return f"median {at[0]:.1f} ms, p99 {at[1]:.1f} ms, longest {at[2]:.1f} ms"


class Show:
    def __init__(self, primary: RushNode, replica: RushNode, people: int, per_second: int, changes: int) -> None:
        self._primary, self._replica = primary, replica
        self._people, self._per_second, self._changes = people, per_second, changes
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32))
        self.faults = 0

    async def close(self) -> None:
        await self._session.close()

    async def write(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """The answer, and when it came."""
        async with self._session.post(self._primary.url + path, json=body) as response:
            document = await response.json()
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise RuntimeError(f"{path} was answered {response.status}: {document}")
            return document, time.perf_counter()

    async def opened(self, what: str, path_of: Callable[[int], str]) -> Streams:
        before, _ = self._replica.memory_bytes()
        streams = Streams(self._replica)
        cpu = self._replica.cpu_seconds()
        began = time.perf_counter()
        await streams.open(path_of, self._people)
        seconds = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
        now, _ = self._replica.memory_bytes()
        cpu = self._replica.cpu_seconds() - cpu
        each_kib, each_us = (now - before) / self._people / 1024, cpu / self._people * 1e6
        click.echo(
            f"{what}: {self._people:,} streams opened in {seconds:.1f} s, {each_us:.0f} µs of the replica's processor "
            f"and {each_kib:.1f} KiB of its memory each"
        )
        return streams

    async def one_by_one(self, requests: list[tuple[str, dict[str, Any]]]) -> list[float]:
        """Send them at the stated rate; when each was answered, in their order."""
        answered = [0.0] * len(requests)
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def one(number: int, path: str, body: dict[str, Any]) -> None:
            _, answered[number] = await self.write(path, body)

        async with asyncio.TaskGroup() as tasks:
            for number, (path, body) in enumerate(requests):
                await asyncio.sleep(max(began + number / self._per_second - loop.time(), 0.0))
                tasks.create_task(one(number, path, body))
        return answered

    async def notices(self) -> None:
        event, _ = await self.write("/events", _event("Everybody's", capacity=self._people))
        streams = await self.opened("notices", lambda n: f"/users/person-{n}/stream")
        cpu = self._replica.cpu_seconds()
        answered = await self.one_by_one(
            [
                ("/booking", {"userId": f"person-{n}", "eventId": event["id"], "quantity": 1})
                for n in range(self._people)
            ]
        )
        await streams.seen.reach(self._people)
        cpu = self._replica.cpu_seconds() - cpu
        delays = [streams.seen.moments[n][0] - answered[n] for n in range(self._people)]
        click.echo(f"  {self._per_second} bookings a second, each told to one: {spread(delays)} after its answer")
        click.echo(f"  {cpu / self._people * 1e6:.0f} µs of the replica's processor a booking")
        _, at = await self.write(f"/events/{event['id']}/cancel", {})
        await streams.seen.reach(2 * self._people)
        delays = [streams.seen.moments[n][1] - at for n in range(self._people)]
        click.echo(f"  the event is cancelled, everybody is told: {spread(delays)} after its answer")
        self._finish(streams)

    async def seats(self) -> None:
        rows = [{"name": str(row), "seats": 50} for row in range(1, 41)]
        plan = {"sections": [{"name": "A", "ticketType": "Standing", "rows": rows}]}
        event, _ = await self.write("/events", _event("Seated", capacity=2000, seatMap=plan))
        path = f"/events/{event['id']}/seats/stream"
        wait(lambda: self._replica.call("GET", f"/events/{event['id']}")[0] == HTTPStatus.OK, SEEN_SECONDS_MAX)
        streams = await self.opened("one seat map", lambda _: path)
        cpu, changes = self._replica.cpu_seconds(), self._changes
        slow = Show(self._primary, self._replica, self._people, 2, changes)
        try:
            answered = await slow.one_by_one(
                [("/booking", {"userId": f"guest-{n}", "eventId": event["id"], "quantity": 1}) for n in range(changes)]
            )
        finally:
            await slow.close()
        await streams.seen.reach(changes * self._people)
        cpu = self._replica.cpu_seconds() - cpu
        delays = [moment - answered[i] for n in range(self._people) for i, moment in enumerate(streams.seen.moments[n])]
        click.echo(f"  2 changes a second, each told to everybody: {spread(delays)} after its answer")
        click.echo(f"  {cpu / changes / self._people * 1e6:.1f} µs of the replica's processor a change and stream")
        self._finish(streams)

    def _finish(self, streams: Streams) -> None:
        broken = streams.broken()
        if broken:
            self.faults += 1
            click.echo(f"  {len(broken)} streams broke: {broken[0]}")
        streams.close()


def _event(name: str, *, capacity: int, **more: Any) -> dict[str, Any]:
    types = [{"name": "Standing", "price": "20.00", "capacity": capacity}]
    return {"name": name, "startsAt": "2099-01-01T20:00:00Z", "ticketTypes": types} | more


async def _run(folder: Path, people: int, per_second: int, changes: int) -> int:
    primary = RushNode(folder, "primary", "serve", cpus=other_cpus())
    primary.start()
    replica = RushNode(folder, "replica", "replica", "--source", primary.replication, cpus=server_cpus())
    try:
        replica.start()
        wait(lambda: replica.call("GET", "/readyz")[0] == HTTPStatus.OK, START_SECONDS_MAX)
        show = Show(primary, replica, people, per_second, changes)
        try:
            await show.notices()
            await show.seats()
        finally:
            await show.close()
        return show.faults
    finally:
        replica.stop()
        primary.stop()


@click.command()
@click.option("--people", default=5000, show_default=True)
@click.option("--per-second", default=200, show_default=True, help="Bookings a second, each of another person.")
@click.option("--changes", default=40, show_default=True, help="Of the seat map, two a second.")
def main(people: int, per_second: int, changes: int) -> None:
    """Open so many streams on one replica and measure them."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        try:
            faults = asyncio.run(_run(Path(folder), people, per_second, changes))
        except (RuntimeError, TimeoutError) as error:
            click.echo(f"failed: {error or 'not everything was seen in time'}", err=True)
            faults = 1
    sys.exit(min(faults, 1))


if __name__ == "__main__":
    main()
