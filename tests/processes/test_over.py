"""A node whose events are long over: their paid bookings leave memory, a refund finds its booking, kill -9 or not."""

import asyncio
import time
from pathlib import Path

from nodes import Client, Node, verify

from onsale.engine import facts as f
from onsale.engine.limits import PAID_KEPT_MS
from onsale.loadtest.filled import FilledFolder, confirmed, event

BOOKINGS = 3_000
OVER, RECENT = 1, 2


def fill(folder: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    begun_ms = now_ms - PAID_KEPT_MS - 3_600_000
    with FilledFolder(folder, synced=True) as there:
        there.add(begun_ms, [event(OVER, begun_ms + 1, BOOKINGS), event(RECENT, begun_ms + 7_200_000, BOOKINGS)])
        there.add(begun_ms, confirmed(range(1, BOOKINGS + 1), OVER, begun_ms))
        there.add(begun_ms, confirmed(range(BOOKINGS + 1, 2 * BOOKINGS + 1), RECENT, begun_ms))
        there.add(begun_ms + 7_200_000, [f.SaleClosed(OVER), f.SaleClosed(RECENT)])


async def in_memory(client: Client, count: int) -> None:
    """Wait until so many paid bookings are."""
    async with asyncio.timeout(20):
        wanted = f'onsale_bookings{{status="confirmed"}} {count}.0'
        while (said := await client.try_raw("GET", "/metrics", key="")) is None or wanted.encode() not in said.body:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_is_over_leaves_memory_and_its_money_goes_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data)
    node = Node(data).start()
    try:
        node.kill()
        node.start()
        async with Client(node.url) as client:
            await in_memory(client, BOOKINGS)
            assert (await client.try_call("GET", "/booking/7"))[1]["status"] == "confirmed"
            status, first = await client.try_call("POST", "/booking/7/refund", {"amount": "9.90"}, key="a part")
            assert (status, first["bookingStatus"]) == (200, "partially_refunded"), first
            node.kill()
            node.start()
        async with Client(node.url) as client:
            assert await client.try_call("POST", "/booking/7/refund", {"amount": "9.90"}, key="a part") == (200, first)
            status, rest = await client.try_call("POST", "/booking/7/refund", {}, key="the rest")
            assert (status, rest["amount"], rest["bookingStatus"]) == (200, "40.00", "refunded"), rest
            _, shown = await client.try_call("GET", f"/events/{OVER}")
            assert shown["ticketTypes"][0]["sold"] == BOOKINGS - 1
            status, refused = await client.try_call("POST", f"/events/{OVER}/cancel", {})
            assert (status, refused["code"]) == (409, "wrong_status"), refused
            assert (await client.try_call("POST", f"/events/{RECENT}/cancel", {}))[0] == 200
        assert node.stop() == 0
    finally:
        if node.runs:
            node.kill()
    assert verify(data).returncode == 0
