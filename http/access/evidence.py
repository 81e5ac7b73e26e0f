"""What speaks for a program rather than a person.

Owns which signs there are, what each weighs, and for how long it counts against a user or an address. Nobody is refused
for any of it: it is written down with a booking or a place in the queue, for people to judge, and `onsale inspect`
tells it. Below SUSPECT_SCORE nothing is written, for one weak sign says nothing.
"""

from typing import Final

from ...engine.commands import Evidence
from ...engine.status import (
    SIGNAL_CROWDED_ADDRESS,
    SIGNAL_FOREIGN_TOKEN,
    SIGNAL_LIMITED_BEFORE,
    SIGNAL_NO_BROWSER,
    SIGNAL_SOLVED_TOO_FAST,
    SIGNAL_USED_CHALLENGE,
)
from .recent import Recent

WEIGHTS: Final = {
    SIGNAL_CROWDED_ADDRESS: 25,
    SIGNAL_SOLVED_TOO_FAST: 40,
    SIGNAL_LIMITED_BEFORE: 25,
    SIGNAL_NO_BROWSER: 15,
    SIGNAL_USED_CHALLENGE: 40,
    SIGNAL_FOREIGN_TOKEN: 40,
}
SUSPECT_SCORE: Final = 25
SCORE_MAX: Final = 100
REMEMBERED_NS: Final = 300_000_000_000  # five minutes
KEYS_MAX: Final = 100_000
CROWDS_MAX: Final = 20_000  # some 800 bytes each
CROWD_USERS: Final = 10  # of one address within that time; more than a family, fewer than an office


def evidence_of(signals: int) -> Evidence | None:
    """None: too little to be written down."""
    score = min(sum(weight for signal, weight in WEIGHTS.items() if signals & signal), SCORE_MAX)
    return Evidence(score, signals) if score >= SUSPECT_SCORE else None


class Witness:
    """What was seen lately, at this node, in bounded memory."""

    __slots__ = ("_crowds", "_seen", "has_seen")

    def __init__(self) -> None:
        self.has_seen = False  # anything, ever
        self._seen: Recent[int] = Recent(REMEMBERED_NS, KEYS_MAX)
        self._crowds: Recent[set[str]] = Recent(REMEMBERED_NS, CROWDS_MAX)

    def saw(self, signal: int, user_id: str, address: str, now_ns: int) -> None:
        """`address`: as it is counted; "" if it is not."""
        for key in ("user " + user_id if user_id else "", "address " + address if address else ""):
            if key:
                self.has_seen = True
                self._seen.put(key, (self._seen.get(key, now_ns) or 0) | signal, now_ns)

    def signals(self, user_id: str, address: str, now_ns: int) -> int:
        """All that counts against them; `user_id` is counted among those who came from `address`."""
        signals = SIGNAL_CROWDED_ADDRESS if address and self._is_crowded(user_id, address, now_ns) else 0
        if self.has_seen:
            signals |= self._seen.get("user " + user_id, now_ns) or 0
            if address:
                signals |= self._seen.get("address " + address, now_ns) or 0
        return signals

    def _is_crowded(self, user_id: str, address: str, now_ns: int) -> bool:
        users = self._crowds.get(address, now_ns)
        if users is None:
            users = set()
            self._crowds.put(address, users, now_ns)
        if len(users) <= CROWD_USERS:
            users.add(user_id)
        return len(users) > CROWD_USERS
