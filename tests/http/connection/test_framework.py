"""What the framework answers, as seen through our connections."""

import asyncio

import pytest
from aiohttp import web

from onsale.tests.http.serving import get, post, problem_of, serving, until


async def test_an_unknown_path_and_a_wrong_method():
    async with serving() as server, await server.connect() as client:
        client.send(get("/unknown") + get("/only-post") + get("/%00%ff/..%2f") + get("/now"))
        problem_of(await client.response(), 404, "not_found")
        response = await client.response()
        problem_of(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"
        problem_of(await client.response(), 404, "not_found")
        assert await client.bodies(1) == ["GET/now"]


async def test_what_a_handler_raises_on_purpose():
    async def refuse(_request: web.Request) -> web.Response:
        raise web.HTTPConflict(text="Not twice.", headers={"X-Thing": "a"})

    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/docs")

    async with serving() as server, await server.connect() as client:
        server.handlers |= {"/cold/refuse": refuse, "/cold/redirect": redirect}
        client.send(get("/cold/refuse") + get("/cold/redirect") + get("/now"))
        response = await client.response()
        problem_of(response, 409, "invalid_field")
        assert response.json()["detail"] == "Not twice."
        assert response.headers["x-thing"] == "a"
        response = await client.response()
        assert (response.status, response.headers["location"]) == (302, "/docs")
        assert await client.bodies(1) == ["GET/now"]


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("a secret"), TimeoutError("a secret"), ConnectionError("a secret")]
)
async def test_an_exception_in_a_handler_is_logged_and_answered_in_its_place(fault, caplog):
    async def fail(_request: web.Request) -> web.Response:
        raise fault

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/fail"] = fail
        client.send(get("/now/1") + get("/cold/fail") + post("/cold/3", b"abc") + get("/now/4"))
        assert await client.bodies(1) == ["GET/now/1"]
        response = await client.response()
        problem_of(response, 500, "internal")
        assert b"secret" not in response.body
        assert await client.bodies(2) == ["POST/cold/3abc", "GET/now/4"]
        assert "a secret" in caplog.text


async def test_a_handler_that_returns_nothing_is_logged(caplog):
    async def forget(_request: web.Request) -> None:
        return None

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/forget"] = forget
        client.send(get("/cold/forget") + get("/now"))
        problem_of(await client.response(), 500, "internal")
        assert await client.bodies(1) == ["GET/now"]
        assert "instead of a response" in caplog.text


async def test_an_exception_in_the_middle_of_an_answer_is_logged_and_cuts_it_off():
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        raise ZeroDivisionError

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/break-off"] = break_off
        client.send(get("/cold/break-off") + get("/now"))
        assert (await client.rest()).endswith(b"half")


async def test_a_stream_reaches_its_reader_as_it_is_written_and_the_connection_goes_on():
    async with serving() as server, await server.connect() as client:
        more = asyncio.Event()

        async def stream(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first")
            await more.wait()
            await response.write(b"second")
            return response

        server.handlers["/cold/stream"] = stream
        client.send(get("/cold/stream") + get("/now"))
        head = await client.reader.readuntil(b"first\r\n")
        assert b"chunked" in head
        await asyncio.sleep(0.01)
        assert server.taken == []
        more.set()
        await client.reader.readuntil(b"second\r\n0\r\n\r\n")
        assert await client.bodies(1) == ["GET/now"]


async def test_a_handler_need_not_read_the_body():
    async def ignore(_request: web.Request) -> web.Response:
        return web.Response(text="ignored")

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/ignore"] = ignore
        client.send(post("/cold/ignore", b"x" * 50_000) + get("/now"))
        assert await client.bodies(2) == ["ignored", "GET/now"]


async def test_what_follows_an_answer_that_closes_is_not_served():
    async def close(_request: web.Request) -> web.Response:
        response = web.Response(text="last")
        response.force_close()
        return response

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/close"] = close
        client.send(get("/cold/close") + get("/now"))
        assert await client.bodies(1) == ["last"]
        assert await client.rest() == b""
        assert server.taken == []


async def test_a_handler_reads_the_largest_body_in_pieces():
    async def sum_up(request: web.Request) -> web.Response:
        pieces = [piece async for piece in request.content.iter_chunked(1000)]
        return web.Response(text=f"{len(pieces)} {sum(map(len, pieces))}")

    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/sum"] = sum_up
        client.send(post("/cold/sum", b"x" * 65_536))
        assert await client.bodies(1) == ["66 65536"]
        await until(lambda: not server.connection._in_framework)
