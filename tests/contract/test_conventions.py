"""CONTRACT §2: what all answers have in common. Much of it is checked with every call of every test, in asking.py."""

import re
import time

import pytest

from onsale.tests.contract.asking import Caller

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_booking_as_it_is_written_down(ask: Caller) -> None:
    event_id = ask.event()
    answer = ask.book(event_id, "ann", 2)
    booking = answer.json
    assert answer.status == 201
    assert set(booking) >= {
        "bookingId", "status", "userId", "eventId", "ticketType", "quantity", "seats", "amount", "currency",
        "expiresAt", "expiresInSeconds", "seq",
    }  # fmt: skip
    assert booking | {"status": "held", "userId": "ann", "eventId": event_id, "quantity": 2, "seats": []} == booking
    assert (booking["amount"], booking["currency"], booking["expiresInSeconds"]) == ("20.00", "EUR", 300)
    assert re.fullmatch(INSTANT, booking["expiresAt"])
    line = ask.book(event_id, "bob", 2)
    assert (line.status, line.json["status"], line.json["position"]) == (202, "waiting", 1)


def test_an_event_in_a_list_and_in_full(ask: Caller) -> None:
    event_id = ask.event(name="Conventional Wisdom", venue="Hall", city="Graz", country="Austria", category="talk")
    (item,) = ask("GET", "/events?search=conventional").json
    assert set(item) >= {
        "id", "name", "startsAt", "endsAt", "venue", "city", "country", "category", "status", "currency",
        "priceFrom", "available",
    }  # fmt: skip
    assert re.fullmatch(INSTANT, item["startsAt"])
    event = ask("GET", f"/events/{event_id}").json
    assert event == event | item
    assert set(event) >= {"description", "onSaleAt", "maxPerUser", "ticketTypes", "waitingRoom"}
    assert set(event["ticketTypes"][0]) >= {"id", "name", "price", "capacity", "available", "held", "sold", "waiting"}
    counts = ask("GET", f"/events/{event_id}/availability")
    assert "s-maxage=1," in counts.headers["cache-control"]
    assert len(counts.body) < len(ask("GET", f"/events/{event_id}").body)


@pytest.mark.parametrize(
    ("currency", "price", "shown"),
    [("JPY", "500", "500"), ("KWD", "1.234", "1.234"), ("KWD", "1.5", "1.500"), ("EUR", "49.9", "49.90")],
)
def test_money_has_its_currencys_decimals(ask: Caller, currency: str, price: str, shown: str) -> None:
    event_id = ask.event(currency=currency, ticketTypes=[{"name": "A", "price": price, "capacity": 9}])
    assert ask("GET", f"/events/{event_id}").json["priceFrom"] == shown
    assert ask.book(event_id).json["amount"] == shown
    paid = ask.pay(event_id, amount=price)
    assert (paid.status, paid.json["amount"], paid.json["currency"]) == (200, shown, currency)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2099-06-01T20:00:00+02:00", "2099-06-01T18:00:00.000Z"),
        ("2099-06-01t20:00:00z", "2099-06-01T20:00:00.000Z"),
        ("2099-06-01T20:00:00.123456Z", "2099-06-01T20:00:00.123Z"),
    ],
)
def test_times_are_taken_in_any_form_of_rfc_3339_and_given_in_one(ask: Caller, given: str, shown: str) -> None:
    assert ask("GET", f"/events/{ask.event(startsAt=given)}").json["startsAt"] == shown


def test_ids_are_taken_as_numbers_and_as_strings(ask: Caller) -> None:
    event_id = ask.event()
    type_id = ask("GET", f"/events/{event_id}").json["ticketTypes"][0]["id"]
    for event, kind in ((event_id, type_id), (str(event_id), str(type_id)), (str(event_id), "Standing")):
        assert ask("POST", "/booking", {"userId": "ann", "eventId": event, "ticketType": kind}).status == 201
    booking_id = ask.book(event_id, "bob").json["bookingId"]
    assert ask("DELETE", f"/booking/{booking_id}").status == 200
    last = ask("GET", "/users/ann/bookings").json[0]["bookingId"]
    assert ask.pay(event_id, bookingId=str(last)).status == 200  # type: ignore[arg-type]


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "😀" * 128, "a/b?c#d %e", "..", "ä+ö&ü=ß"])
def test_user_ids_are_the_callers_own_strings(ask: Caller, user_id: str) -> None:
    path = "/users/" + "".join(f"%{byte:02x}" for byte in user_id.encode())
    ask.held(ask.event(), user_id)
    assert ask("GET", f"{path}/bookings").json[0]["userId"] == user_id
    assert ask("PUT", path, {"name": "Ann", "email": "ann@example.org"}).json["userId"] == user_id
    assert ask("GET", path).json["name"] == "Ann"
    assert ask("GET", f"{path}/notifications").json[0]["kind"] == "held"


def test_a_read_that_has_not_changed_is_304(ask: Caller) -> None:
    event_id = ask.event()
    for path in (f"/events/{event_id}", f"/events/{event_id}/availability", "/events?limit=1", "/openapi.json"):
        first = ask("GET", path)
        again = ask("GET", path, If_None_Match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"]
    path = f"/events/{event_id}/availability"
    before = ask("GET", path).headers["etag"]
    ask.held(event_id)
    assert ask("GET", path, If_None_Match=before).status == 200


def test_personal_answers_are_kept_by_nobody(ask: Caller) -> None:
    booking_id = ask.held(ask.event())
    ask("PUT", "/users/ann", {})
    for path in (f"/booking/{booking_id}", "/users/ann", "/users/ann/bookings", "/users/ann/notifications"):
        assert ask("GET", path).headers["cache-control"] == "private, no-store"


def test_what_was_written_is_read(ask: Caller) -> None:
    """Without the header as with it: on the node that answered the write."""
    for number in range(20):
        answer = ask("POST", "/events", {
            "name": f"Instantaneous {number}", "startsAt": "2099-01-01T20:00:00Z",
            "ticketTypes": [{"name": "A", "price": "1", "capacity": 1}],
        })  # fmt: skip
        headers = {"Onsale_Min_Seq": str(answer.seq)} if number % 2 else {}
        found = ask("GET", f"/events?name=instantaneous%20{number}", **headers)
        assert answer.json["id"] in [event["id"] for event in found.json]
        assert found.seq >= answer.seq


@pytest.mark.parametrize("path", ["/events", "/events/{}", "/events/{}/availability", "/users/ann/bookings"])
def test_a_position_that_does_not_come_is_told_after_a_second(ask: Caller, path: str) -> None:
    began = time.monotonic()
    answer = ask("GET", path.format(ask.event()), Onsale_Min_Seq="1000000")
    assert (answer.status, answer.code) == (503, "replica_behind")
    assert 0.9 <= time.monotonic() - began < 3


def test_methods_and_paths(ask: Caller) -> None:
    for method, path in (("DELETE", "/events"), ("GET", "/booking"), ("PUT", "/pay"), ("PATCH", "/users/ann")):
        answer = ask(method, path)
        assert answer.status == 405
        assert "OPTIONS" in answer.headers["allow"]
    assert ask("OPTIONS", "/events").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    for path in ("/event", "/events/", "/users", "/EVENTS"):
        assert ask("GET", path).status == 404
    head, whole = ask("HEAD", "/openapi.json"), ask("GET", "/openapi.json")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
