"""What is written down of calls: which ones, and that it leads to the journal and gives nothing away."""

import json
from typing import Any

import pytest

from onsale.http.access_log import USER_CHARACTERS_MAX, AccessLog
from onsale.http.hot import make_hot
from onsale.tests.http.api_calls import OPERATOR, Calls, token_of

BOOKING = {"userId": "ada", "eventId": 1}
Line = dict[str, Any]


class LoggedCalls(Calls):
    def __init__(self, which: str, *, secured: bool = False) -> None:
        super().__init__(secured=secured)
        self.lines: list[Line] = []
        self.api.access_log = AccessLog(which, self.lines.append)
        self.hot = make_hot(self.api)


async def asked(which: str) -> list[tuple[str, str, int]]:
    """What is noted of a read, an error, a write and a write that was refused, on both paths."""
    calls = LoggedCalls(which)
    await calls.event()
    calls.lines.clear()
    calls.at_once("GET", "/events/1/availability")
    await calls("GET", "/events/1")
    calls.at_once("GET", "/events/9/availability")
    await calls("GET", "/events/9")
    calls.at_once("POST", "/booking", BOOKING)
    await calls("DELETE", "/booking/1")
    calls.at_once("POST", "/booking", b"{")
    await calls("DELETE", "/booking/9")
    return [(line["method"], line["route"], line["status"]) for line in calls.lines]


READS = [("GET", "/events/{eventId}/availability", 200), ("GET", "/events/{eventId}", 200)]
LOST = [("GET", "/events/{eventId}/availability", 404), ("GET", "/events/{eventId}", 404)]
WRITES = [("POST", "/booking", 201), ("DELETE", "/booking/{bookingId}", 200)]
REFUSED = [("POST", "/booking", 400), ("DELETE", "/booking/{bookingId}", 404)]


@pytest.mark.parametrize(
    ("which", "noted"),
    [("off", []), ("errors", LOST + REFUSED), ("writes", WRITES + REFUSED), ("all", READS + LOST + WRITES + REFUSED)],
)
async def test_which_calls_are_noted(which: str, noted: list[tuple[str, str, int]]) -> None:
    assert await asked(which) == noted


async def test_a_line_says_where_in_the_journal_the_write_is() -> None:
    calls = LoggedCalls("all")
    await calls.event()
    calls.lines.clear()
    got = calls.at_once("POST", "/booking", BOOKING, X_Request_Id="mine")
    (line,) = calls.lines
    assert line["ms"] >= 0
    assert line == {
        "request_id": "mine", "seq": got.seq, "method": "POST", "route": "/booking", "status": 201, "ms": line["ms"],
        "user": "ada",
    }  # fmt: skip
    assert got.seq == calls.gateway.state.seq == got.json()["seq"]


async def test_a_call_without_a_name_is_given_one_in_the_line_and_the_answer() -> None:
    calls = LoggedCalls("all")
    await calls.event()
    got = calls.at_once("POST", "/booking", BOOKING)
    assert got.headers["X-Request-Id"] == calls.lines[-1]["request_id"] != ""
    got = await calls("GET", "/nowhere")
    assert got.headers["X-Request-Id"] == calls.lines[-1]["request_id"] != ""


async def test_whom_it_is_about() -> None:
    calls = LoggedCalls("all", secured=True)
    event_id = await calls.event()
    calls.at_once("POST", "/booking", {"userId": "ada", "eventId": event_id}, OPERATOR)
    await calls("GET", "/events", token=token_of("user", "bob"))
    await calls("GET", "/events")
    assert [line["user"] for line in calls.lines[1:]] == ["ada", "bob", ""]
    long = {"userId": "x" * 10_000, "eventId": event_id}
    calls.at_once("POST", "/booking", long, OPERATOR)
    assert calls.lines[-1]["user"] == "x" * USER_CHARACTERS_MAX


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"userId": 7}', b'{"userId": "\xff"}', b"null", b"[" * 5_000])
def test_bodies_that_are_none_are_no_accident(body: bytes) -> None:
    calls = LoggedCalls("all")
    assert calls.at_once("POST", "/booking", body).status == 400
    assert calls.lines[-1]["user"] == "local", "who asks, where nobody is asked for a token"


async def test_nothing_else_that_is_sent_is_written_down() -> None:
    calls = LoggedCalls("all")
    secret = "nobody's business"
    await calls("GET", f"/events?search={secret}", None, secret, Cookie=secret)
    await calls("GET", f"/{secret}")
    await calls("PUT", "/users/ada", {"email": secret})
    assert len(calls.lines) == 3
    assert secret not in json.dumps(calls.lines)


@pytest.mark.parametrize("sent", ["\udcff", "a\nb", "é" * 500])
async def test_who_says_it_forwards_can_break_no_line(sent: str) -> None:
    """Anybody may say so, in bytes that are no text."""
    calls = LoggedCalls("all")
    await calls("GET", "/events", Onsale_Forwarded_By=sent)
    written = json.dumps(calls.lines[-1], ensure_ascii=False).encode()  # as it would not be with half a character
    assert len(written) < 1_000
    assert calls.lines[-1]["forwarded_by"].isascii()
