"""Receipts of real nodes: kept through kill -9 and damage, the same on every node, and going on after a failover."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, command
from nodes import Client, Node, new_key, onsale

from onsale.engine import facts as f
from onsale.tests.engine.histories import START_MS, History

TREE = "receipts.tree"
COPIED_FACTS = 201_000  # a longer history is not sent fact by fact
FACTS_PER_BATCH = 1_000
SOON_SECONDS = 15.0  # for a machine that is busy with other tests


async def get(client: Client, path: str) -> Any:
    """The answer, asked for again while the tree is being made."""
    given_up_at = time.monotonic() + SOON_SECONDS
    while True:
        status, answer, _ = await client.call("GET", path)
        if status == 200:
            return answer
        assert (status, answer["code"]) == (503, "replica_behind"), answer
        assert time.monotonic() < given_up_at, answer


async def book(client: Client, event_id: int, count: int) -> list[dict[str, Any]]:
    async def one(number: int) -> dict[str, Any]:
        body = {"userId": f"u-{number}", "eventId": event_id}
        status, answer, _ = await client.call("POST", "/booking", body, key=new_key())
        assert status == 201, answer
        return answer  # type: ignore[no-any-return]

    first = time.monotonic_ns()
    return await asyncio.gather(*(one(first + number) for number in range(count)))


def proven(folder: Path, *documents: Any) -> bool:
    """What the script that the node serves says."""
    names = []
    for number, document in enumerate(documents):
        path = folder / f"document-{number}.json"
        path.write_text(json.dumps(document))
        names.append(str(path))
    script = [sys.executable, "-I", "-S", str(folder / "receipt_check.py"), *names]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done
    return done.returncode == 0


async def fetch_script(client: Client, folder: Path) -> None:
    async with client._session.get(f"{client._url}/receipt_check.py") as response:
        assert response.content_type == "text/x-python"
        (folder / "receipt_check.py").write_bytes(await response.read())


def keeper_of(node_process_id: int) -> int:
    """The process that keeps its tree."""
    children = Path(f"/proc/{node_process_id}/task/{node_process_id}/children").read_text().split()
    (found,) = [each for each in children if b"receipts.process" in Path(f"/proc/{each}/cmdline").read_bytes()]
    return int(found)


def flip(tree: Path) -> None:
    data = bytearray(tree.read_bytes())
    data[len(data) // 2] ^= 0x10
    tree.write_bytes(data)


@pytest.mark.parametrize("harm", [Path.unlink, flip])
async def test_killed_and_its_tree_harmed_it_proves_the_same(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    node = Node(tmp_path / "data").start()
    async with Client(node.url) as client:
        event = await client.create_event(ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 1_000}])
        await fetch_script(client, tmp_path)
        booked = await book(client, event["id"], 50)
        head = await get(client, "/journal/head")
        receipt = await get(client, f"/booking/{booked[0]['bookingId']}/receipt?tree_size={head['treeSize']}")
        more = asyncio.create_task(book(client, event["id"], 20))
        assert proven(tmp_path, receipt, head)
        await more
    node.kill()
    harm(node.data / TREE)
    node.start()
    async with Client(node.url) as client:
        await book(client, event["id"], 3)
        later = await get(client, f"/journal/head?since={head['treeSize']}")
        assert later["treeSize"] > head["treeSize"]
        assert proven(tmp_path, head, later)
        assert proven(tmp_path, receipt, later)
        for booking in booked[::7]:
            now = await get(client, f"/booking/{booking['bookingId']}/receipt?tree_size={later['treeSize']}")
            assert now["seq"] == booking["seq"]
            assert now["fact"]["userId"] == booking["userId"]
            assert proven(tmp_path, now, later)
        same = await get(client, f"/journal/head?seq={head['seq']}")
        assert same == head
    node.end()
    (tmp_path / "head.json").write_text(json.dumps(head))
    checked = onsale("verify", "--data", str(node.data), "--head", str(tmp_path / "head.json"), "--format", "json")
    assert checked.returncode == 0, checked
    assert json.loads(checked.stdout)["headAgrees"] is True
    (tmp_path / "head.json").write_text(json.dumps(head | {"root": later["root"]}))
    checked = onsale("verify", "--data", str(node.data), "--head", str(tmp_path / "head.json"))
    assert checked.returncode == 6
    assert "what was published is not this history" in checked.stdout + checked.stderr


async def test_the_process_that_keeps_it_is_replaced(tmp_path: Path) -> None:
    with Node(tmp_path / "data") as node:
        async with Client(node.url) as client:
            event = await client.create_event()
            (booking,) = await book(client, event["id"], 1)
            head = await get(client, "/journal/head")
            assert node.process is not None
            os.kill(keeper_of(node.process.pid), signal.SIGKILL)
            await book(client, event["id"], 1)
            assert (await get(client, f"/journal/head?since={head['treeSize']}"))["treeSize"] > head["treeSize"]
            await get(client, f"/booking/{booking['bookingId']}/receipt")


async def test_every_node_gives_the_same_and_a_failover_goes_on(tmp_path: Path) -> None:
    async with Cluster(tmp_path, standbys=2, replicas=1) as cluster:
        client = cluster.clients["a"]
        event = await client.create_event()
        await fetch_script(client, tmp_path)
        booked = await book(client, event["id"], 10)
        await cluster.settle()
        head = await get(client, "/journal/head")
        path = f"/booking/{booked[3]['bookingId']}/receipt?tree_size={head['treeSize']}"
        receipt = await get(client, path)
        for other in ("b", "c", "r1"):
            assert await get(cluster.clients[other], f"/journal/head?seq={head['seq']}") == head
            assert await get(cluster.clients[other], path) == receipt
        cluster.nodes["a"].kill()
        ended = await cluster.order("b", "failover")
        assert ended.code == 0, ended
        later = await get(cluster.clients[ended.document["primary"]], f"/journal/head?since={head['treeSize']}")
        assert later["epoch"] > head["epoch"]
        assert proven(tmp_path, head, later)
        assert proven(tmp_path, receipt, later)
        await cluster.start_node("a")
        await cluster.settle()
        assert await get(client, f"/journal/head?seq={later['seq']}") == later | {"consistency": None}


async def test_what_a_lost_primary_alone_had_leaves_its_tree(tmp_path: Path) -> None:
    """With K = 0 a primary publishes what it alone has. When that is given up the cluster can't continue its head, and
    its own tree is cut with its journal.
    """
    async with Cluster(tmp_path, standbys=1, sync_standbys=0) as cluster:
        client = cluster.clients["a"]
        event = await client.create_event()
        await fetch_script(client, tmp_path)
        await book(client, event["id"], 5)
        await cluster.settle()
        agreed = await get(client, "/journal/head")
        cluster.nodes["b"].kill()
        await book(client, event["id"], 5)
        lost = await get(client, f"/journal/head?since={agreed['treeSize']}")
        assert proven(tmp_path, agreed, lost)
        cluster.nodes["a"].kill()
        await cluster.start_node("b")
        ended = await cluster.order("b", "failover", "--accept-data-loss")
        assert ended.code == 0, ended
        other = cluster.clients["b"]
        await book(other, event["id"], 9)
        assert proven(tmp_path, agreed, await get(other, f"/journal/head?since={agreed['treeSize']}"))
        assert not proven(tmp_path, lost, await get(other, f"/journal/head?since={lost['treeSize']}"))
        await cluster.start_node("a")
        await cluster.settle()
        assert await get(client, "/journal/head") == await get(other, "/journal/head")


def write_a_long_history(data: Path) -> None:
    history = History()
    history.event()
    known = history.state.seq
    for first in range(0, COPIED_FACTS, FACTS_PER_BATCH):
        numbers = range(first, first + FACTS_PER_BATCH)
        saved: list[f.Fact] = [f.UserSaved(f"u-{n % 1000}", f"User {n}", None, None) for n in numbers]
        history.batches.append((known + first + 1, START_MS + first + 1, saved))
    history.write(data)


async def test_a_node_that_began_with_a_copy_has_the_same_roots(tmp_path: Path) -> None:
    write_a_long_history(tmp_path / "a")
    async with Cluster(tmp_path, standbys=0, sync_standbys=0) as cluster:
        client = cluster.clients["a"]
        event = await client.create_event()
        (early,) = await book(client, event["id"], 1)
        await fetch_script(client, tmp_path)
        await cluster.stop()  # leaves a checkpoint
        newcomer = cluster.clients[cluster.add("b", "standby").name]
        await cluster.start()
        assert cluster.nodes["b"].said("fetching a copy as of seq"), cluster.told()
        (later,) = await book(client, event["id"], 1)
        await cluster.settle()
        head = await get(client, "/journal/head")
        assert await get(newcomer, f"/journal/head?seq={head['seq']}") == head
        for booking in (early, later):  # the early one is the primary's answer
            path = f"/booking/{booking['bookingId']}/receipt?tree_size={head['treeSize']}"
            receipt = await get(newcomer, path)
            assert receipt == await get(client, path)
            assert proven(tmp_path, receipt, head)
        assert (await command("switchover", "--node", cluster.url("a"), "--yes")).code == 0
        await cluster.settle()
        (last,) = await book(newcomer, event["id"], 1)
        newer = await get(newcomer, f"/journal/head?since={head['treeSize']}")
        assert proven(tmp_path, head, newer)
        last_receipt = await get(newcomer, f"/booking/{last['bookingId']}/receipt?tree_size={newer['treeSize']}")
        assert proven(tmp_path, last_receipt, newer)
        status, answer, _ = await newcomer.call("GET", f"/booking/{early['bookingId']}/receipt")
        assert (status, answer["code"]) == (404, "not_found")
        assert "Ask another node" in answer["detail"]
        assert (await get(client, f"/booking/{early['bookingId']}/receipt"))["seq"] == early["seq"]
