"""Bodies: what is taken, and which words a client reads when something is not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.engine.commands import Book, SaveUser, StartPayment, StartRefund
from onsale.http.problems import RefusedError
from onsale.http.wire.bookings import book_command, check_nothing, pay_command, refund_command, save_user_command
from onsale.http.wire.events import change_event_command, create_event_command

HOLD_MS = 300_000
BOOKING = {"userId": "ada", "eventId": 7}
PAYMENT = {"userId": "ada", "eventId": 7, "amount": "49.90"}
TYPE = {"name": "Standing", "price": "49.90", "capacity": 100}
EVENT = {"name": "Jazz", "startsAt": "2026-11-22T10:00:00Z", "ticketTypes": [TYPE]}

DECODERS = {
    "book": lambda body: book_command(body, HOLD_MS),
    "pay": pay_command,
    "refund": lambda body: refund_command(body, 1, HOLD_MS),
    "user": lambda body: save_user_command(body, "ada"),
    "create": lambda body: create_event_command(body, bytes(32)),
    "change": lambda body: change_event_command(body, 1, 300_000, bytes(32)),
    "nothing": check_nothing,
}


def refusal(decoder: str, body: Any) -> dict[str, Any]:
    """The problem that a body leads to."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RefusedError) as refused:
        DECODERS[decoder](encoded)  # type: ignore[no-untyped-call]
    assert refused.value.answer.status in (400, 422)
    problem: dict[str, Any] = json.loads(refused.value.answer.body)
    assert problem["detail"].endswith(".")
    return problem


def test_a_booking_has_defaults() -> None:
    assert book_command(b'{"userId":"ada","eventId":7}', HOLD_MS) == Book("ada", 7, HOLD_MS, None, 1, waitlist=True)


def test_a_booking_takes_every_field() -> None:
    body = {
        "userId": "ada",
        "eventId": "7",
        "ticketType": "Standing",
        "quantity": 3,
        "seats": [],
        "waitlist": False,
        "queueToken": "t",
        "challenge": "c",
    }
    command = book_command(json.dumps(body).encode(), HOLD_MS)
    assert command == Book("ada", 7, HOLD_MS, "Standing", 3, waitlist=False)
    nulls = {**BOOKING, "ticketType": None, "seats": None, "queueToken": None, "challenge": None}
    assert book_command(json.dumps(nulls).encode(), HOLD_MS) == Book("ada", 7, HOLD_MS)


@pytest.mark.parametrize("event_id", [7, "7", 2**63 - 1, str(2**63 - 1)])
def test_ids_are_numbers_or_their_digits(event_id: int | str) -> None:
    assert book_command(json.dumps(BOOKING | {"eventId": event_id}).encode(), HOLD_MS).event_id == int(event_id)


@pytest.mark.parametrize(
    "event_id",
    [0, -1, 2**63, 2**64, 10**400, 7.0, 7.5, True, None, "", "0", "07", "-7", "+7", " 7", "7 ", "7.0", "seven", "٧",
     str(2**63), "9" * 400, [], {}],
)  # fmt: skip
def test_what_is_no_id_is_refused(event_id: Any) -> None:
    for decoder, body in (("book", BOOKING), ("pay", PAYMENT)):
        problem = refusal(decoder, body | {"eventId": event_id})
        assert (problem["code"], problem["field"]) == ("invalid_field", "eventId")
        assert 'a positive integer such as 7 or "7"' in problem["detail"]


@pytest.mark.parametrize(
    "user_id", ["a", "x" * 128, "Ünï 💺", "👩‍🚀", "a/b", "%00", "{}", "\u00a0", "\u2028", "'; --", "\ue000"]
)
def test_user_ids_are_the_callers_own(user_id: str) -> None:
    assert book_command(json.dumps(BOOKING | {"userId": user_id}).encode(), HOLD_MS).user_id == user_id
    assert pay_command(json.dumps(PAYMENT | {"userId": user_id}).encode()).user_id == user_id


@pytest.mark.parametrize("user_id", ["", "x" * 129, "x" * 10_000, "a\0", "a\nb", "\x7f", "\x85", 7, None, True, ["a"]])
def test_what_is_no_user_id_is_refused(user_id: Any) -> None:
    for decoder, body in (("book", BOOKING), ("pay", PAYMENT)):
        problem = refusal(decoder, body | {"userId": user_id})
        assert (problem["code"], problem["field"]) == ("invalid_field", "userId")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("quantity", [0, -1, 1001, 10**20, 10**400, 1.0, 1.5, "1", True, None, [], {}]),
        ("ticketType", [0, -1, "", "x" * 201, 1.5, True, [], {}]),
        ("waitlist", ["true", 1, 0, None, []]),
        ("seats", ["A/1/1", 1, [1], {}]),
        ("queueToken", [1, []]),
        ("challenge", [1, {}]),
    ],
)
def test_a_booking_refuses_by_field(field: str, values: list[Any]) -> None:
    for value in values:
        problem = refusal("book", BOOKING | {field: value})
        assert problem["code"] == "invalid_field", value
        assert problem["field"].startswith(field), value


def test_seats_say_how_many_tickets_unless_that_is_said() -> None:
    def book(**fields: Any) -> Book:
        return book_command(json.dumps(BOOKING | fields).encode(), HOLD_MS)

    assert book(seats=["A/1/1", "A/1/2"]) == Book("ada", 7, HOLD_MS, quantity=2, seats=("A/1/1", "A/1/2"))
    assert book(seats=["A/1/1"], quantity=2).quantity == 2  # for the engine to refuse
    assert book(ticketTypes=["Stalls", 4], quantity=3).ticket_types == ("Stalls", 4)
    assert book(quantity=3, accessible=1).accessible == 1


@pytest.mark.parametrize("fields", [{"ticketTypes": []}, {"ticketTypes": "Stalls"}, {"accessible": -1}, {"seats": [1]}])
def test_what_is_wished_for_is_checked(fields: dict[str, Any]) -> None:
    assert refusal("book", BOOKING | fields)["code"] == "invalid_field"


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"{}x", b'{"userId"', b"[]", b"null", b"7", b'"text"', b"true", b"nonsense", b"\xff\xfe",
        b'{"userId":"\xff","eventId":7}', b'{"userId":"\\ud800","eventId":7}', b'{"userId":"\\udc00","eventId":7}',
        b'{"userId":"ada","eventId":7,}', b"{'userId':'ada'}", b'\xef\xbb\xbf{"userId":"ada","eventId":7}',
        b'{"userId":"ada","eventId":7,"wrong":1,', b"[" * 50_000, b'{"a":' * 10_000, b'{"userId":NaN}',
        b'{"userId":"a\nb","eventId":7}', b"{\0}", b'{"userId":"ada","eventId":7,"quantity":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_invalid_json(body: bytes) -> None:
    for decoder in ("book", "pay", "create", "user"):
        assert refusal(decoder, body)["code"] in ("invalid_json", "invalid_field", "unknown_field")
    if b"999" not in body:
        assert refusal("book", body)["code"] == "invalid_json"


def test_numbers_beyond_all_bounds_are_refused() -> None:
    for number in (b"1e400", b"-1e400", b"1e-400", b"9" * 5000, b"-0", b"0.1e1"):
        problem = refusal("book", b'{"userId":"ada","eventId":7,"quantity":%b}' % number)
        assert problem["code"] in ("invalid_field", "invalid_json"), number


@pytest.mark.parametrize("decoder", ["book", "pay", "refund", "user", "create", "change", "nothing"])
def test_an_unknown_field_is_named(decoder: str) -> None:
    complete = {"book": BOOKING, "pay": PAYMENT, "create": EVENT}.get(decoder, {})
    for name in ("surprise", "user_id", "USERID", "", "__proto__", "a`b", "💥"):
        problem = refusal(decoder, complete | {name: 1})
        assert (problem["code"], problem["field"]) == ("unknown_field", name)
    assert len(refusal(decoder, complete | {"x" * 60_000: 1})["detail"]) < 500


def test_an_unknown_field_deeper_down_is_named_with_its_place() -> None:
    problem = refusal("create", EVENT | {"ticketTypes": [TYPE, TYPE | {"prize": "1"}]})
    assert (problem["code"], problem["field"]) == ("unknown_field", "ticketTypes[1].prize")
    assert problem["detail"].endswith("the fields are: name, price, capacity.")


@pytest.mark.parametrize(
    ("decoder", "body"), [("book", BOOKING), ("pay", PAYMENT), ("create", EVENT)], ids=["book", "pay", "create"]
)
def test_a_missing_field_is_named(decoder: str, body: dict[str, Any]) -> None:
    for field in body:
        problem = refusal(decoder, {name: value for name, value in body.items() if name != field})
        assert (problem["code"], problem["field"]) == ("invalid_field", field)
        assert problem["detail"].startswith(f"{field} is missing; it must be ")


def test_a_payment_takes_every_field() -> None:
    body = PAYMENT | {"bookingId": "3", "paymentMethod": "pm_card_visa"}
    assert pay_command(json.dumps(body).encode()) == StartPayment("ada", 7, "49.90", 3, "pm_card_visa")
    nulls = PAYMENT | {"bookingId": None, "paymentMethod": None}
    assert pay_command(json.dumps(nulls).encode()) == StartPayment("ada", 7, "49.90", None, None)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("amount", [49.9, 49, None, "", "x" * 33, True, [], {}]),
        ("bookingId", [0, -1, 2**63, 1.0, "x", True, []]),
        ("paymentMethod", ["", "x" * 256, 7, [], "pm\0", "pm\n"]),
    ],
)
def test_a_payment_refuses_by_field(field: str, values: list[Any]) -> None:
    for value in values:
        problem = refusal("pay", PAYMENT | {field: value})
        assert (problem["code"], problem["field"]) == ("invalid_field", field), value


def test_a_refund_is_of_an_amount_or_of_all() -> None:
    assert refund_command(b'{"amount":"10.00"}', 3, HOLD_MS) == StartRefund(3, HOLD_MS, "10.00")
    for body in (b"", b"{}", b'{"amount":null}'):
        assert refund_command(body, 3, HOLD_MS) == StartRefund(3, HOLD_MS, None)
    assert refusal("refund", {"amount": 10})["field"] == "amount"
    assert refusal("refund", b" ")["code"] == "invalid_json"


def test_nothing_is_nothing_or_an_empty_object() -> None:
    check_nothing(b"")
    check_nothing(b" {} ")
    assert refusal("nothing", [])["code"] == "invalid_json"


def test_a_user_is_what_is_sent() -> None:
    body = {"name": "Ada", "email": "ada@example.org", "webhookUrl": "https://example.org:8443/hook?x=1"}
    expected = SaveUser("ada", "Ada", "ada@example.org", "https://example.org:8443/hook?x=1")
    assert save_user_command(json.dumps(body).encode(), "ada") == expected
    assert save_user_command(b"{}", "ada") == SaveUser("ada")
    assert save_user_command(b'{"name":null}', "ada") == SaveUser("ada")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", [7, "x" * 201, "a\0b", "a\nb", []]),
        ("email", ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "x" * 250 + "@b.c", "a@b\0", 7]),
        ("webhookUrl", ["", "example.org", "ftp://example.org", "javascript:alert(1)", "http://", "https:///x",
                        "http://a b", "http://a:99999/", "http://[::1", "http://user:pw@example.org/", "http://a\n",
                        "https://example.org/" + "x" * 2000, 7]),
    ],
)  # fmt: skip
def test_a_user_refuses_by_field(field: str, values: list[Any]) -> None:
    for value in values:
        problem = refusal("user", {field: value})
        assert (problem["code"], problem["field"]) == ("invalid_field", field), value


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(body: bytes) -> None:
    for decode in DECODERS.values():
        try:
            decode(body)  # type: ignore[no-untyped-call]
        except RefusedError as refused:
            assert refused.answer.status in (400, 422)  # noqa: PT017 - most are refused, not all
