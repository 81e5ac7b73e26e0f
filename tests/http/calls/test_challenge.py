"""GET /challenge."""

import pytest

from onsale.engine.commands import SaveTicketKey
from onsale.tests.http.access.solving import number_of
from onsale.tests.http.api_calls import Calls


@pytest.fixture
def calls() -> Calls:
    made = Calls()
    made.gateway.decide(SaveTicketKey(b"k" * 32))
    return made


async def test_anybody_gets_one_and_each_another(calls: Calls) -> None:
    first, second = [await calls("GET", "/challenge") for _ in range(2)]
    assert first.status == second.status == 200
    assert first.headers["Cache-Control"] == "private, no-store"
    assert first.seq == calls.gateway.durable_seq
    assert first.json()["challenge"] != second.json()["challenge"]
    assert 0 <= number_of(first.json()) <= first.json()["maxnumber"] == 50_000
    assert first.json()["algorithm"] == "SHA-256"


async def test_for_an_event(calls: Calls) -> None:
    event_id = await calls.event(challenge="proof_of_work")
    got = await calls("GET", f"/challenge?event_id={event_id}")
    assert f"event={event_id}" in got.json()["salt"]


async def test_refusals(calls: Calls) -> None:
    assert (await calls("GET", "/challenge?event_id=9")).code == "no_such_event"
    assert (await calls("GET", "/challenge?event_id=x")).code == "invalid_field"
    assert (await calls("GET", "/challenge?event=1")).code == "unknown_field"
    assert (await calls("POST", "/challenge")).code == "method_not_allowed"


async def test_a_node_without_a_key_has_none() -> None:
    assert (await Calls()("GET", "/challenge")).code == "overloaded"


async def test_it_waits_for_the_position_it_is_asked_with(calls: Calls) -> None:
    got = await calls("GET", "/challenge", Onsale_Min_Seq="99")
    assert got.code == "replica_behind"
