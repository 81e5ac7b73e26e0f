"""A durable `POST /booking` over HTTP against a bare aiohttp handler: same core, same generator, in turn.

Owns the pairing: peer and product run one after the other on the same core, and the ratio is taken pair by pair, so
a machine that slows down slows both.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from .figures import Figure, median
from .generator import request_bytes
from .generator import run as drive
from .result import Result

CONNECTIONS = 256
SERVER_CPU = 0
GENERATOR_CPU = 1


@contextmanager
def product(data: Path, *, pinned: bool = True) -> Iterator[int]:
    """The port of a node, on a core of its own if `pinned`."""
    with product_process(data, pinned=pinned) as (port, _):
        yield port


@contextmanager
def product_process(data: Path, *flags: str, pinned: bool = True) -> Iterator[tuple[int, int]]:
    """The port and the process id of a node that is started with these flags."""
    command = [sys.executable, "-m", "onsale", "serve", "--data", str(data), "--listen", "127.0.0.1:0", *flags]
    with _started(command, pinned=pinned) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                yield int(found.group(1)), process.pid
                return
        raise RuntimeError("the node did not start")


@contextmanager
def peer(name: str) -> Iterator[int]:
    with _started([sys.executable, "-m", "onsale.loadtest.peers", name, "--port", "0"], pinned=True) as process:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["port"])


@contextmanager
def _started(command: list[str], *, pinned: bool) -> Iterator["subprocess.Popen[str]"]:
    cpus = os.sched_getaffinity(0)
    if pinned:
        os.sched_setaffinity(0, {SERVER_CPU if SERVER_CPU in cpus else min(cpus)})
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    finally:
        os.sched_setaffinity(0, cpus)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def load(port: int, seconds: float, *, keyed: bool) -> Result:
    """Bookings by as many users as requests, from the other core."""
    run_id = uuid.uuid4().hex[:8]

    def make(number: int) -> bytes:
        body = orjson.dumps({"userId": f"{run_id}-{number}", "eventId": 1, "quantity": 1})
        headers = {"Idempotency-Key": f"{run_id}-{number}"} if keyed else None
        return request_bytes("POST", "/booking", body=body, headers=headers)

    cpus = os.sched_getaffinity(0)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {GENERATOR_CPU if GENERATOR_CPU in cpus else max(cpus)})
    try:
        return drive("127.0.0.1", port, make, connections=CONNECTIONS, seconds=seconds, warm_up_seconds=1)
    finally:
        os.sched_setaffinity(0, cpus)


def create_event(port: int) -> None:
    body = {
        "name": "Benchmark",
        "startsAt": "2099-01-01T20:00:00Z",
        "ticketTypes": [{"name": "Standing", "price": "49.90", "capacity": 10_000_000}],
    }
    made = drive(
        "127.0.0.1",
        port,
        lambda _: request_bytes("POST", "/events", body=orjson.dumps(body)),
        requests=1,
        connections=1,
    )
    if made.statuses != {201: 1}:
        raise RuntimeError(f"the event could not be created: {urlsplit(str(made.statuses)).path}")


def booked(data: Path, seconds: float, *, keyed: bool) -> Result:
    with product(data) as port:
        create_event(port)
        result = load(port, seconds, keyed=keyed)
    if set(result.statuses) != {201} or result.failed:
        raise RuntimeError(f"not every booking was held: {result.statuses}, {result.errors}")
    return result


def run(*, full: bool) -> list[Figure]:
    runs, seconds = (5, 5.0) if full else (3, 2.0)
    bare, ours, keyed, ratios, keyed_ratios, p99 = [], [], [], [], [], []
    for _ in range(runs):
        with peer("bare") as port:
            bare.append(load(port, seconds, keyed=False).per_second)
        with tempfile.TemporaryDirectory(dir=".") as folder:
            plain = booked(Path(folder) / "plain", seconds, keyed=False)
            with_key = booked(Path(folder) / "keyed", seconds, keyed=True)
        ours.append(plain.per_second)
        p99.append(plain.latency_ms["p99"])
        keyed.append(with_key.per_second)
        ratios.append(plain.per_second / bare[-1])
        keyed_ratios.append(with_key.per_second / bare[-1])
    where = f"{CONNECTIONS} connections, server on one core"
    return [
        median("http", "bare aiohttp JSON handler", bare, "/s", "", where),
        median("http", "durable POST /booking", ours, "/s", "", where),
        median("http", "durable POST /booking against bare aiohttp", ratios, "×", "≥ 1", where),
        median("http", "durable POST /booking, p99", p99, "ms", "", where),
        median("http", "with an Idempotency-Key", keyed, "/s", "", where),
        median("http", "with an Idempotency-Key against bare aiohttp", keyed_ratios, "×", "≥ 1", where),
    ]
