"""Writes that go to the primary, over real connections."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from onsale.engine.codes import Code
from onsale.http.call import Answer, Call
from onsale.http.problems import RefusedError, problem
from onsale.node.forwarding import Forwarder

Handler = Callable[[web.Request], Any]


class Primary:
    """A little server that keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.connections: set[Any] = set()
        self.arrived = asyncio.Event()
        self.handler: Handler = _created
        self.address = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.requests.append(request)
        self.connections.add(request.transport)
        self.arrived.set()
        answer: web.StreamResponse = await self.handler(request)
        return answer

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Primary"]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


async def _created(request: web.Request) -> web.Response:
    headers = {"Onsale-Seq": "57", "Location": "/booking/1", "Idempotency-Replayed": "true"}
    return web.Response(
        status=201, body=b'{"bookingId": 1,  "seq":57}', headers=headers, content_type="application/json"
    )


async def _wait(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    raise AssertionError


async def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(60)
    raise AssertionError


def _refusing(code: Code) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        answer = problem(code, "Not now.")
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type=answer.content_type
        )

    return handler


@pytest.fixture
async def primary() -> AsyncIterator[Primary]:
    async with Primary().serving() as server:
        yield server


class Node:
    """A node that does not lead."""

    def __init__(self, address: str = "", **limits: Any) -> None:
        self.primary = address
        self.leads = False
        self.forwarder = Forwarder(lambda: self.primary, name="B", **({"primary_wait_seconds": 0.2} | limits))

    async def __call__(self, call: Call) -> Answer | None:
        return await self.forwarder.forward(call, lambda: self.leads)

    async def refused(self, call: Call) -> Any:
        with pytest.raises(RefusedError) as refusal:
            await self(call)
        answer = refusal.value.answer
        assert dict(answer.headers)["Retry-After"] == "1"
        return json.loads(answer.body)["code"]


@pytest.fixture
async def nodes() -> AsyncIterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(address: str = "", **limits: Any) -> Node:
        made.append(Node(address, **limits))
        return made[-1]

    yield make
    for node in made:
        await node.forwarder.close()


Nodes = Callable[..., Node]


def booking(method: str = "POST", path: str = "/booking", query: str = "", body: bytes = b"{}", **headers: str) -> Call:
    given = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Call(method, path, query, CIMultiDictProxy(given), body)


KEYED = booking(Idempotency_Key="k-1")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.001)


# --- passing on


async def test_the_answer_is_passed_on_byte_for_byte(primary: Primary, nodes: Nodes) -> None:
    assert await nodes(primary.address)(booking()) == Answer(
        201,
        b'{"bookingId": 1,  "seq":57}',
        (("Onsale-Seq", "57"), ("Location", "/booking/1"), ("Idempotency-Replayed", "true")),
        "application/json",
    )


async def test_a_problem_is_passed_on_with_what_helps(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _refusing(Code.NOT_DURABLE)
    answer = await nodes(primary.address)(KEYED)
    assert answer is not None
    assert answer == problem(Code.NOT_DURABLE, "Not now.")
    assert (answer.content_type, dict(answer.headers)["Retry-After"]) == ("application/problem+json", "1")
    assert len(primary.requests) == 1


async def test_an_answer_without_a_body(primary: Primary, nodes: Nodes) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": "POST"})

    primary.handler = nothing
    answer = await nodes(primary.address)(booking())
    assert answer is not None
    assert (answer.status, answer.body, answer.headers) == (204, b"", (("Allow", "POST"),))


async def test_the_call_arrives_as_it_was_sent(primary: Primary, nodes: Nodes) -> None:
    call = booking(
        "DELETE", "/booking/a%2Fb%20c", "x=%41+b&y", b"\xff{", Authorization="Bearer t", Content_Type="text/x",
        Host="shop.example", Accept_Encoding="gzip", Connection="keep-alive, X-Own", X_Own="1", Keep_Alive="5",
        Transfer_Encoding="chunked", Content_Length="99", Expect="100-continue", Onsale_Forwarded_By="C",
    )  # fmt: skip
    await nodes(primary.address)(call)
    (request,) = primary.requests
    assert (request.method, request.raw_path, primary.bodies) == ("DELETE", "/booking/a%2Fb%20c?x=%41+b&y", [b"\xff{"])
    assert dict(request.headers) == {
        "Authorization": "Bearer t", "Content-Type": "text/x", "Host": "shop.example", "Accept-Encoding": "gzip",
        "Onsale-Forwarded-By": "B", "Content-Length": "2",
    }  # fmt: skip


async def test_connections_are_kept_open(primary: Primary, nodes: Nodes) -> None:
    node = nodes(primary.address)
    for _ in range(5):
        await node(booking())
    assert len(primary.connections) == 1


async def test_a_redirect_is_an_answer_and_no_way_out(primary: Primary, nodes: Nodes) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://192.0.2.1/"})

    primary.handler = elsewhere
    answer = await nodes(primary.address)(booking())
    assert answer is not None
    assert answer.status == 307


async def test_what_cannot_be_a_header_is_refused(primary: Primary, nodes: Nodes) -> None:
    with pytest.raises(RefusedError) as refusal:
        await nodes(primary.address)(booking(X_Name="a\r\nb"))
    assert refusal.value.answer.status == 400


# --- looking for the primary


async def test_without_a_primary_it_is_said_after_a_while(nodes: Nodes) -> None:
    assert await nodes().refused(booking()) == "no_primary"


async def test_a_primary_that_refuses_connections_is_waited_for(nodes: Nodes) -> None:
    async with Primary().serving() as gone:
        pass
    node = nodes(gone.address)
    assert await node.refused(booking()) == "no_primary"
    node = nodes(gone.address, primary_wait_seconds=30)
    waiting = asyncio.create_task(node(booking()))
    async with Primary().serving() as new:
        await asyncio.sleep(0)
        node.primary = new.address
        node.forwarder.primary_changed()
        answer = await waiting
    assert answer is not None
    assert (answer.status, len(new.requests)) == (201, 1)


async def test_a_new_primary_is_found_though_nobody_tells(primary: Primary, nodes: Nodes) -> None:
    node = nodes(primary_wait_seconds=30)
    waiting = asyncio.create_task(node(booking()))
    await until(lambda: node.forwarder.under_way)
    node.primary = primary.address
    answer = await waiting
    assert answer is not None
    assert answer.status == 201


async def test_a_node_that_comes_to_lead_decides_itself(nodes: Nodes) -> None:
    node = nodes(primary_wait_seconds=30)
    waiting = asyncio.create_task(node(booking()))
    await until(lambda: node.forwarder.under_way)
    node.leads = True
    node.forwarder.primary_changed()
    assert await waiting is None


async def test_one_that_says_it_does_not_lead_is_asked_again_until_it_does(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _refusing(Code.NO_PRIMARY)
    node = nodes(primary.address)
    assert await node.refused(booking()) == "no_primary"
    assert len(primary.requests) > 1
    node = nodes(primary.address, primary_wait_seconds=30)
    primary.arrived.clear()
    waiting = asyncio.create_task(node(booking()))
    await primary.arrived.wait()
    primary.handler = _created
    answer = await waiting
    assert answer is not None
    assert answer.status == 201


# --- what may have happened


async def test_a_lost_answer_is_not_asked_for_again_without_a_key(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _cut
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        primary.requests.clear()
        assert await nodes(primary.address).refused(booking(method)) == "not_durable"
        assert len(primary.requests) == 1, method


async def test_a_lost_answer_on_a_kept_connection_is_not_asked_for_again(primary: Primary, nodes: Nodes) -> None:
    node = nodes(primary.address)
    await node(booking())
    primary.handler = _cut
    assert await node.refused(booking("DELETE")) == "not_durable"
    assert len(primary.requests) == 2


async def test_with_a_key_it_is_asked_for_once_more(primary: Primary, nodes: Nodes) -> None:
    async def cut_once(request: web.Request) -> web.Response:
        if len(primary.requests) == 1:
            return await _cut(request)
        return await _created(request)

    primary.handler = cut_once
    answer = await nodes(primary.address)(KEYED)
    assert answer is not None
    assert (answer.status, len(primary.requests)) == (201, 2)
    primary.handler = _cut
    primary.requests.clear()
    assert await nodes(primary.address).refused(KEYED) == "not_durable"
    assert len(primary.requests) == 2


async def test_with_a_key_and_then_no_primary_it_may_still_have_happened(primary: Primary, nodes: Nodes) -> None:
    node = nodes(primary.address)

    async def cut_and_go(request: web.Request) -> web.Response:
        node.primary = ""
        return await _cut(request)

    primary.handler = cut_and_go
    assert await node.refused(KEYED) == "not_durable"


async def test_no_answer_in_time(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _wait
    assert await nodes(primary.address, answer_seconds=0.05).refused(booking()) == "not_durable"


async def test_a_primary_that_hangs_is_left_when_another_leads(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _wait
    async with Primary().serving() as new:
        for call, requests, told in ((booking(), 0, True), (KEYED, 1, True), (booking(), 0, False)):
            node = nodes(primary.address, succeeded_seconds=0.05)
            primary.arrived.clear()
            waiting = asyncio.create_task(node(call))
            await primary.arrived.wait()
            node.primary = new.address
            new.requests.clear()
            if told:  # a follower that finds another primary does not tell
                node.forwarder.primary_changed()
            if requests:
                answer = await waiting
                assert answer is not None
                assert answer.status == 201
            else:
                with pytest.raises(RefusedError):
                    await waiting
            assert len(new.requests) == requests


async def test_a_succeeded_primary_may_still_answer_what_it_took(primary: Primary, nodes: Nodes) -> None:
    answers = asyncio.Event()

    async def later(request: web.Request) -> web.Response:
        await answers.wait()
        return await _created(request)

    primary.handler = later
    node = nodes(primary.address, succeeded_seconds=30)
    waiting = asyncio.create_task(node(booking()))
    await primary.arrived.wait()
    node.primary = "http://127.0.0.1:1"
    node.forwarder.primary_changed()
    await asyncio.sleep(0)
    answers.set()
    answer = await waiting
    assert answer is not None
    assert answer.status == 201


# --- bounds


async def test_only_so_many_are_passed_on_at_once(primary: Primary, nodes: Nodes) -> None:
    primary.handler = _wait
    node = nodes(primary.address, at_once_max=2)
    waiting = [asyncio.create_task(node(booking())) for _ in range(2)]
    await until(lambda: len(primary.requests) == 2)
    assert await node.refused(booking()) == "overloaded"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert node.forwarder.under_way == 0
    primary.handler = _created
    assert await node(booking()) is not None
