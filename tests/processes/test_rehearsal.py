"""A crowd on a button, against real nodes: it queues, holds and pays, survives a failover, and ends with its node."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from browsers import CHROMIUM, Watched, axe_faults, chromium, new_page
from cluster import Cluster
from nodes import Client, Node
from playwright.async_api import expect

PEOPLE, BOTS, TICKETS = 40, 6, 24
WISH = {"people": PEOPLE, "bots": BOTS, "tickets": TICKETS, "opensSeconds": 0, "arriveSeconds": 1, "pace": 0.025}
SAMPLE = ("--sample", "--limit-per-user", "1/30", "--challenge-number-max", "1000")
ENDS = ("paid", "gaveUp", "lapsed", "leftLine", "soldOut", "faulty")


async def told(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.call("GET", "/rehearsal"))[1]
    return found


async def test_it_goes_on_over_a_failover_and_everybody_comes_to_an_end(tmp_path: Path) -> None:
    async with Cluster(tmp_path, flags=(*SAMPLE, "--hold-seconds", "2")) as cluster:
        here = cluster.clients["b"]
        status, begun, _ = await here.call("POST", "/rehearsal", WISH)
        assert (status, begun["running"]) == (201, True)
        event_id = begun["told"]["eventId"]

        async def some_bought() -> bool:
            return bool((await told(here))["told"]["paid"])

        await cluster.until(some_bought, "somebody has tickets")
        cluster.nodes["a"].kill()
        assert (await cluster.order("c", "failover")).code == 0

        async def over() -> bool:
            return not (await told(here))["running"]

        await cluster.until(over, "everybody is through", 60)
        document = (await told(here))["told"]
        assert sum(document[end] for end in ENDS) == PEOPLE, document
        assert (document["faulty"], document["botsPassed"], document["fault"]) == (0, 0, ""), document
        refused_by = document["botsRefusedBy"]
        assert set(refused_by) == {"challenge_required", "queue_required", "rate_limited"}
        assert document["botsRefused"] == sum(refused_by.values())
        assert document["joined"] == PEOPLE
        assert not document["broken"]
        event = (await cluster.clients["c"].call("GET", f"/events/{event_id}"))[1]
        sold = sum(each["sold"] for each in event["ticketTypes"])
        assert 0 < sold <= TICKETS
        await cluster.start()
        await cluster.stop()
        await cluster.verified()


async def test_it_is_sent_home_and_ends_with_its_node(tmp_path: Path) -> None:
    async with Cluster(tmp_path, standbys=0, sync_standbys=None, flags=("--sample",)) as cluster:
        here, node = cluster.clients["a"], cluster.nodes["a"]
        wish = WISH | {"opensSeconds": 300}
        told = await asyncio.gather(*(here.call("POST", "/rehearsal", wish) for _ in range(3)))
        assert sorted(status for status, _, _ in told) == [201, 409, 409], "one at a time"
        crowd = _crowds(node)
        assert len(crowd) == 1
        assert _niceness(*crowd) > 10, "whatever else wants the processor has it first"
        assert (await here.call("DELETE", "/rehearsal"))[1]["running"] is False
        assert not crowd & _crowds(node)
        await here.call("POST", "/rehearsal", wish)
        (crowd_id,) = _crowds(node)
        os.kill(crowd_id, signal.SIGKILL)

        async def broken() -> bool:
            document = (await here.call("GET", "/rehearsal"))[1]
            return not document["running"] and "exit code" in document["told"]["fault"]

        await cluster.until(broken, "the node tells that its crowd is gone")
        await here.call("POST", "/rehearsal", wish)
        (crowd_id,) = _crowds(node)
        node.kill()

        async def gone() -> bool:
            return not _runs(crowd_id)

        await cluster.until(gone, "the crowd has gone home")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_the_button_in_the_console(tmp_path: Path) -> None:
    with Node(tmp_path / "data", "--demo", *SAMPLE) as node:
        async with chromium() as browser:
            page = await new_page(browser, viewport={"width": 360, "height": 800}, bypass_csp=True)
            operator = Watched(page, node.url)
            await page.goto(f"{node.url}/console#/live")
            await page.get_by_label("How many come").select_option("200")
            await page.get_by_role("button", name="Let them come").click()
            towards = page.get_by_role("link", name="Buy a ticket against them")
            address = await towards.get_attribute("href")
            assert re.fullmatch("/#/events/[1-9][0-9]*", address or "")
            async with page.context.expect_page() as opened:
                await towards.click()
            await expect((await opened.value).get_by_role("heading", name="Rehearsal")).to_be_visible()
            await expect(page.get_by_role("heading", name="What stopped 5 bots")).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            assert await axe_faults(page, "a rehearsal", "wcag2a", "wcag2aa") == []
            await page.get_by_role("button", name="Send them home").click()
            await expect(page.get_by_text("It is over.")).to_be_visible()
            assert operator.faults == []


def _crowds(node: Node) -> set[int]:
    """Process ids of the crowds it has started."""
    assert node.process is not None
    found = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    return {int(each) for each in found if b"onsale.node.rehearsal" in Path(f"/proc/{each}/cmdline").read_bytes()}


async def test_without_the_sample_mode_there_is_nothing(tmp_path: Path) -> None:
    with Node(tmp_path / "data") as node:
        async with Client(node.url) as client:
            for method in ("GET", "POST", "DELETE"):
                status, document, _ = await client.call(method, "/rehearsal")
                assert (status, document["code"]) == (404, "not_found")
            assert "/rehearsal" not in (await client.call("GET", "/openapi.json"))[1]["paths"]


def _niceness(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[16])


def _runs(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()
