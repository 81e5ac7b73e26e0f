"""What a scaler works with, for tests: a Prometheus that says what it is told to, an nginx, the scaler's process."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web
from nodes import free_port

from onsale.node.scaler import process_table

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
WAITED_SECONDS = 15.0

NGINX = """
daemon off; {user} pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    {temporary}
    access_log off;
    upstream reads {{ zone reads 64k; include {folder}/read-nodes.conf; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://reads; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream error timeout http_503; add_header Answered-By $upstream_addr;
        }}
    }}
}}
"""


class Nginx:
    """In front of reads. `always`: nodes that are there from the beginning."""

    def __init__(self, folder: Path, *always: str) -> None:
        folder.mkdir()
        self.include = folder / "read-nodes.conf"
        self.include.write_text("".join(f"server {each};\n" for each in always))
        self.port = free_port()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=self.port, temporary=temporary, user=user))
        self.command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        self.reload = [*self.command, "-s", "reload"]
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command, stderr=subprocess.DEVNULL)

    async def __aenter__(self) -> Self:
        self._process = self._run()
        async with asyncio.timeout(WAITED_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        writer.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 10)


class Prometheus:
    """Its HTTP API, as far as a scaler asks. `answer`: the value of every query; None: nothing has been scraped."""

    def __init__(self) -> None:
        self.answer: float | None = 5.0
        self.asked: list[str] = []
        self.port = free_port()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/api/v1/query", self._query)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _query(self, request: web.Request) -> web.Response:
        self.asked.append(request.query["query"])
        result = [] if self.answer is None else [{"metric": {}, "value": [time.time(), str(self.answer)]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class Scaler:
    """`onsale scaler`, as a process. What it started is ended with it."""

    def __init__(self, rules: Path, state: Path, secret: str) -> None:
        self.rules = rules
        self.state = state
        self.lines: list[str] = []
        self._environment = os.environ | {"ONSALE_CLUSTER_SECRET": secret}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "onsale", "scaler", "--rules", str(self.rules)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.lines.extend(line.rstrip() for line in process.stdout)

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    async def explained(self) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onsale", "scaler", "--rules", str(self.rules), "--explain", "--format", "json",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return json.loads(out)  # type: ignore[no-any-return]

    async def says(self, *texts: str, times: int = 1) -> str:
        """Wait for a line with all these texts, and return the last."""
        given_up_at = time.monotonic() + WAITED_SECONDS
        while True:
            found = [line for line in self.lines if all(text in line for text in texts)]
            if len(found) >= times:
                return found[-1]
            assert time.monotonic() < given_up_at, f"not said: {texts}\n" + "\n".join(self.lines)
            await asyncio.sleep(0.02)

    def processes(self) -> dict[str, int]:
        """Process numbers of what it started and still runs, by name."""
        document = json.loads((self.state / "scaler.json").read_bytes())
        return {
            each["name"]: each["process_id"]
            for each in document["processes"]
            if process_table.started_ticks(each["process_id"]) == each["started_ticks"]
        }

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        for process_id in self.processes().values():
            os.kill(process_id, 9)


class Readers:
    """People who read through a balancer. `failures`: all that was no 200; `nodes`: who answered how often."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.nodes: Counter[str] = Counter()
        self.failures: list[str] = []
        self._url = url
        self._count = count
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._tasks = [asyncio.create_task(self._read()) for _ in range(self._count)]
        return self

    async def _read(self) -> None:
        while True:
            try:
                async with self._session.get(self._url) as response:
                    await response.read()
                    self.nodes[response.headers.get("Answered-By", "")] += 1
                    if response.status != 200:
                        self.failures.append(f"{response.status} by {response.headers.get('Answered-By')}")
            except aiohttp.ClientError as error:
                self.failures.append(repr(error))
            await asyncio.sleep(0.01)

    async def reach(self, address: str) -> None:
        """Wait until this node answers."""
        before = self.nodes[address]
        async with asyncio.timeout(WAITED_SECONDS):
            while self.nodes[address] <= before:  # noqa: ASYNC110 - it is counted, not told
                await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
