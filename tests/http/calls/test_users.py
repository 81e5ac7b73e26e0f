"""Users over the API: what they told us, their bookings and their notifications."""

import asyncio
from typing import Any

import pytest

from onsale.engine.commands import DisableWebhook, PaymentDeclinedOutcome
from onsale.tests.http.api_calls import EVENT, Calls

HOLD_MS = 300_000
STRANGE = {"a%2Fb": "a/b", "%C3%BC%20%F0%9F%92%BA": "ü 💺", "%7B%7D": "{}", "a+b": "a+b", "..": "..", "%25": "%"}


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_a_user_is_saved_and_shown(calls: Calls) -> None:
    details = {"name": "Ada", "email": "ada@example.org", "webhookUrl": "https://example.org/hook"}
    webhook = {"webhookSecret": "whsec_user:ada", "webhookDisabled": False}
    got = await calls("PUT", "/users/ada", details)
    assert (got.status, got.json()) == (200, {"userId": "ada", **details, **webhook, "seq": 1})
    read = await calls("GET", "/users/ada")
    assert (read.status, read.json()) == (200, {"userId": "ada", **details, **webhook})
    assert read.headers["Cache-Control"] == "private, no-store"
    await calls("PUT", "/users/ada", {"name": "Ada L."})
    expected = {
        "userId": "ada",
        "name": "Ada L.",
        "email": None,
        "webhookUrl": None,
        "webhookSecret": None,
        "webhookDisabled": False,
    }
    assert (await calls("GET", "/users/ada")).json() == expected, "PUT replaces"


async def test_a_webhook_that_is_gone_is_shown_and_given_anew(calls: Calls) -> None:
    await calls("PUT", "/users/ada", {"webhookUrl": "https://example.org/hook"})
    calls.gateway.decide(DisableWebhook("https://example.org/hook", user_id="ada"))
    assert (await calls("GET", "/users/ada")).json()["webhookDisabled"] is True
    got = await calls("PUT", "/users/ada", {"webhookUrl": "https://example.org/hook"})
    assert got.json()["webhookDisabled"] is False
    assert (await calls("GET", "/users/ada")).json()["webhookDisabled"] is False


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x", "example.org", "https://", "https:///x", "http://a b/", "https://ada:secret@example.org/",
        "https://ada@example.org/", "http://example.org:99999/", "http://example.org:0/", "javascript:alert(1)",
        "http://[::1", "https://example.org/\n", "http://example.org/\u2028", "https://example.org/" + "x" * 2_000, "",
    ],
)  # fmt: skip
async def test_a_webhook_must_be_a_url_that_can_be_called(calls: Calls, url: str) -> None:
    event_id = await calls.event()
    for method, path, body in (
        ("PUT", "/users/ada", {}), ("POST", "/events", EVENT), ("PATCH", f"/events/{event_id}", {}),
    ):  # fmt: skip
        got = await calls(method, path, body | {"webhookUrl": url})
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "webhookUrl")


async def test_nobody_knows_everyone(calls: Calls) -> None:
    got = await calls("GET", "/users/nobody")
    assert (got.status, got.code) == (404, "no_such_user")
    assert (await calls("GET", "/users/nobody/bookings")).json() == []
    assert (await calls("GET", "/users/nobody/notifications")).json() == []


@pytest.mark.parametrize("segment", STRANGE)
async def test_user_ids_in_paths_are_decoded(calls: Calls, segment: str) -> None:
    got = await calls("PUT", f"/users/{segment}", {})
    assert (got.status, got.json()["userId"]) == (200, STRANGE[segment])
    assert (await calls("GET", f"/users/{segment}")).status == 200


@pytest.mark.parametrize("path", ["/users/{}", "/users/{}/bookings", "/users/{}/notifications"])
async def test_what_is_no_user_id_is_refused(calls: Calls, path: str) -> None:
    for segment in ("%00", "a%0Ab", "%7F", "x" * 129, "%C3%BC" * 129):
        got = await calls("GET", path.format(segment))
        assert (got.status, got.code, got.json()["field"]) == (400, "invalid_field", "userId"), segment
    got = await calls("GET", path.format("%ff"))
    assert (got.status, got.code) == (400, "invalid_field")
    assert (await calls("GET", path.format("x" * 128))).status in (200, 404)


async def test_bookings_come_newest_first_in_pages(calls: Calls) -> None:
    event_id = await calls.event()
    for _ in range(5):
        await calls.held(event_id)
    await calls.held(event_id, "bob")
    seen, target, pages = [], "/users/ada/bookings?limit=2", 0
    while target:
        got = await calls("GET", target)
        assert got.headers["Cache-Control"] == "private, no-store"
        seen += [each["bookingId"] for each in got.json()]
        link = got.headers.get("Link", "<>")
        target, pages = link[1 : link.index(">")], pages + 1
    assert (seen, pages) == ([5, 4, 3, 2, 1], 3)
    assert "Link" not in (await calls("GET", "/users/ada/bookings?limit=5")).headers
    everything = (await calls("GET", "/users/ada/bookings")).json()
    one = (await calls("GET", "/booking/5")).json()
    assert everything[0] == {name: value for name, value in one.items() if name != "refunds"}


async def test_notifications_tell_in_sentences(calls: Calls) -> None:
    event_id = await calls.event(name="Jazz {event}", ticketTypes=[{"name": "S", "price": "1", "capacity": 1}])
    await calls.held(event_id, "bob")
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": event_id})
    assert got.status == 202
    await calls("DELETE", "/booking/1")
    calls.gateway.pass_time(HOLD_MS - 60_000)
    calls.gateway.pass_time(60_000)
    told = (await calls("GET", "/users/ada/notifications")).json()
    assert [each["kind"] for each in told] == ["lapsed", "about_to_lapse", "your_turn"]
    last = told[-1]
    assert set(last) == {
        "id", "kind", "eventId", "bookingId", "at", "seq", "text", "amount", "currency", "detail",
    }  # fmt: skip
    assert (last["amount"], last["currency"], last["detail"]) == (None, None, None)
    assert (last["eventId"], last["bookingId"], last["at"]) == (event_id, 2, "2026-11-22T10:00:00.000Z")
    assert last["text"].startswith('It is your turn: tickets for "Jazz {event}"')
    first = await calls("GET", "/users/ada/notifications?limit=1")
    assert [each["kind"] for each in first.json()] == ["lapsed"]
    link = first.headers["Link"]
    second = await calls("GET", link[1 : link.index(">")])
    assert [each["kind"] for each in second.json()] == ["about_to_lapse"]


async def test_notifications_tell_of_money_and_of_why(calls: Calls) -> None:
    event_id = await calls.event()
    await calls.paid(event_id, "bob")
    await calls.held(event_id)
    pay = {"userId": "ada", "eventId": event_id, "amount": "49.90", "paymentMethod": "pm_card_authenticationRequired"}
    assert (await calls("POST", "/pay", pay)).status == 202
    calls.gateway.settle(2, PaymentDeclinedOutcome("insufficient_funds", "Use {another} card."))
    (notice, _) = (await calls("GET", "/users/ada/notifications")).json()
    assert notice["text"] == 'Your payment for "Jazz Night" did not go through. Use {another} card.'
    assert (notice["kind"], notice["amount"], notice["currency"]) == ("payment_failed", "49.90", "EUR")
    assert notice["detail"] == "Use {another} card."
    assert (await calls("POST", "/booking/1/refund", {"amount": "9.90"})).status == 200
    refunded = (await calls("GET", "/users/bob/notifications")).json()[0]
    assert refunded["text"] == '9.90 EUR for "Jazz Night" have been given back to you.'
    assert (refunded["amount"], refunded["currency"], refunded["detail"]) == ("9.90", "EUR", None)


@pytest.mark.parametrize("path", ["/users/ada/bookings", "/users/ada/notifications"])
@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("cursor=x", "cursor"), ("cursor=MA==", "cursor"), ("before=3", "before")],
)
async def test_lists_refuse_by_parameter(calls: Calls, path: str, query: str, field: str) -> None:
    got = await calls("GET", f"{path}?{query}")
    assert (got.status, got.json()["field"]) == (400, field)


async def test_a_list_of_many_tickets_lets_others_have_their_turn(calls: Calls) -> None:
    """Their codes are signed on the event loop."""
    event_id = await calls.event(maxPerUser=1_000, ticketTypes=[{"name": "S", "price": "1", "capacity": 1_000}])
    for _ in range(3):
        await calls.paid(event_id, quantity=50)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    others = asyncio.create_task(count_turns())
    got = await calls("GET", "/users/ada/bookings")
    others.cancel()
    assert [len(each["tickets"]) for each in got.json()] == [50, 50, 50]
    assert turns >= 2


async def test_a_list_says_the_position_of_its_first_look(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided while the database is asked is not in it; the journal read on from there must have it."""
    event_id = await calls.event()
    await calls.held(event_id, "ada")
    before = calls.gateway.state.seq
    bookings_of = calls.gateway.bookings_of

    async def while_it_is_asked(*asked: Any) -> Any:
        found = await bookings_of(*asked)
        await calls.held(event_id, "ada")
        return found

    monkeypatch.setattr(calls.gateway, "bookings_of", while_it_is_asked)
    got = await calls("GET", "/users/ada/bookings")
    assert len(got.json()) == 1
    assert got.seq == before
