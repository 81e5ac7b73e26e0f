"""Clients that leave, are slow, do not read, or want too much at once."""

import asyncio
import socket
import struct
import time

import pytest
from aiohttp import web

from onsale.http.call import Answer
from onsale.tests.http.serving import get, post, problem_of, serving, until


@pytest.mark.parametrize("abrupt", [True, False])
@pytest.mark.parametrize("path", ["/later", "/cold/slow"])
async def test_a_client_that_leaves_before_its_answer_disturbs_nobody(path, abrupt):
    async with serving() as server, await server.connect() as other:
        server.handlers["/cold/slow"] = server.wait_at_gate
        client = await server.connect()
        client.send(get(path) + get("/now"))
        await until(lambda: server.owed or server.handled)
        if abrupt:
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        client.writer.transport.abort()
        if abrupt:
            await until(lambda: len(server.connections) == 1 or server.connections[1].transport is None)
        else:
            await until(lambda: server.connections[1]._client_is_done)
        for call, reply in server.owed:
            reply(Answer(200, call.path.encode()))
        server.gate.set()
        await until(lambda: len(server.connections) == 1)
        other.send(get("/now/other"))
        assert await other.bodies(1) == ["GET/now/other"]


async def test_a_stream_ends_when_its_reader_leaves():
    async with serving() as server:
        left = asyncio.Event()

        async def stream(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b": tick\n\n")
                    await asyncio.sleep(0.005)
            except ConnectionError:
                left.set()
                raise

        server.handlers["/cold/stream"] = stream
        client = await server.connect()
        client.send(get("/cold/stream"))
        await client.reader.readuntil(b"tick")
        client.writer.close()
        async with asyncio.timeout(5):
            await left.wait()
        await until(lambda: not server.connections)


async def test_a_stream_that_pauses_learns_that_its_reader_has_left():
    async with serving() as server:

        async def stream(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"tick")
            await server.gate.wait()
            assert request.transport is None
            return response

        server.handlers["/cold/stream"] = stream
        client = await server.connect()
        client.send(get("/cold/stream"))
        await client.reader.readuntil(b"tick")
        client.writer.close()
        await until(lambda: server.connection.transport is None)
        server.gate.set()
        await until(lambda: not server.connections)


async def test_a_slow_head_is_cut_off():
    async with serving(head_seconds=0.1) as server, await server.connect() as client:
        client.send(b"GET /now HTTP/1.1\r\n")
        began = time.monotonic()
        for _ in range(4):  # a byte now and then does not help
            await asyncio.sleep(0.02)
            client.send(b"X")
        problem_of(await client.response(), 408, "request_timeout")
        assert await client.rest() == b""
        assert 0.09 < time.monotonic() - began < 2


async def test_a_slow_body_is_cut_off_after_what_is_owed_before_it():
    async with serving(body_seconds=0.1, head_seconds=0.05) as server, await server.connect() as client:
        client.send(get("/later/1") + post("/now", b"x" * 100)[:-1])
        await until(lambda: server.owed)
        await asyncio.sleep(0.2)
        server.answer(0)
        assert (await client.response()).body == b"/later/1"
        problem_of(await client.response(), 408, "request_timeout")
        assert await client.rest() == b""


async def test_each_head_has_its_own_time():
    async with serving(head_seconds=0.3, idle_seconds=5) as server, await server.connect() as client:
        request = get("/now")
        client.send(request[:9])
        for _ in range(4):
            await asyncio.sleep(0.11)
            client.send(request[9:] + request[:9])
            assert (await client.response()).status == 200


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not():
    async with serving(idle_seconds=0.1) as server, await server.connect() as idle, await server.connect() as busy:
        server.handlers["/cold/slow"] = server.wait_at_gate
        busy.send(get("/later"))
        waiting = await server.connect()
        waiting.send(get("/cold/slow"))
        idle.send(get("/now"))
        assert (await idle.response()).status == 200
        assert await idle.rest() == b""
        await asyncio.sleep(0.15)
        server.answer(0)
        server.gate.set()
        assert await busy.bodies(1) == ["/later"]
        assert await waiting.bodies(1) == ["/cold/slow"]
        assert await busy.rest() == await waiting.rest() == b""
        waiting.writer.close()


async def test_requests_keep_a_connection_alive():
    async with serving(idle_seconds=0.4) as server, await server.connect() as client:
        for path in ("/now", "/cold", "/now", "/cold", "/now"):
            await asyncio.sleep(0.12)
            client.send(get(path))
            assert (await client.response()).status == 200


async def test_at_most_so_many_answers_are_owed():
    async with serving(pipelined_max=8) as server, await server.connect() as client:
        client.send(b"".join(get(f"/later/{n}") for n in range(20)))
        await until(lambda: len(server.owed) == 8)
        await asyncio.sleep(0.02)
        assert len(server.owed) == 8
        for index in range(20):
            await until(lambda: len(server.owed) > index)  # noqa: B023 - awaited at once
            server.answer(index)
        assert await client.bodies(20) == [f"/later/{n}" for n in range(20)]


async def test_a_client_that_runs_ahead_is_not_read():
    async with serving(read_ahead_bytes_max=1000) as server, await server.connect() as client:
        server.handlers["/cold/slow"] = server.wait_at_gate
        client.send(get("/cold/slow"))
        await until(lambda: server.handled)
        requests = [get(f"/now/{n}") for n in range(40_000)]
        client.send(b"".join(requests))
        await until(lambda: server.connection.received_bytes > 1000)
        await asyncio.sleep(0.05)
        seen = server.connection.received_bytes
        assert seen < 2**20 < sum(map(len, requests))
        await asyncio.sleep(0.05)
        assert server.connection.received_bytes == seen
        server.gate.set()
        assert await client.bodies(1) == ["/cold/slow"]
        for number in range(40_000):
            head = await client.reader.readuntil(b"\r\n\r\n")
            body = await client.reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            assert body == f"GET/now/{number}".encode()


async def test_a_client_that_does_not_read_is_not_served_further():
    async with serving(write_buffer_bytes_max=20_000) as server, await server.connect() as client:
        server.payload = b"p" * 10_000
        client.writer.transport.pause_reading()
        client.send(b"".join(get(f"/now/{n}") for n in range(3000)))
        await until(lambda: server.connections and server.connection.writing_paused)
        await asyncio.sleep(0.05)
        taken = len(server.taken)
        assert taken < 3000
        await asyncio.sleep(0.05)
        assert len(server.taken) == taken
        client.writer.transport.resume_reading()
        assert [len(body) for body in await client.bodies(3000)] == [10_000] * 3000


async def test_a_client_that_never_reads_is_cut_off():
    async with serving(stall_seconds=0.1) as server, await server.connect() as client:
        server.payload = b"p" * 100_000
        client.writer.transport.pause_reading()
        client.send(b"".join(get(f"/now/{n}") for n in range(1000)))
        await until(lambda: server.taken and not server.connections)
        assert len(server.taken) < 1000


async def test_more_connections_than_allowed_are_told_so():
    async with serving(connections_max=2) as server, await server.connect() as one, await server.connect() as two:
        for client in (one, two):
            client.send(get("/now"))
            await client.response()
        async with await server.connect() as three:
            response = await three.response()
            problem_of(response, 503, "overloaded")
            assert response.headers["retry-after"]
            assert await three.rest() == b""
        one.writer.close()
        await until(lambda: len(server.connections) == 1)
        async with await server.connect() as four:
            four.send(get("/now"))
            assert (await four.response()).status == 200
