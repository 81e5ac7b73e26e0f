"""`make soak`: a node and its standby under steady load for an hour or as long as is asked, watched all the time.

People look, book, pay, give up and let holds lapse, at a share of what the node can take, which is measured first. A
sample is taken every ten seconds. At the end it fails, and says why, where an answer was not what it should be, the
rate was not kept, memory grew by more than what was sold, the standby fell behind, or `onsale verify` finds anything.

Memory is settled once what ends leaves it as fast as it comes: after a hold, and the least time for which bookings that
have ended are kept.

Owns the course of a run, the samples and their judgement.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from statistics import mean
from typing import Any, Final, TypeVar

import click
import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from ..engine.limits import CAPACITY_MAX, ENDED_KEPT_MS_MIN, HOLD_MS_DEFAULT
from .generator import drive
from .load import Load
from .rush_nodes import NodeEnded, RushNode, onsale, other_cpus, start_nodes
from .soak_people import PRICE, SoakPeople

PEAK_SECONDS: Final = 15.0
SAMPLE_SECONDS: Final = 10.0
SETTLED_SECONDS: Final = (HOLD_MS_DEFAULT + ENDED_KEPT_MS_MIN) / 1000 + 120  # two minutes for checkpoints
JUDGED_SECONDS_MIN: Final = 300.0
SOLD_BYTES: Final = 600  # that a sold ticket takes, and rightly keeps
GROWTH_MAX: Final = 0.05
LAG_SECONDS_MAX: Final = 5.0
RATE_KEPT_MIN: Final = 0.99
RATED_SECONDS_MIN: Final = 60.0  # what is under way at its ends is much of a short run
VERIFY_SECONDS_MAX: Final = 3600.0


T = TypeVar("T")


class Sample(msgspec.Struct, frozen=True):
    """Ten seconds of a run. Memory is resident, in bytes; latencies are in ms, from the moment a request was due."""

    at_seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    memory_bytes: int
    standby_bytes: int
    bookings: int  # in memory
    sold: int
    lag_seconds: float
    disk_bytes: int


class Soak:
    """One run, over nodes that have been started."""

    def __init__(self, nodes: list[RushNode], event_id: int, seconds: float, connections: int) -> None:
        self.nodes, self.event_id, self.seconds, self._connections = nodes, event_id, seconds, connections
        self.samples: list[Sample] = []
        self.people = SoakPeople(event_id, 1, "soak")
        self.errors: Counter[str] = Counter()
        self.rate = 0.0

    async def peak(self) -> float:
        """Requests a second that the node takes of as many connections as will be used."""
        people = SoakPeople(self.event_id, 2, "peak")
        result = await drive(
            "127.0.0.1", self.nodes[0].port, people.request_of, connections=self._connections, seconds=PEAK_SECONDS,
            warm_up_seconds=2.0, on_response=people.answered,
        )  # fmt: skip
        return result.per_second

    async def run(self, rate: float) -> None:
        self.rate = rate
        sampling: list[asyncio.Task[None]] = []
        result = await drive(
            "127.0.0.1", self.nodes[0].port, self.people.request_of, connections=self._connections,
            seconds=self.seconds, rate=rate, on_response=self.people.answered,
            on_begin=lambda load: sampling.append(asyncio.ensure_future(self._sample(load))),
        )  # fmt: skip
        self.errors.update(result.errors)  # since the last sample
        if sampling[0].done():
            sampling[0].result()  # what ended it: without samples nothing would be judged
        sampling[0].cancel()
        for node in self.nodes:
            node.check_runs()

    async def _sample(self, load: Load) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(min(SAMPLE_SECONDS, self.seconds / 4))
            latencies, seconds = load.latencies, time.perf_counter() - load.began_at
            self.errors.update(load.errors)
            load.clear()
            seen = await asyncio.to_thread(self._look)
            p50, p99 = (latencies.percentile_ms(percent) for percent in (50, 99))
            at_seconds, per_second = time.monotonic() - began, latencies.count / seconds
            sample = Sample(at_seconds, per_second, p50, p99, latencies.max_seconds * 1000, *seen)
            self.samples.append(sample)
            print(msgspec.json.encode(sample).decode(), flush=True)

    def _look(self) -> tuple[int, int, int, int, float, int]:
        primary, standby = self.nodes[0], self.nodes[-1]
        metrics = dict(line.rpartition(" ")[::2] for line in primary.text("/metrics").splitlines())
        of_bookings = {name: float(value) for name, value in metrics.items() if name.startswith("onsale_bookings{")}
        lags = [float(value) for name, value in metrics.items() if name.startswith("onsale_member_lag_seconds{")]
        disk_bytes = sum(map(_size_bytes, primary.data.rglob("*")))
        return (
            primary.memory_bytes()[0],
            standby.memory_bytes()[0],
            int(sum(of_bookings.values())),
            int(of_bookings['onsale_bookings{status="confirmed"}']),
            max(lags, default=0.0),
            disk_bytes,
        )


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # a segment or a temporary file that is gone by now
        return 0


def faults_of(samples: list[Sample], rate: float) -> list[str]:
    """A sentence for each thing that was not as it should be; nothing of rate or memory where the run is too short."""
    faults = []
    kept = mean(sample.per_second for sample in samples) / rate
    if kept < RATE_KEPT_MIN and samples[-1].at_seconds >= RATED_SECONDS_MIN:
        faults.append(f"The rate was not kept: {kept:.1%} of {rate:,.0f} requests a second were answered.")
    lag_seconds = max(sample.lag_seconds for sample in samples)
    if lag_seconds > LAG_SECONDS_MAX:
        faults.append(f"The standby was {lag_seconds:.1f} s behind.")
    growth = memory_growth(samples)
    if growth is not None and growth > GROWTH_MAX:
        faults.append(f"Memory grew by {growth:.1%} once it was settled, beside what was sold.")
    return faults


def memory_growth(samples: list[Sample]) -> float | None:
    """From the first to the last third of the settled time, as a share, without what was sold meanwhile.

    None: the run was too short to tell.
    """
    settled = [sample for sample in samples if sample.at_seconds >= SETTLED_SECONDS]
    if not settled or settled[-1].at_seconds - settled[0].at_seconds < JUDGED_SECONDS_MIN:
        return None
    third = len(settled) // 3
    first, last = (
        mean(sample.memory_bytes - SOLD_BYTES * sample.sold for sample in part)
        for part in (settled[:third], settled[-third:])
    )
    return last / first - 1


def print_outcome(soak: Soak) -> None:
    table = Table(title=f"{soak.rate:,.0f} requests a second for {soak.seconds / 60:.0f} minutes")
    for name in (
        "minute",
        "req/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "memory MB",
        "standby MB",
        "bookings",
        "sold",
        "lag s",
    ):
        table.add_column(name, justify="right")
    step = max(len(soak.samples) // 15, 1)
    for at in range(0, len(soak.samples), step):
        part = soak.samples[at : at + step]
        last = part[-1]
        table.add_row(
            f"{last.at_seconds / 60:.1f}",
            f"{mean(each.per_second for each in part):,.0f}",
            f"{mean(each.p50_ms for each in part):.1f}",
            f"{mean(each.p99_ms for each in part):.1f}",
            f"{max(each.max_ms for each in part):.0f}",
            f"{last.memory_bytes / 1e6:,.0f}",
            f"{last.standby_bytes / 1e6:,.0f}",
            f"{last.bookings:,}",
            f"{last.sold:,}",
            f"{max(each.lag_seconds for each in part):.2f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    told = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(soak.people.told.items()))
    console.print(f"Answered: {told}")
    growth = memory_growth(soak.samples)
    settled = "too short to tell" if growth is None else f"{growth:+.1%}"
    console.print(f"Memory once settled, beside what was sold, from the first to the last third: {settled}")
    console.print(f"On disk at the end: {soak.samples[-1].disk_bytes / 1e6:,.0f} MB")


async def _until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Cancelled by SIGTERM, so that the nodes end with it."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _create_event(primary: RushNode) -> int:
    types = [{"name": "Standing", "price": PRICE, "capacity": CAPACITY_MAX}]
    body = {"name": "Soak night", "startsAt": "2099-01-01T20:00:00Z", "ticketTypes": types}
    status, event = primary.call("POST", "/events", body)
    if status != 201:
        raise RuntimeError(f"the event could not be created: {status} {event}")
    return int(event["id"])


def _verified(nodes: list[RushNode]) -> list[str]:
    faults = []
    for node in nodes:
        code, _, said = onsale("verify", "--data", str(node.data), seconds_max=VERIFY_SECONDS_MAX)
        if code:
            faults.append(f"onsale verify of {node.name} ended with {code}: {said[-2000:]}")
    return faults


@click.command(help=__doc__)
@click.option("--minutes", default=60.0, show_default=True, help="How long.")
@click.option("--share", default=0.5, show_default=True, help="Of what the node can take.")
@click.option("--rate", type=float, help="Requests a second, whatever the node can take.")
@click.option("--connections", default=256, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="An empty folder to keep; a temporary one if not given.")
def main(minutes: float, share: float, rate: float | None, connections: int, data: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        nodes = start_nodes(data or Path(temporary), hold_seconds=HOLD_MS_DEFAULT // 1000, with_standby=True)
        try:
            soak = Soak(nodes, _create_event(nodes[0]), minutes * 60, connections)
            os.sched_setaffinity(0, other_cpus())
            if rate is None:
                peak = uvloop.run(_until_stopped(soak.peak()))
                print(json.dumps({"peak_per_second": peak}), flush=True)
                rate = share * peak
            uvloop.run(_until_stopped(soak.run(rate)))
        except asyncio.CancelledError:
            sys.exit(128 + signal.SIGTERM)
        except NodeEnded as ended:
            raise click.ClickException(str(ended)) from None
        finally:
            for node in nodes:
                node.stop()
        faults = [f"{count} × {what}" for what, count in (soak.people.faults + soak.errors).most_common(10)]
        faults += faults_of(soak.samples, soak.rate) + _verified(nodes)
        print_outcome(soak)
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
