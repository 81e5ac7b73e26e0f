"""The generator against servers that answer oddly, slowly or not at all."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from click.testing import CliRunner

from onsale.loadtest.generator import drive, main, request_bytes, run

Answer = Callable[[int, bytes], list[bytes]]  # the request's number on its connection, its head; the packets to send


@contextlib.asynccontextmanager
async def scripted(answer: Answer, *, hang_up_after: int | None = None) -> AsyncIterator[int]:
    """A server on some port that sends what it is told, each packet on its own."""
    talks: dict[asyncio.Task, asyncio.StreamWriter] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks[asyncio.current_task()] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            number = 0
            while number != hang_up_after:
                head = await reader.readuntil(b"\r\n\r\n")
                for packet in answer(number, head):
                    writer.write(packet)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                number += 1
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for writer in talks.values():
            writer.transport.abort()
        await asyncio.gather(*talks)


def always(request: bytes) -> Callable[[int], bytes]:
    return lambda _number: request


GET = always(request_bytes("GET", "/"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_every_request_is_answered_once_and_told_apart():
    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(status=201 if int(body) % 3 else 409, body=body)

    application = web.Application()
    application.router.add_post("/echo", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    seen = {}
    for pipeline in (1, 4):
        seen.clear()
        result = await drive(
            "127.0.0.1",
            port,
            lambda number: request_bytes("POST", "/echo", body=str(number).encode()),
            connections=5,
            requests=300,
            pipeline=pipeline,
            on_response=lambda number, status, body: seen.update({number: (status, body)}),
        )
        assert result.requests == 300
        assert result.statuses == {201: 200, 409: 100}
        assert result.errors == {}
        assert result.failed == 0
        assert result.per_second > 0
        assert result.latency_ms["p50"] <= result.latency_ms["p99"] <= result.latency_ms["max"]
        assert seen == {number: (201 if number % 3 else 409, str(number).encode()) for number in range(300)}
    await runner.cleanup()


BODIES: dict[str, tuple[list[bytes], bytes]] = {
    "in one packet": ([OK], b"ok"),
    "byte by byte": ([bytes([byte]) for byte in OK], b"ok"),
    "no body": ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    "not modified, with a length": ([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"], b""),
    "after interim answers": ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", OK], b"ok"),
    "strange case": ([b"HTTP/1.1 200 OK\r\ncOnTent-LenGth:   2  \r\n\r\nok"], b"ok"),
    "chunked": (
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r",
            b"\n2\r\nde\r\n0\r\nX: y\r\n",
            b"\r\n",
        ],
        b"abcde",
    ),
    "a body like a response": ([OK.replace(b": 2", b": %d" % len(OK))[:-2] + OK], OK),
}


@pytest.mark.parametrize("name", BODIES)
async def test_responses_of_all_kinds(name):
    packets, wanted = BODIES[name]
    bodies = []
    async with scripted(lambda _number, _head: packets) as port:
        result = await drive(
            "127.0.0.1",
            port,
            GET,
            connections=1,
            requests=3,
            pipeline=2,
            on_response=lambda _number, _status, body: bodies.append(body),
        )
    assert bodies == [wanted] * 3
    assert (result.requests, result.errors) == (3, {})


async def test_a_head_request_has_no_body():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    async with scripted(lambda _number, head: [answer if head.startswith(b"HEAD") else OK]) as port:
        result = await drive(
            "127.0.0.1",
            port,
            lambda number: request_bytes("GET" if number % 2 else "HEAD", "/"),
            connections=1,
            requests=6,
            pipeline=3,
        )
    assert (result.requests, result.failed) == (6, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",  # its end is the connection's
    ],
)
async def test_a_connection_that_closes_is_made_again(answer):
    bodies = []
    async with scripted(lambda _number, _head: [answer], hang_up_after=1) as port:
        result = await drive(
            "127.0.0.1",
            port,
            GET,
            connections=2,
            requests=7,
            on_response=lambda _number, _status, body: bodies.append(body),
        )
    assert bodies == [b"ok"] * 7
    assert (result.requests, result.failed, result.errors) == (7, 0, {})


async def test_lost_requests_are_counted_not_repeated():
    async with scripted(lambda number, _head: [OK] if number < 2 else [OK[:20]], hang_up_after=3) as port:
        result = await drive("127.0.0.1", port, GET, connections=1, requests=9)
    assert (result.requests, result.failed) == (6, 3)
    assert sum(result.errors.values()) == 3


def two_and_then_nothing(number: int, _head: bytes) -> list[bytes]:
    return [OK] if number < 2 else []


async def test_a_read_that_met_a_closing_connection_is_sent_again_where_that_is_wanted():
    async with scripted(two_and_then_nothing, hang_up_after=3) as port:
        result = await drive("127.0.0.1", port, GET, connections=1, requests=9, read_again=True)
        assert (result.requests, result.failed, result.sent_again, result.errors) == (9, 0, 4, {})
        result = await drive("127.0.0.1", port, GET, connections=1, requests=9)
        assert (result.requests, result.failed, result.sent_again) == (6, 3, 0)


@pytest.mark.parametrize(
    ("request_", "last"),
    [(request_bytes("POST", "/", body=b"{}"), []), (request_bytes("GET", "/"), [OK[:20]])],
    ids=["a write", "part of an answer came"],
)
async def test_what_may_have_been_done_or_was_answered_in_part_is_not_sent_again(request_, last):
    async with scripted(lambda number, _head: [OK] if number < 2 else last, hang_up_after=3) as port:
        result = await drive("127.0.0.1", port, always(request_), connections=1, requests=9, read_again=True)
    assert result.failed > 0
    assert result.sent_again == 0


async def test_what_was_not_answered_in_time_is_not_sent_again():
    async with scripted(two_and_then_nothing) as port:
        result = await drive("127.0.0.1", port, GET, connections=1, requests=3, timeout_seconds=0.05, read_again=True)
    assert (result.requests, result.failed, result.sent_again) == (2, 1, 0)


async def test_a_malformed_answer_is_an_error():
    async with scripted(lambda _number, _head: [b"SSH-2.0-OpenSSH\r\n\r\n"]) as port:
        result = await drive("127.0.0.1", port, GET, connections=1, requests=2)
    assert (result.requests, result.failed) == (0, 2)
    assert all(reason.startswith("malformed") for reason in result.errors)


async def test_an_answer_that_never_comes_is_a_timeout():
    async with scripted(lambda _number, _head: []) as port:
        result = await drive("127.0.0.1", port, GET, connections=2, requests=2, timeout_seconds=0.05)
    assert (result.requests, result.failed, result.errors) == (0, 2, {"timeout": 2})


async def test_a_run_by_time_ends_with_what_is_under_way():
    async with scripted(lambda _number, _head: [OK]) as port:
        result = await drive("127.0.0.1", port, GET, connections=3, seconds=0.1, warm_up_seconds=0.05)
    assert result.requests > 10
    assert result.failed == 0
    assert 0.05 < result.seconds < 5


async def test_an_open_run_keeps_its_rate():
    async with scripted(lambda _number, _head: [OK]) as port:
        result = await drive("127.0.0.1", port, GET, connections=10, requests=100, rate=400)
    assert result.requests == 100
    assert result.seconds > 0.2  # a quarter of a second, and more where others run


async def test_an_open_run_counts_the_wait_of_requests_that_could_not_be_sent():
    async with scripted(lambda _number, _head: [b"HTTP/1.1 200 OK\r\n", OK[17:]] + [b""] * 18) as port:  # some 20 ms
        result = await drive("127.0.0.1", port, GET, connections=1, requests=10, rate=1000)
    assert result.requests == 10
    assert result.latency_ms["max"] > 100  # the last was due after 10 ms and had nine before it


async def test_a_server_that_goes_away_ends_the_run():
    def hang_up(_number: int, _head: bytes) -> list[bytes]:
        closing.append(True)
        return [OK]

    closing: list[bool] = []
    async with scripted(hang_up, hang_up_after=1) as port:
        running = asyncio.create_task(drive("127.0.0.1", port, GET, connections=1, requests=10**6, timeout_seconds=0.2))
        while len(closing) < 3:  # noqa: ASYNC110 - until the server has been asked three times
            await asyncio.sleep(0.001)
    result = await running
    assert result.requests >= 2
    assert any(reason.startswith("connect: ") for reason in result.errors)


async def test_an_unreachable_server_is_told_at_once(unused_tcp_port):
    with pytest.raises(OSError):  # noqa: PT011 - which one is the system's affair
        await drive("127.0.0.1", unused_tcp_port, GET, connections=3, requests=3)
    with pytest.raises(ValueError, match="Give seconds or requests"):
        await drive("127.0.0.1", unused_tcp_port, GET)


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(name="bare")
def bare_peer():
    """Start the bare peer as its own process."""
    with subprocess.Popen(
        [sys.executable, "-m", "onsale.loadtest.peers", "bare", "--cpu", "0"], stdout=subprocess.PIPE
    ) as process:
        yield json.loads(process.stdout.readline())["port"]
        process.terminate()
        assert process.wait(10) == 0


def test_the_command_against_a_peer(bare):
    url = f"http://127.0.0.1:{bare}/booking"
    body = '{"userId": "u-{n}", "eventId": 7}'
    ended = CliRunner().invoke(main, [url, "-d", body, "-n", "200", "-c", "4", "--format", "json"])
    assert ended.exit_code == 0, ended.output
    figures = json.loads(ended.output)
    assert figures["statuses"] == {"201": 200}
    assert set(figures["latency_ms"]) == {"mean", "p50", "p90", "p99", "p99.9", "max"}
    ended = CliRunner().invoke(main, [f"{url}/7", "-n", "10"])
    assert ended.exit_code == 0
    assert "per second" in ended.output
    users = []
    run(
        "127.0.0.1",
        bare,
        lambda number: request_bytes("POST", "/booking", body=b'{"userId":"u-%d"}' % number),
        requests=3,
        connections=1,
        on_response=lambda _number, _status, answer: users.append(json.loads(answer)["userId"]),
    )
    assert users == ["u-0", "u-1", "u-2"]


def test_wrk_where_it_is_installed(bare):
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    arguments = ["-d", '{"userId": "ü\\""}', "-t", "1", "-c", "4", "--wrk", "--format", "json"]
    ended = CliRunner().invoke(main, [f"http://127.0.0.1:{bare}/booking", *arguments])
    assert ended.exit_code == 0, ended.output
    figures = json.loads(ended.output)
    assert figures["requests"] > 100
    assert figures["statuses"] == {}


def test_the_command_tells_what_is_wrong(unused_tcp_port):
    ended = CliRunner().invoke(main, [f"http://127.0.0.1:{unused_tcp_port}/", "-n", "1"])
    assert ended.exit_code == 3
    assert "cannot be reached" in ended.output
    assert CliRunner().invoke(main, ["https://example.org/"]).exit_code == 2
