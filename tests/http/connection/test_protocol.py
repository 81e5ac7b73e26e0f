"""The order of answers, keep-alive, our own faults and how a server stops; over real sockets."""

import asyncio
import email.utils
import random
import socket
import struct
import time

import pytest
from aiohttp import web

from onsale.http.call import Answer
from onsale.tests.http.serving import Client, get, post, problem_of, serving, until


async def test_a_hot_call_is_answered_whole():
    async with serving() as server, await server.connect() as client:
        client.send(post("/now?a=%20b&a=c", b'{"x":1}', "Content-Type: application/json", "X-Thing: Ü"))
        response = await client.response()
        assert (response.status, response.body) == (200, b'POST/now{"x":1}')
        assert response.headers["content-type"] == "application/json"
        assert response.headers["content-length"] == "15"
        assert response.headers["onsale-seq"] == "7"
        sent = email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
        assert abs(sent - time.time()) < 3
        assert "connection" not in response.headers
        (call,) = server.taken
        assert (call.method, call.path, call.query, call.body) == ("POST", "/now", "a=%20b&a=c", b'{"x":1}')
        assert call.headers["x-thing"] == "Ü"
        assert call.remote == "127.0.0.1"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/now", "/now", ""),
        ("/now?", "/now", ""),
        ("/now/a%20b%C3%BC?q=%C3%BC", "/now/a%20b%C3%BC", "q=%C3%BC"),
        ("/now?q=1#f", "/now", "q=1"),
        ("http://example.org/now?q=1", "/now", "q=1"),
        ("/now/a?b?c", "/now/a", "b?c"),
    ],
)
async def test_path_and_query(target, path, query):
    async with serving() as server, await server.connect() as client:
        client.send(get(target))
        await client.response()
        assert [(call.path, call.query) for call in server.taken] == [(path, query)]

        async def echo(request: web.Request) -> web.Response:
            return web.Response(text=f"{request.rel_url.raw_path} {request.rel_url.raw_query_string}")

        server.everything = echo
        client.send(get(target.replace("/now", "/cold")))
        assert await client.bodies(1) == [f"{path} {query}".replace("/now", "/cold")]


async def test_pipelined_hot_answers_keep_the_order_of_their_requests():
    async with serving() as server, await server.connect() as client:
        client.send(b"".join(get(f"/later/{n}") for n in range(6)))
        await until(lambda: len(server.owed) == 6)
        for index in (5, 1, 3, 2, 0, 4):
            server.answer(index)
        assert await client.bodies(6) == [f"/later/{n}" for n in range(6)]


async def test_nothing_overtakes_a_hot_answer_that_is_owed():
    async with serving() as server, await server.connect() as client:
        client.send(get("/later/1") + get("/cold/2") + get("/now/3") + get("/cold/4"))
        await until(lambda: server.owed)
        await asyncio.sleep(0.02)
        assert server.handled == []
        assert len(server.taken) == 1
        server.answer(0)
        assert await client.bodies(4) == ["/later/1", "GET/cold/2", "GET/now/3", "GET/cold/4"]


async def test_nothing_overtakes_the_framework():
    async with serving() as server, await server.connect() as client:
        server.handlers["/cold/slow"] = server.wait_at_gate
        client.send(get("/now/1") + get("/cold/slow"))
        assert await client.bodies(1) == ["GET/now/1"]
        client.send(get("/now/3") + get("/cold/4"))
        await until(
            lambda: server.connection.received_bytes == len(get("/now/1") * 2 + get("/cold/slow") + get("/cold/4"))
        )
        assert len(server.taken) == 1
        server.gate.set()
        assert await client.bodies(3) == ["/cold/slow", "GET/now/3", "GET/cold/4"]


async def test_random_mixtures_in_random_packets_keep_their_order():
    rng = random.Random(20261122)
    async with serving() as server:

        async def talk(seed: int) -> None:
            mine = random.Random(seed)
            wanted, sent = [], b""
            for number in range(60):
                kind, body = mine.choice(["now", "later", "cold"]), b"x" * mine.choice([0, 0, 9, 3000])
                path = f"/{kind}/{seed}/{number}"
                sent += post(path, body) if body else get(path)
                method = "POST" if body else "GET"
                wanted.append(path if kind == "later" else method + path + body.decode())
            async with await server.connect() as client:
                reading = asyncio.create_task(client.bodies(len(wanted)))
                while sent:
                    cut = mine.randint(1, 4000)
                    client.send(sent[:cut])
                    sent = sent[cut:]
                    await asyncio.sleep(0)
                assert await reading == wanted

        async def answer_in_any_order() -> None:
            while True:
                await asyncio.sleep(0.001)
                owed = server.owed[:]
                server.owed.clear()
                rng.shuffle(owed)
                for call, reply in owed:
                    reply(Answer(200, call.path.encode()))

        answering = asyncio.create_task(answer_in_any_order())
        await asyncio.gather(*(talk(seed) for seed in range(8)))
        answering.cancel()


async def test_the_answers_of_one_packet_leave_together():
    async with serving() as server, await server.connect() as client:
        client.send(get("/now/0"))
        await client.response()
        writes = []
        connection = server.connection
        transport = connection.transport

        class Spy:
            def write(self, data):
                writes.append(data)
                transport.write(data)

            def __getattr__(self, name):
                return getattr(transport, name)

        connection.transport = Spy()
        client.send(b"".join(get(f"/now/{n}") for n in range(20)))
        assert await client.bodies(20) == [f"GET/now/{n}" for n in range(20)]
        connection.transport = transport
        assert len(writes) < 4


# -- keep-alive, HEAD ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/now", "/later", "/cold"])
@pytest.mark.parametrize(
    ("version", "header", "stays", "said"),
    [
        ("1.1", "X: y", True, None),
        ("1.1", "Connection: close", False, "close"),
        ("1.0", "X: y", False, None),
        ("1.0", "Connection: keep-alive", True, "keep-alive"),
    ],
)
async def test_keep_alive(path, version, header, stays, said):
    async with serving() as server, await server.connect() as client:
        client.send(get(path, header, version=version))
        if path == "/later":
            await until(lambda: server.owed)
            server.answer(0)
        response = await client.response()
        assert response.status == 200
        if said is not None:
            assert response.headers["connection"] == said
        if stays:
            client.send(get("/now"))
            assert await client.bodies(1) == ["GET/now"]
        else:
            assert await client.rest() == b""


async def test_what_follows_the_last_request_is_not_served():
    async with serving() as server, await server.connect() as client:
        client.send(get("/now/1") + get("/now/2", "Connection: close") + get("/now/3"))
        assert await client.bodies(2) == ["GET/now/1", "GET/now/2"]
        assert await client.rest() == b""
        assert len(server.taken) == 2


@pytest.mark.parametrize("path", ["/now", "/cold", "/unknown"])
async def test_head_has_the_headers_alone(path):
    async with serving() as server, await server.connect() as client:
        client.send(get(path).replace(b"GET", b"HEAD") + get("/now"))
        response = await client.response(head_only=True)
        assert int(response.headers["content-length"]) > 0
        assert await client.bodies(1) == ["GET/now"]


async def test_no_content_and_not_modified_have_no_body():
    async with serving() as server, await server.connect() as client:
        for status in (204, 304):
            client.send(get("/later") + get("/now"))
            await until(lambda: server.owed)
            server.answer(0, status=status)
            server.owed.clear()
            response = await client.response()
            assert response.status == status
            assert "content-length" not in response.headers
            assert await client.bodies(1) == ["GET/now"]


async def test_a_client_that_half_closes_gets_what_it_is_owed():
    async with serving() as server:
        server.handlers["/cold/slow"] = server.wait_at_gate
        async with await server.connect() as client:
            client.send(get("/later/1") + get("/cold/slow") + get("/now/3"))
            client.writer.write_eof()
            await until(lambda: server.owed)
            server.answer(0)
            await until(lambda: server.handled)
            server.gate.set()
            assert await client.bodies(3) == ["/later/1", "/cold/slow", "GET/now/3"]
            assert await client.rest() == b""


# -- our own faults --------------------------------------------------------------------------------------------------


async def test_an_exception_in_the_hot_path_is_logged_and_answered_in_its_place(caplog):
    async with serving() as server, await server.connect() as client:
        server.handlers["/hot/boom"] = lambda _reply: 1 // 0
        client.send(get("/later/1") + get("/hot/boom") + get("/now/3"))
        await until(lambda: server.owed)
        server.answer(0)
        assert (await client.response()).body == b"/later/1"
        problem_of(await client.response(), 500, "internal")
        assert await client.bodies(1) == ["GET/now/3"]
        assert ["ZeroDivisionError" in str(record.exc_info) for record in caplog.records] == [True]


async def test_an_answer_that_cannot_be_sent_is_logged_and_answered_in_its_place(caplog):
    async with serving() as server, await server.connect() as client:
        server.handlers["/hot/split"] = lambda reply: reply(Answer(200, b"", (("X", "a\r\nSet-Cookie: b"),))) or True
        client.send(get("/hot/split") + get("/now"))
        problem_of(await client.response(), 500, "internal")
        assert await client.bodies(1) == ["GET/now"]
        assert len(caplog.records) == 1


async def test_a_second_answer_is_logged_and_dropped(caplog):
    async with serving() as server, await server.connect() as client:
        client.send(get("/later") + get("/now"))
        await until(lambda: server.owed)
        server.answer(0)
        server.answer(0)
        assert await client.bodies(2) == ["/later", "GET/now"]
        assert len(caplog.records) == 1


async def test_an_answer_with_a_no_is_logged_and_sent_once(caplog):
    async with serving() as server, await server.connect() as client:
        server.handlers["/hot/both"] = lambda reply: reply(Answer(200, b"both"))
        client.send(get("/hot/both") + get("/now"))
        assert await client.bodies(2) == ["both", "GET/now"]
        assert len(caplog.records) == 1


# -- stopping --------------------------------------------------------------------------------------------------------


async def test_what_was_taken_is_answered_before_the_server_stops():
    async with serving() as server:
        server.handlers["/cold/slow"] = server.wait_at_gate
        hot, cold, both, idle = [await server.connect() for _ in range(4)]
        hot.send(get("/later/1") + get("/later/2"))
        cold.send(get("/cold/slow"))
        both.send(get("/later/3") + get("/cold/slow"))
        idle.send(get("/now"))
        await until(lambda: len(server.owed) == 3 and server.handled)
        await idle.response()
        stopping = asyncio.create_task(server.runner.cleanup())
        assert await idle.rest() == b""
        hot.send(get("/now/too-late"))
        await asyncio.sleep(0.25)  # longer than what is cut off gets
        for index in range(3):
            server.answer(index)
        one, two = await hot.responses(2)
        assert (one.body, two.body) == (b"/later/1", b"/later/2")
        assert two.headers["connection"] == "close"
        assert await both.bodies(1) == ["/later/3"]
        await until(lambda: len(server.handled) == 2)
        assert not stopping.done()
        server.gate.set()
        for client in (cold, both):
            response = await client.response()
            assert response.body == b"/cold/slow"
            assert response.headers["connection"] == "close"
        async with asyncio.timeout(5):
            await stopping
        for client in (hot, cold, both, idle):
            assert await client.rest() == b""
            client.writer.close()
        assert sorted(call.path for call in server.taken) == ["/later/1", "/later/2", "/later/3", "/now"]
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await Client.connect(server.port)


async def test_what_is_never_answered_does_not_keep_the_server_from_stopping():
    async with serving(shutdown_seconds=0.1) as server:
        server.handlers["/cold/never"] = lambda _request: asyncio.get_running_loop().create_future()
        hot, cold = await server.connect(), await server.connect()
        hot.send(get("/later"))
        cold.send(get("/cold/never"))
        await until(lambda: server.owed and server.handled)
        began = time.monotonic()
        await server.runner.cleanup()
        assert time.monotonic() - began < 2
        server.answer(0)
        for client in (hot, cold):
            assert await client.rest() == b""
            client.writer.close()


async def test_what_is_done_for_a_client_that_left_is_waited_for_and_no_longer():
    async with serving(shutdown_seconds=5) as server:
        done = []

        async def work(request: web.Request) -> web.Response:
            await server.gate.wait()
            done.append(request.path)
            return web.Response()

        server.handlers["/cold/work"] = work
        client = await server.connect()
        client.send(get("/cold/work"))
        await until(lambda: server.handled)
        linger = struct.pack("ii", 1, 0)  # so that it is not merely its sending side that ends
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.transport.abort()
        await until(lambda: server.connection.transport is None)
        stopping = asyncio.create_task(server.runner.cleanup())
        await asyncio.sleep(0)
        server.gate.set()
        async with asyncio.timeout(2):
            await stopping
        assert done == ["/cold/work"]


async def test_a_stream_ends_with_its_client_and_is_not_counted():
    async with serving(connections_max=1) as server:
        ended = asyncio.Event()

        async def stream(request: web.Request) -> web.StreamResponse:
            request.protocol.begin_stream()  # type: ignore[attr-defined]
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return response

        server.handlers["/cold/stream"] = stream
        client = await server.connect()
        client.send(get("/cold/stream"))
        await client.reader.readuntil(b"\r\n\r\n")
        async with await server.connect() as other:
            other.send(get("/now"))
            assert await other.bodies(1) == ["GET/now"]
            client.writer.transport.abort()
            async with asyncio.timeout(5):
                await ended.wait()
            other.send(get("/now"))
            assert await other.bodies(1) == ["GET/now"]
            async with await server.connect() as third:
                assert (await third.response()).status == 503
