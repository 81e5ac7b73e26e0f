"""What bots cost: the node's CPU for each way of being refused, and a bot's own for each try.

Owns the attacks. Each is sent over kept-open connections as fast as it is answered, to a node on a core of its own; the
node's CPU time is read from the system before and after. Beside them: what a booking costs, and how long honest users
wait for theirs while a bot hammers the same node.
"""

import base64
import hashlib
import http.client
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from .bench_http import product_process
from .figures import Figure, median
from .generator import request_bytes
from .generator import run as drive
from .result import Result

ANNEXED = "198.51.100.7"  # exempt
PROXY = "127.0.0.0/8"
CONNECTIONS = 32
HONEST_PER_SECOND = 200.0
FLAGS = (
    "--limit-per-user", "0.001/1", "--limit-per-address", "0.001/1", "--limit-exempt", "198.51.100.0/24",
    "--trusted-proxies", PROXY,
)  # fmt: skip


class Bots:
    """One node, and what is sent to it."""

    def __init__(self, port: int, process_id: int) -> None:
        self.port = port
        self.process_id = process_id
        self.plain_id = self._event()
        self.guarded_id = self._event(challenge="proof_of_work", maxHoldsPerUser=10)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, orjson.dumps(body) if body is not None else None, {"X-Forwarded-For": ANNEXED})
        response = connection.getresponse()
        answered = orjson.loads(response.read())
        connection.close()
        return answered

    def _event(self, **fields: Any) -> int:
        types = [{"name": "Standing", "price": "49.90", "capacity": 1_000_000}]
        body = {"name": "Benchmark", "startsAt": "2099-01-01T20:00:00Z", "ticketTypes": types} | fields
        return int(self.ask("POST", "/events", body)["id"])

    def book(self, number: int, challenge: str | None = None, *, address: str = ANNEXED, user: str = "") -> bytes:
        body: dict[str, Any] = {
            "userId": user or f"user-{time.monotonic_ns()}-{number}",
            "eventId": self.plain_id if challenge is None else self.guarded_id,
        }
        if challenge:
            body["challenge"] = challenge
        return request_bytes("POST", "/booking", body=orjson.dumps(body), headers={"X-Forwarded-For": address})

    def look(self, address: str) -> bytes:
        path = f"/events/{self.plain_id}/availability"
        return request_bytes("GET", path, headers={"X-Forwarded-For": address})

    def cpu_us(self, make: Any, seconds: float) -> tuple[float, Result]:
        """The node's, per call."""
        before = self._cpu_seconds()
        result = drive("127.0.0.1", self.port, make, connections=CONNECTIONS, seconds=seconds)
        return (self._cpu_seconds() - before) / result.requests * 1e6, result

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def solved(challenge: dict[str, Any]) -> str:
    """By the documented rule, on one core, in this language."""
    begun = hashlib.sha256(challenge["salt"].encode())
    for number in range(challenge["maxnumber"] + 1):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if tried.hexdigest() == challenge["challenge"]:
            break
    sent = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")} | {"number": number}
    return base64.b64encode(orjson.dumps(sent)).decode()


def run(*, full: bool) -> list[Figure]:
    seconds, tries = (4.0, 60) if full else (1.0, 15)
    with tempfile.TemporaryDirectory(dir=".") as folder, _bots(Path(folder) / "data") as bots:
        figures = [_solving(bots, tries)]
        used = solved(bots.ask("GET", "/challenge"))
        first = bots.ask("POST", "/booking", {"userId": "first", "eventId": bots.guarded_id, "challenge": used})
        if first.get("status") != "held":
            raise RuntimeError(f"a solved challenge was refused: {first}")
        ours = bots.ask("GET", "/challenge")
        wrong = base64.b64encode(
            orjson.dumps({k: ours[k] for k in ("algorithm", "challenge", "salt", "signature")} | {"number": 0})
        ).decode()
        for name, statuses, make in (
            ("a booking that is held", {201}, bots.book),
            (
                "GET /challenge",
                {200},
                lambda _: request_bytes("GET", "/challenge", headers={"X-Forwarded-For": ANNEXED}),
            ),
            ("refused: no challenge", {403}, lambda n: bots.book(n, "")),
            ("refused: not a solution", {403}, lambda n: bots.book(n, "forged")),
            ("refused: a wrong number", {403}, lambda n: bots.book(n, wrong)),
            ("refused: one that was used", {403}, lambda n: bots.book(n, used)),
            ("refused: a user who asks too often", {201, 429}, lambda n: bots.book(n, user="hasty")),
            ("refused: an address that books too often", {201, 429}, lambda n: bots.book(n, address="203.0.113.5")),
            ("refused: an address that looks too often", {200, 429}, lambda _: bots.look("203.0.113.6")),
            ("a look that is answered", {200}, lambda _: bots.look(ANNEXED)),
        ):
            us, result = bots.cpu_us(make, seconds)
            if not set(result.statuses) <= statuses:
                raise RuntimeError(f"{name}: {result.statuses}")
            figures.append(median("bots", f"node's CPU, {name}", [us], "µs"))
        return figures + _honest(bots, seconds * 2)


def _solving(bots: Bots, tries: int) -> Figure:
    took = []
    for _ in range(tries):
        challenge = bots.ask("GET", "/challenge")
        began = time.perf_counter()
        solved(challenge)
        took.append(time.perf_counter() - began)
    return median("bots", "a bot's CPU per try, at rest", took, "s", note="one core, hashlib; ten times that in a rush")


def _honest(bots: Bots, seconds: float) -> list[Figure]:
    """Those who book at a steady rate, alone and beside a bot that is refused as fast as it asks."""

    def honest() -> float:
        result = drive(
            "127.0.0.1", bots.port, bots.book,
            connections=8, seconds=seconds, rate=HONEST_PER_SECOND,
        )  # fmt: skip
        if set(result.statuses) != {201}:
            raise RuntimeError(f"honest users were refused: {result.statuses}")
        return result.latency_ms["p99"]

    alone = honest()
    hammering = threading.Thread(
        target=drive,
        args=("127.0.0.1", bots.port, lambda n: bots.book(n, address="203.0.113.9")),
        kwargs={"connections": 8, "seconds": seconds + 1, "rate": 5_000.0},
    )
    hammering.start()
    time.sleep(0.5)
    beside = honest()
    hammering.join()
    return [
        median("bots", "honest bookings, p99, alone", [alone], "ms", note=f"{HONEST_PER_SECOND:.0f} a second"),
        median("bots", "honest bookings, p99, beside a bot", [beside], "ms", note="5,000 refused calls a second"),
    ]


@contextmanager
def _bots(data: Path) -> Iterator[Bots]:
    with product_process(data, *FLAGS) as (port, process_id):
        yield Bots(port, process_id)
