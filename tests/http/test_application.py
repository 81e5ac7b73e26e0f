"""The API over real connections: behind the hot server, and as the plain aiohttp application that stands on its own."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from onsale.http.application import make_application
from onsale.http.connection.server import make_runner
from onsale.http.hot import make_hot
from onsale.tests.http.api_calls import EVENT, Calls

BODY_BYTES_MAX = 64 * 1024


class Served:
    """An API that listens, and a client of it."""

    def __init__(self, calls: Calls, runner: web.AppRunner, session: ClientSession) -> None:
        self.calls = calls
        self.session = session
        self.host, self.port = runner.addresses[0][:2]

    async def __call__(self, method: str, target: str, **options: Any) -> tuple[int, bytes, Any]:
        url = URL(f"http://{self.host}:{self.port}{target}", encoded=True)
        async with self.session.request(method, url, **options) as response:
            return response.status, await response.read(), response.headers

    async def problem(self, method: str, target: str, **options: Any) -> tuple[int, str]:
        status, body, headers = await self(method, target, **options)
        assert headers["Content-Type"] == "application/problem+json"
        problem = json.loads(body)
        assert problem["status"] == status
        return status, problem["code"]

    async def raw(self, request: bytes) -> bytes:
        """All that comes back for some bytes, after which the connection is to be closed."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(request)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


async def nap(request: web.Request) -> web.Response:
    raise web.HTTPTooManyRequests(text="nap") if request.query else ZeroDivisionError("an accident")


@pytest.fixture(params=["hot", "plain"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    calls = Calls()
    application = make_application(calls.api, [web.get("/users/{userId}/stream", nap), web.get("/only", nap)])
    runner: web.AppRunner = web.AppRunner(application, access_log=None)
    if request.param == "hot":
        runner = make_runner(application, make_hot(calls.api), finish=calls.api.finish)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        yield Served(calls, runner, session)
    await runner.cleanup()


async def test_a_booking_from_search_to_ticket(served: Served) -> None:
    status, body, headers = await served("POST", "/events", json=EVENT)
    assert (status, headers["Location"], headers["Content-Type"]) == (201, "/events/1", "application/json")
    status, body, _ = await served("GET", "/events?search=jazz")
    (event,) = json.loads(body)
    status, body, headers = await served("POST", "/booking", data=json.dumps({"userId": "ada", "eventId": event["id"]}))
    assert (status, headers["Location"], headers["Onsale-Seq"]) == (201, "/booking/1", "2")
    paid = {"userId": "ada", "eventId": 1, "amount": json.loads(body)["amount"]}
    status, body, _ = await served("POST", "/pay", json=paid, headers={"Idempotency-Key": "k"})
    assert (status, len(json.loads(body)["tickets"])) == (200, 1)
    again = await served("POST", "/pay", json=paid, headers={"Idempotency-Key": "k"})
    assert (again[0], again[1], again[2]["Idempotency-Replayed"]) == (200, body, "true")
    status, body, _ = await served("GET", "/booking/1")
    assert (status, json.loads(body)["status"]) == (200, "confirmed")


async def test_any_content_type_will_do(served: Served) -> None:
    await served("POST", "/events", json=EVENT)
    body = json.dumps({"userId": "ada", "eventId": 1})
    for content_type in ("application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "x"):
        status, _, _ = await served("POST", "/booking", data=body, headers={"Content-Type": content_type})
        assert status == 201, content_type


async def test_nobody_is_told_which_software_answers(served: Served) -> None:
    for method, path in (("GET", "/events"), ("POST", "/booking"), ("GET", "/nowhere"), ("GET", "/only")):
        assert "Server" not in (await served(method, path))[2]


@pytest.mark.parametrize("served", ["hot"], indirect=True)  # aiohttp's own connections answer in their own way
async def test_what_http_finds_wrong_says_its_position_too(served: Served) -> None:
    await served("POST", "/events", json=EVENT)
    for request, status in (
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", b"413"),
        (
            b"POST /booking HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
            b"417",
        ),
    ):
        head, _, body = (await served.raw(request)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nOnsale-Seq: 1" in head
        assert b"\r\nCache-Control: private, no-store" in head
        assert json.loads(body)["seq"] == 1


async def test_head_has_no_body(served: Served) -> None:
    await served("POST", "/events", json=EVENT)
    for target in ("/events", "/events/1", "/events/1/availability", "/healthz", "/docs", "/openapi.json"):
        as_it_is = {"Accept-Encoding": "identity"}  # the length is of what is sent
        _, body, got = await served("GET", target, headers=as_it_is)
        status, nothing, headers = await served("HEAD", target, headers=as_it_is)
        assert (status, nothing) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Onsale-Seq"):
            assert headers[name] == got[name], name
        assert int(headers["Content-Length"]) == len(body)


async def test_not_modified_has_no_body(served: Served) -> None:
    await served("POST", "/events", json=EVENT)
    for target in ("/events/1", "/events/1/availability"):
        _, _, headers = await served("GET", target)
        status, body, again = await served("GET", target, headers={"If-None-Match": headers["ETag"]})
        assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])
        assert again["Onsale-Seq"] == headers["Onsale-Seq"]


async def test_methods_and_paths(served: Served) -> None:
    assert await served.problem("GET", "/nowhere") == (404, "not_found")
    assert await served.problem("GET", "/nowhere") == (404, "not_found")
    assert await served.problem("DELETE", "/booking") == (405, "method_not_allowed")
    status, body, headers = await served("OPTIONS", "/booking")
    assert (status, body, headers["Allow"]) == (204, b"", "OPTIONS, POST")
    _, _, headers = await served("PUT", "/pay")
    assert headers["Allow"] == "OPTIONS, POST"
    assert await served.problem("GET", "/events/1?x=%00") == (404, "no_such_event")


async def test_strange_paths(served: Served) -> None:
    for segment, user_id in (("a%2Fb", "a/b"), ("%C3%BC%25", "ü%"), ("%7Bx%7D", "{x}"), ("a+b;c", "a+b;c")):
        status, body, _ = await served("PUT", f"/users/{segment}", json={})
        assert (status, json.loads(body)["userId"]) == (200, user_id)
    for segment in ("%00", "%ff", "a%0D%0Ab", "%ED%A0%80"):
        assert await served.problem("GET", f"/users/{segment}/bookings") == (400, "invalid_field")
    assert await served.problem("GET", "/events?search=%ff") == (400, "invalid_field")
    answer = await served.raw(b"GET http://x/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    answer = await served.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer


async def test_a_body_has_bounds(served: Served) -> None:
    await served("POST", "/events", json=EVENT)
    start = b'{"userId":"ada","eventId":1}'
    status, _, _ = await served("POST", "/booking", data=start.ljust(BODY_BYTES_MAX))
    assert status == 201
    for target in ("/booking", "/events", "/users/ada"):
        method = "PUT" if "users" in target else "POST"
        assert await served.problem(method, target, data=start.ljust(BODY_BYTES_MAX + 1)) == (413, "too_large")


async def test_chunked_bodies_are_bodies(served: Served) -> None:
    await served("POST", "/events", json=EVENT)

    async def chunks(size: int) -> AsyncIterator[bytes]:
        yield b'{"userId":"ada",'
        yield b'"eventId":1}'.ljust(size)

    status, _, _ = await served("POST", "/booking", data=chunks(20))
    assert status == 201
    assert await served.problem("POST", "/booking", data=chunks(BODY_BYTES_MAX)) == (413, "too_large")


async def test_a_compressed_body_is_no_way_around_the_bounds(served: Served) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    status, code = await served.problem("POST", "/booking", data=bomb, headers={"Content-Encoding": "gzip"})
    assert (status, code) in ((413, "too_large"), (415, "invalid_field"))
    headers = {"Content-Encoding": "gzip"}
    status, _ = await served.problem("POST", "/booking", data=b"not gzip at all", headers=headers)
    assert status in (400, 415)


async def test_routes_of_others_fail_as_ours_do(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    assert await served.problem("GET", "/users/ada/stream?nap=1") == (400, "invalid_field")
    assert await served.problem("GET", "/users/ada/stream") == (500, "internal")
    assert "an accident" in caplog.text
    _, body, headers = await served("GET", "/only")
    assert b"accident" not in body
    assert headers["Onsale-Seq"] == "0"
