"""`onsale local`: what a newcomer does in the first hour with it, the primary's death and another port included."""

import asyncio
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, Self

from cluster import LOOKED_AT_SECONDS, command
from nodes import Client, free_port, new_key, verify

NAMES = ("alfa", "bravo", "charlie")
ANSWERED_WITHIN_SECONDS = 30.0


class Local:
    """The supervisor and its three nodes; they end with it, whatever becomes of it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.urls: dict[str, str] = {}
        self.process_ids: dict[str, int] = {}
        self.lines: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onsale", "local", "--data", str(self._data), "--port", str(free_port()),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip())
            if found := re.match(r"  (\w+) +(http://\S+) .*; process (\d+)", self.lines[-1]):
                self.urls[found[1]], self.process_ids[found[1]] = found[2], int(found[3])
            if "Ctrl-C stops all of them" in self.lines[-1]:
                break
        assert tuple(self.urls) == NAMES, self.lines
        self._reading = asyncio.create_task(self._read(self._process.stdout))
        return self

    async def _read(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            self.lines.append(line.decode().rstrip())

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._reading

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            return await self._process.wait()


async def booked(local: Local, name: str, user: str, key: str) -> dict[str, Any]:
    """The booking that a node answers at last: nobody may lead yet, or too few follow."""
    body = {"eventId": 1, "userId": user, "quantity": 1}
    end = time.monotonic() + ANSWERED_WITHIN_SECONDS
    async with Client(local.urls[name]) as client:
        while True:
            answer = await client.try_call("POST", "/booking", body, key=key)
            if answer is not None and answer[0] == 201:
                return answer[1]  # type: ignore[no-any-return]
            assert answer is None or answer[0] == 503, answer
            assert time.monotonic() < end, "\n".join([str(answer), *local.lines[-40:]])
            await asyncio.sleep(LOOKED_AT_SECONDS if answer is None else answer[1]["retryAfterSeconds"])


async def test_at_another_port_and_after_the_primary_died_it_goes_on_with_what_was_booked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ada, bob, eve = new_key(), new_key(), new_key()
    async with Local(data) as local:
        first = await booked(local, "alfa", "ada", ada)
        assert await local.stop() == 0
    async with Local(data) as local:  # all of them are elsewhere, and who led last can't tell them by itself
        assert await booked(local, "alfa", "ada", ada) == first
        os.kill(local.process_ids["alfa"], signal.SIGKILL)
        told = await command("failover", "--node", local.urls["bravo"], "--yes")
        assert told.code == 0, told
        second = await booked(local, "bravo", "bob", bob)  # as soon as alfa is there again, and follows
        assert await local.stop() == 0
    async with Local(data) as local:
        assert await booked(local, "charlie", "bob", bob) == second
        assert await booked(local, "alfa", "ada", ada) == first
        await booked(local, "bravo", "eve", eve)
        assert await local.stop() == 0
    for name in NAMES:
        verified = verify(data / name)
        assert verified.returncode == 0, verified.stdout
