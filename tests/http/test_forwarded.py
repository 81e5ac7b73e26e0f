"""Writes on a node that does not lead are answered by the one that does."""

import pytest

from onsale.engine.codes import Code
from onsale.http.call import Answer
from onsale.http.problems import refused
from onsale.http.routes import ROUTES
from onsale.tests.http.api_calls import EVENT, OPERATOR, Calls, as_call, token_of

ADA = token_of("user", "ada")
WRITES = [route for route in ROUTES if route.method != "GET"]
ANSWER = Answer(201, b'{"bookingId": 1,  "seq":57}', (("Onsale-Seq", "57"), ("Idempotency-Replayed", "true")))


@pytest.fixture
def calls() -> Calls:
    """Of a standby."""
    calls = Calls(secured=True)
    calls.gateway.role, calls.gateway.leads = "standby", False
    calls.gateway.forwarded_answer = ANSWER
    return calls


@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_write_is_passed_on_but_orders_to_the_node(calls: Calls, route: object) -> None:
    ids = {"eventId": 1, "bookingId": 1, "userId": "ada", "name": "x", "code": "x", "token": "x"}
    method, path = route.method, route.path.format(**ids)  # type: ignore[attr-defined]
    got = await calls(method, path, b"not json", Idempotency_Key="k")
    if path.startswith("/cluster") or path == "/reconcile":
        assert got.status == 401
        assert not calls.gateway.forwarded
    else:
        assert (got.status, got.body) == (201, ANSWER.body)
        assert dict(got.headers) == dict(ANSWER.headers)
        (call,) = calls.gateway.forwarded
        assert (call.method, call.path, call.body) == (method, path, b"not json")
    assert not calls.gateway.commands


async def test_an_answer_without_a_position_stays_as_it_is(calls: Calls) -> None:
    calls.gateway.forwarded_answer = Answer(413, b"{}")
    got = await calls("POST", "/booking", {})
    assert (got.status, got.body, dict(got.headers)) == (413, b"{}", {})


async def test_the_hot_path_leaves_writes_alone(calls: Calls) -> None:
    for path in ("/booking", "/pay"):
        assert calls.hot(as_call("POST", path, {}), lambda answer: None) is False
    calls.gateway.leads = True
    assert calls.at_once("POST", "/booking", {}).status == 401


async def test_reads_are_answered_here(calls: Calls) -> None:
    assert (await calls("GET", "/events")).status == 200
    assert calls.at_once("GET", "/events/1/availability").status == 404
    assert not calls.gateway.forwarded


async def test_an_operator_may_have_the_primary_answer(calls: Calls) -> None:
    for method, path in (("GET", "/metrics"), ("GET", "/outbox"), ("POST", "/cluster/switchover")):
        got = await calls(method, path, None, OPERATOR, Onsale_Ask="primary")
        assert (got.status, got.body) == (201, ANSWER.body)
    assert [call.path for call in calls.gateway.forwarded] == ["/metrics", "/outbox", "/cluster/switchover"]
    for token, status in ((None, 401), (ADA, 403)):
        assert (await calls("GET", "/metrics", None, token, Onsale_Ask="primary")).status == status
    passed_on = await calls("GET", "/metrics", None, OPERATOR, Onsale_Ask="primary", Onsale_Forwarded_By="two")
    assert passed_on.code == "no_primary", "two nodes that don't lead don't ask each other for ever"
    assert len(calls.gateway.forwarded) == 3
    calls.gateway.leads = True
    assert (await calls("GET", "/metrics", None, OPERATOR, Onsale_Ask="primary")).status == 200


async def test_paths_and_methods_that_are_none_are_refused_here(calls: Calls) -> None:
    assert (await calls("POST", "/nowhere")).status == 404
    assert (await calls("POST", "/events/1")).status == 405
    got = await calls("POST", "/%ff", {}, Idempotency_Key="k", token=None)
    assert got.status in (400, 404)
    assert not calls.gateway.forwarded
    assert not calls.gateway.commands


async def test_a_node_that_comes_to_lead_meanwhile_decides(calls: Calls) -> None:
    calls = Calls()
    calls.gateway.leads = False
    calls.gateway.forwarded_answer = None
    assert (await calls("POST", "/events", EVENT)).status == 201
    assert len(calls.gateway.forwarded) == len(calls.gateway.commands) == 1


async def test_what_was_passed_on_to_here_goes_no_further(calls: Calls) -> None:
    got = await calls("POST", "/booking", {}, Onsale_Forwarded_By="node-1")
    assert (got.status, got.code, got.headers["Retry-After"]) == (503, "no_primary", "1")
    assert "node-1" in got.json()["detail"]
    assert not calls.gateway.forwarded
    calls.gateway.leads = True
    assert (await calls("POST", "/booking", {}, Onsale_Forwarded_By="node-1")).status == 401


async def test_no_primary_is_said_with_a_position(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forward(call: object) -> Answer | None:
        raise refused(Code.NO_PRIMARY, "No primary is known.")

    monkeypatch.setattr(calls.gateway, "forward", forward)
    got = await calls("POST", "/booking", {}, Idempotency_Key="k")
    assert (got.status, got.code) == (503, "no_primary")
    assert not calls.gateway.commands, "nothing can be kept here"


async def test_what_was_passed_on_is_counted(calls: Calls) -> None:
    await calls("POST", "/booking", {})
    assert 'onsale_http_requests_total{method="POST",route="/booking",status="201"} 1.0' in (
        b"".join(calls.metrics.render()).decode()
    )
