"""Bookings while an event with tens of thousands of paid bookings is cancelled beside them.

Owns the workload: a journal of people who have paid, and a provider that gives money back and nothing else, in a
process of its own (`python -m onsale.loadtest.bench_cancel`). The same load is measured before and right from the
cancelling on, in one run: an open loop of bookings at another event, and of GET /healthz, which waits for the event
loop alone. So the ratios hold on any machine; where there are few cores they include that more processes want them.
"""

import asyncio
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import uvloop
from aiohttp import web

from ..engine import facts as f
from ..engine.status import WAITLIST_STRICT
from ..journal.batch import seal
from ..journal.disk import RealDisk
from ..journal.recovery import create_journal
from ..journal.writer import JournalAppender
from ..node.recovery import JOURNAL_FOLDER
from .bench_http import product
from .figures import Figure, median
from .generator import drive, request_bytes
from .result import Result

BOOKINGS_PER_SECOND = 1_000
PROBES_PER_SECOND = 200
CONNECTIONS = 64
PRICE_MINOR: Final = 1250
JOURNAL_ID: Final = b"cancellation-of-"
AGO_MS = 60_000
HOLD_MS = 300_000
STARTS_MS = 4_070_980_800_000  # in 2099
PER_BATCH = 100
ANSWER_SECONDS = 0.1  # of the provider's: few are quicker, and on this machine it must not take the node's cores
CANCELLED_ID, OTHER_ID = 1, 2


def write_paid_bookings(
    data: Path, intents: Sequence[str], more: Iterable[f.Fact] = (), *, ago_ms: int = AGO_MS
) -> None:
    """A data folder as a node leaves it: each of `intents` paid a booking of user u0, u1, … at event 1.

    At event 2 there is plenty to book. `more` follows on that: who has an address only then is owed nothing yet.
    """
    (data / JOURNAL_FOLDER).mkdir(parents=True)
    disk = RealDisk(data / JOURNAL_FOLDER)
    appender = JournalAppender(disk, create_journal(disk, JOURNAL_ID))
    at_ms = time.time_ns() // 1_000_000 - ago_ms
    created: list[f.Fact] = [_event(CANCELLED_ID, "Cancelled", len(intents) + 10), _event(OTHER_ID, "Other", 5_000_000)]
    facts = itertools.chain(
        created,
        itertools.chain.from_iterable(_paid(number, intent, at_ms) for number, intent in enumerate(intents)),
        more,
    )
    while batch := list(itertools.islice(facts, PER_BATCH)):
        appender.append(seal(appender.position, epoch=1, at_ms=at_ms, count=len(batch), payload=f.encode(batch)))
        at_ms += 1
    appender.close()


def _event(event_id: int, name: str, capacity: int) -> f.EventCreated:
    details = f.EventDetails(name, STARTS_MS, None, "", "", "", "", "", "EUR", None, 10, None, WAITLIST_STRICT)
    return f.EventCreated(event_id, details, (f.TypeDetails(event_id, "Standing", PRICE_MINOR, capacity),))


def _paid(number: int, intent: str, at_ms: int) -> tuple[f.Fact, ...]:
    booking_id = number + 1
    return (
        f.Held(booking_id, f"u{number}", CANCELLED_ID, CANCELLED_ID, 1, PRICE_MINOR, at_ms + HOLD_MS),
        f.PaymentStarted(booking_id, booking_id, PRICE_MINOR, "pm_card_visa", at_ms + 3 * HOLD_MS),
        f.PaymentPrepared(booking_id, intent, f"{intent}_secret_x"),
        f.PaymentSucceeded(booking_id, intent),
    )


# --- a provider that gives back


async def _serve() -> None:
    """Prints {"port": N}, and serves until SIGTERM."""
    refunds = itertools.count(1)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def none_yet(_request: web.Request) -> web.Response:
        await asyncio.sleep(ANSWER_SECONDS)
        return web.json_response({"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"})

    async def give_back(request: web.Request) -> web.Response:
        asked = await request.post()
        await asyncio.sleep(ANSWER_SECONDS)
        refund = {
            "id": f"re_{next(refunds)}",
            "object": "refund",
            "amount": int(str(asked["amount"])),
            "currency": "eur",
            "created": int(time.time()),
            "status": "succeeded",
            "payment_intent": asked["payment_intent"],
            "metadata": {
                str(name).removeprefix("metadata[").removesuffix("]"): value
                for name, value in asked.items()
                if str(name).startswith("metadata[")
            },
        }
        return web.json_response(refund)

    application = web.Application()
    application.router.add_get("/v1/refunds", none_yet)
    application.router.add_post("/v1/refunds", give_back)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await stop.wait()
    await runner.cleanup()


@contextmanager
def _provider() -> Iterator[str]:
    """Its address."""
    command = [sys.executable, "-m", "onsale.loadtest.bench_cancel"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.terminate()


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# --- measuring


class _Window:
    """What people saw within some seconds."""

    def __init__(self, booked: Result, probed: Result) -> None:
        if set(booked.statuses) != {201} or booked.failed or set(probed.statuses) != {200}:
            raise RuntimeError(f"not every booking was held: {booked.statuses} {booked.errors}, {probed.statuses}")
        self.booked_ms = booked.latency_ms["p99"]
        self.probed_ms = probed.latency_ms["p99"]


async def _window(port: int, name: str, seconds: float) -> _Window:
    def book(number: int) -> bytes:
        body = orjson.dumps({"userId": f"{name}-{number}", "eventId": OTHER_ID})
        return request_bytes("POST", "/booking", body=body)

    def probe(_number: int) -> bytes:
        return request_bytes("GET", "/healthz")

    booked, probed = await asyncio.gather(
        drive("127.0.0.1", port, book, connections=CONNECTIONS, seconds=seconds, rate=BOOKINGS_PER_SECOND),
        drive("127.0.0.1", port, probe, connections=4, seconds=seconds, rate=PROBES_PER_SECOND),
    )
    return _Window(booked, probed)


async def _cancel(port: int) -> None:
    path = f"/events/{CANCELLED_ID}/cancel"
    result = await drive("127.0.0.1", port, lambda _: request_bytes("POST", path), requests=1, connections=1)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"the event could not be cancelled: {result.statuses}")


async def _left(port: int) -> int:
    """Refunds that are not made yet, bookings whose turn did not come yet among them."""
    found: list[int] = []

    def on_response(_number: int, _status: int, body: bytes) -> None:
        progress = orjson.loads(body)
        found.append(progress["bookingsLeft"] + progress["refundsOwed"])

    path = f"/events/{CANCELLED_ID}/progress"
    await drive(
        "127.0.0.1",
        port,
        lambda _: request_bytes("GET", path),
        requests=1,
        connections=1,
        on_response=on_response,
    )
    return found[0]


class _Measured(NamedTuple):
    before: list[_Window]
    during: list[_Window]  # the first one begins with the cancelling
    refunds_per_second: float


async def _measure(port: int, count: int, *, windows: int, seconds: float) -> _Measured:
    await _window(port, "warm-up", 1.0)
    before = [await _window(port, f"before-{number}", seconds) for number in range(windows)]
    began = time.monotonic()
    await _cancel(port)
    during = [await _window(port, f"during-{number}", seconds) for number in range(windows)]
    left = await _left(port)
    return _Measured(before, during, (count - left) / (time.monotonic() - began))


def run(*, full: bool) -> list[Figure]:
    count, windows, seconds = (50_000, 6, 4.0) if full else (5_000, 3, 2.0)
    with tempfile.TemporaryDirectory(dir=".") as folder, _provider() as url:
        data = Path(folder) / "data"
        write_paid_bookings(data, [f"pi_{number}" for number in range(count)])
        with _environment(STRIPE_API_KEY="sk_test_bench", STRIPE_API_BASE=url), product(data, pinned=False) as port:
            found = uvloop.run(_measure(port, count, windows=windows, seconds=seconds))
    return _figures(found, f"{count:,} paid bookings")


def _booked_ms(window: _Window) -> float:
    return window.booked_ms


def _probed_ms(window: _Window) -> float:
    return window.probed_ms


def _figures(found: _Measured, what: str) -> list[Figure]:
    figures = [Figure("cancel", "refunds made", found.refunds_per_second, "/s", note=what)]
    for name, of in (
        (f"p99 of {BOOKINGS_PER_SECOND:,} bookings/s", _booked_ms),
        ("p99 of GET /healthz", _probed_ms),
    ):
        alone = statistics.median(map(of, found.before))
        figures += [
            median("cancel", name, list(map(of, found.before)), "ms"),
            median("cancel", f"{name}, while an event is cancelled", list(map(of, found.during)), "ms", "", what),
            Figure("cancel", f"{name}, in the first moments of it", of(found.during[0]), "ms", note=what),
            median("cancel", f"{name}, against before", [of(each) / alone for each in found.during], "×", "≤ 1.5"),
        ]
    return figures


if __name__ == "__main__":
    uvloop.run(_serve())
