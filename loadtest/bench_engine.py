"""The engine alone, on one core: holds a second, facts applied a second, bytes of memory a booking.

Owns its workload: one hot event, every booking by another user, as in the first minute of an onsale.
"""

import gc
import time
from pathlib import Path

from ..engine import facts as f
from ..engine.apply import apply
from ..engine.commands import Book, CreateEvent, TypeSpec
from ..engine.decide import decide
from ..engine.state import State
from .figures import Figure, median

NOW_MS = 1_800_000_000_000
HOLD_MS = 300_000
RUNS = 5


def hot_event(capacity: int) -> State:
    """A state with one event on sale."""
    state = State()
    created = CreateEvent("Hot", NOW_MS + 10**9, (TypeSpec("Standing", "49.90", capacity),))
    for fact in decide(state, NOW_MS, created).facts:
        apply(state, NOW_MS, fact)
    return state


def holds_a_second(count: int) -> tuple[float, list[f.Fact]]:
    """Decide and apply of one hold after the other; the time of a batch is its first command's."""
    state = hot_event(count)
    commands = [Book(f"user-{number}", 1, HOLD_MS) for number in range(count)]
    facts: list[f.Fact] = []
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for number, command in enumerate(commands):
        at_ms = NOW_MS + (number >> 6)
        decided = decide(state, at_ms, command)
        for fact in decided.facts:
            apply(state, at_ms, fact)
            facts.append(fact)
    rate = count / (time.perf_counter() - began)
    gc.unfreeze()
    return rate, facts


def applied_a_second(facts: list[f.Fact], payloads: bool) -> float:  # noqa: FBT001
    """Facts of the journal into a fresh state; with their decoding if `payloads`."""
    state = hot_event(len(facts))
    batches = [f.encode(facts[start : start + 64]) for start in range(0, len(facts), 64)]
    decoded = [] if payloads else [f.decode(batch) for batch in batches]
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for number in range(len(batches)):
        for fact in f.decode(batches[number]) if payloads else decoded[number]:
            apply(state, NOW_MS + number, fact)
    rate = len(facts) / (time.perf_counter() - began)
    gc.unfreeze()
    return rate


def bytes_a_booking(count: int) -> float:
    """Resident memory that `count` confirmed bookings of as many users take, all indexes included."""
    state = hot_event(count)
    gc.collect()
    before = resident_bytes()
    for number in range(count):
        at_ms = NOW_MS + (number >> 6)
        held = f.Held(number + 1, f"user-{number:08d}", 1, 1, 1, 4990, at_ms + HOLD_MS)
        started = f.PaymentStarted(number + 1, number + 1, 4990, None, at_ms + HOLD_MS)
        for fact in (held, started, f.PaymentSucceeded(number + 1, f"pi_test_{number + 1}")):
            apply(state, at_ms, fact)
        if number % 4096 == 0:  # as checkpoints do
            for table in state.tables.values():
                table.take_changes()
            state.notices.clear()
    for table in state.tables.values():
        table.take_changes()
    state.notices.clear()
    gc.collect()
    return (resident_bytes() - before) / count


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def run(*, full: bool) -> list[Figure]:
    count = 400_000 if full else 100_000
    holds, applied, decoded = [], [], []
    for _ in range(RUNS):
        rate, facts = holds_a_second(count)
        holds.append(rate)
        applied.append(applied_a_second(facts, payloads=False))
        decoded.append(applied_a_second(facts, payloads=True))
    return [
        median("engine", "holds: decide + apply", holds, "/s", "≥ 250000"),
        median("engine", "facts: apply", applied, "/s", "≥ 300000"),
        median("engine", "facts: decode + apply", decoded, "/s"),
    ]
