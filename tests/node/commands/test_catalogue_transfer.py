"""`onsale events import` and `export` against a real node, and against servers that are in trouble."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from yarl import URL

from onsale.node.command_line import main
from onsale.node.commands.catalogue import Line
from onsale.node.commands.catalogue_transfer import AT_ONCE, NodeClient, node_url
from onsale.node.commands.output import CommandFailed
from onsale.tests.processes.nodes import Node

KEY = "a-shared-key-of-at-least-thirty-two-bytes"
UNREACHABLE = 3


def run(*arguments: str, input_bytes: bytes | None = None, **environment: str) -> Result:
    clean: dict[str, str | None] = {"ONSALE_TOKEN": None, "ONSALE_NODE": None, "ONSALE_FORMAT": None}
    return CliRunner().invoke(main, ["events", *arguments], env=clean | environment, input=input_bytes)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"Concert {number}",
        "startsAt": f"2097-01-01T{number % 24:02d}:{number // 24 % 60:02d}:00.000Z",
        "city": "Berlin; east",
        "currency": "EUR",
        "maxPerUser": 4,
        "waitlist": "strict",
        "ticketTypes": [{"name": "Standing", "price": "10.00", "capacity": number}],
    } | fields


def lines_of(count: int) -> list[Line]:
    return [Line(number, json.dumps(event(number)).encode()) for number in range(1, count + 1)]


def write_lines(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return path


def silent(_what: str, _done: int, _total: int) -> None: ...


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


# --- a real node


def test_import_again_and_export_and_import_elsewhere(node: Node, tmp_path: Path) -> None:
    events = [event(number) for number in range(1, 151)]
    events[3] |= {
        "description": 'A "quoted", long\nstory',
        "onSaleAt": "2096-12-01T00:00:00.000Z",
        "maxHoldsPerUser": 2,
    }
    file = write_lines(tmp_path / "events.jsonl", *events)
    first = run("import", str(file), "--node", node.url)
    assert first.exit_code == 0, first.output
    assert first.stdout == "150 events created.\n"
    again = run("import", str(file), "--node", node.url)
    assert again.exit_code == 0
    assert again.stdout == "0 events created, 150 were there already.\n"

    exported = tmp_path / "exported.csv"
    written = run("export", str(exported), ONSALE_NODE=node.url)
    assert written.exit_code == 0, written.output
    assert "150 events written." in written.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "exported.csv"]
    as_json = run("export", "--node", node.url)
    assert sorted(map(json.loads, as_json.stdout.splitlines()), key=_number) == events

    with Node(tmp_path / "other") as other:
        assert run("import", str(exported), "--node", other.url).exit_code == 0
        back = run("export", "-", "--node", other.url, "--format", "jsonl")
        assert sorted(map(json.loads, back.stdout.splitlines()), key=_number) == events


def _number(event: dict[str, Any]) -> int:
    return int(event["name"].split()[1])


def test_a_bad_line_keeps_everything_from_being_sent(node: Node, tmp_path: Path) -> None:
    before = run("export", "--node", node.url).stdout
    file = write_lines(tmp_path / "events.jsonl", event(901), event(902, startsAt="soon"), event(903, price=1))
    result = run("import", str(file), "--node", node.url)
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["2", "3"]
    assert "2 of 3 lines are wrong; nothing was sent." in result.stderr
    assert run("export", "--node", node.url).stdout == before


def test_standard_input_and_cancelled_events(tmp_path: Path) -> None:
    with Node(tmp_path / "data") as node:
        lines = "".join(json.dumps(event(number)) + "\n" for number in (1, 2))
        assert run("import", "-", "--node", node.url, input_bytes=lines.encode()).exit_code == 0

        async def cancel() -> None:
            async with NodeClient(URL(node.url), None) as client:
                status, _, _ = await client.call("POST", client.url / "events/1/cancel")
                assert status == 200

        asyncio.run(cancel())
        exported = run("export", "--node", node.url)
        assert [json.loads(line)["name"] for line in exported.stdout.splitlines()] == ["Concert 2"]
        assert "1 events written, 1 cancelled ones left out." in exported.stderr


def test_a_node_that_asks_for_a_token(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "events.jsonl", event(1))
    with Node(tmp_path / "data", environment={"ONSALE_JWT_KEY": KEY}) as node:
        refused = run("import", str(file), "--node", node.url)
        assert refused.exit_code == 1
        assert "--token, or ONSALE_TOKEN" in refused.stderr
        tokens = {
            role: CliRunner().invoke(main, ["token", "--role", role, "--sub", "me"], env={"ONSALE_JWT_KEY": KEY}).stdout
            for role in ("user", "organiser")
        }
        assert run("import", str(file), "--node", node.url, "--token", tokens["user"].strip()).exit_code == 1
        taken = run("import", str(file), "--node", node.url, ONSALE_TOKEN=tokens["organiser"].strip())
        assert taken.exit_code == 0, taken.output


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_node_that_is_not_there(tmp_path: Path, command: str) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers, and nobody else can
        taken.bind(("127.0.0.1", 0))
        file = write_lines(tmp_path / "events.jsonl", event(1))
        result = run(command, str(file), "--node", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.exit_code == UNREACHABLE
    assert "does not answer" in result.stderr
    assert json.loads(file.read_text()) == event(1), "a failed export leaves the file as it was"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = run("import", str(tmp_path / "nothing.csv"))
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


# --- servers in trouble


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, waited: list[float] | None = None) -> AsyncIterator[NodeClient]:
    """A client of a server that does whatever the handler does; it notes in `waited` how long it would have waited."""

    async def sleep(seconds: float) -> None:
        if waited is not None:
            waited.append(seconds)

    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with NodeClient(_url_of(site), None, sleep=sleep) as client:
            yield client
    finally:
        await runner.cleanup()


def _url_of(site: web.TCPSite) -> URL:
    host, port = site._server.sockets[0].getsockname()[:2]  # type: ignore[union-attr]
    return URL.build(scheme="http", host=host, port=port)


def created(number: int = 1) -> web.Response:
    return web.json_response({"id": number}, status=201)


async def test_an_overloaded_node_is_asked_again_when_it_says() -> None:
    waited: list[float] = []
    answers = [
        web.Response(status=503, headers={"Retry-After": "7"}),
        web.Response(status=429),
        web.Response(status=503, headers={"Retry-After": "86400"}),
        created(),
    ]
    keys: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        return answers[len(keys) - 1]

    async with serving(handler, waited) as client:
        imported = await client.import_lines(lines_of(1), silent)
    assert imported.created == 1
    assert waited == [7.0, 1.0, 30.0]
    assert len(keys) == 4
    assert len(set(keys)) == 1


async def test_a_node_that_stays_overloaded_counts_as_unreachable() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    async with serving(handler) as client:
        with pytest.raises(CommandFailed, match="it is overloaded") as caught:
            await client.import_lines(lines_of(3), silent)
    assert caught.value.exit_code == UNREACHABLE


async def test_a_broken_connection_is_tried_again_with_the_same_key() -> None:
    keys: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            assert request.transport is not None
            request.transport.close()
        return created()

    async with serving(handler) as client:
        imported = await client.import_lines(lines_of(1), silent)
    assert imported.created == 1
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_a_node_that_goes_away_in_the_middle() -> None:
    handled = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal handled
        handled += 1
        if handled > 40:
            assert request.transport is not None
            request.transport.close()
        return created()

    async with serving(handler) as client:
        with pytest.raises(CommandFailed, match="40 of 100 events are there; run the same command again") as caught:
            await client.import_lines(lines_of(100), silent)
    assert caught.value.exit_code == UNREACHABLE


async def test_many_are_sent_at_once_and_each_once() -> None:
    at_once = most = 0
    bodies: Counter[bytes] = Counter()
    full = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == AT_ONCE:
            full.set()
        await full.wait()
        bodies[await request.read()] += 1
        at_once -= 1
        return created()

    done: list[tuple[int, int]] = []
    async with serving(handler) as client:
        imported = await client.import_lines(lines_of(200), lambda _, *counts: done.append(counts))
    assert imported.created == 200
    assert most == AT_ONCE
    assert len(bodies) == 200
    assert set(bodies.values()) == {1}
    assert done[-1] == (200, 200)


async def test_what_a_node_refuses_is_listed_by_line() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["name"] == "Concert 2":
            problem = {"code": "invalid_field", "detail": "name: is taken."}
            return web.json_response(problem, status=400, content_type="application/problem+json")
        if body["name"] == "Concert 3":
            return web.Response(status=500, text="<html>")
        return web.json_response({"id": 1}, status=201, headers={"Idempotency-Replayed": "true"})

    async with serving(handler) as client:
        imported = await client.import_lines(lines_of(3), silent)
    assert (imported.created, imported.known) == (0, 1)
    assert [(each.number, each.reason) for each in imported.refused] == [
        (2, "name: is taken."),
        (3, "the node answered with status 500 and no reason; is it an onsale node?"),
    ]


# --- addresses


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:8080", "http://localhost:8080/events"),
        ("http://[::1]:80", "http://[::1]/events"),
        ("https://tickets.example.org/api", "https://tickets.example.org/api/events"),
        ("https://tickets.example.org/api/", "https://tickets.example.org/api/events"),
    ],
)
def test_addresses_of_nodes(text: str, url: str) -> None:
    assert str(node_url(text) / "events") == url


@pytest.mark.parametrize("text", ["", "ftp://x", "http://"])
def test_what_is_no_address(text: str) -> None:
    assert run("export", "--node", text).exit_code == 2
