"""Real nodes for tests: started as a user would, on free ports, ended with the test."""

import asyncio
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp

START_SECONDS_MAX = 30

_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))


def free_port() -> int:
    """One that a node can take again after it was killed: no connection of this machine is given it meanwhile."""
    for port in _ports:
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there are always more ports")


class Node:
    """`onsale serve`, `standby` or `replica` on a data folder, as a process of its own.

    With `port` 0 it takes another one at each start.
    """

    def __init__(
        self,
        data: Path,
        *flags: str,
        kind: str = "serve",
        name: str = "",
        port: int = 0,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.flags = flags
        self.kind = kind
        self.name = name
        self.port = port
        self.environment = environment or {}
        self.group: int | None = None  # of processes: None: as ours
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.lines: list[str] = []

    def start(self, *flags: str) -> Self:
        """`flags`: for this start only."""
        listening = threading.Event()
        self.url = ""
        name = ("--name", self.name) if self.name else ()
        listen = ("--listen", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onsale", self.kind, "--data", str(self.data), *listen, *name, *self.flags, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | self.environment,
            cwd=self.data.parent,
            group=self.group,
        )
        threading.Thread(target=self._read, args=(self.process, listening), daemon=True).start()
        if not listening.wait(START_SECONDS_MAX) or not self.url:
            code = self.process.poll()
            raise AssertionError(f"the node did not start (exit code {code}):\n" + "\n".join(self.lines))
        return self

    def _read(self, process: subprocess.Popen[str], listening: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip())
            found = re.search(rf"serves (http://127\.0\.0\.1:{self.port or '[0-9]+'})", line)
            if found and not listening.is_set():
                self.url = found.group(1)
                listening.set()
        process.stdout.close()
        listening.set()

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def kill(self) -> None:
        """Kill -9: no goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: nothing happens there, and its connections stay open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def wait(self, seconds: float = 30) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.runs:
            self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.end()


def onsale(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "onsale", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def verify(data: Path) -> subprocess.CompletedProcess[str]:
    return onsale("verify", "--data", str(data), "--format", "json")


class Said(NamedTuple):
    """An answer as it came."""

    status: int
    body: bytes


class Client:
    """Calls a node's API; `None` for an answer means that nobody knows what became of the request."""

    def __init__(self, url: str, *, connections: int = 100, seconds: float = 20) -> None:
        """`seconds`: how long it waits for an answer."""
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections), timeout=aiohttp.ClientTimeout(total=seconds)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()
        await asyncio.sleep(0)  # let transports close

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        """(status, body, headers)."""
        sent = dict(headers or {})
        if key is not None:
            sent["Idempotency-Key"] = key
        async with self._session.request(method, self._url + path, json=body, headers=sent) as response:
            raw = await response.read()
            parsed = await response.json(content_type=None) if raw else None
            return response.status, parsed, response.headers

    async def try_call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """(status, body), or None where the connection broke before the answer."""
        try:
            status, answer, _ = await self.call(method, path, body, key=key)
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None
        return status, answer

    async def try_raw(self, method: str, path: str, body: Any = None, *, key: str) -> Said | None:
        """The answer byte for byte."""
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers={"Idempotency-Key": key}
            ) as response:
                return Said(response.status, await response.read())
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None

    async def create_event(self, **fields: Any) -> dict[str, Any]:
        body = {
            "name": "Rehearsal",
            "startsAt": "2099-01-01T20:00:00Z",
            "ticketTypes": [{"name": "Standing", "price": "10.00", "capacity": 100}],
        } | fields
        status, event, _ = await self.call("POST", "/events", body)
        assert status == 201, event
        return event  # type: ignore[no-any-return]


def new_key() -> str:
    return str(uuid.uuid4())
