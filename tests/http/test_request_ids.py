"""One name for a request, from whoever sends it to the answer."""

import re

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from onsale.http.call import Answer, Call
from onsale.http.request_ids import (
    CHARACTERS_MAX,
    REQUEST_ID,
    identified,
    new_request_id,
    request_id_of,
    with_request_id,
)
from onsale.tests.http.api_calls import Calls

BOOKING = {"userId": "ada", "eventId": 1}
TAKEN = ["a", "0f3c-1", "req_1:2/3", "x" * CHARACTERS_MAX, '"\\{}=%']
HOSTILE = ["", " ", "two words", "a\tb", "a\nb: c", "a\r\nSet-Cookie: x", "\x00", "\x1b[2J", "né", "\udcff", "x" * 129]


def call_of(request_id: str | None) -> Call:
    headers = CIMultiDict({} if request_id is None else {"x-request-id": request_id})
    return Call("GET", "/events", "", CIMultiDictProxy(headers), b"")


@pytest.mark.parametrize("sent", TAKEN)
def test_a_name_that_can_be_written_down_is_taken(sent: str) -> None:
    assert request_id_of(call_of(sent)) == sent


@pytest.mark.parametrize("sent", HOSTILE, ids=repr)
def test_any_other_is_replaced(sent: str) -> None:
    call = call_of(sent)
    given = request_id_of(call)
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", given)
    assert request_id_of(call) == given, "the same one as often as it is asked for"


def test_none_is_given_twice() -> None:
    assert len({new_request_id() for _ in range(1_000)} | {request_id_of(call_of(None))}) == 1_001


def test_an_answer_keeps_the_name_it_has() -> None:
    named = with_request_id(Answer(200, b"", (("Onsale-Seq", "7"),)), "mine")
    assert dict(named.headers) == {"Onsale-Seq": "7", REQUEST_ID: "mine"}
    assert with_request_id(named, "another") is named


def test_errors_alone_get_a_name_unasked() -> None:
    assert identified(Answer(201, b"")).headers == ()
    ((name, _),) = identified(Answer(404, b"")).headers
    assert name == REQUEST_ID


@pytest.mark.parametrize("sent", ["mine-1", "bad\x07id"])
async def test_every_answer_carries_it_on_both_paths(sent: str) -> None:
    calls = Calls()
    await calls.event()
    for answer in (
        calls.at_once("POST", "/booking", BOOKING, X_Request_Id=sent),
        calls.at_once("POST", "/booking", b"{", X_Request_Id=sent),
        calls.at_once("GET", "/events/1/availability", X_Request_Id=sent),
        await calls("GET", "/events", X_Request_Id=sent),
        await calls("GET", "/nowhere", X_Request_Id=sent),
        await calls("DELETE", "/booking/1", X_Request_Id=sent),
    ):
        (given,) = answer.headers.getall("X-Request-Id")
        assert given == sent if sent == "mine-1" else re.fullmatch(r"[!-~]+", given)


async def test_who_sends_none_and_makes_no_error_gets_none() -> None:
    calls = Calls()
    await calls.event()
    assert "X-Request-Id" not in calls.at_once("GET", "/events/1/availability").headers
    assert "X-Request-Id" not in (await calls("GET", "/events")).headers


async def test_an_accident_is_logged_under_the_name_that_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls()
    await calls.event()
    calls.gateway.state.sales[1].types = None  # type: ignore[assignment]
    got = calls.at_once("POST", "/booking", BOOKING, X_Request_Id="to-be-found")
    assert (got.status, got.headers["X-Request-Id"]) == (500, "to-be-found")
    assert "to-be-found" in caplog.text
