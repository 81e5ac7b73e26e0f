"""Commands of others: how an orchestrator is told to run more or fewer replicas, and a balancer whom to send to.

Owns how they are run. Each gets its words as they stand in the rules, and in the environment:

    ONSALE_SCALER_ACTION     up, down, list, admit, drain, release
    ONSALE_SCALER_WANTED     up, down: how many there are to be in all
    ONSALE_SCALER_COUNT      up, down: how many more, or fewer
    ONSALE_SCALER_REASON     up, down: why, in a sentence
    ONSALE_SCALER_REPLICAS   down: the names of those that nobody is sent to any more, with spaces between
    ONSALE_SCALER_REPLICA    admit, drain, release: its name
    ONSALE_SCALER_ADDRESS    admit, drain, release: its HOST:PORT; _HOST and _PORT the two alone

`list` prints a line for each replica, `NAME HOST:PORT` or `NAME`, the oldest first; names are letters, digits, dots,
dashes and underscores. Exit code 0 means done; any other, no end in time, or a megabyte of output is told with the last
line of what was said, nothing is taken for granted, and it is asked again. A command may be asked for what is so
already.
"""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress

from ..options import parse_address
from .ports import CannotDo, Place, Replica
from .rules import HookBalancer, HookDriver

SAID_CHARACTERS_MAX = 300
OUTPUT_BYTES_MAX = 1024 * 1024
KILLED_SECONDS_MAX = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")  # goes into the words of commands, and into logs


async def run_command(words: Sequence[str], timeout_seconds: float, environment: dict[str, str] | None = None) -> str:
    """Its standard output. Raises CannotDo."""
    shown = shlex.join(words)
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {name: value.replace("\0", "") for name, value in (environment or {}).items()},
            start_new_session=True,
        )
    except OSError as error:
        raise CannotDo(f"`{shown}` can't be run: {error.strerror}.") from error
    try:
        async with asyncio.timeout(timeout_seconds):
            out, err = await asyncio.gather(_output(process, process.stdout), _output(process, process.stderr))
            await process.wait()
    except BaseException as error:
        await _end(process)
        if isinstance(error, TimeoutError):
            raise CannotDo(f"`{shown}` did not end within {timeout_seconds:g} s, and was killed.") from None
        raise
    if max(len(out), len(err)) > OUTPUT_BYTES_MAX:
        raise CannotDo(f"`{shown}` printed more than {OUTPUT_BYTES_MAX >> 20} MiB, and was killed.")
    if process.returncode:
        lines = (err.strip() or out).decode(errors="replace").strip().splitlines()
        said = f", saying: {_printable(lines[-1])[:SAID_CHARACTERS_MAX]}" if lines else ""
        code = process.returncode
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        raise CannotDo(f"`{shown}` ended with {how}{said}.")
    return out.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILLED_SECONDS_MAX):
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    await _read_out(stream)
            await process.wait()


async def _output(process: asyncio.subprocess.Process, stream: asyncio.StreamReader | None) -> bytes:
    """All of it; one byte more than may be, where it was too much and the command was killed."""
    assert stream is not None
    try:
        printed = await stream.readexactly(OUTPUT_BYTES_MAX + 1)
    except asyncio.IncompleteReadError as error:
        return error.partial
    _kill(process)
    await _read_out(stream)
    return printed


async def _read_out(stream: asyncio.StreamReader) -> None:
    """An end that nobody reads is not noticed."""
    while await stream.read(65_536):
        pass


def _kill(process: asyncio.subprocess.Process) -> None:
    """With all that it has begun, but for what has taken itself out of its session, which was begun for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "�" for each in text)


class Hooks:
    """A driver."""

    def __init__(self, driver: HookDriver) -> None:
        self._driver = driver

    async def listed(self) -> list[Replica]:
        words = self._driver.list
        output = await run_command(words, self._driver.timeout_seconds, {"ONSALE_SCALER_ACTION": "list"})
        replicas = [_replica(line, words) for line in output.splitlines() if line.strip()]
        if len({each.name for each in replicas}) < len(replicas):
            raise CannotDo(f"`{shlex.join(words)}` names a replica twice; print a line for each.")
        return replicas

    async def up(self, count: int, wanted: int, reason: str) -> None:
        await self._run("up", self._driver.up, count, wanted, reason)

    async def down(self, replicas: Sequence[Replica], wanted: int, reason: str) -> None:
        names = " ".join(each.name for each in replicas)
        await self._run("down", self._driver.down, len(replicas), wanted, reason, ONSALE_SCALER_REPLICAS=names)

    async def _run(self, action: str, words: Sequence[str], count: int, wanted: int, reason: str, **more: str) -> None:
        told = {
            "ONSALE_SCALER_ACTION": action,
            "ONSALE_SCALER_WANTED": str(wanted),
            "ONSALE_SCALER_COUNT": str(count),
            "ONSALE_SCALER_REASON": reason,
        }
        await run_command(words, self._driver.timeout_seconds, told | more)

    def news(self) -> list[str]:
        return []

    async def close(self) -> None: ...


def _replica(line: str, words: Sequence[str]) -> Replica:
    match line.split():
        case [name] if _NAME.fullmatch(name):
            return Replica(name, "")
        case [name, address] if _NAME.fullmatch(name):
            try:
                parse_address(address)
            except ValueError as error:
                raise CannotDo(f"`{shlex.join(words)}` prints {line!r}: {error}") from error
            return Replica(name, address)
    shown = line if len(line) <= SAID_CHARACTERS_MAX else line[:SAID_CHARACTERS_MAX] + "…"
    raise CannotDo(f"`{shlex.join(words)}` prints {shown!r}; print NAME or NAME HOST:PORT.")


class BalancerHooks:
    def __init__(self, balancer: HookBalancer) -> None:
        self._balancer = balancer
        self._told: set[Place] = set()

    async def keep(self, places: Sequence[Place]) -> None:
        for place in sorted(self._told - set(places), key=lambda each: each.number):
            await self._run("drain", self._balancer.drain, place)
            self._told.discard(place)
        for place in places:
            if place not in self._told:
                await self._run("admit", self._balancer.admit, place)
                self._told.add(place)

    async def leave(self, place: Place) -> None:
        """`keep` has drained it, and returned when that was done."""

    async def release(self, place: Place) -> None:
        if self._balancer.release:
            await self._run("release", self._balancer.release, place)

    async def _run(self, action: str, words: Sequence[str], place: Place) -> None:
        told = {
            "ONSALE_SCALER_ACTION": action,
            "ONSALE_SCALER_REPLICA": place.replica.name,
            "ONSALE_SCALER_ADDRESS": place.replica.address,
        }
        if place.replica.address:
            host, port = parse_address(place.replica.address)
            told |= {"ONSALE_SCALER_HOST": host, "ONSALE_SCALER_PORT": str(port)}
        await run_command(words, self._balancer.timeout_seconds, told)
