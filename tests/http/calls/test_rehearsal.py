"""The calls for a rehearsal, with a crowd that is none."""

import pytest

from onsale.http.rehearsal import AlreadyOnError, RehearsalView, RehearsalWish
from onsale.tests.http.api_calls import Calls


class Button:
    """A `Rehearsal` that only notes what it was told."""

    def __init__(self) -> None:
        self.wish: RehearsalWish | None = None
        self.token = ""

    def view(self) -> RehearsalView:
        wish = self.wish
        return RehearsalView(wish is not None, wish.people if wish else 0, 0, 0, {"eventId": 7} if wish else {})

    async def start(self, wish: RehearsalWish, token: str) -> None:
        if self.wish is not None:
            raise AlreadyOnError("A rehearsal is on already.")
        self.wish, self.token = wish, token

    async def stop(self) -> None:
        self.wish = None


@pytest.fixture
def calls() -> Calls:
    made = Calls()
    made.api.rehearsal = Button()
    return made


async def test_outside_the_sample_there_is_none() -> None:
    for method in ("GET", "POST", "DELETE"):
        got = await Calls()(method, "/rehearsal")
        assert (got.status, got.code) == (404, "not_found")
        assert "make run" in got.json()["detail"]


async def test_it_is_started_looked_at_and_stopped(calls: Calls) -> None:
    assert (await calls("GET", "/rehearsal")).json()["running"] is False
    started = await calls("POST", "/rehearsal", {"people": 30, "pace": 0.1})
    assert (started.status, started.json()["running"], started.json()["people"]) == (201, True, 30)
    assert started.json()["told"] == {"eventId": 7}
    assert started.json()["seq"] == int(started.headers["Onsale-Seq"])
    again = await calls("POST", "/rehearsal")
    assert (again.status, again.code) == (409, "wrong_status")
    assert "on already" in again.json()["detail"]
    assert (await calls("DELETE", "/rehearsal")).json()["running"] is False
    assert (await calls("POST", "/rehearsal")).json()["people"] == 2_000, "without a body it is the usual one"


@pytest.mark.parametrize(
    "body",
    [{"people": 0}, {"people": 10**9}, {"people": "many"}, {"bots": -1}, {"tickets": 1}, {"pace": 0}, {"seconds": 1e9},
     {"opensSeconds": -1}, {"nodes": ["http://elsewhere"]}, [], "x"],
    ids=str,
)  # fmt: skip
async def test_what_it_can_not_be(calls: Calls, body: object) -> None:
    got = await calls("POST", "/rehearsal", body)
    assert got.status == 400
    assert got.code in ("invalid_field", "invalid_request", "unknown_field", "invalid_json")
    assert (await calls("GET", "/rehearsal")).json()["running"] is False
