"""CONTRACT §3: a booking's life, the line, limits, payments, refunds and cancelled events."""

import time
from collections import Counter
from pathlib import Path

import pytest

from onsale.http.wire.times import format_ms
from onsale.tests.contract.asking import Caller
from onsale.tests.contract.conftest import HOLD_SECONDS
from onsale.tests.processes.nodes import Node, verify

ACTION = "pm_card_authenticationRequired"
DECLINED = "pm_card_chargeDeclined"


def wait_for(ask: Caller, booking_id: int, status: str) -> None:
    until = time.monotonic() + 10
    while ask.status(booking_id) != status:
        assert time.monotonic() < until, ask("GET", f"/booking/{booking_id}").json
        time.sleep(0.02)


def test_held_paid_and_given_back(ask: Caller) -> None:
    event_id = ask.event()
    booking_id = ask.held(event_id)
    paid = ask.pay(event_id, amount="10")
    assert (paid.status, paid.json["status"], paid.json["bookingStatus"]) == (200, "succeeded", "confirmed")
    assert paid.json["bookingId"] == booking_id
    booking = ask("GET", f"/booking/{booking_id}").json
    assert booking["status"] == "confirmed"
    assert booking["payment"]["paymentId"] == paid.json["paymentId"]
    assert booking["tickets"] == paid.json["tickets"]
    assert len({ticket["code"] for ticket in booking["tickets"]}) == booking["quantity"]
    again = ask.pay(event_id)
    assert (again.status, again.code) == (409, "already_paid")
    assert ask("DELETE", f"/booking/{booking_id}").code == "wrong_status"
    refunded = ask("POST", f"/booking/{booking_id}/refund")
    assert (refunded.status, refunded.json["status"], refunded.json["amount"]) == (200, "succeeded", "10.00")
    assert ask.status(booking_id) == "refunded"
    assert ask("POST", f"/booking/{booking_id}/refund").code == "wrong_status"
    assert ask.kinds("ann")[-3:] == ["held", "confirmed", "refunded"]


def test_parts_are_given_back_up_to_the_whole(ask: Caller) -> None:
    event_id = ask.event()
    path = f"/booking/{ask.paid(event_id)}/refund"
    assert ask("POST", path, {"amount": "4.00"}).json["bookingStatus"] == "partially_refunded"
    assert ask.pay(event_id).code == "already_paid"
    for amount, status, code in (("7.00", 422, "amount_mismatch"), ("0.00", 400, "invalid_field")):
        answer = ask("POST", path, {"amount": amount})
        assert (answer.status, answer.code) == (status, code)
    assert ask("GET", f"/events/{event_id}").json["available"] == 2, "a part leaves the tickets valid"
    assert ask("POST", path, {"amount": "6.00"}).json["bookingStatus"] == "refunded"
    assert ask("GET", f"/events/{event_id}").json["available"] == 3


def test_a_declined_payment_keeps_the_hold(ask: Caller) -> None:
    event_id = ask.event()
    booking_id = ask.held(event_id)
    declined = ask.pay(event_id, paymentMethod=DECLINED)
    assert (declined.status, declined.code) == (402, "payment_declined")
    assert ask.status(booking_id) == "held"
    step = ask.pay(event_id, paymentMethod=ACTION)
    assert (step.status, step.json["status"]) == (202, "requires_action")
    assert step.json["clientSecret"]
    assert ask.status(booking_id) == "paying"
    assert ask.pay(event_id, paymentMethod="pm_card_visa").status == 200


def test_payments_that_cannot_be(ask: Caller) -> None:
    event_id = ask.event()
    assert ask.pay(999_999).code == "no_such_event"
    assert ask.pay(event_id).code == "no_such_booking"
    booking_id = ask.held(event_id)
    assert ask.pay(event_id, bookingId=999_999).code == "no_such_booking"  # type: ignore[arg-type]
    assert ask.pay(event_id, "bob", bookingId=booking_id).code == "forbidden"  # type: ignore[arg-type]
    wrong = ask.pay(event_id, amount="9.99")
    assert (wrong.status, wrong.code) == (422, "amount_mismatch")
    ask.held(event_id)
    ambiguous = ask.pay(event_id)
    assert (ambiguous.status, ambiguous.code) == (409, "ambiguous_booking")
    assert ask.pay(event_id, bookingId=booking_id).status == 200  # type: ignore[arg-type]
    waiting = ask.book(event_id, "cid", 3).json["bookingId"]
    assert ask.pay(event_id, "cid", "30.00", bookingId=waiting).code == "wrong_status"


def test_a_lapsed_hold_cannot_be_paid_and_goes_to_the_head_of_the_line(hasty: Caller) -> None:
    event_id = hasty.event()
    lapsing = hasty.held(event_id, "ann", 3)
    line = [hasty.book(event_id, user_id, size).json for user_id, size in (("bob", 2), ("cid", 2), ("dan", 1))]
    assert [each["position"] for each in line] == [1, 2, 3]
    wait_for(hasty, lapsing, "expired")
    for fields in ({}, {"bookingId": lapsing}):
        answer = hasty.pay(event_id, "ann", "30.00", **fields)
        assert (answer.status, answer.code) == (410, "hold_expired")
    held = [hasty.status(each["bookingId"]) for each in line]
    assert held == ["held", "waiting", "waiting"], "strict: the line waits for its head"
    assert hasty("GET", f"/booking/{line[2]['bookingId']}").json["position"] == 2
    late = hasty.book(event_id, "eve")
    assert (late.status, late.json["position"]) == (202, 3), "nobody passes those who wait"
    facts = list(hasty.pages("/journal?limit=100"))
    lapsed = next(at for at, fact in enumerate(facts) if fact["type"] == "lapsed" and fact["bookingId"] == lapsing)
    promoted = facts[lapsed + 1]
    assert (promoted["type"], promoted["bookingId"]) == ("promoted", line[0]["bookingId"])
    assert promoted["at"] == facts[lapsed]["at"], "in the same step"
    assert hasty.kinds("bob") == ["your_turn"]


def test_a_hold_does_not_lapse_while_it_is_being_paid(hasty: Caller) -> None:
    event_id = hasty.event()
    booking_id, other_id = hasty.held(event_id, "pin"), hasty.held(event_id, "lap")
    assert hasty.pay(event_id, "pin", paymentMethod=ACTION).status == 202
    wait_for(hasty, other_id, "expired")
    time.sleep(HOLD_SECONDS / 4)
    booking = hasty("GET", f"/booking/{booking_id}").json
    assert booking["status"] == "paying"
    assert 890 < booking["expiresInSeconds"] <= 900


@pytest.mark.parametrize("freed", ["give_up", "refund", "capacity"])
def test_whatever_frees_tickets_serves_the_line(ask: Caller, freed: str) -> None:
    event_id = ask.event()
    booking_id = ask.paid(event_id) if freed == "refund" else ask.held(event_id)
    ask.held(event_id, "full", 2)
    first, second = (ask.book(event_id, user_id).json["bookingId"] for user_id in ("bob", "cid"))
    if freed == "give_up":
        assert ask("DELETE", f"/booking/{booking_id}").json["status"] == "cancelled"
    elif freed == "refund":
        assert ask("POST", f"/booking/{booking_id}/refund").status == 200
    else:
        assert ask("PATCH", f"/events/{event_id}", {"ticketTypes": [{"name": "Standing", "capacity": 4}]}).status == 200
    assert [ask.status(each) for each in (first, second)] == ["held", "waiting"]
    assert ask("GET", f"/booking/{second}").json["position"] == 1


def test_groups_are_served_whole(ask: Caller) -> None:
    for policy, small in (("strict", "waiting"), ("first_fit", "held")):
        event_id = ask.event(waitlist=policy)
        one, _two = ask.held(event_id, "ann", 1), ask.held(event_id, "ann", 2)
        group, single = ask.book(event_id, "bob", 3).json["bookingId"], ask.book(event_id, "cid", 1).json["bookingId"]
        assert ask("DELETE", f"/booking/{one}").status == 200
        assert [ask.status(group), ask.status(single)] == ["waiting", small]


def test_without_a_waitlist_it_is_sold_out(ask: Caller) -> None:
    off, on = ask.event(waitlist="off"), ask.event()
    for event_id, fields in ((off, {}), (off, {"waitlist": True}), (on, {"waitlist": False})):
        ask.book(event_id, "full", 3)
        answer = ask.book(event_id, "ann", **fields)
        assert (answer.status, answer.code, answer.json["available"]) == (409, "sold_out", 0)


def test_limits_count_what_is_held_bought_and_waited_for(ask: Caller) -> None:
    event_id = ask.event(maxPerUser=3, ticketTypes=[{"name": "A", "price": "10.00", "capacity": 3}])
    answer = ask.book(event_id, "ann", 4)
    assert (answer.status, answer.code) == (422, "limit_per_user")
    ask.paid(event_id)
    ask.held(event_id, "full", 2)
    assert [ask.book(event_id).status for _ in range(3)] == [202, 202, 422]
    event_id = ask.event(maxHoldsPerUser=1)
    ask.held(event_id)
    assert ask.book(event_id).code == "limit_per_user"
    assert ask.pay(event_id).status == 200
    assert ask.book(event_id).status == 201


def test_before_and_after_the_sale(ask: Caller) -> None:
    opens_ms = int(time.time() * 1000) + 1_100
    event_id = ask.event(onSaleAt=format_ms(opens_ms))
    assert ask("GET", f"/events/{event_id}").json["status"] == "upcoming"
    early = ask.book(event_id)
    assert (early.status, early.code) == (425, "too_early")
    time.sleep(int(early.headers["retry-after"]))
    assert ask.book(event_id).status == 201
    over = ask.book(ask.event(startsAt="2001-01-01T00:00:00Z"))
    assert (over.status, over.code) == (409, "not_on_sale")


def test_seats_are_for_events_that_have_some(ask: Caller) -> None:
    answer = ask.book(ask.event(), seats=["A/1/1"])
    assert (answer.status, answer.code) == (422, "invalid_seats")


def test_several_ticket_types(ask: Caller) -> None:
    types = [{"name": name, "price": "1.00", "capacity": 1} for name in ("A", "B")]
    event_id = ask.event(ticketTypes=types)
    assert ask.book(event_id).json["field"] == "ticketType"
    assert ask.book(event_id, ticketType="A").status == 201
    assert ask.book(event_id, ticketType="A").status == 202
    assert ask.book(event_id, ticketType="B").status == 201
    low = ask("PATCH", f"/events/{event_id}", {"ticketTypes": [{"name": "A", "capacity": 0}]})
    assert (low.status, low.code) == (400, "invalid_field")


def test_a_cancelled_event_takes_no_orders(ask: Caller) -> None:
    event_id = ask.event()
    booking_id = ask.held(event_id)
    assert ask("POST", f"/events/{event_id}/cancel").json["status"] == "cancelled"
    for answer in (
        ask.book(event_id),
        ask.pay(event_id),
        ask.pay(event_id, bookingId=booking_id),  # type: ignore[arg-type]
        ask("PATCH", f"/events/{event_id}", {"name": "Revival"}),
        ask("POST", f"/events/{event_id}/cancel"),
    ):
        assert (answer.status, answer.code) == (409, "event_cancelled")


def test_cancelling_for_many_survives_kill_9(tmp_path: Path) -> None:
    """Everybody who paid has their money back, and everybody is told, once."""
    people = [f"u-{number}" for number in range(300)]
    data = tmp_path / "data"
    with Node(data) as node:
        ask = Caller(node.url)
        event_id = ask.event(ticketTypes=[{"name": "A", "price": "10.00", "capacity": 200}])
        ask.at_once(*(("POST", "/booking", {"userId": user_id, "eventId": event_id}) for user_id in people))
        pay = {"eventId": event_id, "amount": "10.00"}
        paid = ask.at_once(*(("POST", "/pay", pay | {"userId": user_id}) for user_id in people[:100]))
        before = Counter(answer.status for answer in paid)
        assert ask("POST", f"/events/{event_id}/cancel").status == 200
        node.kill()
    with Node(data) as node:
        ask = Caller(node.url)
        until = time.monotonic() + 20
        while True:
            lists = ask.at_once(*(("GET", f"/users/{user_id}/bookings") for user_id in people))
            now = Counter(answer.json[0]["status"] for answer in lists)
            if set(now) <= {"cancelled", "refunded"}:
                break
            assert time.monotonic() < until, now
        assert now["refunded"] == before[200]
        for answer in ask.at_once(*(("GET", f"/users/{user_id}/notifications") for user_id in people)):
            kinds = Counter(notice["kind"] for notice in answer.json)
            assert kinds["cancelled"] + kinds["event_cancelled"] == 1
            assert kinds["refunded"] == kinds["confirmed"] + kinds["paid_too_late"]
        node.stop()
    assert verify(data).returncode == 0
