"""Members and their health; what operators order, and how that is refused."""

from typing import Any

import pytest

from onsale.http.gateway import ClusterChange, Member
from onsale.tests.http.api_calls import OPERATOR, Calls, token_of

ORDERS = [
    ("POST", "/cluster/failover", {}),
    ("POST", "/cluster/switchover", {}),
    ("POST", "/cluster/sync-standbys", {"syncStandbys": 1}),
    ("DELETE", "/cluster/members/two", None),
]


@pytest.fixture
def calls() -> Calls:
    return Calls()


def standby(name: str = "two", **changes: Any) -> Member:
    values: dict[str, Any] = {
        "name": name, "role": "standby", "state": "following", "epoch": 1, "received_seq": 1, "applied_seq": 1,
        "durable_seq": 1, "lag_ms": 0, "address": "http://127.0.0.1:8081", "replication": "127.0.0.1:7401",
        "sync": True, "age_ms": 20,
    }  # fmt: skip
    return Member(**(values | changes))


async def problems(calls: Calls) -> tuple[str, str]:
    document = (await calls("GET", "/cluster")).json()
    return document["health"], " ".join(document["problems"])


# --- how it is


async def test_the_cluster_lists_its_members(calls: Calls) -> None:
    await calls.event()
    calls.gateway.sync_standbys = 1
    calls.gateway.more_members = [standby()]
    got = await calls("GET", "/cluster")
    assert (got.status, got.seq, got.headers["Cache-Control"]) == (200, 1, "private, no-store")
    assert got.json() == {
        "members": [
            {
                "name": "one", "role": "primary", "state": "serving", "epoch": 1, "receivedSeq": 1, "appliedSeq": 1,
                "durableSeq": 1, "lagMs": 0, "address": "http://127.0.0.1:8080", "replication": "", "sync": False,
                "ageMs": 0,
            },
            {
                "name": "two", "role": "standby", "state": "following", "epoch": 1, "receivedSeq": 1, "appliedSeq": 1,
                "durableSeq": 1, "lagMs": 0, "address": "http://127.0.0.1:8081", "replication": "127.0.0.1:7401",
                "sync": True, "ageMs": 20,
            },
        ],
        "node": "one",
        "role": "primary",
        "seq": 1,
        "epoch": 1,
        "syncStandbys": 1,
        "syncStandbysMet": 1,
        "primary": "one",
        "primaryAddress": "http://127.0.0.1:8080",
        "health": "ok",
        "takeover": "by_operator",
        "problems": [],
    }  # fmt: skip


async def test_without_a_primary_the_cluster_is_down(calls: Calls) -> None:
    calls.gateway.primary = ""
    document = (await calls("GET", "/cluster")).json()
    assert (document["health"], document["primary"], document["primaryAddress"]) == ("down", None, None)
    assert "`onsale failover`" in document["problems"][0]
    calls.gateway.more_members = [standby(lag_ms=60_000)]
    assert len((await calls("GET", "/cluster")).json()["problems"]) == 1, "there is nobody to be behind of"


async def test_a_primary_that_does_not_answer(calls: Calls) -> None:
    calls.gateway.primary = "two"
    calls.gateway.more_members = [standby(role="primary", age_ms=6_000)]
    health, said = await problems(calls)
    assert health == "down"
    assert said.startswith("The primary two does not answer.")
    assert said.count("two") == 1, "said once"


async def test_too_few_standbys_in_step(calls: Calls) -> None:
    calls.gateway.sync_standbys = 2
    calls.gateway.more_members = [standby(), standby("three", sync=False), standby("four", age_ms=10_000)]
    health, said = await problems(calls)
    assert health == "down"
    assert "Answers wait for 2 standbys and 1 is in step" in said
    assert "`onsale sync-standbys 1`" in said


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        (standby(state="unreachable"), "two does not answer. Start it again, or take it off the list"),
        (standby(state="failed"), "two has taken itself out; its log says why."),
        (standby(epoch=0), "two is still in epoch 0, and the cluster is in 1."),
        (standby(role="replica", lag_ms=12_345), "two is 12.3 s behind the primary."),
    ],
)
async def test_what_needs_looking_at(calls: Calls, member: Member, sentence: str) -> None:
    calls.gateway.more_members = [member]
    health, said = await problems(calls)
    assert health == "degraded"
    assert sentence in said


async def test_what_the_node_itself_reports(calls: Calls) -> None:
    calls.gateway.problems = ["The clock is late."]
    assert await problems(calls) == ("degraded", "The clock is late.")


# --- orders


async def test_a_failover_is_passed_on_with_what_was_asked(calls: Calls) -> None:
    got = await calls("POST", "/cluster/failover")
    assert got.json() == {
        "done": True,
        "epoch": 2,
        "primary": "two",
        "sentences": ["two answers.", "two leads in epoch 2."],
        "seq": 0,
    }
    assert (got.status, got.headers["Cache-Control"]) == (200, "private, no-store")
    body = {"to": "two", "acceptDataLoss": True, "syncStandbys": 0, "dryRun": True}
    assert (await calls("POST", "/cluster/failover", body)).json()["done"] is False
    assert calls.gateway.orders == [("failover", None, False, None, False), ("failover", "two", True, 0, True)]


async def test_the_other_orders(calls: Calls) -> None:
    await calls("POST", "/cluster/switchover", {"to": "two"})
    await calls("POST", "/cluster/switchover", {"dryRun": True})
    await calls("POST", "/cluster/sync-standbys", {"syncStandbys": 2})
    await calls("DELETE", "/cluster/members/node%2Fthree")
    assert calls.gateway.orders == [
        ("switchover", "two", False),
        ("switchover", None, True),
        ("sync_standbys", 2),
        ("remove", "node/three"),
    ]


@pytest.mark.parametrize(("method", "path", "body"), ORDERS)
async def test_what_is_not_safe_is_refused_in_sentences(calls: Calls, method: str, path: str, body: Any) -> None:
    calls.gateway.unsafe = ClusterChange(done=False, sentences=["Two is away.", "Start it."], epoch=1, primary="one")
    got = await calls(method, path, body)
    assert (got.status, got.code) == (409, "unsafe")
    problem = got.json()
    assert (problem["sentences"], problem["detail"]) == (["Two is away.", "Start it."], "Two is away. Start it.")
    assert "fenced" not in problem
    calls.gateway.unsafe.fenced = True
    assert (await calls(method, path, body)).json()["fenced"] is True


@pytest.mark.parametrize(("method", "path", "body"), ORDERS)
async def test_orders_take_an_operator(method: str, path: str, body: Any) -> None:
    calls = Calls(secured=True)
    assert (await calls(method, path, body)).status == 401
    for role in ("user", "service", "organiser"):
        assert (await calls(method, path, body, token_of(role, "x"))).status == 403
    assert not calls.gateway.orders
    assert (await calls(method, path, body, OPERATOR)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("failover", {"to": ""}, "to"),
        ("failover", {"to": "a\u0000"}, "to"),
        ("failover", {"acceptDataLoss": "yes"}, "acceptDataLoss"),
        ("failover", {"syncStandbys": -1}, "syncStandbys"),
        ("failover", {"force": True}, "force"),
        ("switchover", {"to": 7}, "to"),
        ("switchover", {"acceptDataLoss": True}, "acceptDataLoss"),
        ("sync-standbys", {}, "syncStandbys"),
        ("sync-standbys", {"syncStandbys": 17}, "syncStandbys"),
    ],
)
async def test_what_is_not_understood_is_not_done(calls: Calls, path: str, body: Any, field: str) -> None:
    for headers in ({}, {"Idempotency_Key": "k"}):
        got = await calls("POST", f"/cluster/{path}", body, **headers)
        assert (got.status, got.json()["field"]) == (400, field)
    assert not calls.gateway.orders
    assert not calls.gateway.commands, "nothing of it is kept in the journal"


async def test_a_name_that_is_none(calls: Calls) -> None:
    for name in ("x" * 129, "%00"):
        assert (await calls("DELETE", f"/cluster/members/{name}")).json()["field"] == "name"


async def test_another_node_than_the_primary_says_where_that_is(calls: Calls) -> None:
    calls.gateway.leads = False
    for address in ("", "http://10.0.0.1:8080"):
        calls.gateway.primary_address = address
        for method, path, body in ORDERS[1:]:
            got = await calls(method, path, body)
            assert (got.status, got.code, got.json().get("primaryAddress", "")) == (503, "no_primary", address)
    assert not calls.gateway.orders
    assert (await calls("POST", "/cluster/failover")).status == 200, "any node can be asked for that"
    assert not calls.gateway.forwarded


async def test_what_cannot_be_asked_now_can_be_asked_later(calls: Calls) -> None:
    calls.gateway.is_busy = True
    assert (await calls("POST", "/cluster/failover")).code == "overloaded"
