"""The databases that peers keep their bookings in, started for a run and gone after it.

Owns their processes and settings. Each has a temporary folder of its own, on the disk it is told, and listens on a
socket in another. Both sync before they answer; what is done at leisure (checkpoints, rewriting a log) is put off until
after the run, which is in their favour. Raises `MissingServerError` where the server is not installed.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

START_SECONDS_MAX: Final = 30.0
LOG: Final = "server.log"
USERS: Final = ("postgres", "nobody")  # PostgreSQL refuses to run as root
POSTGRES_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "jit": "off",
}
REDIS_SETTINGS: Final = {
    "port": "0",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "auto-aof-rewrite-percentage": "0",
    "loglevel": "warning",
}


class MissingServerError(Exception):
    """A server or a client that is not installed; the text names it and says how to get it."""


def postgres_program(name: str) -> Path:
    """Return where `postgres` or `initdb` is: on the path, beside the server, or where Debian keeps it."""
    places = [Path(found) for found in (shutil.which(name),) if found]
    if server := shutil.which("postgres"):
        places.append(Path(server).resolve().parent / name)
    places += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    for place in places:
        if place.exists():
            return place.resolve()
    raise MissingServerError(f"PostgreSQL ({name}) is not installed; install it (Debian: apt install postgresql)")


def redis_program() -> Path:
    found = shutil.which("redis-server")
    if found is None:
        raise MissingServerError("redis-server is not installed; install it (Debian: apt install redis-server)")
    return Path(found)


@contextmanager
def postgres_server(disk: Path, cpus: set[int]) -> Iterator[str]:
    """The folder of its socket. `disk`: a folder on the disk it writes to."""
    initdb, server = postgres_program("initdb"), postgres_program("postgres")
    account = _account()
    with _folders(disk, account) as (data, sockets):
        cluster = data / "cluster"
        command = [str(initdb), "-D", str(cluster), "-U", "onsale", "-A", "trust", "--no-locale", "-E", "UTF8"]
        with _log(data) as log:
            if _start(command, log, data, cpus, account).wait(START_SECONDS_MAX):
                raise RuntimeError(f"initdb failed: {(data / LOG).read_text()}")
        settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(sockets)}
        command = [str(server), "-D", str(cluster)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        status = cluster / "postmaster.pid"  # its last line says when connections are taken
        with _running(command, data, cpus, account, lambda: status.exists() and "ready" in status.read_text()):
            yield str(sockets)


@contextmanager
def redis_server(disk: Path, cpus: set[int]) -> Iterator[str]:
    """The path of its socket. `disk`: a folder on the disk it writes to."""
    server = redis_program()
    with _folders(disk, None) as (data, sockets):
        socket = sockets / "redis.sock"
        settings = REDIS_SETTINGS | {"dir": str(data), "unixsocket": str(socket)}
        command = [str(server), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        with _running(command, data, cpus, None, socket.exists):
            yield str(socket)


def _account() -> pwd.struct_passwd | None:
    """Whose the server is to be, where we are root."""
    if os.geteuid():
        return None
    for name in USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise MissingServerError(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)} to run it as")


@contextmanager
def _folders(disk: Path, account: pwd.struct_passwd | None) -> Iterator[tuple[Path, Path]]:
    """One for data, and one whose path is short enough for a socket; both for `account`."""
    with (
        tempfile.TemporaryDirectory(dir=disk, prefix="peers-") as data,
        tempfile.TemporaryDirectory(dir="/tmp", prefix="onsale-") as sockets,
    ):
        for folder in (data, sockets):
            if account is not None:
                os.chown(folder, account.pw_uid, account.pw_gid)
        yield Path(data).resolve(), Path(sockets)


def _log(data: Path) -> IO[bytes]:
    return (data / LOG).open("ab")


def _start(
    command: list[str], log: IO[bytes], data: Path, cpus: set[int], account: pwd.struct_passwd | None
) -> "subprocess.Popen[bytes]":
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        if account is None:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=data)
        return subprocess.Popen(
            command, stdout=log, stderr=log, cwd=data, user=account.pw_uid, group=account.pw_gid, extra_groups=[]
        )
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _running(
    command: list[str], data: Path, cpus: set[int], account: pwd.struct_passwd | None, ready: Callable[[], bool]
) -> Iterator[None]:
    with _log(data) as log:
        process = _start(command, log, data, cpus, account)
        try:
            began = time.monotonic()
            while not ready():
                if process.poll() is not None or time.monotonic() - began > START_SECONDS_MAX:
                    raise RuntimeError(f"{command[0]} did not start: {(data / LOG).read_text()}")
                time.sleep(0.01)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # both end at once, whoever is connected
            process.wait(60)


def version(find: Callable[[], Path]) -> str:
    try:
        program = find()
    except MissingServerError:
        return "not installed"
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", said)
    return found[0] if found else said.strip()
