"""Heads that are known again: whatever is remembered, a request says what it says to who has never seen one before."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from hypothesis import example, given
from hypothesis import strategies as st

from onsale.http.connection.limits import ConnectionLimits
from onsale.http.connection.request_reader import ClientError, RequestReader
from onsale.http.connection.same_head import HEAD_BYTES_MAX
from onsale.tests.http.serving import get, post

KEY = "Idempotency-Key"


@pytest.fixture(scope="module", name="loop")
def unused_loop():
    """Make what the parser wants and never runs."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def reader_on(loop) -> RequestReader:
    return RequestReader(BaseProtocol(loop), loop, ConnectionLimits(body_bytes_max=2000, head_bytes_max=3000))


def said(reader: RequestReader, data: bytes, *, again: bool = True):
    """All requests that are read from `data`, and how that ends."""
    got = []

    def take(request) -> bool:
        if request is not None:
            message, body, plain = (*request, True)[:3]
            headers = [(name.lower(), value) for name, value in message.headers.items()]
            got.append((message.method, message.path, message.version, headers, body, plain))
        return request is not None

    try:
        if not (again and take(reader.again(data))):
            reader.feed(data)
            while take(reader.next()):
                pass
    except ClientError as error:
        return [*got, (error.status, error.code, error.detail)]
    return [*got, reader.awaited, reader.unread_bytes]


values = st.one_of(
    st.just("folded\r\n on"),
    st.sampled_from(
        ["", " ", "k", "a key", " k ", "k\t", "\tk", "ké", "k\x7f", "k\x00", "k\r\nX: 1", "k\r\n\r\n", "k" * 256]
    ),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
names = st.sampled_from([KEY, KEY.lower(), "X-Other", "Cookie"])
lines = st.lists(st.tuples(names, st.sampled_from([":", ": ", ":\t", " : "]), values), max_size=3)


def request_with(some, body: bytes, tail: bytes = b"") -> bytes:
    head = get("/booking").replace(b"GET", b"POST").removesuffix(b"\r\n")
    head += b"".join(f"{name}{colon}{value}\r\n".encode("latin-1") for name, colon, value in some)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body + tail


@given(
    first=lines,
    second=lines,
    bodies=st.tuples(st.binary(max_size=30), st.binary(max_size=30)),
    tail=st.sampled_from([b"", b"\r\n", b"GET / HTTP/1.1\r\n", get("/next")]),
    cut=st.integers(0, 300),
)
@example(first=[(KEY, ": ", "k")], second=[(KEY, ": ", "k\r\nX: 1")], bodies=(b"", b""), tail=b"", cut=0)
@example(first=[(KEY, ": ", "k")], second=[(KEY, ": ", "other")], bodies=(b"{}", b"[]"), tail=b"", cut=0)
def test_a_request_says_the_same_whatever_came_before_it(loop, first, second, bodies, tail, cut):
    data = request_with(second, bodies[1], tail)
    for piece in (data, data[: len(data) - cut]):
        reader = reader_on(loop)
        before = said(reader, request_with(first, bodies[0]))
        if not isinstance(before[-1], int):
            return  # the connection has ended
        assert said(reader, piece) == said(reader_on(loop), piece)


@given(
    keys=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40), min_size=2),
    bodies=st.lists(st.binary(min_size=4, max_size=4), min_size=2),
)
def test_keys_and_bodies_are_each_request_s_own(loop, keys, bodies):
    reader = reader_on(loop)
    for key, body in zip(keys, bodies, strict=False):
        ((*_, headers, got, _plain), *_) = said(reader, post("/booking", body, f"{KEY}: {key}"))
        assert (dict(headers)[KEY.lower()], got) == (key.strip(), body)


def test_only_whole_requests_are_told_by_their_head(loop):
    data = post("/booking", b"0123456789", f"{KEY}: one")
    for size in range(1, len(data)):
        reader = reader_on(loop)
        said(reader, data)
        assert reader.again(data[:size]) is None
        assert reader.again(data + data[:size]) is None
    reader = reader_on(loop)
    poll = get("/poll")
    said(reader, poll)
    assert reader.again(poll + b"x") is None
    assert reader.again(b"") is None


def test_a_body_longer_than_what_came_is_not_taken_for_a_head(loop):
    """Counted from the end, the head would lie before the packet."""
    long = post("/b", b"x" * 150)
    reader = reader_on(loop)
    said(reader, long)
    same = reader.same
    assert same is not None
    assert same.again(same.start[:100]) is None
    assert same.again(same.start + b"x" * 149) is None
    assert same.again(same.start + b"x" * 150) is not None


def test_another_length_is_another_head(loop):
    reader = reader_on(loop)
    said(reader, post("/booking", b"1234"))
    assert reader.again(post("/booking", b"12345")) is None


def test_what_is_kept_is_bounded(loop):
    fits = get("/c", "X: x")
    fits = get("/c", "X: x" + "x" * (HEAD_BYTES_MAX - len(fits)))
    for data, is_kept in ((fits, True), (fits.replace(b"X: ", b"X: x"), False)):
        reader = reader_on(loop)
        said(reader, data)
        assert (reader.same is not None) is is_kept


def test_a_message_with_two_keys_is_read_each_time(loop):
    reader = reader_on(loop)
    said(reader, post("/booking", b"{}", f"{KEY}: one", f"{KEY}: two"))
    assert reader.same is None
