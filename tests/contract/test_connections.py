"""The connection itself: sizes, pipelining, chunked bodies, and what is no HTTP. Time limits: tests/http."""

import json
import re

import pytest

from onsale.tests.contract.asking import Caller

BODY_BYTES_MAX = 65_536
HEAD_BYTES_MAX = 16_384


def request(line: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def booking(ask: Caller, size: int) -> bytes:
    return json.dumps({"userId": "big", "eventId": ask.event()}).encode().ljust(size)


def test_a_body_of_64_kib_and_no_more(ask: Caller) -> None:
    assert ask("POST", "/booking", booking(ask, BODY_BYTES_MAX)).status == 201
    assert ask("PUT", "/users/big", b"{}".ljust(BODY_BYTES_MAX)).status == 200
    for method, path in (("POST", "/booking"), ("PUT", "/users/big"), ("POST", "/events")):
        answer = ask(method, path, booking(ask, BODY_BYTES_MAX + 1))
        assert (answer.status, answer.code) == (413, "too_large")


def test_chunked_bodies(ask: Caller) -> None:
    for size, status in ((200, 201), (BODY_BYTES_MAX, 201), (BODY_BYTES_MAX + 1, 413)):
        body = booking(ask, size)
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(body[at : at + 1000]), body[at : at + 1000]) for at in range(0, size, 1000)
        )
        head = request("POST /booking", b"", "Transfer-Encoding: chunked", "Connection: close")
        assert statuses(ask.raw(head + chunks + b"0\r\n\r\n")) == [status]


def test_headers_of_16_kib_and_no_more(ask: Caller) -> None:
    rest = len(request("GET /healthz", b"", "Connection: close", "X: "))
    fits = "a" * (HEAD_BYTES_MAX - rest)
    assert statuses(ask.raw(request("GET /healthz", b"", "Connection: close", "X: " + fits))) == [200]
    assert statuses(ask.raw(request("GET /healthz", b"", "Connection: close", "X: " + fits + "aa"))) == [431]
    assert statuses(ask.raw(request("GET /events?search=" + "a" * HEAD_BYTES_MAX))) == [431]


def test_pipelined_requests_are_answered_in_order(ask: Caller) -> None:
    event_id = ask.event()
    body = json.dumps({"userId": "piper", "eventId": event_id}).encode()
    received = ask.raw(
        request(f"GET /events/{event_id}/availability")
        + request("POST /booking", body)
        + request(f"GET /events/{event_id}")
        + request("POST /booking", body)
        + request("GET /nowhere")
        + request("POST /booking", b"{")
        + request(f"GET /events/{event_id}/availability", b"", "Connection: close")
    )
    assert statuses(received) == [200, 201, 200, 201, 404, 400, 200]
    assert re.findall(rb'"held":(\d)', received) == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n", 400),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415),
        (b"POST /booking HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", 417),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET /hea\x00lthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"FOO /events HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_is_a_problem_like_any_other(ask: Caller, sent: bytes, status: int) -> None:
    received = ask.raw(sent)
    assert statuses(received) == [status]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert b"Cache-Control: private, no-store" in head
    assert b"Server:" not in head
    problem = json.loads(body)
    assert problem["status"] == status
    assert f"Onsale-Seq: {problem['seq']}".encode() in head
