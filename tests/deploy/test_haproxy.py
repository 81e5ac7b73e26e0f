"""HAProxy as it is shipped, in front of real nodes and of some that misbehave."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import front_checks as checks
import pytest
import pytest_asyncio
from balancers import Certificate, HaProxy, needs_haproxy, needs_openssl
from cluster import Cluster
from front_checks import Browser
from nodes import Node
from stand_in import StandIn

LOOPBACK = ("127.0.0.0/8",)
SEEN_SECONDS_MAX = 5

pytestmark = [needs_haproxy, needs_openssl]


@pytest.fixture
async def nodes() -> AsyncIterator[list[StandIn]]:
    """The first one leads."""
    async with StandIn() as a, StandIn(leads=False) as b, StandIn(leads=False) as c:
        yield [a, b, c]


@pytest.fixture
async def haproxy(tmp_path: Path, certificate: Certificate, nodes: list[StandIn]) -> AsyncIterator[HaProxy]:
    async with HaProxy(tmp_path / "haproxy", certificate, [node.address for node in nodes]) as balancer:
        yield balancer


@pytest.fixture
async def settled(haproxy: HaProxy) -> HaProxy:
    """It has seen who leads; until then it takes everybody for able."""
    await until_states(haproxy, "a=UP b=NOLB c=NOLB")
    return haproxy


@pytest.fixture
async def ask(haproxy: HaProxy) -> AsyncIterator[Browser]:
    async with Browser(haproxy) as browser:
        yield browser


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    given_up_at = time.monotonic() + SEEN_SECONDS_MAX
    while not await condition():
        assert time.monotonic() < given_up_at
        await asyncio.sleep(0.02)


async def until_states(haproxy: HaProxy, states: str) -> None:
    """Of the servers that writes go to, as HAProxy calls them."""
    found = ""

    async def seen() -> bool:
        nonlocal found
        rows = [line.split(",") for line in (await haproxy.order("show stat")).splitlines()]
        found = " ".join(f"{row[1]}={row[17].split()[0]}" for row in rows if row[0] == "writes" and row[1] in "abc")
        return found == states

    try:
        await until(seen)
    except AssertionError:
        raise AssertionError(f"{found} and not {states}\n{haproxy.said()}") from None


def test_the_files_are_right(tmp_path: Path, certificate: Certificate) -> None:
    """As they are, but for addresses and paths."""
    checked = HaProxy(tmp_path / "haproxy", certificate, ["10.0.0.11:8080"] * 3).check()
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr, checked.stderr


# --- the cache


async def test_a_page_is_kept_for_a_second(ask: Browser, nodes: list[StandIn]) -> None:
    first = await ask("GET", "/events/1/queue")
    for _ in range(3):
        again = await ask("GET", "/events/1/queue")
        assert (again.body, again.headers["Onsale-Cache"]) == (first.body, "HIT")
        assert (again.headers["Vary"], again.headers["ETag"]) == (first.headers["Vary"], first.headers["ETag"])
    assert "Onsale-Cache" not in first.headers
    assert first.headers["Vary"] == "Onsale-Min-Seq"
    assert (await ask("GET", "/events/1/queue", If_None_Match=first.headers["ETag"])).status == 304
    began = time.monotonic()

    async def is_new() -> bool:
        return "Onsale-Cache" not in (await ask("GET", "/events/1/queue")).headers

    await until(is_new)
    assert time.monotonic() - began < 2.5
    assert sum(len(node.reached) for node in nodes) == 2


async def test_what_is_personal_is_never_kept(haproxy: HaProxy, ask: Browser, nodes: list[StandIn]) -> None:
    await only(haproxy, nodes)
    await checks.what_is_personal_is_never_kept(ask, nodes[0])


async def test_a_page_is_kept_by_what_matters(haproxy: HaProxy, ask: Browser, nodes: list[StandIn]) -> None:
    await only(haproxy, nodes)
    await checks.a_page_is_kept_by_what_matters(ask, nodes[0])


async def only(haproxy: HaProxy, nodes: list[StandIn]) -> None:
    """The first one answers reads, so that its calls are counted easily."""
    for name in "bc":
        await haproxy.order(f"set server reads/{name} state maint")


# --- routing


async def test_writes_go_to_the_node_that_leads(settled: HaProxy, ask: Browser, nodes: list[StandIn]) -> None:
    a, b, c = nodes
    for _ in range(6):
        await ask("POST", "/booking", {}, Idempotency_Key="k")
        await ask("POST", "/booking", {})
    assert (len(a.reached), len(b.reached), len(c.reached)) == (12, 0, 0)
    a.leads, c.leads = False, True
    await until_states(settled, "a=NOLB b=NOLB c=UP")
    for _ in range(6):
        await ask("POST", "/booking", {}, Idempotency_Key="k")
        await ask("POST", "/booking", {})
    assert (len(a.reached), len(b.reached), len(c.reached)) == (12, 0, 12)


async def test_without_a_primary_any_node_takes_writes(settled: HaProxy, ask: Browser, nodes: list[StandIn]) -> None:
    """For it waits for one."""
    nodes[0].leads = False
    await until_states(settled, "a=NOLB b=NOLB c=NOLB")
    for _ in range(6):
        assert (await ask("POST", "/booking", {})).status == 200
    assert sum(len(node.reached) for node in nodes) == 6


async def test_what_was_asked_of_a_node_is_answered_though_it_does_not_lead_any_more(
    settled: HaProxy, ask: Browser, nodes: list[StandIn]
) -> None:
    nodes[0].wait_seconds = 1.5
    asked = asyncio.create_task(ask("POST", "/booking", {}, Idempotency_Key="k"))
    await asyncio.sleep(0.1)
    nodes[0].leads, nodes[1].leads = False, True
    await until_states(settled, "a=NOLB b=UP c=NOLB")
    assert not asked.done()
    assert (await asked).json["port"] == nodes[0].port


async def test_replicas_join_and_leave_while_it_runs(haproxy: HaProxy, ask: Browser, nodes: list[StandIn]) -> None:
    """As a scaler has it: through the socket, into a place that the file keeps free."""
    async with StandIn(leads=False) as replica:
        place = "reads/replica1"
        for order in (
            f"set server {place} addr 127.0.0.1 port {replica.port}", f"enable health {place}",
            f"set server {place} state ready",
        ):  # fmt: skip
            await haproxy.order(order)
        await asyncio.wait_for(replica.probed.wait(), SEEN_SECONDS_MAX)

        async def is_asked() -> bool:
            return bool((await ask("GET", "/booking/1")).json["port"] == replica.port)

        await until(is_asked)
        await haproxy.order(f"set server {place} state drain")
        count = len(replica.reached)
        for _ in range(8):
            assert (await ask("GET", "/booking/1")).json["port"] != replica.port
        assert len(replica.reached) == count


async def test_operators_paths_are_closed(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.operators_paths_are_closed(ask, *nodes)


async def test_what_a_client_says_of_itself_goes_no_further(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.what_a_client_says_of_itself_goes_no_further(ask, *nodes)


async def test_paths_arrive_as_they_were_sent(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.paths_arrive_as_they_were_sent(ask, *nodes)


# --- what is sent again


async def test_a_write_that_may_have_been_taken_is_not_sent_again(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.a_write_that_may_have_been_taken_is_not_sent_again(ask, *nodes)


async def test_with_a_key_it_is_sent_again_with_that_key(ask: Browser, nodes: list[StandIn]) -> None:
    for node in nodes:
        node.cuts = True
    checks.is_problem(await ask("DELETE", "/booking/1", Idempotency_Key="mine"), 503, "not_durable")
    keys = [each.headers["Idempotency-Key"] for node in nodes for each in node.reached]
    assert len(keys) > 1
    assert set(keys) == {"mine"}


async def test_a_write_that_nobody_took_is_sent_to_another(
    settled: HaProxy, ask: Browser, nodes: list[StandIn]
) -> None:
    await checks.a_write_that_nobody_took_is_sent_to_another(ask, *nodes)


async def test_a_read_is_asked_elsewhere(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.a_read_is_asked_elsewhere(ask, *nodes)


# --- limits, TLS


async def test_too_many_are_told_when_to_come_back(haproxy: HaProxy) -> None:
    await checks.too_many_are_told_when_to_come_back(haproxy)


async def test_tls_is_as_it_should_be(haproxy: HaProxy, ask: Browser) -> None:
    await checks.tls_is_as_it_should_be(haproxy, ask)


# --- real nodes


async def test_a_forged_address_is_not_believed(tmp_path: Path, certificate: Certificate, strict_node: Node) -> None:
    address = strict_node.url.removeprefix("http://")
    async with HaProxy(tmp_path / "haproxy", certificate, [address] * 3) as balancer, Browser(balancer) as ask:
        await checks.a_forged_address_is_not_believed(ask, strict_node)


@pytest_asyncio.fixture(loop_scope="session")
async def front(tmp_path: Path, certificate: Certificate, voters: Cluster) -> AsyncIterator[HaProxy]:
    await voters.start()
    addresses = [f"127.0.0.1:{voters.nodes[name].port}" for name in "abc"]
    async with HaProxy(tmp_path / "haproxy", certificate, addresses, exempt=LOOPBACK) as balancer:
        yield balancer


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_comes_as_its_reader_takes_it(front: HaProxy) -> None:
    async with Browser(front) as ask:
        await checks.a_page_comes_as_its_reader_takes_it(ask)


@pytest.mark.asyncio(loop_scope="session")
async def test_events_are_passed_on_at_once(front: HaProxy, voters: Cluster) -> None:
    event = await voters.clients["a"].create_event()
    await voters.settle()
    async with Browser(front) as ask:
        await checks.events_are_passed_on_at_once(front, ask, event["id"])


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(60 + 10 * checks.ROUNDS)
@pytest.mark.parametrize("order", ["failover", "switchover"])
async def test_nothing_is_lost_or_doubled(front: HaProxy, voters: Cluster, order: str) -> None:
    await checks.nothing_is_lost_or_doubled(front, voters, order)
