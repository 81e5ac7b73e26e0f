"""Histories that leave some of everything behind, and their facts applied again."""

from collections.abc import Iterable
from random import Random

from onsale.engine.apply import apply
from onsale.engine.state import State
from onsale.tests.engine.histories import Batch, History, _random_step, busy_history

HOUR_MS = 3_600_000


def rich_history(seed: int, steps: int = 300) -> History:
    """A crowd that does everything, over days: bookings retire, keys are forgotten, sales end."""
    random = Random(seed)
    history = busy_history(seed, steps // 3)
    for step in range(steps // 3, steps):
        _random_step(history, random, step)
        if random.random() < 0.04:
            history.pass_time(random.choice((HOUR_MS + 1_000, 13 * HOUR_MS)))
    for step in range(steps, steps + 40):
        _random_step(history, random, step)
    return history


def play(state: State, batches: Iterable[Batch]) -> None:
    for _, at_ms, facts in batches:
        for fact in facts:
            apply(state, at_ms, fact)


def played(batches: Iterable[Batch]) -> State:
    state = State()
    play(state, batches)
    return state
