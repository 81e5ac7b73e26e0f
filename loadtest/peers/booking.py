"""What every peer's booking looks like from outside: the wish that comes in, the answer and the refusal that go out.

Owns the shape. A peer decides and stores in its own way; what it says has the product's keys and the product's size,
so that what is compared is the deciding and the storing.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

EVENT_ID: Final = 1  # the one event that is on sale
PRICE_MINOR: Final = 4990
CURRENCY: Final = "EUR"
HOLD_SECONDS: Final = 300
SOLD_OUT: Final = orjson.dumps(
    {
        "type": "urn:onsale:sold_out",
        "title": "Sold out",
        "status": 409,
        "detail": "There are not as many tickets left; ask for fewer, or try again in a few minutes.",
        "code": "sold_out",
    }
)


class Wish(NamedTuple):
    """What somebody asks for."""

    user_id: str
    event_id: int
    quantity: int


class Hold(NamedTuple):
    """What was kept for somebody."""

    booking_id: int
    amount_minor: int
    expires_at: float  # seconds since 1970


def read_wish(body: bytes) -> Wish:
    asked = orjson.loads(body)
    return Wish(asked.get("userId", "u-1"), asked.get("eventId", EVENT_ID), asked.get("quantity", 1))


def answer(wish: Wish, hold: Hold) -> bytes:
    """Return the body of a 201."""
    return orjson.dumps(describe(wish, hold))


def describe(wish: Wish, hold: Hold) -> dict[str, Any]:
    booking_id, amount_minor, expires_at = hold
    user_id, event_id, quantity = wish
    return {
        "bookingId": booking_id,
        "status": "held",
        "userId": user_id,
        "eventId": event_id,
        "ticketType": 1,
        "quantity": quantity,
        "seats": [],
        "amount": _decimal(amount_minor),
        "currency": CURRENCY,
        "expiresAt": _instant(int(expires_at * 1000)),
        "expiresInSeconds": HOLD_SECONDS,
        "seq": booking_id,
    }


# remembered: many bookings have one amount, and those that were made together end together
@lru_cache(maxsize=1024)
def _decimal(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


@lru_cache(maxsize=1024)
def _instant(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec='milliseconds')[:-6]}Z"
