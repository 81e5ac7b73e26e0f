"""What people get: mails with tickets, calls of webhooks, live updates. Read as their receivers read them."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from box_office import BoxOffice, Row, stream, until

# tests/ is no package (see tests/test_tidy.py), so what its folders share is found by path
sys.path.insert(0, str(Path(__file__).parent.parent / "effects" / "mail"))

from pictures import read_png

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BoxOffice]:
    async with BoxOffice(tmp_path_factory.mktemp("office")) as office:
        yield office
        await office.verified()


# --- mail


async def test_the_tickets_come_by_mail_and_their_pictures_can_be_read(office: BoxOffice) -> None:
    event = await office.event(name='Søren & "Friends"', venue="Große Halle", city="Köln")
    await office.person("ann")
    paid = await office.paid(event, "ann", 3)
    codes = [ticket["code"] for ticket in paid["tickets"]]
    (taken,) = await office.mailed("ann", "paid and confirmed")
    message = message_from_bytes(taken.raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["To"].addresses[0].addr_spec == "ann@people.test"
    assert message["From"].addresses[0].addr_spec == "tickets@onsale.test"
    assert event["name"] in message["Subject"]
    attached = [part for part in message.iter_attachments() if part.get_content_type() == "image/png"]
    assert [read_png(part.get_content()) for part in attached] == [[code] for code in codes]
    page = message.get_body(("html",))
    assert page is not None
    for text in (taken.content, page.get_content()):
        assert all(code in text for code in codes)
        assert "Köln" in text
    for code in codes:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{office.node.url}/tickets/{code}/qr.png") as answer,
        ):
            assert answer.status == 200
            assert read_png(await answer.read()) == [code]


async def test_whose_address_the_server_refuses_is_listed_for_an_operator(office: BoxOffice) -> None:
    await office.ask("PUT", "/users/bad", {"email": "bad@b\u00fccher..example"})
    await office.paid(await office.event(), "bad")

    async def dead() -> list[Row]:
        listed: list[Row] = (await office.ask("GET", "/outbox"))["messagesDead"]
        return [each for each in listed if each["userId"] == "bad"]

    (listed,) = await until(dead, "the mail is given up")
    assert (listed["channel"], listed["kind"]) == ("mail", "confirmed")
    assert listed["failure"]


async def test_a_change_is_told_to_everybody_with_tickets_once(office: BoxOffice) -> None:
    event = await office.event()
    for number in range(30):
        await office.person(f"c{number}", called=False)
        await office.paid(event, f"c{number}")
    await office.person("c-held", called=False)
    await office.book(event, "c-held")
    gone = await office.paid(event, "c-gone")
    await office.ask("POST", f"/booking/{gone['bookingId']}/refund")
    await office.ask("PATCH", f"/events/{event['id']}", {"startsAt": "2099-02-02T20:00:00Z", "venue": "Elsewhere"})
    for number in range(30):
        (mail,) = await office.mailed(f"c{number}", "has changed")
        assert "Elsewhere" in mail.content
    await office.nothing_owed()
    for number in range(30):
        assert (await office.kinds_told(f"c{number}")).count("changed") == 1
    assert "changed" not in await office.kinds_told("c-gone")
    progress = await office.ask("GET", f"/events/{event['id']}/progress")
    assert progress["tellingOfChange"] is False
    await office.ask("PATCH", f"/events/{event['id']}", {"description": "Nothing that matters."})
    await office.nothing_owed()
    assert (await office.kinds_told("c0")).count("changed") == 1


# --- webhooks


async def test_users_and_organisers_are_called(office: BoxOffice) -> None:
    webhooks = office.outside.webhooks
    event = await office.event(webhookUrl=webhooks.url_of("organiser"))
    webhooks.secrets["organiser"] = event["webhookSecret"]
    shown = await office.ask("GET", f"/events/{event['id']}")
    assert not {"webhookUrl", "webhookSecret"} & set(shown)
    await office.person("bob")
    paid = await office.paid(event, "bob", 2)
    (to_user,) = await office.called("bob", "confirmed")
    (to_organiser,) = await office.called("organiser", "confirmed")
    assert to_user.content["data"] == {
        "bookingId": paid["bookingId"], "userId": "bob", "eventId": event["id"], "eventName": event["name"],
        "ticketType": "Standing", "quantity": 2, "amount": "25.00", "currency": "EUR", "detail": None,
        "noticeId": to_user.content["data"]["noticeId"],
    }  # fmt: skip
    assert to_organiser.content["data"]["bookingId"] == paid["bookingId"]
    assert office.outside.webhooks.faults == []  # of signatures, as the standardwebhooks library judges
    again = await office.ask("GET", "/users/bob")
    assert again["webhookSecret"] == webhooks.secrets["bob"]


async def test_a_webhook_that_fails_is_called_again_under_the_same_id(office: BoxOffice) -> None:
    seen: list[tuple[str, bytes]] = []

    async def fails_once(request: web.Request) -> web.Response:
        seen.append((request.headers["webhook-id"], await request.read()))
        return web.Response(status=500 if len(seen) < 2 else 204)

    async with called_at(fails_once) as url:
        await office.ask("PUT", "/users/cem", {"webhookUrl": url})
        await office.book(await office.event(), "cem")

        async def taken() -> bool:
            return len(seen) == 2

        await until(taken, "the webhook is called a second time", seconds=30)
    assert len(set(seen)) == 1
    await office.nothing_owed()


async def test_who_says_gone_is_not_called_any_more_until_told_otherwise(office: BoxOffice) -> None:
    calls: list[str] = []

    async def gone(request: web.Request) -> web.Response:
        calls.append((await request.json())["type"])
        return web.Response(status=410)

    async with called_at(gone) as url:
        await office.ask("PUT", "/users/dan", {"webhookUrl": url})
        booking = await office.book(await office.event(), "dan")

        async def disabled() -> bool:
            return bool((await office.ask("GET", "/users/dan"))["webhookDisabled"])

        await until(disabled, "the webhook is disabled")
        assert (await office.pay(booking, "pm_card_visa"))[0] == 200
        await office.nothing_owed()
        assert calls == ["booking.held"]
        again = await office.ask("PUT", "/users/dan", {"webhookUrl": url})
        assert again["webhookDisabled"] is False


async def test_private_addresses_are_not_called_unless_that_is_allowed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    calls: list[str] = []

    async def note(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.Response()

    environment = {"ONSALE_ALLOW_PRIVATE_WEBHOOKS": "0"}
    async with (
        called_at(note) as url,
        BoxOffice(tmp_path_factory.mktemp("strict"), environment=environment) as office,
    ):
        port = url.rpartition(":")[2]
        hosts = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254")
        event = await office.event(price="0")
        for number, host in enumerate(hosts):
            status, _, _ = await office.client.call("PUT", f"/users/p{number}", {"webhookUrl": f"http://{host}:{port}"})
            if status == 200:
                await office.book(event, f"p{number}")

        async def all_dead() -> bool:
            totals = (await office.ask("GET", "/outbox"))["totals"]
            return not totals["messages"]

        await until(all_dead, "none is to be called any more")
        dead = (await office.ask("GET", "/outbox"))["messagesDead"]
        assert all(each["failure"] for each in dead)
    assert calls == []


def called_at(handler: object) -> "_Server":
    return _Server(handler)


class _Server:
    """A webhook; its address."""

    def __init__(self, handler: object) -> None:
        application = web.Application()
        application.router.add_post("/", handler)  # type: ignore[arg-type]
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


# --- live


async def test_who_waits_hears_within_a_second_that_it_is_their_turn(office: BoxOffice) -> None:
    event = await office.event(capacity=1)
    paid = await office.paid(event, "eva")
    waiting = await office.book(event, "fay", status=202)
    await office.person("fay")
    async with stream(office.node.url, "fay") as live:
        await live.begun()
        asked = time.monotonic()
        refund = asyncio.create_task(office.client.call("POST", f"/booking/{paid['bookingId']}/refund"))
        notice = await live.next()
        heard = time.monotonic() - asked
        assert (notice["kind"], notice["bookingId"]) == ("your_turn", waiting["bookingId"])
        assert heard < 1.0
        assert (await refund)[0] == 200
    await office.mailed("fay", "It is your turn")
    assert time.monotonic() - asked < 5.0
    await office.called("fay", "your_turn")


async def test_a_stream_that_was_cut_goes_on_without_gap_or_repeat_also_across_a_restart(office: BoxOffice) -> None:
    event = await office.event(price="0", maxPerUser=100)
    heard: list[int] = []
    last_id: str | None = None
    for life in range(3):
        async with stream(office.node.url, "gus", last_id) as live:
            if last_id is None:
                await live.begun()
            for _ in range(4):  # two notices each: held, confirmed
                assert (await office.pay(await office.book(event, "gus")))[0] == 200
            heard += [(await live.next())["id"] for _ in range(5)]  # not all: the rest come to the next stream
            last_id = live.last_id
            if life == 1:
                await office.restart(kill=True)
                with pytest.raises((EOFError, aiohttp.ClientError)):
                    await live.ended()
    async with stream(office.node.url, "gus", last_id) as live:
        heard += [(await live.next())["id"] for _ in range(24 - len(heard))]
    listed = [notice["id"] for notice in await office.ask("GET", "/users/gus/notifications?limit=100")]
    assert heard == sorted(listed)
    assert len(set(heard)) == 24


async def test_many_listeners_of_one_user_hear_the_same(office: BoxOffice) -> None:
    event = await office.event(price="0")
    async with stream(office.node.url, "hal") as first, stream(office.node.url, "hal") as second:
        await first.begun()
        await second.begun()
        await office.book(event, "hal")
        assert await first.next() == await second.next()


async def test_streams_that_begin_while_much_happens_miss_nothing_and_repeat_nothing(office: BoxOffice) -> None:
    event = await office.event(price="0", maxPerUser=1000)
    heard: list[int] = []
    enough = asyncio.Event()

    async def shop() -> int:
        bookings = 0
        while not enough.is_set():
            assert (await office.pay(await office.book(event, "ida")))[0] == 200
            bookings += 1
        return bookings

    shopping = [asyncio.create_task(shop()) for _ in range(3)]
    last_id: str | None = "0"
    for _ in range(40):
        async with stream(office.node.url, "ida", last_id) as live:
            heard += [(await live.next())["id"] for _ in range(4)]
            last_id = live.last_id
    for _ in range(3):
        async with stream(office.node.url, "ida", "0") as live:
            again = [(await live.next())["id"] for _ in range(len(heard) + 100)]
        assert again[: len(heard)] == heard
        assert sorted(set(again)) == again
    enough.set()
    count = 2 * sum(await asyncio.gather(*shopping))
    async with stream(office.node.url, "ida", last_id) as live:
        heard += [(await live.next())["id"] for _ in range(count - len(heard))]
    assert len(set(heard)) == len(heard)
    assert heard == sorted(heard)
