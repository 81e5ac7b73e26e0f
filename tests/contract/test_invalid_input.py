"""Bad input: the right code as a problem, never a 500, and the node goes on."""

from typing import Any

import pytest

from onsale.tests.contract.asking import Caller

EVENT = {
    "name": "Rehearsal",
    "startsAt": "2099-01-01T20:00:00Z",
    "ticketTypes": [{"name": "A", "price": "1", "capacity": 1}],
}


@pytest.fixture(scope="module")
def event_id(ask: Caller) -> int:
    return ask.event(ticketTypes=[{"name": "Standing", "price": "10.00", "capacity": 1_000}])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nope", b"[]", b'"x"', b"null", b"1", b'{"userId":"u","eventId":1}x', b"\xff\xfe",
        b'{"userId":"\xff","eventId":1}', b'{"userId":"\\ud800","eventId":1}', b"[" * 60_000, b'{"a":' * 10_000,
        b'{"userId":"u","eventId":NaN}', b"\x00",
    ],
)  # fmt: skip
def test_what_is_no_json_object(ask: Caller, body: bytes) -> None:
    for method, path in (("POST", "/booking"), ("POST", "/pay"), ("POST", "/events"), ("PUT", "/users/ann")):
        answer = ask(method, path, body)
        assert (answer.status, answer.code) == (400, "invalid_json"), (path, answer)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("quantity", value) for value in (0, -1, 1.5, "2", True, None, 10**30, 2**63, [], {})),
        *(("eventId", value) for value in (0, -1, 2**63, str(2**63), "", "x", "1.0", None, 1.5, [1], 10**400)),
        *(("userId", value) for value in ("", "x" * 129, "😀" * 129, None, 7, "a\0b", "\n", [])),
        *(("ticketType", value) for value in ({}, "Nope", 2**62, 0, "", True)),
        *(("waitlist", value) for value in ("yes", 1, None)),
        ("seats", "A/1/1"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_booking_with_a_wrong_value(ask: Caller, event_id: int, field: str, value: Any) -> None:
    answer = ask("POST", "/booking", {"userId": "ann", "eventId": event_id, field: value})
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", field)


@pytest.mark.parametrize(
    "amount",
    ["-10.00", "abc", "", "1e1", "10.001", "10,00", "+10.00", " 10.00", ".5", "10.", "９.00", "9" * 40, "NaN", "0x10",
     "10.00\n", 10, 10.0, None, True, [], -1, 10**400],
)  # fmt: skip
def test_money_that_is_none(ask: Caller, event_id: int, amount: Any) -> None:
    booking_id = ask.held(event_id, "payer-" + repr(amount)[:20])
    body = {"userId": "payer-" + repr(amount)[:20], "eventId": event_id, "bookingId": booking_id, "amount": amount}
    answer = ask("POST", "/pay", body)
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", "amount")
    price = [{"name": "A", "price": "10.001" if amount == "10.001" else amount, "capacity": 1}]
    answer = ask("POST", "/events", EVENT | {"ticketTypes": price})
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", "ticketTypes[0].price")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("startsAt", value) for value in (
            "2099-01-01", "2099-13-01T00:00:00Z", "2099-02-30T00:00:00Z", "2099-01-01T25:00:00Z", "2099-01-01T20:00:00",
            "0000-01-01T00:00:00Z", "99999-01-01T00:00:00Z", "tomorrow", "", 4070908800, None,
        )),
        ("endsAt", "2098-01-01T20:00:00Z"),
        ("onSaleAt", "soon"),
        *(("name", value) for value in ("", "  ", None, "x" * 201, "a\0", 7)),
        *(("currency", value) for value in ("XXX", "eur", "EURO", "", None)),
        *(("maxPerUser", value) for value in (0, -1, "3", 10**30)),
        ("maxHoldsPerUser", 0),
        ("waitlist", "maybe"),
        ("challenge", "riddle"),
        *(("ticketTypes", value) for value in ([], None, {}, "A")),
        ("city", 5),
    ],
    ids=lambda value: repr(value)[:25],
)  # fmt: skip
def test_an_event_with_a_wrong_value(ask: Caller, field: str, value: Any) -> None:
    answer = ask("POST", "/events", EVENT | {field: value})
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", field)


def test_missing_and_unknown_fields_are_named(ask: Caller, event_id: int) -> None:
    booking = {"userId": "ann", "eventId": event_id}
    for field in booking:
        answer = ask("POST", "/booking", {name: value for name, value in booking.items() if name != field})
        assert (answer.code, answer.json["field"]) == ("invalid_field", field)
    for method, path, body in (
        ("POST", "/booking", booking),
        ("POST", "/pay", booking | {"amount": "1.00"}),
        ("POST", "/events", EVENT),
        ("PATCH", f"/events/{event_id}", {}),
        ("PUT", "/users/ann", {}),
        ("POST", f"/events/{event_id}/cancel", {}),
        ("DELETE", "/booking/1", {}),
        ("POST", "/booking/1/refund", {}),
        ("POST", "/tickets/X/check-in", {}),
        ("POST", "/outbox/retry", {"all": True}),
        ("POST", "/outbox/concerns/close", {"id": "x"}),
        ("POST", "/reconcile", {}),
    ):
        answer = ask(method, path, body | {"colour": "red"})
        assert (answer.status, answer.code, answer.json["field"]) == (400, "unknown_field", "colour"), path
        assert "colour" in answer.json["detail"]


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 2**63, 10**30])
def test_ids_that_nothing_has(ask: Caller, number: int) -> None:
    for path, code in (
        (f"/events/{number}", "no_such_event"),
        (f"/events/{number}/availability", "no_such_event"),
        (f"/booking/{number}", "no_such_booking"),
    ):
        answer = ask("GET", path)
        assert (answer.status, answer.code) == (404, code)
    for method, path in (("DELETE", f"/booking/{number}"), ("POST", f"/booking/{number}/refund")):
        assert ask(method, path).code == "no_such_booking"
    for method, path in (("PATCH", f"/events/{number}"), ("POST", f"/events/{number}/cancel")):
        assert ask(method, path, {}).code == "no_such_event"


@pytest.mark.parametrize(
    "path",
    [
        "/events/abc", "/events/1.5", "/events/%00", "/events/%ff", "/events/abc/availability", "/booking/1e3",
        "/users/" + "x" * 129, "/users/%00",
        "/events?limit=0", "/events?limit=101", "/events?limit=x", "/events?limit=-1",
        "/events?cursor=x", "/events?start_date=x", "/events?start_date=2026-02-30", "/events?end_date=9999-99-99",
        "/events?search=%ff", "/users/ann/bookings?cursor=!!", "/journal?after_seq=-1", "/journal?after_seq=1e3",
        "/replica?max_lag=x",
    ],
)  # fmt: skip
def test_addresses_that_make_no_sense(ask: Caller, path: str) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert answer.json["field"]


@pytest.mark.parametrize(
    "search", ["%00", "x" * 5_000, "%F0%9F%98%80", "%22%27*(AND%20OR%20NOT", "a%20" * 500, "-", "%20"]
)
def test_whatever_is_searched_for_is_words(ask: Caller, search: str) -> None:
    assert ask("GET", f"/events?search={search}").status == 200
    assert ask("GET", f"/events?name={search}").status == 200
    assert ask("GET", f"/events?city={search}").status == 200


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "9" * 30])
def test_a_position_that_is_none(ask: Caller, position: str) -> None:
    assert ask("GET", "/events", Onsale_Min_Seq=position).code == "invalid_field"


@pytest.mark.parametrize(
    "fields", [{"email": "x"}, {"webhookUrl": "ftp://x"}, {"webhookUrl": "http://"}, {"name": 5}, {"name": "x" * 201}]
)
def test_a_user_with_a_wrong_value(ask: Caller, fields: dict[str, Any]) -> None:
    answer = ask("PUT", "/users/ann", fields)
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_field", *fields)
