"""What holds the event loop up is noticed, while it is looked for and no longer."""

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest

from onsale.node.pauses import LOOKED_AT_SECONDS, Pauses


class Meter:
    def __init__(self) -> None:
        self.delays: list[float] = []
        self.collections: list[tuple[int, float]] = []
        self.looked = asyncio.Event()

    def loop_delayed(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.looked.set()

    def collected(self, generation: int, seconds: float) -> None:
        self.collections.append((generation, seconds))

    async def next(self) -> float:
        self.looked.clear()
        await asyncio.wait_for(self.looked.wait(), 5)
        return self.delays[-1]


@pytest.fixture
async def meter() -> Meter:
    return Meter()


@pytest.fixture
def pauses(meter: Meter) -> Iterator[Pauses]:
    pauses = Pauses(meter)
    yield pauses
    pauses.close()


async def test_a_loop_that_is_held_up_is_late_by_so_much(meter: Meter, pauses: Pauses) -> None:
    pauses.start()
    await meter.next()
    time.sleep(0.2)  # noqa: ASYNC251 - that is what holds it up
    late = await meter.next()
    assert 0.2 - LOOKED_AT_SECONDS <= late < 2.0


async def test_it_looks_on_and_on_until_it_is_closed(meter: Meter, pauses: Pauses) -> None:
    pauses.start()
    for _ in range(3):
        assert await meter.next() >= 0
    pauses.close()
    count = len(meter.delays)
    await asyncio.sleep(3 * LOOKED_AT_SECONDS)
    assert len(meter.delays) == count


async def test_a_timer_that_comes_early_is_not_late(meter: Meter) -> None:
    """Clocks of the loop and ours round differently."""
    at = [0.0]
    pauses = Pauses(meter, seconds=lambda: at[0])  # a clock that stands still
    pauses.start()
    assert await meter.next() == 0.0
    pauses.close()


async def test_collections_are_told_by_generation(meter: Meter, pauses: Pauses) -> None:
    gc.collect()
    assert meter.collections == []
    pauses.start()
    for generation in (0, 2):
        gc.collect(generation)
    told = [each for each in meter.collections if each[0] in (0, 2)]
    assert {generation for generation, _ in told} == {0, 2}
    assert all(0 < seconds < 5 for _, seconds in told)
    pauses.close()
    count = len(meter.collections)
    gc.collect()
    assert len(meter.collections) == count


async def test_closing_what_never_began_or_twice_does_no_harm(meter: Meter) -> None:
    before = list(gc.callbacks)
    pauses = Pauses(meter)
    pauses.close()
    pauses.start()
    pauses.close()
    pauses.close()
    assert gc.callbacks == before
