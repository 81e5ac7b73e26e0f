"""Live updates over real connections: every notice once, in order, whatever is cut, slow, stopped or asked wrongly."""

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple, Self

import pytest
from aiohttp import web

from onsale.engine.commands import Book, ChangeEvent, GiveUp
from onsale.engine.records import Notice
from onsale.engine.replies import Refusal
from onsale.engine.state import State
from onsale.http import stream as module
from onsale.http.application import make_application
from onsale.http.connection.limits import ConnectionLimits
from onsale.http.connection.server import HotRunner, make_runner
from onsale.http.hot import make_hot
from onsale.http.stream import stream_routes
from onsale.tests.http.api_calls import OPERATOR, Calls, token_of
from onsale.tests.http.serving import Client, get, post, problem_of, until


class Event(NamedTuple):
    id: int
    kind: str
    document: dict[str, Any]


class Listening:
    """A client of one stream."""

    def __init__(self, client: Client, head: bytes) -> None:
        self.client = client
        status, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.blocks: list[str] = []
        self._buffer = b""

    async def block(self) -> str:
        """What stands before the next empty line."""
        while b"\n\n" not in self._buffer:
            self._buffer += await self._chunk()
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block.decode()

    async def _chunk(self) -> bytes:
        async with asyncio.timeout(5):
            if "transfer-encoding" not in self.headers:
                data = await self.client.reader.read(2**16)
                if not data:
                    raise EOFError
                return data
            size = int(await self.client.reader.readuntil(b"\r\n"), 16)
            data = (await self.client.reader.readexactly(size + 2))[:-2]
            if not size:
                raise EOFError
            return data

    async def event(self) -> Event:
        while True:
            fields = dict(line.split(": ", 1) for line in (await self.block()).split("\n") if not line.startswith(":"))
            if "data" in fields:
                return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))

    async def events(self, count: int) -> list[Event]:
        return [await self.event() for _ in range(count)]

    async def ids(self, count: int) -> list[int]:
        return [(await self.event()).id for _ in range(count)]

    async def to_its_end(self) -> list[int]:
        """The ids that still come; it must end as it should."""
        ids = []
        with contextlib.suppress(EOFError):
            while True:
                ids.append((await self.event()).id)
        assert await self.client.rest() == b""
        return ids


class Desk:
    """A node's API that listens, and one event of which people book tickets."""

    def __init__(self, calls: Calls, runner: HotRunner, event_id: int) -> None:
        self.calls = calls
        self.gateway = calls.gateway
        self.runner = runner
        self.event_id = event_id
        self._clients = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._clients.aclose()
        self.gateway.end_feed()
        await self.runner.cleanup()

    @property
    def port(self) -> int:
        return int(self.runner.addresses[0][1])

    @property
    def connections(self) -> int:
        return self.runner._shared.connections

    async def client(self) -> Client:
        return await self._clients.enter_async_context(await Client.connect(self.port))

    async def listen(self, user_id: str = "ada", *headers: str, query: str = "", version: str = "1.1") -> Listening:
        client = await self.client()
        client.send(get(f"/users/{user_id}/stream{query}", *headers, version=version))
        async with asyncio.timeout(5):
            listening = Listening(client, await client.reader.readuntil(b"\r\n\r\n"))
        assert listening.status == 200
        assert (await listening.block()).startswith(": connected\nretry: 1000\nid: ")
        return listening

    async def resume(self, last_id: int, user_id: str = "ada") -> Listening:
        return await self.listen(user_id, f"Last-Event-ID: {last_id}")

    async def refused(self, request: bytes, status: int, code: str) -> None:
        client = await self.client()
        client.send(request)
        response = await client.response()
        problem_of(response, status, code)
        assert response.headers["cache-control"] == "private, no-store"
        assert "onsale-seq" in response.headers

    def tell(self, count: int = 1, user_id: str = "ada") -> list[int]:
        """So many notices more, and their ids."""
        ids = []
        for _ in range(count):
            ids.append(self.gateway.state.next_notice_id)
            command = (
                Book(user_id, self.event_id, 300_000)
                if not self._bookings(user_id)
                else GiveUp(self._bookings(user_id)[0], 0)
            )
            assert not isinstance(self.gateway.decide(command), Refusal)
        return ids

    def _bookings(self, user_id: str) -> list[int]:
        return [each.id for each in self.gateway.state.sales[self.event_id].bookings_of(user_id)]


@pytest.fixture
def secured() -> bool:
    return False


@pytest.fixture
def limits() -> ConnectionLimits:
    return ConnectionLimits()


@pytest.fixture
async def desk(secured: bool, limits: ConnectionLimits) -> AsyncIterator[Desk]:
    calls = Calls(secured=secured)
    runner = make_runner(
        make_application(calls.api, stream_routes(calls.api)), make_hot(calls.api), limits, finish=calls.api.finish
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Desk(
        calls, runner, await calls.event(ticketTypes=[{"name": "All", "price": "1.00", "capacity": 10_000}])
    ) as opened:
        yield opened


# --- what a stream is


async def test_what_a_stream_looks_like(desk: Desk) -> None:
    listening = await desk.listen()
    assert listening.headers["content-type"] == "text/event-stream"
    assert listening.headers["cache-control"] == "private, no-store"
    assert listening.headers["x-accel-buffering"] == "no"
    assert listening.headers["onsale-seq"] == "1"
    assert listening.headers["connection"] == "close"
    assert "server" not in listening.headers
    (notice_id,) = desk.tell()
    (listed,) = (await desk.calls("GET", "/users/ada/notifications")).json()
    assert await listening.event() == (notice_id, "held", listed)
    assert listed["id"] == notice_id


async def test_each_is_told_of_their_own_and_from_now_on(desk: Desk) -> None:
    desk.tell(3)
    ada, bob, also_ada = await desk.listen("ada"), await desk.listen("bob"), await desk.listen("ada")
    (first,), (second,), (third,) = desk.tell(), desk.tell(user_id="bob"), desk.tell()
    assert await ada.ids(2) == await also_ada.ids(2) == [first, third]
    assert await bob.ids(1) == [second]


async def test_nothing_is_told_before_it_is_durable(desk: Desk) -> None:
    listening = await desk.listen()
    desk.gateway.hold_back()
    ids = desk.tell(2)
    desk.gateway.decide(ChangeEvent(desk.event_id, name="Renamed"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await listening.event()
    desk.gateway.let_go()
    assert await listening.ids(2) == ids


async def test_a_notice_waits_for_the_name_it_shows(desk: Desk) -> None:
    """The notice is durable, the event's new name is not."""
    listening = await desk.listen()
    desk.tell()
    desk.gateway.hold_back()
    desk.gateway.decide(ChangeEvent(desk.event_id, name="Renamed"))
    reading = asyncio.create_task(listening.event())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.shield(reading)
    assert not reading.done()
    desk.gateway.let_go()
    assert "Renamed" in (await reading).document["text"]


async def test_what_is_not_durable_when_a_stream_begins_is_past_for_it(desk: Desk) -> None:
    desk.gateway.hold_back()
    desk.tell(2)
    beginning = asyncio.create_task(desk.listen())
    await until(lambda: desk.gateway.listeners)
    assert not beginning.done()
    desk.gateway.let_go()
    listening = await beginning
    assert listening.headers["onsale-seq"] == "3"
    ids = desk.tell()
    assert await listening.ids(1) == ids


# --- resumed


async def test_resuming_after_a_cut_leaves_nothing_out(desk: Desk) -> None:
    listening = await desk.listen()
    ids = desk.tell(3)
    assert await listening.ids(2) == ids[:2]
    listening.client.writer.transport.abort()
    ids += desk.tell(130)  # more than a page
    listening = await desk.resume(ids[1])
    ids += desk.tell(2)
    assert await listening.ids(len(ids) - 2) == ids[2:]


async def test_a_client_cut_before_its_first_event_knows_where_it_was(desk: Desk) -> None:
    desk.tell(2)
    client = await desk.client()
    client.send(get("/users/ada/stream"))
    await client.reader.readuntil(b"id: 2\n\n")
    client.writer.transport.abort()
    ids = desk.tell(2)
    assert await (await desk.resume(2)).ids(2) == ids


@pytest.mark.parametrize("query", ["?last_event_id=1", "?last_event_id="])
async def test_those_who_cannot_set_headers(desk: Desk, query: str) -> None:
    ids = desk.tell(3)
    listening = await desk.listen(query=query)
    ids += desk.tell()
    assert await listening.ids(1) == (ids[1:2] if query[-1] == "1" else ids[3:])


async def test_the_header_is_newer_than_the_parameter(desk: Desk) -> None:
    ids = desk.tell(3)
    assert await (await desk.listen("ada", "Last-Event-ID: 2", query="?last_event_id=0")).ids(1) == ids[2:]


@pytest.mark.parametrize("when", range(6))
async def test_notices_that_come_while_the_backlog_is_read(
    desk: Desk, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once and in order, whether they come before, between or after the pages."""
    monkeypatch.setattr(module, "NOTICES_PER_WRITE", 3)
    ids = desk.tell(7)
    looks = 0
    notices_after = desk.gateway.notices_after

    async def interrupted(user_id: str, after_id: int, limit: int) -> list[Notice]:
        nonlocal looks, ids
        looks += 1
        if when == 2 * looks - 2:
            ids += desk.tell(5)
        found = await notices_after(user_id, after_id, limit)
        if when == 2 * looks - 1:
            ids += desk.tell(5)
        return found

    monkeypatch.setattr(desk.gateway, "notices_after", interrupted)
    listening = await desk.resume(1)
    assert await listening.ids(11) == ids[1:12]
    ids += desk.tell(2)
    assert await listening.ids(2) == ids[12:]


async def test_cut_again_and_again_while_notices_keep_coming(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTICES_PER_WRITE", 4)
    told: list[int] = []
    ids: list[int] = []
    going_on = True

    async def keep_telling() -> None:
        while going_on:
            told.extend(desk.tell(2))
            await asyncio.sleep(0)

    telling = asyncio.create_task(keep_telling())
    for turn in range(30):
        listening = await desk.resume(ids[-1] if ids else 0)
        ids += await listening.ids(1 + turn % 7)
        listening.client.writer.transport.abort()
    going_on = False
    await telling
    listening = await desk.resume(ids[-1])
    ids += await listening.ids(len(told) - len(ids))
    assert ids == told


async def test_a_follower_that_is_behind_does_not_repeat(desk: Desk) -> None:
    desk.gateway.leads = False
    desk.tell(2)
    listening = await desk.resume(4)
    ids = desk.tell(4)
    assert await listening.ids(2) == ids[2:]


async def test_many_backlogs_are_read_a_few_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAMS_PER_USER_MAX", 100)
    desk.tell(2)
    notices_after, reading, most = desk.gateway.notices_after, 0, 0

    async def slowly(user_id: str, after_id: int, limit: int) -> list[Notice]:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0.001)
        reading -= 1
        return await notices_after(user_id, after_id, limit)

    monkeypatch.setattr(desk.gateway, "notices_after", slowly)
    all_of_them = await asyncio.gather(*(desk.resume(1) for _ in range(100)))
    assert [await listening.ids(1) for listening in all_of_them] == [[2]] * 100
    assert 1 < most <= module.BACKLOGS_AT_ONCE


# --- how it ends


async def test_whoever_leaves_is_forgotten_at_once(desk: Desk) -> None:
    gone, half_gone, stays = await desk.listen(), await desk.listen(), await desk.listen()
    assert len(desk.gateway.listeners) == 3
    gone.client.writer.transport.abort()
    half_gone.client.writer.write_eof()
    await until(lambda: len(desk.gateway.listeners) == 1)
    ids = desk.tell()
    assert await stays.ids(1) == ids


async def test_a_node_that_stops_ends_its_streams_after_what_is_durable(desk: Desk) -> None:
    all_of_them = [await desk.listen(), await desk.resume(0)]
    ids = desk.tell(2)
    desk.gateway.end_feed()
    for listening in all_of_them:
        assert await listening.to_its_end() == ids
    async with asyncio.timeout(1):
        await desk.runner.cleanup()


async def test_a_slow_reader_is_cut_off_and_resumes(desk: Desk) -> None:
    """It is given up, and nobody else waits for it."""
    slow = await desk.listen()
    (connection,) = desk.runner.server.connections if desk.runner.server is not None else ()
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    slow.client.writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.client.writer.transport.pause_reading()
    quick = await desk.listen()
    told: list[int] = []
    ids: list[int] = []
    while len(desk.gateway.listeners) == 2:
        told += desk.tell(100)
        ids += await quick.ids(100)
        assert len(told) < 200_000
    slow.client.writer.transport.resume_reading()
    got = []
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
        while True:
            got.append((await slow.event()).id)
    assert got == told[: len(got)]
    assert got != told
    resumed = await desk.resume(got[-1])
    assert await resumed.ids(len(told) - len(got)) == told[len(got) :]
    assert ids == told


async def test_too_much_at_once_cuts_off_even_before_the_client_could_read(desk: Desk) -> None:
    listening = await desk.listen()
    ids = desk.tell(module.UNSENT_MAX)  # in one turn of the loop
    assert await listening.ids(len(ids)) == ids
    desk.tell(module.UNSENT_MAX + 1)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await listening.event()
    await until(lambda: not desk.gateway.listeners)


@pytest.mark.parametrize("secured", [True])
async def test_a_token_that_ends_takes_the_stream_with_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    listening = await desk.listen("ada", f"Authorization: Bearer {token_of('user', 'ada')}")
    assert await listening.block() == ":"
    authenticator = desk.calls.api.authenticator
    clock = authenticator._clock
    authenticator._clock = lambda: clock() + 4_000
    assert await listening.to_its_end() == []


async def test_when_nothing_can_become_durable_the_stream_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = await desk.listen()
    monkeypatch.setattr(desk.gateway, "when_durable", lambda done: done(None))
    ids = desk.tell()
    assert await listening.to_its_end() == []
    monkeypatch.undo()
    assert await (await desk.resume(0)).ids(1) == ids


# --- connections


@pytest.mark.parametrize(
    "limits", [ConnectionLimits(idle_seconds=0.05, stall_seconds=0.05, head_seconds=0.05, body_seconds=0.05)]
)
async def test_time_limits_leave_a_healthy_stream_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    listening = await desk.listen()
    listening.client.send(b"GET /half")  # whatever it says now is not heard
    for _ in range(3):
        assert await listening.block() == ":"
    ids = desk.tell()
    assert await listening.ids(1) == ids


@pytest.mark.parametrize("limits", [ConnectionLimits(connections_max=2)])
async def test_streams_do_not_take_the_place_of_other_connections(desk: Desk) -> None:
    streams = [await desk.listen() for _ in range(5)]
    assert desk.connections == 0
    client = await desk.client()
    client.send(get("/events/1"))
    assert (await client.response()).status == 200
    assert desk.connections == 1
    for listening in streams[:3]:
        listening.client.writer.transport.abort()
    await until(lambda: len(desk.gateway.listeners) == 2)
    assert desk.connections == 1
    desk.gateway.end_feed()
    for listening in streams[3:]:
        await listening.to_its_end()
    assert desk.connections == 1


async def test_a_client_of_http_1_0(desk: Desk) -> None:
    listening = await desk.listen(version="1.0")
    assert "transfer-encoding" not in listening.headers
    ids = desk.tell(2)
    assert await listening.ids(2) == ids
    desk.gateway.end_feed()
    with pytest.raises(EOFError):
        await listening.event()


async def test_answers_before_a_stream_come_first(desk: Desk) -> None:
    client = await desk.client()
    client.send(get("/events/1") + post("/booking", b'{"userId": "ada", "eventId": 1}') + get("/users/ada/stream"))
    assert [response.status for response in await client.responses(2)] == [200, 201]
    assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_plain_connections_of_the_framework_serve_streams_too(desk: Desk) -> None:
    runner = web.AppRunner(make_application(desk.calls.api, stream_routes(desk.calls.api)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = await Client.connect(runner.addresses[0][1])
    async with client:
        client.send(get("/users/ada/stream"))
        listening = Listening(client, await client.reader.readuntil(b"\r\n\r\n"))
        ids = desk.tell(2)
        assert await listening.ids(2) == ids
        desk.gateway.end_feed()
        assert await listening.to_its_end() == []
    await runner.cleanup()


# --- bounds


async def test_so_many_streams_for_one_user(desk: Desk) -> None:
    streams = [await desk.listen() for _ in range(module.STREAMS_PER_USER_MAX)]
    await desk.refused(get("/users/ada/stream"), 429, "rate_limited")
    await desk.listen("bob")
    streams.pop().client.writer.transport.abort()
    await until(lambda: len(desk.gateway.listeners) == module.STREAMS_PER_USER_MAX)
    await desk.listen()


async def test_so_many_streams_in_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAMS_MAX", 2)
    first, _ = await desk.listen("ada"), await desk.listen("bob")
    await desk.refused(get("/users/cy/stream"), 503, "overloaded")
    first.client.writer.transport.abort()
    await until(lambda: len(desk.gateway.listeners) == 1)
    await desk.listen("cy")


async def test_a_batch_for_a_thousand_streams_is_written_in_many_turns(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [f"user-{number}" for number in range(1_000)]
    streams = [await desk.listen(user_id) for user_id in users]
    turn, events_by_turn = 0, Counter[int]()
    render = module._event

    def counted(notice: Notice, state: State) -> bytes:
        events_by_turn[turn] += 1
        return render(notice, state)

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    monkeypatch.setattr(module, "_event", counted)
    counting = asyncio.create_task(count_turns())
    desk.gateway.hold_back()
    expected = [desk.tell(1 + number % 3, user_id) for number, user_id in enumerate(users)]
    desk.gateway.let_go()
    assert [await each.ids(len(ids)) for each, ids in zip(streams, expected, strict=True)] == expected
    counting.cancel()
    assert max(events_by_turn.values()) <= 3 * module.WOKEN_PER_TURN
    assert events_by_turn.total() == sum(map(len, expected))


# --- asked wrongly


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "9223372036854775808", "1,2", "٣", "99"])
async def test_what_is_no_event_id(desk: Desk, last_id: str) -> None:
    desk.tell(2)
    await desk.refused(get("/users/ada/stream", f"Last-Event-ID: {last_id}"), 400, "invalid_field")
    if last_id.isascii():
        await desk.refused(get(f"/users/ada/stream?last_event_id={last_id}"), 400, "invalid_field")
    assert not desk.gateway.listeners


async def test_what_a_stream_is_not_given_for(desk: Desk) -> None:
    await desk.refused(get("/users/ada/stream?last=1"), 400, "unknown_field")
    await desk.refused(get(f"/users/{'a' * 1_000}/stream"), 400, "invalid_field")
    await desk.refused(get("/users/%00/stream"), 400, "invalid_field")
    await desk.refused(get("/users//stream"), 404, "not_found")
    await desk.refused(get("/users/ada/stream/more"), 404, "not_found")
    await desk.refused(get("/users/ada/stream", "Onsale-Min-Seq: 9"), 503, "replica_behind")
    desk.gateway.is_busy = True
    await desk.refused(get("/users/ada/stream", "Last-Event-ID: 0"), 503, "overloaded")
    desk.gateway.ready = False
    await desk.refused(get("/users/ada/stream"), 503, "replica_behind")
    assert not desk.gateway.listeners


async def test_strange_user_ids(desk: Desk) -> None:
    for segment, user_id in (("a%2Fb", "a/b"), ("%C3%BC%25", "ü%"), ("%7Bx%7D", "{x}"), ("{y}", "{y}"), ("a+b", "a+b")):
        listening = await desk.listen(segment)
        ids = desk.tell(user_id=user_id)
        assert await listening.ids(1) == ids


async def test_other_methods(desk: Desk) -> None:
    client = await desk.client()
    client.send(b"HEAD /users/ada/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    response = await client.response(head_only=True)
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream")
    assert response.headers["onsale-seq"] == "1"
    client.send(b"OPTIONS /users/ada/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    response = await client.response()
    assert (response.status, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    client.send(post("/users/ada/stream", b"{}"))
    response = await client.response()
    problem_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert not desk.gateway.listeners


def authorized(role: str, sub: str) -> Iterable[str]:
    return (f"Authorization: Bearer {token_of(role, sub)}",)


@pytest.mark.parametrize("secured", [True])
async def test_who_may_listen(desk: Desk) -> None:
    path = "/users/ada/stream"
    await desk.refused(get(path), 401, "unauthenticated")
    await desk.refused(get(path, "Authorization: Bearer nonsense"), 401, "unauthenticated")
    await desk.refused(get(path, *authorized("user", "bob")), 403, "forbidden")
    await desk.refused(get(path, *authorized("organiser", "ada")), 403, "forbidden")
    for headers in (authorized("user", "ada"), authorized("service", "shop"), (f"Authorization: Bearer {OPERATOR}",)):
        await desk.listen("ada", *headers)
