import asyncio

import pytest

from onsale.node import positions as module
from onsale.node.positions import Positions


async def test_what_is_reached_is_not_waited_for() -> None:
    assert await Positions(7).wait_for(7, 0)


async def test_whoever_waits_is_woken_by_their_position_and_no_other() -> None:
    positions = Positions(0)
    first, second = (asyncio.create_task(positions.wait_for(seq, 30)) for seq in (2, 5))
    await asyncio.sleep(0)
    positions.reached(1)
    positions.reached(3)
    assert await first
    assert not second.done()
    positions.reached(9)
    assert await second
    assert not len(positions)


async def test_positions_that_never_come_leave_nothing_behind() -> None:
    positions = Positions(0)
    found = await asyncio.gather(*(positions.wait_for(10**18 + number, 0.01) for number in range(100)))
    assert not any(found)
    assert not len(positions)


async def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    positions = Positions(0)
    waiting = asyncio.create_task(positions.wait_for(5, 30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not len(positions)


async def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 1)
    positions = Positions(0)
    waiting = asyncio.create_task(positions.wait_for(5, 30))
    await asyncio.sleep(0)
    assert not await positions.wait_for(5, 30)
    positions.reached(5)
    assert await waiting
