"""A crowd on a button, against real nodes: it queues, holds and pays, survives a failover, and ends with its node."""

from pathlib import Path
from typing import Any

from cluster import Cluster
from nodes import Client, Node

PEOPLE, BOTS, TICKETS = 40, 4, 30
WISH = {"people": PEOPLE, "bots": BOTS, "tickets": TICKETS, "opensSeconds": 0, "arriveSeconds": 1, "pace": 0.05}
ENDS = ("paid", "gaveUp", "lapsed", "soldOut", "faulty")


async def told(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.call("GET", "/rehearsal"))[1]
    return found


async def test_it_goes_on_over_a_failover_and_everybody_comes_to_an_end(tmp_path: Path) -> None:
    async with Cluster(tmp_path, flags=("--sample", "--hold-seconds", "2")) as cluster:
        here = cluster.clients["b"]
        status, begun, _ = await here.call("POST", "/rehearsal", WISH)
        assert (status, begun["running"]) == (201, True)
        event_id = begun["told"]["eventId"]
        assert (await here.call("POST", "/rehearsal", WISH))[0] == 503, "one at a time"

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
        assert document["botsRefused"] > 0
        event = (await cluster.clients["c"].call("GET", f"/events/{event_id}"))[1]
        sold = sum(each["sold"] for each in event["ticketTypes"])
        assert 0 < sold <= TICKETS
        await cluster.start()
        await cluster.stop()
        await cluster.verified()


async def test_it_is_sent_home_and_ends_with_its_node(tmp_path: Path) -> None:
    async with Cluster(tmp_path, standbys=0, sync_standbys=None, flags=("--sample",)) as cluster:
        here, node = cluster.clients["a"], cluster.nodes["a"]
        await here.call("POST", "/rehearsal", WISH | {"opensSeconds": 300})
        crowd = _crowds(node)
        assert len(crowd) == 1
        assert (await here.call("DELETE", "/rehearsal"))[1]["running"] is False
        assert not crowd & _crowds(node)
        await here.call("POST", "/rehearsal", WISH | {"opensSeconds": 300})
        (crowd_id,) = _crowds(node)
        node.kill()

        async def gone() -> bool:
            return not _runs(crowd_id)

        await cluster.until(gone, "the crowd has gone home")


def _crowds(node: Node) -> set[int]:
    """Process ids of the crowds it has started."""
    assert node.process is not None
    found = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    return {int(each) for each in found if b"onsale.node.rehearsal" in Path(f"/proc/{each}/cmdline").read_bytes()}


def _runs(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()
