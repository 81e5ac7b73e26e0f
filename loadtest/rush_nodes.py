"""The nodes of a rush: real processes, started, killed and put right again with the command line, as an operator would.

Owns the processes, their folders and logs, and what is measured of them from outside: memory and CPU time. The primary
has a core of its own; a standby and the generators share the rest.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from .bench_http import SERVER_CPU
from .bench_replication import wait

START_SECONDS_MAX: Final = 120.0
STOP_SECONDS_MAX: Final = 120.0
VERIFY_SECONDS_MAX: Final = 900.0
LOG_CHARACTERS: Final = 2_000
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def server_cpus() -> set[int]:
    cpus = os.sched_getaffinity(0)
    return {SERVER_CPU if SERVER_CPU in cpus else min(cpus)}


def other_cpus() -> set[int]:
    cpus = os.sched_getaffinity(0)
    return cpus - server_cpus() or cpus


class NodeEnded(RuntimeError):
    """A node stopped that nobody had stopped."""


class RushNode:
    """`start` as often as needed; addresses stay what they were the first time."""

    def __init__(self, folder: Path, name: str, kind: str, *flags: str, cpus: set[int]) -> None:
        self.name, self.kind, self._flags, self._cpus = name, kind, flags, cpus
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.port = 0
        self.replication = "127.0.0.1:0"
        self.environment: dict[str, str] = {}  # beside this process's own
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        here = os.sched_getaffinity(0)
        command = [
            sys.executable, "-m", "onsale", self.kind, "--data", str(self.data), "--name", self.name,
            "--listen", f"127.0.0.1:{self.port}", "--replication", self.replication, *self._flags,
        ]  # fmt: skip
        os.sched_setaffinity(0, self._cpus)
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | self.environment
                )
        finally:
            os.sched_setaffinity(0, here)
        wait(self._is_started, START_SECONDS_MAX)

    def _is_started(self) -> bool:
        said = self.log.read_text()
        listens = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        replicates = re.search(r"other nodes connect to (\S+)", said)
        if listens and replicates:
            self.port, self.replication = int(listens.group(1)), replicates.group(1)
            return True
        self.check_runs()
        return False

    def check_runs(self) -> None:
        """Raises NodeEnded with the end of its log."""
        code = None if self.process is None else self.process.poll()
        if code is not None:
            said = self.log.read_text()[-LOG_CHARACTERS:] if self.log.exists() else "its log is gone"
            raise NodeEnded(f"{self.name} ended by itself with exit code {code}:\n{said}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def text(self, path: str) -> str:
        """What a page says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def members(self) -> dict[str, Any]:
        return {member["name"]: member for member in self.call("GET", "/cluster")[1]["members"]}

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ctrl-C, and nothing when it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # --- from outside

    def memory_bytes(self) -> tuple[int, int]:
        """Resident now, and at most so far; zeros when it does not run."""
        assert self.process is not None
        try:
            said = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0, 0
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", said, re.MULTILINE))
        return int(found.get("VmRSS", 0)) * 1024, int(found.get("VmHWM", 0)) * 1024

    def cpu_seconds(self) -> float:
        assert self.process is not None
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS


def onsale(*arguments: str, seconds_max: float = VERIFY_SECONDS_MAX) -> tuple[int, dict[str, Any], str]:
    """Run the command: its exit code, what it says to programs, and what it says to people."""
    command = [sys.executable, "-m", "onsale", *arguments, "--format", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds_max, check=False)
    try:
        document = json.loads(ended.stdout)
    except ValueError:
        document = {}
    return ended.returncode, document, ended.stdout + ended.stderr


def start_nodes(folder: Path, *, hold_seconds: int, with_standby: bool) -> list[RushNode]:
    """A primary alone, or one whose answers wait for a standby."""
    folder.mkdir(parents=True, exist_ok=True)
    hold = ("--hold-seconds", str(hold_seconds))
    sync = ("--sync-standbys", "1") if with_standby else ()
    primary = RushNode(folder, "primary", "serve", *hold, *sync, cpus=server_cpus())
    nodes = [primary]
    try:
        primary.start()
        if with_standby:
            towards = ("--primary", primary.replication)
            standby = RushNode(folder, "standby", "standby", *hold, *towards, cpus=other_cpus())
            nodes.append(standby)
            standby.start()
            wait(lambda: _follows(primary, standby), START_SECONDS_MAX)
    except BaseException:
        for node in nodes:
            node.stop()
        raise
    return nodes


def _follows(leader: RushNode, other: RushNode) -> bool:
    return bool(leader.members().get(other.name, {}).get("state") == "following")


class FailedOver(RuntimeError):
    """An operator's command did not do what it should."""


def kill_and_fail_over(old: RushNode, new: RushNode) -> tuple[float, float]:
    """Kill -9, then `onsale failover` at the standby. Both moments: of the kill, and of the command's end.

    Answers wait for one standby before and after.
    """
    killed_at = time.monotonic()
    old.kill()
    code, _, said = onsale("failover", "--node", new.url, "--yes", seconds_max=120)
    if code:
        raise FailedOver(f"onsale failover ended with {code}: {said}")
    return killed_at, time.monotonic()


def mend(old: RushNode, new: RushNode) -> float:
    """The old primary comes back and follows; only then may writes be answered again. How long it took."""
    began = time.monotonic()
    old.start()
    wait(lambda: _follows(new, old), START_SECONDS_MAX)
    return time.monotonic() - began
