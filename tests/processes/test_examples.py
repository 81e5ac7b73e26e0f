"""Every example of the OpenAPI document, sent as it stands to a real node with the sample: the answer is documented.

What a node makes up itself (a ticket's code, a place's token) comes from the answers before, as on the page at /docs.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from nodes import Node

# Before the others, in this order: each needs what the ones before have done.
FIRST = ("saveUser", "book", "pay", "joinQueue")
LAST = ("leaveQueue", "cancelEvent", "refundBooking", "giveUpBooking")
MADE_UP = ("code", "token")  # by the node
# What this one node, alone and without Stripe, is right to refuse.
REFUSED = {
    "takeStripeNews": (403, "forbidden"),
    "closeConcern": (404, "not_found"),
    "giveUpBooking": (409, "wrong_status"),  # it is paid, and the money is back
    "failOver": (409, "unsafe"),
    "switchOver": (409, "unsafe"),
    "setSyncStandbys": (409, "unsafe"),
    "pauseTakeover": (409, "unsafe"),
    "resumeTakeover": (409, "unsafe"),
}


class Sender:
    """Sends examples, and keeps what later ones need."""

    def __init__(self, url: str, session: aiohttp.ClientSession, document: dict[str, Any]) -> None:
        self.document = document
        self.known: dict[str, str] = {}
        self._url = url
        self._session = session

    async def send(self, path: str, method: str, operation: dict[str, Any], **more: str) -> tuple[int, Any]:
        """Status, and the document if it is one."""
        query = {}
        for parameter in map(self._resolved, operation.get("parameters", ())):
            name, example = parameter["name"], parameter.get("example")
            if parameter["in"] == "path":
                value = self.known.get(name, str(example)) if name in MADE_UP else str(example)
                path = path.replace(f"{{{name}}}", quote(value, safe=""))
            elif parameter["in"] == "query" and example is not None:
                query[name] = str(example)
        body = None
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["example"] | more
        async with self._session.request(method, self._url + path, params=query, json=body) as response:
            promised = self._resolved(operation["responses"][str(response.status)])
            assert response.content_type in promised["content"], (method, path, response.status)
            if response.content_type == "text/event-stream":
                return response.status, None  # it goes on
            await response.read()
            if not response.content_type.endswith("json"):
                return response.status, None
            return response.status, await response.json(content_type=None)

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self.document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    async def solution(self) -> str:
        async with self._session.get(f"{self._url}/challenge") as response:
            challenge = await response.json()
        for number in range(challenge["maxnumber"] + 1):
            if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]:
                kept = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
                return base64.b64encode(str(kept | {"number": number}).replace("'", '"').encode()).decode()
        raise AssertionError("no number fits")


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    with Node(tmp_path / "data", "--demo") as node:
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session:
            async with session.get(f"{node.url}/openapi.json") as response:
                document = await response.json()
            yield Sender(node.url, session, document)


async def test_every_example_is_answered_as_documented(sender: Sender) -> None:
    calls = {
        operation["operationId"]: (path, method, operation)
        for path, item in sender.document["paths"].items()
        for method, operation in item.items()
    }
    assert {*FIRST, *LAST, *REFUSED} <= calls.keys()
    between = [name for name in calls if name not in (*FIRST, *LAST)]
    for name in (*FIRST, *between, *LAST):
        status, told = await sender.send(*calls[name])
        if name == "joinQueue":  # the sample's waiting room asks for a proof of work
            assert (status, told["code"]) == (403, "challenge_required")
            status, told = await sender.send(*calls[name], challenge=await sender.solution())
            sender.known["token"] = told["token"]
        while status == 202 and name.startswith(("tell", "report")):  # it is being made
            await asyncio.sleep(0.1)
            status, told = await sender.send(*calls[name])
        if name in REFUSED:
            assert (status, told["code"]) == REFUSED[name], (name, told)
            continue
        assert 200 <= status < 300, (name, status, told)
        if name == "pay":
            assert re.fullmatch("[A-Z0-9]+", told["tickets"][0]["code"])
            sender.known["code"] = told["tickets"][0]["code"]
