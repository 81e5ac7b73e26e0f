"""What people do in a soak: look, book, and pay, give up or let the hold lapse.

Owns the mix, and the comparison of each answer with what it should be. Knows nothing of connections or time.
"""

from collections import Counter, deque
from random import Random
from typing import Final

import msgspec

from .generator import request_bytes

PRICE: Final = "49.90"
PAID_OF_A_THOUSAND: Final = 5  # bookings; tickets that are sold stay in memory, so they are few
GIVEN_UP_OF_A_THOUSAND: Final = 200  # the rest lapses
SEARCHES: Final = ("/events?search=soak", "/events?search=night&limit=5", "/events")
FAULTS_KEPT: Final = 100  # kinds of them, told in full

# what a new request is, of a hundred
_MIX: Final = (("book", 55), ("look", 10), ("availability", 25), ("search", 10))
_EXPECTED: Final = {
    "book": frozenset({201}),
    "pay": frozenset({200}),
    "give up": frozenset({200}),
    "look": frozenset({200}),
    "availability": frozenset({200}),
    "search": frozenset({200}),
}


class Held(msgspec.Struct, rename="camel"):
    """The part of an answer to a booking that is used again."""

    booking_id: int
    user_id: str


_held: Final = msgspec.json.Decoder(Held)


class SoakPeople:
    """`request_of` a number, then `answered` with that number; what is wrong is counted in `faults`."""

    def __init__(self, event_id: int, seed: int, name: str) -> None:
        """Users are called `name-1`, `name-2` …: no two runs against one node may have the same."""
        self.told: Counter[str] = Counter()  # answers as they should be, by kind
        self.faults: Counter[str] = Counter()
        self._event_id = event_id
        self._name = name
        self._chance = Random(seed)
        self._kinds = [kind for kind, share in _MIX for _ in range(share)]
        self._asked: dict[int, str] = {}  # what is under way
        self._next: deque[tuple[str, Held | None]] = deque()  # what those who hold tickets do at once
        self._last: Held | None = None

    def request_of(self, number: int) -> bytes:
        kind, held = self._next.popleft() if self._next else (self._chance.choice(self._kinds), self._last)
        if kind == "look" and held is None:
            kind = "book"
        self._asked[number] = kind
        if kind == "search":
            return request_bytes("GET", self._chance.choice(SEARCHES))
        if kind == "availability":
            return request_bytes("GET", f"/events/{self._event_id}/availability")
        if kind == "book":
            return _post("/booking", {"userId": f"{self._name}-{number}", "eventId": self._event_id, "quantity": 1})
        assert held is not None
        path = f"/booking/{held.booking_id}"
        if kind == "pay":
            wish = {"userId": held.user_id, "eventId": self._event_id, "bookingId": held.booking_id, "amount": PRICE}
            return _post("/pay", wish | {"paymentMethod": "pm_card_visa"}, key=f"pay-{held.user_id}")
        return request_bytes("DELETE" if kind == "give up" else "GET", path)

    def answered(self, number: int, status: int, body: bytes) -> None:
        kind = self._asked.pop(number)
        if status not in _EXPECTED[kind]:
            told = f"{kind}: {status} {body[:200].decode(errors='replace')}"
            self.faults[told if told in self.faults or len(self.faults) < FAULTS_KEPT else f"{kind}: {status}"] += 1
            return
        self.told[kind] += 1
        if kind == "book":
            held = self._last = _held.decode(body)
            drawn = self._chance.randrange(1000)
            if drawn < PAID_OF_A_THOUSAND:
                self._next.append(("pay", held))
            elif drawn < PAID_OF_A_THOUSAND + GIVEN_UP_OF_A_THOUSAND:
                self._next.append(("give up", held))


def _post(path: str, body: dict[str, object], *, key: str = "") -> bytes:
    headers = {"Idempotency-Key": key} if key else {}
    return request_bytes("POST", path, body=msgspec.json.encode(body), headers=headers)
