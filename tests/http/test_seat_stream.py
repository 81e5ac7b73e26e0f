"""Changes of a seat map over real connections: whoever watches ends up with the map as it is, whatever happens."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from onsale.engine.commands import Book, GiveUp
from onsale.engine.replies import Booked
from onsale.http import seat_stream as module
from onsale.http.application import make_application
from onsale.http.connection.server import make_runner
from onsale.http.hot import make_hot
from onsale.http.seat_stream import seat_stream_routes
from onsale.tests.http.api_calls import SEAT_MAP, Calls
from onsale.tests.http.serving import get, post, problem_of, until
from onsale.tests.http.test_stream import Desk, Listening

PATH = "/events/1/seats/stream"


class Watching(Listening):
    """A client that keeps a map by what it is told."""

    last_id = -1
    seats: dict[str, str]

    async def something(self) -> dict[str, str]:
        """The next that is told, comments aside: its fields."""
        while True:
            block = await self.block()
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if not fields:
                continue
            if "id" in fields:
                self.last_id = int(fields["id"])
            if fields.get("event") == "seats":
                document = json.loads(fields["data"])
                assert (document["eventId"], document["seq"]) == (1, self.last_id)
                self.seats.update({seat["id"]: seat["status"] for seat in document["seats"]})
            return fields

    async def until_it_is(self, expected: dict[str, str]) -> None:
        async with asyncio.timeout(5):
            while self.seats != expected:
                await self.something()


class Hall(Desk):
    """An event with 100 seats, and people who come and go."""

    async def map(self) -> tuple[int, dict[str, str]]:
        """Position, and status by seat."""
        shown = (await self.calls("GET", "/events/1/seats")).json()
        rows = (row for section in shown["sections"] for row in section["rows"])
        return shown["seq"], {seat["id"]: seat["status"] for row in rows for seat in row["seats"]}

    async def watch(self, *headers: str, query: str = "", seats: dict[str, str] | None = None) -> Watching:
        client = await self.client()
        client.send(get(PATH + query, *headers))
        async with asyncio.timeout(5):
            watching = Watching(client, await client.reader.readuntil(b"\r\n\r\n"))
        assert watching.status == 200
        assert (await watching.block()) == ": connected\nretry: 1000"
        watching.seats = dict(seats or {})
        return watching

    async def watch_from_map(self) -> Watching:
        seq, seats = await self.map()
        return await self.watch(query=f"?last_event_id={seq}", seats=seats)

    def book(self, *seats: str, quantity: int = 1) -> int:
        names = tuple(f"Stalls/{seat}" for seat in seats)
        user = f"u-{self.gateway.state.seq}"
        booked = self.gateway.decide(Book(user, 1, 300_000, quantity=len(seats) or quantity, seats=names))
        assert isinstance(booked, Booked)
        return booked.booking_id

    def give_up(self, booking_id: int) -> None:
        self.gateway.decide(GiveUp(booking_id, 0))


@pytest.fixture
async def hall(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    calls = Calls()
    routes = seat_stream_routes(calls.api)
    runner = make_runner(make_application(calls.api, routes), make_hot(calls.api), finish=calls.api.finish)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Hall(calls, runner, await calls.event(seatMap=SEAT_MAP)) as opened:
        yield opened
        opened.gateway.ready = False


async def test_what_it_looks_like(hall: Hall) -> None:
    watching = await hall.watch()
    assert watching.headers["content-type"] == "text/event-stream"
    assert watching.headers["cache-control"] == "private, no-store"
    assert watching.headers["onsale-seq"] == "2"
    assert await watching.something() == {"id": "2"}, "where to resume, should it be cut"
    hall.book("A/7", "A/9")
    told = await watching.something()
    assert (told["id"], told["event"]) == ("3", "seats")
    assert json.loads(told["data"]) == {
        "eventId": 1,
        "seq": 3,
        "seats": [{"id": "Stalls/A/7", "status": "held"}, {"id": "Stalls/A/9", "status": "held"}],
    }


async def test_a_seat_from_free_to_sold_and_back(hall: Hall) -> None:
    watching = await hall.watch()
    assert (await watching.something())["id"] == "2"
    await hall.calls.paid(1, "ada", seats=["Stalls/B/1"])
    await watching.until_it_is({"Stalls/B/1": "sold"})
    await hall.calls("POST", "/booking/1/refund", {})
    await watching.until_it_is({"Stalls/B/1": "available"})


async def test_a_map_and_what_changed_since(hall: Hall) -> None:
    hall.book("A/1")
    seq, seats = await hall.map()
    hall.book("C/5")
    watching = await hall.watch(query=f"?last_event_id={seq}", seats=seats)
    hall.book("E/20")
    await watching.until_it_is((await hall.map())[1])
    assert [name for name, status in watching.seats.items() if status == "held"] == [
        "Stalls/A/1",
        "Stalls/C/5",
        "Stalls/E/20",
    ]


async def test_resuming_leaves_nothing_out(hall: Hall) -> None:
    watching = await hall.watch_from_map()
    hall.book("A/1")
    await watching.until_it_is((await hall.map())[1])
    watching.client.writer.transport.abort()
    hall.book("B/2")
    booking_id = hall.book("D/3")
    hall.give_up(booking_id)
    again = await hall.watch(f"Last-Event-ID: {watching.last_id}", seats=watching.seats)
    hall.book("E/3")
    await again.until_it_is((await hall.map())[1])


async def test_resuming_from_before_what_others_were_told(hall: Hall) -> None:
    cut, goes_on = await hall.watch_from_map(), await hall.watch_from_map()
    await cut.something()
    cut.client.writer.transport.abort()
    for seat in ("A/1", "B/1", "C/1"):
        hall.book(seat)
        await goes_on.until_it_is((await hall.map())[1])
    again = await hall.watch(f"Last-Event-ID: {cut.last_id}", seats=cut.seats)
    await again.until_it_is(goes_on.seats)


async def test_a_change_that_is_taken_back_before_it_is_told(hall: Hall) -> None:
    """Whoever has seen it between must hear that it is as before."""
    early = await hall.watch_from_map()
    await early.something()
    for _ in range(5):
        booking_id = hall.book("C/3")
        late = await hall.watch_from_map()
        assert late.seats["Stalls/C/3"] == "held"
        hall.give_up(booking_id)
        await late.until_it_is((await hall.map())[1])
        await early.until_it_is((await hall.map())[1])
        late.client.writer.transport.abort()


async def test_cut_again_and_again_while_seats_keep_changing(hall: Hall) -> None:
    going_on = True

    async def keep_changing() -> None:
        bookings: list[int] = []
        while going_on:
            for _ in range(3):
                bookings.append(hall.book(quantity=1 + len(bookings) % 4))
            while len(bookings) > 12:
                hall.give_up(bookings.pop(0))
            await asyncio.sleep(0.001)

    changing = asyncio.create_task(keep_changing())
    watching = await hall.watch_from_map()
    for turn in range(20):
        for _ in range(1 + turn % 3):
            await watching.something()
        watching.client.writer.transport.abort()
        watching = await hall.watch(f"Last-Event-ID: {watching.last_id}", seats=watching.seats)
    going_on = False
    await changing
    await watching.until_it_is((await hall.map())[1])


@pytest.mark.parametrize("last_id", [0, 1, 999])
async def test_what_is_not_known_any_more_is_to_be_fetched_again(hall: Hall, last_id: int) -> None:
    hall.book("A/1")
    watching = await hall.watch(f"Last-Event-ID: {last_id}")
    told = await watching.something()
    assert (told["id"], told["event"], told["data"]) == ("3", "reload", '{"seq":3}')
    hall.book("A/2")
    assert (await watching.something())["event"] == "seats", "it goes on from there"


async def test_another_map_ends_it(hall: Hall) -> None:
    watching = await hall.watch_from_map()
    await watching.something()
    smaller = {"sections": [SEAT_MAP["sections"][0] | {"rows": [{"name": "Z", "seats": 100}]}]}
    got = await hall.calls("PATCH", "/events/1", {"seatMap": smaller})
    assert got.status == 200, got.body
    await watching.to_its_end()
    again = await hall.watch(f"Last-Event-ID: {watching.last_id}")
    assert (await again.something())["event"] == "reload"
    await hall.calls("PATCH", "/events/1", {"seatMap": None})
    await again.to_its_end()
    await hall.refused(get(PATH), 404, "not_found")


async def test_it_ends_when_the_node_stops(hall: Hall) -> None:
    watching = [await hall.watch() for _ in range(3)]
    hall.gateway.ready = False
    for each in watching:
        await each.to_its_end()
    await until(lambda: not hall.connections)
    await hall.refused(get(PATH), 503, "replica_behind")


async def test_nothing_is_told_before_it_is_durable(hall: Hall) -> None:
    watching = await hall.watch_from_map()
    await watching.something()
    hall.gateway.hold_back()
    hall.book("A/1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await watching.something()
    hall.gateway.let_go()
    await watching.until_it_is((await hall.map())[1])


async def test_one_that_cannot_be_made_durable_ends(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = await hall.watch_from_map()
    monkeypatch.setattr(hall.gateway, "when_durable", lambda done: done(None))
    hall.book("A/1")
    await watching.to_its_end()


async def test_whoever_does_not_read_is_cut_off(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSENT_MAX", 3)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.0005)
    reads, does_not_read = await hall.watch(), await hall.watch()
    does_not_read.client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await reads.something()
    async with asyncio.timeout(20):
        while hall.connections > 1:
            for _ in range(50):
                hall.give_up(hall.book(quantity=100))
                await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reads.something()
    hall.book(*[f"A/{number}" for number in range(1, 4)])
    reads.seats.clear()
    async with asyncio.timeout(5):
        while reads.seats.get("Stalls/A/3") != "held":
            await reads.something()


async def test_there_are_only_so_many(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCHERS_MAX", 2)
    first, _ = await hall.watch(), await hall.watch()
    await hall.refused(get(PATH), 503, "overloaded")
    first.client.writer.transport.abort()
    await until(lambda: hall.connections < 3)
    await hall.watch()


async def test_those_who_ask_wrongly(hall: Hall) -> None:
    await hall.calls.event()
    await hall.refused(get("/events/2/seats/stream"), 404, "not_found")
    await hall.refused(get("/events/9/seats/stream"), 404, "no_such_event")
    await hall.refused(get("/events/x/seats/stream"), 400, "invalid_field")
    await hall.refused(get(PATH + "?nonsense=1"), 400, "unknown_field")
    await hall.refused(get(PATH, "Last-Event-ID: x"), 400, "invalid_field")
    await hall.refused(get(PATH, "Onsale-Min-Seq: 99"), 503, "replica_behind")


async def test_other_methods(hall: Hall) -> None:
    client = await hall.client()
    client.send(b"HEAD " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    response = await client.response(head_only=True)
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream")
    client.send(post(PATH, b"{}"))
    response = await client.response()
    problem_of(response, 405, "method_not_allowed")


async def test_a_beat_while_nothing_happens(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    watching = await hall.watch()
    await watching.something()
    blocks: list[Any] = [await watching.block() for _ in range(2)]
    assert blocks == [":", ":"]
