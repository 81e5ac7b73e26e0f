"""Asking a node as a stranger would: plain HTTP, and what the contract says about every answer checked on the way."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # by lower-case name
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        return str(self.json["code"]) if self.headers.get("content-type") == PROBLEM else None

    @property
    def seq(self) -> int:
        return int(self.headers["onsale-seq"])

    @property
    def replayed(self) -> bool:
        return self.headers.get("idempotency-replayed") == "true"

    @property
    def next(self) -> str | None:
        found = re.fullmatch(r'<([^>]+)>; rel="next"', self.headers.get("link", ""))
        return found[1] if found else None


class Caller:
    """Calls the node at `url`, in the name of `token`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Answer:
        """`body`: bytes as they are, anything else as JSON. `headers`: names with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if key is not None:
            sent["Idempotency-Key"] = key
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        assert self.host
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, path, payload, sent)
            response = connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()
        check_answer(method, answer)
        return answer

    def raw(self, request: bytes, seconds: float = 5) -> bytes:
        """All that comes back until the node hangs up, which these requests must make it do."""
        with socket.create_connection((self.host, self.port), seconds) as connection:
            connection.sendall(request)
            received = b""
            while chunk := connection.recv(65_536):
                received += chunk
            return received

    def at_once(self, *requests: tuple[Any, ...], **options: Any) -> list[Answer]:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda request: self(*request, **options), requests))

    def pages(self, path: str) -> Iterator[Any]:
        """The entries of a list, page after page."""
        following: str | None = path
        while following:
            page = self("GET", following)
            assert page.status == 200, page
            yield from page.json
            following = page.next

    def event(self, **fields: Any) -> int:
        body = {
            "name": "Rehearsal",
            "startsAt": "2099-01-01T20:00:00Z",
            "ticketTypes": [{"name": "Standing", "price": "10.00", "capacity": 3}],
        } | fields
        answer = self("POST", "/events", body)
        assert answer.status == 201, answer
        return int(answer.json["id"])

    def book(self, event_id: int, user_id: str = "ann", quantity: int = 1, **fields: Any) -> Answer:
        return self("POST", "/booking", {"userId": user_id, "eventId": event_id, "quantity": quantity} | fields)

    def held(self, event_id: int, user_id: str = "ann", quantity: int = 1, **fields: Any) -> int:
        answer = self.book(event_id, user_id, quantity, **fields)
        assert answer.status == 201, answer
        return int(answer.json["bookingId"])

    def pay(self, event_id: int, user_id: str = "ann", amount: str = "10.00", **fields: Any) -> Answer:
        return self("POST", "/pay", {"userId": user_id, "eventId": event_id, "amount": amount} | fields)

    def paid(self, event_id: int, user_id: str = "ann") -> int:
        booking_id = self.held(event_id, user_id)
        assert self.pay(event_id, user_id, bookingId=booking_id).status == 200
        return booking_id

    def status(self, booking_id: int) -> str:
        return str(self("GET", f"/booking/{booking_id}").json["status"])

    def kinds(self, user_id: str) -> list[str]:
        """Of the user's notifications, oldest first."""
        return [notice["kind"] for notice in self("GET", f"/users/{user_id}/notifications").json][::-1]


def check_answer(method: str, answer: Answer) -> None:
    """What holds for whatever was asked."""
    assert answer.status != 500, answer
    assert "server" not in answer.headers
    assert answer.seq >= 0
    if method == "HEAD":
        return
    if answer.status >= 400:
        assert answer.headers["content-type"] == PROBLEM, answer
        problem = answer.json
        assert problem["status"] == answer.status
        assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail", "code"))
        assert problem["seq"] == answer.seq
        assert answer.headers["cache-control"] == "private, no-store"
        if answer.status in (425, 429, 503):
            assert int(answer.headers["retry-after"]) == problem["retryAfterSeconds"] >= 1
    elif method == "GET":
        assert re.fullmatch(r'"[^"]+"', answer.headers["etag"])
        control = answer.headers["cache-control"]
        assert control == "private, no-store" or re.fullmatch(
            r"public, s-maxage=\d+, stale-while-revalidate=\d+|private, max-age=\d+", control
        )
    elif method in {"POST", "PUT", "PATCH", "DELETE"}:
        assert answer.json["seq"] == answer.seq
        assert answer.headers["cache-control"] == "private, no-store"
