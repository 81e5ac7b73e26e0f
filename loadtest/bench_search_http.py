"""Searches among 100,000 events over HTTP: how many hits a second, and what searches do to the bookings beside them.

Owns its phases. *Hits*: searches that others have made before, and availability, against the bare aiohttp GET handler
on the same core, in turn, pair by pair. *Cold*: bookings alone at a fixed rate, then the same bookings with 500 mixed
searches a second, most of them for the first time. These are open loops: latency counts from when a request was
due, so a server that stalls cannot hide it.
"""

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import orjson
import uvloop

from ..engine.search import SearchRequest
from ..http.wire.times import format_ms
from ..replicas.search.index import SearchDocument
from .bench_http import GENERATOR_CPU, peer, product
from .bench_search import random_request, sample_documents
from .figures import Figure, median
from .generator import drive, request_bytes
from .generator import run as drive_alone
from .result import Result

SEARCHES_PER_SECOND = 500
BOOKINGS_PER_SECOND = 1_000
CONNECTIONS = 64
HIT_CONNECTIONS = 256
QUERIES = 100  # different ones, that everybody asks
DAY_MS = 86_400_000


def event_body(document: SearchDocument) -> bytes:
    return orjson.dumps(
        {
            "name": document.name,
            "startsAt": format_ms(document.starts_ms),
            "venue": document.venue,
            "city": document.city,
            "country": document.country,
            "category": document.category,
            "description": document.description,
            "ticketTypes": [{"name": "Standing", "price": "49.90", "capacity": 1_000_000}],
        }
    )


def search_path(request: SearchRequest) -> str:
    parameters = {"search": request.search, "name": request.name, "city": request.city, "category": request.category}
    if request.start_ms is not None and request.end_ms is not None:
        parameters |= {"start_date": format_ms(request.start_ms), "end_date": format_ms(request.end_ms)}
    return f"/events?{urlencode({name: value for name, value in parameters.items() if value})}"


async def _bookings(port: int, event_ids: list[int], name: str, seconds: float) -> Result:
    def make(number: int) -> bytes:
        body = {"userId": f"{name}-{number}", "eventId": event_ids[number % len(event_ids)], "quantity": 1}
        return request_bytes("POST", "/booking", body=orjson.dumps(body))

    return await drive("127.0.0.1", port, make, connections=CONNECTIONS, seconds=seconds, rate=BOOKINGS_PER_SECOND)


async def _searches(port: int, documents: list[SearchDocument], run: int, seconds: float) -> Result:
    chance = random.Random(run)
    paths = [search_path(random_request(chance, documents)[1]) for _ in range(int(seconds * SEARCHES_PER_SECOND) + 1)]
    return await drive(
        "127.0.0.1",
        port,
        lambda number: request_bytes("GET", paths[number % len(paths)]),
        connections=CONNECTIONS,
        seconds=seconds,
        rate=SEARCHES_PER_SECOND,
    )


async def _create(port: int, documents: list[SearchDocument]) -> dict[int, int]:
    """The ids of the events, by the places of their documents."""
    bodies = [event_body(document) for document in documents]
    ids: dict[int, int] = {}

    def created(number: int, _status: int, body: bytes) -> None:
        ids[number] = orjson.loads(body)["id"]

    await drive(
        "127.0.0.1",
        port,
        lambda number: request_bytes("POST", "/events", body=bodies[number]),
        connections=CONNECTIONS,
        requests=len(bodies),
        on_response=created,
    )
    return ids


async def _measure(port: int, documents: list[SearchDocument], *, runs: int, seconds: float) -> list[Figure]:
    ids = await _create(port, documents)
    today_ms = time.time() * 1000
    on_sale = [ids[number] for number, each in enumerate(documents) if each.starts_ms > today_ms + DAY_MS][:1000]
    searched, alone, beside = [], [], []
    for run in range(runs):
        alone.append((await _bookings(port, on_sale, f"alone-{run}", seconds)).latency_ms["p99"])
        booked, found = await asyncio.gather(
            _bookings(port, on_sale, f"beside-{run}", seconds), _searches(port, documents, run, seconds)
        )
        if set(found.statuses) != {200} or set(booked.statuses) != {201}:
            raise RuntimeError(f"not everything was answered: {found.statuses}, {booked.statuses}")
        beside.append(booked.latency_ms["p99"])
        searched.append(found.latency_ms["p99"])
    what = f"{len(documents):,} events, {SEARCHES_PER_SECOND}/s mixed"
    return [
        median("search", f"p99 of searches, {what}", searched, "ms", "≤ 10"),
        median("search", f"p99 of {BOOKINGS_PER_SECOND:,} bookings/s alone", alone, "ms"),
        median("search", "p99 of the same bookings beside the searches", beside, "ms"),
    ]


def _hits(port: int, paths: list[str], seconds: float) -> float:
    """Answers a second from the server on the other core."""
    requests = [request_bytes("GET", path) for path in paths]
    cpus = os.sched_getaffinity(0)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {GENERATOR_CPU if GENERATOR_CPU in cpus else max(cpus)})
    try:
        got = drive_alone(
            "127.0.0.1",
            port,
            lambda number: requests[number % len(requests)],
            connections=HIT_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=0.5,
        )
    finally:
        os.sched_setaffinity(0, cpus)
    if set(got.statuses) != {200}:
        raise RuntimeError(f"not everything was answered: {got.statuses}, {got.errors}")
    return got.per_second


def _measure_hits(folder: Path, documents: list[SearchDocument], *, runs: int, seconds: float) -> list[Figure]:
    chance = random.Random(3)
    paths = [search_path(random_request(chance, documents)[1]) for _ in range(QUERIES)]
    bare: list[float] = []
    searches: list[float] = []
    counts: list[float] = []
    with product(folder / "hits") as port:
        uvloop.run(_create(port, documents))
        for _ in range(runs):
            with peer("bare") as bare_port:
                bare.append(_hits(bare_port, ["/booking/7"], seconds))
            searches.append(_hits(port, paths, seconds))
            counts.append(_hits(port, ["/events/7/availability"], seconds))
    where = f"{HIT_CONNECTIONS} connections, server on one core"
    ratios = [ours / theirs for ours, theirs in zip(searches, bare, strict=True)]
    count_ratios = [ours / theirs for ours, theirs in zip(counts, bare, strict=True)]
    return [
        median("search", "bare aiohttp GET", bare, "/s", "", where),
        median("search", f"search hits, {QUERIES} queries", searches, "/s", "", where),
        median("search", "search hits against bare aiohttp", ratios, "×", "≥ 3", where),
        median("search", "availability", counts, "/s", "", where),
        median("search", "availability against bare aiohttp", count_ratios, "×", "≥ 3", where),
    ]


def run(*, full: bool) -> list[Figure]:
    documents = sample_documents(100_000 if full else 10_000)
    runs, seconds = (5, 8.0) if full else (3, 3.0)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        hits = _measure_hits(Path(folder), documents[:2_000], runs=runs, seconds=seconds / 2)
        with product(Path(folder) / "data", pinned=False) as port:
            return hits + uvloop.run(_measure(port, documents, runs=runs, seconds=seconds))
