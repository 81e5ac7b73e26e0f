"""What a node tells from its journal: asked for until it is there, and by operators alone."""

import pytest

from onsale.tests.http.api_calls import Calls

REPORTS = ("/booking/1/story", "/journal/1/story", "/events/1/fairness")


@pytest.fixture
async def calls() -> Calls:
    calls = Calls()
    assert await calls.held(await calls.event()) == 1
    return calls


@pytest.mark.parametrize("path", REPORTS)
async def test_it_is_asked_for_until_it_is_there(calls: Calls, path: str) -> None:
    calls.gateway.reading_takes_long = True
    got = await calls("GET", path)
    assert (got.status, got.headers["Retry-After"]) == (202, "1")
    assert got.json()["progress"] == {"done": 10, "total": 100}
    assert got.json()["report"] is None
    calls.gateway.reading_takes_long = False
    got = await calls("GET", path)
    assert (got.status, got.json()["progress"]) == (200, None)
    assert got.json()["report"]["throughSeq"] == 1
    assert got.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/booking/9/story", 404, "no_such_booking"),
        ("/booking/x/story", 400, "invalid_field"),
        ("/journal/999/story", 404, "not_found"),
        ("/journal/0/story", 404, "not_found"),
        ("/events/9/fairness", 404, "no_such_event"),
    ],
)
async def test_what_is_not_there(calls: Calls, path: str, status: int, code: str) -> None:
    got = await calls("GET", path)
    assert (got.status, got.code) == (status, code)
