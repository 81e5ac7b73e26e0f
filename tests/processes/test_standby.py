"""Standbys and read replicas as processes: they come, go, lag, break and are made anew; strangers are kept out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cluster import Cluster, Ended, command
from nodes import Node, free_port, new_key

from onsale.engine import facts as f
from onsale.tests.engine.histories import START_MS, History

REFUSED = 4
UNHEALTHY = 5
CORRUPT = 6
COPIED_FACTS = 201_000  # a longer history is not sent fact by fact
FACTS_PER_BATCH = 1_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path_factory.mktemp("chain"), standbys=1, replicas=1, source="b") as cluster:
        yield cluster
        await cluster.start()
        await cluster.stop()
        await cluster.verified()


@pytest_asyncio.fixture(loop_scope="module")
async def chain(_chain: Cluster) -> Cluster:
    """Primary a, standby b behind it, read replica r1 behind that, all in step. K = 1."""
    await _chain.start()
    return _chain


async def write(cluster: Cluster, name: str) -> tuple[int, str, int]:
    """(status, code, seq) of a write through this node."""
    status, answer, _ = await cluster.clients[name].call("PUT", "/users/u", {"name": new_key()}, key=new_key())
    return status, answer.get("code", ""), answer["seq"]


async def status_command(cluster: Cluster, name: str) -> Ended:
    return await command("status", "--node", cluster.url(name), "--format", "json")


# --- any node takes any request


async def test_a_write_through_any_node_is_the_same_write(chain: Cluster) -> None:
    event = await chain.clients["r1"].create_event()
    body, key = {"userId": "ada", "eventId": event["id"], "quantity": 2}, new_key()
    answers = [await client.try_raw("POST", "/booking", body, key=key) for client in chain.clients.values()]
    assert answers[0] is not None
    assert answers[0].status == 201
    assert answers == [answers[0]] * 3
    for name in chain.nodes:
        assert (await write(chain, name))[0] == 200


async def test_a_replica_shows_what_was_written_as_soon_as_it_is_asked_for(chain: Cluster) -> None:
    client = chain.clients["r1"]
    for number in range(20):
        event = await chain.clients["a"].create_event(name=f"Nocturne {number}")
        headers = {"Onsale-Min-Seq": str(event["seq"])}
        status, found, answered = await client.call("GET", f"/events/{event['id']}", headers=headers)
        assert (status, found["name"]) == (200, f"Nocturne {number}")
        assert int(answered["Onsale-Seq"]) >= event["seq"]
    status, hits, _ = await client.call("GET", "/events?search=nocturne", headers=headers)
    assert (status, len(hits)) == (200, 20)
    status, problem, _ = await client.call("GET", "/events", headers={"Onsale-Min-Seq": str(event["seq"] + 10**6)})
    assert (status, problem["code"]) == (503, "replica_behind")


async def test_every_node_tells_of_all(chain: Cluster) -> None:
    roles = {"a": "primary", "b": "standby", "r1": "replica"}
    for name in chain.nodes:
        view = await chain.view(name)
        assert view is not None
        assert {each["name"]: each["role"] for each in view["members"]} == roles
        assert (view["primary"], view["primaryAddress"], view["health"]) == ("a", chain.url("a"), "ok")
        shown = await status_command(chain, name)
        assert (shown.code, shown.document["node"]) == (0, name), shown
        assert await chain.leads(name) == (name == "a")
    assert chain.nodes["b"].said("r1 follows from")
    assert not chain.nodes["a"].said("r1 follows from"), "the primary serves its standby alone"


async def test_a_replica_that_hears_nothing_says_how_old_it_is(chain: Cluster) -> None:
    client = chain.clients["r1"]
    assert (await client.call("GET", "/replica?max_lag=0.5"))[0] == 200
    chain.nodes["a"].pause()  # its source b has then nothing new to say
    chain.nodes["b"].pause()
    try:

        async def is_behind() -> bool:
            status, problem, _ = await client.call("GET", "/replica?max_lag=0.5")
            return status == 503 and problem["code"] == "replica_behind" and problem["lagMs"] > 500

        await chain.until(is_behind, "r1 is behind")
        assert (await client.call("GET", "/replica?max_lag=3600"))[0] == 200
        assert (await client.call("GET", "/events"))[0] == 200, "it serves what it has"
    finally:
        chain.nodes["b"].wake()
        chain.nodes["a"].wake()

    async def is_fresh() -> bool:
        return (await client.call("GET", "/replica?max_lag=0.5"))[0] == 200

    await chain.until(is_fresh, "r1 is fresh again")


# --- standbys go and come back


async def test_without_its_standby_nothing_is_answered_until_it_is_back(chain: Cluster) -> None:
    _, _, seq = await write(chain, "a")
    chain.nodes["b"].kill()

    async def refused() -> bool:
        return (await write(chain, "a"))[:2] == (503, "not_durable")

    await chain.until(refused, "writes are not durable")
    assert (await write(chain, "r1"))[:2] == (503, "not_durable")
    shown = await status_command(chain, "a")
    assert (shown.code, shown.document["health"], shown.document["syncStandbysMet"]) == (UNHEALTHY, "down", 0)
    assert shown.document["problems"]
    assert (await chain.clients["a"].call("GET", "/events"))[0] == 200, "reads go on"
    await chain.start_node("b")

    async def answered() -> bool:
        return (await write(chain, "a"))[0] == 200

    await chain.until(answered, "writes are answered again")
    assert (await write(chain, "a"))[2] > seq


async def test_fewer_standbys_are_enough_only_once_they_know_it(chain: Cluster) -> None:
    """Else an earlier standby could lead without what the primary answered alone."""
    chain.nodes["b"].kill()
    refused = await chain.sync_standbys("a", 0)
    assert refused.code == REFUSED, refused
    await chain.start_node("b")
    await chain.settle()
    assert (await chain.sync_standbys("a", 0)).code == 0
    await chain.settle()
    assert chain.nodes["b"].stop() == 0
    event = await chain.clients["a"].create_event(ticketTypes=[{"name": "S", "price": "1.00", "capacity": 10_000}])
    booked = await asyncio.gather(
        *(chain.clients["a"].call("POST", "/booking", {"userId": f"u{n}", "eventId": event["id"]}) for n in range(500))
    )
    assert {status for status, _, _ in booked} == {201}
    chain.nodes["a"].kill()
    await chain.start_node("b")
    refused = await chain.order("b", "failover")
    assert refused.code == REFUSED, refused
    assert not await chain.leads("b")
    await chain.start_node("a")
    await chain.settle()
    assert await chain.leads("a")
    for name in ("b", "r1"):  # they have caught up with what was written without them
        _, found, _ = await chain.clients[name].call("GET", f"/events/{event['id']}")
        assert found["ticketTypes"][0]["held"] == 500
    raised = await chain.sync_standbys("a", 1)
    assert raised.code == 0, raised
    assert (await write(chain, "b"))[0] == 200


async def test_a_damaged_standby_takes_itself_out_and_one_command_makes_it_anew(chain: Cluster) -> None:
    node = chain.add("c", "standby")
    await chain.start_node("c")
    for _ in range(3):  # what comes later proves that what came before was whole
        await write(chain, "a")
        await chain.settle()
    node.kill()
    path = max((node.data / "journal").glob("*.segment"))
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(AssertionError, match="did not start"):
        await chain.start_node("c")
    assert node.wait() == CORRUPT
    assert node.said("--rebuild"), node.lines
    assert (await write(chain, "a"))[0] == 200
    await chain.start_node("c", "--rebuild")
    await chain.settle()
    assert (node.data / "aside-1" / "journal" / path.name).read_bytes() == content, "what was there is kept"


async def test_a_name_is_one_nodes_alone(chain: Cluster, tmp_path: Path) -> None:
    for name, sentence in (("b", "Another node of the name b"), ("a", "name")):
        flags = ("--primary", chain.replication["a"])
        secret = chain.nodes["a"].environment
        impostor = Node(tmp_path / name, *flags, kind="standby", name=name, port=free_port(), environment=secret)
        with impostor:
            await chain.until_line(impostor, sentence)
            view = await chain.view("a")
            assert view is not None
            assert [each["address"] for each in view["members"] if each["name"] == name] == [chain.url(name)]
            assert (await write(chain, "a"))[0] == 200
    await chain.settle()


# --- a long history


def write_a_long_history(data: Path) -> None:
    history = History()
    history.event()
    known = history.state.seq
    for first in range(0, COPIED_FACTS, FACTS_PER_BATCH):
        numbers = range(first, first + FACTS_PER_BATCH)
        saved: list[f.Fact] = [f.UserSaved(f"u-{n % 1000}", f"User {n}", None, None) for n in numbers]
        history.batches.append((known + first + 1, START_MS + first + 1, saved))
    history.write(data)


async def test_a_newcomer_to_a_long_history_is_given_a_copy_and_can_lead(tmp_path: Path) -> None:
    write_a_long_history(tmp_path / "a")
    async with Cluster(tmp_path, standbys=0, sync_standbys=0) as cluster:
        await cluster.stop()  # leaves a checkpoint
        cluster.add("b", "standby")
        cluster.add("r1", "replica", source="b")
        await cluster.start()
        for name in ("b", "r1"):
            assert cluster.nodes[name].said("fetching a copy as of seq"), cluster.told()
            assert not list((tmp_path / name / "journal").glob("00000000000000000001*"))
        assert (await cluster.sync_standbys("a", 1)).code == 0
        _, _, seq = await write(cluster, "r1")
        cluster.nodes["a"].kill()
        ended = await cluster.order("r1", "failover")
        assert (ended.code, ended.document["primary"]) == (0, "b"), ended
        await cluster.start_node("a")
        await cluster.settle()
        assert (await write(cluster, "a"))[2] > seq
        await cluster.settle()
        await cluster.stop()
        await cluster.verified()


# --- strangers


async def converse(address: str, data: bytes) -> None:
    """Send it, and read until the other side closes the connection."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    try:
        while await asyncio.wait_for(reader.read(65_536), 10):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_strangers_are_refused_with_a_line_and_harm_nothing(chain: Cluster, tmp_path: Path) -> None:
    node = chain.nodes["a"]
    told = {
        "it speaks HTTP": b"GET / HTTP/1.1\r\nHost: onsale\r\n\r\n",
        "a frame of 50462976 bytes": bytes(range(256)) * 64,
        "a frame of 4294967295 bytes": (2**32 - 1).to_bytes(4, "big") + bytes(1_000_000),
    }
    for sentence, data in told.items():
        await converse(chain.replication["a"], data)
        await converse(chain.replication["a"], data)
        await chain.until_line(node, sentence)
    stranger = Node(
        tmp_path / "stranger",
        "--primary",
        chain.replication["a"],
        kind="standby",
        name="stranger",
        port=free_port(),
        environment={"ONSALE_CLUSTER_SECRET": "guessed"},
    )
    with stranger:
        await chain.until_line(stranger, "cluster secret")
        await chain.until_line(node, "another cluster secret")
    (tmp_path / "other").mkdir()
    async with Cluster(tmp_path / "other", standbys=0, sync_standbys=0) as other:
        await other.stop()
        lost = other.nodes["a"]
        lost.kind, lost.name = "replica", "lost"
        lost.flags = ("--source", chain.replication["a"])
        with lost:
            await chain.until_line(lost, "different clusters")
            await chain.until_line(node, "different clusters")
    for sentence in (*told, "another cluster secret", "different clusters"):
        assert sum(sentence in line for line in node.lines) == 1, "a line is enough"
    assert not any("Traceback" in line for line in node.lines)
    assert (await write(chain, "a"))[0] == 200
