"""Tickets: codes that can be checked without us, pictures, and letting each in once."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from onsale.tests.contract.asking import Caller


def codes(ask: Caller, event_id: int, user_id: str = "ann", quantity: int = 1) -> list[str]:
    """Of a new paid booking."""
    booking_id = ask.held(event_id, user_id, quantity)
    amount = ask("GET", f"/booking/{booking_id}").json["amount"]
    paid = ask.pay(event_id, user_id, amount, bookingId=booking_id)
    assert paid.status == 200
    return [ticket["code"] for ticket in paid.json["tickets"]]


def check(code: str, public_key: str) -> tuple[int, int, int]:
    """(event, booking, number) of a code, as the documents say that it is read. Raises InvalidSignature."""
    data = base64.b32decode(code + "=" * (-len(code) % 8))
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(public_key + "="))
    key.verify(data[14:], data[:14])
    assert data[0] == 1
    return int.from_bytes(data[1:6], "big"), int.from_bytes(data[6:12], "big"), int.from_bytes(data[12:14], "big")


def test_a_ticket_lets_one_person_in_once(ask: Caller) -> None:
    event_id = ask.event()
    first, second = codes(ask, event_id, quantity=2)
    admitted = ask("POST", f"/tickets/{first}/check-in", {"place": "Gate 3"}, key="scan")
    assert admitted.status == 200, admitted
    said = admitted.json
    assert (said["eventId"], said["number"], said["place"], said["userId"]) == (event_id, 1, "Gate 3", "ann")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["checkedInAt"])
    again = ask("POST", f"/tickets/{first}/check-in", {"place": "Gate 4"})
    assert (again.status, again.code) == (409, "already_redeemed")
    assert (again.json["redeemedAt"], again.json["place"]) == (said["checkedInAt"], "Gate 3")
    replayed = ask("POST", f"/tickets/{first}/check-in", {"place": "Gate 3"}, key="scan")
    assert (replayed.body, replayed.replayed) == (admitted.body, True)
    assert ask("GET", f"/tickets/{first}").json["checkedInAt"] == said["checkedInAt"]
    assert ask("GET", f"/tickets/{second}").json["admits"] is True
    assert ask("POST", f"/tickets/{second.lower()}/check-in").status == 200


def test_two_doors_at_the_same_moment(ask: Caller) -> None:
    (code,) = codes(ask, ask.event())
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda gate: ask("POST", f"/tickets/{code}/check-in", {"place": f"Gate {gate}"}), range(8))
        )
    assert sorted(answer.status for answer in answers) == [200] + 7 * [409]
    (place,) = (answer.json["place"] for answer in answers if answer.status == 200)
    assert {answer.json["place"] for answer in answers} == {place}


def test_codes_that_are_none(ask: Caller) -> None:
    (code,) = codes(ask, ask.event())
    forged = [
        code[:-1],
        code + "A",
        code[:20] + "AAAA" + code[24:],
        "A" * 125,
        "A" * 24,
        "%00",
        "%FF",
        "x" * 5_000,
        "%F0%9F%98%80",
    ]
    for each in forged:
        for method, path in (("POST", "check-in"), ("GET", "qr.svg"), ("GET", "qr.png")):
            answer = ask(method, f"/tickets/{each}/{path}")
            expected = (400, "invalid_field") if each == "%FF" else (404, "no_such_ticket")
            assert (answer.status, answer.code) == expected, each
    assert ask("POST", f"/tickets/{code}/check-in").status == 200


def test_a_ticket_for_another_event_is_not_used_up(ask: Caller) -> None:
    mine, other = ask.event(), ask.event()
    (code,) = codes(ask, mine)
    answer = ask("POST", f"/tickets/{code}/check-in", {"eventId": other})
    assert (answer.status, answer.code, answer.json["eventId"]) == (404, "no_such_ticket", mine)
    assert ask("POST", f"/tickets/{code}/check-in", {"eventId": str(mine)}).status == 200


def test_who_got_their_money_back_stays_outside(ask: Caller) -> None:
    event_id = ask.event()
    (code,) = codes(ask, event_id, "refunded")
    (booking,) = ask("GET", "/users/refunded/bookings").json
    assert ask("POST", f"/booking/{booking['bookingId']}/refund").status == 200
    answer = ask("POST", f"/tickets/{code}/check-in")
    assert (answer.status, answer.code, answer.json["bookingStatus"]) == (409, "wrong_status", "refunded")
    (code,) = codes(ask, event_id)
    assert ask("POST", f"/events/{event_id}/cancel").status == 200
    assert ask("POST", f"/tickets/{code}/check-in").status == 409
    assert ask("GET", f"/tickets/{code}").json["admits"] is False


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", {"place": 7}, {"place": "x" * 101}, {"gate": "A"}, {"eventId": -1}]
)
def test_a_check_in_that_is_not_understood_uses_nothing_up(ask: Caller, body: object) -> None:
    (code,) = codes(ask, ask.event())
    assert ask("POST", f"/tickets/{code}/check-in", body).status == 400
    assert ask("POST", f"/tickets/{code}/check-in").status == 200


def test_a_code_is_checked_without_us(ask: Caller) -> None:
    event_id = ask.event()
    made = codes(ask, event_id, "offline", quantity=3)
    (booking,) = ask("GET", "/users/offline/bookings").json
    assert [ticket["code"] for ticket in booking["tickets"]] == made
    key = ask("GET", "/tickets/key").json
    assert key["algorithm"] == "Ed25519"
    for number, code in enumerate(made, start=1):
        assert check(code, key["publicKey"]) == (event_id, booking["bookingId"], number)
    with pytest.raises(InvalidSignature):
        check(made[0][:18] + "AAAA" + made[0][22:], key["publicKey"])


def test_the_picture_of_a_code(ask: Caller) -> None:
    (code,) = codes(ask, ask.event())
    svg, png = ask("GET", f"/tickets/{code}/qr.svg"), ask("GET", f"/tickets/{code}/qr.png")
    assert (svg.headers["content-type"], png.headers["content-type"]) == ("image/svg+xml", "image/png")
    assert b"<svg" in svg.body
    assert png.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert ask("GET", f"/tickets/{code}/qr.svg", If_None_Match=svg.headers["etag"]).status == 304
