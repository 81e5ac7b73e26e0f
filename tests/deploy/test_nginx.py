"""nginx as it is shipped, in front of real nodes and of some that misbehave."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import front_checks as checks
import pytest
import pytest_asyncio
from balancers import Certificate, Nginx, needs_nginx, needs_openssl
from cluster import Cluster
from front_checks import Browser
from nodes import Node
from stand_in import StandIn

LOOPBACK = ("127.0.0.0/8",)
STALE_SECONDS_MAX = 3.1  # s-maxage=1 ends within 2 s, for nginx counts whole ones; then stale-while-revalidate=1
LONG_STALE = "public, s-maxage=1, stale-while-revalidate=30"

pytestmark = [needs_nginx, needs_openssl]


@pytest.fixture
async def nodes() -> AsyncIterator[list[StandIn]]:
    async with StandIn() as one, StandIn() as two:
        yield [one, two]


@pytest.fixture
async def nginx(tmp_path: Path, certificate: Certificate, nodes: list[StandIn]) -> AsyncIterator[Nginx]:
    """Writes and reads go to both."""
    async with Nginx(tmp_path / "nginx", certificate, [node.address for node in nodes]) as balancer:
        yield balancer


@pytest.fixture
async def ask(nginx: Nginx) -> AsyncIterator[Browser]:
    async with Browser(nginx) as browser:
        yield browser


@pytest.fixture
async def one(tmp_path: Path, certificate: Certificate) -> AsyncIterator[tuple[Browser, StandIn]]:
    """One node alone, so that its calls are counted easily."""
    async with (
        StandIn() as node,
        Nginx(tmp_path / "one", certificate, [node.address]) as balancer,
        Browser(balancer) as browser,
    ):
        yield browser, node


def test_the_files_are_right(tmp_path: Path, certificate: Certificate) -> None:
    """As they are, but for addresses and paths."""
    checked = Nginx(tmp_path / "nginx", certificate, ["10.0.0.11:8080"]).check()
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


# --- the cache


async def test_a_page_is_served_stale_while_it_is_fetched_anew(one: tuple[Browser, StandIn]) -> None:
    """For as long as the node allows; who comes later waits for the new one."""
    ask, node = one
    began = time.monotonic()
    assert (await ask("GET", "/events/2/queue")).json["call"] == 1
    node.cache_control = LONG_STALE
    assert (await ask("GET", "/events/1/queue")).headers["Onsale-Cache"] == "MISS"
    node.answers.clear()
    seen = ["MISS"]
    while seen[-1] != "UPDATING":
        got = await ask("GET", "/events/1/queue")
        assert got.json["call"] == 1, "nobody waits for the new one"
        if seen[-1] != got.headers["Onsale-Cache"]:
            seen.append(got.headers["Onsale-Cache"])
    assert seen[-2:] == ["STALE", "UPDATING"]
    node.answers.set()
    while (got := await ask("GET", "/events/1/queue")).json["call"] == 1:
        assert got.headers["Onsale-Cache"] == "UPDATING"
    assert (got.headers["Onsale-Cache"], got.headers["Cache-Control"]) == ("HIT", node.cache_control)
    assert len(node.reached) == 3
    await asyncio.sleep(began + STALE_SECONDS_MAX - time.monotonic())
    assert (await ask("GET", "/events/2/queue")).json["call"] == 2


async def test_all_who_come_first_share_one_call(one: tuple[Browser, StandIn]) -> None:
    ask, node = one
    node.wait_seconds = 0.1
    got = await asyncio.gather(*(ask("GET", "/events/1/availability") for _ in range(50)))
    assert {each.json["call"] for each in got} == {1}
    assert len(node.reached) == 1


async def test_who_has_the_page_is_told_so(one: tuple[Browser, StandIn]) -> None:
    ask, node = one
    etag = (await ask("GET", "/events/1/queue")).headers["ETag"]
    got = await ask("GET", "/events/1/queue", If_None_Match=etag)
    assert (got.status, got.body) == (304, b"")
    assert len(node.reached) == 1


async def test_what_is_personal_is_never_kept(one: tuple[Browser, StandIn]) -> None:
    await checks.what_is_personal_is_never_kept(*one)


async def test_a_page_is_kept_by_what_matters(one: tuple[Browser, StandIn]) -> None:
    await checks.a_page_is_kept_by_what_matters(*one)


# --- routing


async def test_operators_paths_are_closed(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.operators_paths_are_closed(ask, *nodes)


async def test_what_a_client_says_of_itself_goes_no_further(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.what_a_client_says_of_itself_goes_no_further(ask, *nodes)


async def test_paths_arrive_as_they_were_sent(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.paths_arrive_as_they_were_sent(ask, *nodes)


async def test_a_body_that_is_too_large_stops_here(ask: Browser, nodes: list[StandIn]) -> None:
    checks.is_problem(await ask("POST", "/booking", {"userId": "u" * 70_000}), 413, "too_large")
    assert not [each for node in nodes for each in node.reached]


async def test_a_list_of_read_nodes_that_is_written_anew_is_followed(
    nginx: Nginx, ask: Browser, nodes: list[StandIn]
) -> None:
    async with StandIn() as joining:
        nginx.name_nodes("read-nodes.conf", [joining.address])
        nginx.reload()
        given_up_at = time.monotonic() + 5
        while (await ask("GET", "/booking/1")).json["port"] != joining.port:
            assert time.monotonic() < given_up_at
        assert (await ask("POST", "/booking", {})).json["port"] in {node.port for node in nodes}


# --- what is sent again


async def test_a_write_that_may_have_been_taken_is_not_sent_again(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.a_write_that_may_have_been_taken_is_not_sent_again(ask, *nodes)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_with_a_key_it_is_sent_again_with_that_key(ask: Browser, nodes: list[StandIn], method: str) -> None:
    """Else nginx gives PUT and DELETE one, for it would send them again anyway."""
    for node in nodes:
        node.cuts = True
    key = {"Idempotency_Key": "mine"} if method == "POST" else {}
    checks.is_problem(await ask(method, "/booking/1", {}, **key), 503, "not_durable")
    keys = [each.headers["Idempotency-Key"] for node in nodes for each in node.reached]
    assert len(keys) == len(nodes)
    assert len(set(keys)) == 1
    assert (keys[0] == "mine") == (method == "POST")


async def test_a_write_that_nobody_took_is_sent_to_another(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.a_write_that_nobody_took_is_sent_to_another(ask, *nodes)


async def test_a_read_is_asked_elsewhere(ask: Browser, nodes: list[StandIn]) -> None:
    await checks.a_read_is_asked_elsewhere(ask, *nodes)


async def test_without_any_node_a_read_is_refused_in_our_words(ask: Browser, nodes: list[StandIn]) -> None:
    for node in nodes:
        node.cuts = True
    checks.is_problem(await ask("GET", "/booking/1"), 503, "overloaded")


# --- limits, TLS


async def test_too_many_are_told_when_to_come_back(nginx: Nginx) -> None:
    await checks.too_many_are_told_when_to_come_back(nginx)


async def test_tls_is_as_it_should_be(nginx: Nginx, ask: Browser) -> None:
    await checks.tls_is_as_it_should_be(nginx, ask)


# --- real nodes


async def test_a_forged_address_is_not_believed(tmp_path: Path, certificate: Certificate, strict_node: Node) -> None:
    address = strict_node.url.removeprefix("http://")
    async with Nginx(tmp_path / "nginx", certificate, [address]) as balancer, Browser(balancer) as ask:
        await checks.a_forged_address_is_not_believed(ask, strict_node)


@pytest_asyncio.fixture(loop_scope="session")
async def front(tmp_path: Path, certificate: Certificate, voters: Cluster) -> AsyncIterator[Nginx]:
    await voters.start()
    addresses = [f"127.0.0.1:{voters.nodes[name].port}" for name in "abc"]
    async with Nginx(tmp_path / "nginx", certificate, addresses, exempt=LOOPBACK) as balancer:
        yield balancer


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_comes_as_its_reader_takes_it(front: Nginx) -> None:
    async with Browser(front) as ask:
        await checks.a_page_comes_as_its_reader_takes_it(ask)


@pytest.mark.asyncio(loop_scope="session")
async def test_events_are_passed_on_at_once(front: Nginx, voters: Cluster) -> None:
    event = await voters.clients["a"].create_event()
    await voters.settle()
    async with Browser(front) as ask:
        await checks.events_are_passed_on_at_once(front, ask, event["id"])


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(60 + 10 * checks.ROUNDS)
@pytest.mark.parametrize("order", ["failover", "switchover"])
async def test_nothing_is_lost_or_doubled(front: Nginx, voters: Cluster, order: str) -> None:
    await checks.nothing_is_lost_or_doubled(front, voters, order)
