"""A small cluster on one machine: a primary, a standby and a read replica, under one supervisor.

Owns the processes: their folders and ports, starting, watching and stopping them. For trying things out and for
development; in production each node has a machine and a supervisor of its own. Knows nothing of what the nodes do.
"""

import asyncio
import ctypes
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import msgspec

from ..http.access.keys import read_key
from .access import KEY_FILE
from .identity import SECRET_FILE, SECRET_VARIABLE
from .recovery import JOURNAL_FOLDER

PORTS_FILE = "ports.json"
READY_SECONDS = 30.0
STOP_SECONDS = 30.0
AGAIN_SECONDS = 5.0  # before a node that ended is started again: time enough to watch, or to fail over
REPLICATION_OFFSET = 100
KEY_VARIABLE = "ONSALE_JWT_KEY"
# Crowds may be rehearsed with. Users are limited as where authentication is configured, so that bots meet that, too;
# and proof of work is small, since one machine does it for everybody.
SAMPLE = ("--sample", "--limit-per-user", "20/100", "--challenge-number-max", "2000")
_PR_SET_PDEATHSIG = 1


class Ports(msgspec.Struct):
    http: int
    replication: int


class LocalNode:
    """One process; started again when it ends by itself."""

    def __init__(self, name: str, arguments: list[str], ports: Ports, environment: dict[str, str]) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{ports.http}"
        self._arguments = arguments
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def process_id(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def run(self, say: Callable[[str], None]) -> int:
        """Until it is stopped, or ends in a way that starting it again can't mend; its exit code."""
        while True:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "onsale",
                *self._arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | self._environment,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order
                preexec_fn=_end_with_parent,  # one call, which takes no lock
            )
            assert process.stdout is not None
            async for line in process.stdout:
                say(f"{self.name:>8} | {line.decode(errors='replace').rstrip()}")
            code = await process.wait()
            if self._stopping or code > 0:
                return code
            say(f"{self.name:>8} | ended ({_how(code)}); it is started again in {AGAIN_SECONDS:g} s")
            await asyncio.sleep(AGAIN_SECONDS)

    async def stop(self) -> None:
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()

    async def ready(self) -> bool:
        """Whether it serves."""

        def ask() -> bool:
            try:
                with urlopen(f"{self.url}/readyz", timeout=1) as response:  # noqa: S310 - our own address
                    return bool(response.status == 200)
            except OSError:
                return False

        return await asyncio.to_thread(ask)


def _end_with_parent() -> None:
    """Should the supervisor be killed, its nodes stop, too."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def make_nodes(data: Path, port: int) -> list[LocalNode]:
    """The primary first. Ports and the shared secret are kept in `data`, so every start has the same ones."""
    data.mkdir(parents=True, exist_ok=True)
    ports = _ports(data, port)
    environment = {SECRET_VARIABLE: os.environ.get(SECRET_VARIABLE) or _secret(data)}
    key = data / KEY_FILE
    if KEY_VARIABLE not in os.environ and key.exists():
        environment[KEY_VARIABLE] = read_key(key).decode()
    first, second, third = (f"127.0.0.1:{each.replication}" for each in ports)
    arguments = {
        "alfa": ["serve", "--demo", "--sync-standbys", "1", "--replication", first],
        "bravo": ["standby", "--primary", first, "--replication", second],
        "charlie": ["replica", "--source", second, "--source", first, "--replication", third],
    }
    nodes = []
    for (name, own), each in zip(arguments.items(), ports, strict=True):
        folder = data if name == "alfa" and (data / JOURNAL_FOLDER).exists() else data / name  # of earlier versions
        common = ["--data", str(folder), "--listen", f"127.0.0.1:{each.http}", "--name", name, *SAMPLE]
        nodes.append(LocalNode(name, [*own, *common], each, environment))
    return nodes


def _secret(data: Path) -> str:
    path = data / SECRET_FILE
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_hex(16))
    return path.read_text().strip()


def _ports(data: Path, port: int) -> list[Ports]:
    """As last time, or the ones behind `port`; where one of those is taken, any free one."""
    path = data / PORTS_FILE
    if path.exists():
        with suppress(msgspec.MsgspecError):
            known = msgspec.json.decode(path.read_bytes(), type=list[Ports])
            if len(known) == 3 and known[0].http == port:
                return known
    ports = [Ports(port, _free(port + REPLICATION_OFFSET))]
    ports += [Ports(_free(port + each), _free(port + REPLICATION_OFFSET + each)) for each in (1, 2)]
    path.write_text(json.dumps(msgspec.to_builtins(ports)))
    return ports


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with suppress(OSError, OverflowError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return wanted


async def supervise(data: Path, port: int, say: Callable[[str], None]) -> int:
    """Run all nodes until Ctrl-C; the first exit code that is not 0."""
    nodes = make_nodes(data, port)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    running = [asyncio.create_task(node.run(say)) for node in nodes]
    for task in running:
        task.add_done_callback(lambda _task: stopped.set())
    starting = asyncio.create_task(_tell_when_ready(nodes, say))
    await stopped.wait()
    starting.cancel()
    say("stopping")
    for node in nodes:  # the primary first: what it was asked may still wait for the standby
        await node.stop()
    for task in running:
        if not task.done():
            task.cancel()
    codes = await asyncio.gather(*running, return_exceptions=True)
    return next((code for code in codes if isinstance(code, int) and code), 0)


async def _tell_when_ready(nodes: list[LocalNode], say: Callable[[str], None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            for node in nodes:
                while not await node.ready():  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.1)
    command = Path(sys.argv[0]).name if sys.argv[0].endswith("onsale") else "python -m onsale"
    where = Path(sys.argv[0]) if sys.argv[0].endswith("onsale") else Path(command)
    say("")
    for node, what in zip(nodes, ("primary", "standby", "read replica"), strict=True):
        say(f"  {node.name:<8} {node.url}   {what} at first; process {node.process_id}")
    url = nodes[0].url
    say("")
    say(f"  buy a ticket     {url}")
    say(f"  the console      {nodes[1].url}/console   of a node that stays when the primary is killed")
    say(f"  the API's page   {url}/docs")
    say(f"  a first search   curl '{url}/events?search=jazz&limit=3'")
    say(f"  the cluster      {where} status --node {url}")
    say(f"  hand over        {where} switchover --node {url}")
    say(f"  kill the primary kill -9 {nodes[0].process_id}; {where} failover --node {nodes[1].url}")
    say("")
    say("  Any node takes any request. Ctrl-C stops all of them; what was booked is there at the next start.")
