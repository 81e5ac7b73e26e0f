"""`make bench-peers`: the same booking by us and by the usual designs, in the same minutes on the same cores.

Owns the order of the runs and what is taken from each: every round goes through all systems once, and ratios are taken
round by round, so a machine that slows down slows all. The process that answers HTTP has one core, for everything in
it; the databases of the peers may use the others, which favours them. peers_report.py writes what was found.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson

from .bench_http import CONNECTIONS, GENERATOR_CPU, SERVER_CPU, create_event, product_process
from .bench_http import _started as started
from .bench_replication import cluster
from .figures import machine
from .generator import request_bytes
from .generator import run as drive
from .peers.servers import (
    MissingServerError,
    postgres_program,
    postgres_server,
    redis_program,
    redis_server,
    version,
)
from .peers_report import write_report
from .result import Result

BOOKING: Final = ("onsale", "onsale-k1", "bare", "redis", "redis-together", "postgres", "postgres-together", "fastapi")
READING: Final = ("bare-get", "onsale-search", "onsale-availability")
LOADS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)  # of what each can do
RESULTS: Final = Path("results/peers.json")

Server = Callable[[Path], Any]  # a context manager that gives a port


def make_booking(run: str) -> Callable[[int], bytes]:
    """Bookings by as many users as requests."""

    def make(number: int) -> bytes:
        return request_bytes(
            "POST", "/booking", body=orjson.dumps({"userId": f"{run}-{number}", "eventId": 1, "quantity": 1})
        )

    return make


def make_reading(path: str) -> Callable[[int], bytes]:
    request = request_bytes("GET", path)
    return lambda _number: request


def load(port: int, make: Callable[[int], bytes], seconds: float, rate: float | None = None) -> Result:
    """From a core that is not the server's."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {GENERATOR_CPU if GENERATOR_CPU in cpus else max(cpus)})
    try:
        return drive(
            "127.0.0.1",
            port,
            make,
            connections=CONNECTIONS,
            seconds=seconds,
            rate=rate,
            warm_up_seconds=min(1.0, seconds),
        )
    finally:
        os.sched_setaffinity(0, cpus)


@contextmanager
def _onsale(folder: Path) -> Iterator[int]:
    with product_process(folder / "node") as (port, _):
        create_event(port)
        yield port


@contextmanager
def _onsale_k1(folder: Path) -> Iterator[int]:
    with cluster(folder, standby=True, sync_standbys=1) as (primary, _):
        yield primary.port


def _other_cpus() -> set[int]:
    """Those that the web process does not have."""
    cpus = os.sched_getaffinity(0)
    return cpus - {SERVER_CPU} or cpus


def _peer(name: str) -> Server:
    @contextmanager
    def serve(folder: Path) -> Iterator[int]:
        needed: Any = nullcontext("")
        if name.startswith("redis"):
            needed = redis_server(folder, _other_cpus())
        elif name != "bare":
            needed = postgres_server(folder, _other_cpus())
        with needed as database:
            command = [sys.executable, "-m", "onsale.loadtest.peers", name, "--database", database]
            with started(command, pinned=True) as process:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"The peer did not start; run it by hand to see why: {' '.join(command)}")
                yield int(orjson.loads(line)["port"])

    return serve


SERVERS: Final[dict[str, tuple[Server, Callable[[str], Callable[[int], bytes]]]]] = {
    "onsale": (_onsale, make_booking),
    "onsale-k1": (_onsale_k1, make_booking),
    "bare": (_peer("bare"), make_booking),
    "redis": (_peer("redis"), make_booking),
    "redis-together": (_peer("redis-together"), make_booking),
    "postgres": (_peer("postgres"), make_booking),
    "postgres-together": (_peer("postgres-together"), make_booking),
    "fastapi": (_peer("fastapi"), make_booking),
    "bare-get": (_peer("bare"), lambda _run: make_reading("/booking/7")),
    "onsale-search": (_onsale, lambda _run: make_reading("/events?search=benchmark")),
    "onsale-availability": (_onsale, lambda _run: make_reading("/events/1/availability")),
}


class Measured(msgspec.Struct):
    """`rounds`: closed loops, one a round. `sweep`: open ones, by how much of its own median each is."""

    rounds: list[dict[str, Any]] = []
    sweep: dict[str, dict[str, Any]] = {}
    missing: str = ""  # why it could not be measured


class Found(msgspec.Struct):
    machine: dict[str, Any]
    versions: dict[str, str]
    command: str
    at: str
    connections: int
    seconds: float
    systems: dict[str, Measured]
    half_load: dict[str, Any] | None = None  # ours, at half of its median


def measure(name: str, measured: Measured, run: Callable[[int, Callable[[int], bytes]], None]) -> None:
    if measured.missing:
        return
    server, make = SERVERS[name]
    with tempfile.TemporaryDirectory(dir=".", prefix="peers-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        try:
            port = stack.enter_context(server(Path(folder)))
        except MissingServerError as missing:
            measured.missing = str(missing)
            return
        run(port, make(f"{time.time_ns():x}"[-7:]))


def _answered(name: str, result: Result) -> dict[str, Any]:
    if set(result.statuses) - {200, 201} or result.failed:
        raise RuntimeError(f"{name} did not answer as it should: {result.statuses}, {result.errors}")
    return result.as_dict()


def run_all(names: Sequence[str], rounds: int, seconds: float, *, sweep: bool, say: Callable[[str], None]) -> Found:
    systems = {name: Measured() for name in names}
    for number in range(rounds):
        for name, measured in systems.items():
            say(f"round {number + 1} of {rounds}: {name}")

            def closed(
                port: int, make: Callable[[int], bytes], name: str = name, measured: Measured = measured
            ) -> None:
                measured.rounds.append(_answered(name, load(port, make, seconds)))

            measure(name, measured, closed)
    found = Found(
        machine(), versions(), "make bench-peers", f"{datetime.now(UTC):%Y-%m-%d}", CONNECTIONS, seconds, systems
    )
    for name, measured in systems.items():
        if sweep and name in BOOKING:
            say(f"latency over load: {name}")
            _sweep(found, name, measured, min(seconds, 2.0))
    return found


def _sweep(found: Found, name: str, measured: Measured, seconds: float) -> None:
    if not measured.rounds:
        return
    rates = sorted(each["per_second"] for each in measured.rounds)
    capacity = rates[len(rates) // 2]

    def open_loop(port: int, make: Callable[[int], bytes]) -> None:
        numbers = iter(range(0, 100_000_000, 10_000_000))
        for share in LOADS:
            first = next(numbers)
            result = load(port, lambda number, first=first: make(first + number), seconds, capacity * share)  # type: ignore[misc]
            measured.sweep[str(share)] = result.as_dict()
            if name == "onsale" and share == 0.5:
                found.half_load = result.as_dict()

    measure(name, measured, open_loop)


def versions() -> dict[str, str]:
    packages = (
        "aiohttp",
        "uvloop",
        "msgspec",
        "orjson",
        "asyncpg",
        "redis",
        "hiredis",
        "fastapi",
        "uvicorn",
        "httptools",
    )
    return {name: package_version(name) for name in packages} | {
        "PostgreSQL": version(lambda: postgres_program("postgres")),
        "Redis": version(redis_program),
    }


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Of each run, after a second that is not counted.")
@click.option("--quick", is_flag=True, help="One short round, and no latency over load.")
@click.option("--only", help="These systems alone, by commas.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("loadtest"), show_default=True)
@click.option("--render", is_flag=True, help="Measure nothing: write the report of the last results again.")
def main(*, rounds: int, seconds: float, quick: bool, only: str | None, out: Path, render: bool) -> None:
    stored = out / RESULTS
    if render:
        if not stored.exists():
            raise click.UsageError(f"There are no results in {stored}; leave --render out to measure.")
        found = msgspec.json.decode(stored.read_bytes(), type=Found)
    else:
        names = tuple(only.split(",")) if only else (*BOOKING, *READING)
        if unknown := set(names) - set(SERVERS):
            raise click.UsageError(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}.")
        rounds, seconds = (1, 1.0) if quick else (rounds, seconds)
        found = run_all(names, rounds, seconds, sweep=not quick, say=lambda text: click.echo(text, err=True))
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    click.echo(f"written: {write_report(found, out)}")


if __name__ == "__main__":
    main()
