"""Receipts and heads over the API: who may ask, what is answered, and who answers what is not kept here."""

from typing import Any

import pytest

from onsale.http.call import Answer
from onsale.tests.http.api_calls import Calls, token_of


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_a_receipt_is_of_the_fact_that_decided_the_booking(calls: Calls) -> None:
    booking = await booked(calls)
    got = await calls("GET", f"/booking/{booking['bookingId']}/receipt")
    document = got.json()
    assert (got.status, got.headers["Cache-Control"]) == (200, "private, no-store")
    assert (document["bookingId"], document["seq"]) == (booking["bookingId"], booking["seq"])
    assert document["proof"]["treeSize"] == calls.gateway.durable_seq
    sized = await calls("GET", f"/booking/{booking['bookingId']}/receipt?tree_size={booking['seq']}")
    assert sized.json()["proof"]["treeSize"] == booking["seq"]


async def test_it_is_for_whoever_may_see_the_booking() -> None:
    calls = Calls(secured=True)
    booking = await booked(calls, token_of("service", "shop"))
    path = f"/booking/{booking['bookingId']}/receipt"
    assert (await calls("GET", path)).code == "unauthenticated"
    assert (await calls("GET", path, token=token_of("user", "eve"))).code == "forbidden"
    for token in (token_of("user", "ada"), token_of("service", "shop"), token_of("operator", "op")):
        assert (await calls("GET", path, token=token)).status == 200
    assert (await calls("GET", "/journal/head")).status == 200, "a head is for everyone"
    assert (await calls("GET", "/receipt_check.py")).status == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/booking/99/receipt", 404, "no_such_booking"),
        ("/booking/x/receipt", 400, "invalid_field"),
        ("/booking/1/receipt?tree_size=1", 400, "invalid_field"),
        ("/booking/1/receipt?tree_size=x", 400, "invalid_field"),
        ("/booking/1/receipt?size=1", 400, "unknown_field"),
        ("/booking/1/receipt?tree_size=99", 400, "invalid_field"),
        ("/journal/head?since=99", 400, "invalid_field"),
        ("/journal/head?seq=1&since=2", 400, "invalid_field"),
        ("/journal/head?seq=99", 400, "invalid_field"),
        ("/journal/head?seq=-1", 400, "invalid_field"),
        ("/journal/head?after=1", 400, "unknown_field"),
    ],
)
async def test_what_is_refused(calls: Calls, path: str, status: int, code: str) -> None:
    await booked(calls)
    got = await calls("GET", path)
    assert (got.status, got.code) == (status, code)


@pytest.mark.parametrize("path", ["/booking/1/receipt?tree_size=99", "/journal/head?seq=99", "/journal/head?since=99"])
async def test_what_another_node_may_have_published_is_not_here_yet(calls: Calls, path: str) -> None:
    await booked(calls)
    calls.gateway.leads = False
    got = await calls("GET", path)
    assert (got.status, got.code) == (503, "replica_behind")


async def test_a_booking_that_left_memory_has_one(calls: Calls) -> None:
    booking = await booked(calls)
    for _ in range(2):  # it lapses, and an hour later it is forgotten
        calls.gateway.pass_time(4_000_000)
    assert booking["bookingId"] not in calls.gateway.state.bookings.rows
    assert (await calls("GET", f"/booking/{booking['bookingId']}/receipt")).json()["seq"] == booking["seq"]


async def test_a_head_is_for_everyone_to_keep(calls: Calls) -> None:
    await booked(calls)
    got = await calls("GET", "/journal/head")
    assert got.headers["Cache-Control"].startswith("public, s-maxage=1")
    assert (got.json()["treeSize"], got.json()["consistency"]) == (calls.gateway.durable_seq, None)
    assert (await calls("GET", "/journal/head", If_None_Match=got.headers["ETag"])).status == 304
    assert (await calls("GET", "/journal/head?since=1")).json()["consistency"]["since"] == 1
    assert (await calls("GET", "/journal/head?since=0")).json()["consistency"] == {"since": 0, "path": []}


async def test_the_script_is_served(calls: Calls) -> None:
    got = await calls("GET", "/receipt_check.py")
    assert (got.body, got.content_type) == (b"print('checked')", "text/x-python; charset=utf-8")


@pytest.mark.parametrize("path", ["/booking/1/receipt", "/journal/head?since=1"])
async def test_what_is_not_kept_here_is_the_primarys_answer(calls: Calls, path: str) -> None:
    await booked(calls)
    gateway = calls.gateway
    gateway.lacks_past, gateway.leads = True, False
    gateway.forwarded_answer = Answer(200, b'{"of": "the primary"}')
    got = await calls("GET", path)
    assert got.json() == {"of": "the primary"}
    assert [call.path for call in gateway.forwarded] == [path.partition("?")[0]]
    passed_on = await calls("GET", path, Onsale_Forwarded_By="two")
    assert (passed_on.status, passed_on.code) == (404, "not_found"), "two nodes must not play ball"
    gateway.leads = True
    got = await calls("GET", path)
    assert (got.status, got.code) == (404, "not_found")
    assert "Ask another node" in got.json()["detail"]


async def booked(calls: Calls, token: str | None = None) -> dict[str, Any]:
    event_id = await calls.event()
    got = await calls("POST", "/booking", {"userId": "ada", "eventId": event_id}, token=token)
    assert got.status == 201
    return got.json()  # type: ignore[no-any-return]
