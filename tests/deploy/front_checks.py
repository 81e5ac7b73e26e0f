"""What is asked of whatever stands in front of the nodes: test_nginx.py and test_haproxy.py ask it of both."""

import asyncio
import json
import os
import random
import ssl
import warnings
from collections import Counter
from typing import Any, NamedTuple, Self

import aiohttp
import pytest
from balancers import Balancer
from cluster import Cluster
from load import facts_after
from multidict import CIMultiDict, CIMultiDictProxy
from nodes import Client, Node
from stand_in import StandIn

from onsale.loadtest.front_load import FrontLoad, FrontReport, Told

PROMPTLY_SECONDS = 2.0
ROUNDS = int(os.environ.get("ONSALE_FRONT_ROUNDS", "1"))
PEOPLE = int(os.environ.get("ONSALE_FRONT_PEOPLE", "8"))
UNDISTURBED_SECONDS = 0.3 if ROUNDS == 1 else 1.5  # before leadership moves, and after
BURST = 2_700  # more calls than one client may have at once
FORGED = {"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7", "X-Real-IP": "198.51.100.7"}
BETWEEN_NODES = {"Onsale-Forwarded-By": "b", "Onsale-Forwarded-For": "198.51.100.7 00"}
FOR_OPERATORS = (
    "/metrics", "/%6detrics", "/./metrics", "/x/../metrics", "/cluster", "/cluster/", "/journal",
    "/journal?after_seq=1", "/outbox", "/primary", "/replica",
)  # fmt: skip


class Got(NamedTuple):
    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Calls a balancer over TLS, each time on a new connection, and never again by itself."""

    def __init__(self, balancer: Balancer) -> None:
        self._url = balancer.url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=balancer.certificate.context(), force_close=True, limit=0)
        )
        self._session._retry_connection = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = aiohttp.client.URL(self._url + path, encoded=True)
        async with self._session.request(method, url, json=body, headers=sent, allow_redirects=False) as response:
            return Got(response.status, await response.read(), response.headers)


def is_problem(got: Got, status: int, code: str) -> None:
    assert (got.status, got.json["code"], got.json["status"]) == (status, code, status), got
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.headers["Cache-Control"] == "private, no-store"
    if status in (429, 503):
        assert got.headers["Retry-After"] == str(got.json["retryAfterSeconds"]) == "1"


# --- routing


async def what_is_personal_is_never_kept(ask: Browser, node: StandIn) -> None:
    """Not even what a node calls public by mistake."""
    for path in ("/booking/1", "/users/ada/bookings", "/events/1/queue/some-token", "/challenge"):
        numbers = {(await ask("GET", path)).json["call"] for _ in range(2)}
        assert len(numbers) == 2, path
    for number, header in enumerate(({"Authorization": "Bearer x"}, {"Onsale-Min-Seq": "7"})):
        kept = (await ask("GET", f"/events/{number}/queue")).json["call"]
        numbers = {(await ask("GET", f"/events/{number}/queue", **header)).json["call"] for _ in range(2)}
        assert len(numbers) == 2, header
        assert kept not in numbers
        path = f"/events/{number}/availability"
        theirs = (await ask("GET", path, **header)).json["call"]
        assert (await ask("GET", path)).json["call"] != theirs, "it was kept for others"
    assert len({(await ask("GET", "/events/1/queue")).json["call"] for _ in range(2)}) == 1


async def a_page_is_kept_by_what_matters(ask: Browser, node: StandIn) -> None:
    for path in ("/events/5/availability", "/events/5/queue", "/events/5"):
        count = len(node.reached)
        numbers = [(await ask("GET", path + query)).json["call"] for query in ("", "?x=1", "?_=1732", "")]
        assert len(set(numbers)) == 1, path
        assert len(node.reached) == count + 1
    numbers = [(await ask("GET", f"/events?city={city}")).json["call"] for city in ("Graz", "Linz", "Graz", "Linz")]
    assert numbers[:2] == numbers[2:]
    assert len(set(numbers)) == 2
    joined = [(await ask("POST", "/events/5/queue", {})).json["call"] for _ in range(2)]
    assert len(set(joined)) == 2, "to join is no page"
    no_store = await _uncached_when_it_says_so(ask, node)
    assert len(no_store) == 2


async def _uncached_when_it_says_so(ask: Browser, node: StandIn) -> set[int]:
    kept, node.cache_control = node.cache_control, "private, no-store"
    numbers = {(await ask("GET", "/events/9/queue")).json["call"] for _ in range(2)}
    node.cache_control = kept
    return numbers


async def operators_paths_are_closed(ask: Browser, *nodes: StandIn) -> None:
    for path in FOR_OPERATORS:
        got = await ask("GET", path)
        if got.status != 404:  # a node knows no path that is not as it should be
            is_problem(got, 403, "forbidden")
    for method, path in (("POST", "/cluster/failover"), ("DELETE", "/cluster/members/b"), ("POST", "/reconcile")):
        is_problem(await ask(method, path), 403, "forbidden")
    assert not [each for node in nodes for each in node.reached]
    assert (await ask("GET", "/journal/head")).status == 200
    assert (await ask("GET", "/healthz")).json == {"status": "ok"}


async def what_a_client_says_of_itself_goes_no_further(ask: Browser, *nodes: StandIn) -> None:
    for method in ("GET", "POST"):
        await ask(method, "/booking", None if method == "GET" else {}, **FORGED, **BETWEEN_NODES)
    reached = [each for node in nodes for each in node.reached]
    assert len(reached) == 2
    for each in reached:
        assert each.headers.getall("X-Forwarded-For") == ["127.0.0.1"]
        assert not {"Forwarded", "X-Real-IP", *BETWEEN_NODES} & set(each.headers)


async def paths_arrive_as_they_were_sent(ask: Browser, *nodes: StandIn) -> None:
    target = "/users/a%2Fb%20c%C3%A9/bookings?limit=2&cursor=%2B%2f"
    for method in ("GET", "PUT", "POST"):
        await ask(method, target, None if method == "GET" else {}, Idempotency_Key="k")
    assert [each.target for node in nodes for each in node.reached] == [target] * 3


# --- what is sent again


async def a_write_that_may_have_been_taken_is_not_sent_again(ask: Browser, *nodes: StandIn) -> None:
    for node in nodes:
        node.cuts = True
    for method in ("POST", "PATCH"):
        count = sum(len(node.reached) for node in nodes)
        is_problem(await ask(method, "/booking", {"userId": "u"}), 503, "not_durable")
        assert sum(len(node.reached) for node in nodes) == count + 1, method


async def a_write_that_nobody_took_is_sent_to_another(ask: Browser, gone: StandIn, *others: StandIn) -> None:
    """`gone` was there a moment ago, and refuses connections now."""
    await gone.__aexit__()
    for number in range(6):
        headers = {"Idempotency_Key": f"k-{number}"} if number % 2 else {}
        assert (await ask("POST", "/booking", {}, **headers)).status == 200
        assert (await ask("DELETE", "/booking/1", **headers)).status == 200
    assert sum(len(node.reached) for node in others) == 12


async def a_read_is_asked_elsewhere(ask: Browser, bad: StandIn, *others: StandIn) -> None:
    bad.status = 503
    for number in range(6):
        assert (await ask("GET", f"/booking/{number}")).status == 200
    assert bad.reached, "it was asked, too"
    bad.cuts = True
    for number in range(6):
        assert (await ask("GET", f"/booking/{number}")).status == 200
    assert sum(len(node.reached) for node in others) == 12


# --- limits, TLS


async def too_many_are_told_when_to_come_back(balancer: Balancer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port, ssl=balancer.certificate.context())
    request = b"GET /events/1/queue HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers: dict[int, list[Got]] = {200: [], 429: []}

    async def read() -> None:
        for _ in range(BURST):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            headers = CIMultiDict({name.title(): value for name, value in lines})
            body = await reader.readexactly(int(headers["Content-Length"]))
            status = int(head.split()[1])
            answers[status].append(Got(status, body, CIMultiDictProxy(headers)))

    reading = asyncio.create_task(read())
    for _ in range(BURST // 100):
        writer.write(request * 100)
        await writer.drain()
    await asyncio.wait_for(reading, 10)
    writer.close()
    assert len(answers[200]) >= 2_000
    is_problem(answers[429][-1], 429, "rate_limited")
    assert answers[429][-1].json["limit"] == "address"


async def tls_is_as_it_should_be(balancer: Balancer, ask: Browser) -> None:
    async def connect(context: ssl.SSLContext) -> ssl.SSLObject:
        _, writer = await asyncio.open_connection("127.0.0.1", balancer.port, ssl=context)
        found = writer.get_extra_info("ssl_object")
        writer.close()
        assert isinstance(found, ssl.SSLObject)
        return found

    context = balancer.certificate.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    newest = await connect(context)
    assert (newest.version(), newest.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    context = balancer.certificate.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    older = await connect(context)
    assert older.version() == "TLSv1.2"
    assert older.session is not None
    assert not older.session.has_ticket
    context = balancer.certificate.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await connect(context)
    for path in ("/events", "/metrics"):
        assert (await ask("GET", path)).headers["Strict-Transport-Security"] == "max-age=31536000"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{balancer.plain_port}/pay?x=1", allow_redirects=False) as plain,
    ):
        assert (plain.status, plain.headers["Location"].partition("127.0.0.1")[2][-8:]) == (308, "/pay?x=1")
        assert plain.headers["Location"].startswith("https://")


# --- real nodes


async def events_are_passed_on_at_once(balancer: Balancer, ask: Browser, event_id: int) -> None:
    context = balancer.certificate.context()
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port, ssl=context)
    user_id = f"listener-{random.randrange(10**9)}"
    writer.write(f"GET /users/{user_id}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PROMPTLY_SECONDS)
        assert b" 200 " in head.split(b"\r\n")[0], head
        assert b"text/event-stream" in head.lower()
        booked = await ask("POST", "/booking", {"userId": user_id, "eventId": event_id})
        assert booked.status == 201, booked
        paid = {"userId": user_id, "eventId": event_id, "amount": booked.json["amount"]}
        assert (await ask("POST", "/pay", paid)).status == 200
        await asyncio.wait_for(reader.readuntil(b"\ndata: "), PROMPTLY_SECONDS)
    finally:
        writer.close()


async def a_page_comes_as_its_reader_takes_it(ask: Browser) -> None:
    """However it was asked for before."""
    for path in ("/docs", "/docs/errors"):
        pages = [await ask("GET", path, Accept_Encoding=coding) for coding in ("gzip", "identity", "gzip")]
        assert [page.status for page in pages] == [200] * 3
        assert "Content-Encoding" not in pages[1].headers
        assert {page.body[:15] for page in pages} == {b"<!doctype html>"}


async def a_forged_address_is_not_believed(ask: Browser, node: Node) -> None:
    """By a node that trusts this balancer, and lets each address ask five times at once."""
    forged = [f"198.51.100.{number}" for number in range(8)]
    answers = [await ask("GET", "/booking/1", X_Forwarded_For=address) for address in forged]
    assert answers[-1].status == 429
    assert answers[-1].json["limit"] == "address"
    async with Client(node.url) as client:  # as if it came from a balancer that passes everything on
        for address in forged:
            assert (await client.call("GET", "/booking/1", headers={"X-Forwarded-For": address}))[0] == 404


async def nothing_is_lost_or_doubled(balancer: Balancer, cluster: Cluster, order: str) -> None:
    """`ONSALE_FRONT_ROUNDS=10 ONSALE_FRONT_PEOPLE=32` has it done more often; what requests met with is printed."""
    together = FrontReport()
    for _ in range(ROUNDS):
        report = await leadership_moves(balancer, cluster, order)
        together.tries += report.tries
    print(f"{type(balancer).__name__}, {ROUNDS} × {order}: {together}")


async def leadership_moves(balancer: Balancer, cluster: Cluster, order: str) -> FrontReport:
    """Once, under load: kill -9 and `onsale failover`, or `onsale switchover`."""
    event = await cluster.clients[await cluster.primary()].create_event(
        name="Front", ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 100_000}]
    )
    await cluster.settle()
    context = balancer.certificate.context()
    async with FrontLoad(balancer.url, event["id"], people=PEOPLE, context=context) as load:
        await asyncio.sleep(UNDISTURBED_SECONDS)
        old = await cluster.primary()
        if order == "failover":
            cluster.nodes[old].kill()
        moved = await cluster.order(cluster.other_than(old), order)
        assert moved.code == 0, f"{moved}\n{cluster.told()}"
        answered = len(load.report.told)
        await asyncio.sleep(UNDISTURBED_SECONDS)
    report = load.report
    assert len(report.told) > answered, "nobody was answered afterwards"
    assert not report.given_up, f"{report}\n{balancer.said()}"
    await cluster.start()
    assert await cluster.primary() == moved.document["primary"] != old
    await _is_in_the_journal_once(cluster, event["seq"], report)
    await asyncio.gather(*(_is_told_again(cluster, told) for told in report.told[-40:] if told.key is not None))
    return report


async def _is_in_the_journal_once(cluster: Cluster, after_seq: int, report: FrontReport) -> None:
    """Everybody who was told of a booking has that one, and nobody has two."""
    client = cluster.clients[await cluster.primary()]
    held = Counter(fact["userId"] for fact in await facts_after(client, after_seq) if fact["type"] == "held")
    assert not {user_id: count for user_id, count in held.items() if count > 1}, "booked twice"
    booked = report.booked()
    assert not set(booked) - set(held), "told of, and not in the journal"
    for user_id, booking_id in random.Random(1).sample(sorted(booked.items()), 20):
        _, booking, _ = await client.call("GET", f"/booking/{booking_id}")
        assert booking["userId"] == user_id


async def _is_told_again(cluster: Cluster, told: Told) -> None:
    assert told.key is not None
    again = await cluster.clients["b"].try_raw(told.method, told.path, told.body, key=told.key)
    assert again is not None
    assert (again.status, again.body) == (told.status, told.answer)
