"""Event files: JSON Lines or CSV, read into the bodies of `POST /events`, and written from events.

Owns both formats and what is wrong with a line. What is written is read again as the same event. Does no I/O.

JSON Lines: on each line one body of `POST /events`. CSV: a head that names its columns, in any order, of which name,
startsAt and ticketTypes are needed; ticketTypes is `Standing:49.90:500;Seated:79.00:200` (name:price:capacity), with a
backslash before a `;` or a backslash that belongs to a name. Empty lines are skipped, and an empty cell is left out.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from ...engine.codes import Code
from ...engine.limits import SEED_BYTES
from ...engine.replies import Refusal
from ...engine.rules.event import create_event
from ...engine.state import State
from ...http.connection.limits import ConnectionLimits
from ...http.problems import RefusedError
from ...http.wire.events import create_event_command

COLUMNS = (
    "name", "startsAt", "endsAt", "venue", "city", "country", "category", "description", "currency", "onSaleAt",
    "maxPerUser", "maxHoldsPerUser", "waitlist", "ticketTypes",
)  # fmt: skip
NEEDED = ("name", "startsAt", "ticketTypes")
NUMBERS = ("maxPerUser", "maxHoldsPerUser")
BODY_BYTES_MAX = ConnectionLimits().body_bytes_max
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TYPE_END = re.compile(r"(?<!\\)(?:\\\\)*;")


class Line(msgspec.Struct, frozen=True):
    """An event of a file: the number of the line on which it begins, and the body to send."""

    number: int
    body: bytes

    @property
    def idempotency_key(self) -> str:
        """The same for the same line with the same content, so that sending a file again creates nothing twice."""
        return f"events-import-{self.number}-{blake2b(self.body, digest_size=16).hexdigest()}"


class BadLine(msgspec.Struct, frozen=True):
    number: int
    reason: str


class BadValueError(Exception):
    """What is wrong with a line, in words."""


def parse(content: bytes, file_format: str) -> tuple[list[Line], list[BadLine]]:
    """Every event of a file, and every line that is none. `file_format`: jsonl or csv."""
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        return [], [BadLine(number, "this is not UTF-8; save the file as UTF-8 and try again")]
    lines: list[Line] = []
    bad: list[BadLine] = []
    for number, body in _csv_bodies(text) if file_format == "csv" else _json_bodies(text):
        reason = body if isinstance(body, str) else fault_of(body)
        if reason:
            bad.append(BadLine(number, reason))
        else:
            assert isinstance(body, bytes)
            lines.append(Line(number, body))
    return lines, bad


def fault_of(body: bytes) -> str:
    """Why no node would take this event; empty when it is fine. These are the very checks that a node does."""
    if len(body) > BODY_BYTES_MAX:
        return f"it has {len(body)} bytes; a node takes at most {BODY_BYTES_MAX}"
    try:
        _, reply = create_event(State(), 0, create_event_command(body, bytes(SEED_BYTES)))
    except RefusedError as refused:
        problem = orjson.loads(refused.answer.body)
        is_json = problem["code"] != Code.INVALID_JSON
        return str(problem["detail"] if is_json else f"{problem['title']}: {problem['detail']}")
    return reply.detail if isinstance(reply, Refusal) else ""


def _json_bodies(text: str) -> Iterator[tuple[int, bytes | str]]:
    for number, line in enumerate(text.split("\n"), 1):  # only there: a name may hold other line separators
        stripped = line.strip()
        if stripped:
            yield number, stripped.encode()


# --- CSV


def _csv_bodies(text: str) -> Iterator[tuple[int, bytes | str]]:
    """(line, body) of each row, or (line, what is wrong with it)."""
    head_line = text.lstrip().split("\n", 1)[0]
    delimiter = ";" if ";" in head_line and "," not in head_line else ","  # as spreadsheets write it in some countries
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    head: list[str] | None = None
    number = 1
    try:
        for row in reader:
            number, following = reader.line_num - _lines_within(row), reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if head is None:
                head = [cell.strip() for cell in row]
                fault = _fault_of_head(head)
                if fault:
                    yield number, fault
                    return
            else:
                yield number, _csv_body(head, row)
            number = following
    except csv.Error as error:
        yield number, f"this is not CSV: {error}"


def _lines_within(row: list[str]) -> int:
    return sum(cell.count("\n") for cell in row)


def _fault_of_head(head: list[str]) -> str:
    unknown = [name for name in head if name not in COLUMNS]
    if unknown:
        return f"there is no column {', '.join(map(repr, unknown))}; the columns are: {', '.join(COLUMNS)}"
    if len(set(head)) < len(head):
        return "a column is there twice"
    missing = [name for name in NEEDED if name not in head]
    return f"the head must name the column {', '.join(missing)}" if missing else ""


def _csv_body(head: list[str], row: list[str]) -> bytes | str:
    if len(row) != len(head):
        return f"it has {len(row)} cells, and the head has {len(head)}"
    body: dict[str, Any] = {name: cell for name, cell in zip(head, row, strict=True) if cell.strip()}
    try:
        for name in NUMBERS:
            if name in body:
                body[name] = _whole_number(body[name], name)
        if "ticketTypes" in body:
            body["ticketTypes"] = parse_types(body["ticketTypes"])
    except BadValueError as fault:
        return str(fault)
    return orjson.dumps(body)


def parse_types(cell: str) -> list[dict[str, Any]]:
    """`Standing:49.90:500;Seated:79.00:200` as the body's ticketTypes. Raises BadValueError."""
    types = []
    for part in _split_types(cell):
        pieces = part.rsplit(":", 2)
        if len(pieces) != 3:
            raise BadValueError(f"ticketTypes: {part.strip()!r} is not name:price:capacity, such as Standing:49.90:500")
        name, price, capacity = (piece.strip() for piece in pieces)
        name = re.sub(r"\\(.)", r"\1", name)
        types.append({"name": name, "price": price, "capacity": _whole_number(capacity, "ticketTypes: the capacity")})
    return types


def _split_types(cell: str) -> Iterator[str]:
    start = 0
    for end in _TYPE_END.finditer(cell):
        yield cell[start : end.end() - 1]
        start = end.end()
    if cell[start:].strip():
        yield cell[start:]


def _whole_number(text: str, what: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit() and len(text) < 20):
        raise BadValueError(f"{what} must be a whole number, not {text.strip()!r}")
    return int(text)


# --- writing


def body_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """What `POST /events` takes, out of an event as `GET /events/{id}` gives it; without what is not set."""
    body: dict[str, Any] = {
        name: event[name] for name in COLUMNS[:-1] if event.get(name) is not None and event.get(name) != ""
    }
    body["ticketTypes"] = [
        {name: each[name] for name in ("name", "price", "capacity")} for each in event["ticketTypes"]
    ]
    return body


def write(bodies: Iterable[Mapping[str, Any]], file_format: str) -> Iterator[str]:
    """The lines of a file, each with its end. `file_format`: jsonl or csv."""
    if file_format == "jsonl":
        for body in bodies:
            yield orjson.dumps(body).decode() + "\n"
        return
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for body in bodies:
        writer.writerow({**body, "ticketTypes": ";".join(map(_type_cell, body["ticketTypes"]))})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _type_cell(ticket_type: Mapping[str, Any]) -> str:
    name = re.sub(r"([\\;])", r"\\\1", ticket_type["name"])
    return f"{name}:{ticket_type['price']}:{ticket_type['capacity']}"
