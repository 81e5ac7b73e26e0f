"""Whether a booking costs the same however much there is: events, past bookings, people in line, people in the queue.

Owns the pairs: a node with little and a node with much, one after the other on the same core, several times over and
each first in turn. The ratio is taken pair by pair; processor time a booking is steadier than throughput where others
use the machine as well. Folders are filled by the product's own code, without a server.
`python -m onsale.loadtest.bench_flat past 5000000` measures one pair at any size.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from ..engine import facts as f
from . import filled
from .bench_http import load, product_process
from .figures import Figure, median

FAR_MS = 10**10
DAY_MS = 24 * 3_600_000
PART = 10_000  # bookings at one moment
SETTLED_SECONDS_MAX = 60.0
OPEN = 1  # the event that is booked


class Size(msgspec.Struct, frozen=True):
    events: int = 10
    past: int = 0
    line: int = 0  # people waiting for the event that is booked
    room: int = 0  # people in the waiting room of another one
    paid: int = 0  # bookings of another one


class Run(msgspec.Struct, frozen=True):
    per_second: float
    p99_ms: float
    cpu_us: float  # of the node, a booking
    start_seconds: float
    resident_bytes: int


PAIRS: dict[str, Callable[[int], tuple[Size, Size]]] = {
    "events": lambda count: (Size(), Size(events=count)),
    "past": lambda count: (Size(), Size(past=count)),
    "line": lambda count: (Size(line=10), Size(line=count)),
    "room": lambda count: (Size(room=10), Size(room=count)),
    "paid": lambda count: (Size(), Size(paid=count)),
}
NAMES = {
    "events": "events",
    "past": "past bookings",
    "line": "people waiting in line",
    "room": "people in a waiting room",
    "paid": "paid bookings of events to come",
}
QUICK = {"events": 20_000, "past": 100_000, "line": 50_000, "room": 50_000, "paid": 100_000}
FULL = {"events": 100_000, "past": 1_000_000, "line": 500_000, "room": 500_000, "paid": 1_000_000}


def fill(folder: Path, size: Size) -> None:
    now_ms = time.time_ns() // 1_000_000
    with filled.FilledFolder(folder) as there:
        begun_ms = now_ms - 3 * DAY_MS
        capacity = 0 if size.line else 10_000_000
        there.add(begun_ms, [filled.event(OPEN, now_ms + FAR_MS, max(capacity, 1))])
        there.add(begun_ms, (filled.event(number, now_ms + FAR_MS, 10_000_000) for number in range(2, size.events + 1)))
        for number, ids in enumerate(_parts(1, size.past)):
            _add_past(there, ids, begun_ms + number)
        first = size.past + 1
        for number, ids in enumerate(_parts(first, size.paid)):
            there.add(now_ms - DAY_MS + number, filled.confirmed(ids, 2, now_ms - DAY_MS + number))
        first += size.paid
        if size.line:
            there.add(now_ms - DAY_MS, filled.confirmed([first], OPEN, now_ms - DAY_MS))  # sold out
            there.add(now_ms - DAY_MS, _waiting(range(first + 1, first + 1 + size.line)))
        if size.room:
            there.add(now_ms - DAY_MS, _room(2, size.room))


def _parts(first: int, count: int) -> Iterator[range]:
    return (range(begin, min(begin + PART, first + count)) for begin in range(first, first + count, PART))


def _add_past(there: filled.FilledFolder, ids: range, at_ms: int) -> None:
    """Held, given up, and gone from memory an hour later: as far as this goes time need not pass."""
    there.add(at_ms, filled.held(ids, 2, at_ms + filled.HOLD_MS))
    there.add(at_ms, (f.BookingCancelled(number, "given_up") for number in ids))
    there.add(at_ms, (f.Retired(tuple(ids[begin : begin + 128])) for begin in range(0, len(ids), 128)))


def _waiting(ids: Iterable[int]) -> Iterator[f.Fact]:
    return (f.Waited(number, f"line-{number}", OPEN, OPEN, 1, filled.PRICE_MINOR) for number in ids)


def _room(event_id: int, people: int) -> Iterator[f.Fact]:
    yield f.RoomSet(event_id, 1, None, None, shuffle=False, by_stock=True, turn_ms=300_000, seed=b"")
    for number in range(people):
        yield f.QueueJoined(event_id, f"queue-{number}")


def measured(source: Path, seconds: float) -> Run:
    """A node on a copy of the folder, and bookings as fast as it takes them."""
    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        folder = Path(scratch) / "data"
        shutil.copytree(source, folder)
        os.sync()  # else what is still to be written of a large copy slows the journal's syncs down
        began = time.perf_counter()
        with product_process(folder) as (port, process):
            start_seconds = time.perf_counter() - began
            _settle(process)
            resident = _resident_bytes(process)
            cpu = _cpu_seconds(process)
            result = load(port, seconds, keyed=False)
            cpu = _cpu_seconds(process) - cpu
    if not set(result.statuses) <= {201, 202} or result.failed:
        raise RuntimeError(f"not every booking was taken: {result.statuses}, {result.errors}")
    everything = result.per_second * (seconds + 1)  # with the first second, which is not counted
    return Run(result.per_second, result.latency_ms["p99"], 1e6 * cpu / everything, start_seconds, resident)


def _pair(folders: list[Path], seconds: float, *, many_first: bool) -> tuple[Run, Run]:
    """With few, with many. Whoever comes second finds a disk that still has the writes of the first to do."""
    few, many = folders
    if many_first:
        after = measured(many, seconds)
        return measured(few, seconds), after
    return measured(few, seconds), measured(many, seconds)


def _settle(process: int) -> None:
    """Until the node and its helpers, who share its core, have nothing more to do: the search index is built last."""
    given_up_at = time.monotonic() + SETTLED_SECONDS_MAX
    while time.monotonic() < given_up_at:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        before = sum(_cpu_seconds(each) for each in (process, *map(int, children)))
        time.sleep(0.5)
        if sum(_cpu_seconds(each) for each in (process, *map(int, children))) - before < 0.05:
            return


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(what: str, count: int, *, runs: int, seconds: float) -> list[Figure]:
    sizes = PAIRS[what](count)
    with tempfile.TemporaryDirectory(dir=".") as root:
        folders = [Path(root) / "few", Path(root) / "many"]
        for folder, size in zip(folders, sizes, strict=True):
            fill(folder, size)
        pairs = [_pair(folders, seconds, many_first=number % 2 == 1) for number in range(runs)]
    name = f"{count:,} {NAMES[what]}"
    resident = [(many.resident_bytes - few.resident_bytes) / count for few, many in pairs]
    start = [1e6 * (many.start_seconds - few.start_seconds) / count for few, many in pairs]
    note = f"{statistics.median(few.per_second for few, _ in pairs):,.0f}/s without them"
    one = {"events": "event", "room": "person", "line": "person"}.get(what, "booking")
    speed = [many.per_second / few.per_second for few, many in pairs]
    cost = [many.cpu_us / few.cpu_us for few, many in pairs]
    p99 = [many.p99_ms / few.p99_ms for few, many in pairs]
    return [
        median("flat", f"bookings with {name}, against few", speed, "×", "≥ 0.85", note),
        median("flat", f"processor time of one with {name}, against few", cost, "×", "≤ 1.15"),
        median("flat", f"p99 with {name}, against few", p99, "×", "≤ 1.15"),
        median("flat", f"memory after a start with {name}", resident, f"bytes per {one}"),
        median("flat", f"start with {name}, per million", start, "s"),
    ]


def run(*, full: bool) -> list[Figure]:
    runs, seconds = (5, 4.0) if full else (1, 2.0)
    sizes = FULL if full else QUICK
    return [figure for what, count in sizes.items() for figure in compare(what, count, runs=runs, seconds=seconds)]


if __name__ == "__main__":
    for found in compare(sys.argv[1], int(sys.argv[2]), runs=int((*sys.argv, "3")[3]), seconds=3.0):
        runs_seen = ", ".join(f"{value:.3g}" for value in found.runs)
        print(f"{found.name:70} {found.value:10.3f} {found.unit}  [{runs_seen}] {found.note}")
