"""The OpenAPI document against a running server: thousands of requests made up from it, good and bad.

The server is the real application behind the real connection layer, on a port of this machine; behind it is the real
engine, without disk. What is generated is the same every time. Answers are held against the document in its strictest
reading: a field that it does not mention is a fault too.
"""

import asyncio
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from onsale.engine.commands import SaveTicketKey
from onsale.engine.limits import ID_MAX
from onsale.http.access.auth import Authenticator
from onsale.http.api import Api
from onsale.http.application import make_application
from onsale.http.connection.server import make_runner
from onsale.http.documents.openapi import describe, openapi_document
from onsale.http.documents.openapi_schemas import REQUESTS
from onsale.http.gateway import TicketCode
from onsale.http.hot import make_hot
from onsale.http.measures.reading import Reading
from onsale.http.metrics import Metrics
from onsale.http.wire.times import format_ms
from onsale.tests.http.engine_gateway import EngineGateway

VERSION = "test"
KEY = "Idempotency-Key"
numbers = itertools.count()
OPEN_SCHEMAS = {"Problem", "Fact"}  # whose further fields depend on their code or type

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]


def strict_document() -> dict[str, Any]:
    document = describe(VERSION)
    for name, schema in document["components"]["schemas"].items():
        if name not in (*REQUESTS, *OPEN_SCHEMAS):
            schema["additionalProperties"] = False
    return document


schema = schemathesis.openapi.from_dict(strict_document()).exclude(path_regex="/stream$")  # it would go on for ever
schema.config.generation.allow_extra_parameters = False  # nobody refuses a header for being unknown
schema.config.checks.negative_data_rejection.expected_statuses.append("413")  # lists that are too long may be too large


class CaughtUp(EngineGateway):
    """Whatever position a read is sent with, it has been reached: waiting is tested elsewhere."""

    async def reach(self, seq: int, timeout_seconds: float) -> bool:
        return True

    @property
    def search_seq(self) -> int:
        return ID_MAX

    def read_ticket(self, code: str) -> TicketCode | None:
        return TicketCode(1, 1, 1) if len(code) % 2 else None

    async def facts(self, after_seq: int, limit: int) -> list[dict[str, Any]]:
        return [{"at": format_ms(self.clock_ms)} | fact for fact in await super().facts(after_seq, limit)]


class Server:
    """The API in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        gateway = CaughtUp()
        gateway.decide(SaveTicketKey(b"k" * 32))
        reading = Reading(
            role="primary", epoch=1, seq=0, durable_seq=0, checkpoint_seq=0, bookings={}, waiting=0, held=0, events=0
        )
        api = Api(
            gateway=gateway,
            authenticator=Authenticator.open(),
            metrics=Metrics(lambda: reading),
            openapi=lambda: openapi_document(VERSION),
        )
        runner = make_runner(make_application(api), make_hot(api))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._stopping.wait()
        await runner.cleanup()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    try:
        fill(server.url)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def fill(url: str) -> None:
    """One of everything, so that there is something to find, and lists have a second page."""
    for number in range(1, 4):
        event = {
            "name": f"Night {number}",
            "startsAt": "2030-11-22T19:00:00Z",
            "maxPerUser": 1000,
            "ticketTypes": [
                {"name": "Standing", "price": "49.90", "capacity": 2},
                {"name": "Free", "price": "0", "capacity": 9},
            ],
        }
        assert requests.post(f"{url}/events", json=event, timeout=5).status_code == 201
    for _ in range(4):
        body = {"userId": "u-1", "eventId": 1, "ticketType": "Standing"}
        assert requests.post(f"{url}/booking", json=body, timeout=5).status_code in (201, 202)
    pay = {"userId": "u-1", "eventId": 1, "bookingId": 1, "amount": "49.90", "paymentMethod": "pm_card_visa"}
    assert requests.post(f"{url}/pay", json=pay, timeout=5).status_code == 200
    assert requests.put(f"{url}/users/u-1", json={"name": "Ada"}, timeout=5).status_code == 200


def give_key_of_its_own(case: schemathesis.Case) -> None:
    """Most made-up keys are the same few: without this, most writes would be refused for it and nothing else."""
    key = case.headers.get(KEY) if isinstance(case.headers, Mapping) else None
    if isinstance(key, str) and 1 <= len(key) <= 255:
        case.headers[KEY] = str(next(numbers)).rjust(len(key), "k")


@schema.parametrize()
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_does_what_the_document_says(
    case: schemathesis.Case, server: Server, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    give_key_of_its_own(case)
    case.call_and_validate(base_url=server.url, session=session, checks=CHECKS)
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors
