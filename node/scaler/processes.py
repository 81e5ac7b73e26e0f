"""Read replicas as processes of this machine, each with a folder, a port and a name of its own.

Owns starting, watching, starting again and stopping them. They outlive the scaler, which finds them again by process
number and start time, or by their folder, which is in the scaler's own. Promises to signal no process that was not
started here, and to keep the folder of one that was stopped, so that it comes back fast.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO

from . import process_table
from .ports import CannotDo, Replica
from .rules import ProcessesDriver
from .state_file import Process

REPLICAS_FOLDER = "replicas"
AGAIN_SECONDS = 1.0  # before one that ended is started again; it doubles up to:
AGAIN_SECONDS_MAX = 60.0
LASTED_SECONDS = 120.0  # one that ran so long begins with AGAIN_SECONDS anew
LOOKED_AT_SECONDS = 0.05
LOG_BYTES_MAX = 16 * 1024 * 1024  # of a log; one older is kept beside it
_OF_THE_SCALER = (  # settings that belong to one node, not to the next
    "ADVERTISE", "DATA", "LISTEN", "NAME", "REBUILD", "REPLICATION", "SOURCE",
)  # fmt: skip

FindSources = Callable[[Sequence[Process]], Awaitable[list[str]]]


class Processes:
    """`processes`: of the state, changed in place; `save` writes it. `find_sources`: for one more beside these."""

    def __init__(
        self,
        driver: ProcessesDriver,
        most: int,
        folder: Path,
        processes: list[Process],
        save: Callable[[], None],
        find_sources: FindSources,
        clock: Callable[[], float],
    ) -> None:
        self._driver = driver
        self._most = most
        self._folder = folder / REPLICAS_FOLDER
        self._processes = processes
        self._save = save
        self._find_sources = find_sources
        self._clock = clock
        self._boot = process_table.boot()
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # of this life of the scaler
        self._news: list[str] = []
        self._ended: dict[str, tuple[float, float]] = {}  # name → when it may start again, and how long was waited
        self._last_waited: dict[str, float] = {}
        self._began: dict[str, float] = {}

    # --- what runs

    def adopt(self) -> None:
        """Find again what runs: what is written down, and what was started without having been written down."""
        for process in self._processes:
            if self._runs(process):
                self._news.append(f"{process.name} still runs (process {process.process_id}): going on with it")
        written = {process.name for process in self._processes}
        for number in range(1, self._most + 1):
            name = f"{self._driver.prefix}{number}"
            if name not in written and process_table.find("--data", str(self._folder / name)):
                self._processes.append(Process(name, number, self._address(number), []))
        for process in self._processes:
            if not self._runs(process) and self._find(process):
                self._news.append(f"{process.name} was found running (process {process.process_id}), by its folder")
        self._save()

    def _find(self, process: Process) -> bool:
        for process_id in process_table.find("--data", str(self._folder / process.name)):
            ticks = process_table.started_ticks(process_id)
            if ticks is not None:
                process.process_id, process.started_ticks, process.boot = process_id, ticks, self._boot
                return True
        return False

    def _runs(self, process: Process) -> bool:
        child = self._children.get(process.name)
        if child is not None and child.poll() is not None:
            return False
        if not process.process_id or process.boot != self._boot:
            return False
        return process_table.started_ticks(process.process_id) == process.started_ticks

    async def listed(self) -> list[Replica]:
        listed = []
        for process in self._processes:
            runs = self._runs(process)
            if not runs:
                await self._again(process)
            listed.append(Replica(process.name, process.address, runs))
        return listed

    async def _again(self, process: Process) -> None:
        """It ended by itself: start it again, later and later."""
        now = self._clock()
        if process.name not in self._ended:
            lasted = now - self._began.get(process.name, now)
            waited = AGAIN_SECONDS if lasted >= LASTED_SECONDS else self._waited(process.name)
            self._ended[process.name] = (now + waited, waited)
            self._news.append(f"{process.name} ended{self._how(process.name)}; it is started again in {waited:g} s")
        elif now >= self._ended[process.name][0]:
            waited = self._ended.pop(process.name)[1]
            self._last_waited[process.name] = waited
            if not process.sources:
                process.sources = await self._find_sources(self._processes)
            self._start(process)

    def _waited(self, name: str) -> float:
        before = self._last_waited.get(name)
        return AGAIN_SECONDS if before is None else min(before * 2, AGAIN_SECONDS_MAX)

    def _how(self, name: str) -> str:
        child = self._children.pop(name, None)
        if child is None:
            return ""
        code = child.poll()
        how = f" (signal {signal.Signals(-code).name})" if code is not None and code < 0 else f" (exit code {code})"
        return f"{how}, saying last: {self._last_line(name)}"

    def _last_line(self, name: str) -> str:
        try:
            with self._log(name).open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - 2000, 0))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return "nothing"
        return lines[-1] if lines else "nothing"

    # --- more

    async def up(self, count: int, wanted: int, reason: str) -> None:  # noqa: ARG002 - the port's
        for _ in range(count):
            used = {process.number for process in self._processes}
            free = [number for number in range(1, self._most + 1) if number not in used]
            if not free:
                raise CannotDo(f"There are {len(used)} replicas, and no place for more below `most`.")
            number = free[0]
            sources = list(self._driver.sources) or await self._find_sources(self._processes)
            process = Process(f"{self._driver.prefix}{number}", number, self._address(number), sources)
            if self._find(process):
                self._news.append(f"{process.name} was found running (process {process.process_id}), by its folder")
            else:
                self._check_port(process)
                self._start(process)
            self._processes.append(process)
            self._save()

    def _start(self, process: Process) -> None:
        driver, data = self._driver, self._folder / process.name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        arguments = [
            *driver.command, "replica", "--data", str(data), "--name", process.name, "--listen", process.address,
            "--drain-seconds", f"{driver.drain_seconds:g}",
            *(part for source in process.sources for part in ("--source", source)),
            *driver.arguments,
        ]  # fmt: skip
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {f"ONSALE_{each}" for each in _OF_THE_SCALER}
        }
        try:
            with self._open_log(process.name) as log:
                child = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the scaler
                )
        except OSError as error:
            raise CannotDo(f"{process.name} can't be started: {error.strerror} ({error.filename}).") from error
        self._children[process.name] = child
        process.process_id, process.boot = child.pid, self._boot
        process.started_ticks = process_table.started_ticks(child.pid) or 0
        self._began[process.name] = self._clock()
        self._save()
        self._news.append(f"{process.name} starts at {process.address} (process {child.pid}), {self._follows(process)}")

    def _follows(self, process: Process) -> str:
        return f"following {process.sources[0]}; its log is {self._log(process.name)}"

    def _address(self, number: int) -> str:
        host = f"[{self._driver.host}]" if ":" in self._driver.host else self._driver.host
        return f"{host}:{self._driver.first_port + number - 1}"

    def _check_port(self, process: Process) -> None:
        port = self._driver.first_port + process.number - 1
        family = socket.AF_INET6 if ":" in self._driver.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._driver.host, port))
            except OSError as error:
                raise CannotDo(
                    f"{process.name} can't listen on {process.address}: {error.strerror}. Stop what does, or choose "
                    "another `host` or `first_port`."
                ) from error

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _open_log(self, name: str) -> IO[bytes]:
        path = self._log(name)
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    # --- fewer

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:  # noqa: ARG002 - the port's
        names = {each.name for each in replicas}
        leaving = [process for process in self._processes if process.name in names]
        await asyncio.gather(*(self._stop(process) for process in leaving))
        self._processes[:] = [process for process in self._processes if process not in leaving]
        self._save()

    async def _stop(self, process: Process) -> None:
        if self._runs(process):
            process_table.send(process.process_id, process.started_ticks, signal.SIGTERM)
            if not await self._gone(process, self._driver.drain_seconds + self._driver.stop_seconds):
                process_table.send(process.process_id, process.started_ticks, signal.SIGKILL)
                self._news.append(f"{process.name} did not stop in time and was killed")
                await self._gone(process, self._driver.stop_seconds)
        child = self._children.pop(process.name, None)
        if child is not None:
            child.poll()  # it may have ended since it was last looked at
        self._ended.pop(process.name, None)
        self._last_waited.pop(process.name, None)

    async def _gone(self, process: Process, within_seconds: float) -> bool:
        given_up_at = asyncio.get_running_loop().time() + within_seconds
        while self._runs(process):
            if asyncio.get_running_loop().time() > given_up_at:
                return False
            await asyncio.sleep(LOOKED_AT_SECONDS)
        return True

    # --- the rest

    def news(self) -> list[str]:
        told, self._news = self._news, []
        return told

    async def close(self) -> None:
        """They go on, and are found again; or end with the scaler, where the rules say so."""
        if self._driver.stop_with_scaler:
            await self.down([Replica(each.name, each.address) for each in self._processes], 0, "the scaler stops")
