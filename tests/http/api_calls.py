"""The API at hand for tests: an `Api` on the engine in memory, and calls to it in one line."""

import json
from typing import Any, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from onsale.http.access.auth import Authenticator, issue_token
from onsale.http.api import Api
from onsale.http.call import PROBLEM, Answer, Call
from onsale.http.hot import make_hot
from onsale.http.measures.reading import Reading
from onsale.http.metrics import Metrics
from onsale.http.routes import handle
from onsale.tests.http.engine_gateway import EngineGateway

KEY = b"a-key-for-tests-that-is-long-enough-to-be-one"

EVENT = {
    "name": "Jazz Night",
    "startsAt": "2026-12-24T19:00:00Z",
    "ticketTypes": [{"name": "Standing", "price": "49.90", "capacity": 100}],
}
SEAT_MAP = {  # of 100 seats
    "sections": [
        {
            "name": "Stalls",
            "ticketType": "Standing",
            "rows": [{"name": name, "seats": 20, "accessible": [1], "companions": [2]} for name in "ABCDE"],
        }
    ]
}


class Got(NamedTuple):
    """An answer, as a client sees it."""

    status: int
    body: bytes
    headers: CIMultiDict[str]
    content_type: str

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seq(self) -> int:
        return int(self.headers["Onsale-Seq"])

    @property
    def code(self) -> str:
        """Of a problem, after checking that it is a whole one."""
        problem = self.json()
        assert self.content_type == PROBLEM
        assert problem["status"] == self.status
        assert problem["type"] == f"/docs/errors#{problem['code']}"
        assert problem["title"]
        assert problem["detail"]
        assert problem["seq"] == self.seq
        assert self.headers["Cache-Control"] == "private, no-store"
        return str(problem["code"])


def as_got(answer: Answer) -> Got:
    assert len({name.lower() for name, _ in answer.headers}) == len(answer.headers), "a header twice"
    return Got(answer.status, answer.body, CIMultiDict(answer.headers), answer.content_type)


def as_call(method: str, target: str, body: Any = None, token: str | None = None, **headers: str) -> Call:
    """`headers`: names with underscores. A body that is not bytes is sent as JSON."""
    path, _, query = target.partition("?")
    sent = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    encoded = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Call(method, path, query, CIMultiDictProxy(sent), encoded)


class Calls:
    """An API with its node. With `secured`, callers need a token."""

    def __init__(self, *, secured: bool = False) -> None:
        self.gateway = EngineGateway()
        authenticator = Authenticator.with_key(KEY) if secured else Authenticator.open()
        self.metrics = Metrics(self._reading)
        self.api = Api(self.gateway, authenticator, self.metrics, lambda: b'{"openapi": "3.1.0"}')
        self.hot = make_hot(self.api)

    async def __call__(
        self, method: str, target: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Got:
        return as_got(await handle(self.api, as_call(method, target, body, token, **headers)))

    def at_once(self, method: str, target: str, body: Any = None, token: str | None = None, **headers: str) -> Got:
        """Through the hot path, which must take the call and answer it at once."""
        answers: list[Answer] = []
        count = self.hot(as_call(method, target, body, token, **headers), answers.append)
        assert count
        (answer,) = answers
        count(answer.status, 0.0)  # as the connection does
        return as_got(answer)

    async def event(self, **changes: Any) -> int:
        """A new event's id."""
        got = await self("POST", "/events", EVENT | changes, None if self.api.authenticator.is_open else OPERATOR)
        assert got.status == 201, got.body
        return int(got.json()["id"])

    async def held(self, event_id: int, user_id: str = "ada", **fields: Any) -> int:
        """A new hold's id."""
        token = None if self.api.authenticator.is_open else OPERATOR
        got = await self("POST", "/booking", {"userId": user_id, "eventId": event_id, **fields}, token)
        assert got.status == 201, got.body
        return int(got.json()["bookingId"])

    async def paid(self, event_id: int, user_id: str = "ada", **fields: Any) -> int:
        """A new confirmed booking's id."""
        booking_id = await self.held(event_id, user_id, **fields)
        token = None if self.api.authenticator.is_open else OPERATOR
        booking = (await self("GET", f"/booking/{booking_id}", token=token)).json()
        body = {"userId": user_id, "eventId": event_id, "amount": booking["amount"], "bookingId": booking_id}
        got = await self("POST", "/pay", body, token)
        assert got.status == 200, got.body
        return booking_id

    def _reading(self) -> Reading:
        return Reading(
            role="primary", epoch=1, seq=1, durable_seq=1, checkpoint_seq=1, bookings={}, waiting=0, held=0, events=0
        )


def token_of(role: str, sub: str) -> str:
    return issue_token(KEY, role, sub, 3600)


OPERATOR = token_of("operator", "op")
