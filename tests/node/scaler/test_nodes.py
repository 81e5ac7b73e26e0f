"""Readings from nodes: what several of them tell makes one number, and who does not answer is missed, not idle."""

import json
import math
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from onsale.node.scaler.asking import NotAnswered, make_session
from onsale.node.scaler.members import Members
from onsale.node.scaler.nodes import NodesReader
from onsale.node.scaler.rules import NodeMetric, Nodes
from onsale.tests.node.scaler.answering import Answering

RATE = NodeMetric("onsale_http_requests_total", "rate", 60.0, (("method", "GET"),))
PER_NODE = NodeMetric("onsale_http_requests_total", "rate_per_node", 60.0)
WAITING = NodeMetric("onsale_waiting", "max", 60.0)
P50 = NodeMetric("onsale_http_request_seconds", "p50", 60.0)


def told(requests: int = 0, *, role: str = "standby", waiting: str = "0", more: str = "") -> str:
    return (
        f'# TYPE onsale_role gauge\nonsale_role{{role="{role}"}} 1\nonsale_role{{role="candidate"}} 0\n'
        f'# TYPE onsale_http_requests_total counter\nonsale_http_requests_total{{method="GET"}} {requests}\n'
        f'onsale_http_requests_total{{method="POST"}} {requests * 10}\n'
        f"# TYPE onsale_waiting gauge\nonsale_waiting {waiting}\n{more}"
    )


def histogram(fast: int, slow: int) -> str:
    return (
        "# TYPE onsale_http_request_seconds histogram\n"
        f'onsale_http_request_seconds_bucket{{le="0.1"}} {fast}\nonsale_http_request_seconds_bucket{{le="0.3"}} '
        f'{fast + slow}\nonsale_http_request_seconds_bucket{{le="+Inf"}} {fast + slow}\n'
        f"onsale_http_request_seconds_sum {fast * 0.05 + slow * 0.2}\nonsale_http_request_seconds_count {fast + slow}\n"
    )


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with make_session() as made:
        yield made


@pytest.fixture
async def nodes() -> AsyncIterator[list[Answering]]:
    async with Answering(metrics=told(100)) as a, Answering(metrics=told(100)) as b:
        yield [a, b]


@pytest.fixture
def make_reader(session: aiohttp.ClientSession, clock: Clock, nodes: list[Answering]) -> Callable[..., NodesReader]:
    def make(
        *metrics: NodeMetric, discover: bool = False, seconds: float = 5.0, addresses: tuple[str, ...] = ()
    ) -> NodesReader:
        asked = Nodes(addresses or tuple(each.url for each in nodes), discover, seconds)
        return NodesReader(session, asked, metrics, clock, clock)

    return make


async def test_a_rate_takes_two_looks_and_counts_all_nodes(
    make_reader: Callable[..., NodesReader], nodes: list[Answering], clock: Clock
) -> None:
    reader = make_reader(RATE, PER_NODE)
    assert reader.read(RATE).trouble == "no node was asked yet"
    await reader.look()
    assert reader.read(RATE).trouble == "it takes a second look, which follows"
    clock.now += 10
    nodes[0].answers["/metrics"], nodes[1].answers["/metrics"] = told(150), told(30)  # it was started anew
    await reader.look()
    reading = reader.read(RATE)
    assert reading.value == pytest.approx((50 + 30) / 10)
    assert (reading.at, reading.partial, reading.trouble) == (110.0, "", "")
    assert reader.read(PER_NODE).value == pytest.approx((50 + 500 + 30 + 300) / 10 / 2)


async def test_what_lies_before_the_window_does_not_count(
    make_reader: Callable[..., NodesReader], nodes: list[Answering], clock: Clock
) -> None:
    reader = make_reader(RATE)
    for requests in (0, 6000, 6060, 6120):  # a rush, long ago
        for node in nodes:
            node.answers["/metrics"] = told(requests)
        await reader.look()
        clock.now += 30
    assert reader.read(RATE).value == pytest.approx(2 * 120 / 60)


async def test_gauges_and_quantiles(
    make_reader: Callable[..., NodesReader], nodes: list[Answering], clock: Clock
) -> None:
    mean = NodeMetric("onsale_waiting", "mean", 60.0)
    seconds = NodeMetric("onsale_http_request_seconds", "mean", 60.0)
    reader = make_reader(WAITING, mean, P50, seconds)
    for fast, slow in ((10, 0), (20, 30)):
        nodes[0].answers["/metrics"] = told(waiting="4", more=histogram(fast, slow))
        nodes[1].answers["/metrics"] = told(waiting="8", more=histogram(0, 0))
        await reader.look()
        clock.now += 10
    assert reader.read(WAITING).value == 8
    assert reader.read(mean).value == 6
    assert reader.read(P50).value == pytest.approx(0.1 + 0.2 * 10 / 30)  # of 10 fast and 30 slow ones
    assert reader.read(seconds).value == pytest.approx((10 * 0.05 + 30 * 0.2) / 40)
    await reader.look()
    clock.now += 59
    await reader.look()  # nothing since
    assert math.isnan(reader.read(P50).value or 0)
    assert math.isnan(reader.read(seconds).value or 0)


async def test_who_does_not_answer_is_missed(
    make_reader: Callable[..., NodesReader], nodes: list[Answering], clock: Clock
) -> None:
    reader = make_reader(RATE, WAITING, seconds=0.1)
    await reader.look()
    clock.now += 10
    for answer, words in (
        ((500, "broken"), "answers 500"),
        (None, "did not answer within 0.1 s"),
        (b"\xff", "are no metrics"),
        ('onsale_role{role="a', "are no metrics"),
        ("onsale_waiting many\n", "are no metrics"),
        ('onsale_http_requests_total_bucket{le="?"} 1\n', "are no metrics"),
    ):
        nodes[1].answers["/metrics"] = answer
        nodes[0].answers["/metrics"] = told(150)
        await reader.look()
        reading = reader.read(RATE)
        assert reading.value == pytest.approx(5.0)
        assert reading.partial == f"1 of 2 nodes did not answer ({nodes[1].url})"
        nodes[0].answers["/metrics"] = answer
        await reader.look()
        reading = reader.read(WAITING)
        assert reading.value is None
        assert reading.trouble.startswith("no node answers: ")
        assert words in reading.trouble
        assert nodes[1].url in reading.trouble


async def test_a_metric_that_nobody_has_and_roles_that_nobody_has(
    make_reader: Callable[..., NodesReader], nodes: list[Answering]
) -> None:
    unknown = NodeMetric("onsale_other", "max", 60.0)
    replicas = NodeMetric("onsale_waiting", "max", 60.0, (), ("replica", "primary"))
    reader = make_reader(unknown, replicas)
    nodes[0].answers["/metrics"] = told(waiting="NaN")
    await reader.look()
    assert reader.read(unknown).trouble == "no node has a metric onsale_other; see GET /metrics"
    assert reader.read(replicas).trouble == "no node answers: there is no replica or primary"
    nodes[1].answers["/metrics"] = told(role="replica", waiting="3")
    await reader.look()
    assert reader.read(replicas).value == 3
    nodes[1].answers["/metrics"] = "onsale_role 1\nonsale_waiting 3\n"  # of which role, it does not say
    await reader.look()
    assert reader.read(replicas).value is None


# --- which nodes there are


def cluster(*members: tuple[str, str, str, str]) -> str:
    names = ("name", "role", "state", "address")
    return json.dumps({"members": [dict(zip(names, each, strict=True)) for each in members]})


async def test_nodes_are_found_by_asking_one_of_them(
    make_reader: Callable[..., NodesReader], nodes: list[Answering], clock: Clock
) -> None:
    a, b = nodes
    a.answers["/cluster"] = cluster(
        ("a", "primary", "serving", a.url),
        ("b", "standby", "following", f"{b.url}/"),
        ("gone", "replica", "unreachable", "http://127.0.0.1:1"),
        ("silent", "standby", "following", ""),
    )
    reader = make_reader(WAITING, discover=True, addresses=("http://127.0.0.1:1", a.url))
    await reader.look()
    reading = reader.read(WAITING)
    assert (reading.value, reading.partial) == (0.0, ""), "a replica that has gone is no loss"
    assert [request.path for request in b.asked] == ["/metrics"]
    a.answers["/cluster"] = cluster(
        ("a", "primary", "serving", a.url), ("b", "standby", "unreachable", "http://[::1]:1")
    )
    await reader.look()
    assert reader.read(WAITING).partial == "1 of 2 nodes did not answer (http://[::1]:1)"
    a.answers["/cluster"] = (503, "")
    await reader.look()
    assert "1 of 2 nodes" in reader.read(WAITING).partial, "those who were there last are asked"


async def test_nobody_knows_the_members(session: aiohttp.ClientSession, nodes: list[Answering]) -> None:
    members = Members(session, Nodes(tuple(each.url for each in nodes), discover=True, timeout_seconds=5.0))
    for answer in ("nothing", b'{"members": [{"name": "\xff"}]}', "[" * 100_000, '{"members": [{"name": 1}]}'):
        nodes[0].answers["/cluster"], nodes[1].answers["/cluster"] = answer, (404, "")
        with pytest.raises(NotAnswered) as raised:
            await members.find()
        assert str(raised.value) == f"what answers at {nodes[0].url} is no node; {nodes[1].url} answers 404"
