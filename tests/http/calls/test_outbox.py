"""What is owed to the outside over the API: seeing it, trying again, closing a concern, comparing the books."""

import asyncio
from typing import Any

import pytest

from onsale.engine.codes import Code
from onsale.engine.commands import CloseConcern, RaiseConcern, RetryDelivery, SettleDelivery, SettleRefund
from onsale.engine.replies import Refusal
from onsale.http.calls import outbox
from onsale.http.gateway import Finding, LaneView
from onsale.tests.http.api_calls import Calls

HOOK = "https://example.org/hook"
NONE = {"payments": 0, "refunds": 0, "refundsFailed": 0, "messages": 0, "messagesDead": 0, "concerns": 0}


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def failed_refunds(calls: Calls, count: int) -> list[int]:
    event_id = await calls.event(maxPerUser=100)
    calls.gateway.provider_is_slow = False
    bookings = [await calls.paid(event_id) for _ in range(count)]
    calls.gateway.provider_is_slow = True
    for booking_id in bookings:
        assert (await calls("POST", f"/booking/{booking_id}/refund")).status == 202
    refund_ids = list(calls.gateway.state.refunds.rows)
    for refund_id in refund_ids:
        calls.gateway.decide(SettleRefund(refund_id, failure="charge_disputed"))
    return refund_ids


async def dead_messages(calls: Calls, count: int) -> list[int]:
    await calls("PUT", "/users/eve", {"webhookUrl": HOOK})
    event_id = await calls.event(maxPerUser=100)
    for _ in range(count):
        await calls.held(event_id, "eve")
    delivery_ids = list(calls.gateway.state.deliveries.rows)
    for delivery_id in delivery_ids:
        calls.gateway.decide(SettleDelivery(delivery_id, "no such host"))
    return delivery_ids


async def test_nothing_is_owed(calls: Calls) -> None:
    got = await calls("GET", "/outbox")
    lists: dict[str, Any] = {"lanes": [], "refundsFailed": [], "messagesDead": [], "concerns": []}
    assert (got.status, got.json()) == (200, {"leads": True, "totals": NONE, **lists})
    assert got.headers["Cache-Control"] == "private, no-store"
    assert "Link" not in got.headers


async def test_what_a_person_must_look_at_is_shown(calls: Calls) -> None:
    await failed_refunds(calls, 1)
    await dead_messages(calls, 1)
    calls.gateway.decide(RaiseConcern("dispute", "dp_1", "It was not them.", 1, 1, 0, 4990, "EUR"))
    calls.gateway.decide(RaiseConcern("unknown_payment", "pi_9", "Whose?", amount_minor=7, currency="XXX"))
    calls.gateway.lane_views = [
        LaneView("mail", 3, 1, calls.gateway.clock_ms, "no answer", calls.gateway.clock_ms + 500),
        LaneView("looks", 0, 0, 0, "", 0),
    ]
    shown = (await calls("GET", "/outbox")).json()
    assert shown["totals"] == NONE | {"refundsFailed": 1, "messagesDead": 1, "concerns": 2}
    assert shown["lanes"] == [
        {
            "name": "mail",
            "waiting": 3,
            "inFlight": 1,
            "failingSince": "2026-11-22T10:00:00.000Z",
            "lastFailure": "no answer",
            "resumesAt": "2026-11-22T10:00:00.500Z",
        },
        {"name": "looks", "waiting": 0, "inFlight": 0, "failingSince": None, "lastFailure": None, "resumesAt": None},
    ]
    assert shown["refundsFailed"] == [
        {
            "refundId": 1,
            "bookingId": 1,
            "userId": "ada",
            "amount": "49.90",
            "currency": "EUR",
            "reason": "requested",
            "failure": "charge_disputed",
            "tries": 1,
            "createdAt": "2026-11-22T10:00:00.000Z",
            "paymentReference": "pi_1",
        }
    ]
    (dead,) = shown["messagesDead"]
    assert dead == {
        "deliveryId": dead["deliveryId"],
        "channel": "user_webhook",
        "kind": "held",
        "notificationId": dead["notificationId"],
        "eventId": 2,
        "bookingId": 2,
        "userId": "eve",
        "at": "2026-11-22T10:00:00.000Z",
        "attempts": 1,
        "failure": "no such host",
    }
    assert shown["concerns"][0] == {
        "id": "dispute:dp_1",
        "kind": "dispute",
        "reference": "dp_1",
        "bookingId": 1,
        "paymentId": 1,
        "refundId": None,
        "amount": "49.90",
        "currency": "EUR",
        "detail": "It was not them.",
        "at": "2026-11-22T10:00:00.000Z",
    }
    assert (shown["concerns"][1]["amount"], shown["concerns"][1]["currency"]) == (None, "XXX")


async def test_what_is_under_way_is_counted_and_not_listed(calls: Calls) -> None:
    await calls("PUT", "/users/ada", {"webhookUrl": HOOK})
    await calls.paid(await calls.event())
    calls.gateway.provider_is_slow = True
    await calls("POST", "/booking/1/refund")
    await calls.held(1)
    assert (await calls("POST", "/pay", {"userId": "ada", "eventId": 1, "amount": "49.90"})).status == 202
    shown = (await calls("GET", "/outbox")).json()
    owed = len(calls.gateway.state.deliveries.rows)
    assert shown["totals"] == NONE | {"payments": 1, "refunds": 1, "messages": owed}
    assert owed
    assert (shown["refundsFailed"], shown["messagesDead"]) == ([], [])


async def test_each_list_goes_on_where_its_page_ended(calls: Calls) -> None:
    refund_ids, delivery_ids = await failed_refunds(calls, 5), await dead_messages(calls, 3)
    seen: dict[str, list[int]] = {"refundsFailed": [], "messagesDead": []}
    target, pages = "/outbox?limit=2", 0
    while target:
        got = await calls("GET", target)
        assert got.status == 200
        seen["refundsFailed"] += [each["refundId"] for each in got.json()["refundsFailed"]]
        seen["messagesDead"] += [each["deliveryId"] for each in got.json()["messagesDead"]]
        link = got.headers.get("Link", "<>")
        target, pages = link[1 : link.index(">")], pages + 1
    assert (seen["refundsFailed"], seen["messagesDead"], pages) == (refund_ids, delivery_ids, 3)
    for cursor in ("x", "MA==", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        got = await calls("GET", f"/outbox?cursor={cursor}")
        assert (got.status, got.json()["field"]) == (400, "cursor")
    far = await calls("GET", "/outbox?cursor=OTIyMzM3MjAzNjg1NDc3NTgwNw==")  # 2^63 - 1
    assert (far.status, far.json()["refundsFailed"]) == (200, [])
    assert (await calls("GET", "/outbox?limit=101")).code == "invalid_field"
    assert (await calls("GET", "/outbox?all=1")).code == "unknown_field"


async def test_what_is_named_is_tried_again(calls: Calls) -> None:
    refund_ids, delivery_ids = await failed_refunds(calls, 2), await dead_messages(calls, 2)
    asked = {"refundIds": [refund_ids[0], str(refund_ids[0])], "deliveryIds": [delivery_ids[1], 999]}
    got = await calls("POST", "/outbox/retry", asked)
    assert got.status == 200
    assert got.json() == {
        "refundsRetried": 1,
        "messagesRetried": 1,
        "notRetried": [
            {
                "refundId": None,
                "deliveryId": 999,
                "code": "not_found",
                "detail": "There is no message 999 that waits to be sent.",
            }
        ],
        "refundsFailed": 1,
        "messagesDead": 1,
        "seq": got.seq,
    }
    state = calls.gateway.state
    assert state.refunds.rows[refund_ids[0]].tries == 2
    again = (await calls("POST", "/outbox/retry", asked)).json()
    assert (again["refundsRetried"], again["messagesRetried"]) == (0, 0)
    assert [each["code"] for each in again["notRetried"]] == ["wrong_status", "wrong_status", "not_found"]


async def test_everything_is_tried_again_in_steps(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    refund_ids, delivery_ids = await failed_refunds(calls, 3), await dead_messages(calls, 4)
    monkeypatch.setattr(outbox, "RETRIED_MAX", 5)
    monkeypatch.setattr(outbox, "RETRIED_AT_ONCE", 2)
    got = (await calls("POST", "/outbox/retry", {"all": True})).json()
    assert (got["refundsRetried"], got["messagesRetried"], got["messagesDead"]) == (len(refund_ids), 2, 2)
    got = (await calls("POST", "/outbox/retry", {"all": True})).json()
    assert (got["refundsRetried"], got["messagesRetried"], got["messagesDead"]) == (0, len(delivery_ids) - 2, 0)
    nothing = await calls("POST", "/outbox/retry", {"all": True})
    assert (nothing.status, nothing.json()["notRetried"]) == (200, [])
    assert nothing.seq == calls.gateway.state.seq


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "refundIds"),
        ({"refundIds": [], "deliveryIds": []}, "refundIds"),
        ({"all": False}, "refundIds"),
        ({"all": True, "refundIds": [1]}, "all"),
        ({"all": 1}, "all"),
        ({"refundIds": [0]}, "refundIds[0]"),
        ({"refundIds": [1, "x"]}, "refundIds[1]"),
        ({"deliveryIds": [2**63]}, "deliveryIds[0]"),
        ({"deliveryIds": ["9223372036854775808"]}, "deliveryIds[0]"),
        ({"deliveryIds": 7}, "deliveryIds"),
        ({"deliveryIds": list(range(1, 1_002))}, "deliveryIds"),
        ({"ids": [1]}, "ids"),
    ],
)
async def test_what_to_try_again_must_be_said(calls: Calls, body: Any, field: str) -> None:
    got = await calls("POST", "/outbox/retry", body)
    assert (got.status, got.json()["field"]) == (400, field)
    assert "another kind" not in got.json()["detail"]


async def test_a_node_that_cannot_decide_says_so(calls: Calls) -> None:
    await dead_messages(calls, 1)
    calls.gateway.submit = lambda command, key, done: done(  # type: ignore[method-assign]
        Refusal(3, Code.NOT_DURABLE, "Later."), False
    )
    got = await calls("POST", "/outbox/retry", {"all": True})
    assert (got.status, got.code) == (503, "not_durable")


async def test_it_is_answered_when_durable(calls: Calls) -> None:
    (delivery_id,) = await dead_messages(calls, 1)
    calls.gateway.hold_back()
    waiting = asyncio.ensure_future(calls("POST", "/outbox/retry", {"deliveryIds": [delivery_id]}))
    for _ in range(5):
        await asyncio.sleep(0)
    assert isinstance(calls.gateway.commands[-1], RetryDelivery)
    assert not waiting.done()
    calls.gateway.let_go()
    assert (await waiting).json()["messagesRetried"] == 1


async def test_a_concern_is_closed_once(calls: Calls) -> None:
    calls.gateway.decide(RaiseConcern("dispute", "dp_1", "It was not them."))
    got = await calls("POST", "/outbox/concerns/close", {"id": "dispute:dp_1"}, Idempotency_Key="k")
    assert (got.status, got.json()) == (200, {"done": True, "seq": got.seq})
    again = await calls("POST", "/outbox/concerns/close", {"id": "dispute:dp_1"}, Idempotency_Key="k")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (got.body, "true")
    assert (await calls("POST", "/outbox/concerns/close", {"id": "dispute:dp_1"})).status == 200
    assert (await calls("GET", "/outbox")).json()["totals"] == NONE
    assert sum(isinstance(each, CloseConcern) for each in calls.gateway.commands) == 3
    unknown = await calls("POST", "/outbox/concerns/close", {"id": "dispute:dp_2"})
    assert (unknown.status, unknown.code) == (404, "not_found")
    for body in ({}, {"id": ""}, {"id": 7}, {"id": "x" * 1_001}, {"id": "a\x00"}):
        got = await calls("POST", "/outbox/concerns/close", body)
        assert (got.status, got.json()["field"]) == (400, "id")


WEEK_BEFORE_MS = 1_794_736_800_000


@pytest.mark.parametrize(
    ("body", "since_ms"),
    [
        (None, WEEK_BEFORE_MS),
        ({}, WEEK_BEFORE_MS),
        ({"since": "2026-11-22"}, 1_795_305_600_000),
        ({"since": "2026-11-22T10:00:00Z"}, 1_795_341_600_000),
    ],
)
async def test_the_books_are_compared(calls: Calls, body: Any, since_ms: int) -> None:
    calls.gateway.findings = [
        Finding("settled", "pi_1", 1, 2, 0, 4990, "EUR", "It had succeeded.", mended=True),
        Finding("unknown_payment", "pi_9", 0, 0, 0, 5, "XTS", "Whose?", mended=False),
    ]
    got = await calls("POST", "/reconcile", body)
    assert got.status == 200
    assert calls.gateway.orders == [("reconcile", since_ms)]
    found = got.json()
    assert (found["provider"], found["paymentsTheirs"], found["paymentsOurs"]) == ("stripe", 3, 3)
    assert (found["refundsTheirs"], found["refundsOurs"], found["seq"]) == (1, 1, got.seq)
    assert found["until"] == "2026-11-22T10:00:00.000Z"
    assert found["findings"][0] == {
        "kind": "settled",
        "reference": "pi_1",
        "paymentId": 1,
        "bookingId": 2,
        "refundId": None,
        "amount": "49.90",
        "currency": "EUR",
        "detail": "It had succeeded.",
        "mended": True,
    }
    assert (found["findings"][1]["amount"], found["findings"][1]["currency"]) == (None, "XTS")


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-02-30", "1969-12-31", "1969-12-31T23:59:59Z", 5, "", "2026-11-22T10:00"]
)
async def test_since_when_must_be_a_time(calls: Calls, since: Any) -> None:
    got = await calls("POST", "/reconcile", {"since": since})
    assert (got.status, got.json()["field"]) == (400, "since")
    assert not calls.gateway.orders


async def test_a_comparison_is_for_the_primary(calls: Calls) -> None:
    calls.gateway.role, calls.gateway.leads = "standby", False
    got = await calls("POST", "/reconcile")
    assert (got.status, got.code) == (503, "no_primary")
    calls.gateway.primary_address = "http://10.0.0.1:8080"
    assert (await calls("POST", "/reconcile")).json()["primaryAddress"] == "http://10.0.0.1:8080"
    assert (await calls("GET", "/outbox")).json()["leads"] is False
    assert not calls.gateway.forwarded


async def test_a_provider_that_is_down_is_said(calls: Calls) -> None:
    calls.gateway.is_busy = True
    got = await calls("POST", "/reconcile")
    assert (got.status, got.code) == (503, "overloaded")
