"""An answer is stored with its idempotency key: its bytes are fixed here, so that a change of format is noticed."""

import msgspec
import pytest

from onsale.engine import replies as r
from onsale.engine.codes import Code

# Never change a line: there are keys stored with it. A new field goes to the end of its reply, and gets a new line.
WRITTEN = [
    (
        r.Booked(9, 7, "ann", 2, "Seat", 2, 9980, "EUR", 1700000000000, 1700000300000, ("A/1/2",)),
        "9c010907a3616e6e02a45365617402cd26fca3455552cf0000018bcfe56800cf0000018bcfe9fbe091a5412f312f32",
    ),
    (
        r.InLine(9, 7, "ann", 2, "Seat", 2, 9980, "EUR", 1700000000000, 4),
        "9b020907a3616e6e02a45365617402cd26fca3455552cf0000018bcfe5680004",
    ),
    (r.Paid(9, 5, 7, 2, "Seat", 2, 9980, "EUR", ("A/1/2",)), "9a0309050702a45365617402cd26fca345555291a5412f312f32"),
    (
        r.PaymentUnderway(9, 5, 7, 9980, "EUR", True, "secret", 1700000900000),
        "9904090507cd26fca3455552c3a6736563726574cf0000018bcff323a0",
    ),
    (r.RefundReply(9, 6, 7, 9980, "EUR", 1, 7, 9980, "closed"), "9a05090607cd26fca34555520107cd26fca6636c6f736564"),
    (
        r.BookingReply(9, 7, "ann", 2, "Seat", 2, 9980, "EUR", 6, ("A/1/2",)),
        "9b060907a3616e6e02a45365617402cd26fca34555520691a5412f312f32",
    ),
    (
        r.EventReply(
            9,
            True,
            2,
            "Night",
            1800000000000,
            None,
            "Hall",
            "Rome",
            "IT",
            "music",
            "Loud",
            "EUR",
            1700000000000,
            10,
            None,
            1,
            False,
            False,
            (r.TypeView(3, "Seat", 4990, 100, 1, 2, 3),),
            1700000000000,
            None,
            1,
            60000,
            r.RoomView(60, 100, None, True, True, 600000, 2),
            400,
        ),
        "dc001a0709c302a54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a3455552cf0000018bcfe568000ac001c2c2919703a453656174cd137e64010203cf0000018bcfe56800c001cdea60973c64c0c3c3ce000927c002cd0190",
    ),
    (
        r.UserReply(9, "ann", "Ann", "ann@example.org", "https://example.org/hook"),
        ("960809a3616e6ea3416e6eaf616e6e406578616d706c652e6f7267b868747470733a2f2f6578616d706c652e6f72672f686f6f6b"),
    ),
    (
        r.Admitted(9, 2, 7, 1, "Seat", "ann", 1700000300000, "Gate A"),
        "990b09020701a453656174a3616e6ecf0000018bcfe9fbe0a6476174652041",
    ),
    (r.Queued(9, 2, "ann", 17, 21, 10, 8, 240, True, 1, 0, True), "9d0c0902a3616e6e11150a08ccf0c30100c3"),
    (r.Done(9), "920909"),
    (
        r.Refusal(9, Code.SOLD_OUT, "All gone.", {"available": 0}),
        "950a09a8736f6c645f6f7574a9416c6c20676f6e652e81a9617661696c61626c6500",
    ),
]

# By earlier versions, which knew fewer fields.
WRITTEN_BEFORE = [
    (
        r.Booked(9, 7, "ann", 2, "Seat", 2, 9980, "EUR", 1700000000000, 1700000300000),
        "9b010907a3616e6e02a45365617402cd26fca3455552cf0000018bcfe56800cf0000018bcfe9fbe0",
    ),
    (r.Paid(9, 5, 7, 2, "Seat", 2, 9980, "EUR"), "990309050702a45365617402cd26fca3455552"),
    (r.BookingReply(9, 7, "ann", 2, "Seat", 2, 9980, "EUR", 6), "9a060907a3616e6e02a45365617402cd26fca345555206"),
    (
        r.EventReply(
            9,
            True,
            2,
            "Night",
            1800000000000,
            None,
            "Hall",
            "Rome",
            "IT",
            "music",
            "Loud",
            "EUR",
            1700000000000,
            10,
            None,
            1,
            False,
            False,
            (r.TypeView(3, "Seat", 4990, 100, 1, 2, 3),),
            1700000000000,
        ),
        (
            "dc00160709c302a54e69676874cf000001a3185c5000c0a448616c6ca4526f6d65a24954a56d75736963a44c6f7564a3"
            "455552cf0000018bcfe568000ac001c2c2919703a453656174cd137e64010203cf0000018bcfe56800c0"
        ),
    ),
]


@pytest.mark.parametrize(("reply", "written"), WRITTEN, ids=lambda value: type(value).__name__)
def test_a_reply_is_written_as_ever(reply, written):
    assert r.encode(reply).hex() == written


@pytest.mark.parametrize(("reply", "written"), WRITTEN + WRITTEN_BEFORE, ids=lambda value: type(value).__name__)
def test_what_was_written_is_read_again(reply, written):
    assert r.decode(bytes.fromhex(written)) == reply


def test_every_reply_has_its_bytes_here():
    assert {type(reply) for reply, _ in WRITTEN} == set(r.Reply.__args__)


def test_no_number_stands_for_two_replies():
    numbers = [kind.__struct_config__.tag for kind in r.Reply.__args__]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("code", Code)
def test_a_refusal_keeps_its_code(code):
    refusal = r.Refusal(1, code, "Because.")
    assert r.decode(r.encode(refusal)) == refusal


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x92\x63\x01", b"\x94\x0a\x01\xa7unknown\xa0"])
def test_what_no_version_wrote_is_refused(data):
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        r.decode(data)
