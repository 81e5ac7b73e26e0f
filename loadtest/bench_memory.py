"""Memory of one booking, person or event, each kind in a process of its own so that nothing freed before is used again.

Owns the kinds. What is measured is the engine's state with all its indexes, right after a checkpoint.
"""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterable

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.state import State
from . import filled
from .bench_engine import NOW_MS, bytes_a_booking, hot_event, resident_bytes
from .figures import Figure

PER_MS = 64  # facts of one moment
BETWEEN_CHECKPOINTS = 8_192
RETIRED_TOGETHER = 128

Facts = Callable[[range], Iterable[f.Fact]]


def _given_up(ids: range) -> Iterable[f.Fact]:
    for number, held in zip(ids, filled.held(ids, 1, NOW_MS + filled.HOLD_MS), strict=True):
        yield held
        yield f.BookingCancelled(number, "given_up")


def _past(ids: range) -> Iterable[f.Fact]:
    """A few are there at a time, however many there were."""
    for first in range(0, len(ids), RETIRED_TOGETHER):
        part = ids[first : first + RETIRED_TOGETHER]
        yield from _given_up(part)
        yield f.Retired(tuple(part))


def _over(ids: range) -> Iterable[f.Fact]:
    """The same, paid, of an event that is over."""
    yield f.SaleClosed(1)
    for first in range(0, len(ids), RETIRED_TOGETHER):
        part = ids[first : first + RETIRED_TOGETHER]
        yield from filled.confirmed(part, 1, NOW_MS)
        yield f.Archived(tuple(part))


def _queued(ids: range) -> Iterable[f.Fact]:
    yield f.RoomSet(1, 1, None, None, shuffle=False, by_stock=True, turn_ms=300_000, seed=b"")
    yield from (f.QueueJoined(1, f"user-{number:08d}") for number in ids)


KINDS: dict[str, tuple[str, Facts]] = {
    "held": ("a held booking", lambda ids: filled.held(ids, 1, NOW_MS + filled.HOLD_MS)),
    "waiting": (
        "a booking in line",
        lambda ids: (f.Waited(number, f"user-{number:08d}", 1, 1, 1, filled.PRICE_MINOR) for number in ids),
    ),
    "ended": ("a booking that has just ended", _given_up),
    "past": ("a booking that ended over an hour ago", _past),
    "over": ("a paid booking of an event that is long over", _over),
    "user": (
        "a user",
        lambda ids: (f.UserSaved(f"user-{n:08d}", f"Name {n}", f"user-{n}@example.org", None) for n in ids),
    ),
    "queued": ("a person in a waiting room", _queued),
    "event": (
        "an event",
        lambda ids: (filled.event(number + 1, NOW_MS + 10**9, 100, name=f"Event {number}") for number in ids),
    ),
}


def bytes_of(kind: str, count: int) -> float:
    """Resident memory that one of so many takes."""
    state = hot_event(count)
    gc.collect()
    before = resident_bytes()
    for number, fact in enumerate(KINDS[kind][1](range(1, count + 1))):
        apply(state, NOW_MS + number // PER_MS, fact)
        if number % BETWEEN_CHECKPOINTS == 0:
            _take(state)
    _take(state)
    gc.collect()
    return (resident_bytes() - before) / count


def _take(state: State) -> None:
    """As a checkpoint does."""
    for table in state.tables.values():
        changes = table.take_changes()
        while changes.release(10_000):
            pass
    state.notices.clear()


def _measured(kind: str, count: int) -> float:
    command = [sys.executable, "-m", "onsale.loadtest.bench_memory", kind, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(*, full: bool) -> list[Figure]:
    count = 1_000_000 if full else 200_000
    found = [
        Figure("memory", f"a confirmed booking, of {count:,}", _measured("confirmed", count), "bytes", "≤ 700"),
    ]
    for kind, (name, _) in KINDS.items():
        some = count // 10 if kind == "event" else count
        found.append(Figure("memory", f"{name}, of {some:,}", _measured(kind, some), "bytes"))
    return found


if __name__ == "__main__":
    wanted, number = sys.argv[1], int(sys.argv[2])
    print(bytes_a_booking(number) if wanted == "confirmed" else bytes_of(wanted, number))
