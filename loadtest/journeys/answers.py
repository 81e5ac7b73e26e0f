"""The answers of the API as a client reads them, and what all of them have in common.

Owns the shapes that the contract promises (more fields may come; fewer, or of another kind, are a fault) and
`fault_of`, which finds what is wrong with an answer whatever was asked.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

LATER: Final = frozenset({429, 503})  # ask again, after Retry-After
LATER_CODES: Final = frozenset({"rate_limited", "no_primary", "not_durable", "replica_behind", "overloaded"})
WITH_RETRY_AFTER: Final = LATER | {425}


class Heard(NamedTuple):
    """An answer as it came. `status` 0: none came, and `body` says why.

    `headers` knows a name whatever its case.
    """

    status: int
    headers: Mapping[str, Any]
    body: bytes

    @property
    def replayed(self) -> bool:
        return bool(self.headers.get("Idempotency-Replayed") == "true")

    @property
    def seq(self) -> int:
        return int(self.headers.get("Onsale-Seq") or -1)


class Problem(msgspec.Struct, rename="camel"):
    type: str
    title: str
    status: int
    detail: str
    code: str
    seq: int | None = None
    reason: str | None = None
    available: int | None = None
    retry_after_seconds: int | None = None


class EventItem(msgspec.Struct, rename="camel"):
    id: int
    name: str
    starts_at: str
    venue: str
    city: str
    country: str
    category: str
    status: str
    currency: str
    price_from: str
    available: int


class TicketType(msgspec.Struct, rename="camel"):
    id: int
    name: str
    price: str
    capacity: int
    available: int
    held: int
    sold: int
    waiting: int


class Event(EventItem, rename="camel", kw_only=True):
    max_per_user: int
    waitlist: str
    challenge: str
    ticket_types: list[TicketType]
    waiting_room: dict[str, Any] | None


class TypeCounts(msgspec.Struct, rename="camel"):
    id: int
    available: int
    held: int
    sold: int
    waiting: int


class Availability(msgspec.Struct, rename="camel"):
    event_id: int
    status: str
    available: int
    ticket_types: list[TypeCounts]


class Room(msgspec.Struct, rename="camel"):
    state: str
    now_serving: int
    last_number: int
    admit_per_minute: int
    available: int
    refresh_interval_seconds: int


class Joined(msgspec.Struct, rename="camel"):
    number: int
    token: str
    now_serving: int
    estimated_wait_seconds: int | None
    servable: bool
    status: str
    seq: int


class Place(msgspec.Struct, rename="camel"):
    number: int
    position: int
    admitted: bool
    expires_at: str | None
    status: str
    state: str
    refresh_interval_seconds: int
    estimated_wait_seconds: int | None


class Booked(msgspec.Struct, rename="camel"):
    """201 and 202 of POST /booking: `expires_at` with the first, `position` with the second."""

    booking_id: int
    status: str
    user_id: str
    event_id: int
    ticket_type: str
    quantity: int
    amount: str
    currency: str
    seats: tuple[str, ...]
    seq: int
    expires_at: str | None = None
    expires_in_seconds: int | None = None
    position: int | None = None


class Ticket(msgspec.Struct, rename="camel"):
    code: str
    seat: str | None = None


class Paid(msgspec.Struct, rename="camel"):
    """200 and 202 of POST /pay: `tickets` with the first."""

    payment_id: int
    status: str
    booking_id: int
    booking_status: str
    amount: str
    currency: str
    seq: int
    tickets: tuple[Ticket, ...] = ()
    client_secret: str | None = None


class Booking(msgspec.Struct, rename="camel"):
    booking_id: int
    status: str
    user_id: str
    event_id: int
    quantity: int
    amount: str
    currency: str
    seats: tuple[str, ...]
    position: int | None
    expires_in_seconds: int | None
    tickets: tuple[Ticket, ...]
    seq: int


class GivenUp(msgspec.Struct, rename="camel"):
    booking_id: int
    status: str
    user_id: str
    quantity: int
    seq: int


class Left(msgspec.Struct, rename="camel"):
    """A waiting room."""

    seq: int


class Notice(msgspec.Struct, rename="camel"):
    kind: str
    booking_id: int | None


class Seat(msgspec.Struct):
    id: str
    status: str


class Row(msgspec.Struct):
    name: str
    seats: list[Seat]


class Section(msgspec.Struct):
    name: str
    rows: list[Row]


class SeatMap(msgspec.Struct, rename="camel"):
    event_id: int
    seq: int
    available: int
    sections: list[Section]


class Challenge(msgspec.Struct):
    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str


class Nothing(msgspec.Struct):
    """No body to look at."""


Expected = Mapping[int, Any]
"""What may be answered: for a status below 400 the shape of its body, from 400 on the codes."""

_problem: Final = msgspec.json.Decoder(Problem)
_decoders: Final[dict[Any, Any]] = {}


def read(heard: Heard, expected: Expected) -> Any:
    """The body in its shape. Raises msgspec.DecodeError."""
    if heard.status >= 400:
        return _problem.decode(heard.body)
    shape = expected[heard.status]
    if shape is Nothing:
        return None
    decoder = _decoders.get(shape)
    if decoder is None:
        decoder = _decoders[shape] = msgspec.json.Decoder(shape)
    return decoder.decode(heard.body)


def fault_of(heard: Heard, expected: Expected, *, is_write: bool, seq_min: int) -> str:
    """What is not as the contract says, in words; empty where all is. `seq_min`: what it must reflect at least."""
    status = heard.status
    if status not in expected and status not in LATER:
        return f"{status} is no answer to this: {_short(heard.body)}"
    position = str(heard.headers.get("Onsale-Seq", ""))
    if not position.isdigit():
        return f"Onsale-Seq is {position!r}"
    if int(position) < seq_min and not heard.replayed:
        return f"Onsale-Seq is {position}, and this user was told {seq_min} before"
    if status == 304:
        return "a 304 has a body" if heard.body else ""
    kind = str(heard.headers.get("Content-Type", ""))
    if not kind.startswith("application/problem+json" if status >= 400 else "application/json"):
        return f"the Content-Type of a {status} is {kind!r}"
    try:
        said = read(heard, expected)
    except msgspec.DecodeError as error:
        return f"the body of the {status} cannot be read: {error}: {_short(heard.body)}"
    if is_write and getattr(said, "seq", None) != int(position):
        return f"a write was answered with seq {getattr(said, 'seq', None)}, and Onsale-Seq {position}"
    return _fault_of_problem(heard, said, expected) if status >= 400 else ""


def _fault_of_problem(heard: Heard, said: Problem, expected: Expected) -> str:
    codes = LATER_CODES if heard.status in LATER else expected[heard.status]
    if said.code not in codes:
        return f"{heard.status} {said.code} is no answer to this: {said.detail}"
    if said.status != heard.status:
        return f"the body says {said.status}, and the answer is {heard.status}"
    if heard.status in WITH_RETRY_AFTER and str(heard.headers.get("Retry-After")) != str(said.retry_after_seconds):
        return f"Retry-After is {heard.headers.get('Retry-After')}, and retryAfterSeconds {said.retry_after_seconds}"
    return ""


def _short(body: bytes) -> str:
    return body[:300].decode(errors="replace")
