"""Event files: both formats, what people do to them, and the way there and back."""

import json
from typing import Any

import pytest

from onsale.http.wire.events import create_event_command
from onsale.node.commands.catalogue import BODY_BYTES_MAX, COLUMNS, BadLine, Line, body_of, fault_of, parse, write

TYPES = [{"name": "Standing", "price": "49.90", "capacity": 500}]
SMALL = {"name": "Long Shadows", "startsAt": "2027-03-01T19:00:00Z", "ticketTypes": TYPES}
FULL = SMALL | {
    "endsAt": "2027-03-01T22:00:00.000Z",
    "venue": 'The "Old" Mill; north side',
    "city": "Zürich",
    "country": "Switzerland",
    "category": "concert",
    "description": "Two lines,\none comma\u2028and a separator.",
    "currency": "CHF",
    "onSaleAt": "2027-01-01T09:00:00.000Z",
    "maxPerUser": 4,
    "maxHoldsPerUser": 1,
    "waitlist": "first_fit",
    "ticketTypes": [
        {"name": "Standing; front", "price": "49.90", "capacity": 500},
        {"name": "Back\\slash: with colon", "price": "0.00", "capacity": 0},
    ],
}


def json_lines(*bodies: Any) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def bodies(lines: list[Line]) -> list[Any]:
    return [json.loads(line.body) for line in lines]


def reasons(bad: list[BadLine]) -> dict[int, str]:
    return {each.number: each.reason for each in bad}


# --- JSON Lines


def test_json_lines() -> None:
    lines, bad = parse(json_lines(SMALL, FULL), "jsonl")
    assert not bad
    assert [line.number for line in lines] == [1, 2]
    assert bodies(lines) == [SMALL, FULL]


def test_a_byte_order_mark_line_ends_of_windows_and_empty_lines() -> None:
    content = b"\xef\xbb\xbf\r\n" + json_lines(SMALL).replace(b"\n", b"\r\n") + b"  \r\n\n" + json_lines(FULL).rstrip()
    lines, bad = parse(content, "jsonl")
    assert not bad
    assert [line.number for line in lines] == [2, 5]
    assert bodies(lines) == [SMALL, FULL]


def test_other_line_separators_belong_to_the_text() -> None:
    content = json.dumps(FULL, ensure_ascii=False).encode()
    assert "\u2028".encode() in content
    lines, bad = parse(content, "jsonl")
    assert not bad
    assert bodies(lines) == [FULL]


def test_every_bad_line_is_named_with_its_reason() -> None:
    content = b"\n".join(
        [
            b"{",
            json.dumps(SMALL).encode(),
            b"[1, 2]",
            json.dumps(SMALL | {"nmae": "x"}).encode(),
            json.dumps({"name": "x", "ticketTypes": TYPES}).encode(),
            json.dumps(SMALL | {"currency": "EURO"}).encode(),
            json.dumps(SMALL | {"currency": "XXX"}).encode(),
            json.dumps(SMALL | {"ticketTypes": []}).encode(),
            json.dumps(SMALL | {"ticketTypes": [{"name": "A", "price": "1.999", "capacity": 1}]}).encode(),
            json.dumps(SMALL | {"endsAt": "2026-03-01T19:00:00Z"}).encode(),
            json.dumps(SMALL | {"description": "x" * BODY_BYTES_MAX}).encode(),
        ]
    )
    lines, bad = parse(content, "jsonl")
    assert [line.number for line in lines] == [2]
    said = reasons(bad)
    assert sorted(said) == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "JSON" in said[1]
    assert "object" in said[3]
    assert "nmae" in said[4]
    assert "startsAt" in said[5]
    assert "currency" in said[6]
    assert "ISO 4217" in said[7]
    assert "ticketTypes" in said[8]
    assert "ticketTypes[0].price" in said[9]
    assert "endsAt" in said[10]
    assert f"at most {BODY_BYTES_MAX}" in said[11]


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_a_file_that_is_not_utf_8(file_format: str) -> None:
    lines, bad = parse(b'{}\n{"name": "Z\xfcrich"}\n', file_format)
    assert not lines
    assert reasons(bad) == {2: "this is not UTF-8; save the file as UTF-8 and try again"}


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_an_empty_file(file_format: str) -> None:
    assert parse(b"\n\n", file_format) == ([], [])


def test_a_key_is_of_the_line_and_its_content() -> None:
    (first, second), _ = parse(json_lines(SMALL, SMALL), "jsonl")
    (again, other), _ = parse(json_lines(SMALL, SMALL | {"city": "Rome"}), "jsonl")
    assert first.idempotency_key == again.idempotency_key
    assert len({first.idempotency_key, second.idempotency_key, other.idempotency_key}) == 3
    assert len(first.idempotency_key) < 100


# --- CSV


def test_csv() -> None:
    content = (
        "name,startsAt,ticketTypes,maxPerUser,city\r\n"
        "Long Shadows,2027-03-01T19:00:00Z,Standing:49.90:500;Seated:79.00:200,4,Rome\r\n"
        "\r\n"
        ",,,,\r\n"
        '"Say ""hi"", twice",2027-03-01T19:00:00Z," Standing : 49.90 : 500 ; ",,\r\n'
    )
    lines, bad = parse(content.encode(), "csv")
    assert not bad
    assert [line.number for line in lines] == [2, 5]
    assert bodies(lines) == [
        SMALL
        | {
            "maxPerUser": 4,
            "city": "Rome",
            "ticketTypes": [*TYPES, {"name": "Seated", "price": "79.00", "capacity": 200}],
        },
        SMALL | {"name": 'Say "hi", twice'},
    ]


def test_line_numbers_of_csv_count_lines_and_not_rows() -> None:
    content = (
        "\nname,startsAt,ticketTypes,description\n"
        'A,2027-03-01T19:00:00Z,S:1:1,"one\ntwo\nthree"\n'
        "B,yesterday,S:1:1,\n"
        'C,2027-03-01T19:00:00Z,S:1:1,"one\ntwo"\n'
    )
    lines, bad = parse(content.encode(), "csv")
    assert [line.number for line in lines] == [3, 7]
    assert list(reasons(bad)) == [6]


def test_csv_as_spreadsheets_write_it_elsewhere() -> None:
    content = '\ufeffname;startsAt;ticketTypes\nLong Shadows;2027-03-01T19:00:00Z;"Standing:49.90:500"\n'
    lines, bad = parse(content.encode(), "csv")
    assert not bad
    assert bodies(lines) == [SMALL]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("name,startsAt,tickets", "there is no column 'tickets'; the columns are: name, startsAt,"),
        ("name,startsAt,ticketTypes,name", "a column is there twice"),
        ("name,city", "the head must name the column startsAt, ticketTypes"),
    ],
)
def test_a_head_that_is_wrong(head: str, reason: str) -> None:
    lines, bad = parse(f"{head}\nx,y,z\n".encode(), "csv")
    assert not lines
    assert reasons(bad)[1].startswith(reason)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,2027-03-01T19:00:00Z", "it has 2 cells, and the head has 4"),
        ("A,2027-03-01T19:00:00Z,Standing:5,", "is not name:price:capacity"),
        ("A,2027-03-01T19:00:00Z,Standing:5:many,", "the capacity must be a whole number, not 'many'"),
        ("A,2027-03-01T19:00:00Z,Standing:5:1,four", "maxPerUser must be a whole number"),
        ("A,2027-03-01T19:00:00Z,Standing:5:1,0", "maxPerUser must be a whole number from 1"),
        ("A,2027-03-01T19:00:00Z,Standing:5 EUR:1,", "decimal string"),
        (",2027-03-01T19:00:00Z,Standing:5:1,", "name is missing"),
        ("A,2027-03-01T19:00:00Z,,", "ticketTypes is missing"),
        ('A,2027-03-01T19:00:00Z,Standing:5:1,"4', "this is not CSV"),
    ],
)
def test_a_row_that_is_wrong(row: str, reason: str) -> None:
    lines, bad = parse(f"name,startsAt,ticketTypes,maxPerUser\n{row}\n".encode(), "csv")
    assert not lines
    assert list(reasons(bad)) == [2]
    assert reason in bad[0].reason


# --- there and back


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_what_is_written_is_read_again_as_the_same_events(file_format: str) -> None:
    content = "".join(write([SMALL, FULL], file_format)).encode()
    lines, bad = parse(content, file_format)
    assert not bad
    assert bodies(lines) == [SMALL, FULL]


def test_nothing_to_write_is_a_head_alone() -> None:
    assert "".join(write([], "csv")) == ",".join(COLUMNS) + "\r\n"
    assert not "".join(write([], "jsonl"))


def test_an_event_as_a_node_gives_it_becomes_what_a_node_takes() -> None:
    event = FULL | {
        "id": 7,
        "status": "on_sale",
        "priceFrom": "0.00",
        "available": 500,
        "challenge": "none",
        "waitingRoom": None,
        "endsAt": None,
        "city": "",
        "ticketTypes": [
            each | {"id": 1, "available": 1, "held": 0, "sold": 0, "waiting": 0} for each in FULL["ticketTypes"]
        ],
    }
    body = body_of(event)
    assert body == {name: value for name, value in FULL.items() if name not in ("endsAt", "city")}
    assert not fault_of(json.dumps(body).encode())
    assert create_event_command(json.dumps(body).encode(), bytes(32)).max_holds_per_user == 1
