"""Requests as bytes over real sockets: split anywhere, at the limits of size, and malformed."""

import asyncio

import pytest

from onsale.tests.http.serving import get, post, problem_of, serving, until

BODY_BYTES_MAX = 64 * 1024
HEAD_BYTES_MAX = 16 * 1024

MALFORMED = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /now\r\n\r\n",
    "HTTP/2.0": get("/now", version="2.0"),
    "HTTP/1.2": get("/now", version="1.2"),
    "unknown method": b"BOOK /now HTTP/1.1\r\nHost: a\r\n\r\n",
    "method in lower case": b"get /now HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the request line": b"GET /no\x00w HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes beyond ASCII in the request line": "GET /now/ü HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "relative target": b"GET now HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute target without a host": b"GET http:///now HTTP/1.1\r\nHost: a\r\n\r\n",
    "space after the version": b"GET /now HTTP/1.1 \r\nHost: a\r\n\r\n",
    "no Host": b"GET /now HTTP/1.1\r\n\r\n",
    "two Hosts": get("/now", "Host: b"),
    "Host that is none": b"GET /now HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a port that is none": b"GET /now HTTP/1.1\r\nHost: a:99999\r\n\r\n",
    "target that trips the URL parser": b"GET http://[]]@ HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare LF": b"GET /now HTTP/1.1\nHost: a\n\n",
    "bare LF in the headers": b"GET /now HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare LF at the end": b"GET /now HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR": b"GET /now HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "obs-fold": get("/now", "X: a\r\n b"),
    "space before the colon": get("/now", "X : a"),
    "no colon": get("/now", "X"),
    "empty name": get("/now", ": a"),
    "NUL in a header": get("/now", "X: \0"),
    "header that is not UTF-8": b"GET /now HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n",
    "lone surrogate in a header": b"GET /now HTTP/1.1\r\nHost: a\r\nX: \xed\xa0\x80\r\n\r\n",
    "length and chunked": post("/now", b"5", "Transfer-Encoding: chunked"),
    "chunked and length": b"POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "two lengths": post("/now", b"12345", "Content-Length: 5"),
    "two different lengths": post("/now", b"12345", "Content-Length: 6"),
    "length list": get("/now", "Content-Length: 5, 5"),
    "negative length": get("/now", "Content-Length: -1"),
    "length with a plus": get("/now", "Content-Length: +1"),
    "length in hex": get("/now", "Content-Length: 0x10"),
    "empty length": get("/now", "Content-Length: "),
    "length beyond 64 bits": get("/now", "Content-Length: 99999999999999999999"),
    "unknown transfer encoding": get("/now", "Transfer-Encoding: gzip"),
    "compressed and chunked": get("/now", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunked twice": get("/now", "Transfer-Encoding: chunked, chunked"),
    "almost chunked": get("/now", "Transfer-Encoding: xchunked"),
    "chunked over HTTP/1.0": get("/now", "Transfer-Encoding: chunked", version="1.0"),
    "chunk size that is none": get("/now", "Transfer-Encoding: chunked") + b"z\r\n",
    "negative chunk size": get("/now", "Transfer-Encoding: chunked") + b"-1\r\n",
    "chunk with bytes beyond ASCII": get("/now", "Transfer-Encoding: chunked") + b"\xff\xfe\r\n",
    "chunk longer than said": get("/now", "Transfer-Encoding: chunked") + b"1\r\nab\r\n",
    "chunks with bare LF": get("/now", "Transfer-Encoding: chunked") + b"1\na\n0\n\n",
    "headers without number": get("/now", *(f"X{n}: y" for n in range(200))),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed(name):
    async with serving() as server, await server.connect() as client:
        client.send(get("/later/before") + MALFORMED[name] + get("/now/after"))
        await until(lambda: server.owed)
        server.answer(0)
        assert await client.bodies(1) == ["/later/before"]
        response = await client.response()
        problem_of(response, 400, "invalid_field")
        assert response.headers["connection"] == "close"
        assert await client.rest() == b""
        assert len(server.taken) == 1
        assert server.handled == []


@pytest.mark.parametrize("name", ["bare LF", "TLS", "not HTTP", "bare CR"])
async def test_malformed_is_noticed_before_the_end_of_the_head(name):
    async with serving() as server, await server.connect() as client:
        client.send(MALFORMED[name].removesuffix(b"\r\n\r\n") + b"\r\n")
        problem_of(await client.response(), 400, "invalid_field")


CALLS = [
    ("GET/now/%s", get("/now/%s")),
    ("POST/now/%sabcdefg", post("/now/%s", b"abcdefg")),
    ("POST/cold/%sabcdefg", post("/cold/%s", b"abcdefg")),
    (
        "POST/cold/%sabcdefghi",
        b"".join(
            [
                b"POST /cold/%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"3;a=b\r\nabc\r\n6\r\ndefghi\r\n0\r\nX: y\r\n\r\n",
            ]
        ),
    ),
]


@pytest.mark.parametrize(("body", "request_bytes"), CALLS)
async def test_a_request_split_at_every_byte(body, request_bytes):
    async with serving() as server, await server.connect() as client:
        received = 0
        for position in range(1, len(request_bytes)):
            for part in (request_bytes[:position], request_bytes[position:]):
                client.send(part)
                received += len(part)
                await until(lambda: server.connections and server.connection.received_bytes == received)  # noqa: B023 - awaited at once
            assert await client.bodies(1) == [body]


async def test_requests_byte_by_byte():
    async with serving() as server, await server.connect() as client:
        connection_bytes = b"".join(request for _, request in CALLS)
        client.send(get("/now/0"))
        await client.response()
        connection = server.connection
        for byte in connection_bytes:
            await until(lambda: not connection._in_framework)
            connection.data_received(bytes([byte]))
        assert await client.bodies(len(CALLS)) == [body for body, _ in CALLS]


async def test_empty_lines_before_a_request_are_skipped():
    async with serving() as server, await server.connect() as client:
        for request in (get("/now"), b"\r\n" + get("/now"), b"\r\n\r\n\n" + get("/now") + b"\r\n\r\n"):
            client.send(request)
            assert await client.bodies(1) == ["GET/now"]
        for piece in (b"\r", b"\n", b"\r\n", get("/now")[:1], get("/now")[1:]):
            client.send(piece)
            await asyncio.sleep(0.002)
        assert await client.bodies(1) == ["GET/now"]


# -- sizes -----------------------------------------------------------------------------------------------------------


def chunked(path: str, *chunks: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize("path", ["/now", "/cold"])
async def test_the_largest_body(path):
    body = b"x" * BODY_BYTES_MAX
    async with serving() as server, await server.connect() as client:
        client.send(post(path, body) + get("/now") + chunked("/cold", body[:1], body[1:]) + get("/now"))
        wanted = [f"POST{path}{body.decode()}", "GET/now", f"POST/cold{body.decode()}", "GET/now"]
        assert await client.bodies(4) == wanted


@pytest.mark.parametrize(
    "request_bytes",
    [
        post("/now", b"x" * (BODY_BYTES_MAX + 1)),
        post("/cold", b"x" * (BODY_BYTES_MAX + 1)),
        post("/now", b"x" * 5_000_000),
        get("/now", "Content-Length: 18446744073709551615"),
        chunked("/cold", b"x" * BODY_BYTES_MAX, b"x"),
        chunked("/cold", b"x" * 5_000_000),
        b"POST /cold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"1;" + b"e" * 5000 + b"\r\nx\r\n") * 500,
    ],
    ids=lambda data: f"{len(data)}",
)
async def test_a_body_that_is_too_large(request_bytes):
    async with serving() as server, await server.connect() as client:
        client.send(request_bytes)
        problem_of(await client.response(), 413, "too_large")
        assert await client.rest() == b""
        assert server.taken == server.handled == []


def head_of(size: int) -> bytes:
    lines = [f"X{n}: {'y' * 1000}" for n in range(size // 1100)]
    short = size - len(get("/now", *lines, "Last: "))
    return get("/now", *lines, "Last: " + "z" * short)


async def test_the_largest_head():
    request = head_of(HEAD_BYTES_MAX)
    assert len(request) == HEAD_BYTES_MAX
    long_path = "/now/" + "p" * (HEAD_BYTES_MAX - len(get("/now/")))
    async with serving() as server, await server.connect() as client:
        client.send(request + request + get(long_path))
        assert await client.bodies(3) == ["GET/now", "GET/now", f"GET{long_path}"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        head_of(HEAD_BYTES_MAX + 1),
        get("/now", "X: " + "y" * 100_000),
        get("/now" * HEAD_BYTES_MAX),
        b"GET /" + b"x" * HEAD_BYTES_MAX,
        b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES_MAX,
        b"G" * 20_000,
    ],
    ids=["one more", "long header", "long target", "endless target", "endless header", "endless method"],
)
async def test_a_head_that_is_too_large(request_bytes):
    async with serving() as server, await server.connect() as client:
        for at in range(0, len(request_bytes), 3000):
            client.send(request_bytes[at : at + 3000])
            await asyncio.sleep(0)
        response = await client.response()
        if request_bytes[:2] == b"GG":
            problem_of(response, 400, "invalid_field")
        else:
            problem_of(response, 431, "too_large")
        assert await client.rest() == b""


# -- the unusual, which is not malformed -----------------------------------------------------------------------------


async def test_expect_continue():
    body = b"x" * 100
    for path in ("/now", "/cold"):
        async with serving() as server, await server.connect() as client:
            request = post(path, body, "Expect: 100-continue")
            client.send(get("/later/1") + request[:-100])
            await until(lambda: server.owed)
            server.answer(0)
            assert (await client.response()).body == b"/later/1"
            assert (await client.response()).status == 100
            client.send(request[-100:] + get("/now"))
            response = await client.response()
            if path == "/now":
                problem_of(response, 404, "not_found")  # not plain, so the hot path is not asked
            else:
                assert response.body == b"POST/cold" + body
            assert await client.bodies(1) == ["GET/now"]


async def test_expect_without_waiting_and_with_too_much():
    async with serving() as server, await server.connect() as client:
        client.send(post("/cold", b"abc", "Expect: 100-continue"))
        client.send(get("/cold", "Content-Length: 70000", "Expect: 100-continue"))
        responses = await client.responses(2)
        assert [response.status for response in responses] == [200, 413]


async def test_an_expectation_we_do_not_know():
    async with serving() as server, await server.connect() as client:
        client.send(post("/cold", b"abc", "Expect: tea") + get("/now"))
        problem_of(await client.response(), 417, "invalid_field")
        assert await client.bodies(1) == ["GET/now"]


async def test_a_compressed_body():
    async with serving() as server, await server.connect() as client:
        client.send(post("/now", b"\x1f\x8b", "Content-Encoding: gzip"))
        problem_of(await client.response(), 415, "invalid_field")


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
async def test_an_upgrade_is_not_made(protocol):
    async with serving() as server, await server.connect() as client:
        upgrade = (f"Upgrade: {protocol}", "Connection: Upgrade")
        client.send(get("/cold", *upgrade) + post("/cold", b"abc", *upgrade) + get("/now"))
        assert await client.bodies(3) == ["GET/cold", "POST/coldabc", "GET/now"]


async def test_connect_and_asterisk():
    async with serving() as server, await server.connect() as client:
        client.send(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + get("/now"))
        for _ in range(2):
            problem_of(await client.response(), 404, "not_found")
        assert await client.bodies(1) == ["GET/now"]
