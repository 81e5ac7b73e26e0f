"""The peers that we are measured against: each sells what there is and no more; and the report of what was found."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson
import pytest

from onsale.loadtest.bench_peers import Found, Measured
from onsale.loadtest.generator import request_bytes, run
from onsale.loadtest.peers.servers import MissingServerError, postgres_server, redis_server
from onsale.loadtest.peers_report import RATIOS, ratio, render, write_report

CAPACITY = 50
KEYS = {
    "bookingId", "status", "userId", "eventId", "ticketType", "quantity", "seats", "amount", "currency", "expiresAt",
    "expiresInSeconds", "seq",
}  # fmt: skip


@pytest.mark.parametrize("peer", ["redis", "redis-together", "postgres", "postgres-together", "fastapi"])
def test_a_peer_sells_what_there_is_and_no_more(peer: str) -> None:
    server: Any = redis_server if peer.startswith("redis") else postgres_server
    answers: list[tuple[int, bytes]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        try:
            database = stack.enter_context(server(folder, os.sched_getaffinity(0)))
        except MissingServerError as missing:
            pytest.skip(str(missing))
        command = [sys.executable, "-m", "onsale.loadtest.peers", peer, "--database", database]
        with subprocess.Popen([*command, "--capacity", str(CAPACITY)], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                port = int(json.loads(process.stdout.readline())["port"])
                run(
                    "127.0.0.1",
                    port,
                    lambda number: request_bytes("POST", "/booking", body=orjson.dumps(wish(number))),
                    connections=16,
                    requests=60,
                    on_response=lambda _number, status, body: answers.append((status, body)),
                )
            finally:
                process.terminate()
    counted = Counter(status for status, _ in answers)
    booked = [json.loads(body) for status, body in answers if status == 201]
    assert set(counted) == {201, 409}
    assert sum(each["quantity"] for each in booked) in (CAPACITY, CAPACITY - 1), "a pair may not fit at the end"
    assert len({each["bookingId"] for each in booked}) == len(booked)
    assert set(booked[0]) == KEYS


def wish(number: int) -> dict[str, Any]:
    return {"userId": f"user-{number}", "eventId": 1, "quantity": 1 + number % 2}


@pytest.mark.parametrize("peer", ["bare", "hot", "cold"])
def test_the_bare_ones_answer_as_a_booking_does(peer: str) -> None:
    bodies: list[bytes] = []
    with subprocess.Popen([sys.executable, "-m", "onsale.loadtest.peers", peer], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(json.loads(process.stdout.readline())["port"])
            run(
                "127.0.0.1",
                port,
                lambda number: request_bytes("POST", "/booking", body=orjson.dumps(wish(number))),
                connections=2,
                requests=4,
                on_response=lambda _number, _status, body: bodies.append(body),
            )
        finally:
            process.terminate()
    assert [set(json.loads(body)) for body in bodies] == [KEYS] * 4


def test_a_peer_without_its_database_says_what_it_needs() -> None:
    command = [sys.executable, "-m", "onsale.loadtest.peers", "redis"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, "--database" in ended.stderr) == (2, True)


def _result(per_second: float, p99_ms: float) -> dict[str, Any]:
    latency_ms = {"mean": 1.0, "p50": p99_ms / 2, "p90": p99_ms / 1.5, "p99": p99_ms, "p99.9": p99_ms * 2, "max": 99.0}
    return {"per_second": per_second, "latency_ms": latency_ms, "cpu_share": 0.5}


def _found() -> Found:
    systems = {
        "onsale": Measured([_result(3000.0, 4.0), _result(900.0, 5.0)], {"0.5": _result(1500.0, 2.0)}),
        "bare": Measured([_result(1000.0, 9.0), _result(500.0, 9.0)]),
        "postgres": Measured(missing="PostgreSQL is not installed (Debian: apt install postgresql)"),
    }
    return Found({"cpu": "a", "cores": 2}, {"aiohttp": "3"}, "make bench-peers", "2026-11-23", 256, 3.0, systems)


def test_ratios_are_taken_round_by_round() -> None:
    found = _found()
    assert ratio(found, "onsale", "bare") == pytest.approx((3.0 + 1.8) / 2)
    assert ratio(found, "onsale", "postgres") is None
    assert ratio(found, "onsale", "redis") is None


def test_the_report_says_what_was_met_and_what_was_not_measured(tmp_path: Path) -> None:
    found = msgspec.json.decode(msgspec.json.encode(_found()), type=Found)
    page = write_report(found, tmp_path).read_text()
    assert page == render(found)
    assert "| 2.40 | ≥ 2.5 | **not met** |" in page
    assert "not measured: PostgreSQL is not installed" in page
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "throughput.svg",
        "latency-over-load.svg",
        "latency-percentiles.svg",
    }
    assert any(aim == 2.5 for _, _, aim in RATIOS)


def test_the_report_warns_of_rounds_that_differ_too_much() -> None:
    assert "more than twice as fast in one round as in another, do not trust it: Onsale, durable." in render(_found())


def test_the_systems_are_known_by_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onsale.loadtest.bench_peers", "--only", "mongodb", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "There is no mongodb" in ended.stderr
