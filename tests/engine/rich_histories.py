"""Histories that leave some of everything behind, and their facts applied again."""

from collections.abc import Iterable
from random import Random

from onsale.engine import commands as c
from onsale.engine.apply import apply
from onsale.engine.limits import PAID_KEPT_MS
from onsale.engine.state import State
from onsale.tests.engine.histories import HOLD_MS, Batch, History, _random_step, booking_id_of, busy_history

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


def over_history() -> History:
    """An event that is long over: what was paid has left memory, and one booking came back for a refund of a part."""
    history = History()
    history.event(("Stalls", "20.00", 9), starts_ms=history.now_ms + HOUR_MS)
    for name in ("ann", "bob", "cid", "dan"):
        history.confirm(booking_id_of(history.book(name, quantity=2)))
    history.refund(4)  # and never comes back from the provider
    history.do(c.CheckIn(1, 1, 1, "Gate A"))
    history.pass_time(HOUR_MS + PAID_KEPT_MS - 1)
    assert len(history.state.bookings.rows) == 4
    history.pass_time(1)
    assert list(history.state.bookings.rows) == [4]
    past = history.state.bookings.archived[2]
    history.do(c.StartRefund(2, HOLD_MS, "5.00", past=past, past_read_ms=history.now_ms))
    return history
