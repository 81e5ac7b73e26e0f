"""Searches among 100,000 events over HTTP, and what they do to the bookings beside them.

Owns its phases: bookings alone at a fixed rate, then the same bookings with 500 mixed searches a second. Both are open
loops: latency counts from when a request was due, so a server that stalls cannot hide it.
"""

import asyncio
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
from .bench_http import product
from .bench_search import random_request, sample_documents
from .figures import Figure, median
from .generator import drive, request_bytes
from .result import Result

SEARCHES_PER_SECOND = 500
BOOKINGS_PER_SECOND = 1_000
CONNECTIONS = 64
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


async def _searches(port: int, documents: list[SearchDocument], seconds: float) -> Result:
    chance = random.Random(7)
    paths = [search_path(random_request(chance, documents)[1]) for _ in range(5_000)]
    return await drive(
        "127.0.0.1",
        port,
        lambda number: request_bytes("GET", paths[number % len(paths)]),
        connections=CONNECTIONS,
        seconds=seconds,
        rate=SEARCHES_PER_SECOND,
    )


async def _measure(port: int, documents: list[SearchDocument], *, runs: int, seconds: float) -> list[Figure]:
    bodies = [event_body(document) for document in documents]
    await drive(
        "127.0.0.1",
        port,
        lambda number: request_bytes("POST", "/events", body=bodies[number]),
        connections=CONNECTIONS,
        requests=len(bodies),
    )
    today_ms = time.time() * 1000
    on_sale = [number for number, each in enumerate(documents, 1) if each.starts_ms > today_ms + DAY_MS][:1000]
    searched, alone, beside = [], [], []
    for run in range(runs):
        alone.append((await _bookings(port, on_sale, f"alone-{run}", seconds)).latency_ms["p99"])
        booked, found = await asyncio.gather(
            _bookings(port, on_sale, f"beside-{run}", seconds), _searches(port, documents, seconds)
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


def run(*, full: bool) -> list[Figure]:
    documents = sample_documents(100_000 if full else 10_000)
    runs, seconds = (5, 8.0) if full else (3, 3.0)
    with tempfile.TemporaryDirectory(dir=".") as folder, product(Path(folder) / "data", pinned=False) as port:
        return uvloop.run(_measure(port, documents, runs=runs, seconds=seconds))
