"""Idempotency-Key on every kind of write: the first answer again, byte for byte, whatever happens in between."""

from pathlib import Path
from typing import Any

from onsale.tests.contract.asking import Answer, Caller
from onsale.tests.processes.nodes import Node, new_key, verify

EVENT = {
    "name": "Once",
    "startsAt": "2099-01-01T20:00:00Z",
    "ticketTypes": [{"name": "A", "price": "1", "capacity": 1}],
}

Request = tuple[str, str, Any]


def every_write(ask: Caller) -> list[Request]:
    """One of each kind, and refusals."""
    event_id, other_id, held = ask.event(), ask.event(), {}
    for user_id in ("payer", "decliner", "leaver"):
        held[user_id] = ask.held(event_id, user_id)
    part = ask.paid(other_id, "part")
    (ticket,) = ask("GET", f"/booking/{ask.paid(ask.event(), 'guest')}").json["tickets"]
    door = f"/tickets/{ticket['code']}/check-in"
    return [
        ("POST", "/events", EVENT),
        ("PATCH", f"/events/{other_id}", {"name": "Twice", "ticketTypes": [{"name": "Standing", "capacity": 5}]}),
        ("PUT", "/users/ann", {"name": "Ann", "webhookUrl": "https://example.org/hook"}),
        ("POST", "/booking", {"userId": "ann", "eventId": other_id}),
        ("POST", "/booking", {"userId": "bob", "eventId": event_id}),
        ("POST", "/booking", {"userId": "cid", "eventId": event_id, "waitlist": False}),
        ("POST", "/booking", {"userId": "dan", "eventId": 999_999}),
        ("POST", "/pay", {"userId": "payer", "eventId": event_id, "amount": "10.00"}),
        ("POST", "/pay", {"userId": "decliner", "eventId": event_id, "amount": "10.00",
                          "paymentMethod": "pm_card_chargeDeclined"}),
        ("POST", "/pay", {"userId": "decliner", "eventId": event_id, "amount": "10.00",
                          "paymentMethod": "pm_card_authenticationRequired"}),
        ("POST", "/pay", {"userId": "decliner", "eventId": event_id, "amount": "9.00"}),
        ("POST", f"/booking/{part}/refund", {"amount": "4.00"}),
        ("POST", f"/booking/{part}/refund", None),
        ("POST", f"/booking/{part}/refund", {}),
        ("DELETE", f"/booking/{held['leaver']}", None),
        ("DELETE", f"/booking/{held['leaver']}", None),
        ("POST", f"/events/{event_id}/cancel", None),
        ("POST", f"/events/{event_id}/cancel", None),
        ("POST", door, {"place": "Gate 3"}),
        ("POST", door, {"place": "Gate 4"}),
        ("POST", "/tickets/X/check-in", None),
        ("POST", "/outbox/concerns/close", {"id": "dispute:none"}),
        ("POST", "/booking", {"userId": "", "eventId": event_id}),
        ("POST", "/pay", b"{"),
        ("PUT", "/users/ann", {"colour": "red"}),
        ("POST", "/events", {}),
        ("POST", "/booking/0/refund", None),
    ]  # fmt: skip


def same(first: Answer, again: Answer) -> bool:
    return (first.status, first.body, first.seq) == (again.status, again.body, again.seq)


def test_every_write_answers_its_key_again_and_after_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Node(data) as node:
        ask = Caller(node.url)
        asked = [(request, new_key()) for request in every_write(ask)]
        first = [ask(*request, key=key) for request, key in asked]
        assert [answer.status for answer in first] == [
            201, 200, 200, 201, 202, 409, 404, 200, 402, 202, 422, 200, 200, 409, 200, 409, 200, 409,
            200, 409, 404, 404, 400, 400, 400, 400, 404,
        ]  # fmt: skip
        assert not any(answer.replayed for answer in first)
        for answer, (request, key) in zip(first, asked, strict=True):
            again = ask(*request, key=key)
            assert same(answer, again), request
            assert again.replayed
        node.kill()
    with Node(data) as node:
        ask = Caller(node.url)
        position = ask("GET", "/healthz").seq
        for answer, (request, key) in zip(first, asked, strict=True):
            again = ask(*request, key=key)
            assert same(answer, again), request
            assert again.replayed
        assert ask("GET", "/healthz").seq == position, "nothing was done twice"
        node.stop()
    assert verify(data).returncode == 0


def test_the_same_key_for_something_else(ask: Caller) -> None:
    event_id = ask.event()
    key, body = new_key(), {"userId": "ann", "eventId": event_id, "amount": "10.00"}
    booked = ask("POST", "/booking", {"userId": "ann", "eventId": event_id}, key=key)
    for request in (
        ("POST", "/booking", {"userId": "ann", "eventId": event_id, "quantity": 2}),
        ("POST", "/booking", {"userId": "bob", "eventId": event_id}),
        ("POST", "/pay", body),
        ("DELETE", f"/booking/{booked.json['bookingId']}"),
        ("PUT", "/users/ann", {}),
        ("POST", "/events", EVENT),
        ("POST", "/booking", {"userId": "", "eventId": event_id}),
        ("POST", "/pay", b"{"),
        ("POST", "/events", {}),
    ):
        answer = ask(*request, key=key)
        assert (answer.status, answer.code) == (422, "idempotency_mismatch"), request
    assert ask("GET", f"/events/{event_id}").json["ticketTypes"][0]["held"] == 1


def test_how_long_a_key_may_be(ask: Caller) -> None:
    body = {"userId": "ann", "eventId": ask.event()}
    for key in ("k", "k" * 255):
        assert ask("POST", "/booking", body, key=key).status == 201
        assert ask("POST", "/booking", body, key=key).replayed
    for key in ("", "k" * 256):
        answer = ask("POST", "/booking", body, key=key)
        assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", "Idempotency-Key")


def test_duplicates_in_flight_are_one(ask: Caller) -> None:
    event_id = ask.event()
    requests: list[Request] = [("POST", "/booking", {"userId": "ann", "eventId": event_id})]
    requests.append(("POST", "/pay", {"userId": "ann", "eventId": event_id, "amount": "10.00"}))
    for request in requests:
        answers = ask.at_once(*[request] * 16, key=new_key())
        assert len({answer.body for answer in answers}) == 1
        assert sum(not answer.replayed for answer in answers) == 1
    booking_id = ask("GET", "/users/ann/bookings?limit=1").json[0]["bookingId"]
    refund = ("POST", f"/booking/{booking_id}/refund", {"amount": "3.00"})
    assert len({answer.body for answer in ask.at_once(*[refund] * 16, key=new_key())}) == 1
    assert ask("GET", f"/booking/{booking_id}").json["refundedAmount"] == "3.00"
    event = ask("GET", f"/events/{event_id}").json["ticketTypes"][0]
    assert (event["held"], event["sold"], event["available"]) == (0, 1, 2)
