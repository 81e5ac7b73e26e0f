"""Framing, without sockets: any packets give the same requests, and no bytes give anything but requests or refusals."""

import asyncio
from itertools import pairwise

import pytest
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from onsale.http.connection.limits import ConnectionLimits
from onsale.http.connection.request_reader import Awaited, ClientError, RequestReader
from onsale.tests.http.serving import get, post


@pytest.fixture(scope="module", name="loop")
def unused_loop():
    """Make what the parser wants and never runs."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def reader_on(loop: asyncio.AbstractEventLoop) -> RequestReader:
    return RequestReader(BaseProtocol(loop), loop, ConnectionLimits(body_bytes_max=2000, head_bytes_max=500))


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    head = get("/c", "Transfer-Encoding: chunked").replace(b"GET", b"PUT")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


bodies = st.binary(max_size=2000)
requests = st.one_of(
    st.just((get("/a?b"), ("GET", "/a?b", b"", True))),
    st.just((b"\r\n" + get("/e", "Connection: Upgrade", "Upgrade: websocket"), ("GET", "/e", b"", False))),
    bodies.map(lambda body: (post("/b", body), ("POST", "/b", body, True))),
    st.builds(lambda body, size: (chunked(body, size), ("PUT", "/c", body, False)), bodies, st.integers(1, 3000)),
)


@given(wanted=st.lists(requests, max_size=8), cuts=st.lists(st.integers(0, 20_000), max_size=40))
def test_any_packets_give_the_same_requests(loop, wanted, cuts):
    reader = reader_on(loop)
    stream = b"".join(data for data, _ in wanted)
    got = []
    for start, end in pairwise(sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})):
        reader.feed(stream[start:end])
        while (request := reader.next()) is not None:
            message, body, plain = request
            got.append((message.method, message.path, body, plain))
    assert got == [request for _, request in wanted]
    assert reader.unread_bytes == 0
    assert reader.awaited is Awaited.REQUEST


@given(
    data=st.lists(requests, min_size=1, max_size=3).map(lambda some: b"".join(one for one, _ in some)),
    position=st.floats(0, 1, exclude_max=True),
    inserted=st.binary(max_size=5) | st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b"\0", b" ", b":", b"\xff"]),
    removed=st.integers(0, 30),
    cut=st.floats(0, 1),
)
def test_no_bytes_give_anything_but_requests_or_refusals(loop, *, data, position, inserted, removed, cut):
    reader = reader_on(loop)
    at = int(position * len(data))
    damaged = data[:at] + inserted + data[at + removed :]
    middle = int(cut * len(damaged))
    try:
        for part in (damaged[:middle], damaged[middle:]):
            reader.feed(part)
            while (request := reader.next()) is not None:
                message, body, _ = request
                assert len(body) <= 2000
                "".join([message.path, *message.headers, *message.headers.values()]).encode()
    except ClientError as error:
        assert error.status in (400, 413, 415, 431)  # noqa: PT017 - it need not be raised
        error.detail.encode()


def test_what_the_reader_waits_for_and_when_its_time_begins(loop):
    reader = reader_on(loop)
    request = post("/b", b"abc")
    stages = []
    for byte in request + request:
        reader.feed(bytes([byte]))
        while reader.next() is not None:
            pass
        stages.append((reader.awaited, reader.stages))
    head, body = len(request) - 4, 3
    assert stages == [
        *[(Awaited.REST_OF_HEAD, 1)] * head,
        *[(Awaited.REST_OF_BODY, 2)] * body,
        (Awaited.REQUEST, 2),
        *[(Awaited.REST_OF_HEAD, 3)] * head,
        *[(Awaited.REST_OF_BODY, 4)] * body,
        (Awaited.REQUEST, 4),
    ]


class CountingParser:
    """aiohttp's parser, and how often it was asked."""

    def __init__(self, parser) -> None:
        self._parser = parser
        self.asked = 0

    def feed_data(self, data: bytes):
        self.asked += 1
        return self._parser.feed_data(data)

    def __getattr__(self, name: str):
        return getattr(self._parser, name)


@pytest.mark.parametrize("again", [True, False])
def test_a_head_that_is_the_one_before_is_not_parsed_again(loop, *, again):
    reader = reader_on(loop)
    parser = reader._parser = CountingParser(reader._parser)

    def asked(*packets: bytes) -> tuple[int, list[tuple[str, bytes, bool, str]]]:
        before, got = parser.asked, []
        for packet in packets:
            if again and (request := reader.again(packet)) is not None:
                got.append((request[0].path, request[1], True, request[0].headers.get("Authorization", "")))
                continue
            reader.feed(packet)
            while (request := reader.next()) is not None:
                message, body, plain = request
                got.append((message.path, body, plain, message.headers.get("Authorization", "")))
        return parser.asked - before, got

    poll, other = get("/a?b", "Authorization: Bearer ann"), get("/a?b", "Authorization: Bearer bob")
    ann, bob = ("/a?b", b"", True, "Bearer ann"), ("/a?b", b"", True, "Bearer bob")
    assert asked(poll, poll, poll + poll) == (1, [ann] * 4)
    assert asked(other, poll, poll) == (2, [bob, ann, ann])
    booking, another = (post("/b", body, "Idempotency-Key: 1") for body in (b"body", b"bodu"))
    body, bodu = ("/b", b"body", True, ""), ("/b", b"bodu", True, "")
    assert asked(booking, another, booking + another) == (1, [body, bodu, body, bodu])
    assert asked(another[:-2], another[-2:]) == (0, [bodu]), "its body may come later"
    assert asked(booking.replace(b": 1", b": 22"), booking) == (0, [body] * 2), "nor is one with another key"
    assert asked(post("/b", b"longer"), booking, poll) == (3, [("/b", b"longer", True, ""), body, ann])
    assert asked(poll[:20], poll[20:]) == (2, [ann]), "in pieces it is read as ever"
    assert asked(b"\r\n" + poll, poll) == (1, [ann, ann])
    reader.forget()
    assert asked(poll, poll) == (1, [ann, ann])


def test_the_same_bytes_elsewhere_are_not_the_same_request(loop):
    reader = reader_on(loop)
    poll = get("/a")
    assert reader.again(poll) is None, "there was none before"
    reader.feed(poll)
    request = reader.next()
    assert request is not None
    assert reader.again(poll) == request[:2]
    for begun, awaited in ((get("/b")[:-2], Awaited.REST_OF_HEAD), (post("/b", poll * 2)[:-60], Awaited.REST_OF_BODY)):
        reader = reader_on(loop)
        reader.feed(poll)
        assert reader.next() is not None
        reader.feed(begun)
        assert reader.next() is None
        assert reader.awaited is awaited
        assert reader.again(poll) is None, "they go on with what was begun"
    reader = reader_on(loop)
    reader.feed(poll + poll)
    assert reader.next() is not None
    assert reader.again(poll) is None, "one before it is to be taken first"
    assert reader.next() is not None
    assert reader.again(poll) is not None
    reader.forget()
    assert reader.again(poll) is None
    assert reader.again(b"") is None


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("/c", "Connection: Upgrade", "Upgrade: websocket"),
        get("/c", "Expect: 100-continue"),
        get("/c", f"X: {'x' * 1_100}"),
        post("/c", b"{}", "Expect: 100-continue"),
        post("/c", b"{}", "Idempotency-Key: 1", "Idempotency-Key: 2"),
        chunked(b"{}", 1),
    ],
)
def test_all_but_plain_small_heads_are_parsed_each_time(loop, request_bytes):
    reader = RequestReader(BaseProtocol(loop), loop, ConnectionLimits())
    parser = reader._parser = CountingParser(reader._parser)
    for asked in (1, 2):
        assert reader.again(request_bytes) is None
        reader.feed(request_bytes)
        assert reader.next() is not None
        assert parser.asked == asked
